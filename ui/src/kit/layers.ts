// What floats above the screen, in the order it was opened: Escape closes the topmost only.

type Close = () => void;
const open: Close[] = [];

/** Puts a layer on top; the answer takes it away again. */
export function pushLayer(close: Close): () => void {
  open.push(close);
  return () => {
    const at = open.lastIndexOf(close);
    if (at >= 0) open.splice(at, 1);
  };
}

/** Closes the topmost layer; says whether there was one. */
export function closeTop(): boolean {
  const close = open.pop();
  close?.();
  return close !== undefined;
}

export const anyLayer = (): boolean => open.length > 0;
