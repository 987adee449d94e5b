// @vitest-environment jsdom
import { render, screen } from '@testing-library/svelte';
import { describe, expect, test } from 'vitest';
import Curve from './Curve.svelte';
import type { CurvePoint } from './curve-scale';

const POINTS: CurvePoint[] = [
  { q: 0, ms: 1 },
  { q: 0.5, ms: 11.8 },
  { q: 0.9, ms: 17 },
  { q: 0.99, ms: 42.5 },
  { q: 0.999, ms: 61 },
  { q: 1, ms: 120 },
];
const NAMED = [
  { label: 'p50', q: 0.5, ms: 11.8 },
  { label: 'p99', q: 0.99, ms: 42.5 },
];
async function draw(of: Partial<{ points: CurvePoint[]; n: number; named: typeof NAMED; height: number }> = {}) {
  const view = render(Curve, { points: POINTS, n: 72_930, named: NAMED, ...of });
  // Its width is measured after it is there.
  await Promise.resolve();
  await Promise.resolve();
  return { ...view, figure: screen.getByRole('figure', { name: 'Latency by percentile' }) };
}
const text = (element: Element | null): string => (element?.textContent ?? '').replaceAll(/[\u202f]/g, ' ').trim();
const all = (figure: HTMLElement, what: string): string[] => [...figure.querySelectorAll(what)].map(text);

describe('latency by percentile', () => {
  test('says its chosen points and its size in words', async () => {
    const { figure } = await draw();
    expect(text(figure.querySelector('figcaption'))).toBe('p50 11.8 ms, p99 42.5 ms, n 72930');
  });
  test('its percentiles have one more nine each, with the unit at the last', async () => {
    const { figure } = await draw();
    const labels = all(figure, '.x');
    expect(labels[0]).toBe('0');
    expect(labels.at(-1)).toMatch(/^99\.9+ %$/);
    expect(labels.slice(0, -1).some((l) => l.includes('%'))).toBe(false);
  });
  test('its times are round, with the unit at the last', async () => {
    const labels = all((await draw()).figure, '.y');
    expect(labels.every((l) => /^(1|3|10|30|100|300)( ms)?$/.test(l))).toBe(true);
    expect(labels.filter((l) => l.endsWith(' ms'))).toEqual([labels.at(-1)]);
  });
  test('names each chosen point beside its dot', async () => {
    const { figure } = await draw();
    expect(all(figure, '.name')).toEqual(['p50 11.8 ms', 'p99 42.5 ms']);
    expect(figure.querySelectorAll('.dot').length).toBe(2);
  });
  test('a higher percentile stands further right, a longer time higher', async () => {
    const [p50, p99] = [...(await draw()).figure.querySelectorAll<HTMLElement>('.dot')];
    const at = (dot: HTMLElement, side: 'left' | 'top'): number => Number.parseFloat(dot.style[side]);
    expect(at(p99!, 'left')).toBeGreaterThan(at(p50!, 'left'));
    expect(at(p99!, 'top')).toBeLessThan(at(p50!, 'top'));
  });

  test('says where n is too small for the rest', async () => {
    const { figure } = await draw();
    const small = figure.querySelector<HTMLElement>('.small')!;
    expect(text(small)).toBe('n too small');
    expect(Number.parseFloat(small.style.left)).toBeGreaterThan(56);
  });
  test('fewer samples are too few earlier', async () => {
    const left = async (n: number): Promise<number> => {
      const { figure, unmount } = await draw({ n });
      const at = Number.parseFloat(figure.querySelector<HTMLElement>('.small')!.style.left) - 56;
      const end = figure.querySelectorAll('.x').length;
      unmount();
      return at / end;
    };
    expect(await left(1000)).toBeLessThan(await left(1_000_000));
  });
  test('a point beyond what n can tell is neither drawn nor named', async () => {
    const { figure } = await draw({ n: 50, named: [{ label: 'p99.9', q: 0.999, ms: 61 }] });
    expect(figure.querySelector('.name')).toBeNull();
  });
  test('a time of zero is not drawn on an axis that has none', async () => {
    const { figure } = await draw({ named: [{ label: 'p50', q: 0.5, ms: 0 }] });
    expect(figure.querySelector('.dot')).toBeNull();
  });
  test('without a sample it is empty, and no error', async () => {
    const { figure } = await draw({ points: [], n: 0, named: [] });
    expect(text(figure.querySelector('figcaption'))).toContain('n 0');
  });
  test('has the height that it is given', async () => expect((await draw({ height: 140 })).figure.style.height).toBe('140px'));
  test('new points draw it anew', async () => {
    const { figure, rerender } = await draw();
    await rerender({
      points: [
        { q: 0.5, ms: 900 },
        { q: 0.99, ms: 4000 },
      ],
      named: [{ label: 'p99', q: 0.99, ms: 4000 }],
    });
    expect(all(figure, '.name')).toEqual(['p99 4.00 s']);
    expect(figure.querySelectorAll('.uplot').length, 'the old plot is gone').toBe(1);
  });
});
