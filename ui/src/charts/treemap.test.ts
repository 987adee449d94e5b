import { describe, expect, it } from 'vitest';
import { beside, placed, type Tile } from './treemap';

const tile = (id: string, weight: number, children: Tile[] = []): Tile => ({
  id,
  name: id,
  lines: ['one', 'two'],
  weight,
  heat: null,
  warns: false,
  opens: children.length > 0,
  about: id,
  children,
});

describe('places of a treemap', () => {
  it('gives each tile its share of the area', () => {
    const all = placed([tile('a', 6), tile('b', 3), tile('c', 1), tile('none', 0)], 800, 400);
    const area = (id: string): number => {
      const at = all.find((p) => p.tile.id === id);
      return at ? at.width * at.height : 0;
    };
    expect(area('a') / (800 * 400)).toBeCloseTo(0.6, 1);
    expect(area('b') / (800 * 400)).toBeCloseTo(0.3, 1);
    expect(area('none')).toBe(0);
  });

  it('lets no tile reach over another one or the edge', () => {
    const all = placed(
      Array.from({ length: 40 }, (_, i) => tile(`t${i}`, 1 + ((i * 7919) % 97))),
      733,
      391,
    );
    expect(all.length).toBe(40);
    for (const p of all) {
      expect(p.x + p.width).toBeLessThanOrEqual(733);
      expect(p.y + p.height).toBeLessThanOrEqual(391);
      for (const q of all) {
        const apart = p === q || p.x + p.width <= q.x || q.x + q.width <= p.x || p.y + p.height <= q.y || q.y + q.height <= p.y;
        expect(apart, `${p.tile.id} and ${q.tile.id}`).toBe(true);
      }
    }
  });

  it('shows what is in a tile within it, below its words, and drops words that do not fit', () => {
    const [outer] = placed([tile('a', 1, [tile('x', 2), tile('y', 1)])], 300, 200);
    expect(outer?.children.map((c) => c.tile.id)).toEqual(['x', 'y']);
    for (const child of outer?.children ?? []) expect(child.y).toBeGreaterThanOrEqual(8 + 14 * (outer?.lines ?? 0));
    const [small] = placed([tile('a', 1)], 30, 200);
    expect(small?.lines).toBe(0);
    const [low] = placed([tile('a', 1)], 300, 24);
    expect(low?.lines).toBe(1);
  });

  it('finds the tile beside one in each direction, and none beyond the edge', () => {
    const all = placed([tile('a', 1), tile('b', 1), tile('c', 1), tile('d', 1)], 400, 400);
    const first = all.find((p) => p.x === 0 && p.y === 0);
    if (!first) throw new Error('a tile in the corner');
    const right = beside(all, first, 'right');
    const down = beside(all, first, 'down');
    expect(right?.x).toBeGreaterThan(0);
    expect(right?.y).toBe(0);
    expect(down?.x).toBe(0);
    expect(beside(all, first, 'left')).toBeNull();
    expect(beside(all, first, 'up')).toBeNull();
  });
});
