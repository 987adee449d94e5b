// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import type { BenchRequest, DuetRequest } from '../../../backend/types';
import { fakeApp, noRuns } from '../../../testing/app';
import { refusal } from '../../../testing/backend';
import { AT, httpSpec, job, preview, run } from '../../../testing/values';
import Benchmarks from '../index.svelte';

const RUNNING = { job: job(), spec: { kind: 'http' as const, ...httpSpec() }, part: null };
const NOTHING = {
  ...noRuns,
  'bench.preview': () => preview(),
  'job.get': () => job(),
};
const place = (id: string, roles = ['api', 'database', 'cache']) => ({
  id,
  name: id,
  kind: 'staging',
  apiUrl: 'http://127.0.0.1:1/',
  roles,
});

/** The form at an address, in an environment with all targets. */
function open(query: string, handlers: Parameters<typeof fakeApp>[0] = {}, roles?: string[]): ReturnType<typeof fakeApp> {
  const environment = place('shop', roles);
  const fake = fakeApp(
    { ...NOTHING, ...handlers },
    { path: `/benchmarks${query}`, environment, environments: [environment, place('next')] },
  );
  render(Benchmarks, { context: fake.context });
  return fake;
}
const fill = (testid: string, value: string) => fireEvent.input(screen.getByTestId(testid), { target: { value } });
beforeEach(() => Object.assign(navigator, { clipboard: { writeText: vi.fn(async () => undefined) } }));
const copied = (): string => (navigator.clipboard.writeText as ReturnType<typeof vi.fn>).mock.calls[0]?.[0] as string;

test('a statement of the address is filled in with a field for each parameter, and starts', async () => {
  const asked: BenchRequest[] = [];
  let started = false;
  const { address } = open(`/new?kind=sql&statement=${encodeURIComponent('SELECT * FROM orders WHERE id = $1')}`, {
    'bench.start': (request) => {
      asked.push(request);
      started = true;
      return job();
    },
    'bench.running': () => (started ? RUNNING : null),
  });
  expect(((await screen.findByTestId('bench-statement')) as HTMLTextAreaElement).value).toBe('SELECT * FROM orders WHERE id = $1');
  expect(screen.getAllByTestId('bench-parameter').length).toBe(1);
  await fill('bench-parameter-to', '500');
  await fill('bench-thresholds', 'p99 < 5ms');
  await fireEvent.submit(screen.getByTestId('bench-form'));
  await waitFor(() => expect(address.path).toBe('/benchmarks/live'));
  const { spec } = asked[0]!;
  expect(spec.kind === 'sql' && [spec.parameters, spec.pace.thresholds, spec.pace.connections]).toEqual([
    [{ kind: 'uniform', from: 1, to: 500 }],
    ['p99 < 5ms'],
    8,
  ]);
});

test('a key pattern of the address is read from, never written to', async () => {
  open('/new?kind=cache&pattern=user:*');
  expect(((await screen.findByTestId('bench-prefix')) as HTMLInputElement).value).toBe('user:');
  expect(screen.getAllByTestId('bench-mix-command').map((i) => (i as HTMLInputElement).value)).toEqual(['GET']);
  expect(screen.queryByTestId('bench-size'), 'nothing is set').toBeNull();
  await fireEvent.click(screen.getByTestId('bench-mix-add'));
  const second = screen.getAllByTestId('bench-mix-command')[1]!;
  await fireEvent.input(second, { target: { value: 'set' } });
  expect(screen.getByTestId('bench-size')).toBeTruthy();
  await fireEvent.click(screen.getByTestId('bench-zipf'));
  expect((screen.getByTestId('bench-exponent') as HTMLInputElement).value).toBe('1');
});

test('every kind of work is offered, and a target that is not there is said', async () => {
  open('/new', { 'plan.list': () => [{ id: 'p1', name: 'checkout', toml: 'name = "checkout"', updated_ms: AT }] }, ['api']);
  await fireEvent.click(await screen.findByTestId('bench-what-sql'));
  expect(screen.getByTestId('bench-no-target').textContent).toContain('No database');
  await fireEvent.click(screen.getByTestId('bench-what-cache'));
  expect(screen.getByTestId('bench-no-target').textContent).toContain('No cache');
  await fireEvent.click(screen.getByTestId('bench-what-plan'));
  expect(screen.queryByTestId('bench-no-target')).toBeNull();
  const plan = (await screen.findByTestId('bench-plan')) as HTMLSelectElement;
  await waitFor(() => expect(plan.options.length).toBe(2));
  await fireEvent.change(plan, { target: { value: 'p1' } });
  await waitFor(() => expect(screen.getByTestId('bench-command').textContent).toBe('perfctl bench run checkout.toml --env shop --json'));
});

