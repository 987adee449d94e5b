// The address of what is shown, in the fragment of the page's URL.

/** The path in a URL's fragment; the start screen where there is none. */
export function pathOf(hash: string): string {
  const text = hash.replace(/^#/, '').split('?')[0] ?? '';
  return text.startsWith('/') && text.length > 1 ? text : '/start';
}

/** The parameters behind the path. */
export function queryOf(hash: string): URLSearchParams {
  return new URLSearchParams(hash.split('?')[1] ?? '');
}
