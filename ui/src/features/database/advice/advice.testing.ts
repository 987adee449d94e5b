// A clinic's advice as the engine sends it, for tests.
import type {
  AdvisedIndex,
  ApiError,
  Change,
  ChangeDetail,
  ChangeProof,
  DatabaseIndexes,
  IndexAdvice,
  IndexFinding,
  PlanNode,
  StatementEffect,
  Statements,
} from '../../../backend/types';
import { fakeApp, type FakeApp } from '../../../testing/app';
import { change, changeDetail, plannedChange } from '../../../testing/changes';
import type { ScreenEnvironment } from '../../../kit/screen';
import { AT, finding, job, proof as evidence } from '../../../testing/values';

export const node = (of: Partial<PlanNode> = {}): PlanNode => ({
  depth: 0,
  name: 'Seq Scan',
  relation: 'appointments',
  index: null,
  detail: null,
  conditions: [],
  own_ms: null,
  total_ms: null,
  loops: null,
  estimated_rows: 20,
  rows: null,
  off_by: null,
  overestimated: false,
  removed_rows: null,
  buffers: null,
  read_buffers: null,
  temp_buffers: null,
  io_ms: null,
  cost: 8000,
  ...of,
});

export const effect = (of: Partial<StatementEffect> = {}): StatementEffect => ({
  statement: 'SELECT id, starts_at FROM appointments WHERE staff_id = $1 ORDER BY starts_at LIMIT $2',
  key: 's1',
  calls: 12_840,
  total_ms: 380_000,
  share: 0.31,
  now_ms: 29.6,
  predicted_ms: 0.21,
  predicted_low_ms: 0.15,
  predicted_high_ms: 0.4,
  change: -0.993,
  change_low: -0.995,
  change_high: -0.986,
  classes: [
    { class: 'rare', ratio: 0.004 },
    { class: 'frequent', ratio: 0.02 },
  ],
  indexes: [0],
  plan_before: [node()],
  plan_after: [node({ name: 'Index Scan', index: 'appointments_staff_id_starts_at_idx', cost: 14.2 })],
  ...of,
});

export const advised = (of: Partial<AdvisedIndex> = {}): AdvisedIndex => ({
  name: 'appointments_staff_id_starts_at_idx',
  table: 'public.appointments',
  keys: '(staff_id, starts_at) INCLUDE (status)',
  spec: {
    table: 'public.appointments',
    keys: [
      { of: { column: 'staff_id' }, descending: false },
      { of: { column: 'starts_at' }, descending: false },
    ],
    include: ['status'],
  },
  statement:
    'CREATE INDEX CONCURRENTLY appointments_staff_id_starts_at_idx ON public.appointments USING btree (staff_id, starts_at) INCLUDE (status)',
  bytes: 131 * 2 ** 20,
  wal_bytes_per_row: 74,
  wal_bytes_per_day: 2.8e6,
  hot_lost_per_day: 0,
  writing_ms_per_day: 1200,
  slows: [],
  saved: { value: 0.37, low: 0.34, high: 0.38 },
  used_by: [0],
  predicted: [],
  reasons: ['It finds the rows and has them in the order that is asked'],
  needs_proof: false,
  replaces: [],
  ...of,
});

export const advice = (of: Partial<IndexAdvice> = {}): IndexAdvice => ({
  id: 'a1',
  environment_id: 'shop',
  made_ms: AT,
  server: 'PostgreSQL 15.18',
  scheme: 'postgres',
  lock: 'share_update_exclusive',
  source: { kind: 'statements', source: 'pg_stat_statements 1.10' },
  from_ms: AT - 3_600_000,
  to_ms: AT,
  observed_s: 3600,
  statements: 40,
  explained: 0.93,
  not_analysed: [{ statement: 'SELECT * FROM a NATURAL JOIN b', calls: 4, total_ms: 1200, why: 'it has a NATURAL JOIN' }],
  not_analysed_left_out: 0,
  basis: 'planner',
  method: 'hypopg',
  hypopg: 'allowed',
  budget_bytes: null,
  saved: { value: 0.52, low: 0.48, high: 0.55 },
  advised: [
    advised(),
    advised({
      name: 'payments_pending_idx',
      table: 'public.payments',
      keys: '(created_at DESC) WHERE status = ?',
      saved: { value: 0.06, low: 0.05, high: 0.07 },
      used_by: [1],
      predicted: [],
      needs_proof: true,
    }),
  ],
  effects: [
    effect(),
    effect({
      statement: 'SELECT id FROM payments WHERE status = $1 ORDER BY created_at DESC LIMIT $2',
      key: 's2',
      share: 0.08,
      now_ms: 4,
      predicted_ms: 1,
      change: -0.75,
      classes: [
        { class: 'frequent', ratio: 0.1 },
        { class: 'far_end', ratio: 1.4 },
      ],
      indexes: [1],
    }),
  ],
  slows: [],
  rejected: [{ table: 'public.appointments', keys: '(status)', why: 'no plan uses it: `appointments_pkey` is chosen instead' }],
  rejected_left_out: 2,
  grants: [],
  notes: [],
  plans: 122,
  took_s: 3.4,
  ...of,
});

