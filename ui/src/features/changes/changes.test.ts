// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import type { Change, ChangeConfirm, ChangeDetail } from '../../backend/types';
import { fakeApp } from '../../testing/app';
import { refusal } from '../../testing/backend';
import { AT, change, changeDetail, cutOffChange, finding, job, plannedChange } from '../../testing/values';
import Changes from './index.svelte';

afterEach(() => void vi.useRealTimers());
const places = { path: '/changes', environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['database'] } };

/** A list that may change, and what the guards say about each of it. */
function shop(first: Change[], guards: Partial<Omit<ChangeDetail, 'change'>> = {}) {
  const state = { list: first, guards, sent: [] as [string, ChangeConfirm][], started: job({ id: 'j1', kind: 'change', title: 'work' }) };
  const get = (id: string): Change => {
    const found = state.list.find((c) => c.id === id);
    if (!found) throw refusal(`There is no change '${id}'`);
    return found;
  };
  const handlers: Parameters<typeof fakeApp>[0] = {
    'changes.list': () => state.list,
    'changes.check': ({ id }) => changeDetail(get(id), state.guards),
    'changes.apply': (request) => {
      state.sent.push(['apply', request]);
      return state.started;
    },
    'changes.undo': (request) => {
      state.sent.push(['undo', request]);
      return state.started;
    },
    'job.get': () => state.started,
    'job.list': () => [],
  };
  return { state, handlers };
}
const settled = (testid: string): Promise<void> =>
  waitFor(() => expect((screen.getByTestId(testid) as HTMLButtonElement).disabled, testid).toBe(false));

test('the sentence comes first, then what is in force, planned and past, each with its target’s word', async () => {
  const undone = change({ id: 'u', state: 'undone', target_says: { says: 'as_before', text: 'present and valid' }, offers: [] });
  const { handlers } = shop([plannedChange({ id: 'p', object: 'public.three' }), change(), undone]);
  const { context } = fakeApp(handlers, places);
  render(Changes, { context });
  expect((await screen.findByTestId('changes-sentence')).textContent).toBe('1 change is in force, as it was applied');
  expect(screen.getAllByTestId('change-row').map((r) => r.dataset['change'])).toEqual(['c1', 'p', 'u']);
  const [force, planned] = screen.getAllByTestId('change-row');
  expect(force!.textContent).toMatch(/absent; public\.one serves instead.*ago.*until undone.*reads the whole table once/s);
  expect(within(force!).getByText('public.two').tagName, 'names are monospace').toBe('CODE');
  expect(planned!.textContent, 'a target that was not asked says nothing').toContain('–');
  expect(screen.getByTestId('changes-past').textContent).toContain('nothing is left of it on a target');
  expect(screen.queryByTestId('change-notice')).toBeNull();
  expect(screen.queryByRole('radiogroup'), 'one kind needs no filter').toBeNull();
});

test('arrows choose, the address keeps it, and Enter goes to what can be done', async () => {
  const { handlers } = shop([change(), change({ id: 'c2', object: 'b' })]);
  const { context, address } = fakeApp(handlers, places);
  render(Changes, { context });
  const [first, second] = (await screen.findAllByTestId('change-row')).map((r) => r.querySelector('button')!);
  expect(screen.getByTestId('change').dataset['change'], 'the first one is shown').toBe('c1');
  first!.focus();
  await fireEvent.keyDown(first!, { key: 'ArrowDown' });
  expect(document.activeElement).toBe(second);
  await waitFor(() => expect(address.param('change')).toBe('c2'));
  expect(screen.getByTestId('change').dataset['change']).toBe('c2');
  await settled('change-undo');
  await fireEvent.keyDown(second!, { key: 'ArrowDown' });
  expect(document.activeElement, 'there is none below').toBe(second);
  await fireEvent.keyDown(second!, { key: 'Enter' });
  expect(document.activeElement, 'on no button: a second Enter presses nothing').toBe(screen.getByTestId('change'));
});

