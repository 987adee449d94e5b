// Where the tiles of a treemap lie: two levels, areas by weight, squarified (Bruls, Huizing and van Wijk, 2000).
import { hierarchy, treemap, treemapSquarify } from 'd3-hierarchy';

export interface Tile {
  /** What chooses it, and leads into it. */
  id: string;
  name: string;
  /** What stands below its name; dropped rather than cut where there is no room. */
  lines: readonly string[];
  /** What its area stands for; nothing is drawn for 0. */
  weight: number;
  /** Share of the fill's scale, 0 to 1; null where what the fill stands for is not known. */
  heat: number | null;
  /** Drawn in the colour of a warning. */
  warns: boolean;
  /** Whether there is something in it to go to. */
  opens: boolean;
  /** Its figures in a sentence, where it is pointed at and for those who do not see it. */
  about: string;
  children: readonly Tile[];
}

export interface Placed {
  tile: Tile;
  x: number;
  y: number;
  width: number;
  height: number;
  /** Lines of text that fit, the name among them. */
  lines: number;
  children: readonly Placed[];
}

/** Between tiles, in pixels. */
const GAP = 1;
/** Around what is in a tile, in pixels. */
const INSET = 4;
/** A line of text, and what surrounds all of them, in pixels. */
const LINE = 14;
const TEXT = 8;
/** Least width for text, and least size of a tile that shows what is in it, in pixels. */
const WORDS = 44;
const NESTED = { width: 60, height: 48 };

/** Lines of a tile's text that fit above what is in it. */
function fitting(tile: Tile, width: number, height: number): number {
  if (width < WORDS) return 0;
  return Math.max(0, Math.min(1 + tile.lines.length, Math.floor((height - TEXT) / LINE)));
}

function level(tiles: readonly Tile[], left: number, top: number, width: number, height: number, deep: boolean): Placed[] {
  if (width < 2 || height < 2) return [];
  const root = hierarchy<{ tile: Tile | null; of: readonly Tile[] }>({ tile: null, of: tiles }, (d) =>
    d.of.map((tile) => ({ tile, of: [] })),
  )
    .sum((d) => (d.tile ? Math.max(0, d.tile.weight) : 0))
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const laid = treemap<{ tile: Tile | null; of: readonly Tile[] }>()
    .tile(treemapSquarify)
    .size([width, height])
    .paddingInner(GAP)
    .round(true)(root);
  return (laid.children ?? []).flatMap((node) => {
    const { tile } = node.data;
    const [w, h] = [node.x1 - node.x0, node.y1 - node.y0];
    if (!tile || w <= 0 || h <= 0) return [];
    const nests = deep && tile.children.length > 0 && w >= NESTED.width && h >= NESTED.height;
    // Half of a tile is for what is in it.
    const lines = fitting(tile, w, nests ? h / 2 : h);
    const head = TEXT + lines * LINE;
    const children = nests
      ? level(tile.children, left + node.x0 + INSET, top + node.y0 + head, w - 2 * INSET, h - head - INSET, false)
      : [];
    return [{ tile, x: left + node.x0, y: top + node.y0, width: w, height: h, lines, children }];
  });
}

/** Places of tiles in an area, the heaviest first. */
export function placed(tiles: readonly Tile[], width: number, height: number): Placed[] {
  return level(tiles, 0, 0, width, height, true);
}

export type Direction = 'left' | 'right' | 'up' | 'down';

/** The tile beside one in a direction: nearest by its middle, and more so straight ahead. */
export function beside(all: readonly Placed[], from: Placed, to: Direction): Placed | null {
  const middle = (p: Placed): [number, number] => [p.x + p.width / 2, p.y + p.height / 2];
  const [x, y] = middle(from);
  let best: { at: Placed; far: number } | null = null;
  for (const other of all) {
    if (other === from) continue;
    const [dx, dy] = [middle(other)[0] - x, middle(other)[1] - y];
    const [ahead, aside] = to === 'left' ? [-dx, dy] : to === 'right' ? [dx, dy] : to === 'up' ? [-dy, dx] : [dy, dx];
    if (ahead <= 0) continue;
    const far = ahead + 2 * Math.abs(aside);
    if (!best || far < best.far) best = { at: other, far };
  }
  return best?.at ?? null;
}
