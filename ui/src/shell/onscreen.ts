// What can be pressed on the screen that is shown: the palette finds it by the words on it.

/** Where presses are about one row, one choice or the frame itself. */
const NOT_IN = 'table, [role=radiogroup], [role=listbox], [role=menu], [role=dialog], nav, .lane, [data-testid=jobs]';

const wordsOf = (element: HTMLElement): string => {
  const named = element.getAttribute('aria-label');
  if (named) return named.trim();
  const copy = element.cloneNode(true) as HTMLElement;
  for (const key of copy.querySelectorAll('kbd, svg')) key.remove();
  return (copy.textContent ?? '').replace(/\s+/g, ' ').trim();
};

export interface Press {
  name: string;
  press: () => void;
}

/** Buttons and links that are seen and enabled, each name once. */
export function onScreen(root: ParentNode = document): Press[] {
  const found = new Map<string, Press>();
  for (const element of root.querySelectorAll<HTMLElement>('main button:not(:disabled), main a[href], header button:not(:disabled)')) {
    if (element.closest(NOT_IN) || element.matches('[aria-haspopup], .skip')) continue;
    if (element.checkVisibility?.() === false) continue;
    const name = wordsOf(element);
    if (name === '' || found.has(name)) continue;
    found.set(name, {
      name,
      press: () => {
        element.focus();
        element.click();
      },
    });
  }
  return [...found.values()];
}
