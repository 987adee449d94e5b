// The part of a long list that is drawn: what is seen of it, and the row that has the focus.
import { onMount, untrack } from 'svelte';
import { seen, shifted, widths, type Column } from './list';
import { preferences } from './preferences.svelte';

/** Height of the head, which stays above the rows, in pixels. */
export const HEAD = 25;
/** Height of what is seen before it is measured, in pixels. */
const TALL = 600;

interface Of {
  scroller: () => HTMLElement | undefined;
  columns: () => readonly Column<never>[];
  /** Room that the figures of each column need, in pixels. */
  needs: () => readonly number[];
  /** What there is: rows and heads of groups. */
  entries: () => readonly { key: string }[];
  /** What they are filtered and sorted by. */
  asked: () => string;
  /** The one that has the focus, or would get it. */
  reached: () => number;
}

/** To be called while a component is made. */
export function listWindow({ scroller, columns, needs, entries, asked, reached }: Of) {
  const count = (): number => entries().length;
  let room = $state(0);
  let measured = $state(0);
  let range = $state.raw({ from: 0, to: 0 });

  const rowHeight = $derived(measured || (preferences.density === 'compact' ? 24 : 28));
  const sizes = $derived(widths(columns(), room, needs()));
  const drawn = $derived.by(() => {
    const to = Math.min(range.to || seen(count(), 0, TALL, rowHeight).to, count());
    const all: number[] = [];
    for (let i = Math.min(range.from, Math.max(0, to - 1)); i < to; i += 1) all.push(i);
    const focus = reached();
    if (focus >= 0 && !all.includes(focus)) {
      all.push(focus);
      all.sort((a, b) => a - b);
    }
    return all;
  });
  const height = (): number => scroller()?.clientHeight || TALL;

  function look(): void {
    const part = scroller();
    if (!part) return;
    const next = seen(count(), part.scrollTop - HEAD, height(), rowHeight);
    if (next.from !== range.from || next.to !== range.to) range = next;
  }
  /** What was drawn, and how far it was scrolled before something else is. */
  let before: { entries: readonly { key: string }[]; asked: string } | null = null;
  let top = 0;
  $effect.pre(() => {
    void entries();
    top = untrack(scroller)?.scrollTop ?? 0;
  });
  /** Keeps the rows that are seen where they are when others come or go above them; at the very top the newest are wanted. */
  function stay(now: readonly { key: string }[], by: string): void {
    const part = scroller();
    if (part && before !== null && before.asked === by && before.entries !== now && top > 0) {
      const first = Math.floor(top / rowHeight);
      const rows = shifted(before.entries, now, first, first + Math.ceil(height() / rowHeight));
      if (rows !== 0) part.scrollTop = top + rows * rowHeight;
    }
    before = { entries: now, asked: by };
  }
  $effect(() => {
    const [now, by] = [entries(), asked()];
    void rowHeight;
    untrack(() => {
      stay(now, by);
      look();
    });
  });
  // The height that a row has, whatever the fonts and the density make of it.
  $effect(() => {
    void preferences.density;
    void (count() > 0);
    const found = scroller()?.querySelector<HTMLElement>('tr[data-row]')?.offsetHeight ?? 0;
    if (found > 0 && found !== untrack(() => measured)) measured = found;
  });
  onMount(() => {
    let frame = 0;
    // In the next frame: what is drawn anew within an observation is observed again, and browsers object.
    const resize = new ResizeObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => {
        room = scroller()?.clientWidth ?? 0;
        look();
      });
    });
    const part = scroller();
    if (part) resize.observe(part);
    room = part?.clientWidth ?? 0;
    return () => {
      resize.disconnect();
      cancelAnimationFrame(frame);
    };
  });

  return {
    /** Height of a row, in pixels. */
    get rowHeight(): number {
      return rowHeight;
    },
    /** Places of what is drawn, ascending. */
    get drawn(): readonly number[] {
      return drawn;
    },
    /** Widths of the columns, and of all of them, in pixels. */
    get sizes(): readonly number[] {
      return sizes;
    },
    get width(): number {
      return Math.max(
        room,
        sizes.reduce((a, b) => a + b, 0),
      );
    },
    look,
    /** Scrolls no more than it takes to see a row. */
    show(i: number): void {
      const part = scroller();
      if (!part) return;
      const top = i * rowHeight;
      const view = height() - HEAD;
      if (top < part.scrollTop) part.scrollTop = top;
      else if (top + rowHeight > part.scrollTop + view) part.scrollTop = top + rowHeight - view;
      look();
    },
    /** Rows that a page down goes on by. */
    get page(): number {
      return Math.max(1, Math.floor((height() - HEAD) / rowHeight) - 1);
    },
  };
}
export type ListWindow = ReturnType<typeof listWindow>;
