import { expect, test } from 'vitest';
import { decodeColumns } from './columns';

function bytes(rows: number[][], names: string[]): ArrayBuffer {
  let head = JSON.stringify({ rows: rows[0]!.length, columns: names, meta: { step_ms: 1000 } });
  while ((4 + head.length) % 8 !== 0) head += ' ';
  const out = new ArrayBuffer(4 + head.length + rows.length * rows[0]!.length * 8);
  const view = new DataView(out);
  view.setUint32(0, head.length, true);
  new Uint8Array(out, 4).set(new TextEncoder().encode(head));
  rows.flat().forEach((v, i) => view.setFloat64(4 + head.length + i * 8, v, true));
  return out;
}

test('columns are read in place and gaps stay gaps', () => {
  const got = decodeColumns(
    bytes(
      [
        [1, 2],
        [0.5, NaN],
      ],
      ['t', 'v'],
    ),
  );
  expect(got.names).toEqual(['t', 'v']);
  expect([...got.columns[0]!]).toEqual([1, 2]);
  expect(got.columns[1]![1]).toBeNaN();
  expect(got.meta).toEqual({ step_ms: 1000 });
});

test('bytes that are cut short are refused', () => {
  const whole = bytes([[1, 2]], ['t']);
  expect(() => decodeColumns(whole.slice(0, whole.byteLength - 1))).toThrow('cut short');
  expect(() => decodeColumns(new ArrayBuffer(2))).toThrow('cut short');
});