test('the shown change has its statements, predicted beside what came, its notes and its journal', async () => {
  const written: string[] = [];
  Object.assign(navigator, { clipboard: { writeText: async (text: string) => void written.push(text) } });
  const { handlers } = shop([change()]);
  const { context } = fakeApp(handlers, { ...places, path: '/changes?change=c1' });
  render(Changes, { context });
  const preview = await screen.findByTestId('change-preview');
  const rows = [...preview.querySelectorAll('tbody tr')].map((r) =>
    [...r.querySelectorAll('td')].map((c) => c.textContent?.replace('\u2009', ' ')),
  );
  expect(rows, 'what could not be predicted is a dash').toEqual([
    ['Space freed', '3.00 MiB', '3.00 MiB'],
    ['Time', '–', '2.90 s'],
  ]);
  expect(screen.getByTestId('change-notes').textContent).toBe('public.one has the same keys and stays');
  expect(screen.getByTestId('change-journal').querySelectorAll('tr')).toHaveLength(6);
  await fireEvent.click(screen.getByTestId('copy-statement'));
  await fireEvent.click(screen.getByTestId('copy-undo'));
  expect(written).toEqual([change().statement, change().undo_statement]);
  expect(screen.getByTestId('copy-undo').textContent).toContain('Copied');
});

test('a planned change is applied, followed with its step and Stop, and shown as it is then', async () => {
  const { state, handlers } = shop([plannedChange()]);
  const { context, push, calls } = fakeApp({ ...handlers, 'job.cancel': () => true }, places);
  render(Changes, { context });
  await settled('change-apply');
  await fireEvent.click(screen.getByTestId('change-apply'));
  push({ jobs: [job({ ...state.started, step: 'dropping the index', progress: 0.5 })] });
  await waitFor(() => expect(screen.getByTestId('change-job').textContent).toMatch(/dropping the index.*50/s));
  expect(state.sent).toEqual([['apply', { id: 'c1', confirm: null }]]);
  expect((screen.getByTestId('change-apply') as HTMLButtonElement).disabled, 'once is enough').toBe(true);
  await fireEvent.click(screen.getByTestId('change-stop'));
  expect(calls).toContain('job.cancel');
  state.list = [change()];
  push({ jobs: [job({ ...state.started, state: 'done', result: { kind: 'change', id: 'c1' } })], changed: ['changes'] });
  await waitFor(() => expect(screen.getByTestId('change-state').textContent).toBe('Verified'));
  await waitFor(() => expect(screen.queryByTestId('change-job')).toBeNull());
  await settled('change-undo');
});

test('a failure says what and what to do, and the target’s word stays', async () => {
  const { state, handlers } = shop([change()]);
  const { context } = fakeApp(handlers, places);
  render(Changes, { context });
  await settled('change-undo');
  state.started = job({
    kind: 'change',
    state: 'failed',
    error: { ...refusal('It waited too long for a lock', 'Try again when the table is quiet') },
  });
  await fireEvent.click(screen.getByTestId('change-undo'));
  await waitFor(() =>
    expect(screen.getByTestId('change-problem').textContent).toContain('It waited too long for a lock. Try again when the table is quiet'),
  );
  expect(screen.getByTestId('change-state').textContent).toBe('Verified');
});

test('a double click applies once and does nothing with the button that comes in its place', async () => {
  const { state, handlers } = shop([change()]);
  const { context } = fakeApp(handlers, places);
  render(Changes, { context });
  await settled('change-undo');
  await fireEvent.click(screen.getByTestId('change-undo'), { detail: 2 });
  expect(state.sent).toEqual([]);
  await fireEvent.click(screen.getByTestId('change-undo'), { detail: 1 });
  await waitFor(() => expect(state.sent).toHaveLength(1));
});

test('what a guard asks for is typed before anything is sent', async () => {
  const { state, handlers } = shop([change()], { confirm: 'shop', evidence: ['its size'] });
  const { context } = fakeApp(handlers, places);
  render(Changes, { context });
  await settled('change-undo');
  await fireEvent.click(screen.getByTestId('change-undo'));
  const sure = screen.getByTestId('change-confirmed') as HTMLButtonElement;
  expect(screen.getByTestId('change-evidence').textContent).toContain('its size');
  await fireEvent.input(screen.getByTestId('change-confirm-name'), { target: { value: 'Shop' } });
  expect(sure.disabled, 'nearly is not it').toBe(true);
  await fireEvent.submit(screen.getByTestId('change-confirm'));
  expect(state.sent).toEqual([]);
  await fireEvent.input(screen.getByTestId('change-confirm-name'), { target: { value: 'shop' } });
  await fireEvent.submit(screen.getByTestId('change-confirm'));
  await waitFor(() => expect(state.sent).toEqual([['undo', { id: 'c1', confirm: 'shop' }]]));
  expect(screen.queryByTestId('change-confirm')).toBeNull();
});

