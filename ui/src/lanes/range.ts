// The shown range in the address: a reload, a link and a second tab show the same seconds.
import { CHANGED, type ChartGroup } from '../charts/group';
import type { ScreenApp } from '../kit/screen';

type Address = Pick<ScreenApp, 'param' | 'setParams'>;

/** Longest range that an address may name, in milliseconds: what the store keeps. */
const LONGEST_MS = 31 * 24 * 3_600_000;
/** Rest after the last change before it is written, in milliseconds: browsers refuse many changes of the address a second. */
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

/** Writes the range into the address when it changes; answers how to end that. */
export function keepRange(address: Address, group: ChartGroup, usualMs: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let written = '';
  const write = (): void => {
    const { from, to } = group.range;
    const whole = (ms: number): string => String(Math.round(ms));
    const params = {
      span: group.span === usualMs ? null : String(group.span / 1000),
      from: group.zoomed ? whole(from) : null,
      to: group.live ? null : whole(to),
    };
    const now = JSON.stringify(params);
    if (now === written) return;
    written = now;
    address.setParams(params);
  };
  const off = group.on((what) => {
    if (!(what & CHANGED.range)) return;
    clearTimeout(timer);
    timer = setTimeout(write, REST_MS);
  });
  return () => {
    clearTimeout(timer);
    off();
  };
}
