// What happens when another address is shown: the focus goes to the heading of what appears, and a step back finds the page
// scrolled as it was left.
import { pathOf } from '../kit/address';
import { isTyping } from '../kit/keys';
import { anyLayer } from '../kit/layers';
import { focusText, isMakeshift } from '../kit/focus-kept';

/** How long a heading, or enough rows to scroll to, may take to come, in milliseconds. */
const PATIENCE_MS = 3000;
/** How long what is scrolled to is held: parts that come later may be less high at first, and push it back. */
const SETTLES_MS = 500;
const KEPT = 'perfdeck.scrolled';
/** Steps of the history that are remembered. */
const STEPS = 50;

/** How far each scrolled part was, by a selector that finds it again. */
type Scrolled = Record<string, number>;

const selectorOf = (element: Element): string =>
  element.id ? `#${element.id}` : element.tagName.toLowerCase() + [...element.classList].map((c) => `.${CSS.escape(c)}`).join('');

function read(): [string, Scrolled][] {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? '[]') as [string, Scrolled][];
  } catch {
    return [];
  }
}

/** The step of the history that is shown; it keeps its name through a reload. */
function stepNow(): string {
  const state = history.state as { step?: string } | null;
  if (state?.step) return state.step;
  const step = `${Math.random().toString(36).slice(2, 10)}-${Math.random().toString(36).slice(2, 8)}`;
  history.replaceState({ ...state, step }, '');
  return step;
}

export class Arrival {
  private readonly kept = new Map(read());
  private step = stepNow();
  private path: string | null = null;
  /** Whether what is shown belongs to the step: between a step and its screen the one before is still there. */
  private there = false;
  private restoring = false;
  private frame = 0;
  private changes: MutationObserver | null = null;
  private readonly ends: (() => void)[] = [];

  constructor(
    private readonly main: HTMLElement,
    private readonly title: () => HTMLElement | null,
  ) {
    const listen = (target: EventTarget, name: string, heard: (event: Event) => void, capture = false): void => {
      target.addEventListener(name, heard, { capture, passive: true });
      this.ends.push(() => target.removeEventListener(name, heard, { capture }));
    };
    listen(main, 'scroll', (event) => this.scrolled(event.target as Element), true);
    // Before anything else of the page hears of it: what is scrolled from now on belongs to the next step.
    const left = (): void => {
      this.there = pathOf(location.hash) === this.path;
      this.step = stepNow();
    };
    listen(window, 'popstate', left, true);
    listen(window, 'pagehide', () => this.keep());
    // Who scrolls is not scrolled.
    for (const name of ['wheel', 'keydown', 'pointerdown']) listen(window, name, () => this.stopRestoring(), true);
  }

  /** Another path is shown, and its screen is there. */
  arrive(path: string): void {
    this.there = true;
    if (path === this.path) return;
    const first = this.path === null;
    this.path = path;
    this.step = stepNow();
    this.restore(!first);
    if (!first || document.activeElement === document.body) this.focus(document.activeElement);
  }

  private scrolled(element: Element): void {
    // A browser tells of scrolling a frame later: by then it may be the screen before, or one that has not its rows yet.
    if (!this.there || this.restoring) return;
    const places = this.kept.get(this.step) ?? {};
    places[selectorOf(element)] = element.scrollTop;
    this.kept.delete(this.step);
    this.kept.set(this.step, places);
    if (this.kept.size > STEPS) this.kept.delete(this.kept.keys().next().value!);
  }

  private keep(): void {
    try {
      sessionStorage.setItem(KEPT, JSON.stringify([...this.kept]));
    } catch {
      // Nothing is kept where the browser keeps nothing.
    }
  }

  /** Scrolls to where this step was left, as soon as there is enough to scroll. */
  private restore(top: boolean): void {
    this.stopRestoring();
    const wanted = Object.entries(this.kept.get(this.step) ?? {}).filter(([, at]) => at > 0);
    if (wanted.length === 0) {
      if (top) this.main.scrollTop = 0;
      return;
    }
    const until = performance.now() + PATIENCE_MS;
    /** When each of them was reached first. */
    const reached = new Map<string, number>();
    const look = (): void => {
      const now = performance.now();
      for (const [selector, at] of wanted) {
        const element = document.querySelector(selector);
        if (element === null || element.scrollTop === at || element.scrollHeight - element.clientHeight < at) continue;
        element.scrollTop = at;
        if (!reached.has(selector)) reached.set(selector, now);
      }
      const settled = reached.size === wanted.length && [...reached.values()].every((since) => now - since > SETTLES_MS);
      this.restoring = !settled && now < until;
      if (this.restoring) this.frame = requestAnimationFrame(look);
    };
    look();
  }

  private stopRestoring(): void {
    this.restoring = false;
    cancelAnimationFrame(this.frame);
  }

  private focus(before: Element | null): void {
    this.changes?.disconnect();
    requestAnimationFrame(() => {
      const active = document.activeElement;
      // A screen may have chosen a field of its own; who writes goes on.
      const chosen = active !== before && active !== this.main && this.main.contains(active);
      if (anyLayer() || (chosen && !isMakeshift(active)) || (this.main.contains(active) && isTyping(active))) return;
      const heading = this.heading();
      const now = heading ?? this.title();
      if (now === null) return;
      focusText(now);
      if (heading === null) this.await(now);
    });
  }

  /** The heading of what is shown; null as long as only the screen has one. */
  heading(): HTMLElement | null {
    return [...this.main.querySelectorAll<HTMLElement>('h1')].find((h) => h.getClientRects().length > 0) ?? null;
  }

  /** The heading of a thing comes with the thing. */
  private await(meanwhile: HTMLElement): void {
    const until = performance.now() + PATIENCE_MS;
    this.changes = new MutationObserver(() => {
      const heading = this.heading();
      const over = (document.activeElement !== meanwhile && !isMakeshift(document.activeElement)) || performance.now() > until;
      if (heading === null && !over) return;
      this.changes?.disconnect();
      if (heading !== null && !over) focusText(heading);
    });
    this.changes.observe(this.main, { childList: true, subtree: true });
  }

  end(): void {
    this.keep();
    this.stopRestoring();
    this.changes?.disconnect();
    for (const end of this.ends) end();
  }
}
