/** The environment that a path edits: an id, `null` for a new one, `undefined` when it edits none. */
export function editedBy(path: string): string | null | undefined {
  const id = /^\/environments\/([^/]+)$/.exec(path)?.[1];
  return id === undefined ? undefined : id === 'new' ? null : decodeURIComponent(id);
}
