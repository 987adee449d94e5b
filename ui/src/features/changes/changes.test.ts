// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import { fakeApp } from '../../testing/app';
import { refusal } from '../../testing/backend';
import { change, changeDetail, plannedChange } from '../../testing/changes';
import { finding } from '../../testing/values';
import Changes from './index.svelte';
import { places, shop } from './shop.testing';

afterEach(() => void vi.useRealTimers());
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
  const [first, second] = await screen.findAllByTestId('change-row');
  expect(screen.getByTestId('change').dataset['change'], 'the first one is shown').toBe('c1');
  first!.focus();
  await fireEvent.keyDown(first!, { key: 'ArrowDown' });
  await waitFor(() => expect(document.activeElement).toBe(second));
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
    [...r.querySelectorAll('td')].map((c) => c.textContent?.replace('\u202f', ' ')),
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

test('an index that is to be created is described, not shown as it is sent', async () => {
  const { handlers } = shop([]);
  const spec = { table: 'public.payments', keys: [{ of: { column: 'appointment_id' } }, { of: { expression: 'lower(note)' } }] };
  const path = `/changes?plan=create_index&object=${encodeURIComponent(JSON.stringify(spec))}`;
  const { context } = fakeApp(handlers, { ...places, path });
  render(Changes, { context });
  const plan = await screen.findByTestId('change-plan');
  expect(plan.textContent).toContain('Create an index: public.payments (appointment_id, (lower(note)))');
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
