import { describe, expect, it } from 'vitest';
import { benchmarked, benchmarkPath, type Benchmarked } from '../../../kit/benchmark';
import { queryOf } from '../../../kit/address';
import { httpSpec } from '../../../testing/values';
import type { CacheBenchSpec, SqlBenchSpec } from '../types';
import { blankCache, fromCache, parseCache, prefixOf } from './cache';
import { cacheCommand, duetCommand, httpCommand, kneeCommand, planCommand, sqlCommand } from './command';
import { addressOf, begin, choose, read } from './fields';
import { blankLoad } from './load';
import { blankSql, fitted, fromSql, parametersOf, parseSql } from './sql';

const KEPT = { seed: 1, threads: null };
const sql = (of: Partial<SqlBenchSpec> = {}): SqlBenchSpec => ({
  statement: 'SELECT * FROM orders WHERE id = $1 AND state = $2',
  script: null,
  parameters: [
    { kind: 'uniform', from: 1, to: 1000 },
    { kind: 'text', text: "it's" },
  ],
  transaction: false,
  prepared: true,
  pace: {
    connections: 8,
    rate_per_s: 100,
    poisson: true,
    late_limit_s: 0.5,
    threads: null,
    duration_s: 10,
    warmup_s: 1,
    timeout_s: 2.5,
    seed: 1,
    thresholds: ['p99 < 5ms'],
  },
  ...of,
});
const cache = (of: Partial<CacheBenchSpec> = {}): CacheBenchSpec => ({
  mix: [
    { command: 'GET', weight: 9 },
    { command: 'SET', weight: 1 },
  ],
  prefix: 'user:',
  keys: 1000,
  zipf: 0.9,
  value_size: 300,
  pipeline: 4,
  pace: { ...sql().pace, rate_per_s: null, poisson: false, late_limit_s: null, thresholds: [] },
  ...of,
});

describe('parameters of a statement', () => {
  it.each([
    ['SELECT 1', 0],
    ['SELECT * FROM a WHERE id = $1 AND b = $2 AND c = $1', 2],
    ['SELECT * FROM a WHERE id = ? AND b = ?', 2],
    ['SELECT \'$1 ?\', "a?", `b?` -- $3 ?\n/* $4 ? */ WHERE id = $1', 1],
    ['SELECT $$ $2 ? $$, $tag$ $5 $tag$, $1', 1],
    ['SELECT ?3', 3],
    ['SELECT $999999999', 100],
  ])('%s has %i', (statement, count) => expect(parametersOf(statement)).toBe(count));

  it('keep what was filled in when their number changes', () => {
    const two = fitted([], 2);
    two[0]!.kind = 'null';
    expect(fitted(two, 3).map((p) => p.kind)).toEqual(['null', 'uniform', 'uniform']);
    expect(fitted(two, 1).map((p) => p.kind)).toEqual(['null']);
  });
});

describe('a statement', () => {
  it('goes there and back', () => {
    const { form, load } = fromSql(sql());
    expect(parseSql(form, load, KEPT)).toEqual({ spec: sql(), errors: { parameters: ['', ''], load: {} } });
  });
  it('is asked for, with each value that is none', () => {
    const form = { ...blankSql('SELECT $1, $2, $3, $4'), parameters: fitted([], 4) };
    form.parameters[0]!.from = '1.5';
    Object.assign(form.parameters[1]!, { from: '9', to: '1' });
    Object.assign(form.parameters[2]!, { kind: 'zipf', items: '0' });
    Object.assign(form.parameters[3]!, { kind: 'constant', value: 'uniform:1..9' });
    const { spec, errors } = parseSql(form, blankLoad(), KEPT);
    expect(spec).toBeNull();
    expect(errors.parameters).toEqual([
      'Two whole numbers',
      'The first is above the last',
      'A whole number from 1',
      'Choose text for this word, or the way it is drawn',
    ]);
    expect(parseSql(blankSql(' '), blankLoad(), KEPT).errors.statement).toBe('Enter the statement to run');
    expect(parseSql(blankSql("SELECT '•••'"), blankLoad(), KEPT).errors.statement).toContain('was not stored');
  });
});

describe('commands of a cache', () => {
  it('go there and back', () => {
    const { form, load } = fromCache(cache());
    expect(parseCache(form, load, KEPT)).toEqual({ spec: cache(), errors: { mix: ['', ''], load: {} } });
  });
  it('are refused by their field', () => {
    const form = { ...blankCache(null), mix: [{ command: 'two words', weight: '1' }], keys: '0', spread: 'zipf' as const, exponent: '-1' };
    const { spec, errors } = parseCache(form, { ...blankLoad(), duration: 'long' }, KEPT);
    expect(spec).toBeNull();
    expect(errors.mix).toEqual(['The name of a command']);
    expect([errors.keys, errors.exponent, errors.load.duration].map((e) => e !== undefined)).toEqual([true, true, true]);
    const never = parseCache({ ...blankCache(null), mix: [{ command: 'GET', weight: '0' }] }, blankLoad(), KEPT);
    expect(never.errors.mix).toEqual(['One of them needs a weight above 0']);
  });
  it('read only, where the keys are those of an application', () => {
    expect(blankCache('user:').mix.map((s) => s.command)).toEqual(['GET']);
    expect(
      blankCache(null).mix.map((s) => s.command),
      'keys of its own',
    ).toEqual(['GET', 'SET']);
    expect(['user:*', 'a:{id}:b', 'plain', 'x[12]'].map(prefixOf)).toEqual(['user:', 'a:', 'plain', 'x']);
  });
});

