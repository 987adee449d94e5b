// Changes of targets as the engine sends them, for tests.
import type { Change, ChangeDetail } from '../backend/types';
import { AT } from './values';

/** A change that the target confirmed. */
export const change = (of: Partial<Change> = {}): Change => ({
  id: 'c1',
  kind: 'drop_index',
  environment_id: 'shop',
  environment: 'shop',
  target: 'database',
  object: 'public.two',
  title: 'Drop `public.two`, which repeats `public.one`',
  statement: 'DROP INDEX CONCURRENTLY "public"."two"',
  undo_statement: 'CREATE INDEX CONCURRENTLY two ON public.t USING btree (a)',
  undo_cost: 'reads the whole table once; reads and writes go on',
  state: 'verified',
  held: false,
  steps: [
    { at_ms: AT, state: 'planned', text: '' },
    { at_ms: AT + 1000, state: 'previewed', text: '' },
    { at_ms: AT + 2000, state: 'armed', text: 'the guards allow it' },
    { at_ms: AT + 2001, state: 'applying', text: '' },
    { at_ms: AT + 5000, state: 'applied', text: '' },
    { at_ms: AT + 5100, state: 'verified', text: 'absent; public.one serves instead' },
  ],
  preview: [
    { figure: 'space_freed', what: 'Space freed', predicted: 3_145_728, came: 3_145_728, unit: 'bytes' },
    { figure: 'time', what: 'Time', predicted: null, came: 2.9, unit: 'seconds' },
  ],
  notes: ['`public.one` has the same keys and stays'],
  waits: { answer: 'open', transactions: 0, oldest_s: null },
  lock: null,
  offers: ['keep', 'undo'],
  target_says: { says: 'as_applied', text: 'absent; public.one serves instead' },
  checked_ms: AT + 5100,
  ends_ms: null,
  created_ms: AT,
  updated_ms: AT + 5100,
  error: null,
  prediction: null,
  proof: null,
  ...of,
});

/** One that waits for a person before anything is sent. */
export const plannedChange = (of: Partial<Change> = {}): Change => {
  const done = change();
  return {
    ...done,
    state: 'previewed',
    steps: done.steps.slice(0, 2),
    preview: done.preview.map((row) => ({ ...row, came: null })),
    offers: ['apply', 'discard'],
    target_says: null,
    checked_ms: null,
    updated_ms: AT + 1000,
    ...of,
  };
};

/** One that ended in the middle: its index is half dropped. */
export const cutOffChange = (of: Partial<Change> = {}): Change => {
  const done = change();
  return {
    ...done,
    state: 'cut_off',
    steps: [...done.steps.slice(0, 4), { at_ms: AT + 4000, state: 'cut_off', text: 'Perfdeck ended while it was applying' }],
    preview: done.preview.map((row) => ({ ...row, came: null })),
    offers: ['finish', 'clean_up'],
    target_says: { says: 'half_done', text: 'invalid, 3.0 MiB, written with every insert, used by no query' },
    updated_ms: AT + 4000,
    ...of,
  };
};

export const changeDetail = (of: Change, guards: Partial<Omit<ChangeDetail, 'change'>> = {}): ChangeDetail => ({
  change: of,
  guard: null,
  confirm: null,
  evidence: [],
  agree: null,
  ...guards,
});
