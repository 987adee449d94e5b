import { narrowed } from '../../backend/narrow';
import { describe, expect, it } from 'vitest';
import golden from '../../../../src-tauri/crates/words/golden/figures.json';
import { curveEnd, curveScale, curveTicks, nines, reliable } from '../../charts/curve-scale';
import { integer } from '../../kit/figures';
import { blank, fromSpec, parse, parseSeconds } from './form/http';
import { benchLanes, IDS, LiveBench, runSeries } from './series';
import type { BenchLive, LatencyMs, Run, RunSpec, RunSummary } from './types';
import { httpCommand } from './form/command';
import { latency as anyLatency, live, preview } from '../../testing/values';
import { answeredOf, countOf, errorWords, listed, outcomeOf, short, statusWords, thresholdWords, toneOf } from '../../kit/outcome';
import { needed, rateWord, shown } from '../../kit/percentiles';
import { mayStart } from '../../kit/load';
import { answerRows, bothSides, factRows, loadOf, markdown, namesIn, sentence, tail } from './words';

const latency = (over: Partial<LatencyMs> = {}): LatencyMs => anyLatency({ p99: 12.3, too_small: ['p999'], ...over });
const made = (over: Partial<Run> = {}): Run =>
  ({
    id: 'r',
    name: 'a | b',
    engine: 'e',
    state: 'completed',
    duration_s: 30,
    requests: 72_930,
    errors: 0,
    rate_per_s: 2431,
    target_rate_per_s: null,
    response_ms: latency(),
    service_ms: latency(),
    schedule_lag_ms: latency(),
    valid: true,
    invalid_reasons: [],
    errors_by_class: [],
    started_ms: 0,
    iterations: null,
    steps: [],
    statuses: [{ status: 200, count: 72_930 }],
    thresholds: [],
    judged_ms: null,
    spec: { kind: 'http', ...parse(blank('http://h/')).spec! },
    machine: { os: '', cpu: 'c', cores: 2, memory_bytes: 1, perfdeck: '' },
    intervals: [
      { t_ms: 0, duration_s: 1, requests: 10, errors: 4, p50: null, p90: null, p99: null, max: null },
      { t_ms: 1000, duration_s: 0.5, requests: 10, errors: 0, p50: 1, p90: 2, p99: 3, max: 4 },
    ],
    ...over,
  }) as Run;
const plain = (text: string): string => text.replaceAll('\u202f', ' ');

