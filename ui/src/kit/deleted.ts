// Where what was deleted can be restored, for the screens that things are deleted from.
export const DELETED = '/deleted';

/** How long it can be restored, in milliseconds: the engine's `UNDO_MS`. */
export const KEPT_MS = 7 * 86_400_000;

/** The screen with what has a name, among all that was deleted. */
export const deletedAs = (name: string): string => `${DELETED}?${new URLSearchParams({ like: name }).toString()}`;
