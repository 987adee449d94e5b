// What an advice says, in words: what it saves, what that rests on, what it costs.
import type {
  AdvisedIndex,
  Change,
  HypopgUse,
  IndexAdvice,
  PreviewFigure,
  ShareRange,
  StatementEffect,
  TrackRecord,
} from '../../../backend/types';
import { bytes, DASH, duration, format, integer, lasted, MINUS, percent as signed, plural, THIN } from '../../../kit/figures';
import { percent } from '../../../kit/format';
import type { Said } from '../said';
import { short } from './findings';

/** An advice is of the workload that it was made for; after this time, in milliseconds, that is said first. */
export const STALE_MS = 3_600_000;
/** How long is looked at what runs now, in seconds, where nothing was counted before. */
export const LOOK_S = 30;
/** Beyond this a class of values counts as slower: what a proof would call so too. */
export const SLOWER = 1.05;

const figure = (share: number): string => percent(share).replace(`${THIN}%`, '');
/** `34 to 38 %`; with a decimal where its ends would else be the same. */
export function rangeWords({ low, high }: ShareRange): string {
  if (figure(low) !== figure(high)) return `${figure(low)} to ${percent(high)}`;
  return `${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)}${THIN}%`;
}

/** Relative change of a time, with a decimal where nearly all of it goes: `−99.3 %`. */
export function changeWord(change: number): string {
  if (change >= -0.95 || change <= -1) return signed(Math.max(-1, change));
  return `${MINUS}${Math.min(99.9, -change * 100).toFixed(1)}${THIN}%`;
}
export const changeTone = (change: number): 'better' | 'worse' | 'none' =>
  change < -0.05 ? 'better' : change > SLOWER - 1 ? 'worse' : 'none';

/** The statements that an index matters to, with their places among all effects: those that use it, then those that it slows down. */
export function effectsOf(advice: IndexAdvice, index: AdvisedIndex): StatementEffect[] {
  const place = advice.advised.indexOf(index);
  return advice.effects.filter((effect, at) => index.used_by.includes(at) || effect.indexes.includes(place));
}

/** The answer about one index: what it saves of the time, or of a statement where the workload has no times. */
export function headline(advice: IndexAdvice, index: AdvisedIndex): Said {
  const { saved } = index;
  if (saved !== null && saved.value >= 0.0005) {
    const how = advice.basis === 'statistics' ? 'reckoned from statistics alone' : 'predicted';
    return { strong: `${percent(saved.value)} less`, rest: `database time ${how} (interval ${rangeWords(saved)})` };
  }
  if (saved !== null) return { strong: 'No less database time', rest: 'is predicted with this one alone' };
  const best = Math.min(0, ...effectsOf(advice, index).map((e) => e.change));
  const many = plural(index.used_by.length, 'statement');
  if (best > -0.005) return { strong: many, rest: 'would use it' };
  return { strong: `Up to ${percent(-best)} less`, rest: `time predicted in ${many}` };
}

/** What all of it saves together, where there is more than one. */
export function together(advice: IndexAdvice): string | null {
  if (advice.advised.length < 2 || advice.saved === null) return null;
  return `All ${advice.advised.length} advised together: ${percent(advice.saved.value)} (${rangeWords(advice.saved)})`;
}

/** How earlier predictions came out; null where there are none. */
export function recordWords({ predictions, landed }: TrackRecord): string | null {
  if (predictions === 0) return null;
  const one = predictions === 1;
  const of = one ? 'The one earlier prediction here' : `Of ${integer(predictions)} earlier predictions here,`;
  if (one) return `${of} ${landed === 1 ? 'landed inside its interval' : 'did not land inside its interval'}`;
  // Never more than came.
  const many = landed === predictions ? 'all' : predictions < 10 ? integer(landed) : `${Math.floor((landed / predictions) * 10)} in 10`;
  return `${of} ${many} landed inside their interval`;
}

/** What the predictions rest on. */
export function basisWords(advice: IndexAdvice): string {
  const by = {
    planner: `the planner of ${advice.server} with the tables’ own statistics`,
    sample: `the planner of ${advice.server} on samples of the tables, extrapolated`,
    steps: `the steps that ${advice.server} would take, and the rows that each reads`,
    statistics: `statistics of ${advice.server} alone: nothing was planned, candidates are ranked`,
  } as const;
  return by[advice.basis];
}
/** How plans after were made. */
export const METHODS: Readonly<Record<IndexAdvice['method'], string>> = {
  hypopg: 'estimated with a hypothetical index (HypoPG)',
  shadow: 'estimated with the index on samples of the tables',
  schema: 'planned with the index on an empty schema with the file’s statistics',
  none: 'no plan was asked for',
};

/** Where the use of HypoPG stands. */
export const HYPOPG: Readonly<Record<HypopgUse, string>> = {
  not_installed: 'HypoPG is not installed in this database',
  allowed: 'HypoPG may be used here',
  not_agreed: 'HypoPG is installed here and not used, because nobody agreed to it',
  quarantined: 'A session died while HypoPG was used here: it is not used until somebody agrees again',
};
export const HYPOPG_RISK =
  'With it the server plans with the tables’ own statistics, which predicts best. On some servers a statement that it plans has ended the ' +
  'session, and with it every session of the instance (HypoPG issue 116). It runs in a session of its own, and never again by itself after that.';

