import { expect, test } from 'vitest';
import { hasModifier, isMac, isTyping, Sequence, SEQUENCE_MS, withModifier } from './keys';

test('the second key counts only soon after the first', () => {
  const go = new Sequence('g');
  expect(go.take('g', 0)).toBeNull();
  expect(go.take('o', 100)).toBe('o');
  expect(go.take('o', 200), 'a sequence is used up').toBeNull();
  go.take('g', 1000);
  expect(go.take('o', 1001 + SEQUENCE_MS), 'too late').toBeNull();
});

test('modifiers are those of the platform', () => {
  expect(isMac('MacIntel')).toBe(true);
  expect(isMac('Linux x86_64')).toBe(false);
  expect([withModifier('K', true), withModifier('K', false)]).toEqual(['⌘ K', 'Ctrl K']);
  const ctrl = { ctrlKey: true, metaKey: false, altKey: false };
  expect([hasModifier(ctrl, false), hasModifier(ctrl, true)]).toEqual([true, false]);
});

test('keys in fields are text', () => {
  const field = { closest: (s: string) => (s.includes('input') ? {} : null) } as unknown as EventTarget;
  const other = { closest: () => null } as unknown as EventTarget;
  expect([isTyping(field), isTyping(other), isTyping(null)]).toEqual([true, false, false]);
});
