import { expect, test } from 'vitest';
import type { Change, IndexAdvice } from '../../../backend/types';
import { advice, advised, applied, creation, duplicate, effect, indexes, measured } from './advice.testing';
import { bare, changeOfFinding, itemsOf, shown, waysOf } from './findings';
import { placeOf, pointOf, scaleOf, tickWord } from './gain';
import { savedWords, toneOf, usedWord } from './proof';
import { queriesOf } from './queries';
import { blockerCount, blockersOf, pathOf, standing, whyNot } from './tray';
import { basisWords, changeWord, costsOf, headline, lines, recordWords, slower, together } from './words';

const plain = (text: string): string => text.replaceAll('\u202f', ' ');
const said = (of: { strong: string; rest: string }): string => plain(`${of.strong} ${of.rest}`);

test('what is saved is said with its interval, and never more than is known', () => {
  expect(said(headline(advice(), advised()))).toBe('37 % less database time predicted (interval 34 to 38 %)');
  expect(said(headline(advice({ basis: 'statistics' }), advised()))).toContain('reckoned from statistics alone');
  expect(said(headline(advice(), advised({ saved: { value: -0.01, low: -0.02, high: 0 } })))).toBe(
    'No less database time is predicted with this one alone',
  );
  const untimed = advice({ source: { kind: 'queries' }, saved: null });
  const index = untimed.advised[0]!;
  expect(said(headline(untimed, Object.assign(index, { saved: null })))).toBe('Up to 99 % less time predicted in 1 statement');
  expect(together(untimed)).toBeNull();
});

test('how earlier predictions came out is never rounded up', () => {
  expect(recordWords({ predictions: 0, landed: 0 })).toBeNull();
  expect(recordWords({ predictions: 1, landed: 0 })).toBe('The one earlier prediction here did not land inside its interval');
  expect(recordWords({ predictions: 4, landed: 3 })).toBe('Of 4 earlier predictions here, 3 landed inside their interval');
  expect(recordWords({ predictions: 20, landed: 19 })).toBe('Of 20 earlier predictions here, 9 in 10 landed inside their interval');
  expect(recordWords({ predictions: 20, landed: 20 })).toBe('Of 20 earlier predictions here, all landed inside their interval');
});

test('a change that takes nearly everything away keeps a decimal, and never says that it takes all', () => {
  expect(plain(changeWord(-0.993))).toBe('−99.3 %');
  expect(plain(changeWord(-0.99999))).toBe('−99.9 %');
  expect(plain(changeWord(-0.5))).toBe('−50 %');
  expect(plain(changeWord(0.03))).toBe('+3.0 %');
});

test('costs that are not known are no zeros, and what only one engine has is not said of others', () => {
  const none = advised({
    bytes: null,
    wal_bytes_per_day: null,
    hot_lost_per_day: null,
    writing_ms_per_day: null,
    replaces: ['public.a_idx'],
  });
  const text = (scheme: IndexAdvice['scheme']): string =>
    costsOf(advice({ scheme }), none)
      .map((c) => plain(`${c.name}: ${c.value}`))
      .join('; ');
  expect(text('postgres')).toBe('Size: not known; Writes: +74 B WAL an insert; HOT updates: –; Writers: –; Replaces: a_idx');
  expect(text('sqlite')).toBe('Size: not known; Writes: +74 B an insert; Writers: –; Replaces: a_idx');
  expect(basisWords(advice({ basis: 'steps', server: 'SQLite 3.46' }))).toBe(
    'the steps that SQLite 3.46 would take, and the rows that each reads',
  );
  expect(basisWords(advice({ basis: 'statistics', server: 'MariaDB 10.11' }))).toContain('nothing was planned');
});

test('what an index does to the statement that it slows the most is said, and nothing where no time is known', () => {
  const slowed = (change: number | null, hot_lost: number) => ({
    statement: 'UPDATE orders\n  SET status = $1, changed_at = now() WHERE id = $2',
    key: null,
    calls: 10,
    now_ms: 0.1,
    predicted_ms: 0.112,
    change,
    hot_lost,
  });
  const row = (change: number | null, hot_lost: number): string | undefined =>
    costsOf(advice(), advised({ slows: [slowed(change, hot_lost)] }))
      .filter((c) => c.name === 'Slows')
      .map((c) => plain(`${c.value}; ${c.about}`))[0];
  expect(row(0.12, 1)).toBe('by up to 12 %; 100 µs to 112 µs, no HOT update any more: UPDATE orders SET status = $1, changed_at = now…');
  expect(row(0.002, 0)).toBe('by less than 1 %; 100 µs to 112 µs: UPDATE orders SET status = $1, changed_at = now…');
  expect(row(null, 1)).toBeUndefined();
});

test('a statement is broken where it is read, and never within a name, a text or parentheses', () => {
  expect(lines('CREATE INDEX CONCURRENTLY "a ON b" ON public.t USING btree (x, f(y WHERE)) INCLUDE (z) WHERE s = \' ON \'')).toBe(
    'CREATE INDEX CONCURRENTLY "a ON b"\n    ON public.t USING btree (x, f(y WHERE))\n    INCLUDE (z)\n    WHERE s = \' ON \'',
  );
});

test('queries end at semicolons that end something', () => {
  expect(queriesOf("SELECT ';'; SELECT $$a;b$$ ; /* ; */ ;")).toEqual(["SELECT ';'", 'SELECT $$a;b$$']);
  expect(queriesOf('')).toEqual([]);
});

