// A comparison as text: for a message, a page, a table and a program.
import { DASH, format } from '../../../kit/figures';
import * as md from '../../../kit/markdown';
import type { MetricComparison, StoredComparison } from '../types';
import { unitOf } from './clock';
import { effectText, intervalText, metricLabel, verdictWord } from './scale';

const judged = (m: MetricComparison): string => (m.note?.startsWith('n too small') ? 'n too small' : verdictWord(m.verdict));

/** The sentence with its two sides, as a heading and a table of Markdown. */
export function markdown(c: StoredComparison): string {
  return [
    `### ${md.text(c.name)}`,
    '',
    md.text(c.sentence),
    '',
    `A: ${md.text(c.label_a)}  `,
    `B: ${md.text(c.label_b)}  `,
    md.utc(c.created_ms),
    ...c.differences.map((d) => `\nNot comparable: ${md.text(d)}`),
    ...c.invalid_reasons.map((reason) => `\nInvalid: ${md.text(reason)}`),
    '',
    '| metric | A | B | effect | interval | verdict |',
    '| --- | ---: | ---: | ---: | ---: | --- |',
    ...c.metrics.map((m) => {
      const unit = unitOf(m.unit);
      const cells = [
        metricLabel(m) + (m.primary ? ' (chosen)' : ''),
        format(m.a_median, unit),
        format(m.b_median, unit),
        effectText(m.effect),
        intervalText(m.low, m.high) || DASH,
        judged(m),
      ];
      return md.row(cells.map(md.text));
    }),
    '',
  ].join('\n');
}

/** A field of CSV, quoted where it must be. */
const field = (value: string | number | boolean | null): string => {
  const text = value === null ? '' : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** The metrics as CSV: plain numbers, effects as shares; what is unknown is empty. */
export function csv(c: StoredComparison): string {
  const head = ['metric', 'unit', 'chosen', 'a_median', 'b_median', 'effect', 'low', 'high', 'level', 'pairs', 'verdict', 'note'];
  const rows = c.metrics.map((m) => [
    m.name,
    m.unit,
    m.primary,
    m.a_median,
    m.b_median,
    m.effect,
    m.low,
    m.high,
    c.level,
    m.pairs,
    m.verdict,
    m.note,
  ]);
  return [head, ...rows].map((row) => `${row.map(field).join(',')}\n`).join('');
}

/** The comparison as the engine has it. */
export const json = (c: StoredComparison): string => `${JSON.stringify(c, null, 2)}\n`;

/** A name for a file: what every system takes. */
export const fileName = (c: StoredComparison, ending: string): string =>
  `${
    c.name
      .normalize('NFKC')
      .replaceAll(/[^\p{L}\p{N}._-]+/gu, '-')
      .replaceAll(/^[-.]+|-+$/g, '')
      .slice(0, 80) || 'comparison'
  }.${ending}`;
