import { expect, test } from 'vitest';
import { anyLayer, pushLayer } from './layers';

test('the screen has the keys again when the last layer is gone', () => {
  const menu = pushLayer();
  const dialog = pushLayer();
  menu();
  menu();
  expect(anyLayer(), 'the dialog is still there').toBe(true);
  dialog();
  expect(anyLayer()).toBe(false);
});