export const duplicate = (of: Partial<IndexFinding> = {}): IndexFinding => ({
  kind: 'duplicate',
  object: 'public.users_email_b',
  table: 'public.users',
  ranked_by: 'what it serves is served without it',
  index: null,
  stays: null,
  frees_bytes: 164 * 2 ** 20,
  users: [],
  users_left_out: 0,
  finding: finding({
    id: 'duplicate_index:public.users_email_b',
    title: '`public.users_email_b` repeats `public.users_email_a`',
    evidence: '164 MiB, (email) of `public.users` again',
    action: { label: 'Review drop', opens: { what: 'change', kind: 'drop_index', object: 'public.users_email_b' } },
    proof: evidence({ steps: [], statements: [{ what: 'Drops it', text: 'DROP INDEX CONCURRENTLY public.users_email_b;' }] }),
  }),
  ...of,
});

export const foreignKey = (): IndexFinding =>
  duplicate({
    kind: 'foreign_key',
    object: 'payments.payments_appointment_id_fkey',
    table: 'public.payments',
    frees_bytes: null,
    finding: finding({
      id: 'foreign_key_without_index:p',
      title: 'The foreign key has no index',
      proof: evidence({ steps: [] }),
      action: { label: 'Review', opens: { what: 'database' } },
    }),
  });

export const indexes = (of: Partial<DatabaseIndexes> = {}): DatabaseIndexes => ({
  at_ms: AT,
  findings: [foreignKey(), duplicate()],
  findings_left_out: 0,
  unused: { answer: 'judged', hours: 1000, nodes: 1, standbys_not_asked: 0 },
  indexes: 20,
  indexes_left_out: 0,
  tables: 6,
  plans_followed: 12,
  counted_since_ms: AT - 8.64e9,
  missing: [],
  grants: [],
  took_s: 0.2,
  ...of,
});

/** The change that creates the first advised index, before anything of it was sent. */
export const creation = (of: Partial<Change> = {}): Change =>
  plannedChange({
    id: 'c7',
    kind: 'create_index',
    object: 'public.appointments_staff_id_starts_at_idx',
    title: 'Create `public.appointments_staff_id_starts_at_idx` on `public.appointments`',
    statement: 'CREATE INDEX CONCURRENTLY "appointments_staff_id_starts_at_idx" ON public.appointments ("staff_id", "starts_at")',
    undo_statement: 'DROP INDEX CONCURRENTLY "public"."appointments_staff_id_starts_at_idx"',
    preview: [
      { figure: 'table_read', what: 'Table that is read', predicted: 55_000_000, came: null, unit: 'bytes' },
      { figure: 'table_rows', what: 'Rows', predicted: 300_000, came: null, unit: 'count' },
    ],
    notes: ['The table is read twice'],
    waits: {
      answer: 'sessions',
      sessions: [{ pid: 48213, name: 'analytics-export', state: 'idle in transaction', age_s: 372 }],
      left_out: 0,
    },
    lock: 'share_update_exclusive',
    prediction: {
      advice_id: 'a1',
      basis: 'planner',
      bytes: 131 * 2 ** 20,
      saved: { value: 0.37, low: 0.34, high: 0.38 },
      statements: [
        {
          statement: effect().statement,
          key: 's1',
          share: 0.31,
          calls: 12_840,
          now_ms: 29.6,
          change: { value: -0.993, low: -0.995, high: -0.986 },
          classes: [],
        },
      ],
      needs_proof: false,
    },
    ...of,
  });

/** The same in force. */
export const applied = (of: Partial<Change> = {}): Change =>
  creation({ state: 'verified', steps: change().steps, offers: ['keep', 'undo'], updated_ms: AT + 9000, ...of });

