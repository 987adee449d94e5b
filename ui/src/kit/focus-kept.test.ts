// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { keepFocus } from './focus-kept';

let end: () => void;
const by = (id: string): HTMLElement => document.getElementById(id)!;

beforeEach(() => {
  // jsdom draws nothing: what is in the page is drawn.
  vi.spyOn(Element.prototype, 'getClientRects').mockImplementation(function (this: Element) {
    return (this.isConnected ? [{}] : []) as unknown as DOMRectList;
  });
  document.body.innerHTML = `
    <div id="root"><h1 id="title">Benchmarks</h1>
      <section id="list"><h2 id="head">Runs</h2><div id="row"><button id="delete">Delete</button></div></section>
      <form id="form"><button id="start">Start</button><input id="name" /></form></div>`;
  end = keepFocus(by('root'), () => by('title'));
});
afterEach(() => {
  end();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test('what had the focus goes: the heading of what is around it has it', async () => {
  by('delete').focus();
  by('row').remove();
  expect(document.activeElement, 'the browser leaves it nowhere').toBe(document.body);
  await vi.waitFor(() => expect(document.activeElement?.id).toBe('head'));
  by('list').remove();
  await vi.waitFor(() => expect(document.activeElement?.id, 'and then the heading of the screen').toBe('title'));
});

test('a button that is switched off hands it on to what can be operated beside it', async () => {
  by('start').focus();
  by('start').setAttribute('disabled', '');
  await vi.waitFor(() => expect(document.activeElement?.id).toBe('name'));
  by('start').removeAttribute('disabled');
  await vi.waitFor(() => expect(document.activeElement?.id, 'and has it again').toBe('start'));
});

test('what had it next goes as the first button comes back: it is not lost between them', async () => {
  by('start').focus();
  by('start').setAttribute('disabled', '');
  await vi.waitFor(() => expect(document.activeElement?.id).toBe('name'));
  by('delete').focus();
  by('row').remove();
  by('start').removeAttribute('disabled');
  await vi.waitFor(() => expect(document.activeElement?.id).toBe('head'));
});

test('a focus that was given up is not taken back', async () => {
  vi.useFakeTimers();
  by('delete').focus();
  by('root').dispatchEvent(new Event('pointerdown', { bubbles: true }));
  by('delete').blur();
  await vi.runAllTimersAsync();
  by('form').append(document.createElement('i'));
  await vi.runAllTimersAsync();
  expect(document.activeElement).toBe(document.body);
});

test('rows that come and go elsewhere do not have the page laid out', async () => {
  vi.useFakeTimers();
  by('name').focus();
  const asked = vi.mocked(Element.prototype.getClientRects);
  asked.mockClear();
  by('row').remove();
  by('list').append(document.createElement('p'));
  await vi.runAllTimersAsync();
  expect(asked).not.toHaveBeenCalled();
  expect(document.activeElement?.id).toBe('name');
});