test('a read-only environment says why nothing can be sent, and is asked again when it was unlocked', async () => {
  const { state, handlers } = shop([change()], { guard: "'shop' is read-only: it alters it. Unlock the environment for 15 minutes first" });
  const { context, push } = fakeApp({ ...handlers, 'changes.keep': () => change({ state: 'kept', updated_ms: AT + 9000 }) }, places);
  render(Changes, { context });
  expect((await screen.findByTestId('change-guard')).textContent).toContain("'shop' is read-only");
  expect((screen.getByTestId('change-undo') as HTMLButtonElement).disabled).toBe(true);
  expect((screen.getByTestId('change-keep') as HTMLButtonElement).disabled, 'keeping sends nothing').toBe(false);
  state.guards = {};
  push({ changed: ['environments'] });
  await settled('change-undo');
  expect(screen.queryByTestId('change-guard')).toBeNull();
  state.list = [change({ state: 'kept', offers: ['undo'], updated_ms: AT + 9000 })];
  await fireEvent.click(screen.getByTestId('change-keep'));
  await waitFor(() => expect(screen.getByTestId('change-state').textContent).toBe('Kept'));
  expect(state.sent).toEqual([]);
});

test('what was cut off comes first, with both ways out; the guard is asked there too', async () => {
  const { state, handlers } = shop([change({ id: 'c0', object: 'a' }), cutOffChange()], { confirm: 'shop' });
  const { context, address } = fakeApp(handlers, { ...places, path: '/changes?change=c0' });
  render(Changes, { context });
  const notice = await screen.findByTestId('change-notice');
  expect(notice.textContent).toMatch(/Perfdeck ended while it was applying.*cut off at.*invalid, 3\.0 MiB/s);
  expect(screen.getByTestId('changes-sentence').textContent).toContain(
    '2 changes are in force, one was cut off: a part of it is on the target',
  );
  expect(within(notice).getByTestId('notice-finish')).toBeTruthy();
  await fireEvent.click(within(notice).getByTestId('notice-clean_up'));
  await waitFor(() => expect(screen.getByTestId('change').dataset['change']).toBe('c1'));
  await fireEvent.input(await screen.findByTestId('change-confirm-name'), { target: { value: 'shop' } });
  expect(state.sent, 'not before the name is typed').toEqual([]);
  await fireEvent.submit(screen.getByTestId('change-confirm'));
  await waitFor(() => expect(state.sent).toEqual([['undo', { id: 'c1', confirm: 'shop' }]]));
  expect(address.param('change')).toBe('c1');
});

test('a way out that a guard refuses is off, and the notice says why', async () => {
  const { state, handlers } = shop([cutOffChange()], { guard: "'shop' is read-only" });
  const { context } = fakeApp(handlers, places);
  render(Changes, { context });
  await waitFor(() => expect(screen.getByTestId('notice-guard').textContent).toBe("'shop' is read-only"));
  expect((screen.getByTestId('notice-clean_up') as HTMLButtonElement).disabled).toBe(true);
  expect(state.sent).toEqual([]);
});

test('without a guard a way out is taken at once, and only once', async () => {
  const { state, handlers } = shop([cutOffChange()]);
  const { context, push } = fakeApp(handlers, places);
  render(Changes, { context });
  await fireEvent.click(await screen.findByTestId('notice-finish'));
  await waitFor(() => expect(state.sent).toEqual([['apply', { id: 'c1', confirm: null }]]));
  expect((screen.getByTestId('notice-finish') as HTMLButtonElement).disabled).toBe(true);
  push({ changed: ['environments'] });
  await screen.findByTestId('change-job');
  expect(state.sent, 'a guard that is asked again presses nothing').toHaveLength(1);
});

