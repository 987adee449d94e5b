// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fakeApp } from '../testing/app';
import Lists, { type Thing } from '../testing/Lists.svelte';
import { keepFocus } from './focus-kept';
import { preferences } from './preferences.svelte';
import { toasts } from './toasts.svelte';

vi.mock('../backend', async () => (await import('../testing/backend')).door);

const thing = (id: string, size: number | null = null, of: Partial<Thing> = {}): Thing => ({ id, name: `thing ${id}`, size, ...of });
const few = [thing('b', 10), thing('a', 30), thing('c', 20), thing('d')];
const many = (n: number): Thing[] => Array.from({ length: n }, (_, i) => thing(String(i + 1), i));
type Of = { rows: Thing[] | null } & Record<string, unknown>;
function draw(of: Of, path = '/things') {
  const fake = fakeApp({}, { path });
  const view = render(Lists, { props: of as never, context: fake.context });
  return { ...fake, ...view };
}
const names = (): string[] => screen.queryAllByTestId('thing').map((r) => r.querySelector('td')!.textContent!.trim());
const table = (): HTMLElement => screen.getByTestId('things');
const type = (text: string): Promise<boolean> => fireEvent.input(screen.getByTestId('things-filter'), { target: { value: text } });
const press = (key: string, of: Partial<KeyboardEventInit> = {}): Promise<boolean> =>
  fireEvent.keyDown(document.activeElement!, { key, ...of });
const focus = (): string => document.activeElement?.textContent?.replace(/\s+/g, ' ').trim() ?? '';
beforeEach(() => Object.assign(navigator, { clipboard: { writeText: vi.fn(async () => undefined) } }));
const copied = (): string => (navigator.clipboard.writeText as ReturnType<typeof vi.fn>).mock.calls.at(-1)?.[0] as string;

describe('many rows', () => {
  test('of a thousand only those that are seen are drawn, and all are counted', () => {
    draw({ rows: many(1000) });
    expect(screen.getAllByTestId('thing').length).toBeLessThanOrEqual(60);
    expect(table().getAttribute('aria-rowcount')).toBe('1001');
    expect(screen.getByTestId('things-count').textContent?.replace('\u202f', ' ')).toBe('1 000 things');
  });
  test('sixty are drawn whole', () => {
    draw({ rows: many(60) });
    expect(screen.getAllByTestId('thing').length).toBe(60);
  });
  test('what is drawn follows the scroll, and the row with the focus stays', async () => {
    draw({ rows: many(1000) });
    screen.getAllByTestId('thing')[0]!.focus();
    const scroller = table().parentElement!;
    scroller.scrollTop = 500 * 28;
    await fireEvent.scroll(scroller);
    await waitFor(() => expect(names()).toContain('thing 505'));
    expect(names()).not.toContain('thing 100');
    expect(focus(), 'focus never falls to the body').toContain('thing 1');
    expect(screen.getAllByTestId('thing').length).toBeLessThanOrEqual(61);
  });
  test('every row keeps its number for those who hear it', async () => {
    draw({ rows: many(1000) });
    screen.getAllByTestId('thing')[0]!.focus();
    await press('End');
    await waitFor(() => expect(focus()).toContain('thing 1000'));
    expect(document.activeElement?.getAttribute('aria-rowindex')).toBe('1001');
  });
});

