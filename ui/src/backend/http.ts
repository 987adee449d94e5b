// A browser on this machine: POST for commands, one streamed answer for frames; the session's cookie goes with each.
import { toApiError } from './errors';
import type { Backend } from './index';
import { FrameDecoder, TOPICS } from './frames';
import { gone, PAGE, refusal, session } from './session';
import { listen } from './silence';
import type { ApiError, Frame, WireFrame } from './types';

/** Longest wait for an answer, in milliseconds; longer work is a job and answers at once. */
const DEADLINE_MS = 120_000;

/** Reads the stream to its end. Throws when it ends. */
async function read(url: string, signal: AbortSignal, begun: () => void, onFrame: (frame: Frame) => void): Promise<never> {
  const response = await fetch(url, { headers: PAGE, signal });
  if (!response.ok || !response.body) throw await refusal(response);
  begun();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const decoder = new FrameDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw gone;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line) onFrame(decoder.decode(JSON.parse(line) as WireFrame));
  }
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

function watch(environmentId: string | null, onFrame: (frame: Frame) => void, onState: (error: ApiError | null) => void): () => void {
  const query = new URLSearchParams({ topics: TOPICS.join(',') });
  if (environmentId !== null) query.set('environment_id', environmentId);
  const url = `/api/stream?${query.toString()}`;
  let stopped = false;
  let pause = FIRST_PAUSE_MS;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let abort: AbortController | null = null;

  const open = async (): Promise<void> => {
    const mine = new AbortController();
    abort = mine;
    const started = performance.now();
    try {
      await read(url, mine.signal, () => onState(null), onFrame);
    } catch (error) {
      if (stopped || mine.signal.aborted) return;
      onState(error instanceof TypeError ? gone : toApiError(error));
    }
    if (performance.now() - started > 10_000) pause = FIRST_PAUSE_MS;
    retry = setTimeout(() => void open(), pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  };
  const close = (): void => {
    clearTimeout(retry);
    abort?.abort();
    abort = null;
  };
  // Nothing is sent to a hidden page; it gets a snapshot when it is shown again.
  const visible = (): void => {
    close();
    if (!document.hidden) void open();
  };
  document.addEventListener('visibilitychange', visible);
  if (!document.hidden) void open();
  return () => {
    stopped = true;
    document.removeEventListener('visibilitychange', visible);
    close();
  };
}

export async function browser(): Promise<Backend> {
  const { refused, access } = await session();
  return {
    kind: 'browser',
    looks: access === 'reading',
    async call(name, params) {
      if (refused) throw refused;
      let response: Response;
      try {
        response = await fetch(`/api/rpc/${name}`, {
          method: 'POST',
          headers: { ...PAGE, 'Content-Type': 'application/json' },
          body: JSON.stringify(params ?? {}),
          signal: AbortSignal.timeout(DEADLINE_MS),
        });
      } catch (error) {
        if (!(error instanceof DOMException && error.name === 'TimeoutError')) throw gone;
        const late: ApiError = {
          code: 'timeout',
          message: `No answer to ${name} within ${DEADLINE_MS / 1000} s`,
          hint: 'Try again',
          retryable: true,
        };
        throw late;
      }
      if (!response.ok) throw await refusal(response);
      if (response.headers.get('Content-Type')?.startsWith('application/octet-stream')) return response.arrayBuffer();
      return response.json();
    },
    // Who is not let in asks for nothing: the page says what to do.
    watch: (environmentId, onFrame, onState) =>
      refused ? () => undefined : listen((frame, state) => watch(environmentId, frame, state), onFrame, onState),
    async getPreference(key) {
      const text = localStorage.getItem(`perfdeck.${key}`);
      return text === null ? undefined : (JSON.parse(text) as unknown);
    },
    async setPreference(key, value) {
      localStorage.setItem(`perfdeck.${key}`, JSON.stringify(value));
    },
  };
}