describe('sentence', () => {
  it('asks for the parts of a run that were not stored', () => {
    const { spec, errors } = parse({ ...blank('http://h/a?api_key=•••'), headers: 'Cookie: •••', method: 'POST', body: '••• (21 bytes)' });
    expect(spec).toBeNull();
    expect(Object.keys(errors).sort()).toEqual(['body', 'headers', 'url']);
  });

  it.each(golden.sentences)('of the golden table: $name', (row) => {
    const run = { ...golden.run, ...row.set } as unknown as Run;
    expect(sentence(run)).toEqual({ ...narrowed({ word: row.word, text: row.text }), tone: row.tone === 'good' ? 'ok' : row.tone });
    expect(short(outcomeOf(run)), 'in a list').toBe(narrowed(row.short));
  });
  it('does not claim what a list of an earlier version does not tell', () => {
    const run = { ...golden.run, judged_ms: null, answered: null, statuses: null, thresholds: null } as unknown as RunSummary;
    expect([short(listed(run)), toneOf(listed(run))]).toEqual(['valid', 'ok']);
  });
  it('answers first', () => {
    expect(plain(sentence(made()).text)).toBe('2 431 requests/s, p99 12.3 ms (n = 72 930), no errors, 30 s at 32 connections');
  });
  it('counts what failed in', () => {
    const late = (v: number) => ({ ms: v, at_least: true });
    const none = { ms: null, at_least: false };
    const judged_ms = {
      n: 100_000,
      timed_out: 20_000,
      failed: 100,
      p50: { ms: 5, at_least: false },
      p90: late(301),
      p95: late(301),
      p99: late(301),
      p999: none,
      max: none,
      too_small: [],
    };
    const errors_by_class = [
      { class: 'timeout', count: 20_000, sample: '' },
      { class: 'connect', count: 100, sample: '' },
    ];
    const run = made({ judged_ms, errors: 20_100, requests: 100_000, errors_by_class });
    expect(plain(sentence(run).text)).toMatch(/^20 100 errors \(20\.1 %\), 20 000 timed out, .*p99 at least 301 ms \(n = 100 000\)/);
    expect(answeredOf(run)).toBe(79_900);
    expect(plain(markdown(run)).replaceAll('\u00a0', ' ')).toContain('| all, failed ones included | 100 000 | 5.00 ms | at least 301 ms |');
    const some = { p50_ms: 5, p99_ms: 9, requests: 100_000, errors: 20_100 };
    expect(shown({ ...some, judged_ms }, 'p99')).toContain('at least');
    const nothing = { p50_ms: null, p99_ms: null, requests: 10, errors: 10, rate_per_s: 0 };
    expect(shown({ ...nothing, judged_ms: null }, 'p99'), 'nothing is not zero').toBe('–');
    const few = { p50_ms: 5, p99_ms: 9, requests: 9_999, errors: 0, judged_ms: null };
    expect(shown(few, 'p99'), 'a run of an earlier version has the same rule').toBe('n too small');
    expect(shown({ ...few, requests: 10_000 }, 'p99')).toContain('9');
    expect(shown({ ...nothing, judged_ms: { ...judged_ms, p99: none } }, 'p99'), 'nor what failed').toBe('–');
    expect(shown({ ...nothing, judged_ms }, 'p99'), 'but what was waited for').toContain('at least');
    expect([rateWord(nothing), plain(rateWord({ ...some, rate_per_s: 3 }))]).toEqual(['–', '3/s']);
  });
  it('names statuses and thresholds', () => {
    expect(sentence(made({ statuses: [{ status: 301, count: 9 }] })).text).toMatch(/^statuses: all 301, /);
    expect(
      plain(
        statusWords([
          { status: 200, count: 3 },
          { status: 503, count: 1 },
        ]),
      ),
    ).toBe('200 75.0 %, 503 25.0 %');
    const t = { text: '', step: null, metric: '', unit: '', limit: 1, actual: 1, at_least: false, note: null };
    expect(thresholdWords(countOf([{ ...t, ok: true, unjudged: false }]))).toBe('');
    expect(
      thresholdWords(
        countOf([
          { ...t, ok: false, unjudged: false },
          { ...t, ok: false, unjudged: true },
        ]),
      ),
    ).toBe('1 of 2 thresholds failed, 1 of 2 thresholds not judged');
  });
  it('lists each request once', () => {
    const rows = answerRows({
      statuses: [
        { status: 200, count: 90 },
        { status: 500, count: 2 },
        { status: 503, count: 7 },
      ],
      errors_by_class: [
        { class: 'status', count: 9, sample: 'HTTP status 503' },
        { class: 'timeout', count: 1, sample: 'no answer in 10 s' },
      ],
    });
    expect(rows.map((r) => [r.label, r.count, r.failed, r.sample])).toEqual([
      ['200', 90, false, ''],
      ['500', 2, true, ''],
      ['503', 7, true, 'HTTP status 503'],
      ['timeout', 1, true, 'no answer in 10 s'],
    ]);
    const imported = answerRows({ statuses: [], errors_by_class: [{ class: 'status', count: 9, sample: 'HTTP status 503' }] });
    expect(
      imported.map((r) => [r.label, r.count]),
      'an import that has no statuses',
    ).toEqual([['status', 9]]);
  });
  it('gives the reason first when the run is invalid', () => {
    expect(sentence(made({ valid: false, invalid_reasons: ['the client was at its limit'] }))).toEqual({
      word: 'Invalid',
      text: 'the client was at its limit',
      tone: 'bad',
    });
  });
  it('does not quote a percentile with too few samples', () => {
    const few = latency({ n: 500, too_small: ['p99', 'p999'] });
    expect(tail(few)).toBe('p95');
    expect(tail(latency({ n: 0 }))).toBeNull();
    expect([needed('p99'), needed('p999')]).toEqual([10_000, 100_000]);
  });
  it('falls back to the service time where an engine gives no response time', () => {
    expect(plain(sentence(made({ response_ms: null })).text)).toContain('p99 12.3 ms service time');
    expect(markdown(made({ response_ms: null, schedule_lag_ms: null }))).not.toContain('| response |');
  });
  it('holds iterations, not requests, against the rate of a scenario', () => {
    const run = made({ target_rate_per_s: 100, iterations: 2970, requests: 8910, rate_per_s: 297 });
    expect(plain(sentence(run).text)).toMatch(/^99 of 100 iterations\/s, 297 requests\/s/);
  });
  it('says when it was aborted', () => {
    expect(sentence(made({ state: 'aborted' })).word).toBe('Aborted');
    expect(short(outcomeOf(made({ state: 'aborted' })))).toBe('aborted');
  });
  it('counts errors with their share', () => {
    expect(plain(errorWords(312, 72_930))).toBe('312 errors (0.43 %)');
  });
});

