// Thin spaces in the engine's texts become narrow ones, at which no line breaks: a figure stays whole wherever it is shown.
const THIN = '\u2009';
const NARROW = '\u202f';

/** The same value with narrow spaces in its texts; what has no thin ones is the same object. */
export function narrowed<T>(value: T): T {
  if (typeof value === 'string') return (value.includes(THIN) ? value.replaceAll(THIN, NARROW) : value) as T;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value;
  const own = value as Record<string, unknown>;
  for (const key in own) {
    const was = own[key];
    // Most of an answer are numbers, which cost nothing here.
    if (typeof was !== 'string' && (typeof was !== 'object' || was === null)) continue;
    const now = narrowed(was);
    if (now !== was) own[key] = now;
  }
  return value;
}
