// @vitest-environment jsdom
import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import { httpSpec, run } from '../../../testing/values';
import Lazy from '../../../kit/Lazy.svelte';
import RunFacts from '../RunFacts.svelte';
import MovedList from './MovedList.svelte';
import type { MovedRow } from './moved';

const rows = Array.from({ length: 8 }, (_, i): MovedRow => ({
  key: `s${i}`,
  after: `+${i} s`,
  name: `series ${i}`,
  levels: '1 → 9',
  change: '+800 %',
  up: true,
  atMs: i,
  lane: null,
  exact: '',
}));
const shown = (): number => screen.getAllByTestId('run-moved-row').length;

test('the first of what moved is shown, all on request, and a chosen one wherever it stands', async () => {
  const mark = vi.fn();
  const { rerender } = render(MovedList, { rows, failure: null, steady: null, chosen: null, mark });
  expect(shown()).toBe(6);
  await fireEvent.click(screen.getByText('Show all 8'));
  expect(shown()).toBe(8);
  await fireEvent.click(screen.getByText('Show the first'));
  await rerender({ chosen: 's7' });
  expect([shown(), screen.getAllByTestId('run-moved-row')[7]!.getAttribute('aria-pressed')]).toEqual([8, 'true']);
});

test('nothing that moved, not known yet and not readable are three things', async () => {
  const props = { failure: null, steady: null, chosen: null, mark: () => undefined };
  const { rerender, container } = render(MovedList, { rows: null as MovedRow[] | null, ...props });
  expect(container.querySelector('p')?.textContent).toBe('–');
  await rerender({ rows: [] });
  expect(screen.getByTestId('run-moved-none').textContent).toBe('Nothing changed its level during this run.');
  await rerender({ failure: { message: 'The samples are gone', hint: null } as never });
  expect(container.querySelector('p')?.textContent).toBe('The samples are gone');
});

test('settings are said as they were asked for', () => {
  const load = { kind: 'rate' as const, rate_per_s: 122.5 };
  const spec = { kind: 'http' as const, ...httpSpec({ duration_s: 1.5, warmup_s: 1.4, timeout_s: 0.25, load }) };
  render(RunFacts, { run: run({ spec }) });
  const said = screen.getByTestId('run-settings').textContent!.replaceAll('\u202f', ' ');
  for (const text of ['1.5 s', '1.4 s', '250 ms', '122.5/s constant']) expect(said).toContain(text);
});

test('a run says every setting, and many facts of its targets on request', async () => {
  const facts = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`database.setting.s${i}`, `v${i}`]));
  const { container } = render(RunFacts, { run: run({ facts }) });
  expect(screen.getByTestId('run-settings').textContent).toContain('chosen by the engine');
  const before = container.querySelectorAll('dt').length;
  await fireEvent.click(screen.getByRole('button'));
  expect(container.querySelectorAll('dt').length).toBeGreaterThan(before);
});

test('a part of a screen that cannot be read says so, with the way to try again', async () => {
  render(Lazy, { props: { load: () => Promise.reject(new Error('gone')), props: {} } });
  expect((await screen.findByRole('alert')).textContent).toContain('This part of the screen could not be read');
  expect(screen.getByText('Try again')).toBeTruthy();
});
