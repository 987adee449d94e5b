// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import Floats from '../testing/Floats.svelte';
import { anyLayer } from './layers';

const escape = (): Promise<boolean> => fireEvent.keyDown(document.activeElement ?? document.body, { key: 'Escape' });
const focused = (): string | null | undefined => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent;
/** Opens the menu as a press of Enter does. */
async function openMenu(): Promise<HTMLElement> {
  const button = screen.getByText('choose');
  button.focus();
  await fireEvent.keyDown(button, { key: 'Enter' });
  return screen.findByRole('menu');
}

test('a dialog has a name, keeps the focus for the field that asks for it, and gives it back', async () => {
  render(Floats, { said: () => undefined });
  const button = screen.getByText('ask');
  button.focus();
  await fireEvent.click(button);
  const dialog = screen.getByRole('dialog', { name: 'First' });
  expect(dialog.style.width).toBe('300px');
  expect(anyLayer(), 'shortcuts of the screen wait').toBe(true);
  await waitFor(() => expect(focused()).toBe('name'));
  await escape();
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(focused(), 'the focus is where it was').toBe('ask');
  expect(anyLayer()).toBe(false);
});

test('Escape closes the topmost dialog only', async () => {
  render(Floats, { said: () => undefined });
  await fireEvent.click(screen.getByText('ask'));
  await fireEvent.click(await screen.findByText('more'));
  await waitFor(() => expect(screen.getByRole('dialog', { name: 'Second' }).contains(document.activeElement)).toBe(true));
  await escape();
  await waitFor(() => expect(screen.queryByRole('dialog', { name: 'Second' })).toBeNull());
  expect(screen.getByRole('dialog', { name: 'First' })).toBeTruthy();
  await escape();
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
});

test('a menu begins at what is chosen, moves with the arrows and letters, and does what is picked', async () => {
  const said = vi.fn();
  render(Floats, { said });
  const menu = await openMenu();
  expect(menu.getAttribute('aria-label')).toBe('Fruit');
  expect(screen.getByRole('menuitemradio', { name: 'Pear' }).getAttribute('aria-checked')).toBe('true');
  expect(screen.getByRole('menuitemradio', { name: 'Pear' }).dataset['kind']).toBe('green');
  await waitFor(() => expect(focused()).toBe('Pear'));
  await fireEvent.keyDown(document.activeElement!, { key: 'ArrowDown' });
  expect(focused()).toBe('Wash');
  await fireEvent.keyDown(document.activeElement!, { key: 'ArrowDown' });
  expect(focused(), 'round').toBe('Apple');
  await fireEvent.keyDown(document.activeElement!, { key: 'w' });
  await waitFor(() => expect(focused()).toBe('Wash'));
  await fireEvent.keyDown(document.activeElement!, { key: 'Enter' });
  expect(said.mock.calls).toEqual([['wash']]);
  await waitFor(() => expect(screen.queryByRole('menu')).toBeNull());
});

test('a menu closes on Escape and gives the focus back to its button', async () => {
  render(Floats, { said: () => undefined });
  await openMenu();
  expect(screen.getByText('choose').getAttribute('aria-expanded')).toBe('true');
  expect(anyLayer(), 'shortcuts of the screen wait').toBe(true);
  await waitFor(() => expect(focused()).toBe('Pear'));
  await escape();
  await waitFor(() => expect(screen.queryByRole('menu')).toBeNull());
  expect(focused()).toBe('choose');
  expect(anyLayer()).toBe(false);
});

test('a tooltip is there for the keyboard, and not where there is nothing to say', async () => {
  const { rerender } = render(Floats, { said: () => undefined });
  const sign = screen.getByText('sign');
  await fireEvent.focus(sign);
  await waitFor(() => expect(screen.getByText('about it')).toBeTruthy());
  await fireEvent.blur(sign);
  await waitFor(() => expect(screen.queryByText('about it')).toBeNull());
  await rerender({ tip: '' });
  await fireEvent.focus(sign);
  expect(document.querySelector('.tip')).toBeNull();
});
