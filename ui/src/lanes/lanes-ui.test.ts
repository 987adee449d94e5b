// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { tick } from 'svelte';
import { expect, test, vi } from 'vitest';
import { ChartGroup } from '../charts/group';
import { fakeApp } from '../testing/app';
import { finding } from '../testing/values';
import Findings from './Findings.svelte';
import RangeBar from './RangeBar.svelte';

const NOW = 1_795_949_000_000;
const group = (): ChartGroup => new ChartGroup(900_000, NOW, false, { now: () => 0, frame: (run) => run(), later: (run) => run() });
const list = ['a', 'b', 'c', 'd', 'e'].map((id) => finding({ id, title: `thing ${id}` }));

test('the range is chosen in a menu, moved, paused with Space, and live again', async () => {
  const shown = group();
  const chosen = vi.fn();
  render(RangeBar, { group: shown, chosen });
  const later = screen.getByTestId('range-later') as HTMLButtonElement;
  expect(later.disabled, 'nothing is later than now').toBe(true);
  await fireEvent.click(screen.getByTestId('range-menu'), { detail: 0 });
  expect((await screen.findByTestId('range-15m')).getAttribute('aria-checked')).toBe('true');
  await fireEvent.click(screen.getByTestId('range-5m'));
  await tick();
  expect([shown.span, chosen.mock.calls]).toEqual([300_000, [[300_000]]]);
  expect(screen.getByTestId('range-menu').textContent).toContain('5 min');
  await fireEvent.click(screen.getByTestId('range-earlier'));
  expect([shown.live, later.disabled, screen.getByTestId('pause').getAttribute('aria-pressed')]).toEqual([false, false, 'true']);
  await fireEvent.click(screen.getByTestId('live'));
  expect(shown.live).toBe(true);
  await fireEvent.keyDown(document.body, { key: ' ' });
  expect(shown.live).toBe(false);
  shown.zoom(NOW - 60_000, NOW - 30_000);
  await tick();
  expect(screen.getByTestId('range-menu').textContent).toContain('zoomed');
});

test('the costliest findings are shown, all on request, and the address remembers that', async () => {
  const { context, address } = fakeApp({}, { path: '/overview' });
  const gone: string[] = [];
  render(Findings, { props: { findings: list, span: '15 min', known: true, open: (route: string) => gone.push(route) }, context });
  expect(screen.getByTestId('findings-count').textContent).toBe('5 things to look at');
  const few = screen.getAllByTestId('finding').length;
  await fireEvent.click(screen.getByTestId('findings-all'));
  expect(screen.getAllByTestId('finding').length).toBeGreaterThan(few);
  expect(address.query).toBe('findings=all');
  await fireEvent.click(screen.getAllByTestId('finding-action')[4]!);
  expect(gone, 'the way there names the finding').toEqual(['/database?finding=e']);
});

test('the finding that led here is marked, wherever it stands', () => {
  const { context } = fakeApp({}, { path: '/database?finding=e' });
  render(Findings, { props: { findings: list, span: '15 min', known: true, here: '/database', open: () => undefined }, context });
  const marked = screen.getAllByTestId('finding').filter((f) => f.getAttribute('aria-current') === 'true');
  expect(marked.map((f) => f.querySelector('h3')?.textContent)).toEqual(['thing e']);
  expect(screen.queryByTestId('finding-action'), 'an action that leads here has no button').toBeNull();
});

test('before the first answer nothing is claimed', async () => {
  const { context } = fakeApp({});
  const { rerender } = render(Findings, { props: { findings: [], span: '15 min', known: false, open: () => undefined }, context });
  expect(screen.getByTestId('findings').textContent).toContain('Looking for things to mend');
  await rerender({ known: true });
  await waitFor(() => expect(screen.getByTestId('findings').textContent).toContain('Nothing to mend in the last 15 min'));
});
