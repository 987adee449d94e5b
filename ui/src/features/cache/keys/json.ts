// JSON as a tree whose tokens keep their text: numbers are not rounded, and names that are repeated stay.

export interface Node {
  /** The name before it, with its quotes; null in a list and at the root. */
  name: string | null;
  /** What it opens with; null for a single token. */
  open: '{' | '[' | null;
  /** The token; empty where it opens. */
  token: string;
  nodes: readonly Node[];
}

const TOKENS = /\s*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|([^\s{}[\],:"]+))/y;
/** Nodes that a tree has at most. */
const MOST = 100_000;
/** Levels that it has at most: each is a call within a call. */
const DEEP = 200;

/** Reads a text; null where it is no JSON, or more than a tree shows. */
export function jsonTree(text: string): Node | null {
  let [at, count] = [0, 0];
  const next = (): string | null => {
    TOKENS.lastIndex = at;
    const found = TOKENS.exec(text);
    if (found) at = TOKENS.lastIndex;
    return found ? (found[1] ?? found[2] ?? found[3] ?? null) : null;
  };
  let token = next();
  const take = (): string | null => {
    const was = token;
    token = next();
    return was;
  };
  const scalar = (t: string): boolean => t.startsWith('"') || /^(?:true|false|null|-?\d[\d.eE+-]*)$/.test(t);
  function value(name: string | null, depth: number): Node | null {
    count += 1;
    const first = take();
    if (first === null || count > MOST || depth > DEEP) return null;
    if (first !== '{' && first !== '[') return scalar(first) ? { name, open: null, token: first, nodes: [] } : null;
    const nodes: Node[] = [];
    const end = first === '{' ? '}' : ']';
    while (token !== end) {
      if (nodes.length > 0 && take() !== ',') return null;
      let of: string | null = null;
      if (first === '{') {
        of = take();
        if (!of?.startsWith('"') || take() !== ':') return null;
      }
      const node = value(of, depth + 1);
      if (node === null) return null;
      nodes.push(node);
    }
    take();
    return { name, open: first, token: '', nodes };
  }
  const root = value(null, 0);
  return root !== null && token === null && text.slice(at).trim() === '' ? root : null;
}

/** How many nodes there are. */
export const size = (node: Node): number => node.nodes.reduce((sum, one) => sum + size(one), 1);

/** What a token is, for its colour. */
export const kindOf = (token: string): 'text' | 'number' | 'word' =>
  token.startsWith('"') ? 'text' : /^-?\d/.test(token) ? 'number' : 'word';
