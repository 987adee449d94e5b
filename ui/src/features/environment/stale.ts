// What somebody else changed in an environment meanwhile, in the words of the form.
import type { Environment } from '../../backend/types';

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The parts in which two versions of an environment differ. */
export function differing(before: Environment, now: Environment): string[] {
  const [a, b] = [before.targets, now.targets];
  const parts: [string, boolean][] = [
    ['its name', before.name === now.name],
    ['its kind', before.kind === now.kind],
    ['the SQL database', same(a.database, b.database)],
    ['the cache', same(a.cache, b.cache)],
    ['the HTTP API', same(a.api, b.api)],
    ['the measured machine', same(a.host, b.host)],
    ['the pool', same(before.pool, now.pool)],
    ['the guards', same(before.guards, now.guards)],
  ];
  return parts.filter(([, equal]) => !equal).map(([words]) => words);
}
