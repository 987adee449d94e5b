// Finding by letters in order: how well a name fits, or that it does not.

/** A higher number fits better; null does not fit. Starts of words and runs of letters count more. */
export function score(name: string, query: string): number | null {
  const text = name.toLowerCase();
  const letters = query.toLowerCase().replaceAll(/\s+/g, '');
  if (letters === '') return 0;
  const whole = text.indexOf(query.trim().toLowerCase());
  if (whole >= 0) return 1000 - whole + (whole === 0 || text[whole - 1] === ' ' ? 500 : 0) - text.length * 0.1;
  let total = 0;
  let from = 0;
  let last = -2;
  for (const letter of letters) {
    const at = text.indexOf(letter, from);
    if (at < 0) return null;
    const start = at === 0 || text[at - 1] === ' ';
    total += (at === last + 1 ? 8 : 0) + (start ? 6 : 0) - (at - from) * 0.5;
    last = at;
    from = at + 1;
  }
  return total - text.length * 0.1;
}

/** The items that fit, best first; in their given order where they fit alike. */
export function filter<T>(items: readonly T[], query: string, name: (item: T) => string): T[] {
  if (query.trim() === '') return [...items];
  return items
    .map((item, order) => ({ item, order, value: score(name(item), query) }))
    .filter((entry): entry is { item: T; order: number; value: number } => entry.value !== null)
    .sort((a, b) => b.value - a.value || a.order - b.order)
    .map((entry) => entry.item);
}
