// The session of the browser face: the token of a printed address is handed in once, for a cookie that every tab of this
// browser has. The page itself never sees the session.
import type { ApiError } from './types';

/** Sent with each request: no page of another site or port can, so the cookie alone is not enough. */
export const PAGE = { 'Perfdeck-Page': '1' } as const;

/** The token in a fragment. */
const tokenIn = (hash: string): string | null => new URLSearchParams(hash.slice(1)).get('token');

export const gone: ApiError = {
  code: 'unreachable',
  message: 'Perfdeck does not answer',
  hint: 'Is perfctl serve still running?',
  retryable: true,
};

/** Longest wait for the session, in milliseconds. */
const DEADLINE_MS = 20_000;

/** The error of an answer; one about the answer where it has none. */
export async function refusal(response: Response): Promise<ApiError> {
  try {
    return (await response.json()) as ApiError;
  } catch {
    return { code: 'internal', message: `The server answered ${response.status}`, hint: null, retryable: true };
  }
}

/** What this browser may do, or why it is not let in. */
export type Session = { access: 'everything' | 'reading'; refused?: never } | { access?: never; refused: ApiError };

/** Hands in a token, or asks with the session that there is; who has neither has a new address printed by the server. */
async function enter(token: string | null): Promise<Session> {
  try {
    const headers = { ...PAGE, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
    const answer = await fetch('/api/session', { method: 'POST', headers, signal: AbortSignal.timeout(DEADLINE_MS) });
    if (answer.status === 401) return { refused: await refusal(answer) };
    return { access: ((await answer.json()) as { access: 'everything' | 'reading' }).access };
  } catch {
    // Each call says by itself that nothing answers.
    return { access: 'everything' };
  }
}

/** An address that was pasted into a tab that is open: it is handed in, and what was shown before comes back. */
function pasted(event: HashChangeEvent): void {
  const token = tokenIn(new URL(event.newURL).hash);
  if (token === null) return;
  event.stopImmediatePropagation();
  const before = new URL(event.oldURL).hash;
  history.replaceState(null, '', tokenIn(before) === null && before !== '' ? before : location.pathname);
  // Where it is refused, the page that is loaded says what to do.
  void enter(token).then(() => location.reload());
}

/** Signs this browser in with the token of the address, if it has one, and says what it may do. */
export async function session(): Promise<Session> {
  addEventListener('hashchange', pasted, { capture: true });
  const token = tokenIn(location.hash);
  // It does not stay in the address bar or the history, whatever the server answers.
  if (token !== null) history.replaceState(null, '', location.pathname);
  return enter(token);
}
