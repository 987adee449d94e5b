// Guards as a person writes them: shares in per cent, nothing where there is no limit.

/** A number as it is typed; `null` for nothing and for what is none. */
export const number = (text: string): number | null => (text.trim() === '' || !Number.isFinite(Number(text)) ? null : Number(text));

/** A share of 0 to 1 in per cent, without the noise of its binary form. */
export const percentOf = (share: number | null): string => (share === null ? '' : String(Number((share * 100).toPrecision(6))));

/** Per cent as a share; what is no share of 0 to 1 is kept as typed, for `shareFault` to name. */
export function shareOf(text: string): number | null {
  const percent = number(text);
  return percent === null ? null : percent / 100;
}

/** What is wrong with a share, if anything. */
export const shareFault = (share: number | null): string | null =>
  share !== null && (share < 0 || share > 1) ? 'From 0 to 100 %, or empty for no limit' : null;
