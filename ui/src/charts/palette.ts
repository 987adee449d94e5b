// Chart colours, read from the design tokens and read again when the theme changes.

const NAMES = [
  'ink',
  'ink-fill',
  'cursor',
  'threshold',
  'gap',
  'band',
  'plot',
  'c1',
  'c2',
  'c3',
  'c4',
  'c5',
  'c6',
  'c-other',
  'q50',
  'q95',
  'q99',
  'h1',
  'h2',
  'h3',
  'h4',
  'h5',
  'h6',
  'h7',
  'h8',
  'arm-a',
  'arm-b',
  'grid-c',
  'text-1',
  'text-2',
  'text-3',
  'bad',
  'warn',
  'accent',
  'rule-c',
  'sheet',
] as const;

/** Name of a colour token without its dashes. */
export type Colour = (typeof NAMES)[number];

export interface Palette {
  colours: Record<Colour, string>;
  /** Width of a data line, in CSS pixels. */
  stroke: number;
  /** Family for text on a canvas. */
  font: string;
}

function read(): Palette {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string): string => style.getPropertyValue(name).trim();
  const colours = Object.fromEntries(NAMES.map((n) => [n, get(`--${n}`) || '#808080'])) as Record<Colour, string>;
  const contrast = document.documentElement.dataset['theme'] === 'contrast';
  const stroke = Number.parseFloat(get(contrast ? '--stroke-strong' : '--stroke-data')) || 1.25;
  return { colours, stroke, font: get('--font-ui') || 'sans-serif' };
}

let current: Palette | null = null;
const listeners = new Set<() => void>();
let watching = false;

function reread(): void {
  current = null;
  for (const listener of listeners) listener();
}

/** The colours in force. */
export function palette(): Palette {
  return (current ??= read());
}

/** Calls `listener` after every change of theme; returns how to stop. */
export function onTheme(listener: () => void): () => void {
  if (!watching) {
    watching = true;
    const attributes = new MutationObserver(reread);
    attributes.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme', 'class', 'style'] });
    for (const query of ['(prefers-color-scheme: dark)', '(prefers-contrast: more)', '(forced-colors: active)']) {
      matchMedia(query).addEventListener('change', reread);
    }
  }
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let measure: CanvasRenderingContext2D | null = null;
const widths = new Map<string, number>();

/** Width of an axis label, in CSS pixels. Figures are as wide as each other, so that few texts differ. */
export function labelWidth(text: string): number {
  const shape = text.replaceAll(/\d/g, '0');
  const known = widths.get(shape);
  if (known !== undefined) return known;
  measure ??= document.createElement('canvas').getContext('2d');
  if (!measure) return 6.5 * text.length;
  measure.font = `400 11px ${palette().font}`;
  const width = Math.ceil(measure.measureText(shape).width);
  // What is measured before the fonts are there is measured again.
  if (document.fonts?.status === 'loaded' && widths.size < 500) widths.set(shape, width);
  return width;
}

/** `colour` (flat hex) at `share` of its strength. */
export function faded(colour: string, share: number): string {
  if (!/^#[0-9a-f]{6}$/i.test(colour)) return colour;
  return (
    colour +
    Math.round(share * 255)
      .toString(16)
      .padStart(2, '0')
  );
}
