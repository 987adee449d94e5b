// What the logs of a cache's servers say in words, and the columns of their list.
import type { CacheSlowEntry, CacheSlowLog } from '../../../backend/types';
import { bytes, DASH, integer, plural, seconds } from '../../../kit/figures';
import { clock, dayTime } from '../../../kit/format';
import type { Column } from '../../../kit/list';
import type { Said } from '../said';

const KINDS = { slow: 'slow', large_request: 'large request', large_reply: 'large reply' } as const;
export const kindWord = (e: CacheSlowEntry): string => KINDS[e.kind];
export const keyOf = (e: CacheSlowEntry): string => `${e.node} ${e.kind} ${e.id}`;

/** The command as it is shown: what is left out is a question mark, with its length. */
export function lineOf(e: CacheSlowEntry): string {
  const more = e.words_left_out > 0 ? [`… ${plural(e.words_left_out, 'more word')}`] : [];
  return [...e.words.map((w) => w.text), ...more].join(' ');
}

/** Who sent it: its name, or its address. */
export const clientOf = (e: CacheSlowEntry): string => e.client_name ?? e.client ?? DASH;

/** The sentence of the page. */
export function verdict(log: CacheSlowLog): Said {
  const limit = log.slower_than_s === null ? '' : `Commands of more than ${seconds(log.slower_than_s)} are logged. `;
  const parts = [
    ...(log.own > 0 ? [`${integer(log.own)} of Perfdeck's own left out`] : []),
    ...(log.left_out > 0 ? [`${integer(log.left_out)} older ones not asked for`] : []),
    log.version,
  ];
  const support = `${limit}${parts.join(' · ')}`;
  const refused = log.unknown.find((u) => u.grant !== null);
  if (refused) return { tone: 'unknown', strong: `${refused.part} not seen:`, rest: refused.reason, support };
  if (log.entries.length === 0) {
    const why = log.unknown[0];
    return why
      ? { tone: 'unknown', strong: 'No slow log:', rest: why.reason, support: log.version }
      : { tone: 'ok', strong: 'Nothing is logged', rest: '', support };
  }
  const slow = log.entries.filter((e) => e.seconds !== null);
  const longest = slow.reduce<CacheSlowEntry | null>((most, e) => ((e.seconds ?? 0) > (most?.seconds ?? -1) ? e : most), null);
  const large = log.entries.length - slow.length;
  const also = large > 0 ? ` and ${integer(large)} of large size` : '';
  if (!longest) return { strong: `${plural(large, 'command')} of large size,`, rest: 'and none that took long', support };
  return {
    strong: `${plural(slow.length, 'slow command')}${also},`,
    rest: `the longest took ${seconds(longest.seconds ?? 0)}: ${longest.command}`,
    support,
  };
}

/** Columns of the list, with those that have something to show. */
export function columnsOf(log: CacheSlowLog): readonly Column<CacheSlowEntry>[] {
  const several = new Set(log.entries.map((e) => e.node)).size > 1;
  const has = (of: (e: CacheSlowEntry) => unknown): boolean => log.entries.some((e) => of(e) !== null);
  const all: (Column<CacheSlowEntry> | null)[] = [
    {
      key: 'at',
      label: 'at',
      text: (e) => `${dayTime(e.at_ms)}${clock(e.at_ms).slice(5)}`,
      sort: (e) => e.at_ms,
      numeric: true,
      moment: true,
      width: 148,
    },
    log.sizes ? { key: 'kind', label: 'what', text: kindWord, sort: kindWord, width: 108, soft: true } : null,
    {
      key: 'took',
      label: 'took',
      text: (e) => (e.seconds === null ? DASH : seconds(e.seconds)),
      sort: (e) => e.seconds,
      numeric: true,
      strong: true,
      width: 84,
    },
    has((e) => e.cpu_s)
      ? {
          key: 'cpu',
          label: 'CPU',
          text: (e) => (e.cpu_s === null ? DASH : seconds(e.cpu_s)),
          sort: (e) => e.cpu_s,
          numeric: true,
          width: 84,
        }
      : null,
    log.sizes
      ? {
          key: 'size',
          label: 'size',
          text: (e) => (e.bytes === null ? DASH : bytes(e.bytes)),
          sort: (e) => e.bytes,
          numeric: true,
          width: 84,
        }
      : null,
    { key: 'command', label: 'command, values removed', text: lineOf, sort: (e) => e.command, mono: true, least: 240, grow: 3 },
    { key: 'client', label: 'client', text: clientOf, sort: clientOf, soft: true, least: 120 },
    several ? { key: 'node', label: 'server', text: (e) => e.node, sort: (e) => e.node, soft: true, width: 148 } : null,
  ];
  return all.filter((c) => c !== null);
}