test('each field says its unit, and the form what the run can tell', async () => {
  open('/new');
  await fireEvent.click(await screen.findByTestId('bench-rate-mode'));
  for (const label of ['Rate, requests/s', 'Duration, s', 'Warm-up, s', 'Timeout, s']) expect(screen.getByLabelText(label)).toBeTruthy();
  await waitFor(() => expect(screen.getByTestId('bench-tells').textContent).toContain('p99 needs 10 000, 1 min 40 s at 100/s'));
  await fireEvent.click(screen.getByTestId('bench-mode-knee'));
  for (const label of ['Step, s', 'Confirmation, s', 'Connections at most']) expect(screen.getByLabelText(label)).toBeTruthy();
});

test('the command for a terminal is copied as one line, and breaks between its options only', async () => {
  open('/new');
  await fill((await screen.findByTestId('bench-url')).dataset['testid']!, 'http://127.0.0.1:1/a?b=1');
  await fireEvent.click(screen.getByTestId('bench-command-copy'));
  await waitFor(() => expect(screen.getByTestId('bench-command-copy').textContent).toBe('Copied: the command'));
  expect(copied()).toBe("perfctl bench http 'http://127.0.0.1:1/a?b=1' -c 32 -d 10s --warmup 1s --env shop --json");
  expect([...screen.getByTestId('bench-command').children].map((c) => c.textContent)).toContain('--warmup 1s');
});

test('a duet that would be refused says why before anything is sent', async () => {
  const asked: DuetRequest[] = [];
  const { calls } = open('/new', {
    'duet.preview': (request) => {
      asked.push(request);
      const problem = asked.length === 1 ? 'The two sides are not comparable: request GET /a and GET /b' : null;
      return { a: preview(), b: preview(), problem, decides: 'p50' };
    },
  });
  await fireEvent.click(await screen.findByTestId('bench-against'));
  await fill('bench-url-b', 'http://127.0.0.1:2/b');
  expect((await screen.findByTestId('bench-unlike')).textContent).toContain('not comparable');
  const start = screen.getByTestId('bench-start') as HTMLButtonElement;
  expect(start.disabled).toBe(true);
  await fireEvent.submit(screen.getByTestId('bench-form'));
  expect(calls).not.toContain('duet.start');
  await fill('bench-url-b', 'http://127.0.0.1:2/');
  await waitFor(() => expect(start.disabled).toBe(false));
  expect(screen.getByTestId('bench-decides').textContent).toBe('p50');
  expect(asked[0]!.b.label, 'sides of one environment are told apart by their address').toBe('http://127.0.0.1:2/b');
});

test('what the two sides differ in is named as the change by one press, and taken back', async () => {
  const asked: DuetRequest[] = [];
  open('/new', {
    'duet.preview': (request) => {
      asked.push(request);
      const problem = request.changed.length === 0 ? 'request: GET /a in A, GET /b in B. Where that is the change, name it: request' : null;
      return { a: preview(), b: preview(), problem, decides: 'p50' };
    },
  });
  await fireEvent.click(await screen.findByTestId('bench-against'));
  await fill('bench-url-b', 'http://127.0.0.1:2/b');
  await fireEvent.click(await screen.findByTestId('bench-change'));
  await waitFor(() => expect(asked.at(-1)!.changed).toEqual(['request']));
  await waitFor(() => expect(screen.getByTestId('bench-start')).toHaveProperty('disabled', false));
  expect(screen.getByTestId('bench-command').textContent).toContain('--changed request');
  await fireEvent.click(screen.getByTestId('bench-change-back'));
  expect(await screen.findByTestId('bench-change')).toBeTruthy();
});

test('statements are compared between two environments', async () => {
  const asked: DuetRequest[] = [];
  open('/new?kind=sql&statement=SELECT 1', {
    'duet.preview': (request) => {
      asked.push(request);
      return { a: preview(), b: preview(), problem: null, decides: 'throughput' };
    },
  });
  await fireEvent.click(await screen.findByTestId('bench-against'));
  await fireEvent.change(screen.getByTestId('bench-environment-b'), { target: { value: 'next' } });
  await waitFor(() => expect(asked.map((r) => [r.a.label, r.b.label, r.b.environment_id])).toEqual([['shop', 'next', 'next']]));
});

test('a form that is not complete leads to its first marked field', async () => {
  open('/new?kind=sql&statement=SELECT $1');
  const from = await screen.findByTestId('bench-parameter-from');
  await fill('bench-parameter-from', 'x');
  await fireEvent.submit(screen.getByTestId('bench-form'));
  await waitFor(() => expect(document.activeElement).toBe(from));
});

