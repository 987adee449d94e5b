// What keys and presses do in a list: the arrows, j and k go through its rows and cells, Enter opens, Space chooses, / filters,
// Ctrl C copies.
import { tick } from 'svelte';
import { copyText } from './client';
import { hasModifier, isTyping } from './keys';
import { anyLayer } from './layers';
import { rowText, type Column } from './list';
import type { ListRows } from './list-rows.svelte';
import type { ListWindow } from './list-window.svelte';
import { toasts } from './toasts.svelte';

/** What a list's rows are there for. */
export interface Deeds<Row> {
  columns: readonly Column<Row>[];
  /** Enter, or a click where nothing is chosen by it. */
  open?: (row: Row) => void;
  /** Takes what the arrows or a click point at. */
  choose?: (row: Row) => void;
  /** Space. */
  toggle?: (row: Row) => void;
}

interface Of<Row extends object> {
  deeds: () => Deeds<Row>;
  rows: ListRows<Row>;
  view: ListWindow;
  scroller: () => HTMLElement | undefined;
  /** Its filter. */
  field: () => HTMLInputElement | undefined;
}

export const rowOf = (target: EventTarget | null): HTMLTableRowElement | null =>
  target instanceof Element ? target.closest<HTMLTableRowElement>('tr[data-row]') : null;
export const columnOf = (td: Element): number => Number((td as HTMLElement).dataset['column']);
const selected = (): boolean => (getSelection()?.toString() ?? '') !== '';

/** Gives the focus to the cell of a column, or to the nearest one before it that the row has. */
function focusCell(tr: HTMLTableRowElement, cell: number | null): void {
  const td = cell === null ? undefined : [...tr.cells].findLast((one) => columnOf(one) <= cell);
  const goal = td?.querySelector<HTMLElement>('button, a, input, select') ?? td ?? tr;
  goal.focus({ preventScroll: true });
  // Its list has it in sight; what the list itself is scrolled in may not, and a cell may be beside what is seen of a narrow one.
  goal.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

export function listKeys<Row extends object>({ deeds, rows, view, scroller, field }: Of<Row>) {
  /** Column of the cell that has the focus; null where the row has it. */
  function cellIndex(): number | null {
    const td = document.activeElement?.closest('td');
    return td && scroller()?.contains(td) ? columnOf(td) : null;
  }
  /** Goes to a row, brings it into sight, and gives it the focus. */
  async function to(i: number, cell: number | null = null): Promise<void> {
    const entry = rows.row(i);
    if (entry === null) return;
    rows.reach(entry.key);
    view.show(i);
    deeds().choose?.(entry.row);
    await tick();
    const tr = scroller()?.querySelector<HTMLTableRowElement>(`tr[data-row="${i}"]`);
    if (tr) focusCell(tr, cell);
  }
  function act(i: number): void {
    const entry = rows.row(i);
    if (entry === null) return;
    const { open } = deeds();
    if (open) open(entry.row);
    else if (entry.open !== null) rows.fold(i, !entry.open);
  }
  async function copy(i: number, cell: number | null): Promise<void> {
    const entry = rows.row(i);
    if (entry === null) return;
    const column = cell === null ? undefined : deeds().columns[cell];
    const text = column ? column.text(entry.row) : rowText(deeds().columns, entry.row);
    const what = column ? `“${column.label}”` : 'the row';
    toasts.show((await copyText(text)) ? `Copied ${what}` : 'The clipboard refused');
  }
  /** The row above, for one that is folded below it. */
  function above(i: number): number {
    if (rows.row(i)?.level !== 2) return -1;
    return rows.entries.findLastIndex((e, n) => n < i && e.type === 'row' && e.level === 1);
  }

  return {
    to,
    /** A key in a row. */
    row(event: KeyboardEvent): void {
      const tr = rowOf(event.target);
      if (!tr || event.defaultPrevented) return;
      const i = Number(tr.dataset['row']);
      const cell = cellIndex();
      if (hasModifier(event) && event.key.toLowerCase() === 'c' && !selected()) {
        event.preventDefault();
        void copy(i, cell);
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = isTyping(event.target) && (event.target as HTMLInputElement).type !== 'checkbox';
      if (typing) return;
      const rowFocused = event.target === tr;
      const last = rows.entries.length - 1;
      let goal = -1;
      switch (event.key) {
        case 'ArrowDown':
        case 'j':
          goal = rows.next(i + 1, 1);
          break;
        case 'ArrowUp':
        case 'k':
          goal = rows.next(i - 1, -1);
          break;
        case 'PageDown':
          goal = rows.next(Math.min(last, i + view.page), -1);
          break;
        case 'PageUp':
          goal = rows.next(Math.max(0, i - view.page), 1);
          break;
        case 'Home':
          goal = rows.next(0, 1);
          break;
        case 'End':
          goal = rows.next(last, -1);
          break;
        case 'ArrowRight':
          if (cell === null && rows.fold(i, true)) break;
          focusCell(tr, cell === null ? 0 : ([...tr.cells].map(columnOf).find((c) => c > cell) ?? cell));
          break;
        case 'ArrowLeft':
          if (cell !== null) focusCell(tr, cell === 0 ? null : cell - 1);
          else if (!rows.fold(i, false)) goal = above(i);
          break;
        case 'Enter':
          if (!rowFocused && (event.target as Element).tagName !== 'TD') return;
          act(i);
          break;
        case ' ': {
          const entry = rows.row(i);
          const { toggle } = deeds();
          if (!rowFocused || !toggle || entry === null) return;
          toggle(entry.row);
          break;
        }
        default:
          return;
      }
      event.preventDefault();
      if (goal >= 0) void to(goal, cell);
    },
    /** A click on a row, beside what can be operated in it. */
    click(event: MouseEvent, i: number): void {
      const entry = rows.row(i);
      if (entry === null || (event.target as Element).closest('button, a, input, select, label') || selected()) return;
      rows.reach(entry.key);
      const { choose } = deeds();
      if (choose) choose(entry.row);
      else act(i);
    },
    /** A key in the filter: down into the rows, Enter opens the first that fits, Escape clears it. */
    filter(event: KeyboardEvent): void {
      if (event.key === 'ArrowDown' || event.key === 'Enter') {
        const first = rows.next(0, 1);
        if (first < 0) return;
        event.preventDefault();
        if (event.key === 'Enter' && rows.like !== '') act(first);
        else void to(first);
      } else if (event.key === 'Escape' && rows.like !== '') {
        event.preventDefault();
        event.stopPropagation();
        rows.filter('');
      }
    },
    /** From anywhere on the screen: / goes to the filter, j and k into the rows. */
    anywhere(event: KeyboardEvent): void {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (anyLayer() && !scroller()?.closest('[role=dialog]')) return;
      if (event.key === '/') {
        event.preventDefault();
        field()?.focus();
        field()?.select();
      } else if ((event.key === 'j' || event.key === 'k') && rows.reached >= 0 && !scroller()?.contains(event.target as Node)) {
        event.preventDefault();
        void to(rows.reached);
      }
    },
  };
}
