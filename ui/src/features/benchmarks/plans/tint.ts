// The tint of TOML: words of a line with what they are. A glance for the reader, not a parser.

export type Kind = 'plain' | 'comment' | 'table' | 'key' | 'text' | 'number' | 'slot';
export interface Word {
  kind: Kind;
  text: string;
}

/** Longer texts are shown plain. */
export const LONGEST = 60_000;

const TOKEN =
  /(#.*$)|("""|''')|("(?:[^"\\]|\\.)*"?|'[^']*'?)|(\b(?:true|false)\b|[+-]?\b\d[\d_.:TZeE+-]*)|([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)(?=\s*=)|([^#"'A-Za-z0-9+-]+|.)/g;

/** A text with its templates `{{…}}` set apart. */
function slots(text: string): Word[] {
  return text
    .split(/(\{\{[^}]*\}\})/)
    .filter((t) => t !== '')
    .map((t) => ({ kind: t.startsWith('{{') ? 'slot' : 'text', text: t }));
}

/** The words of each line. */
export function tint(toml: string): Word[][] {
  /** The quotes of a text over several lines, while inside one. */
  let open: string | null = null;
  return toml.split('\n').map((line) => {
    const words: Word[] = [];
    let rest = line;
    if (open !== null) {
      const end = line.indexOf(open);
      if (end < 0) return slots(line);
      words.push(...slots(line.slice(0, end + 3)));
      rest = line.slice(end + 3);
      open = null;
    } else if (/^\s*\[/.test(line) && /^\s*\[{1,2}[^\]]*\]{1,2}\s*(#.*)?$/.test(line)) {
      const at = line.indexOf(']') < 0 ? line.length : line.lastIndexOf(']') + 1;
      return [
        { kind: 'table', text: line.slice(0, at) },
        ...(line.length > at ? [{ kind: 'comment' as const, text: line.slice(at) }] : []),
      ];
    }
    for (const m of rest.matchAll(TOKEN)) {
      const [text, comment, triple, string, number, key] = m;
      if (triple !== undefined) {
        const from = m.index;
        const end = rest.indexOf(triple, from + 3);
        const to = end < 0 ? rest.length : end + 3;
        words.push(...slots(rest.slice(from, to)));
        if (end < 0) open = triple;
        words.push(...(end < 0 ? [] : (tint(rest.slice(to))[0] ?? [])));
        break;
      }
      if (comment !== undefined) words.push({ kind: 'comment', text });
      else if (string !== undefined) words.push(...slots(text));
      else if (number !== undefined) words.push({ kind: 'number', text });
      else if (key !== undefined) words.push({ kind: 'key', text });
      else words.push({ kind: 'plain', text });
    }
    return words;
  });
}
