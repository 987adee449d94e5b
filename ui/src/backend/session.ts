// The token of the browser face: from the URL's fragment, then kept by the tab, and handed on to tabs that are opened from it.

const KEY = 'perfdeck.token';
const CHANNEL = 'perfdeck.session';
/** How long a tab without a token waits for the others, in milliseconds. */
const ANSWERS_MS = 200;

type Message = { kind: 'asks' } | { kind: 'has'; token: string; shown: number };

/** The token in the address, which does not stay in the address bar or the history. */
function given(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token) history.replaceState(null, '', location.pathname);
  return token;
}

/**
 * Asks the other tabs of this server: browsers give a tab that a link opened nothing of the one that it came from. Only pages
 * of this address hear it, and nothing is kept beyond the tabs. Of several the one that was looked at last is it.
 */
function borrowed(channel: BroadcastChannel): Promise<string | null> {
  return new Promise((done) => {
    let best: { token: string; shown: number } | null = null;
    channel.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.kind === 'has' && (best === null || data.shown > best.shown)) best = data;
    };
    setTimeout(() => done(best?.token ?? null), ANSWERS_MS);
    channel.postMessage({ kind: 'asks' } satisfies Message);
  });
}

/** Answers tabs that ask. */
function lend(channel: BroadcastChannel, token: string): void {
  let shown = Date.now();
  document.addEventListener('visibilitychange', () => {
    shown = Date.now();
  });
  channel.onmessage = ({ data }: MessageEvent<Message>) => {
    // What is seen now was looked at last.
    const has: Message = { kind: 'has', token, shown: document.hidden ? shown : Date.now() };
    if (data.kind === 'asks') channel.postMessage(has);
  };
}

/** The token of this tab; empty where no tab has one. */
export async function sessionToken(): Promise<string> {
  const channel = new BroadcastChannel(CHANNEL);
  const token = given() ?? sessionStorage.getItem(KEY) ?? (await borrowed(channel));
  if (token === null) {
    channel.close();
    return '';
  }
  sessionStorage.setItem(KEY, token);
  lend(channel, token);
  return token;
}
