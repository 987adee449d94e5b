// The keyboard: what a modifier is called here, when a key is text, and the two-key shortcuts.

export const isMac = (platform: string): boolean => /^(mac|iphone|ipad)/i.test(platform);

const mac = typeof navigator !== 'undefined' && isMac(navigator.platform);

/** `Ctrl K`, or `⌘ K` on a Mac. */
export const withModifier = (key: string, onMac = mac): string => `${onMac ? '⌘' : 'Ctrl'} ${key}`;

/** Whether the platform's command modifier, and no other, is held. */
export const hasModifier = (e: Pick<KeyboardEvent, 'ctrlKey' | 'metaKey' | 'altKey'>, onMac = mac): boolean =>
  !e.altKey && (onMac ? e.metaKey && !e.ctrlKey : e.ctrlKey && !e.metaKey);

const TEXT = 'input, textarea, select, [contenteditable]:not([contenteditable="false"])';

/** Whether a key goes into a field, so that no shortcut may take it. */
export function isTyping(target: EventTarget | null): boolean {
  const closest = (target as { closest?: (selector: string) => unknown } | null)?.closest;
  return typeof closest === 'function' && closest.call(target, TEXT) !== null;
}

/** Time for the second key, in milliseconds. */
export const SEQUENCE_MS = 1500;

/** Shortcuts of two keys, such as g then o. */
export class Sequence {
  #first: string | null = null;
  #until = 0;

  constructor(private readonly leader: string) {}

  /** Takes a key at a time; answers the second key of a sequence, else null. */
  take(key: string, nowMs: number): string | null {
    const waiting = this.#first !== null && nowMs <= this.#until;
    this.#first = null;
    if (waiting) return key;
    if (key === this.leader) {
      this.#first = key;
      this.#until = nowMs + SEQUENCE_MS;
    }
    return null;
  }
}
