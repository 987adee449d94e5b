// What a look at the sessions says: the sentence of the page, and the words of its rows.
import type { BlockingRow, DatabaseActivity, DatabaseSession, Maintenance } from '../../../backend/types';
import { DASH, integer, lasted, plural } from '../../../kit/figures';
import type { Said } from '../said';

/** A wait that is no longer short, in seconds. */
const LONG_S = 60;
/** A transaction that is worth a row of its own, in seconds. */
const LONG_TRANSACTION_S = 10;
/** Waiting sessions that are listed before the others are folded. */
const WAITING = 7;

export const nameOf = (s: Pick<DatabaseSession, 'application' | 'user' | 'pid'>): string => s.application ?? s.user ?? `session ${s.pid}`;
export const isIdle = (s: DatabaseSession): boolean => s.wait_class === 'idle';
/** Whether it does nothing and holds nothing. */
export const isResting = (s: DatabaseSession): boolean => isIdle(s) && s.transaction_s === null;
export const waits = (s: DatabaseSession): boolean => s.blocked_by.length > 0;
/** A time that may be unknown. */
export const lastedOr = (s: number | null): string => (s === null ? DASH : lasted(s));
export const waitWord = (s: DatabaseSession): string => s.wait ?? (s.wait_class === 'cpu' ? 'on CPU' : isIdle(s) ? 'Client: read' : DASH);

/** The number of a session; a prepared transaction has none. */
export const numberWord = (pid: number): string => (pid === 0 ? 'prepared' : String(pid));

/** Whether its server does not track what it does: PostgreSQL with `track_activities` off, for it, its user or its database. */
export const isUntracked = (s: Pick<DatabaseSession, 'state'>): boolean => s.state === 'disabled';
/** For how long it waits, else for how long it is what it is, in seconds; null where its server does not track that. */
export const ageOf = (s: DatabaseSession): number | null => s.waits_s ?? s.age_s;
export const ageWord = (s: DatabaseSession): string => lastedOr(ageOf(s));
/** What makes a server track what its sessions do, from their next statement on. */
export const TRACK = 'ALTER SYSTEM SET track_activities = on; SELECT pg_reload_conf();';
/** The state of a session in words. */
export const stateWord = (s: Pick<DatabaseSession, 'state'>): string => (isUntracked(s) ? 'activity not tracked' : s.state);

/** The state and for how long, where the server tells. */
export const stateFor = (s: DatabaseSession): string => (s.age_s === null ? stateWord(s) : `${stateWord(s)} for ${lasted(s.age_s)}`);

/** How many sessions do not tell what they do; null where all do. */
export function untrackedWords(sessions: readonly DatabaseSession[]): string | null {
  const n = sessions.filter(isUntracked).length;
  return n === 0 ? null : `What ${plural(n, 'session')} ${n === 1 ? 'does' : 'do'} is not tracked: track_activities is off.`;
}

/** Who blocks a session. */
export function blockedWord(s: DatabaseSession): string {
  const by = s.blocked_by.slice(0, 2).map(numberWord).join(', ');
  const more = s.blocked_by.length - 2 + s.blocked_by_more;
  return by === '' ? DASH : more > 0 ? `${by} and ${integer(more)} more` : by;
}

/** What this user may not see, in words; null where that is nothing. */
export function hiddenWords(activity: Pick<DatabaseActivity, 'hidden'>): string | null {
  if (activity.hidden === 0) return null;
  if (activity.hidden === null) return 'Sessions of other users may be hidden from this user.';
  return activity.hidden === 1
    ? '1 session hides its statement from this user.'
    : `${integer(activity.hidden)} sessions hide their statement from this user.`;
}

/** A row of the list: a session, or several that are folded under a sentence. */
export interface Row {
  key: string;
  session: DatabaseSession | null;
  /** What the folded ones have in common. */
  words: string;
  folded: readonly Row[];
}

const rowOf = (session: DatabaseSession): Row => ({ key: String(session.pid), session, words: '', folded: [] });
const foldOf = (key: string, words: string, sessions: readonly DatabaseSession[]): Row => ({
  key,
  session: null,
  words,
  folded: sessions.map(rowOf),
});
const most = (sessions: readonly DatabaseSession[], of: (s: DatabaseSession) => number): [number, number] => {
  const all = sessions.map(of);
  return [Math.min(...all), Math.max(...all)];
};
const between = ([least, longest]: [number, number]): string =>
  lasted(least) === lasted(longest) ? lasted(least) : `${lasted(least)} to ${lasted(longest)}`;
