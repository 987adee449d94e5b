// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { describe, expect, test } from 'vitest';
import { ChartGroup } from '../charts/group';
import { TimeSeries } from '../charts/series';
import type { TargetState } from './state';
import Tiers from './Tiers.svelte';
import { tiers, type TargetFacts } from './tiers';

const NOW = 1_795_949_000_000;
const group = (): ChartGroup => new ChartGroup(60_000, NOW, false, { now: () => 0, frame: (run) => run(), later: (run) => run() });
const facts = (role: string): TargetFacts => ({ role, address: `${role}.example`, version: null, detail: null, limits: {} });
const target = (of: Partial<TargetState> = {}): TargetState => ({
  role: 'cache',
  address: 'cache.example',
  state: 'up',
  round_trip_ms: 1.5,
  last_sample_ms: NOW,
  next_try_ms: null,
  error: null,
  ...of,
});
const cacheOnly = tiers((id) => id.startsWith('cache.'), [facts('cache')], new Set(['cache']));
/** Samples of the cache once a second, those of `missing` left out. */
function data(missing: readonly number[] = []): TimeSeries {
  const made = new TimeSeries();
  const at = Array.from({ length: 30 }, (_, i) => i).filter((i) => !missing.includes(i));
  made.append(
    at.map((i) => NOW - 29_000 + i * 1000),
    { 'cache.operations': at.map((i) => 100 + i), 'cache.evictions': at.map(() => 0) },
  );
  return made;
}
const band = (role: string): HTMLElement => screen.getByTestId(`band-state-${role}`);
const text = (element: Element | null): string => (element?.textContent ?? '').replaceAll(/[\u202f]/g, ' ').trim();

describe('the bands and lanes of the overview', () => {
  test('every tier has its heading, in the order of a request', () => {
    render(Tiers, { group: group(), data: data(), tiers: cacheOnly, targets: [target()] });
    expect(screen.getAllByRole('heading', { level: 2 }).map(text)).toEqual(['API', 'Host', 'Database', 'Cache']);
  });

  test('a tier without a target says what it needs, and has no state', () => {
    render(Tiers, { group: group(), data: data(), tiers: cacheOnly, targets: [target()] });
    expect(text(band('database').closest('.band'))).toContain('needs a SQL database');
    expect([band('database').dataset['state'], text(band('database'))]).toEqual(['none', '']);
  });

  test('a lane without a target has no value and no table', () => {
    render(Tiers, { group: group(), data: data(), tiers: cacheOnly, targets: [target()] });
    const lane = screen.getByTestId('overview-lane-connections');
    expect(within(lane).queryByTestId('overview-lane-connections-now'), 'nothing is no zero').toBeNull();
    expect(within(lane).queryByRole('button')).toBeNull();
  });

  test('a table has both samples of a second', async () => {
    const made = new TimeSeries();
    made.append([NOW - 1000, NOW - 400, NOW - 300], { 'cache.operations': [1, 2, 3], 'cache.evictions': [0, 0, 0] });
    render(Tiers, { group: group(), data: made, tiers: cacheOnly, targets: [target()] });
    await fireEvent.click(within(screen.getByTestId('overview-lane-operations')).getByRole('button', { name: /data table/i }));
    expect(within(screen.getByRole('table')).getAllByRole('row')).toHaveLength(4);
  });

  test('a target that answers says how fast, and its lanes their newest values', async () => {
    const shown = group();
    render(Tiers, { group: shown, data: data(), tiers: cacheOnly, targets: [target()] });
    shown.advance(NOW);
    await waitFor(() => expect(text(band('cache'))).toBe('answers in 1.5 ms'));
    expect(band('cache').dataset['state']).toBe('ok');
    await waitFor(() => expect(text(screen.getByTestId('overview-lane-operations-now'))).toContain('129'));
  });

  test('a target that is down dims its own lanes and says so once', async () => {
    const shown = group();
    const view = { group: shown, data: data(), tiers: tiers(() => true, ['host', 'cache'].map(facts), new Set(['host', 'cache'])) };
    render(Tiers, { ...view, targets: [target({ state: 'down', next_try_ms: NOW + 4000 }), target({ role: 'host' })] });
    shown.advance(NOW);
    await waitFor(() => expect(band('cache').dataset['state']).toBe('bad'));
    const dimmed = document.querySelectorAll('.lane.stale');
    expect(
      [...dimmed].every((lane) => view.tiers[3]!.lanes.some((l) => lane.getAttribute('data-testid') === `overview-lane-${l.key}`)),
    ).toBe(true);
    expect(dimmed.length).toBe(view.tiers[3]!.lanes.length);
    expect(document.querySelectorAll('.lane.stale .unreachable').length, 'the first lane only').toBe(1);
    expect(text(screen.getByTestId('overview-lane-operations-stale'))).toContain('next try in 4 s');
  });

  test('its lanes are whole again when it answers', async () => {
    const shown = group();
    const { rerender } = render(Tiers, { group: shown, data: data(), tiers: cacheOnly, targets: [target({ state: 'down' })] });
    await waitFor(() => expect(document.querySelectorAll('.lane.stale').length).toBeGreaterThan(0));
    await rerender({ targets: [target()] });
    await waitFor(() => expect(document.querySelectorAll('.lane.stale').length).toBe(0));
    expect(band('cache').dataset['state']).toBe('ok');
  });

  test('a gap in the samples is named in the band', async () => {
    const shown = group();
    render(Tiers, { group: shown, data: data([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]), tiers: cacheOnly, targets: [target()] });
    shown.advance(NOW);
    await waitFor(() => expect(text(band('cache'))).toBe('one gap of 11 s'));
    expect(band('cache').dataset['state']).toBe('warn');
  });

  test('samples that come later change the words without new lanes', async () => {
    const shown = group();
    const samples = data();
    render(Tiers, { group: shown, data: samples, tiers: cacheOnly, targets: [target()] });
    const lane = screen.getByTestId('overview-lane-operations');
    samples.append([NOW + 1000], { 'cache.operations': [5000], 'cache.evictions': [9] });
    shown.advance(NOW + 1000);
    await tick();
    await waitFor(() => expect(text(band('cache'))).toContain('evicting since'));
    expect(screen.getByTestId('overview-lane-operations')).toBe(lane);
  });
});
