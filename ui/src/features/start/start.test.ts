// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import type { FoundService, JobStatus } from '../../backend/types';
import { app } from '../../kit/app.svelte';
import { emptyDraft } from '../../kit/draft';
import { recent } from '../../kit/recent.svelte';
import { asContext } from '../../kit/screen';
import { addressInfo } from '../../testing/addresses';
import { engine, refusal } from '../../testing/backend';
import { job, summary } from '../../testing/values';
import { freshWindow } from '../../testing/window';
import Start from './index.svelte';

vi.mock('../../backend', async () => (await import('../../testing/backend')).door);

const service: FoundService = {
  role: 'cache',
  product: 'Redis',
  address: '127.0.0.1:6379',
  detail: 'answers PING',
  url: 'redis://127.0.0.1:6379/0',
};
const info = addressInfo();

function open(): void {
  location.hash = '#/start';
  render(Start, { context: asContext(freshWindow().screens()) });
}
beforeEach(() => engine.reset());

test('Enter builds the demo, with its steps, and it can be stopped', async () => {
  let state: JobStatus = job({ id: 'demo', kind: 'demo', step: 'filling tables', progress: 0.5, started_ms: Date.now() });
  engine.reset({ 'demo.open': () => state, 'job.get': () => state, 'job.cancel': () => true });
  open();
  expect(screen.getByRole('heading', { name: 'Nothing is connected yet' })).toBeTruthy();
  (document.activeElement as HTMLElement).blur();
  await fireEvent.keyDown(window, { key: 'Enter' });
  await waitFor(() => expect(screen.getByTestId('demo-progress').textContent).toMatch(/^filling tables, 50/));
  expect((screen.getByTestId('open-demo') as HTMLButtonElement).disabled).toBe(true);
  await fireEvent.click(screen.getByTestId('demo-stop'));
  expect(engine.given('job.cancel')).toEqual([{ id: 'demo' }]);
  state = job({ ...state, state: 'cancelled' });
});

test('a demo that cannot be built says why', async () => {
  engine.reset({
    'demo.open': () => {
      throw refusal('The disk is full', 'Free some space');
    },
  });
  open();
  await fireEvent.click(screen.getByTestId('open-demo'));
  await waitFor(() => expect(screen.getByTestId('start-problem').textContent).toMatch(/The disk is full\s*Free some space/));
});

test('services of this machine are looked for on request only, and one becomes a draft', async () => {
  engine.reset({ 'discover.services': () => [service], 'address.parse': () => ({ ...info, role: 'cache' }) });
  open();
  expect(engine.calls).toEqual([]);
  await fireEvent.click(screen.getByTestId('look'));
  const found = await screen.findByTestId('found');
  expect(found.textContent).toContain('Redis');
  await fireEvent.click(screen.getByTestId('found-connect'));
  await waitFor(() => expect(location.hash).toBe('#/environments/new'));
});

test('no service and a look that fails are two things', async () => {
  engine.reset({ 'discover.services': () => [] });
  open();
  await fireEvent.click(screen.getByTestId('look'));
  await waitFor(() => expect(screen.getByText('No database, cache or HTTP server answers on its standard port.')).toBeTruthy());
  engine.handlers = {};
  await fireEvent.click(screen.getByTestId('look'));
  await waitFor(() => expect(screen.getByRole('alert').textContent).toContain("no command 'discover.services'"));
});