test('one axis has all statements, in milliseconds where they are known', () => {
  const scale = scaleOf([effect(), effect({ now_ms: 55, predicted_ms: 6.2, predicted_low_ms: 4, predicted_high_ms: 8 })]);
  expect([scale.low, scale.high, scale.unit]).toEqual([0.1, 100, 'ms']);
  expect(scale.ticks.map((tick) => tickWord(tick, scale))).toEqual(['0.1', '1', '10', '100']);
  expect(placeOf(scale, 0.1)).toBe(0);
  expect(placeOf(scale, 10)).toBeCloseTo(2 / 3);
  const untimed = effect({ now_ms: null, predicted_ms: null, predicted_low_ms: null, predicted_high_ms: null });
  const times = scaleOf([untimed]);
  expect(times.unit).toBe('times');
  expect(pointOf(untimed, 'times')).toMatchObject({ now: 1, predicted: expect.closeTo(0.007) as number });
  expect(tickWord(1, times)).toBe('×1');
  expect(pointOf(untimed, 'ms'), 'what is not known is not drawn').toBeNull();
});

test('the list knows the change of each, by the name within the schema', () => {
  expect([bare('public."a.b"'), bare('x'), bare('"A""b"')]).toEqual(['a.b', 'x', 'A"b']);
  const items = itemsOf(advice(), indexes(), [creation()]);
  expect(items.map((item) => item.change?.id ?? null)).toEqual(['c7', null, null, null]);
  expect(itemsOf(advice(), indexes(), [creation({ state: 'undone' })])[0]!.change, 'what is past is no change of it').toBeNull();
  expect(shown(items, 'duplicate users', 'rank')).toHaveLength(1);
  expect(shown(items, '', 'size').map((item) => item.bytes)).toEqual([131 * 2 ** 20, 131 * 2 ** 20, 164 * 2 ** 20, null]);
});

test('who would hold a build up is not said to be nobody where it is hidden', () => {
  expect(blockersOf(creation()).map((session) => session.pid)).toEqual([48213]);
  const of = (waits: Change['waits']): [number | null, string] => [
    blockerCount(creation({ waits })),
    standing(creation({ waits }), 0).text,
  ];
  expect(of({ answer: 'sessions', sessions: [...blockersOf(creation())], left_out: 2 })).toEqual([3, 'waits for 3 blockers']);
  expect(of({ answer: 'sessions', sessions: [], left_out: 0 })).toEqual([0, 'nothing was sent']);
  expect(of({ answer: 'open', transactions: 4, oldest_s: 9 }), 'not all of them use the table').toEqual([4, 'nothing was sent']);
  expect(of({ answer: 'hidden' })).toEqual([null, 'nothing was sent']);
  expect(of(null), 'an earlier version did not keep it').toEqual([null, 'nothing was sent']);
});

test('a finding may have several ways, the advised one first, and each is known by its change', () => {
  const hide = { label: 'Plan hiding it', opens: { what: 'change' as const, kind: 'hide_index', object: 'users.b' } };
  const drop = { label: 'Plan the drop', opens: { what: 'change' as const, kind: 'drop_index', object: 'users.b' } };
  const base = duplicate();
  const found = duplicate({ finding: { ...base.finding, action: hide, proof: { ...base.finding.proof, steps: [hide, drop] } } });
  expect(waysOf(found).map((way) => way.kind)).toEqual(['hide_index', 'drop_index']);
  expect(changeOfFinding([creation({ kind: 'drop_index', object: 'users.b' })], found)?.id).toBe('c7');
  expect(changeOfFinding([creation({ kind: 'drop_index', object: 'users.a' })], found)).toBeNull();
});

test('how far a change came ends with what its proof said', () => {
  const words = (change: Parameters<typeof pathOf>[0]): string =>
    pathOf(change)
      .map((l) => `${l.word}${l.mark === null ? '?' : ''}`)
      .join(' ');
  expect(words(creation())).toBe('Planned Previewed Applied? Proven?');
  expect(words(creation({ state: 'applying' }))).toBe('Planned Previewed Applying Proven?');
  expect(words(applied())).toBe('Planned Previewed Applied Proven?');
  expect(words(applied({ proof: measured({ verdict: 'fragile' }) }))).toBe('Planned Previewed Applied Fragile');
  expect(words(applied({ state: 'undone' }))).toBe('Planned Previewed Undone');
  expect(whyNot(applied({ undo_statement: null, offers: [] }), 'undo')).toBe('It cannot be undone');
  expect(whyNot(applied({ kind: 'drop_index' }), 'prove')).toContain('Only an index that was created');
  expect(whyNot(applied({ state: 'undone' }), 'prove')).toBe('It is undone');
  expect(whyNot(applied({ held: true }), 'prove')).toBe('It is being worked on');
  expect(standing(applied({ target_says: { says: 'as_before', text: 'absent' } }), 0)).toEqual({ mark: 'warning', text: 'absent' });
});

test('what was measured is better or worse by its interval, never by its middle', () => {
  expect(toneOf({ value: -0.1, low: -0.2, high: -0.01 })).toBe('better');
  expect(toneOf({ value: -0.1, low: -0.3, high: 0.02 })).toBe('none');
  expect(toneOf({ value: 0.055, low: 0.036, high: 0.09 }), 'no proof calls that slower').toBe('none');
  expect(toneOf({ value: 0.4, low: 0.2, high: 0.6 })).toBe('worse');
  const of = measured().statements[0]!.classes[0]!;
  expect(usedWord({ ...of, used: false }, true).mark, 'a write maintains it').toBe('none');
  expect(usedWord({ ...of, used_after_analyze: false }, false)).toEqual({ mark: 'warning', word: 'not after ANALYZE' });
});

test('classes that get slower are counted by statements, the worst in words', () => {
  expect(slower([effect()])).toBeNull();
  expect(plain(slower([effect({ classes: [{ class: 'far_end', ratio: 3.2 }] })]) ?? '')).toContain('by up to × 3.2');
  expect(savedWords(measured({ saved: null }), null)).toBe('');
});