describe('copies', () => {
  it('quotes what a shell would change', () => {
    const spec = parse({
      ...blank("http://h/a?b=1&c='x'"),
      kind: 'rate',
      rate: '400',
      method: 'POST',
      headers: 'X-A: b c',
      body: '{}',
    }).spec!;
    const text = httpCommand(spec).join(' ');
    expect(text).toContain(`'http://h/a?b=1&c='\\''x'\\'''`);
    expect(text).toContain('--rate 400');
    expect(text).toContain("--header 'X-A: b c'");
  });
  it('keeps hostile names inside their Markdown cell', () => {
    expect(markdown(made())).toContain('a \\| b');
    expect(markdown(made())).toContain('n too small');
  });
  it('says its time with the zone, and a statement with backticks stays one span', () => {
    const request = 'SELECT `id` FROM `t`';
    const spec = { kind: 'plan', varies: false, request, connections: 1, load: { kind: 'closed' } } as RunSpec;
    const text = markdown(made({ name: '<b>x</b>', spec, started_ms: Date.UTC(2026, 10, 29, 16, 44, 5) }));
    expect(text.split('\n')[0]).toBe('### \\<b\\>x\\</b\\>');
    expect(text).toContain('`` SELECT `id` FROM `t` ``, ');
    expect(text).toContain(', 2026-11-29 16:44:05 UTC, ');
  });
});

describe('form', () => {
  it('reads times in several forms', () => {
    expect([parseSeconds('30'), parseSeconds('2 min'), parseSeconds('500ms'), parseSeconds('1,5h')]).toEqual([30, 120, 0.5, 5400]);
    expect(parseSeconds('soon')).toBeNaN();
  });
  it('names the field that is wrong', () => {
    const { spec, errors } = parse({ ...blank('ftp://x'), connections: '0', headers: 'nonsense', kind: 'rate', rate: '-1' });
    expect(spec).toBeNull();
    expect(Object.keys(errors).sort()).toEqual(['connections', 'headers', 'rate', 'url']);
  });
  it('goes there and back', () => {
    const { spec } = parse({ ...blank('127.0.0.1:8000/x'), headers: 'A: 1\nB: 2' });
    expect(spec!.url).toBe('http://127.0.0.1:8000/x');
    expect(parse(fromSpec(spec!)).spec).toEqual(spec);
  });
});

describe('series of a run', () => {
  it('has gaps where a second had no successful response, and rates of shorter seconds', () => {
    const second = { duration_s: 1, p50: 1, p90: 2, p99: 3, max: 4 };
    const data = runSeries(
      made({
        intervals: [
          { ...second, t_ms: 0, requests: 10, errors: 4, p50: null, p90: null, p99: null, max: null },
          { ...second, t_ms: 1000, duration_s: 0.5, requests: 10, errors: 0 },
          { ...second, t_ms: 2000, requests: 110, errors: 11 },
          { ...second, t_ms: 3000, requests: 110, errors: 10 },
        ],
      }),
    );
    expect(data.column(IDS.p99), 'ninety-nine answers have no p99, a hundred do').toEqual([null, null, null, 3]);
    expect(data.column(IDS.p90)).toEqual([null, 2, 2, 2]);
    expect(data.column(IDS.rate)).toEqual([6, 20, 99, 100]);
  });
  it('derives errors a second from the running total', () => {
    const at = (at_ms: number, errors: number): BenchLive => live({ at_ms, errors, elapsed_s: 1, heat: [[40, 2]] });
    const bench = new LiveBench(at(1000, 0));
    bench.push(at(1000, 0));
    bench.push(at(1100, 3));
    expect(bench.data.column(IDS.errors)![1]).toBeCloseTo(30);
    expect(bench.start).toBe(0);
    expect(bench.heat.total(0) + bench.heat.total(1)).toBe(4);
  });
  it('keeps a long run within a bound, with the worst of what it leaves out', () => {
    const frame = (i: number): BenchLive =>
      ({
        run_id: 'r',
        at_ms: i * 100,
        elapsed_s: i / 10,
        total_s: 7200,
        errors: 0,
        p99_ms: i === 8 ? 99 : 1,
        heat: [],
      }) as unknown as BenchLive;
    const bench = new LiveBench(frame(1));
    for (let i = 1; i <= 20_000; i += 1) bench.push(frame(i));
    expect(bench.data.t.length).toBeLessThan(3000);
    expect(Math.max(...bench.data.column(IDS.p99)!.map((v) => v ?? 0))).toBe(99);
  });
  it('shows schedule lag in an open loop only', () => {
    const keys = (kind: 'closed' | 'rate'): string[] => benchLanes(parse({ ...blank('http://h'), kind }).spec!, true).map((l) => l.key);
    expect(keys('closed')).not.toContain('bench-lag');
    expect(keys('rate')).toContain('bench-lag');
  });
});

