// Names that begin alike are cut where they are alike: what tells them apart stays in sight.

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
