import { expect, test } from 'vitest';
import type { AddressInfo } from '../backend/types';
import { draftFor, fieldOf, followDefaults, keepDraft, nameFor, takeDraft } from './draft';

const info = (scheme: 'postgres' | 'sqlite' | 'redis', path: string, host?: string): AddressInfo => ({
  address: { scheme, hosts: host ? [{ host, port: 1 }] : [], path, username: null, tls: 'prefer', params: {} },
  role: scheme === 'redis' ? 'cache' : 'database',
  has_password: false,
  product: '',
  short: '',
  url: '',
});

test('a found service becomes a target of its own role', () => {
  const draft = draftFor('cache', 'redis://127.0.0.1:6379', 'shop');
  expect([draft.name, draft.targets.cache, draft.targets.database, draft.targets.api]).toEqual([
    'shop',
    'redis://127.0.0.1:6379',
    null,
    null,
  ]);
});

test('a name comes from the database, the file or the host', () => {
  expect(nameFor(info('postgres', 'clinic', 'db.example'))).toBe('clinic');
  expect(nameFor(info('sqlite', '/home/a/dev.sqlite3'))).toBe('dev');
  expect(nameFor(info('redis', '0', 'cache-1'))).toBe('cache-1');
});

test('another kind changes only what was not edited', () => {
  const before = { size: 5, max_overflow: 5, timeout_s: 10, recycle_s: 1800 };
  const after = { size: 20, max_overflow: 10, timeout_s: 30, recycle_s: 3600 };
  expect(followDefaults({ ...before, size: 7 }, before, after)).toEqual({ ...after, size: 7 });
});

test('an error is shown at its field', () => {
  expect(fieldOf('name: is taken')).toEqual({ field: 'name', message: 'Is taken' });
  expect(fieldOf('The store is full')).toEqual({ field: '', message: 'The store is full' });
});

test('a kept draft is handed over once', () => {
  keepDraft(draftFor('api', 'http://127.0.0.1:1'));
  expect(takeDraft()?.targets.api).toBe('http://127.0.0.1:1');
  expect(takeDraft(), 'it may hold a password').toBeNull();
});