/** Who they are: at most two names. */
function names(sessions: readonly DatabaseSession[]): string {
  const all = [...new Set(sessions.map(nameOf))];
  return all.length > 2 ? `${all[0]} and ${integer(all.length - 1)} others` : all.join(' and ');
}

/** Sessions as they are listed: who holds up others, who waits, who works, and folded at the end who rests. */
export function rowsOf(sessions: readonly DatabaseSession[]): Row[] {
  const by = (of: (s: DatabaseSession) => number | null) => (a: DatabaseSession, b: DatabaseSession) => (of(b) ?? -1) - (of(a) ?? -1);
  const holders = sessions.filter((s) => s.holds_up > 0 && !waits(s)).sort(by((s) => s.holds_up));
  const waiting = sessions.filter(waits).sort(by((s) => s.waits_s ?? s.age_s));
  const rest = sessions.filter((s) => !waits(s) && s.holds_up === 0);
  const busy = rest.filter((s) => !isIdle(s)).sort(by((s) => s.age_s));
  const idle = rest.filter(isIdle).sort(by((s) => s.transaction_s ?? -1));
  const [shown, more] = waiting.length > WAITING + 1 ? [waiting.slice(0, WAITING), waiting.slice(WAITING)] : [waiting, []];
  const rows = [...holders, ...shown].map(rowOf);
  if (more.length > 0) {
    const span = between(most(more, (s) => s.waits_s ?? s.age_s ?? 0));
    rows.push(foldOf('waiting', `${integer(more.length)} more ${names(more)} sessions wait, ${span}`, more));
  }
  rows.push(...busy.map(rowOf));
  if (idle.length > 3) {
    const open = idle.filter((s) => !isResting(s)).length;
    const parts = [
      ...(open > 0 ? [`${integer(open)} idle in transaction`] : []),
      ...(idle.length > open ? [`${integer(idle.length - open)} idle`] : []),
    ];
    rows.push(foldOf('idle', `${integer(idle.length)} more: ${parts.join(', ')}`, idle));
  } else rows.push(...idle.map(rowOf));
  return rows;
}

/** Sessions by what they do, in words: `33 sessions: 19 active, 5 idle in transaction, 9 idle`. */
export function counted(activity: DatabaseActivity): string {
  const all = activity.sessions;
  const open = all.filter((s) => isIdle(s) && !isResting(s)).length;
  const resting = all.filter(isResting).length;
  const untracked = all.filter(isUntracked).length;
  const parts = [
    `${integer(all.length - open - resting - untracked)} active`,
    ...(open > 0 ? [`${integer(open)} idle in transaction`] : []),
    ...(resting > 0 ? [`${integer(resting)} idle`] : []),
    ...(untracked > 0 ? [`${integer(untracked)} not tracked`] : []),
  ];
  const more = activity.left_out > 0 ? `; ${plural(activity.left_out, 'more session')} not listed` : '';
  return all.length === 0 ? 'No sessions' : `${plural(all.length, 'session')}: ${parts.join(', ')}${more}`;
}

/** Transactions that are open for long, the longest first. */
export const longTransactions = (activity: DatabaseActivity): DatabaseSession[] =>
  activity.sessions
    .filter((s) => (s.transaction_s ?? 0) >= LONG_TRANSACTION_S)
    .sort((a, b) => (b.transaction_s ?? 0) - (a.transaction_s ?? 0));

/** What a transaction holds, as far as its server tells. */
export function holdsWord(s: DatabaseSession): string {
  if (s.rows_locked !== null && s.rows_locked > 0) return `${plural(Math.round(s.rows_locked), 'row lock')}`;
  if (s.rows_written !== null && s.rows_written > 0) return `${plural(Math.round(s.rows_written), 'row')} written`;
  if (s.wrote === true) return 'what it wrote';
  if (s.xids !== null) return 'a snapshot';
  return s.wrote === false ? 'nothing yet' : DASH;
}

/** What a root is: `idle in transaction`, or what it waits for where it is part of a circle. */
export function rootWord(row: BlockingRow, session: DatabaseSession | undefined): string {
  if (row.gid !== null || row.pid === 0) return 'a prepared transaction';
  if (row.deadlock) return 'a circle: the server ends it by cancelling one';
  if (!session) return row.name === null ? 'hidden from this user' : 'the server’s own';
  return stateWord(session);
}

/** What a row of the tree waits for; the schema that everybody's tables are in is not worth its room. */
export const lockWord = (row: BlockingRow): string => (row.waits_for ?? 'a lock').replace(/\bpublic\.(?=\S)/, '');

