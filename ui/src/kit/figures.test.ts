// What was asked for and how long something took; the rest is in the golden table.
import { describe, expect, it } from 'vitest';
import { exactly, lasted, setting } from './figures';

const plain = (text: string): string => text.replaceAll('\u202f', ' ');

describe('what was asked for', () => {
  it.each([
    [0, '0 s'],
    [0.001, '1 ms'],
    [0.25, '250 ms'],
    [0.0015, '1.5 ms'],
    [1, '1 s'],
    [1.4, '1.4 s'],
    [1.5, '1.5 s'],
    [10, '10 s'],
    [59.999, '59.999 s'],
    [60, '1 min'],
    [100, '1 min 40 s'],
    [90.25, '1 min 30.25 s'],
    [1800, '30 min'],
    [3601, '1 h 1 s'],
    [7265.5, '2 h 1 min 5.5 s'],
    [0.1 + 0.2, '300 ms'],
    [1.1 + 2.2, '3.3 s'],
  ])('%d s is said exactly: %s', (value, text) => expect(plain(setting(value))).toBe(text));
  it.each([
    [122.5, '122.5/s'],
    [0.25, '0.25/s'],
    [400, '400/s'],
    [12_345, '12 345/s'],
    [24_310.4, '24 310.4/s'],
  ])('so is a rate: %d', (value, text) => expect(plain(setting(value, 'per_second'))).toBe(text));
  it('has a true minus, and an en dash where there is none', () => {
    expect([exactly(-1234.5), exactly(Number.NaN), setting(Number.NaN)].map(plain)).toEqual(['\u22121 234.5', '–', '–']);
  });
});

describe('how long something took', () => {
  it.each([
    [0, '0 s'],
    [0.0004, '400 µs'],
    [0.4, '400 ms'],
    [0.9996, '1.0 s'],
    [1.5, '1.5 s'],
    [5, '5.0 s'],
    [9.94, '9.9 s'],
    [9.96, '10 s'],
    [38.4, '38 s'],
    [218, '3 min 38 s'],
  ])('%d s is said as %s', (value, text) => expect(plain(lasted(value))).toBe(text));
});
