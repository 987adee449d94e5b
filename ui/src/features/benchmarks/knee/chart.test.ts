// @vitest-environment jsdom
import { fireEvent, render, screen } from '@testing-library/svelte';
import { describe, expect, test, vi } from 'vitest';
import type { StoredKnee } from '../types';
import { knee, kneePoint } from '../../../testing/values';
import KneeChart from './KneeChart.svelte';

const USL = { gamma: 150, alpha: 0.02, beta: 0.0004, scatter: 0, peak_n: 49, capacity: null };
function draw(of: Partial<StoredKnee> = {}, chosen: number | null = null) {
  const choose = vi.fn();
  render(KneeChart, { knee: knee(of), chosen, choose });
  return { choose, chart: screen.getByTestId('knee-chart') };
}
const text = (element: Element | null): string => (element?.textContent ?? '').replaceAll(/[\u202f]/g, ' ').trim();
const words = (of: Partial<StoredKnee> = {}): string[] => [...draw(of).chart.querySelectorAll('text')].map(text);

describe('throughput and latency over connections', () => {
  test('its name says its answer', () => {
    draw();
    expect(screen.getByRole('img').getAttribute('aria-label')).toBe(
      'Throughput and latency over connections. Holds up to 32 connections. At 64 it does not.',
    );
  });
  test('names both axes, with the percentile that was asked about', () => {
    const all = words({ slo: 'p95<50ms' });
    expect(all).toEqual(expect.arrayContaining(['Throughput', 'p95 log scale', 'connections, log scale']));
  });
  test('its connections double along the axis', () =>
    expect(words()).toEqual(expect.arrayContaining(['1', '2', '4', '8', '16', '32', '64'])));
  test('says where the objective lies', () => expect(words()).toContain('objective p99<50ms'));
  test('an objective that cannot be read is not drawn', () => expect(words({ slo: '?' }).join()).not.toContain('objective'));
  test('says where the knee is', () => expect(words()).toContain('knee at 32'));
  test('no knee is no mark', () => {
    const { chart } = draw({ concurrency: null, state: 'never_holds' });
    expect(chart.querySelector('.mark')).toBeNull();
    expect(text(chart)).not.toContain('knee at');
  });

  test('a step that holds is filled and one that fails is hollow, each once for rate and time', () => {
    const { chart } = draw();
    expect([chart.querySelectorAll('g circle').length, chart.querySelectorAll('g.hollow circle').length]).toEqual([6, 2]);
    expect(text(chart.querySelector('figcaption'))).toContain('holds');
    expect(text(chart.querySelector('figcaption'))).toContain('fails');
  });
  test('a step says its figures where it is pointed at', () => {
    const titles = [...draw().chart.querySelectorAll('g title')].map(text);
    expect(titles).toEqual([
      '1 connection: 150/s, p99 9.00 ms, holds',
      '32 connections: 2 000/s, p99 40.0 ms, holds',
      '64 connections: 2 100/s, p99 70.0 ms, fails',
    ]);
  });
  test('a time that is not known is no point, and – in words', () => {
    const { chart } = draw({ points: [kneePoint(4, 10, null, false)] });
    expect(chart.querySelectorAll('g circle').length).toBe(1);
    expect(text(chart.querySelector('g title'))).toBe('4 connections: 10/s, p99 –, fails');
  });
  test('a step is chosen by the pointer and left again', async () => {
    const { chart, choose } = draw();
    const step = chart.querySelectorAll('g')[1]!;
    await fireEvent.pointerEnter(step);
    await fireEvent.pointerLeave(step);
    expect(choose.mock.calls).toEqual([[1], [null]]);
  });
  test('the chosen step is the largest and drawn last', () => {
    const steps = draw({}, 0).chart.querySelectorAll('g');
    expect(text(steps[2]!)).toContain('1 connection');
    expect(Number(steps[2]!.querySelector('circle')!.getAttribute('r'))).toBeGreaterThan(
      Number(steps[0]!.querySelector('circle')!.getAttribute('r')),
    );
  });

  test('capacity says its interval', () => expect(words()).toContain('capacity 1 900/s to 2 100/s, 95 % interval'));
  test('capacity of measured steps says that', () =>
    expect(words({ capacity_measured: true })).toContain('capacity 1 900/s to 2 100/s, lowest and highest measured'));
  test('capacity without an upper end says that', () =>
    expect(words({ capacity: { low: 1900, high: null } }).join()).toContain('capacity 1 900/s to no known limit'));
  test('no capacity is no band', () => expect(draw({ capacity: null }).chart.querySelector('.band')).toBeNull());
  test('the fitted law is drawn and named where there is one', () => {
    expect(text(draw().chart.querySelector('figcaption'))).not.toContain('law');
    document.body.innerHTML = '';
    const { chart } = draw({ usl: USL });
    expect(chart.querySelector('path.law')?.getAttribute('d')?.split('L').length).toBe(81);
    expect(text(chart.querySelector('figcaption'))).toContain('fitted scalability law');
  });
  test('a search without a step has axes and no error', () => {
    expect(words({ points: [], capacity: null, concurrency: null })).toContain('Throughput');
  });
});
