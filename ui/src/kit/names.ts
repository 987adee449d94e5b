// Names as they are drawn. What cannot be seen in one is written out; those that begin alike are cut where they are alike, so
// that what tells them apart stays in sight.

/** Controls, what reorders or hides text, and what is drawn as nothing. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
/** Joiners belong into words of scripts that write letters together, and into a picture of several. */
const JOINER = /[\u200c\u200d]/;
const JOINED =
  /[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Nko}]$|(?![\u0300-\u036f])\p{M}$/u;
/** The look of a picture, and of a keycap. */
const LOOK = /[\ufe0e\ufe0f]/;
const PICTURE = /[\p{Extended_Pictographic}\p{Emoji_Modifier}]$/u;

/** Whether what is drawn as nothing is a part of how its word or picture is written. */
function isWritten(c: string, before: string, after: string): boolean {
  if (LOOK.test(c)) return PICTURE.test(before) || after.startsWith('\u20e3');
  return JOINER.test(c) && JOINED.test(before) && /^[\p{L}\p{M}\p{Extended_Pictographic}]/u.test(after);
}

/** A name in which nothing is hidden: `pro<U+200B>d`, as a terminal shows it. */
export const visible = (name: string): string =>
  name.replace(UNSEEN, (c, at: number) =>
    isWritten(c, name.slice(Math.max(0, at - 2), at), name.slice(at + c.length))
      ? c
      : `<U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}>`,
  );

/** A name where there is room for little: without the beginning that all addresses have. */
export const brief = (name: string): string => name.replace(/https?:\/\//g, '');

/** A shorter beginning is not worth cutting. */
const SHORT = 10;

/** Where a word ends, so that no letter is torn from the one that it is written together with. */
const boundary = (text: string, most: number): number => {
  const found = /^.*[\s/_.:,;|()[\]-]/su.exec(text.slice(0, most));
  return found ? found[0].length : 0;
};

/** For each name, how much of its beginning it shares with another one; 0 where that is not worth a cut. */
export function beginnings(names: readonly string[]): ReadonlyMap<string, number> {
  const sorted = [...new Set(names)].sort();
  const shared = (a: string, b: string): number => {
    const most = Math.min(a.length, b.length);
    let n = 0;
    while (n < most && a.charCodeAt(n) === b.charCodeAt(n)) n += 1;
    return n;
  };
  const found = new Map<string, number>();
  sorted.forEach((name, i) => {
    // Neighbours in order share the most.
    const most = Math.max(i > 0 ? shared(sorted[i - 1]!, name) : 0, i + 1 < sorted.length ? shared(name, sorted[i + 1]!) : 0);
    const at = boundary(name, most);
    found.set(name, at >= SHORT && at < name.length ? at : 0);
  });
  return found;
}

/** As `visible`, for a text of several lines. */
export const visibleLines = (text: string): string => text.replace(/[^\t\r\n]+/g, visible);
