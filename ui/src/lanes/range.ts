// The shown range in the address: a reload, a link and a second tab show the same seconds.
import { CHANGED, type ChartGroup } from '../charts/group';
import type { TimeSeries } from '../charts/series';
import { paused, type Range } from '../kit/paused.svelte';
import type { ScreenApp } from '../kit/screen';

type Address = Pick<ScreenApp, 'param' | 'setParams' | 'path'>;

/** Longest range that an address may name, in milliseconds: what the store keeps. */
const LONGEST_MS = 31 * 24 * 3_600_000;
/** Rest between two changes that are written, in milliseconds: browsers refuse many changes of the address a second. */
const REST_MS = 300;

const number = (text: string | null): number | null => {
  const value = Number(text);
  return text !== null && text !== '' && Number.isFinite(value) && value > 0 ? value : null;
};

/** Shows what the address names. */
export function showRange(address: Address, group: ChartGroup): void {
  const [span, from, to] = ['span', 'from', 'to'].map((name) => number(address.param(name)));
  if (span && span * 1000 <= LONGEST_MS) group.setSpan(span * 1000);
  if (from && to) {
    if (to > from && to - from <= LONGEST_MS) group.zoom(from, to);
  } else if (to) group.showUntil(to);
}

/**
 * The parameters that name what a group shows; `usualMs` is null for a group of fixed seconds, such as a run's. What is paused is
 * named whole: another screen, or another reader, may have another usual span.
 */
function named(group: ChartGroup, usualMs: number | null): Range {
  const { from } = group.range;
  const whole = (ms: number): string => String(Math.round(ms));
  return {
    span: usualMs === null || (group.live && (group.growing || group.span === usualMs)) ? null : String(group.span / 1000),
    from: group.zoomed ? whole(from) : null,
    to: group.zoomed || (usualMs !== null && !group.live) ? whole(group.end) : null,
  };
}

/** Spans that a range grows through, in milliseconds: something is seen from the first second, and the axis moves seldom. */
const GROWN_MS = [1, 2, 3, 5, 10].map((minutes) => minutes * 60_000);

/**
 * Lets a range that nobody chose follow the data until they fill the usual one; then that one stays. Answers how to end that.
 */
export function growRange(group: ChartGroup, data: () => Pick<TimeSeries, 'first'> | null, usualMs: number): () => void {
  group.growing = true;
  return group.on((what) => {
    if (!group.growing || !(what & CHANGED.data)) return;
    const first = data()?.first ?? null;
    if (first === null) return;
    const age = group.now - first;
    group.grow(GROWN_MS.find((ms) => ms >= age && ms < usualMs) ?? usualMs);
    if (group.span === usualMs) group.growing = false;
  });
}

/**
 * Writes the range into the address when it changes, and shows what another address on the same screen names: a step back,
 * a pasted text. Answers how to end that.
 */
export function keepRange(address: Address, group: ChartGroup, usualMs: number | null): () => void {
  const mine = address.path;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let written = '';
  let writtenAt = -Infinity;
  /** The address is being read: what changes by that is not written before all of it was read. */
  let reading = false;
  const write = (): void => {
    const params = named(group, usualMs);
    const now = JSON.stringify(params);
    if (now === written || address.path !== mine) return;
    written = now;
    writtenAt = performance.now();
    address.setParams(params);
  };
  const follow = (): void => {
    const wanted = { span: address.param('span'), from: address.param('from'), to: address.param('to') };
    if (address.path !== mine || JSON.stringify(wanted) === JSON.stringify(named(group, usualMs))) return;
    // A span that is not named stays as it was; the write after this names it.
    written = JSON.stringify(wanted);
    reading = true;
    if (usualMs === null) group.reset();
    else group.setLive(true);
    showRange(address, group);
    reading = false;
  };
  const off = group.on((what) => {
    if (!(what & CHANGED.range)) return;
    if (usualMs !== null && address.path === mine) paused.shows(named(group, usualMs));
    clearTimeout(timer);
    // Whoever pauses and goes on at once is at the address that says so.
    if (!reading && performance.now() - writtenAt >= REST_MS) write();
    else timer = setTimeout(write, REST_MS);
  });
  if (usualMs !== null) paused.shows(named(group, usualMs));
  addEventListener('hashchange', follow);
  return () => {
    clearTimeout(timer);
    removeEventListener('hashchange', follow);
    off();
  };
}
