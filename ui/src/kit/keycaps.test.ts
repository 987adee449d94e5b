import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const css = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');

/** Relative luminance of a colour, by WCAG. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}
const contrast = (a: string, b: string): number => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
};

test('a key on a primary button has the contrast of its words, in every theme', () => {
  expect(css('app.css'), 'it takes the colour of its button').toMatch(/button kbd \{\s*color: inherit;/);
  expect(css('kit/controls.css'), 'at full strength').not.toMatch(/\.pd-button kbd \{[^}]*opacity/);
  const themes = [...css('tokens.css').matchAll(/--accent: (#\w{6});.*--on-accent: (#\w{6});/g)];
  expect(themes.length).toBeGreaterThanOrEqual(3);
  for (const [, accent, on] of themes) expect(contrast(accent!, on!), `${on} on ${accent}`).toBeGreaterThanOrEqual(4.5);
});
