// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import Copy from './Copy.svelte';

const clipboard = (writeText: () => Promise<void>): void => void Object.assign(navigator, { clipboard: { writeText } });

test('what was copied is said on the button, in the room of its label, and not of another text', async () => {
  const write = vi.fn(async () => undefined);
  clipboard(write);
  const { rerender } = render(Copy, { text: 'first', label: 'Copy as CSV', testid: 'copy' });
  const button = screen.getByTestId('copy');
  await fireEvent.click(button);
  await waitFor(() => expect(button.textContent).toBe('Copied'));
  expect(write).toHaveBeenCalledWith('first');
  expect(button.querySelector<HTMLElement>('.word')?.dataset['label'], 'it stays as wide').toBe('Copy as CSV');
  await rerender({ text: 'second' });
  await waitFor(() => expect(button.textContent).toBe('Copy as CSV'));
});

test('a clipboard that refuses is said too', async () => {
  clipboard(() => Promise.reject(new Error('refused')));
  document.execCommand = () => false;
  const made = vi.fn(() => 'made when asked for');
  render(Copy, { text: made, what: 'the plan', testid: 'copy' });
  expect(made).not.toHaveBeenCalled();
  await fireEvent.click(screen.getByTestId('copy'));
  await waitFor(() => expect(screen.getByTestId('copy').textContent).toBe('Not copied: the plan'));
  expect(made).toHaveBeenCalledOnce();
});
