// @vitest-environment jsdom
import { render, screen } from '@testing-library/svelte';
import { describe, expect, test } from 'vitest';
import Name from './Name.svelte';
import { beginnings, brief, visible, visibleLines } from './names';

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

describe('what cannot be seen in a name', () => {
  test.each([
    ['dev\u202evorp', 'dev<U+202E>vorp'],
    ['pro\u200bd', 'pro<U+200B>d'],
    ['pro\u200dd', 'pro<U+200D>d'],
    ['e\u0301\u200dx', 'e\u0301<U+200D>x'],
    ['\ufeffprod', '<U+FEFF>prod'],
    ['pr\u00adod', 'pr<U+00AD>od'],
    ['\u2066prod\u2069', '<U+2066>prod<U+2069>'],
    ['prod\u0007', 'prod<U+0007>'],
    ['prod\u2028x', 'prod<U+2028>x'],
    ['prod1\ufe0f', 'prod1<U+FE0F>'],
    ['prod\u3164', 'prod<U+3164>'],
    ['prod\u{e0041}', 'prod<U+E0041>'],
  ])('is written out as in a terminal: %j', (name, shown) => expect(visible(name)).toBe(shown));

  test.each(['shop', 'بانک\u200cهای', 'क्\u200dष', '👩\u200d🚀', '👍🏽', '❤\ufe0f', '1\ufe0f\u20e3', '日本', 'a b'])(
    'is nothing where it belongs to how a word is written: %j',
    (name) => expect(visible(name)).toBe(name),
  );

  test('is not the end of a line in a text of several', () =>
    expect(visibleLines('SELECT 1\n\tFROM a\u200b')).toBe('SELECT 1\n\tFROM a<U+200B>'));
});

test('a name that hides a turn of direction is drawn with it, and told as it is drawn', () => {
  render(Name, { text: 'dev\u202evorp' });
  expect(screen.getByTitle('dev<U+202E>vorp').textContent).toBe('dev<U+202E>vorp');
});
