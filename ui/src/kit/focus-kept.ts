// Where the focus is when nobody moved it: with what appears, and never lost with what goes.

const HEADINGS = 'h1, h2, h3, h4';
const OPERABLE = 'a[href], button, input, select, textarea, [tabindex]';

/** Whether an element is drawn and may have the focus. */
function usable(element: HTMLElement): boolean {
  return element.isConnected && !element.matches(':disabled') && element.getClientRects().length > 0 && !element.closest('[inert]');
}

/** Puts the focus on a heading, or on another text, which is no stop of Tab. */
export function focusText(element: HTMLElement): void {
  if (!element.hasAttribute('tabindex')) element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

let placed: Element | null = null;
/** Whether an element has the focus only because what had it went. */
export const isMakeshift = (element: Element | null): boolean => element !== null && element === placed;

/** Whether the last thing done was a key, not a press of the pointer; known while the focus is kept. */
export const byKeys = (): boolean => document.documentElement.hasAttribute('data-keys');

/**
 * Watches a root for what had the focus and goes: its row was deleted, its button is off while a run begins. The focus then goes
 * to the heading of the smallest part around it that is still there, else to something there that can be operated, else to
 * where `rest` says. A focus that somebody gave up by a press beside everything stays given up.
 */
export function keepFocus(root: HTMLElement, rest: () => HTMLElement | null): () => void {
  let last: { element: HTMLElement; around: HTMLElement[] } | null = null;
  /** What was switched off and may come back, and where the focus is meanwhile. */
  let lent: { by: HTMLElement; at: Element | null } | null = null;
  let waiting = 0;
  /** Where the pointer was pressed last, until the next key. */
  let pressedOn: EventTarget | null = null;

  function input(event: Event): void {
    pressedOn = event.type === 'pointerdown' ? event.target : null;
    document.documentElement.toggleAttribute('data-keys', event.type === 'keydown');
  }

  function came(event: FocusEvent): void {
    const element = event.target as HTMLElement;
    const around: HTMLElement[] = [];
    for (let at = element.parentElement; at !== null && at !== root.parentElement; at = at.parentElement) around.push(at);
    last = { element, around };
  }
  function left(event: FocusEvent): void {
    // By the next task it is known whether it went anywhere.
    setTimeout(() => {
      if (last === null || last.element !== event.target || document.activeElement !== document.body) return;
      const beside = pressedOn instanceof Node && !last.element.contains(pressedOn);
      if (beside) last = null;
      else soon();
    }, 0);
  }
  /** Where the focus goes when it left `around` with its element. */
  function place(element: HTMLElement, around: readonly HTMLElement[]): void {
    // Where a heading goes, the thing under it is another one.
    for (const part of element.tagName === 'H1' ? [] : around.filter((part) => part !== root && usable(part))) {
      const heading = [...part.querySelectorAll<HTMLElement>(HEADINGS)].find(usable);
      if (heading) return focusText(heading);
      const next = [...part.querySelectorAll<HTMLElement>(OPERABLE)].find(usable);
      if (next) return next.focus({ preventScroll: true });
    }
    const end = rest();
    if (end) focusText(end);
  }
  function look(): void {
    waiting = 0;
    const active = document.activeElement;
    if (lent !== null && usable(lent.by)) {
      const { by, at } = lent;
      lent = null;
      if (active === at) return by.focus({ preventScroll: true });
      // Somebody moved it on meanwhile, and what has it since may be what went.
    }
    if (last === null) return;
    if (usable(last.element)) {
      // It was switched off for less than a frame.
      if (active === document.body) last.element.focus({ preventScroll: true });
      return;
    }
    if (active !== document.body && active !== null && active !== last.element) return;
    const { element, around } = last;
    place(element, around);
    placed = document.activeElement;
    lent = element.isConnected ? { by: element, at: document.activeElement } : null;
  }
  function soon(): void {
    if (waiting === 0) waiting = requestAnimationFrame(look);
  }

  // Whether it is drawn is asked in the next frame, when it is known anyway: asked here, each row that a list draws while it is
  // scrolled would have the page laid out once more. A button that was switched off keeps the focus until then in some browsers.
  const changes = new MutationObserver((records) => {
    const went = last !== null && !last.element.isConnected;
    if (lent !== null || went || (last !== null && records.some((record) => record.type === 'attributes'))) soon();
  });
  changes.observe(document.body, { childList: true, subtree: true, attributeFilter: ['disabled', 'hidden', 'inert'] });
  addEventListener('keydown', input, true);
  addEventListener('pointerdown', input, true);
  document.addEventListener('focusin', came);
  document.addEventListener('focusout', left);
  return () => {
    changes.disconnect();
    cancelAnimationFrame(waiting);
    removeEventListener('keydown', input, true);
    removeEventListener('pointerdown', input, true);
    document.removeEventListener('focusin', came);
    document.removeEventListener('focusout', left);
  };
}
