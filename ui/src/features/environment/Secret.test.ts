// @vitest-environment jsdom
import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import type { SecretInput } from '../../backend/types';
import Secret from './Secret.svelte';

const of = (value: SecretInput, more: object = {}) => ({
  label: 'Password',
  value,
  stored: null,
  pasted: false,
  change: () => undefined,
  testid: 'secret',
  ...more,
});

test('what becomes of a secret is said, and the secret itself is never shown', () => {
  const cases: [SecretInput, object, string][] = [
    [{ kind: 'keep' }, { pasted: true }, 'The one in the address is used, and taken out of it.'],
    [{ kind: 'keep' }, { gone: true }, 'The pasted one belonged to the address before the edit. Type it here.'],
    [{ kind: 'keep' }, { stored: { kind: 'keychain' } }, 'Leave empty to keep it.'],
    [{ kind: 'held', id: 'h' }, {}, 'Read from the file; it is kept when you save.'],
    [{ kind: 'clear' }, {}, 'Forgotten when you save.'],
    [{ kind: 'env', name: 'PW' }, {}, 'Read each time it is needed.'],
    [
      { kind: 'set', value: 'x' },
      { store: { store: 'session', locked: false } },
      'There is no keychain here: it is kept until Perfdeck ends',
    ],
    [{ kind: 'set', value: 'x' }, { store: { store: 'file', locked: true } }, 'unlock it in Settings before you save'],
  ];
  for (const [value, more, words] of cases) {
    const { container, unmount } = render(Secret, { props: of(value, more) });
    expect(container.textContent, JSON.stringify(value)).toContain(words);
    unmount();
  }
});

test('it is typed, named by a variable, or forgotten', async () => {
  const change = vi.fn();
  const { rerender } = render(Secret, { props: of({ kind: 'keep' }, { change, stored: { kind: 'keychain' } }) });
  const field = screen.getByTestId<HTMLInputElement>('secret');
  expect([field.type, field.autocomplete]).toEqual(['password', 'new-password']);
  await fireEvent.input(field, { target: { value: 'new' } });
  expect(change).toHaveBeenLastCalledWith({ kind: 'set', value: 'new' });
  await fireEvent.input(field, { target: { value: '' } });
  expect(change, 'an empty field leaves what is stored').toHaveBeenLastCalledWith({ kind: 'keep' });
  await fireEvent.click(screen.getByTestId('secret-forget'));
  expect(change).toHaveBeenLastCalledWith({ kind: 'clear' });
  await fireEvent.click(screen.getByTestId('secret-variable'));
  expect(change).toHaveBeenLastCalledWith({ kind: 'env', name: '' });
  await rerender(of({ kind: 'env', name: '' }, { change }));
  await fireEvent.input(screen.getByTestId('secret'), { target: { value: 'SHOP_PW' } });
  expect(change).toHaveBeenLastCalledWith({ kind: 'env', name: 'SHOP_PW' });
});
