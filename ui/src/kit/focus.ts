// The focus goes to the heading of what appears, where it would fall to the body.
import { tick } from 'svelte';

/** To be used on a heading: it takes the focus when it appears and nothing else has it. */
export function arrives(node: HTMLElement, wanted = true): void {
  node.tabIndex = -1;
  if (!wanted) return;
  void tick().then(() => {
    const at = document.activeElement;
    if (node.isConnected && (at === null || at === document.body)) node.focus({ preventScroll: true });
  });
}
