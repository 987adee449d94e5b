// The address of what is shown, in the fragment of the page's URL: `#/e/<environment>/<screen>…?<parameters>`.

export interface Address {
  /** Identifier of the environment; null where the address names none. */
  environment: string | null;
  /** Path of the screen, such as `/benchmarks/new`; the start screen where there is none. */
  path: string;
}

const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

/** Reads a URL's fragment. */
export function addressOf(hash: string): Address {
  const text = hash.replace(/^#/, '').split('?')[0] ?? '';
  const named = /^\/e\/([^/]+)(\/.*)?$/.exec(text);
  const path = named ? (named[2] ?? '') : text;
  const screen = path.startsWith('/') && path.length > 1 ? path : named ? '/overview' : '/start';
  return { environment: named ? decoded(named[1]!) : null, path: screen };
}

/** The path of a screen in a URL's fragment. */
export const pathOf = (hash: string): string => addressOf(hash).path;

/** The parameters behind the path. */
export function queryOf(hash: string): URLSearchParams {
  return new URLSearchParams(hash.split('?')[1] ?? '');
}

/** The fragment, without its `#`, that shows a path of an environment. `path` may have parameters. */
export const fragmentOf = (environment: string | null, path: string): string =>
  environment === null ? path : `/e/${encodeURIComponent(environment)}${path}`;