export const measured = (of: Partial<ChangeProof> = {}): ChangeProof => ({
  at_ms: AT,
  took_s: 12,
  method: 'hidden',
  verdict: 'proven',
  why: 'one statement takes less time with it, and none takes more',
  statements: [
    {
      statement: effect().statement,
      writes: false,
      share: 0.31,
      change: { value: -0.991, low: -0.994, high: -0.987 },
      predicted: { value: -0.993, low: -0.995, high: -0.986 },
      landed: true,
      classes: [
        {
          class: 'rare',
          blocks: 8,
          runs: 80,
          before_ms: 29.1,
          after_ms: 0.26,
          change: { value: -0.991, low: -0.994, high: -0.987 },
          buffers_before: 65_418,
          buffers_after: 24,
          rows: 20,
          same_rows: true,
          used: true,
          used_after_analyze: true,
          predicted: -0.993,
        },
        {
          class: 'frequent',
          blocks: 8,
          runs: 80,
          before_ms: 31,
          after_ms: 0.4,
          change: { value: -0.987, low: -0.99, high: -0.98 },
          buffers_before: 65_418,
          buffers_after: 40,
          rows: 20,
          same_rows: null,
          used: true,
          used_after_analyze: null,
          predicted: null,
        },
      ],
      not_measured: null,
    },
  ],
  saved: { value: 0.36, low: 0.35, high: 0.37 },
  notes: [],
  ...of,
});

interface Sent {
  name: string;
  request: unknown;
}

/** A desk whose answers can be changed, and what was sent. */
export function clinic(
  of: {
    advice?: IndexAdvice | null;
    changes?: Change[];
    guards?: Partial<Omit<ChangeDetail, 'change'>>;
    path?: string;
    environments?: ScreenEnvironment[];
  } = {},
) {
  const state = {
    advice: of.advice === undefined ? advice() : of.advice,
    indexes: indexes(),
    changes: of.changes ?? [],
    guards: of.guards ?? {},
    record: { predictions: 214, landed: 203 },
    job: job({ id: 'j1', kind: 'advise', title: 'Advice on the indexes of shop', step: 'planning' }),
    /** Why nothing can be planned. */
    refuses: null as ApiError | null,
    statements,
    sent: [] as Sent[],
    /** Standbys that were to count, each time that the indexes were looked at. */
    standbys: [] as string[][],
  };
  const take = <T>(name: string, request: unknown, answer: T): T => {
    state.sent.push({ name, request });
    return answer;
  };
  const one = (id: string): Change => state.changes.find((c) => c.id === id)!;
  const faked: FakeApp = fakeApp(
    {
      'db.advice': () => state.advice,
      'db.indexes': (r) => {
        state.standbys.push(r.standbys);
        return state.indexes;
      },
      'db.track_record': () => state.record,
      'db.advise': (r) => take('advise', r, state.job),
      'db.allow_hypopg': (r) => take('allow', r, r.allow ? 'allowed' : 'not_agreed'),
      'db.plan_index': (r) => {
        if (state.refuses) throw state.refuses;
        state.changes = [...state.changes, creation()];
        return take('plan_index', r, changeDetail(creation()));
      },
      'db.prove': (r) => take('prove', r, job({ ...state.job, kind: 'prove' })),
      'changes.plan': (r) => {
        const made = plannedChange({ id: 'c8', object: r.object });
        state.changes = [...state.changes, made];
        return take('plan', r, changeDetail(made));
      },
      'changes.list': () => state.changes,
      'changes.check': ({ id }) => changeDetail(one(id), state.guards),
      'changes.apply': (r) => take('apply', r, job({ ...state.job, kind: 'change' })),
      'changes.undo': (r) => take('undo', r, job({ ...state.job, kind: 'change' })),
      'changes.keep': ({ id }) => take('keep', id, one(id)),
      'changes.discard': ({ id }) => {
        state.changes = state.changes.map((c) => (c.id === id ? { ...c, state: 'lapsed', offers: [], updated_ms: AT + 99_000 } : c));
        return take('discard', id, one(id));
      },
      'db.statements': () => state.statements,
      'job.list': () => [],
      'job.get': () => state.job,
      'job.cancel': () => take('cancel', null, true),
    },
    {
      path: of.path ?? '/database/advice',
      environments: of.environments ?? [],
      environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['database'] },
    },
  );
  return { state, ...faked };
}

/** What is counted, and of which nothing was seen. */
export const statements: Statements = {
  state: null,
  source: 'pg_stat_statements 1.10',
  own_counted: null,
  unread: null,
  since_ms: AT,
  next_ms: null,
  coverage: { windows: 0, from_ms: null, to_ms: null, observed_s: 0 },
  gaps: [],
  gaps_left_out: 0,
  total_ms: 0,
  calls: 0,
  rows: [],
  others: null,
  hidden: null,
  compared: null,
  means_from_ms: AT,
  means_step_ms: 3_600_000,
};
