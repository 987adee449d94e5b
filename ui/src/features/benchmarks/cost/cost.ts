// What one request costs, in figures, words and text to hand on. Plain functions over an answer.
import type { CostAmount, RequestCost, StatementCost } from '../../../backend/types';
import { bytes, DASH, format, integer, plural, setting, significant } from '../../../kit/figures';
import { costName } from '../../../kit/cost';
import * as md from '../../../kit/markdown';

/** Cells that are drawn of a request's statements; more are a number. */
export const MOST_CELLS = 60;

/** Of things that are counted: whole where it is. What is rare is not never. */
export const times = (n: number): string =>
  Math.abs(n - Math.round(n)) < 0.005 && (n === 0 || Math.round(n) !== 0) ? integer(n) : significant(n);
const msWord = (ms: number): string => format(ms, 'ms');

export type Show = (n: number) => string;
export const meanWord = (amount: CostAmount | null, show: Show): string => (amount === null ? DASH : show(amount.mean));
/** The 95 % interval of an amount. */
export function intervalWord(amount: CostAmount | null, show: Show): string {
  if (amount === null) return '';
  if (amount.low === null || amount.high === null) return 'too few pairs';
  return amount.high - amount.low < 1e-9 ? 'exactly' : `${show(amount.low)} to ${show(amount.high)}`;
}

export interface Total {
  key: string;
  name: string;
  amount: CostAmount | null;
  show: Show;
  /** Why it is not known. */
  why: string | null;
  /** A part of the row above it. */
  part?: true;
}

/** What a request takes in all, a row each; what is not known says why. */
export function totalsOf(cost: RequestCost): Total[] {
  const of = cost.totals;
  const source = cost.source ?? 'the database';
  const uncounted = (amount: CostAmount | null): string | null => (amount === null ? `${source} does not count it` : null);
  const noCache = cost.notes.find((note) => note.startsWith('commands of the cache')) ?? 'the environment has no cache';
  return [
    { key: 'statements', name: 'Statements', amount: of.statements, show: times, why: null },
    { key: 'ms', name: 'Database time', amount: of.db_ms, show: msWord, why: null },
    { key: 'rows', name: 'Rows returned or changed', amount: of.rows, show: times, why: null },
    { key: 'buffers', name: 'Buffers', amount: of.buffers, show: times, why: uncounted(of.buffers) },
    { key: 'wal', name: 'Write-ahead log', amount: of.wal_bytes, show: bytes, why: uncounted(of.wal_bytes) },
    { key: 'cache', name: 'Cache commands', amount: of.cache_commands, show: times, why: of.cache_commands === null ? noCache : null },
    ...Object.entries(of.cache ?? {}).map(([name, amount]): Total => ({
      key: `cache ${name}`,
      name,
      amount: amount ?? null,
      show: times,
      why: null,
      part: true,
    })),
  ];
}

/** One statement of the strip of cells, with how many cells it has. */
export interface Run {
  key: string;
  cells: number;
  repeated: boolean;
}

/** A request's statements as cells, one for each call: those that are repeated as one filled run. Null where they are too many. */
export function cellsOf(cost: RequestCost): Run[] | null {
  const runs = cost.statements
    .filter((row) => row.sure && !row.nested)
    .map((row) => ({ key: row.key, cells: Math.round(row.calls.mean), repeated: row.repeated === true }))
    .filter((run) => run.cells > 0)
    .sort((a, b) => Number(a.repeated) - Number(b.repeated));
  const all = runs.reduce((sum, run) => sum + run.cells, 0);
  return all === 0 || all > MOST_CELLS ? null : runs;
}

/** The statement that is repeated most, for the line below the cells. */
export const repeatedOf = (cost: RequestCost): StatementCost | null =>
  cost.statements.filter((row) => row.repeated === true && !row.nested).sort((a, b) => b.calls.mean - a.calls.mean)[0] ?? null;

/** What is said of a statement beside its figures. */
export function badgeOf(row: StatementCost): string {
  if (row.repeated === true) return 'N+1';
  if (!row.sure) return 'may be another client’s';
  return row.nested ? 'within others' : '';
}
export const badgeTitle = (row: StatementCost): string | undefined =>
  row.repeated === true
    ? 'called once for each row of another statement'
    : row.sure
      ? row.nested
        ? 'ran within another statement: its time is in that one’s'
        : undefined
      : 'its interval reaches down to nothing: more or longer pairs tell';