test('Check now asks about each change in force, one that cannot be asked is said in its row', async () => {
  const { state, handlers } = shop([
    change(),
    change({ id: 'c2', object: 'b', held: true, state: 'undoing' }),
    plannedChange({ id: 'p', object: 'c' }),
  ]);
  const checked: string[] = [];
  const { context } = fakeApp(
    {
      ...handlers,
      'changes.check': ({ id }) => {
        checked.push(id);
        return changeDetail(change({ id }));
      },
    },
    places,
  );
  render(Changes, { context });
  await settled('change-undo');
  checked.length = 0;
  state.list = [change({ target_says: { says: 'unreachable', text: 'The target did not answer within 4 s' } })];
  await fireEvent.click(screen.getByTestId('changes-check'));
  await waitFor(() => expect(screen.getByTestId('change-row').textContent).toContain('The target did not answer within 4 s'));
  expect(checked, 'whoever works on one asks by itself').toEqual(['c1']);
  expect(screen.getByTestId('changes-sentence').textContent).toContain('one could not be asked about');
});

test('the targets are asked again every 30 s, and not by a screen that was left', async () => {
  vi.useFakeTimers();
  const { handlers } = shop([change()]);
  const { context, calls } = fakeApp(handlers, places);
  const { unmount } = render(Changes, { context });
  await vi.advanceTimersByTimeAsync(31_000);
  const listed = (): number => calls.filter((c) => c === 'changes.list').length;
  expect(listed()).toBe(2);
  expect(
    calls.filter((c) => c === 'changes.check'),
    'the shown one once',
  ).toHaveLength(1);
  unmount();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(listed()).toBe(2);
});

test('an address from a finding plans nothing until its button is pressed; then it names the change', async () => {
  const { state, handlers } = shop([]);
  const planned: unknown[] = [];
  const { context, address } = fakeApp(
    {
      ...handlers,
      'changes.plan': (request) => {
        planned.push(request);
        state.list = [plannedChange({ id: 'new' })];
        return changeDetail(state.list[0]!);
      },
    },
    { ...places, path: '/changes?plan=drop_index&object=public.two&finding=f1' },
  );
  render(Changes, { context });
  expect((await screen.findByTestId('change-plan')).textContent).toContain('Drop an index: public.two');
  expect(planned, 'opening an address alters nothing').toEqual([]);
  await fireEvent.click(screen.getByTestId('change-plan-do'));
  await settled('change-apply');
  expect(planned).toEqual([{ kind: 'drop_index', environment_id: 'shop', object: 'public.two' }]);
  expect(address.query, 'a reload shows it and plans nothing').toBe('change=new');
});

test('a change that is there already is shown in place of another plan', async () => {
  const { handlers } = shop([plannedChange({ id: 'there' }), change({ id: 'c2', object: 'other' })]);
  const { context } = fakeApp(handlers, { ...places, path: '/changes?plan=drop_index&object=public.two' });
  render(Changes, { context });
  expect((await screen.findByTestId('change')).dataset['change']).toBe('there');
  expect(screen.queryByTestId('change-plan')).toBeNull();
});

test('what cannot be planned says why, and can be left', async () => {
  const { handlers } = shop([change({ object: 'other' })]);
  const { context, address } = fakeApp(
    {
      ...handlers,
      'changes.plan': () => {
        throw refusal('The index public.two enforces a constraint', 'Drop the constraint instead');
      },
    },
    { ...places, path: '/changes?plan=drop_index&object=public.two' },
  );
  render(Changes, { context });
  await fireEvent.click(await screen.findByTestId('change-plan-do'));
  await waitFor(() =>
    expect(screen.getByTestId('change-plan-problem').textContent).toContain('enforces a constraint. Drop the constraint instead'),
  );
  await fireEvent.click(screen.getByTestId('change-plan-leave'));
  expect(address.query).toBe('');
  expect(await screen.findByTestId('change')).toBeTruthy();
});

test('with nothing changed it says what will be here, and leads to what a finding offers', async () => {
  const { handlers } = shop([]);
  const offer = finding({ action: { label: 'Review drop', opens: { what: 'change', kind: 'drop_index', object: 'public.two' } } });
  const { context } = fakeApp(handlers, { ...places, findings: [finding({ id: 'f0' }), offer] });
  render(Changes, { context });
  expect((await screen.findByTestId('changes-empty')).textContent).toContain('Perfdeck has changed nothing on shop');
  await fireEvent.click(screen.getByTestId('changes-offer'));
  expect(await screen.findByTestId('change-plan')).toBeTruthy();
});

