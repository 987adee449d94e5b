// A question that is asked again and again while somebody sees the window.

/** Asks at once and then every so many milliseconds, one question at a time; what it returns ends that. */
export function repeated(ask: () => Promise<void>, everyMs: number): () => void {
  let busy = false;
  const tick = async (): Promise<void> => {
    if (busy || document.hidden) return;
    busy = true;
    await ask();
    busy = false;
  };
  void tick();
  const timer = setInterval(() => void tick(), everyMs);
  return () => clearInterval(timer);
}