describe('the filter', () => {
  test('looks for every word, wherever it stands, and says how many of how many', async () => {
    draw({ rows: [thing('1', 12), thing('2', 7, { name: 'Checkout SLOW' }), thing('3', 5, { name: 'slow cart' })] });
    await type('slow check');
    await waitFor(() => expect(names()).toEqual(['Checkout SLOW']));
    expect(screen.getByTestId('things-count').textContent).toBe('1 of 3 things');
  });
  test('is reached by /, and cleared by Escape', async () => {
    draw({ rows: few });
    await fireEvent.keyDown(document.body, { key: '/' });
    expect(document.activeElement).toBe(screen.getByTestId('things-filter'));
    await type('thing a');
    await waitFor(() => expect(names()).toEqual(['thing a']));
    await press('Escape');
    await waitFor(() => expect(names().length).toBe(4));
  });
  test('without a match says so, with the way back', async () => {
    draw({ rows: few });
    await type('zebra');
    expect((await screen.findByTestId('things-none')).textContent).toContain('No thing has “zebra”');
    await fireEvent.click(screen.getByText('Show all'));
    await waitFor(() => expect(names().length).toBe(4));
  });
  test('stands in the address', async () => {
    const { address } = draw({ rows: few }, '/things?like=thing+c');
    expect(names()).toEqual(['thing c']);
    await type('thing');
    await waitFor(() => expect(address.query).toBe('like=thing'));
  });
  test('a list out of the address keeps it to itself', async () => {
    const { address } = draw({ rows: few, address: null }, '/things?like=zebra');
    expect(names().length).toBe(4);
    await type('thing c');
    await waitFor(() => expect(names()).toEqual(['thing c']));
    expect(address.query).toBe('like=zebra');
  });
  test('Enter opens the first that fits', async () => {
    const open = vi.fn();
    draw({ rows: few, open });
    await type('thing c');
    await fireEvent.keyDown(screen.getByTestId('things-filter'), { key: 'Enter' });
    expect(open.mock.calls[0]?.[0]).toMatchObject({ id: 'c' });
  });
});

describe('the order', () => {
  const head = (name: string): HTMLElement => screen.getByRole('columnheader', { name: new RegExp(`^${name}`) });
  const sort = (name: string): Promise<boolean> => fireEvent.click(head(name).querySelector('button')!);
  test('is as given, until a head is pressed: figures largest first, unknown last', async () => {
    const { address } = draw({ rows: few });
    expect(names()).toEqual(['thing b', 'thing a', 'thing c', 'thing d']);
    await sort('size');
    await waitFor(() => expect(names()).toEqual(['thing a', 'thing c', 'thing b', 'thing d']));
    expect(head('size').getAttribute('aria-sort')).toBe('descending');
    await waitFor(() => expect(address.query).toBe('sort=-size'));
  });
  test('turns round, unknown still last, and goes back to as given', async () => {
    draw({ rows: few });
    await sort('size');
    await sort('size');
    await waitFor(() => expect(names()).toEqual(['thing b', 'thing c', 'thing a', 'thing d']));
    expect(head('size').getAttribute('aria-sort')).toBe('ascending');
    await sort('size');
    await waitFor(() => expect(names()[0]).toBe('thing b'));
    expect(head('size').getAttribute('aria-sort')).toBeNull();
  });
  test('is by what is shown: too few samples and an en dash come last either way, a bound counts as itself', async () => {
    draw({
      rows: [
        thing('small', 1, { said: 'n too small' }),
        thing('b', 120, { said: 'at least 120 ms' }),
        thing('big', 900, { said: 'n too small' }),
        thing('a', 4, { said: '4.33 ms' }),
        thing('none', 500, { said: '–' }),
        thing('c', 301, { said: '301 ms' }),
      ],
    });
    const last = ['thing small', 'thing big', 'thing none'];
    await sort('size');
    await waitFor(() => expect(names()).toEqual(['thing c', 'thing b', 'thing a', ...last]));
    await sort('size');
    await waitFor(() => expect(names()).toEqual(['thing a', 'thing b', 'thing c', ...last]));
  });
  test('says what the rows come sorted by', () => {
    draw({ rows: few, usual: '-size' });
    expect(head('size').getAttribute('aria-sort')).toBe('descending');
  });
  test('of an address that names no column is none', () => {
    draw({ rows: few }, '/things?sort=colour');
    expect(names()[0]).toBe('thing b');
  });
  test('a head without words is read out', () => {
    draw({ rows: few });
    expect(head('actions').textContent).toContain('actions');
    expect(head('actions').querySelector('button'), 'and does not sort').toBeNull();
  });
  test('names sort as a reader sorts them', async () => {
    draw({ rows: [thing('10'), thing('9'), thing('x', null, { name: 'Thing 1' })] });
    await sort('name');
    await waitFor(() => expect(names()).toEqual(['Thing 1', 'thing 9', 'thing 10']));
  });
});

