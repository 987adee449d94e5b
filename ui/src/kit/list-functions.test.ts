// The plain functions of lists; `list.test.ts` has the list itself.
import { expect, test } from 'vitest';
import { besideRow, needs, nextOrder, orderOf, orderText, placed, seen, shifted, widths, type Column } from './list';

test('orders are read and written', () => {
  expect([orderOf('-p99'), orderOf('name'), orderOf(''), orderOf('-')]).toEqual([
    { key: 'p99', down: true },
    { key: 'name', down: false },
    null,
    null,
  ]);
  expect(orderText(orderOf('-p99'))).toBe('-p99');
  const usual = orderOf('-when');
  expect(nextOrder(null, usual, { key: 'when' }), 'the usual order turns round').toEqual({ key: 'when', down: false });
  expect(nextOrder({ key: 'when', down: false }, usual, { key: 'when' }), 'and back').toBeNull();
});

test('of many rows a window is drawn, whatever the scroll says', () => {
  expect(seen(60, 900, 600, 28)).toEqual({ from: 0, to: 60 });
  const { from, to } = seen(1000, 28 * 500, 600, 28);
  expect([from < 500, to > 522, to - from < 64]).toEqual([true, true, true]);
  expect(seen(1000, 1e9, 600, 28).to).toBe(1000);
  expect(seen(1000, -400, 600, 28).from).toBe(0);
});

test('columns share what is left, and keep a least width', () => {
  const columns = [{ width: 100 }, { grow: 3 }, {}].map((c, i) => ({ key: String(i), label: '', text: () => '', ...c }));
  expect(widths(columns, 500)).toEqual([100, 300, 100]);
  expect(widths(columns, 120)).toEqual([100, 96, 96]);
});

test('a cell may take the room of those after it', () => {
  const columns = ['a', 'b', 'c', 'd'].map((key) => ({ key, label: key, text: () => '' }));
  expect(placed(columns).map((p) => [p.i, p.span])).toEqual([0, 1, 2, 3].map((i) => [i, 1]));
  expect(placed(columns, { from: 'b', to: 'c' }).map((p) => [p.i, p.span])).toEqual([
    [0, 1],
    [1, 2],
    [3, 1],
  ]);
});

test('what lies over a list hides nothing of the row that it is about', () => {
  const list = { top: 0, bottom: 280 };
  expect(besideRow({ top: 28, bottom: 56 }, list, 60)).toBe('foot');
  expect(besideRow({ top: 252, bottom: 280 }, list, 60)).toBe('head');
  expect(besideRow({ top: 0, bottom: 28 }, { top: 0, bottom: 28 }, 28), 'a list of one row').toBe('below');
});

test('how far what is seen was moved goes by the first of it that is still here', () => {
  const keys = (text: string): { key: string }[] => [...text].map((key) => ({ key }));
  expect(shifted(keys('abcdef'), keys('xyabcdef'), 2, 5)).toBe(2);
  expect(shifted(keys('abcdef'), keys('abdef'), 2, 5), 'the next one keeps its place').toBe(-1);
  expect(shifted(keys('abcdef'), keys('abcdxef'), 2, 5), 'what comes below moves nothing').toBe(0);
  expect(shifted(keys('abcdef'), keys('afedcb'), 2, 5), 'another order is no move').toBe(0);
  expect(shifted(keys('abcdef'), keys('uvw'), 2, 5)).toBe(0);
});

test('a column of figures fits the longest of them', () => {
  const columns = [
    { key: 'p99', label: 'p99', text: (r: { said: string }) => r.said, numeric: true, width: 80 },
    { key: 'name', label: 'name', text: () => 'x'.repeat(200), width: 120 },
  ];
  const wide = (said: string): number[] => widths(columns, 900, needs(columns, [{ said: '4.33\u202fms' }, { said }]));
  expect(wide('n too small')[0]).toBeLessThanOrEqual(84);
  expect(wide('at least 120\u202fms')[0], 'about 84 px of text').toBeGreaterThan(100);
  expect(wide('at least 120\u202fms')[1], 'a text may be cut').toBe(120);
});

test('what a least width takes is taken from the others, before a list is moved sideways', () => {
  const columns = [{ grow: 3 }, {}, { width: 100 }].map((c, i) => ({ key: String(i), label: '', text: () => '', ...c }));
  expect(widths(columns, 340)).toEqual([144, 96, 100]);
});

test('a column that fits is as wide as its longest text, and no wider than it may be', () => {
  const columns: Column<{ said: string }>[] = [
    { key: 'name', label: 'name', text: () => '' },
    { key: 'said', label: 'outcome', text: (r) => r.said, fits: true, beside: 20, width: 156 },
  ];
  const wide = (...said: string[]): number =>
    widths(
      columns,
      900,
      needs(
        columns,
        said.map((s) => ({ said: s })),
      ),
    )[1]!;
  expect(wide()).toBe(wide('passed'));
  expect(wide('passed', 'failed')).toBeLessThan(110);
  expect(wide('passed', 'failed: p99')).toBeGreaterThan(wide('passed'));
  expect(wide('failed: p99, errors, rate and two more')).toBe(156);
  expect(widths(columns, 900, needs(columns, []))[0], 'the rest is the name’s').toBe(900 - wide());
});

test('what a column that fits does not need of its share is for the others', () => {
  const columns: Column<{ said: string }>[] = [
    { key: 'name', label: 'name', text: () => '', grow: 5 },
    { key: 'request', label: 'request', text: (r) => r.said, fits: true, grow: 4, least: 60 },
  ];
  const wide = (said: string): number[] => widths(columns, 900, needs(columns, [{ said }]));
  expect(wide('k6')[1]).toBeLessThan(80);
  expect(wide('k6').reduce((a, b) => a + b)).toBe(900);
  expect(wide('GET https://shop.example/patients?page=1'.repeat(9)), 'no more than its share').toEqual([500, 400]);
});
