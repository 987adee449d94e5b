// What a cache tells of itself within a second, in one row of figures.
import type { CacheCommandCost, CacheLook } from '../../../backend/types';
import { bytes, DASH, format, integer, orDash, seconds, THIN } from '../../../kit/figures';
import { shareOf } from './look';

/** One figure of the row: its name, what it is now, and what stands below that. */
export interface Cell {
  key: string;
  name: string;
  value: string;
  below: string;
  about: string;
  /** Its series over the last minutes. */
  series?: { id: string; ratio?: true };
  /** Share of a limit that is used; null where there is no limit. */
  share?: number | null;
}

/** Commands that are shown at once. */
const FIRST = 3;
/** The commands that cost the servers most, and their shares. */
export const costliest = (look: CacheLook): { name: string; share: number; text: string }[] =>
  [...look.commands]
    .sort((a, b) => shareOf(b) - shareOf(a))
    .filter((c) => shareOf(c) > 0)
    .slice(0, FIRST)
    .map((c) => ({ name: c.name, share: shareOf(c), text: format(shareOf(c), 'ratio') }));

/** The slowest of the commands that matter, by what the servers keep of their times. */
function slowest(commands: readonly CacheCommandCost[]): CacheCommandCost | null {
  const known = commands.filter((c) => c.p99_s !== null && shareOf(c) >= 0.05);
  return known.reduce<CacheCommandCost | null>((most, c) => (most === null || c.p99_s! > most.p99_s! ? c : most), null);
}

function latency(look: CacheLook): Cell {
  const pings = look.nodes.flatMap((n) => (n.ping_s === null ? [] : [n.ping_s]));
  const slow = slowest(look.commands);
  const none = look.commands.length === 0 ? 'no commands of others' : 'no percentiles are kept';
  return {
    key: 'latency',
    name: 'round trip',
    value: pings.length === 0 ? DASH : seconds(Math.max(...pings)),
    below: slow === null ? none : `${slow.name} p50 ${orDash(slow.p50_s, seconds)}, p99 ${orDash(slow.p99_s, seconds)}`,
    about:
      'PING of the slowest server. Below, of the commands that take 5 % of their time or more, the one with the highest 99th percentile',
    series: { id: 'cache.latency' },
  };
}

/** The figures of the row, in its order. */
export function cellsOf(look: CacheLook): Cell[] {
  const { memory: m, recent, totals } = look;
  const over = recent ? "between the last two readings, without Perfdeck's own" : 'since it began';
  const hits = recent ? recent.hit_ratio : totals.hit_ratio;
  const limit = m.limit_bytes === null ? 'no limit' : `of ${bytes(m.limit_bytes)}`;
  return [
    {
      key: 'memory',
      name: 'memory',
      value: orDash(m.used_bytes, bytes),
      below: `${limit}, ${m.policy ?? 'its policy is not told'}`,
      about: 'Memory in use, the limit, and what happens there',
      share: m.used_bytes === null || m.limit_bytes === null ? null : Math.min(1, m.used_bytes / m.limit_bytes),
    },
    {
      key: 'hits',
      name: 'hit ratio',
      value: format(hits, 'ratio'),
      below: hits === null ? 'no look-ups' : recent ? `${format(recent.look_ups_per_s, 'per_second')} look-ups` : 'since it began',
      about: `Look-ups that found their key, ${over}. The line is from 90${THIN}% on where it was never lower`,
      series: { id: 'cache.hit_ratio', ratio: true },
    },
    {
      key: 'operations',
      name: 'commands',
      value: recent ? format(recent.commands_per_s, 'per_second') : DASH,
      below: recent ? `busy ${format(recent.busy, 'ratio')}` : 'rates need two readings',
      about: `Commands of others, ${over}`,
      series: { id: 'cache.operations' },
    },
    {
      key: 'evictions',
      name: 'evicted',
      value: recent ? format(recent.evicted_per_s, 'per_second') : orDash(totals.evicted, integer),
      below: `expired ${recent ? format(recent.expired_per_s, 'per_second') : orDash(totals.expired, integer)}`,
      about: `Keys that went for want of room, and those whose time was over, ${over}`,
      series: { id: 'cache.evictions' },
    },
    latency(look),
  ];
}

/** Keys and those that never expire, in words. */
export function keysSaid(look: CacheLook): string {
  const forever = look.keys - look.expiring;
  return look.keys === 0 ? 'no keys' : `${integer(look.keys)} keys, ${format(forever / look.keys, 'ratio')} without expiry`;
}
