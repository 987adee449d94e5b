import { describe, expect, it } from 'vitest';
import { axisLabels, axisNote, domain, niceCeil, position } from './scale';
import { format, significant, duration, THIN, MINUS, DASH, type Unit } from '../kit/figures';
import { apart, curveTicks } from './curve-scale';

describe('value axis', () => {
  it('rounds up to a round number', () => {
    expect(niceCeil(416, 'per_second')).toBe(500);
    expect(niceCeil(0.0143, 'ratio')).toBe(0.015);
    expect(niceCeil(3 * 1024 ** 3, 'bytes'), 'bytes are round in GiB').toBe(3 * 1024 ** 3);
    expect(niceCeil(0, 'count')).toBe(1);
  });
  it('starts at zero and keeps its end while the data use it', () => {
    const first = domain({ kind: 'zero' }, 'per_second', 10, 416);
    expect(first.min).toBe(0);
    expect(domain({ kind: 'zero' }, 'per_second', 10, 300, first), 'no jump for smaller data').toEqual(first);
    expect(domain({ kind: 'zero' }, 'per_second', 1, 30, first).max, 'shrinks when most is unused').toBeLessThan(first.max);
  });
  it('ends at a limit', () => {
    expect(domain({ kind: 'zero', upTo: 100 }, 'count', 3, 20)).toEqual({ min: 0, max: 100, log: false });
    expect(domain({ kind: 'zero', cap: 1 }, 'ratio', 0.3, 0.8).max).toBe(1);
  });
  it('starts near the data when they are far from zero and says so', () => {
    const d = domain({ kind: 'near', cap: 1 }, 'ratio', 0.92, 0.998);
    expect(d.max).toBe(1);
    expect(d.min).toBeGreaterThan(0.8);
    expect(axisNote(d, 'ratio')).toMatch(/^axis from 8\d/);
    expect(axisNote({ min: 0, max: 1, log: false }, 'ratio')).toBeNull();
  });
  it('has decades as labels on a log axis', () => {
    const d = domain({ kind: 'log' }, 'seconds', 0.0114, 0.6);
    const labels = axisLabels(d, 'seconds', 88).map((l) => l.text);
    expect(labels.length).toBeLessThanOrEqual(3);
    expect(labels).toContain(`100${THIN}ms`);
    expect(position(d, d.min)).toBe(0);
    expect(position(d, d.max)).toBe(1);
  });
  it('labels at most three values with the unit on top only', () => {
    const labels = axisLabels({ min: 0, max: 1, log: false }, 'ratio', 60).map((l) => l.text);
    expect(labels).toEqual(['0', '50', `100${THIN}%`]);
    expect(axisLabels({ min: 0, max: 100, log: false }, 'count', 36, '100 max').map((l) => l.text)).toEqual(['0', '100 max']);
  });
});

describe('one axis', () => {
  const labels = (max: number, unit: Unit, height = 60): string[] =>
    axisLabels({ min: 0, max, log: false }, unit, height).map((l) => l.text.replaceAll(THIN, ' '));
  it('has one notation', () => {
    expect(labels(12_000, 'per_second')).toEqual(['0', '6 k', '12 k']);
    expect(labels(8000, 'per_second')).toEqual(['0', '4 000', '8 000']);
    expect(labels(1, 'seconds'), 'and one unit, on top').toEqual(['0', '0.5', '1 s']);
    expect(labels(120, 'ms')).toEqual(['0', '60', '120 ms']);
    expect(labels(240, 'seconds')).toEqual(['0', '2 min', '4 min']);
  });
  it('of percentiles leaves out what would touch its neighbour', () => {
    const of = (width: number): string[] => apart(curveTicks(5), (at) => (at / 5) * width).map((t) => t.label);
    expect(of(600)).toEqual(['0', '50', '90', '99', '99.9', '99.99', '99.999']);
    const narrow = of(200);
    expect(narrow, 'the last one stays').toContain('99.999');
    expect(narrow).not.toContain('99.99');
  });
});

describe('figures', () => {
  it('has three significant digits and thin spaces', () => {
    expect(significant(0.12345)).toBe('0.123');
    expect(significant(9.999)).toBe('10.0');
    expect(significant(-31)).toBe(`${MINUS}31.0`);
    expect(format(1067, 'per_second')).toBe(`1${THIN}067/s`);
    expect(format(12_400, 'per_second')).toBe(`12.4${THIN}k/s`);
    expect(format(0.0144, 'ratio')).toBe(`1.44${THIN}%`);
    expect(format(1, 'ratio')).toBe(`100${THIN}%`);
    expect(format(0.594, 'seconds')).toBe(`594${THIN}ms`);
    expect(format(12.3, 'ms')).toBe(`12.3${THIN}ms`);
    expect(format(3 * 1024 ** 3, 'bytes')).toBe(`3.00${THIN}GiB`);
    expect(format(149e6, 'bytes_per_second')).toBe(`149${THIN}MB/s`);
    expect(format(null, 'count'), 'a missing value is a dash').toBe(DASH);
  });
  it('words durations', () => {
    expect(duration(38)).toBe(`38${THIN}s`);
    expect(duration(218)).toBe(`3${THIN}min 38${THIN}s`);
    expect(duration(7500)).toBe(`2${THIN}h 5${THIN}min`);
  });
});