/** Why waits are no findings yet; null where nobody waits. */
export function waitsNote(activity: DatabaseActivity | null): string | null {
  const waiting = (activity?.blocking.waiting ?? 0) + (activity?.blocking.unknown ?? 0);
  return waiting === 0 ? null : `A wait for a lock is a finding once it has lasted ${lasted(LONG_S)}`;
}

/** Share of maintenance that is done; null where the server does not tell. */
export const shareOf = (m: Maintenance): number | null =>
  m.done === null || m.total === null || m.total <= 0 ? null : Math.min(1, m.done / m.total);

/** The answer of the page in a sentence: who is blocked comes first, then what is hidden, then what runs. */
export function verdict(activity: DatabaseActivity): Required<Said> {
  const { blocking, sessions, hidden } = activity;
  const support = counted(activity);
  const root = blocking.rows[0];
  if (root) {
    const waiting = blocking.waiting;
    const session = sessions.find((s) => s.pid === root.pid);
    const longest = blocking.longest_s ?? 0;
    const verb = waiting === 1 ? 'waits' : 'wait';
    const name = root.name ?? `session ${root.pid}`;
    const is = root.deadlock ? 'a deadlock in progress' : session ? stateWord(session) : rootWord(root, session);
    const since = session && session.age_s !== null && !root.deadlock ? ` for ${lasted(session.age_s)}` : '';
    const unknown = blocking.unknown > 0 ? ` ${integer(blocking.unknown)} more wait for a lock whose holder the server does not tell.` : '';
    return {
      tone: longest >= LONG_S || root.deadlock ? 'bad' : 'warn',
      strong: `${plural(waiting, 'session')} ${verb} for ${blocking.roots === 1 ? 'one' : `${integer(blocking.roots)} others`}:`,
      rest: blocking.roots === 1 ? `${name}, ${is}${since}` : `most of them for ${name}, ${is}${since}`,
      support: `The longest wait has lasted ${lasted(longest)}.${unknown} ${support}.`,
    };
  }
  if (blocking.unknown > 0) {
    return {
      tone: 'warn',
      strong: `${plural(blocking.unknown, 'session')} ${blocking.unknown === 1 ? 'waits' : 'wait'} for a lock,`,
      rest: 'and the server does not tell who holds it',
      support: `In MariaDB and MySQL the instrument wait/lock/metadata/sql/mdl of performance_schema tells. ${support}.`,
    };
  }
  if (hidden !== 0) {
    const n = hidden === null ? 'Other sessions' : plural(hidden, 'session');
    return {
      tone: 'warn',
      strong: `${n} ${hidden === 1 ? 'hides its statement' : hidden === null ? 'may be hidden' : 'hide their statement'}`,
      rest: 'from this user',
      support: sessions.length === 0 ? 'None of what runs can be seen.' : `What is shown is a part: ${support}.`,
    };
  }
  const untracked = sessions.filter(isUntracked).length;
  if (untracked > 0) {
    return {
      tone: 'warn',
      strong: `What ${plural(untracked, 'session')} ${untracked === 1 ? 'does is' : 'do is'} not tracked`,
      rest: 'by the server',
      support: `Their role or database has track_activities off. ${support}.`,
    };
  }
  const running = sessions.filter((s) => !isIdle(s));
  if (running.length === 0) {
    const open = sessions.filter((s) => !isResting(s)).sort((a, b) => (b.transaction_s ?? 0) - (a.transaction_s ?? 0))[0];
    return {
      tone: 'ok',
      strong: 'No statement runs',
      rest: open
        ? `now; the longest open transaction is ${nameOf(open)}, for ${lastedOr(open.transaction_s ?? open.age_s)}`
        : 'at the moment',
      support: `${support}.`,
    };
  }
  return {
    tone: 'ok',
    strong: `${plural(running.length, 'statement')} ${running.length === 1 ? 'runs' : 'run'},`,
    rest: `the longest for ${lasted(Math.max(...running.map((s) => s.age_s ?? 0)))}; nobody waits for a lock`,
    support: `${support}.`,
  };
}

/** The answer of the page, also where there is none yet, or nothing to ask. */
export function answer(activity: DatabaseActivity | null, of: { sqlite: boolean; failed: boolean }): Said {
  if (of.sqlite) {
    const rest = 'SQLite runs inside its application and lists no sessions.';
    return { strong: '', rest, support: 'What it reads and waits for stands in its lanes.' };
  }
  if (of.failed) {
    const before = activity ? 'What was read before stands below, greyed.' : 'Its lanes stand below.';
    return { tone: 'bad', strong: 'The sessions cannot be read', rest: '', support: `${before} It is tried again every 2 s.` };
  }
  return activity ? verdict(activity) : { strong: '', rest: 'Sessions of the database', support: 'Reading them' };
}
