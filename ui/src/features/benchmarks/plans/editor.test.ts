// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import type { PlanCheck, SavedPlan } from '../../../backend/types';
import { toasts } from '../../../kit/toasts.svelte';
import { fakeApp, noRuns } from '../../../testing/app';
import { refusal } from '../../../testing/backend';
import { AT, preview } from '../../../testing/values';
import Benchmarks from '../index.svelte';
import { drafts, NEW } from './drafts.svelte';

const TOML = 'name = "checkout"\n\n[[steps]]\nget = "/"\n';
const plan = (of: Partial<SavedPlan> = {}): SavedPlan => ({ id: 'p1', name: 'checkout', toml: TOML, updated_ms: AT, ...of });
const good: PlanCheck = { name: 'checkout', request: 'GET /', ok: true, problems: [], variables: ['TOKEN'] };
const well = {
  ...noRuns,
  'plan.list': () => [plan()],
  'plan.check': () => good,
  'bench.preview': () => preview(),
};
function open(path: string, handlers: Parameters<typeof fakeApp>[0] = {}): ReturnType<typeof fakeApp> {
  const fake = fakeApp({ ...well, ...handlers }, { path: `/benchmarks/plans${path}` });
  render(Benchmarks, { context: fake.context });
  return fake;
}
beforeEach(() => {
  drafts.drop(NEW);
  drafts.drop('p1');
  document.execCommand = () => false;
});

test('without a plan it says what one is, and a template begins one', async () => {
  const { address } = open('', { 'plan.list': () => [] });
  expect((await screen.findByTestId('plans-empty')).textContent).toContain('No plan is saved yet');
  await fireEvent.click(screen.getAllByTestId('plan-template')[0]!);
  await waitFor(() => expect(address.path).toBe('/benchmarks/plans/new'));
  expect(((await screen.findByTestId('plan-text')) as HTMLTextAreaElement).value).not.toBe('');
  expect(screen.getByTestId('plan-state').textContent).toBe('not saved');
});

test('a plan is checked as it is written, and saved by its key', async () => {
  const save = vi.fn();
  open('/p1', {
    'plan.save': (asked) => {
      save(asked);
      return plan({ toml: asked.toml });
    },
  });
  const area = (await screen.findByTestId('plan-text')) as HTMLTextAreaElement;
  await waitFor(() => expect(screen.getByTestId('plan-request').textContent).toBe('GET /'));
  expect(screen.getByTestId('plan-variables').textContent?.trim()).toBe('TOKEN');
  await waitFor(() => expect(screen.getByTestId('plan-resolved').textContent).toContain('127.0.0.1:8000'));
  await fireEvent.input(area, { target: { value: `${TOML}# more\n` } });
  expect(screen.getByTestId('plan-state').textContent).toBe('not saved');
  await fireEvent.keyDown(area, { key: 's', ctrlKey: true });
  await waitFor(() => expect(save).toHaveBeenCalledWith({ id: 'p1', toml: `${TOML}# more\n` }));
});

test('mistakes stand beside their line, and nothing is run before they are mended', async () => {
  const problems = [{ path: 'steps[0].get', message: 'is no path', line: 4, column: 1, error: true }] as never;
  open('/p1', { 'plan.check': () => ({ ...good, ok: false, problems }) });
  expect((await screen.findByTestId('plan-problem')).textContent).toContain('is no path');
  expect((screen.getByTestId('plan-run') as HTMLButtonElement).disabled).toBe(true);
  expect(screen.getByText('Mend the errors first')).toBeTruthy();
});

test('Tab indents, and after Escape it leaves the text', async () => {
  open('/p1');
  const area = (await screen.findByTestId('plan-text')) as HTMLTextAreaElement;
  area.setSelectionRange(0, 0);
  expect(await fireEvent.keyDown(area, { key: 'Tab' }), 'the text takes it').toBe(false);
  expect(area.value.startsWith(' ')).toBe(true);
  await fireEvent.keyDown(area, { key: 'Escape' });
  expect(await fireEvent.keyDown(area, { key: 'Tab' }), 'the browser moves on').toBe(true);
});

test('a plan that cannot be saved stays in the editor, with the reason', async () => {
  open('/p1', {
    'plan.save': () => {
      throw refusal('The store is full', 'Free some space');
    },
  });
  const area = await screen.findByTestId('plan-text');
  await fireEvent.input(area, { target: { value: 'name = "x"\n' } });
  await fireEvent.click(screen.getByTestId('plan-save'));
  await waitFor(() => expect(screen.getByTestId('plan-failure').textContent).toContain('Not savedThe store is full. Free some space'));
  await fireEvent.click(screen.getByTestId('plan-revert'));
  expect((area as HTMLTextAreaElement).value).toBe(TOML);
});

test('a deleted plan is brought back', async () => {
  let list = [plan()];
  const { calls } = open('/p1', {
    'plan.list': () => list,
    'plan.delete': () => {
      list = [];
      return true;
    },
    'plan.save': () => {
      list = [plan()];
      return plan();
    },
  });
  await fireEvent.click(await screen.findByTestId('plan-delete'));
  await fireEvent.click(await screen.findByTestId('plan-undo'));
  await waitFor(() => expect(screen.getByTestId('plan-row')).toBeTruthy());
  expect(calls).toContain('plan.save');
});

test('an import that is refused says why, and one that works asks before a draft is replaced', async () => {
  let well = false;
  drafts.keep(NEW, 'name = "mine"\n', null);
  open('', {
    'plan.import': () => {
      if (!well) throw refusal('That is no curl command');
      return { toml: TOML, notes: ['cookies were left out'] } as never;
    },
  });
  await fireEvent.click(await screen.findByTestId('plan-import-open'));
  const text = await screen.findByTestId('plan-import-text');
  expect((screen.getByTestId('plan-import-make') as HTMLButtonElement).disabled).toBe(true);
  await fireEvent.input(text, { target: { value: 'curl http://127.0.0.1/' } });
  await fireEvent.click(screen.getByTestId('plan-import-make'));
  await waitFor(() => expect(screen.getByTestId('plan-import-error').textContent).toContain('That is no curl command'));
  well = true;
  await fireEvent.click(screen.getByTestId('plan-import-make'));
  expect((await screen.findByTestId('plan-replace')).getAttribute('aria-label')).toBe('Replace the plan that is not saved?');
  await fireEvent.click(screen.getByTestId('plan-replace-do'));
  await waitFor(() => expect(screen.getByTestId('plan-notes').textContent).toContain('cookies were left out'));
});

test('a text that was left is there again, in memory only, until it is discarded; and that is undone', async () => {
  open('/new');
  const area = async (): Promise<HTMLTextAreaElement> => screen.findByTestId('plan-text');
  const text = 'name = "mine"\nheaders = { Authorization = "hunter2" }\n';
  await fireEvent.input(await area(), { target: { value: text } });
  expect(dispatchEvent(new Event('beforeunload', { cancelable: true })), 'the browser asks').toBe(false);
  cleanup();
  expect(JSON.stringify([{ ...sessionStorage }, { ...localStorage }])).not.toContain('hunter2');
  const { address } = open('/new');
  expect((await area()).value).toBe(text);
  await fireEvent.click(screen.getByTestId('plan-discard'));
  await waitFor(() => expect(address.path).toBe('/benchmarks/plans'));
  expect([drafts.of(NEW), dispatchEvent(new Event('beforeunload', { cancelable: true }))]).toEqual([undefined, true]);
  toasts.list.at(-1)?.action?.run();
  await waitFor(() => expect(address.path).toBe('/benchmarks/plans/new'));
  expect((await area()).value).toBe(text);
});
