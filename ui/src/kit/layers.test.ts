import { expect, test } from 'vitest';
import { anyLayer, closeTop, pushLayer } from './layers';

test('escape closes the topmost layer only', () => {
  const closed: string[] = [];
  pushLayer(() => closed.push('menu'));
  const away = pushLayer(() => closed.push('dialog'));
  pushLayer(() => closed.push('palette'));
  expect(closeTop()).toBe(true);
  expect(closed).toEqual(['palette']);
  away();
  closeTop();
  expect(closed, 'one that went by itself is not closed again').toEqual(['palette', 'menu']);
  expect([closeTop(), anyLayer()]).toEqual([false, false]);
});