test('without an environment all changes are listed, each with its environment', async () => {
  const asked: unknown[] = [];
  const { handlers } = shop([change({ environment: 'clinic' })]);
  const { context } = fakeApp(
    {
      ...handlers,
      'changes.list': (request) => {
        asked.push(request);
        return [change({ environment: 'clinic' })];
      },
    },
    { ...places, environment: null },
  );
  render(Changes, { context });
  expect((await screen.findByTestId('change-row')).textContent).toContain('clinic');
  expect(asked).toEqual([{ environment_id: null }]);
});

test('a list that cannot be read says why, with the way to try again; what was read stays', async () => {
  let well = false;
  const { handlers } = shop([]);
  const { context, push } = fakeApp(
    {
      ...handlers,
      'changes.list': () => {
        if (!well) throw refusal('The store is locked', 'Close the other Perfdeck');
        return [change()];
      },
    },
    places,
  );
  render(Changes, { context });
  expect((await screen.findByTestId('changes-problem')).textContent).toContain('The store is locked. Close the other Perfdeck');
  expect(screen.queryByTestId('changes-empty'), 'unknown is not none').toBeNull();
  well = true;
  await fireEvent.click(screen.getByTestId('changes-retry'));
  expect(await screen.findByTestId('change-row')).toBeTruthy();
  well = false;
  push({ changed: ['changes'] });
  await screen.findByTestId('changes-problem');
  expect(screen.getByTestId('change-row')).toBeTruthy();
});

test('guards that cannot be asked keep the buttons off, and say so', async () => {
  const { state, handlers } = shop([cutOffChange()]);
  let well = false;
  const { context } = fakeApp(
    {
      ...handlers,
      'changes.check': ({ id }) => {
        if (!well) throw refusal('This page may only read');
        return changeDetail(cutOffChange({ id }));
      },
    },
    places,
  );
  render(Changes, { context });
  await fireEvent.click(await screen.findByTestId('notice-clean_up'));
  expect((await screen.findByTestId('change-unasked')).textContent).toContain('This page may only read');
  expect((screen.getByTestId('change-finish') as HTMLButtonElement).disabled).toBe(true);
  well = true;
  await fireEvent.click(within(screen.getByTestId('change-unasked')).getByText('Try again'));
  await settled('change-finish');
  expect(state.sent, 'a press from before is not done later').toEqual([]);
});

test('a job that was begun before a reload is taken up; one of another Perfdeck is said to be elsewhere', async () => {
  const held = change({ state: 'undoing', held: true, offers: [] });
  const { state, handlers } = shop([held]);
  const title = 'Undo: Drop public.two, which repeats public.one';
  const running = job({ id: 'j9', kind: 'change', title, step: 'building the index' });
  let jobs = [job({ id: 'j8', kind: 'change', title: 'Drop another' })];
  const { context, push } = fakeApp({ ...handlers, 'job.list': () => jobs, 'job.get': () => running }, places);
  render(Changes, { context });
  await waitFor(() => expect(screen.getByTestId('change-elsewhere').textContent).toContain('Another Perfdeck works on it'));
  jobs = [running];
  state.list = [{ ...held }];
  push({ changed: ['changes'] });
  await waitFor(() => expect(screen.getByTestId('change-job').textContent).toContain('building the index'));
});

test('a change that is not here says so', async () => {
  const { handlers } = shop([change()]);
  const { context } = fakeApp(handlers, { ...places, path: '/changes?change=gone' });
  render(Changes, { context });
  expect((await screen.findByTestId('change-missing')).textContent).toContain("There is no change 'gone'");
});

test('several kinds can be looked at one by one', async () => {
  const { handlers } = shop([change(), change({ id: 'c2', kind: 'soft_expiry', object: 'a:*', title: 'Expire `a:*` softly' })]);
  const { context, address } = fakeApp(handlers, places);
  render(Changes, { context });
  await fireEvent.click(await screen.findByRole('radio', { name: 'soft expiry' }));
  expect(screen.getAllByTestId('change-row').map((r) => r.dataset['change'])).toEqual(['c2']);
  expect(address.param('kind')).toBe('soft_expiry');
  expect(screen.getByTestId('changes-sentence').textContent, 'the sentence is about all').toContain('2 changes are in force');
});