/** How it was measured, in a line. */
export const measuredWords = (cost: RequestCost): string =>
  `${plural(cost.pairs, 'block')} of ${setting(cost.block_s)} with requests and as many without; ${plural(cost.requests, 'request')}`;

/** What is to be known beside the figures, what limits them first. */
export function notesOf(cost: RequestCost): string[] {
  const share = cost.background === null ? 0 : cost.background;
  return [
    ...(cost.incomplete === null ? [] : [`${integer(cost.pairs)} of ${plural(cost.pairs_asked, 'pair')}: ${cost.incomplete}`]),
    ...(cost.thrown_away === 0
      ? []
      : [`${plural(cost.thrown_away, 'pair')} thrown away: counters were lost or could not be read in the middle of them`]),
    ...(cost.unanswered === 0 ? [] : [`${plural(cost.unanswered, 'request')} not answered; what they cost is in the figures`]),
    ...(share > 0 ? [`${format(share, 'ratio')} of the statements meanwhile were others’, taken off`] : []),
    ...cost.notes,
    ...(cost.left_out === 0 ? [] : [`${plural(cost.left_out, 'more statement')} not listed`]),
  ];
}

/** Failed requests, answered or not. */
export const failedOf = (cost: RequestCost): number => cost.failures + cost.unanswered;

/** The sentence in two parts: what it found, and the statement that it names. */
export function saidOf(cost: RequestCost): { strong: string; rest: string } {
  const at = cost.sentence.indexOf(': ');
  return at < 0 ? { strong: cost.sentence, rest: '' } : { strong: cost.sentence.slice(0, at + 1), rest: cost.sentence.slice(at + 2) };
}

/** The cost as the engine has it. */
export const json = (cost: RequestCost): string => `${JSON.stringify(cost, null, 2)}\n`;

/** The sentence, what a request takes in all and its statements, as Markdown. */
export function markdown(cost: RequestCost): string {
  const hidden = cost.hidden;
  return [
    `### ${md.text(costName(cost))}`,
    '',
    `${md.text(cost.sentence)}.`,
    '',
    `${md.code(cost.request)} in ${md.text(cost.environment)}, ${md.utc(cost.created_ms)}  `,
    `${md.text(measuredWords(cost))}`,
    ...notesOf(cost).map((note) => `\nNote: ${md.text(note)}`),
    ...(hidden === null ? [] : [`\nNote: ${times(hidden.calls.mean)} statements of a request are hidden from this user`]),
    '',
    '| a request | mean | 95 % interval |',
    '| --- | ---: | ---: |',
    ...totalsOf(cost).map(({ name, amount, show, why }) =>
      md.row([name, meanWord(amount, show), why ?? intervalWord(amount, show)].map(md.text)),
    ),
    '',
    '| calls | rows | time | buffers | WAL | | statement |',
    '| ---: | ---: | ---: | ---: | ---: | --- | --- |',
    ...cost.statements.map((row) =>
      md.row([
        ...[
          times(row.calls.mean),
          times(row.rows.mean),
          msWord(row.ms.mean),
          meanWord(row.buffers, times),
          meanWord(row.wal_bytes, bytes),
          badgeOf(row),
        ].map(md.text),
        row.statement === null ? 'its text is not known' : md.code(row.statement).replaceAll('|', '\\|'),
      ]),
    ),
    '',
  ].join('\n');
}

/** How far apart two measurements of the same request are, as `was 45.8 ms`; empty where nothing was measured before. */
export const wasWord = (before: Total | undefined): string => (before === undefined ? '' : meanWord(before.amount, before.show));

/** About how many requests are sent: `null` where nothing tells how long one takes. */
export function requestsAbout(pairs: number, blockS: number, perS: number | null): number | null {
  return perS === null || !(perS > 0) ? null : Math.round(pairs * blockS * perS);
}
/** How long it takes, in seconds: a block to warm up, then two for each pair, and a moment to read counters around each. */
export const takesS = (pairs: number, blockS: number): number => (2 * pairs + 1) * (blockS + 0.2);
