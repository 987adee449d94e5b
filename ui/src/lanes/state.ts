// The state of a tier in words, and the sentence on its dimmed lanes.
import { duration, integer } from '../kit/figures';
import { ageS, roundTrip } from '../kit/format';
import type { Stale } from '../charts/lane';
import type { Gap, TimeSeries } from '../charts/series';
import { clock } from '../charts/ticks';
import type { Tier } from './tiers';

export interface TargetState {
  role: string;
  address: string;
  state: string;
  round_trip_ms: number | null;
  last_sample_ms: number | null;
  next_try_ms: number | null;
  error: { code?: string; message: string; hint: string | null } | null;
}

export interface BandState {
  glyph: 'ok' | 'warn' | 'bad' | 'unknown' | 'none';
  text: string;
  title?: string;
}

/** Silence after which a tier counts as stale although its target is not reported down, in milliseconds. */
const SILENCE_MS = 4000;

const ids = (tier: Tier): string[] => tier.lanes.flatMap((l) => l.series.map((s) => s.id));

function newest(tier: Tier, data: TimeSeries): number | null {
  let last: number | null = null;
  for (const id of ids(tier)) {
    const t = data.last(id)?.t;
    if (t !== undefined && (last === null || t > last)) last = t;
  }
  return last;
}

/** Whether a tier's lanes are dimmed and what they say; without an engine that is heard all of them are. */
export function stale(tier: Tier, target: TargetState | undefined, data: TimeSeries, now: number, heard: boolean): Stale | null {
  if (!tier.configured || !target) return null;
  const sample = newest(tier, data);
  const since = Math.max(sample ?? -Infinity, target.last_sample_ms ?? -Infinity);
  const ago = since > 0 ? `last sample ${duration(ageS(since, now))} ago` : 'no sample yet';
  if (!heard) return { since: since > 0 ? since : now, text: `no answer from the engine: ${ago}` };
  const name = tier.name === 'API' ? 'api' : tier.name.toLowerCase();
  if (target.state === 'down') {
    const next = target.next_try_ms === null ? '' : `, next try in ${duration(ageS(now, target.next_try_ms))}`;
    return { since: since > 0 ? since : now, text: `${name} unreachable: ${ago}${next}` };
  }
  if (target.state === 'up' && sample !== null && now - sample > SILENCE_MS) {
    return { since: sample, text: `${name} is silent: ${ago}` };
  }
  return null;
}

function gapWords(gaps: readonly Gap[]): string {
  const longest = duration(Math.max(...gaps.map((g) => g.to - g.from)) / 1000);
  return gaps.length === 1 ? `one gap of ${longest}` : `${gaps.length} gaps, longest ${longest}`;
}

/** Words for the right end of a tier's band: what deviates, else that it answers. */
export function bandState(
  tier: Tier,
  target: TargetState | undefined,
  data: TimeSeries,
  range: { from: number; to: number },
  now: number,
  heard: boolean,
): BandState | null {
  if (!tier.configured) return null;
  // What was said of a target is from before, and the target itself may be well.
  if (!heard) return { glyph: 'unknown', text: 'not known', title: 'No answer from the engine' };
  if (!target || target.state === 'unknown') return { glyph: 'unknown', text: 'connecting' };
  if (target.state === 'idle') return { glyph: 'none', text: 'idle' };
  const title = target.error ? [target.error.message, target.error.hint].filter(Boolean).join('. ') : '';
  if (target.state === 'down') {
    const since = target.last_sample_ms;
    return { glyph: 'bad', text: since ? `unreachable for ${duration(ageS(since, now))}` : 'unreachable', title };
  }
  const quiet = stale(tier, target, data, now, heard);
  if (quiet) return { glyph: 'warn', text: `no samples for ${duration(ageS(quiet.since, now))}` };
  // Something is there, and what it answers is no service: an API that answers each probe with 503 is failing.
  if (target.error) return { glyph: target.error.code === 'unreachable' ? 'bad' : 'warn', text: target.error.message, title };
  const waiting = data.last('database.locks.waiting');
  if (tier.role === 'database' && waiting && waiting.value > 0) {
    return { glyph: 'warn', text: `${integer(waiting.value)} waiting for a lock` };
  }
  if (tier.role === 'cache') {
    const evicting = evictingSince(data);
    if (evicting !== null) return { glyph: 'warn', text: `evicting since ${clock(evicting)}` };
  }
  const gaps = data.gaps(ids(tier), range.from, range.to);
  if (gaps.length > 0) return { glyph: 'warn', text: gapWords(gaps) };
  if (target.round_trip_ms === null) return { glyph: 'ok', text: 'answers' };
  return { glyph: 'ok', text: tier.role === 'host' ? 'sampled every second' : `answers in ${roundTrip(target.round_trip_ms)}` };
}

/** Pause between two evictions that still counts as one stretch, in milliseconds. */
const LULL_MS = 10_000;

/** Start of the evictions that still go on, if they do. */
export function evictingSince(data: TimeSeries): number | null {
  const column = data.column('cache.evictions');
  const last = data.last('cache.evictions');
  if (!column || !last) return null;
  let since: number | null = null;
  for (let i = column.length - 1; i >= 0 && (since ?? last.t) - data.t[i]! <= LULL_MS; i -= 1) {
    if ((column[i] ?? 0) > 0) since = data.t[i]!;
  }
  return since;
}
