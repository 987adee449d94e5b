// A browser on this machine: POST for commands, one streamed answer for frames, the token from the URL's fragment.
import { toApiError, type Backend } from './index';
import type { ApiError, Frame } from './types';

const TOKEN = 'perfdeck.token';

function token(): string {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    // The token does not stay in the address bar or the history.
    history.replaceState(null, '', location.pathname);
  }
  return sessionStorage.getItem(TOKEN) ?? '';
}

async function refusal(response: Response): Promise<ApiError> {
  try {
    return (await response.json()) as ApiError;
  } catch {
    return { code: 'internal', message: `The server answered ${response.status}`, hint: null, retryable: true };
  }
}

const gone: ApiError = {
  code: 'unreachable',
  message: 'Perfdeck does not answer',
  hint: 'Is perfctl serve still running?',
  retryable: true,
};

export async function browser(): Promise<Backend> {
  const bearer = { Authorization: `Bearer ${token()}` };
  return {
    kind: 'browser',
    async call(name, params) {
      let response: Response;
      try {
        response = await fetch(`/api/rpc/${name}`, {
          method: 'POST',
          headers: { ...bearer, 'Content-Type': 'application/json' },
          body: JSON.stringify(params ?? {}),
        });
      } catch {
        throw gone;
      }
      if (!response.ok) throw await refusal(response);
      if (response.headers.get('Content-Type')?.startsWith('application/octet-stream')) return response.arrayBuffer();
      return response.json();
    },
    watch(environmentId, onFrame, onState) {
      const abort = new AbortController();
      const query = environmentId === null ? '' : `?environment_id=${encodeURIComponent(environmentId)}`;
      const read = async (): Promise<void> => {
        const response = await fetch(`/api/stream${query}`, { headers: bearer, signal: abort.signal });
        if (!response.ok || !response.body) throw await refusal(response);
        onState(null);
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = '';
        for (;;) {
          const { done, value } = await reader.read();
          if (done) throw gone;
          const lines = (rest + value).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) if (line) onFrame(JSON.parse(line) as Frame);
        }
      };
      const loop = async (): Promise<void> => {
        let wait = 500;
        while (!abort.signal.aborted) {
          const started = Date.now();
          try {
            await read();
          } catch (error) {
            if (abort.signal.aborted) return;
            onState(error instanceof TypeError ? gone : toApiError(error));
          }
          if (Date.now() - started > 10_000) wait = 500;
          await new Promise((done) => setTimeout(done, wait));
          wait = Math.min(wait * 2, 5000);
        }
      };
      void loop();
      return () => abort.abort();
    },
    async getPreference(key) {
      const text = localStorage.getItem(`perfdeck.${key}`);
      return text === null ? undefined : (JSON.parse(text) as unknown);
    },
    async setPreference(key, value) {
      localStorage.setItem(`perfdeck.${key}`, JSON.stringify(value));
    },
  };
}