test('what cannot start while another runs offers to show that one', async () => {
  const { address } = open('/new', {
    'bench.start': () => {
      throw { ...refusal("'load' is running", 'wait for it or stop it'), remedy: 'show_benchmark' };
    },
    'bench.running': () => RUNNING,
  });
  await screen.findByTestId('bench-url');
  await fireEvent.submit(screen.getByTestId('bench-form'));
  expect((await screen.findByTestId('bench-error')).textContent).toContain("'load' is running");
  await fireEvent.click(screen.getByTestId('bench-show-running'));
  await waitFor(() => expect(address.path).toBe('/benchmarks/live'));
});

test('a run is run again at once, in its own environment', async () => {
  const asked: BenchRequest[] = [];
  const { address } = open('/r1', {
    'run.get': () => run({ environment_id: 'next' }),
    'run.moved': () => [],
    'run.heatmap': () => ({ started_ms: AT, column_s: 1, columns: [] }),
    'bench.start': (request) => {
      asked.push(request);
      return job();
    },
    'bench.running': () => (asked.length > 0 ? RUNNING : null),
  });
  await fireEvent.click(await screen.findByTestId('run-again'));
  await waitFor(() => expect(address.path).toBe('/benchmarks/live'));
  expect(asked.map((r) => [r.environment_id, r.name, r.spec.kind])).toEqual([['next', 'before', 'http']]);
});

test.each([
  ['a guard has a question', preview({ confirm: 'shop' }), 'http://127.0.0.1:1/'],
  ['a part of it was not stored', preview(), 'http://127.0.0.1:1/?key=•••'],
])('Run again opens the form filled in where %s', async (_, said, url) => {
  const spec = { kind: 'http' as const, ...httpSpec({ url, connections: 7 }) };
  const { address, calls } = open('/r1', {
    'run.get': () => run({ spec }),
    'run.moved': () => [],
    'run.heatmap': () => ({ started_ms: AT, column_s: 1, columns: [] }),
    'bench.preview': () => said,
  });
  await fireEvent.click(await screen.findByTestId('run-again'));
  await waitFor(() => expect([address.path, address.query]).toEqual(['/benchmarks/new', 'run=r1']));
  expect(((await screen.findByTestId('bench-connections')) as HTMLInputElement).value).toBe('7');
  expect(calls).not.toContain('bench.start');
});

test('Edit of a run of statements opens the form with them, and of a plan the editor', async () => {
  const toml = 'name = "SQL"';
  const spec = { ...httpSpec(), kind: 'plan', toml, varies: false, base_url: null, request: 'SELECT $1', threads: 2 } as never;
  const made = {
    kind: 'sql' as const,
    statement: 'SELECT $1',
    script: null,
    parameters: [{ kind: 'null' as const }],
    transaction: false,
    prepared: true,
    pace: {
      connections: 5,
      rate_per_s: 10,
      poisson: false,
      late_limit_s: null,
      threads: null,
      duration_s: 9,
      warmup_s: 0,
      timeout_s: 1,
      seed: 1,
      thresholds: [],
    },
  };
  const handlers = {
    'run.get': () => run({ spec }),
    'run.moved': () => [],
    'run.heatmap': () => ({ started_ms: AT, column_s: 1, columns: [] }),
  };
  const { address } = open('/r1', { ...handlers, 'plan.form': () => made });
  await fireEvent.click(await screen.findByTestId('run-edit'));
  await waitFor(() => expect(address.query).toBe('run=r1'));
  expect(((await screen.findByTestId('bench-statement')) as HTMLTextAreaElement).value).toBe('SELECT $1');
  expect((screen.getByTestId('bench-parameter-kind') as HTMLSelectElement).value).toBe('null');
  expect((screen.getByTestId('bench-duration') as HTMLInputElement).value).toBe('9');
});

test.each([
  [
    "threshold 'p99 << 5ms': it is not a duration; write 500ms",
    null,
    'bench-thresholds',
    "'p99 << 5ms': it is not a duration; write 500ms",
  ],
  [
    'url: Credentials do not belong into the URL',
    'Send a header instead',
    'bench-url',
    'Credentials do not belong into the URL. Send a header instead',
  ],
  ['timeout_s: 900 is not between 0 and 600 s', null, 'bench-timeout', '900 is not between 0 and 600 s'],
])('what is refused before anything is sent is said at its own field: %s', async (message, hint, field, said) => {
  let refuse = true;
  const { calls } = open('/new', {
    'bench.preview': () => {
      if (refuse) throw refusal(message, hint);
      return preview();
    },
  });
  const at = await screen.findByTestId(field);
  await waitFor(() => expect(at.getAttribute('aria-invalid')).toBe('true'));
  expect(document.getElementById(at.getAttribute('aria-describedby')!)?.textContent).toBe(said);
  expect(screen.getByTestId('bench-resolved').textContent?.trim(), 'not where the load goes').toBe('–');
  const start = screen.getByTestId('bench-start') as HTMLButtonElement;
  expect([start.disabled, screen.getByTestId('bench-why').textContent]).toEqual([true, 'Correct the marked fields first']);
  await fireEvent.submit(screen.getByTestId('bench-form'));
  expect(calls).not.toContain('bench.start');
  await waitFor(() => expect(document.activeElement).toBe(at));
  refuse = false;
  await fill('bench-connections', '3');
  await waitFor(() => expect([start.disabled, at.getAttribute('aria-invalid')]).toEqual([false, 'false']));
});

