// Whether something floats above the screen. What floats closes itself, the topmost first: Escape and a press beside it are
// bits-ui's work. Shortcuts of the screen below ask here first.

let open = 0;

/** Counts a layer; the answer, called once or more, takes it away again. */
export function pushLayer(): () => void {
  let there = true;
  open += 1;
  return () => {
    if (there) open -= 1;
    there = false;
  };
}

export const anyLayer = (): boolean => open > 0;
