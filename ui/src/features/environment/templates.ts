// Templates of a cache's keys as lines of text, `name = pattern`.

export type Templates = Readonly<Record<string, string>>;

/** One line for each. */
export const linesOf = (templates: Templates | null): string =>
  Object.entries(templates ?? {})
    .map(([name, pattern]) => `${name} = ${pattern}`)
    .join('\n');

/** What the lines say, and what is wrong with them. A line that says nothing is kept as a name that no template can have: saving refuses it. */
export function templatesOf(text: string): { templates: Record<string, string>; fault: string | null } {
  const templates: Record<string, string> = {};
  let fault: string | null = null;
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const parts = /^\s*([^=]*?)\s*=\s*(.*?)\s*$/s.exec(line);
    const name = parts?.[1] ?? '';
    if (parts === null || name === '') fault ??= `Line ${at + 1} is no name = pattern`;
    else if (Object.hasOwn(templates, name)) fault ??= `${name} is named twice`;
    else {
      templates[name] = parts[2] ?? '';
      continue;
    }
    templates[`line ${at + 1}`] = line;
  }
  return { templates, fault };
}
