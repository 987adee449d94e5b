// Statements that are pasted together, one by one, and those that were handed in last.
import type { ScreenApp } from '../../../kit/screen';

/** What a semicolon within does not end. */
const QUIET = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$[\s\S]*?\$\1\$/g;

/** The statements of a text; what is left of comments alone is none. */
export function queriesOf(text: string): string[] {
  const blank = text.replace(QUIET, (quiet) => quiet.replaceAll(';', '\u0000'));
  return blank
    .split(';')
    .map((query) => query.replaceAll('\u0000', ';').trim())
    .filter((query) => query.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, '').trim() !== '');
}

/** What was handed in last, by environment: in memory alone, because their values may be secrets. Another page load has none of it. */
const last = new WeakMap<ScreenApp, Map<string, readonly string[]>>();

/** Queries that were handed in last for an environment, since the window was loaded. */
export const handedIn = (app: ScreenApp, environment: string): readonly string[] => last.get(app)?.get(environment) ?? [];

export function remember(app: ScreenApp, environment: string, queries: readonly string[]): void {
  const all = last.get(app) ?? new Map<string, readonly string[]>();
  last.set(app, all.set(environment, queries));
}
