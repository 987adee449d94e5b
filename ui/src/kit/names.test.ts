// @vitest-environment jsdom
import { render, screen } from '@testing-library/svelte';
import { describe, expect, test } from 'vitest';
import Name from './Name.svelte';
import { beginnings, brief } from './names';

const own = (names: readonly string[], name: string): string => name.slice(beginnings(names).get(name));

describe('what names share', () => {
  test('is their beginning up to a whole word', () => {
    const names = ['nightly checkout load 1200 a', 'nightly checkout load 1201 b', 'other'];
    expect(names.map((n) => own(names, n))).toEqual(['1200 a', '1201 b', 'other']);
  });
  test('is nothing where it is short', () => expect(own(['main 1', 'main 2'], 'main 2')).toBe('main 2'));
  test('is nothing where a name stands alone or twice', () => {
    expect(own(['a long name without another'], 'a long name without another')).toBe('a long name without another');
    expect(own(['a long name twice', 'a long name twice'], 'a long name twice')).toBe('a long name twice');
  });
  test('leaves something where one name is the beginning of another', () => {
    const names = ['a long common name', 'a long common name, again'];
    expect(own(names, names[1]!)).toBe('name, again');
  });
  test('never tears letters that are written together', () => {
    const names = ['اختبار الأداء الليلي لخدمة المواعيد ١', 'اختبار الأداء الليلي لخدمة المواعيد ٢'];
    expect(own(names, names[0]!)).toBe('١');
    expect(own(['🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥', '🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥🚀'], '🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥🚀')).toContain('🔥🔥');
    expect(own(['予約サービスの夜間負荷テスト 11', '予約サービスの夜間負荷テスト 12'], '予約サービスの夜間負荷テスト 12')).toBe('12');
  });
});

test('a name is whole as text and in its title, whatever is cut, and keeps its own direction', () => {
  const { container } = render(Name, { text: 'nightly checkout 12', shared: 17 });
  expect(container.textContent).toBe('nightly checkout 12');
  const name = screen.getByTitle('nightly checkout 12');
  expect(name.getAttribute('dir')).toBe('auto');
  expect([...name.children].map((c) => c.className.split(' ')[0])).toEqual(['same', 'own']);
});

test('a name in little room leaves out what all addresses begin with', () => {
  expect(brief('http://127.0.0.1:18431/staff against https://api.example/staff')).toBe('127.0.0.1:18431/staff against api.example/staff');
});
