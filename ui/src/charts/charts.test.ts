// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { tick } from 'svelte';
import { expect, test } from 'vitest';
import Stack from '../testing/Stack.svelte';
import { ChartGroup } from './group';
import { Heat } from './heat';
import type { LaneSpec } from './lane';
import { TimeSeries } from './series';

const NOW = 1_795_949_000_000;
const group = (): ChartGroup => new ChartGroup(60_000, NOW, false, { now: () => 0, frame: (run) => run(), later: (run) => run() });
const spec: LaneSpec = {
  key: 'rate',
  title: 'Requests',
  what: 'per second',
  kind: 'line',
  height: 60,
  unit: 'per_second',
  scale: { kind: 'zero' },
  series: [{ id: 'rate', label: 'rate', colour: 'c1' }],
};
function data(): TimeSeries {
  const made = new TimeSeries();
  const counts = Array.from({ length: 30 }, (_, i) => i);
  made.append(
    counts.map((i) => NOW - 29_000 + i * 1000),
    { rate: counts },
  );
  return made;
}

test('a lane says its newest value, its samples as a table, and its state in words', async () => {
  const shown = group();
  const { rerender } = render(Stack, { group: shown, spec, data: data() });
  shown.advance(NOW);
  await waitFor(() => expect(screen.getByTestId('lane-now').textContent).toContain('29'));
  expect(screen.getByRole('figure', { name: 'Requests' }).textContent).not.toBe('');
  await fireEvent.click(screen.getByRole('button', { name: /Show data table of Requests/ }));
  const rows = screen.getAllByRole('row');
  expect(rows.length).toBeGreaterThan(5);
  await fireEvent.click(screen.getByText('Close'));
  expect(screen.queryByRole('table')).toBeNull();
  await rerender({ stale: { since: NOW - 10_000, text: 'unreachable since 10 s' } });
  expect(screen.getByTestId('lane-stale').textContent).toContain('unreachable since 10 s');
});

test('keys move the cursor, Escape takes a zoom back, and the ruler says both', async () => {
  const shown = group();
  render(Stack, { group: shown, spec, data: data() });
  shown.advance(NOW);
  await waitFor(() => expect(shown.width).toBeGreaterThan(100));
  await fireEvent.keyDown(document.body, { key: 'ArrowLeft' });
  await waitFor(() => expect(screen.getByTestId('cursor-line')).toBeTruthy());
  expect(screen.getByTestId('cursor-time').textContent).toMatch(/\d\d:\d\d:\d\d/);
  shown.zoom(NOW - 30_000, NOW - 10_000);
  await tick();
  expect(screen.getByTestId('zoom-reset').textContent).toContain('Reset zoom');
  await fireEvent.keyDown(document.body, { key: 'Escape' });
  expect(shown.zoomed).toBe(false);
});

test('a drag over the plot zooms into it', async () => {
  const shown = group();
  render(Stack, { group: shown, spec, data: data() });
  await waitFor(() => expect(shown.width).toBeGreaterThan(100));
  const lanes = screen.getByTestId('lanes');
  const pointer = (what: string, clientX: number): Promise<boolean> => fireEvent(lanes, new MouseEvent(what, { clientX, bubbles: true }));
  await pointer('pointerdown', 300);
  await pointer('pointermove', 500);
  await pointer('pointerup', 500);
  expect(shown.zoomed).toBe(true);
});

test('response times over time are read at a cell, copied, or missing with a reason', async () => {
  const shown = new ChartGroup(60_000, NOW, true, { now: () => 0, frame: (run) => run(), later: (run) => run() });
  const heat = Heat.of({
    started_ms: NOW - 60_000,
    column_s: 30,
    columns: [
      [[100, 5]],
      [
        [100, 2],
        [120, 1],
      ],
    ],
  });
  const { rerender } = render(Stack, { group: shown, spec, data: data(), heat: null, missing: 'This run kept no histogram' });
  expect(screen.getAllByText('This run kept no histogram').length).toBeGreaterThan(0);
  Object.assign(navigator, { clipboard: { writeText: async () => undefined } });
  await rerender({ heat, missing: null });
  shown.setRange(NOW - 60_000, NOW);
  await fireEvent.click(await screen.findByTestId('heat-copy'));
  await waitFor(() => expect(screen.getByTestId('heat-copy').textContent).toBe('Copied'));
});

test('a heatmap that fills has its legend from its first cell on, and none before', async () => {
  const shown = new ChartGroup(60_000, NOW, true, { now: () => 0, frame: (run) => run(), later: (run) => run() });
  const heat = new Heat(NOW - 60_000);
  render(Stack, { group: shown, spec, data: data(), heat });
  shown.setRange(NOW - 60_000, NOW);
  await tick();
  expect(screen.queryByText('requests a cell')).toBeNull();
  heat.add(NOW - 30_000, [[100, 5]]);
  shown.advance(NOW);
  shown.setRange(NOW - 60_000, NOW + 1);
  expect(await screen.findByText('requests a cell')).toBeTruthy();
});
