import { describe, expect, it } from 'vitest';
import {
  ageS,
  ago,
  bytes,
  clock,
  clockMinute,
  duration,
  exactTime,
  format,
  integer,
  megabytes,
  percent,
  percent1,
  remaining,
  roundTrip,
  share,
  utcOffset,
} from './format';

describe('figures', () => {
  it('put a thin space before the unit and between thousands, and use a true minus', () => {
    expect(integer(506000)).toBe('506\u202f000');
    expect(integer(-1234)).toBe('\u22121\u202f234');
    expect(percent(-0.31)).toBe('\u221231\u202f%');
  });

  it('keep three significant digits, SI for rates and IEC for memory', () => {
    expect(format(8412, 'per_second')).toContain('8\u202f412');
    expect(format(18412, 'per_second')).toContain('18.4\u202fk');
    expect(bytes(2.98 * 1024 ** 3)).toBe('2.98\u202fGiB');
  });

  it('say percent without false precision', () => {
    expect([percent(0.04), percent(0.123), percent(1), percent(0)]).toEqual(['4.0\u202f%', '12\u202f%', '100\u202f%', '0\u202f%']);
    expect(percent1(0.0074)).toBe('0.7\u202f%');
  });

  it('say a share done in whole percent, and 100 only at the end', () => {
    expect([share(0.04), share(0.29), share(0.999), share(1)]).toEqual(['4\u202f%', '29\u202f%', '99\u202f%', '100\u202f%']);
  });

  it('show own memory as a system monitor does', () => {
    expect(megabytes(168_400_000)).toBe('168\u202fMB');
    expect(megabytes(1_540_000_000)).toBe('1.54\u202fGB');
  });

  it('show round trips from microseconds to seconds', () => {
    expect([0.046, 0.27, 1.2, 21.4, 1400].map(roundTrip)).toEqual([
      '46\u202fµs',
      '0.3\u202fms',
      '1.2\u202fms',
      '21\u202fms',
      '1.40\u202fs',
    ]);
  });
});

describe('times', () => {
  it('name the zone with its sign and its half hours', () => {
    expect([0, -60, 210, -330].map(utcOffset)).toEqual(['UTC', 'UTC+1', 'UTC\u22123:30', 'UTC+5:30']);
  });

  it('are two digits each', () => {
    expect(clockMinute(Date.now())).toMatch(/^\d\d:\d\d$/);
  });

  it('tell what remains only when the share done says something', () => {
    expect(remaining(0.25, 10)).toBe(duration(30));
    expect(remaining(0.01, 10), 'one per cent is no basis').toBeNull();
    expect(remaining(0.5, 1), 'one second is no basis').toBeNull();
    expect(remaining(null, 60)).toBeNull();
  });
});

describe('moments', () => {
  const at = new Date(2026, 10, 29, 14, 3, 22).getTime();
  it('are exact to the second, with their zone', () => {
    expect(exactTime(at)).toMatch(/^2026-11-29 14:03:22 UTC/);
    expect(clock(new Date(2026, 0, 1, 0, 5, 9).getTime())).toBe('00:05:09');
  });
  it('say how long ago while that says more than the date', () => {
    const words = (ms: number): string => ago(at, at + ms).replaceAll('\u202f', ' ');
    expect([0, 12_000, 300_000, 3 * 3_600_000].map(words)).toEqual(['just now', '12 s ago', '5 min ago', '3 h ago']);
    expect(words(3 * 86_400_000)).toBe('29 Nov 14:03');
    expect(words(400 * 86_400_000)).toBe('29 Nov 2026');
    expect(words(-5000), 'clocks of two machines are never quite the same').toBe('just now');
  });
});

it('no age is less than none', () => {
  expect([ageS(1000, 3500), ageS(3500, 1000)]).toEqual([2.5, 0]);
});