describe('the keys', () => {
  test('arrows, j and k go through the rows, and Enter opens', async () => {
    const open = vi.fn();
    draw({ rows: few, open });
    screen.getAllByTestId('thing')[0]!.focus();
    await press('ArrowDown');
    await waitFor(() => expect(focus()).toContain('thing a'));
    await press('j');
    await waitFor(() => expect(focus()).toContain('thing c'));
    await press('k');
    await waitFor(() => expect(focus()).toContain('thing a'));
    await press('Enter');
    expect(open.mock.calls).toEqual([[few[1]]]);
    await press('ArrowUp');
    await press('ArrowUp');
    await waitFor(() => expect(focus(), 'there is none above').toContain('thing b'));
  });
  test('j begins at the list from anywhere on the screen', async () => {
    draw({ rows: few });
    await fireEvent.keyDown(document.body, { key: 'j' });
    await waitFor(() => expect(focus()).toContain('thing b'));
  });
  test('Tab comes to one row, and to what is in it', () => {
    draw({ rows: few, chosen: 'c' });
    const reached = [...table().querySelectorAll<HTMLElement>('tbody [tabindex="0"]')].map((e) => e.textContent?.trim());
    expect(reached[1]).toBe('Press c');
    expect(reached.length).toBe(2);
  });
  test('arrows to the side go through the cells of a row', async () => {
    draw({ rows: few });
    screen.getAllByTestId('thing')[0]!.focus();
    await press('ArrowRight');
    expect(focus()).toBe('thing b');
    await press('ArrowRight');
    await press('ArrowRight');
    expect(focus(), 'a cell with a button gives it the focus').toBe('Press b');
    await press('ArrowDown');
    await waitFor(() => expect(focus()).toBe('Press a'));
    await press('ArrowLeft');
    expect(focus()).toBe('30');
  });
  test('what gets the focus is brought into sight, also within what the list itself is scrolled in', async () => {
    const seen = vi.spyOn(Element.prototype, 'scrollIntoView');
    draw({ rows: few });
    screen.getAllByTestId('thing')[0]!.focus();
    await press('ArrowDown');
    await waitFor(() => expect(focus()).toContain('thing a'));
    await press('ArrowRight');
    expect(seen.mock.contexts).toEqual([screen.getAllByTestId('thing')[1], document.activeElement]);
    seen.mockRestore();
  });
  test('what is chosen follows the arrows and a click', async () => {
    const choose = vi.fn();
    draw({ rows: few, choose, chosen: 'a' });
    expect(screen.getAllByTestId('thing').map((r) => r.getAttribute('aria-selected'))).toEqual(['false', 'true', 'false', 'false']);
    screen.getAllByTestId('thing')[1]!.focus();
    await press('ArrowDown');
    await fireEvent.click(screen.getAllByTestId('thing')[3]!);
    expect(choose.mock.calls.map(([t]) => (t as Thing).id)).toEqual(['c', 'd']);
  });
  test('a press in a row is one on its button, not on the row', async () => {
    const open = vi.fn();
    draw({ rows: few, open });
    await fireEvent.click(screen.getByText('Press a'));
    expect(open).not.toHaveBeenCalled();
  });
});

describe('copying', () => {
  test('a row is copied with tabs between its cells', async () => {
    draw({ rows: few });
    screen.getAllByTestId('thing')[1]!.focus();
    await press('c', { ctrlKey: true });
    await waitFor(() => expect(copied()).toBe('thing a\t30\t'));
    expect(toasts.list.at(-1)?.text).toBe('Copied the row');
  });
  test('a cell is copied alone', async () => {
    draw({ rows: few });
    screen.getAllByTestId('thing')[1]!.focus();
    await press('ArrowRight');
    await press('ArrowRight');
    await press('c', { ctrlKey: true });
    await waitFor(() => expect(copied()).toBe('30'));
  });
});

