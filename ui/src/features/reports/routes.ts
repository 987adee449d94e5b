// What an address below `/reports` shows.

export type Shown = { view: 'list' } | { view: 'new' } | { view: 'report'; id: string };

export const LIST = '/reports';
export const NEW = '/reports/new';

/** The address of a report. */
export const viewOf = (id: string): string => `${LIST}/${encodeURIComponent(id)}`;

/** Reads an address. */
export function shownAt(path: string): Shown {
  if (path === NEW) return { view: 'new' };
  if (!path.startsWith(`${LIST}/`) || path === `${LIST}/`) return { view: 'list' };
  const part = path.slice(LIST.length + 1);
  try {
    return { view: 'report', id: decodeURIComponent(part) };
  } catch {
    return { view: 'report', id: part };
  }
}
