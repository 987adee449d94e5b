// Silence, whichever the transport: frames come at least once a second, so an engine that sends none does not work any more,
// even where its connection stands, as that of a process that was stopped does.
import type { ApiError, Frame } from './types';

/** Silence from which it is said, in milliseconds. */
const SILENCE_MS = 5000;
const LOOK_MS = 1000;
/** A look that comes so late says that this window slept itself, and what came meanwhile was not read yet. */
const SLEPT_MS = 3000;

type OnFrame = (frame: Frame) => void;
/** `silentS` says for how many seconds nothing came, where that is the trouble. */
export type OnState = (error: ApiError | null, silentS: number | null) => void;
/** What a transport does: frames until the returned function is called, and what became of the connection. */
export type Transport = (onFrame: OnFrame, onState: (error: ApiError | null) => void) => () => void;

export const silent: ApiError = {
  code: 'timeout',
  message: 'No answer from the engine',
  hint: 'What is shown is from before; it goes on by itself when the engine answers again',
  retryable: true,
};

/** Listens to a transport, and says when nothing comes although its connection stands. */
export function listen(transport: Transport, onFrame: OnFrame, onState: OnState): () => void {
  let heard = performance.now();
  let looked = heard;
  /** Whether the connection is lost, which its transport says. */
  let lost = false;
  let quiet = false;
  const close = transport(
    (frame) => {
      heard = performance.now();
      if (quiet) {
        quiet = false;
        onState(null, null);
      }
      onFrame(frame);
    },
    (error) => {
      heard = performance.now();
      lost = error !== null;
      quiet = false;
      onState(error, null);
    },
  );
  const timer = setInterval(() => {
    const at = performance.now();
    // Nothing is sent to a window that nobody sees.
    const slept = document.hidden || at - looked > SLEPT_MS;
    looked = at;
    if (slept) heard = at;
    if (lost || at - heard < SILENCE_MS) return;
    quiet = true;
    onState(silent, (at - heard) / 1000);
  }, LOOK_MS);
  return () => {
    clearInterval(timer);
    close();
  };
}
