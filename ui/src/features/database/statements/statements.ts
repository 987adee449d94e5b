// Words about statements: what took the database's time, and what of it is not known. Plain functions over an answer.
import type { StatementRow, Statements, StatementsGap, StatementsGapKind } from '../../../backend/types';
import { clock } from '../../../charts/ticks';
import { DASH, duration, integer, lasted, MINUS, percent, plural, significant, THIN } from '../../../kit/figures';
import type { Said } from '../said';

/** Rows that are listed before somebody asks for all. */
export const FIRST = 8;
/** The share of the time that the statements of the sentence take together, at least. */
const MOST = 0.75;
/** The most statements that a sentence names as a few. */
const FEW = 8;
/** A statement of less than this share is not what made a database slow. */
const HEAVY = 0.02;

/** A share as a figure of its own, without its sign: `31.2`. */
export const shareFigure = (share: number | null): string => (share === null ? DASH : (share * 100).toFixed(share < 0.1 ? 2 : 1));
const whole = (share: number): string => `${integer(share * 100)}${THIN}%`;

/** A time of one call in milliseconds, without its unit. */
export const msFigure = (ms: number | null): string => (ms === null ? DASH : significant(ms));
/** A figure for each call. */
export const perCall = (n: number | null): string =>
  n === null ? DASH : n >= 999.5 ? integer(n) : Number.isInteger(n) || n === 0 ? String(n) : significant(n);

/** Shorter texts are shown as they are. */
const LONG_LIST = 16;
/**
 * A statement for a narrow column: what it selects or inserts is left out, so that what tells it apart from others is seen. The whole
 * of it is shown where it is chosen.
 */
export function shortSql(sql: string): string {
  const text = sql.replaceAll(/\s+/g, ' ').trim();
  const insert = /^(INSERT INTO \S+ ?)\(([^()]*)\)(.*)$/i.exec(text);
  if (insert !== null && insert[2]!.length > LONG_LIST) return `${insert[1]}(…)${insert[3]}`;
  if (!/^SELECT /i.test(text)) return text;
  // The FROM of the statement itself, not of one within it.
  let depth = 0;
  for (const match of text.matchAll(/[()]|\bFROM\b/gi)) {
    if (match[0] === '(') depth += 1;
    else if (match[0] === ')') depth -= 1;
    else if (depth === 0) return match.index - 7 > LONG_LIST ? `${text.slice(0, 7)}… ${text.slice(match.index)}` : text;
  }
  return text;
}

/** How the time of a call changed: a factor from twice as long on, else a percentage or the word for what is not one. */
export function changeWord(row: StatementRow): string {
  const change = row.change;
  if (change === null) return DASH;
  if (change.verdict === 'slower') return change.change >= 1 ? `×${THIN}${significant(1 + change.change, 2)}` : percent(change.change);
  if (change.verdict === 'faster') return percent(change.change);
  return { equivalent: 'Equivalent', real_but_small: 'Real but small', inconclusive: 'Inconclusive', invalid: DASH }[change.verdict];
}
export const changeTone = (row: StatementRow): 'worse' | 'better' | 'none' =>
  row.change?.verdict === 'slower' ? 'worse' : row.change?.verdict === 'faster' ? 'better' : 'none';
const signed = (ratio: number): string => {
  const value = ratio * 100;
  const text = Math.abs(value) >= 9.95 ? integer(Math.abs(value)) : Math.abs(value).toFixed(1);
  return `${value < 0 && /[1-9]/.test(text) ? MINUS : '+'}${text}`;
};
/** Its 95 % interval, in per cent. */
export const intervalWord = (row: StatementRow): string =>
  row.change === null ? DASH : `${signed(row.change.low)} to ${signed(row.change.high)}`;

/** Where a ratio stands between ×½ and ×4, 0 to 1; what lies beyond stands at the end. */
export const ratioAt = (ratio: number): number => Math.min(1, Math.max(0, (Math.log2(Math.max(ratio, 1e-9)) + 1) / 3));

/** What a row is compared with, in two or three words. */
export function comparedWord(answer: Statements, days: readonly string[] = DAYS): string | null {
  if (answer.compared === null) return null;
  if (answer.compared.with === 'period_before') return 'the time before';
  return `same time last ${days[new Date(answer.compared.from_ms).getDay()]}`;
}
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

/** The few statements that take most of the time, or the heaviest one. */
function heaviest(answer: Statements): string | null {
  const shares = answer.rows.flatMap((row) => (row.share === null ? [] : [row.share])).sort((a, b) => b - a);
  if (shares.length === 0 || answer.total_ms <= 0) return null;
  let sum = 0;
  for (const [i, share] of shares.slice(0, FEW).entries()) {
    sum += share;
    if (sum >= MOST) return `${plural(i + 1, 'statement')} ${i === 0 ? 'takes' : 'take'} ${whole(sum)} of database time`;
  }
  return `The heaviest statement takes ${whole(shares[0]!)} of database time`;
}

