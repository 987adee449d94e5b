// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { tick, type ComponentProps } from 'svelte';
import { expect, test, vi } from 'vitest';
import { ChartGroup } from '../charts/group';
import { fakeApp } from '../testing/app';
import type { ScreenApp } from '../kit/screen';
import { now } from '../kit/time.svelte';
import { finding, proof, target } from '../testing/values';
import Findings from './Findings.svelte';
import RangeBar from './RangeBar.svelte';

const NOW = 1_795_949_000_000;
const group = (): ChartGroup => new ChartGroup(900_000, NOW, false, { now: () => 0, frame: (run) => run(), later: (run) => run() });
type FindingsProps = ComponentProps<typeof Findings>;
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

const plain = (text: string | null): string => (text ?? '').replaceAll(/[\u2009\u202f]/g, ' ');

/** The strip on a screen; `gone` gets what its steps open. */
function strip(of: Partial<FindingsProps>, path = '/overview', app: Partial<ScreenApp> = {}) {
  const fake = fakeApp({}, { path, targets: [target({ first_sample_ms: Date.now() - 3000 })], findings: of.findings ?? list, ...app });
  const gone: string[] = [];
  const props = { findings: list, known: true, here: path.split('?')[0]!, open: (route: string) => void gone.push(route), ...of };
  return { ...fake, gone, ...render(Findings, { props, context: fake.context }) };
}

test('the first findings are shown, all on request, and the address remembers that', async () => {
  const { address } = strip({});
  expect(screen.getByTestId('findings-count').textContent).toBe('5 things to look at');
  const few = screen.getAllByTestId('finding').length;
  await fireEvent.click(screen.getByTestId('findings-all'));
  expect(screen.getAllByTestId('finding').length).toBeGreaterThan(few);
  expect(address.query).toBe('findings=all');
});

test('a button opens the evidence in place: values, rule, times, what to do; its steps lead on', async () => {
  const found = finding({
    id: 'scan',
    title: 'Sequential scan on `appointments`',
    action: { label: 'Review index', opens: { what: 'database' } },
    proof: proof({
      values: [{ name: 'share of database time', value: '38 %' }],
      samples: '214 calls',
      observed_s: 58,
      since_ms: Date.now() - 180_000,
      rule: 'its plan reads the whole table',
      statements: [{ what: 'The statement', text: 'SELECT 1 FROM appointments WHERE staff_id = ?' }],
      steps: [{ label: 'Benchmark this statement', opens: { what: 'statement', sql: 'SELECT 1 FROM appointments WHERE staff_id = ?' } }],
    }),
  });
  const { address, gone } = strip({ findings: [found] });
  const button = screen.getByTestId('finding-action');
  expect(button.getAttribute('aria-expanded')).toBe('false');
  await fireEvent.click(button);
  const panel = await screen.findByTestId('finding-evidence');
  expect(address.query, 'a link and a reload show the same').toBe('finding=scan');
  expect(document.activeElement?.id, 'the focus is at the heading of what appeared').toBe('finding-title');
  for (const words of ['38 %', 'its plan reads the whole table', '214 calls', '58 s', '3 min ago']) {
    expect(plain(panel.textContent)).toContain(words);
  }
  let copied = '';
  Object.assign(navigator, { clipboard: { writeText: async (text: string) => void (copied = text) } });
  await fireEvent.click(screen.getByTestId('copy-fix'));
  expect(copied, 'the exact statement').toBe('SELECT 1 FROM appointments WHERE staff_id = ?');
  await fireEvent.click(screen.getByTestId('finding-step'));
  expect(gone).toEqual(['/benchmarks/new?kind=sql&statement=SELECT+1+FROM+appointments+WHERE+staff_id+%3D+%3F&finding=scan']);
  await fireEvent.keyDown(panel, { key: 'Escape' });
  await waitFor(() => expect(screen.queryByTestId('finding-evidence')).toBeNull());
  await waitFor(() => expect(document.activeElement, 'and goes back to what opened it').toBe(screen.getByTestId('finding-action')));
});

test('the finding that led here is open, wherever it stands; one that is gone says so', async () => {
  strip({}, '/database?finding=e');
  const marked = screen.getAllByTestId('finding').filter((f) => f.getAttribute('aria-current') === 'true');
  expect(marked.map((f) => f.querySelector('h3')?.textContent)).toEqual(['thing e']);
  expect(screen.getByTestId('finding-evidence').textContent).toContain('thing e');
  cleanup();
  strip({}, '/database?finding=before');
  expect(screen.getByTestId('finding-gone').textContent).toContain('no longer found');
  await fireEvent.click(screen.getByText('Close'));
  expect(screen.queryByTestId('finding-gone')).toBeNull();
});

test('what is broken says that it is, for how long, and how much is of which kind', () => {
  const down = finding({
    id: 'down',
    kind: 'target_down',
    title: 'The cache does not answer',
    evidence: 'connection refused',
    proof: proof({ since_ms: Date.now() - 1_980_000 }),
  });
  strip({ findings: [down, list[0]!] });
  expect(screen.getByTestId('findings-order').textContent).toBe('1 broken now, then by cost');
  expect(plain(screen.getByTestId('findings-observed').textContent)).toBe('observed for 3 s');
  const [first, second] = screen.getAllByTestId('finding');
  expect(plain(first!.textContent)).toMatch(/Broken.*connection refused for 33 min/);
  expect(second!.textContent).toContain('Costs');
});

test('before the first answer nothing is claimed, and then no more than was observed', async () => {
  const { rerender } = strip({ findings: [], known: false });
  expect(screen.getByTestId('findings').textContent).toContain('Looking for things to mend');
  await rerender({ known: true });
  await waitFor(() => expect(plain(screen.getByTestId('findings').textContent)).toContain('Nothing to mend, observed for 3 s'));
  cleanup();
  strip({ findings: [] }, '/overview', { targets: [target({ first_sample_ms: null })] });
  expect(screen.getByTestId('findings').textContent, 'nothing was observed yet').toContain('Looking for things to mend');
});

test('a silent engine observes nothing more, and no time is less than none', async () => {
  vi.useFakeTimers();
  const first = now.read() - 3000;
  const { hear } = strip({}, '/overview', { targets: [target({ first_sample_ms: first })] });
  const words = (): string => plain(screen.getByTestId('findings-observed').textContent);
  expect(words()).toBe('observed for 3 s');
  hear(false);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(words()).toBe('observed for 3 s');
  hear(true);
  await tick();
  expect(words()).toBe('observed for 33 s');
  vi.useRealTimers();
  cleanup();
  strip({}, '/overview', { targets: [target({ first_sample_ms: now.read() + 60_000 })] });
  expect(words()).toBe('observed for 0 s');
});