describe('folded rows', () => {
  const rows = [thing('x'), thing('f', null, { name: 'finding', parts: [thing('p1'), thing('p2', 9, { name: 'odd one' })] })];
  test('are counted but not shown, until the row above them is unfolded by a key', async () => {
    draw({ rows, folds: true });
    expect(names()).toEqual(['thing x', 'finding']);
    expect(screen.getByTestId('things-count').textContent).toBe('3 things');
    const fold = screen.getAllByTestId('thing')[1]!;
    expect(fold.getAttribute('aria-expanded')).toBe('false');
    fold.focus();
    await press('ArrowRight');
    await waitFor(() => expect(names()).toEqual(['thing x', 'finding', 'thing p1', 'odd one']));
    expect(screen.getAllByTestId('thing').map((r) => r.getAttribute('aria-level'))).toEqual(['1', '1', '2', '2']);
    await press('ArrowDown');
    await waitFor(() => expect(focus()).toContain('p1'));
    await press('ArrowLeft');
    await waitFor(() => expect(focus(), 'back to what it lies under').toContain('finding'));
    await press('ArrowLeft');
    await waitFor(() => expect(names()).toEqual(['thing x', 'finding']));
  });
  test('are unfolded by their button', async () => {
    draw({ rows, folds: true });
    await fireEvent.click(screen.getByRole('button', { name: 'Unfold finding' }));
    await waitFor(() => expect(names().length).toBe(4));
    expect(screen.getByRole('button', { name: 'Fold finding' })).toBeTruthy();
  });
  test('one that is looked for is shown, without those beside it', async () => {
    draw({ rows, folds: true });
    await type('odd');
    await waitFor(() => expect(names()).toEqual(['finding', 'odd one']));
    expect(screen.getByTestId('things-count').textContent).toBe('1 of 3 things');
  });
});

describe('what there is not', () => {
  test('before it is known nothing is claimed', () => {
    draw({ rows: null });
    expect(table().getAttribute('aria-busy')).toBe('true');
    expect(screen.getByTestId('things-count').textContent).toBe('');
    expect(screen.getByText('Reading')).toBeTruthy();
  });
  test('nothing at all says so', () => {
    draw({ rows: [] });
    expect(screen.getByText('No thing yet.')).toBeTruthy();
  });
  test('groups stand under their heads', () => {
    draw({ rows: few, groups: true });
    expect([...table().querySelectorAll('tbody th')].map((h) => h.textContent)).toEqual(['known', 'unknown']);
  });
});

describe('what is cut', () => {
  const name = 'x'.repeat(200);
  let end: () => void;
  beforeEach(() => (end = keepFocus(document.body, () => null)));
  afterEach(() => end());
  /** Two rows, the first with a name that is cut; jsdom measures nothing. */
  function cut(of: Partial<Of> = {}): HTMLElement {
    draw({ rows: [thing('1', 1, { name, parts: [thing('p')] }), thing('2')], ...of });
    const cell = screen.getAllByTestId('thing')[0]!.querySelector('td')!;
    Object.defineProperty(cell, 'scrollWidth', { value: 4000 });
    return cell;
  }
  test('is whole in its title, and over the list for who comes to it by keys', async () => {
    expect(cut().title).toBe(name);
    await fireEvent.keyDown(document.body, { key: 'j' });
    await waitFor(() => expect(screen.getByTestId('things-full').textContent).toContain(name));
    await press('ArrowDown');
    await waitFor(() => expect(screen.queryByTestId('things-full')).toBeNull());
  });
  test('comes up under no pointer that is pressed', async () => {
    cut({ folds: true });
    const fold = screen.getByTestId('things-fold');
    await fireEvent.pointerDown(fold);
    fold.focus();
    await tick();
    expect(screen.queryByTestId('things-full'), 'it would be hit in place of what was pressed').toBeNull();
    await fireEvent.pointerUp(fold);
    await fireEvent.click(fold);
    expect(names()).toContain('thing p');
  });
  test('is put away by a press on it, and the focus stays in its row', async () => {
    cut();
    await fireEvent.keyDown(document.body, { key: 'j' });
    const full = await screen.findByTestId('things-full');
    await fireEvent.pointerDown(full);
    full.focus();
    expect(screen.queryByTestId('things-full'), 'not before it is let go').not.toBeNull();
    await fireEvent.click(full);
    await waitFor(() => expect(screen.queryByTestId('things-full')).toBeNull());
    expect(document.activeElement).toBe(screen.getAllByTestId('thing')[0]);
  });
});