/** Of how much of the time the statements were analysed. */
export function coverage(advice: IndexAdvice): string {
  if (advice.source.kind === 'queries')
    return `Of ${plural(advice.statements, 'query').replace(/querys$/, 'queries')} that were handed in.`;
  if (advice.explained === null) return 'No statement took time.';
  return `Explains ${percent(advice.explained)} of database time.`;
}
export const notAnalysed = (advice: IndexAdvice): number => advice.not_analysed.length + advice.not_analysed_left_out;

/** A cost in words, and what stands behind it. */
export interface Cost {
  name: string;
  value: string;
  about: string;
}

/** A statement in a line of a few words. */
const brief = (sql: string): string => {
  const line = sql.replace(/\s+/g, ' ').trim();
  return line.length > 48 ? `${line.slice(0, 47)}…` : line;
};

/** What an index takes: room, and time and bytes of those who write; more of it once the change is planned. */
export function costsOf(advice: IndexAdvice, index: AdvisedIndex, change: Change | null = null): Cost[] {
  const postgres = advice.scheme === 'postgres';
  const told = (figure: PreviewFigure): string | null => {
    const row = change?.preview.find((r) => r.figure === figure && r.predicted !== null);
    return row ? format(row.predicted, row.unit) : null;
  };
  const unknown = 'writes were not counted for an hour yet';
  const { bytes: size, wal_bytes_per_day: day, hot_lost_per_day: lost, writing_ms_per_day: writing } = index;
  const bound = advice.budget_bytes === null ? 'predicted from the columns’ widths' : `of ${bytes(advice.budget_bytes)} for all of them`;
  const costs: Cost[] = [
    size === null
      ? { name: 'Size', value: 'not known', about: 'widths of columns are hidden, or the table was never analyzed' }
      : { name: 'Size', value: bytes(size), about: bound },
  ];
  const [read, rows, hot] = [told('table_read'), told('table_rows'), told('hot_updates')];
  if (read !== null) costs.push({ name: 'Build', value: `reads ${read}`, about: rows === null ? '' : `${rows} rows` });
  costs.push({
    name: 'Writes',
    value: `+${bytes(index.wal_bytes_per_row)} ${postgres ? 'WAL an insert' : 'an insert'}`,
    about: day === null ? 'a day’s writes are not known' : `${bytes(day)} a day`,
  });
  if (postgres) {
    const now = hot === null ? '' : `${hot} of updates touch no index now`;
    if (lost === null) costs.push({ name: 'HOT updates', value: DASH, about: now || unknown });
    else if (lost < 0.5) costs.push({ name: 'HOT updates', value: 'unchanged', about: now });
    else costs.push({ name: 'HOT updates', value: `${integer(lost)} a day lost`, about: now || 'they would touch every index' });
  }
  costs.push({
    name: 'Writers',
    value: writing === null ? DASH : `${lasted(writing / 1000)} a day`,
    about: writing === null ? unknown : '',
  });
  const [worst] = index.slows;
  if (worst !== undefined && worst.change !== null) {
    const value = worst.change < 0.005 ? 'by less than 1\u202f%' : `by up to ${signed(worst.change).slice(1)}`;
    const times = `${format(worst.now_ms, 'ms')} to ${format(worst.predicted_ms, 'ms')}`;
    costs.push({
      name: 'Slows',
      value,
      about: `${times}${worst.hot_lost > 0 ? ', no HOT update any more' : ''}: ${brief(worst.statement)}`,
    });
  }
  if (index.replaces.length > 0)
    costs.push({ name: 'Replaces', value: index.replaces.map(short).join(', '), about: 'it serves what they serve' });
  return costs;
}

/** Classes that would take longer, in words; empty where none would. */
export function slower(effects: readonly StatementEffect[]): string | null {
  const worse = effects.filter((e) => e.classes.some((c) => c.ratio > SLOWER));
  if (worse.length === 0) return null;
  const most = Math.max(...worse.flatMap((e) => e.classes.map((c) => c.ratio)));
  return `${plural(worse.length, 'statement')} would take longer for a class of values, by up to ${most >= 2 ? `${THIN}×${THIN}${most.toFixed(1)}` : signed(most - 1).slice(1)}`.replace(
    'to \u202f×',
    'to ×',
  );
}

/** From when to when the statements were seen. */
export function workloadWords(advice: IndexAdvice): string {
  if (advice.source.kind === 'queries') return 'of queries that were handed in';
  const seconds = advice.observed_s;
  const seen = seconds < 120 ? seconds : Math.round(seconds / 60) * 60;
  return seconds > 0 ? `by share of database time, ${duration(seen)} seen` : 'by share of database time';
}

/** A statement that creates an index on several lines, as it is read; what is copied is the statement itself. */
export function lines(sql: string): string {
  // Quoted names and texts are passed over, what stands within parentheses too.
  let out = '';
  let depth = 0;
  const parts = sql.split(/("(?:[^"]|"")*"|'(?:[^']|'')*'|`[^`]*`|[()])/);
  for (const part of parts) {
    if (part === '(') depth += 1;
    if (part === ')') depth -= 1;
    out += depth > 0 || /^["'`]/.test(part) ? part : part.replace(/\s+(ON|INCLUDE|WHERE|WITH)(?=\s|$)/g, '\n    $1');
  }
  return out;
}