test('a pasted address shows its parts and its test, and a wrong one why', async () => {
  engine.reset({
    'address.parse': ({ text }) => {
      if (text === 'x') throw refusal('No scheme', 'Begin with postgres://');
      return info;
    },
    'env.test_draft': () => [
      {
        role: 'database',
        address: 'db.example:5432',
        ok: true,
        stages: [{ stage: 'tcp', outcome: 'ok', detail: 'connected', fix: null, elapsed_ms: 1 }] as never,
        version: 'PostgreSQL 17.2',
        error: null,
      },
    ],
  });
  open();
  const field = screen.getByTestId('paste-address');
  const test = screen.getByTestId('paste-test') as HTMLButtonElement;
  expect(test.disabled).toBe(true);
  await fireEvent.input(field, { target: { value: 'x' } });
  await waitFor(() => expect(screen.getByTestId('address-problem').textContent).toContain('No scheme. Begin with postgres://'));
  await fireEvent.input(field, { target: { value: info.url } });
  await waitFor(() => expect(screen.getByTestId('address-fields').textContent).toContain('db.example'));
  await fireEvent.click(test);
  expect((await screen.findByTestId('stage')).dataset['outcome']).toBe('ok');
  await fireEvent.click(screen.getByTestId('paste-connect'));
  expect(location.hash).toBe('#/environments/new');
});

test('an .env file that is refused selects the line, and one that is read becomes a draft', async () => {
  let well = false;
  engine.reset({
    'env.from_dotenv': () => {
      if (!well) throw refusal('line 2: DATABASE_URL is no address');
      return { draft: emptyDraft(), notes: ['SECRET_KEY was left out'] };
    },
  });
  open();
  await fireEvent.click(screen.getByTestId('open-envfile'));
  const area = (await screen.findByTestId('envfile-text')) as HTMLTextAreaElement;
  const read = screen.getByTestId('envfile-read') as HTMLButtonElement;
  expect(read.disabled).toBe(true);
  await fireEvent.input(area, { target: { value: 'A=1\nDATABASE_URL=x\n' } });
  await fireEvent.click(read);
  await waitFor(() => expect(screen.getByTestId('envfile-error').textContent).toContain('DATABASE_URL is no address'));
  expect(area.value.slice(area.selectionStart, area.selectionEnd)).toBe('DATABASE_URL=x');
  well = true;
  await fireEvent.click(read);
  await waitFor(() => expect(location.hash).toBe('#/environments/new'));
  expect(screen.queryByTestId('envfile'), 'the dialog is gone').toBeNull();
});

test('with other environments it says that none is open', () => {
  const app = freshWindow();
  app.environments = [summary({ id: 'demo', demo: true }), summary()];
  render(Start, { context: asContext(app.screens()) });
  expect(screen.getByRole('heading', { name: 'No environment is open' })).toBeTruthy();
});

test('the environments are there at once, the last opened first, and found by a part of their name', async () => {
  const app = freshWindow();
  app.environments = [
    summary({ id: 'demo', demo: true }),
    ...Array.from({ length: 100 }, (_, i) => summary({ id: `e${i}`, name: `clinic ${i}` })),
  ];
  recent.opened('e42', 2000);
  recent.opened('e7', 1000);
  render(Start, { context: asContext(app.screens()) });
  const rows = screen.getAllByTestId('env-choose');
  expect(rows.slice(0, 3).map((r) => r.dataset['env'])).toEqual(['clinic 42', 'clinic 7', 'clinic 0']);
  expect(rows.length).toBeLessThanOrEqual(61);
  expect(screen.getByTestId('environments-count').textContent, 'without the demo, which has its button').toBe('100 environments');
  await fireEvent.input(screen.getByTestId('environments-filter'), { target: { value: 'clinic 99' } });
  await waitFor(() => expect(screen.getAllByTestId('env-choose').map((r) => r.dataset['env'])).toEqual(['clinic 99']));
  expect(engine.given('demo.open'), 'Enter in the filter is not one for the demo').toEqual([]);
});

test('what was deleted is one press away, with environments and when the last one was deleted', async () => {
  open();
  expect(screen.getAllByTestId('deleted-open')).toHaveLength(1);
  app.environments = [summary()];
  await screen.findByTestId('start-environments');
  expect(screen.getAllByTestId('deleted-open')).toHaveLength(1);
  await fireEvent.click(screen.getByTestId('deleted-open'));
  expect(location.hash).toContain('/deleted');
});