describe('the command for a terminal', () => {
  it('of a statement has its values, load and thresholds, one option a group', () => {
    expect(sqlCommand(sql(), { environment: 'my shop', name: null })).toEqual([
      'perfctl bench sql',
      "--env 'my shop'",
      "--sql 'SELECT * FROM orders WHERE id = $1 AND state = $2'",
      '--param uniform:1..1000',
      "--param 'text:it'\\''s'",
      '-c 8',
      '-d 10s',
      '--rate 100',
      '--poisson',
      '--late-limit 500ms',
      '--warmup 1s',
      '--timeout 2.5s',
      "--threshold 'p99 < 5ms'",
      '--json',
    ]);
    const hyphen = sqlCommand(sql({ statement: '-- c\nSELECT 1', parameters: [], prepared: false, transaction: true }));
    expect(hyphen.slice(1, 4), 'what begins with a hyphen is no option').toEqual(["--sql='-- c\nSELECT 1'", '--simple', '--transaction']);
    expect(sqlCommand(sql({ script: 'script.sql', parameters: [] })).slice(1, 2)).toEqual(['--script script.sql']);
  });
  it('of a cache has its mix and its keys', () => {
    expect(cacheCommand(cache(), { environment: 'shop' }).slice(0, 8)).toEqual([
      'perfctl bench cache',
      '--env shop',
      '--mix get=9,set=1',
      '--prefix user:',
      '--keys 1000',
      '--zipf 0.9',
      '--value-size 300',
      '--pipeline 4',
    ]);
  });
  it('of a request has its environment, its certificate and what it accepts', () => {
    const spec = httpSpec({ thresholds: ['p99 < 5ms'], insecure_tls: true, client_certificate: { cert: '/a/c.pem' }, duration_s: 0.5 });
    const text = httpCommand(spec, { environment: 'shop', confirm: 'shop' }).join(' ');
    for (const part of [
      '--env shop',
      '--confirm shop',
      '--insecure',
      '--cert /a/c.pem',
      '-d 500ms',
      '--timeout 30s',
      "--threshold 'p99 < 5ms'",
    ])
      expect(text).toContain(part);
  });
  it('of pairs, of a search and of a plan is theirs', () => {
    const a = httpSpec({ url: 'http://a/x' });
    expect(duetCommand(a, 'http://b/x', 12).slice(0, 2)).toEqual(['perfctl bench duet http://a/x http://b/x', '--pairs 12']);
    expect(duetCommand(a, null, 6, { environment: 'shop' }), 'noise has one side').not.toContain('--b shop');
    expect(kneeCommand(a, { slo: 'p99<50ms', max_connections: 64, step_s: 5, confirm_s: 20 }).slice(0, 5)).toEqual([
      'perfctl bench knee http://a/x',
      "--slo 'p99<50ms'",
      '--max 64',
      '--step 5s',
      '--confirm-for 20s',
    ]);
    expect(planCommand('my plan.toml', { environment: 'shop' }).join(' ')).toBe("perfctl bench run 'my plan.toml' --env shop --json");
  });
});

describe('what an address asks for', () => {
  const environment = { apiUrl: 'http://127.0.0.1:9000/health' };
  it.each<Benchmarked>([
    { kind: 'http', path: '/a b?c=1&d=é', method: 'POST' },
    { kind: 'http', url: 'http://h/x?y=1' },
    { kind: 'sql', statement: "SELECT *\nFROM a WHERE b = $1 AND c LIKE '%'" },
    { kind: 'cache', pattern: 'user:*' },
  ])('is what it was made of: $kind', (of) => {
    const query = queryOf(`#/e/shop${benchmarkPath(of)}`);
    expect(benchmarked((name) => query.get(name))).toEqual(of);
  });
  it('is nothing where it names no kind', () => expect(benchmarked(() => null)).toBeNull());
  it('fills the form in', () => {
    const http = begin(null, { kind: 'http', path: '/orders?page=2', method: 'post' }, environment);
    expect([http.http.url, http.http.method]).toEqual(['http://127.0.0.1:9000/orders?page=2', 'POST']);
    const found = begin(null, { kind: 'sql', statement: 'SELECT $1, $2' }, environment);
    expect([found.what, found.sql.parameters.length, found.load.connections]).toEqual(['sql', 2, '8']);
    expect(begin(null, { kind: 'cache', pattern: 'user:*' }, environment).cache.prefix).toBe('user:');
    expect(begin(null, null, environment).http.url, 'the API itself').toBe('http://127.0.0.1:9000/health');
    expect(addressOf('/x', null), 'without an API the path is what is known').toBe('/x');
  });
  it('keeps of a run what the form does not show', () => {
    const run = sql({ pace: { ...sql().pace, seed: 9, threads: 3 } });
    const fields = begin({ kind: 'sql', ...run }, null, environment);
    expect(read(fields, fields.load, null).spec).toEqual({ kind: 'sql', ...run });
  });
  it('asks again for a body that was not stored', () => {
    const fields = begin({ kind: 'http', ...httpSpec({ method: 'POST', body: null, body_base64: '•••' }) }, null, environment);
    expect(read(fields, fields.load, null).errors.http.body, 'it is not left out without a word').toContain('was not stored');
  });
  it('changes connections that were not touched with the kind of work', () => {
    const fields = begin(null, null, environment);
    choose(fields, 'cache');
    expect([fields.what, fields.load.connections]).toEqual(['cache', '8']);
    fields.load.connections = '20';
    choose(fields, 'http');
    expect(fields.load.connections).toBe('20');
  });
});
