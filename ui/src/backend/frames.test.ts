import { expect, test } from 'vitest';
import { FrameDecoder, partOf } from './frames';
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

test('a part is found by its topic, and one that is not known is refused by name', () => {
  const told = new FrameDecoder().decode(wire({ parts: [{ topic: 'changed', value: ['runs'] }] }));
  expect([partOf(told, 'changed'), partOf(told, 'jobs')]).toEqual([['runs'], null]);
  const strange = [{ topic: 'weather', value: 'fine' }] as unknown as WireFrame['parts'];
  expect(() => new FrameDecoder().decode(wire({ parts: strange }))).toThrow("'weather'");
});

test('a value without a name is no frame of this stream', () => {
  expect(() => new FrameDecoder().decode(wire({ t: [1], values: [[1]] }))).toThrow('has no name');
});