describe('percentile curve', () => {
  it('places quantiles by nines and hatches from n = 100 / (1 - q)', () => {
    expect(nines(0.99)).toBeCloseTo(2);
    expect(reliable(10_000)).toBeCloseTo(nines(0.99));
    expect(curveTicks(curveEnd(10_000)).map((t) => t.label)).toEqual(['0', '50', '90', '99', '99.9', '99.99']);
  });
  it('has at most five labels', () => {
    const scale = curveScale([
      { q: 0, ms: 0.2 },
      { q: 0.99, ms: 900 },
    ]);
    expect(scale.labels.length).toBeLessThanOrEqual(5);
    expect(scale.min).toBeLessThanOrEqual(0.2);
    expect(scale.max).toBeGreaterThanOrEqual(900);
  });
});

describe('guards', () => {
  const free = preview({ resolved: ['127.0.0.1:80'] });
  const asks = (confirm: string, evidence: string[] = []): ReturnType<typeof preview> => ({
    ...free,
    resolved: ['192.0.2.1:80'],
    loopback: false,
    confirm,
    evidence,
  });

  it('lists what the targets were: versions, settings, data', () => {
    const facts = { 'data.cache.keys': '70000', 'setting.database.work_mem': '64MB', 'version.database': 'PostgreSQL 16.3' };
    expect(factRows(facts)).toEqual([
      ['database', 'PostgreSQL 16.3'],
      ['database work_mem', '64MB'],
      ['cache keys', `about ${integer(70_000)}`],
    ]);
    expect(factRows({ 'data.database.public.orders': '5' })[0]?.[0], 'a table in its schema').toBe('database public.orders');
  });

  it('says a rate as it was asked for, in the sentence and on its lane, and what took a second and a half so', () => {
    const asked = made({ target_rate_per_s: 122.5, rate_per_s: 122.4, duration_s: 1.5 });
    expect(plain(sentence(asked).text)).toMatch(/^122 of 122\.5 requests\/s, .* 1\.5 s at 32 connections$/);
    const [rate] = benchLanes({ load: { kind: 'rate', rate_per_s: 122.5 }, connections: 1 }, false);
    expect(rate!.reference?.label).toBe('122.5/s asked for');
  });

  it('says that a rate which changes in stages is an average', () => {
    const plan = { kind: 'plan', varies: true, load: { kind: 'rate', rate_per_s: 20 } } as RunSpec;
    expect(loadOf(plan)).toBe('20/s on average, in stages');
    expect(loadOf({ ...plan, load: { kind: 'closed' } } as RunSpec)).toBe('closed loop, in stages');
    expect(loadOf({ ...plan, varies: false } as RunSpec)).toBe('20/s constant');
  });

  it('lets load start once exactly the asked name is typed', () => {
    expect(mayStart(free, ''), 'nothing is asked').toBe(true);
    expect([mayStart(asks('clinic'), ''), mayStart(asks('clinic'), 'Clinic')], 'another name').toEqual([false, false]);
    expect(mayStart(asks('clinic'), ' clinic '), 'spaces around it are not part of it').toBe(true);
    expect(mayStart({ ...asks('clinic'), guard: 'needs a rate' }, 'clinic'), 'a refusal is not typed away').toBe(false);
  });

  it('does not start what could never be judged', () => {
    const short = { ...free, problem: 'a run needs 100 requests' };
    expect([mayStart(free, ''), mayStart(short, '')]).toEqual([true, false]);
    expect(bothSides(free, short).problem, 'on either side').toBe('a run needs 100 requests');
  });

  it('asks for what either side of a duet asks for', () => {
    const b = asks('h.example', ['192.0.2.1 is a public address']);
    expect(bothSides(free, b), 'B alone may look like production').toEqual({
      resolved: ['127.0.0.1:80', '192.0.2.1:80'],
      loopback: false,
      guard: null,
      confirm: 'h.example',
      evidence: ['192.0.2.1 is a public address'],
      problem: null,
      tells: free.tells,
    });
    expect(bothSides(b, b), 'the same is said once').toEqual(b);
    expect(bothSides(free, { ...free, guard: 'B is read-only' }).guard, 'either side refuses').toBe('B is read-only');
    expect(bothSides(b, asks('i.example')).confirm, 'two names are typed, one after the other').toBe('h.example, i.example');
    expect(namesIn('h.example,  i.example')).toEqual(['h.example,  i.example', 'h.example', 'i.example']);
    expect([namesIn(null), namesIn('clinic')], 'nothing, and one').toEqual([[], ['clinic']]);
  });
});