/** Of the statements that matter, the one that got the most slower, and whether others did. */
function slower(answer: Statements): string | null {
  const worse = answer.rows
    .filter((row) => row.change?.verdict === 'slower' && (row.share ?? 0) >= HEAVY)
    .sort((a, b) => b.change!.change - a.change!.change);
  const first = worse[0];
  if (first === undefined) return null;
  const by =
    first.change!.change >= 1
      ? `${significant(1 + first.change!.change, 2)}${THIN}× slower`
      : `slower by ${percent(first.change!.change).slice(1)}`;
  return worse.length === 1 ? `one got ${by}` : `${integer(worse.length)} got slower, one ${by.replace('slower by ', 'by ')}`;
}

/** The answer in a sentence; null where there are no figures. */
export function verdict(answer: Statements): Required<Said> | null {
  const { coverage } = answer;
  if (coverage.windows === 0 || coverage.from_ms === null || coverage.to_ms === null) return null;
  const strong = heaviest(answer) ?? 'No statement was called';
  const worse = slower(answer);
  const spent = `${lasted(answer.total_ms / 1000)} of database time in ${duration(coverage.observed_s)} that were seen, ${clock(coverage.from_ms, false)} to ${clock(coverage.to_ms, false)}`;
  const with_ = comparedWord(answer);
  const against = with_ === null ? 'nothing before that was seen to compare with' : `compared with ${with_}`;
  return { strong, rest: worse ?? '', tone: worse === null ? 'ok' : 'warn', support: `${spent}; ${against}.` };
}

const KINDS: Record<StatementsGapKind, string> = {
  reset: 'the counters were reset; what was counted before that is not known',
  restarted: 'the server began anew with new counters',
  some_reset: 'the counters of some statements were reset, and what those had counted is not accounted',
  evicted: 'the server dropped entries to make room, and what they had counted is not accounted',
  hidden: 'what this user may see changed, or there are more entries than are read',
  not_seen: 'nobody looked',
};

/** Why parts of the time are not known: one line for each reason, with when, or how often. */
export function gapLines(gaps: readonly StatementsGap[], leftOut: number): string[] {
  const lines: string[] = [];
  for (const [kind, words] of Object.entries(KINDS) as [StatementsGapKind, string][]) {
    const found = gaps.filter((gap) => gap.kind === kind);
    const first = found[0];
    if (first === undefined) continue;
    const when = `${clock(first.from_ms, false)} to ${clock(first.to_ms, false)}`;
    const entries = found.reduce((sum, gap) => sum + gap.entries, 0);
    const went = entries > 0 ? `; ${plural(entries, 'entry').replace(/entrys$/, 'entries')}` : '';
    lines.push(`${found.length === 1 ? when : `${integer(found.length)} times, first ${when}`}: ${words}${went}`);
  }
  if (leftOut > 0) lines.push(`${plural(leftOut, 'more gap')}`);
  return lines;
}

/** What is not among the rows that are shown: how many, their share, and the largest share of one of them. */
export function restWord(answer: Statements, shown: readonly StatementRow[]): { count: number; share: number; words: string } | null {
  const names = new Set(shown.map((row) => row.key));
  const hidden = answer.rows.filter((row) => !names.has(row.key));
  const count = hidden.length + (answer.others?.statements ?? 0);
  if (count === 0) return null;
  const shares = hidden.flatMap((row) => (row.share === null ? [] : [row.share]));
  const share = shares.reduce((sum, s) => sum + s, 0) + (answer.others?.share ?? 0);
  const most = shares.length === 0 ? '' : `, none above ${shareFigure(Math.max(...shares))}${THIN}%`;
  return { count, share, words: `${plural(count, 'more statement')}${most}` };
}

/** The points of a line through hourly means, in pixels; hours without calls break it. */
export function sparkline(means: readonly (number | null)[], width: number, height: number): string {
  const known = means.filter((v) => v !== null);
  if (known.length === 0) return '';
  const top = Math.max(...known) * 1.05 || 1;
  const x = (i: number): number => (means.length <= 1 ? width : (i / (means.length - 1)) * width);
  const y = (v: number): number => height - 1 - (v / top) * (height - 2);
  let path = '';
  let broken = true;
  means.forEach((v, i) => {
    if (v === null) {
      broken = true;
      return;
    }
    // One hour alone is a dot: a line of half a pixel.
    const alone = broken && (means[i + 1] ?? null) === null;
    path += `${broken ? 'M' : 'L'}${x(i).toFixed(1)} ${y(v).toFixed(1)}${alone ? 'h1' : ''}`;
    broken = false;
  });
  return path;
}