test('a threshold of statements is refused at its field, without the plan that nobody wrote', async () => {
  open('/new?kind=sql&statement=SELECT 1', {
    'bench.preview': () => {
      throw refusal("plan 'SQL': thresholds: 'p99 <': it is not a duration", 'Check the plan to see everything that is wrong');
    },
  });
  const at = await screen.findByTestId('bench-thresholds');
  await waitFor(() => expect(at.getAttribute('aria-invalid')).toBe('true'));
  expect(screen.getByTestId('bench-thresholds-error').textContent?.trim()).toBe("'p99 <': it is not a duration");
});

test('what is refused of the other address of a duet is said there', async () => {
  open('/new', {
    'duet.preview': () => {
      throw refusal('url: Credentials do not belong into the URL');
    },
  });
  await fireEvent.click(await screen.findByTestId('bench-against'));
  await fill('bench-url-b', 'http://a:b@127.0.0.1:2/');
  const b = screen.getByTestId('bench-url-b');
  await waitFor(() => expect(b.parentElement?.textContent).toContain('Credentials do not belong'));
  expect(screen.getByTestId('bench-url').getAttribute('aria-invalid')).toBe('false');
});

test('what is refused and belongs to no field is said before the start', async () => {
  open('/new', {
    'bench.preview': () => {
      throw refusal('The name is not known', 'Check the resolver');
    },
  });
  await waitFor(() => expect(screen.getByTestId('bench-resolved').textContent).toContain('The name is not known. Check the resolver'));
  expect(screen.getByTestId('bench-why').textContent).toBe('It would be refused as it stands');
});

const value = (testid: string): string => screen.getByTestId<HTMLInputElement>(testid).value;

test('a form that was left is there again, of its environment and of what it was opened for, until it is started', async () => {
  let started = false;
  const handlers = {
    'bench.start': () => {
      started = true;
      return job();
    },
    'bench.running': () => (started ? RUNNING : null),
  };
  const first = open('/new', handlers);
  await fill((await screen.findByTestId('bench-url')).dataset['testid']!, 'http://127.0.0.1:1/slow');
  await fill('bench-headers', 'Authorization: hunter2');
  await fireEvent.click(screen.getByTestId('bench-mode-knee'));
  await fill('knee-slo', 'p99<70ms');
  first.address.go('/benchmarks');
  await screen.findByTestId('runs-empty');
  first.address.go('/benchmarks/new?kind=http&path=/orders');
  await waitFor(() => expect(value('bench-url'), 'another form').toBe('http://127.0.0.1:1/orders'));
  cleanup();
  const { address } = open('/new', handlers);
  await screen.findByTestId('bench-url');
  expect([value('bench-url'), value('bench-headers'), value('knee-slo')]).toEqual([
    'http://127.0.0.1:1/slow',
    'Authorization: hunter2',
    'p99<70ms',
  ]);
  expect(screen.getByTestId('bench-unsaved').textContent).toContain('Not started, as you left it');
  expect(JSON.stringify([{ ...sessionStorage }, { ...localStorage }])).not.toContain('hunter2');
  await fireEvent.click(screen.getByTestId('bench-mode-run'));
  await fireEvent.submit(screen.getByTestId('bench-form'));
  await waitFor(() => expect(address.path).toBe('/benchmarks/live'));
  cleanup();
  started = false;
  open('/new', handlers);
  await screen.findByTestId('bench-url');
  expect([value('bench-url'), screen.queryByTestId('bench-unsaved')]).toEqual(['http://127.0.0.1:1/', null]);
});

test('a form that nobody touched is not kept, and one that was discarded is as it began', async () => {
  const environment = { ...place('shop'), apiUrl: null };
  render(Benchmarks, { context: fakeApp(NOTHING, { path: '/benchmarks/new', environment }).context });
  await screen.findByTestId('bench-url');
  expect(screen.queryByTestId('bench-unsaved')).toBeNull();
  await fill('bench-url', 'http://127.0.0.1:9/');
  expect(await screen.findByTestId('bench-unsaved')).toBeTruthy();
  await fireEvent.click(screen.getByTestId('bench-unsaved-discard'));
  await waitFor(() => expect(value('bench-url')).toBe(''));
  expect(screen.queryByTestId('bench-unsaved')).toBeNull();
});
