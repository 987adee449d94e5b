/** The environment that a path edits: an id, `null` for a new one, `undefined` when it edits none. */
export function editedBy(path: string): string | null | undefined {
  const id = /^\/environments\/([^/]+)$/.exec(path)?.[1];
  return id === undefined ? (copiedBy(path) === null ? undefined : null) : id === 'new' ? null : decodeURIComponent(id);
}

/** The environment that a path makes a copy of; null when it makes none. The copy is there when it is saved. */
export function copiedBy(path: string): string | null {
  const id = /^\/environments\/([^/]+)\/copy$/.exec(path)?.[1];
  return id === undefined ? null : decodeURIComponent(id);
}
