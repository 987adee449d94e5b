// Where short messages stand: a corner in which they cover nothing that can be pressed.

/** Corners, the usual one first. */
export const CORNERS = ['end', 'start', 'top'] as const;
export type Corner = (typeof CORNERS)[number];

/** What is asked of a place: whether an action is under it, at points this far apart, in pixels. */
const STEP_X = 20;
const STEP_Y = 10;
/** Distances from the edges of the window, in pixels. */
const EDGE = 16;
const FOOT = 40;
const HEAD = 52;

export interface Size {
  width: number;
  height: number;
}
interface Box extends Size {
  left: number;
  top: number;
}

const ACTIONS = 'button, a[href], input, select, textarea, summary, label';
/** Parts whose actions count the most: what somebody is about to do. */
const CHOSEN = '[role=dialog], [data-acts]';

/** Where messages of this size are in a corner of the window; `left` is where the screen begins, beside the rail. */
export function boxOf(corner: Corner, size: Size, window: Size, left: number): Box {
  const right = window.width - EDGE - size.width;
  const foot = window.height - FOOT - size.height;
  if (corner === 'end') return { ...size, left: right, top: foot };
  return corner === 'start' ? { ...size, left: left + EDGE, top: foot } : { ...size, left: right, top: HEAD };
}

/** How much of what can be pressed is under a place: that of a dialog or a drawer weighs more than all others. */
function covered(box: Box, under: (x: number, y: number) => readonly Element[], own: Element): number {
  const seen = new Set<Element>();
  let weight = 0;
  for (let y = box.top; y <= box.top + box.height; y += STEP_Y)
    for (let x = box.left; x <= box.left + box.width; x += STEP_X) {
      const top = under(x, y).find((element) => !own.contains(element));
      const action = top?.closest(ACTIONS);
      if (!action || seen.has(action)) continue;
      seen.add(action);
      weight += action.closest(CHOSEN) ? 1_000 : 1;
    }
  return weight;
}

/** The corner in which the least is covered: the one of now where it is as good, so that messages do not wander. */
export function clearest(now: Corner, own: Element, size: Size, window: Size, left: number): Corner {
  const under = (x: number, y: number): readonly Element[] => document.elementsFromPoint(x, y);
  const weights = CORNERS.map((corner) => [corner, covered(boxOf(corner, size, window, left), under, own)] as const);
  const least = Math.min(...weights.map(([, weight]) => weight));
  const good = weights.filter(([, weight]) => weight === least).map(([corner]) => corner);
  return good.includes(now) ? now : good[0]!;
}
