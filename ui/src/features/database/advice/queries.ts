// Statements that are pasted together, one by one.

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
