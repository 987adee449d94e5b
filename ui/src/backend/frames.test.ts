import { expect, test } from 'vitest';
import { FrameDecoder } from './frames';
import { frame } from '../testing/frames';
import type { WireFrame } from './gen/index';

const wire = (of: Partial<WireFrame>): WireFrame => ({ ...frame(), names: [], values: [], ...of });

test('names travel once, gaps stay gaps, and another stream begins anew', () => {
  const decoder = new FrameDecoder();
  const first = decoder.decode(wire({ t: [1, 2], names: ['a', 'b'], values: [[1.5], [null, 2]] }));
  expect(first.series).toEqual({ a: [1.5, null], b: [null, 2] });
  expect('names' in first, 'what is only of the way stays there').toBe(false);
  expect(decoder.decode(wire({ t: [3], names: ['c'], values: [[null, 3, 0]] })).series).toEqual({ b: [3], c: [0] });
  expect(new FrameDecoder().decode(wire({ t: [4], names: ['b'], values: [[4]] })).series).toEqual({ b: [4] });
});

test('a value without a name is no frame of this stream', () => {
  expect(() => new FrameDecoder().decode(wire({ t: [1], values: [[1]] }))).toThrow('has no name');
});
