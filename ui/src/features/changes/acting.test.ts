// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { fakeApp } from '../../testing/app';
import { refusal } from '../../testing/backend';
import { change, changeDetail, cutOffChange, plannedChange } from '../../testing/changes';
import { AT, job } from '../../testing/values';
import Changes from './index.svelte';
import { places, shop } from './shop.testing';

const settled = (testid: string): Promise<void> =>
  waitFor(() => expect((screen.getByTestId(testid) as HTMLButtonElement).disabled, testid).toBe(false));

test('a planned change is applied, followed with its step and Stop, and shown as it is then', async () => {
  const { state, handlers } = shop([plannedChange()]);
  const { context, push, calls } = fakeApp({ ...handlers, 'job.cancel': () => true }, places);
  render(Changes, { context });
  await settled('change-apply');
  await fireEvent.click(screen.getByTestId('change-apply'));
  push({ jobs: [job({ ...state.started, step: 'dropping the index', progress: 0.5 })] });
  await waitFor(() => expect(screen.getByTestId('change-job').textContent).toMatch(/dropping the index.*50/s));
  expect(state.sent).toEqual([['apply', { id: 'c1', confirm: null, agree: null }]]);
  expect((screen.getByTestId('change-apply') as HTMLButtonElement).disabled, 'once is enough').toBe(true);
  await fireEvent.click(screen.getByTestId('change-stop'));
  expect(calls).toContain('job.cancel');
  state.list = [change()];
  push({ jobs: [job({ ...state.started, state: 'done', result: { kind: 'change', id: 'c1' } })] });
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
  await waitFor(() => expect(state.sent).toEqual([['undo', { id: 'c1', confirm: 'shop', agree: null }]]));
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
  await waitFor(() => expect(state.sent).toEqual([['undo', { id: 'c1', confirm: 'shop', agree: null }]]));
  expect(address.param('change')).toBe('c1');
});

test('a way out that a guard refuses is off, and the notice says why', async () => {
  const { state, handlers } = shop([cutOffChange()], { guard: "'shop' is read-only" });
  const { context } = fakeApp(handlers, places);
  render(Changes, { context });
  // Pressed before it is known that the guard refuses.
  await fireEvent.click(await screen.findByTestId('notice-clean_up'));
  await waitFor(() => expect(screen.getByTestId('notice-guard').textContent).toBe("'shop' is read-only"));
  expect((screen.getByTestId('notice-clean_up') as HTMLButtonElement).disabled).toBe(true);
  expect(state.sent).toEqual([]);
});

test('without a guard a way out is taken at once, and only once', async () => {
  const { state, handlers } = shop([cutOffChange()]);
  const { context, push } = fakeApp(handlers, places);
  render(Changes, { context });
  await fireEvent.click(await screen.findByTestId('notice-finish'));
  await waitFor(() => expect(state.sent).toEqual([['apply', { id: 'c1', confirm: null, agree: null }]]));
  expect((screen.getByTestId('notice-finish') as HTMLButtonElement).disabled).toBe(true);
  push({ changed: ['environments'] });
  await screen.findByTestId('change-job');
  expect(state.sent, 'a guard that is asked again presses nothing').toHaveLength(1);
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