test('rows stay as they are under a pointer that is pressed', async () => {
  const { rerender } = draw({ rows: few });
  const row = screen.getAllByTestId('thing')[0]!;
  await fireEvent.pointerDown(row);
  await rerender({ rows: [thing('new'), ...few] } as never);
  expect(names()[0], 'what is let go is what was pressed').toBe('thing b');
  await fireEvent.pointerUp(row);
  await waitFor(() => expect(names()[0]).toBe('thing new'));
});

describe('rows that come above what is read', () => {
  const scroller = (): HTMLElement => table().parentElement!;
  const read = async (row: number): Promise<void> => {
    scroller().scrollTop = row * 28;
    await fireEvent.scroll(scroller());
  };
  test('leave it where it is', async () => {
    const rows = many(1000);
    const { rerender } = draw({ rows });
    await read(500);
    await rerender({ rows: [thing('new'), ...rows] } as never);
    await waitFor(() => expect(scroller().scrollTop).toBe(501 * 28));
    expect(names()).toContain('thing 501');
    await rerender({ rows: rows.slice(3) } as never);
    await waitFor(() => expect(scroller().scrollTop, 'nor when some of them go').toBe(497 * 28));
  });
  test('are seen by who is at the very top', async () => {
    const { rerender } = draw({ rows: many(1000) });
    await rerender({ rows: [thing('new'), ...many(1000)] } as never);
    await waitFor(() => expect(names()[0]).toBe('thing new'));
    expect(scroller().scrollTop).toBe(0);
  });
  test('are no rows that were sorted', async () => {
    const rows = many(1000);
    const { rerender } = draw({ rows });
    await read(500);
    await fireEvent.click(screen.getByTitle('Sort by size'));
    await waitFor(() => expect(names()).toContain('thing 500'));
    expect(scroller().scrollTop).toBe(500 * 28);
    await rerender({ rows: [...rows].reverse(), usual: 'size' } as never);
    expect(scroller().scrollTop).toBe(500 * 28);
  });
});

describe('compact density', () => {
  const gap = (): number => Number.parseInt(table().querySelector<HTMLElement>('tr.space')!.style.height);
  const drawn = (): number => screen.getAllByTestId('thing').length;
  afterEach(() => {
    preferences.setDensity('normal');
    vi.restoreAllMocks();
  });
  test('makes rows lower, and what is not drawn takes the room of such rows', async () => {
    draw({ rows: many(1000) });
    expect(gap()).toBe((1000 - drawn()) * 28);
    preferences.setDensity('compact');
    await waitFor(() => expect(gap()).toBe((1000 - drawn()) * 24));
    expect(document.documentElement.dataset['density'], 'which the style sheet goes by').toBe('compact');
  });
  test('is measured anew: a row is as high as the browser makes it', async () => {
    vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockImplementation(() =>
      document.documentElement.dataset['density'] === 'compact' ? 25 : 31,
    );
    draw({ rows: many(1000) });
    await waitFor(() => expect(gap()).toBe((1000 - drawn()) * 31));
    preferences.setDensity('compact');
    await waitFor(() => expect(gap()).toBe((1000 - drawn()) * 25));
  });
});
