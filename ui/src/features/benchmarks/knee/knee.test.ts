import { describe, expect, it } from 'vitest';
import { knee, kneePoint as point } from '../../../testing/values';
import { blankKnee, parseKnee, steps } from './form';
import { fitting } from '../../../charts/growth';
import { busiest, failing, kneeMarkdown, kneeScale, limitOf, percentileOf, usl } from './scale';

describe('the question', () => {
  it('is a percentile with a limit', () => {
    for (const slo of ['p99<50ms', 'p99.9 <= 1.5 s', 'p50 < 800us']) expect(parseKnee({ ...blankKnee(), slo }).asked?.slo).toBe(slo);
    for (const slo of ['', 'p99', 'p42<5ms', 'p99>5ms', 'p99<0ms', 'p99<5'])
      expect(parseKnee({ ...blankKnee(), slo }).errors.slo, slo).toBeDefined();
  });
  it('names the field that is wrong', () => {
    expect(Object.keys(parseKnee({ slo: 'p99<1s', max: '0', step: 'x', confirm: '30' }).errors)).toEqual(['max', 'step']);
    expect(parseKnee(blankKnee()).asked).toEqual({ slo: 'p99<50ms', max_connections: 256, step_s: 10, confirm_s: 30 });
    expect(steps(1)).toBeLessThan(steps(10_000));
  });
});

describe('the answer', () => {
  it('reads the objective', () => {
    expect([limitOf('p99<50ms'), limitOf('p95 <= 1.5s'), limitOf('p50<800us'), limitOf('?')]).toEqual([50, 1500, 0.8, null]);
    expect([percentileOf('p99.9 < 2 s'), percentileOf('?')]).toEqual(['p99.9', 'latency']);
  });
  it('has axes that hold everything', () => {
    const s = kneeScale(knee(), 50);
    expect(s.ticks).toEqual([1, 2, 4, 8, 16, 32, 64]);
    expect(s.top).toBeGreaterThanOrEqual(2100);
    expect([s.low, s.high]).toEqual([1, 100]);
    expect(kneeScale(knee({ points: [] }), null).ticks).toEqual([1, 2]);
    expect(fitting([1, 2, 4, 8, 16, 32, 64], 4)).toEqual([1, 4, 16, 64]);
  });
  it('follows the law: γ at one connection, its peak where it is said to be', () => {
    const fit = { gamma: 100, alpha: 0.02, beta: 0.0004, scatter: 0, peak_n: Math.sqrt(0.98 / 0.0004), capacity: null };
    expect(usl(fit, 1)).toBe(100);
    expect(usl(fit, fit.peak_n)).toBeGreaterThan(usl(fit, fit.peak_n * 1.3));
    expect(usl(fit, fit.peak_n)).toBeGreaterThan(usl(fit, fit.peak_n / 1.3));
  });
  it('says what was busiest and why a step fails', () => {
    expect(busiest(point(1, 1, 1, true))).toEqual({ name: 'host CPU', share: 0.9 });
    expect(failing(point(1, 1, 70, false), 50)).toBe('over the limit');
    expect(failing(point(1, 1, 10, false, { error_share: 0.01 }), 50)).toContain('errors');
    expect(failing(point(1, 1, null, false), 50)).toBe('no successful response');
    expect(failing(point(1, 1, 10, true), 50)).toBe('');
  });
  it('is copied as Markdown', () => expect(kneeMarkdown(knee())).toContain('fails: over the limit'));
});
