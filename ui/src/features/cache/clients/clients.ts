// What the clients of a cache say in words, and the columns of their list.
import type { CacheClient, CacheClients } from '../../../backend/types';
import { bytes, DASH, duration, integer, orDash, plural } from '../../../kit/figures';
import type { Column } from '../../../kit/list';
import type { Said } from '../said';

const STATES = {
  blocked: 'blocked',
  monitor: 'monitor',
  replica: 'replica',
  primary: 'primary',
  subscribed: 'subscribed',
  transaction: 'in a transaction',
  closing: 'closing',
  normal: '',
} as const;
/** Perfdeck's own are marked. */
export const stateWord = (c: CacheClient): string => (c.ours ? "Perfdeck's" : STATES[c.state]);
export const keyOf = (c: CacheClient): string => `${c.node} ${c.id}`;
export const nameOf = (c: CacheClient): string => c.name ?? DASH;

/** The sentence of the page. */
export function verdict(found: CacheClients): Said {
  const others = found.connected - found.ours;
  const limit = found.max_clients === null ? [] : [`they take ${integer(found.max_clients)}`];
  const support = [...(found.ours > 0 ? [`${integer(found.ours)} of Perfdeck's own beside them`] : []), ...limit, found.version].join(
    ' · ',
  );
  const refused = found.unknown.find((u) => u.grant !== null);
  if (refused)
    return { tone: 'unknown', strong: `${plural(found.connected, 'client')},`, rest: 'and this user may not see who they are', support };
  if (found.clients.length === 0 && found.unknown.length > 0)
    return {
      tone: 'unknown',
      strong: found.connected > 0 ? `${plural(found.connected, 'client')}:` : 'No clients:',
      rest: found.unknown[0]!.reason,
      support: found.version,
    };
  const blocked = found.clients.filter((c) => c.state === 'blocked' && !c.ours);
  if (blocked.length > 0) {
    const longest = Math.max(...blocked.map((c) => c.idle_s));
    const commands = [...new Set(blocked.map((c) => c.command).filter((c) => c !== null))].join(', ');
    return {
      tone: 'warn',
      strong: `${integer(blocked.length)} of ${plural(others, 'client')} ${blocked.length === 1 ? 'waits' : 'wait'}`,
      rest: `in ${commands || 'a command that blocks'}, the longest for ${duration(longest)}`,
      support,
    };
  }
  return { tone: 'ok', strong: plural(others, 'client'), rest: 'and none of them is blocked', support };
}

/** Columns of the list, with those that servers tell. */
export function columnsOf(found: CacheClients): readonly Column<CacheClient>[] {
  const several = new Set(found.clients.map((c) => c.node)).size > 1;
  const has = (of: (c: CacheClient) => unknown): boolean => found.clients.some((c) => of(c) !== null);
  const all: (Column<CacheClient> | null)[] = [
    { key: 'address', label: 'address', text: (c) => c.address, sort: (c) => c.address, mono: true, width: 168 },
    { key: 'name', label: 'name', text: nameOf, sort: nameOf, least: 120 },
    { key: 'state', label: 'state', text: stateWord, sort: stateWord, width: 108 },
    { key: 'command', label: 'last command', text: (c) => c.command ?? DASH, sort: (c) => c.command, mono: true, width: 128 },
    { key: 'age', label: 'connected', text: (c) => duration(c.age_s), sort: (c) => c.age_s, numeric: true, width: 92 },
    { key: 'idle', label: 'idle', text: (c) => duration(c.idle_s), sort: (c) => c.idle_s, numeric: true, width: 92 },
    { key: 'db', label: 'db', text: (c) => String(c.database), sort: (c) => c.database, numeric: true, width: 48 },
    { key: 'memory', label: 'memory', text: (c) => orDash(c.memory_bytes, bytes), sort: (c) => c.memory_bytes, numeric: true, width: 84 },
    {
      key: 'output',
      label: 'to be sent',
      text: (c) => (c.output_bytes > 0 ? bytes(c.output_bytes) : DASH),
      sort: (c) => c.output_bytes,
      numeric: true,
      width: 84,
    },
    has((c) => c.commands)
      ? { key: 'commands', label: 'commands', text: (c) => orDash(c.commands, integer), sort: (c) => c.commands, numeric: true, width: 92 }
      : null,
    has((c) => c.library)
      ? { key: 'library', label: 'library', text: (c) => c.library ?? DASH, sort: (c) => c.library, soft: true, least: 112 }
      : null,
    { key: 'user', label: 'user', text: (c) => c.user ?? DASH, sort: (c) => c.user, soft: true, width: 96 },
    several ? { key: 'node', label: 'server', text: (c) => c.node, sort: (c) => c.node, soft: true, width: 148 } : null,
  ];
  return all.filter((c) => c !== null);
}

/** What is known of a client, in full. */
export const factsOf = (c: CacheClient): (readonly [string, string])[] => [
  ['number', String(c.id)],
  ['server', c.node],
  ['user', c.user ?? DASH],
  ['library', c.library ?? DASH],
  ['state', stateWord(c) || 'none of note'],
  ['last command', c.command ?? DASH],
  ['connected for', duration(c.age_s)],
  ['idle for', duration(c.idle_s)],
  ['database', String(c.database)],
  ['memory', orDash(c.memory_bytes, bytes)],
  ['waits to be sent', bytes(c.output_bytes)],
  ['commands so far', orDash(c.commands, integer)],
  ['sent to it so far', orDash(c.sent_bytes, bytes)],
  ['subscriptions', integer(c.subscriptions)],
  ['queued in a transaction', orDash(c.queued, integer)],
];
