// A SQL statement or a script: text fields to a specification, with what is wrong beside its field.
import type { Pace, SqlBenchSpec, SqlValue } from '../types';
import { MASK, maskWords } from './http';
import { blankLoad, fromPace, parsePace, USUAL, whole, type LoadErrors, type LoadForm } from './load';

export type Draw = SqlValue['kind'];

/** One parameter as it is filled in. */
export interface ParameterForm {
  kind: Draw;
  /** A constant or a text. */
  value: string;
  from: string;
  to: string;
  items: string;
}

export interface SqlForm {
  statement: string;
  /** Several statements, which are one transaction. */
  script: boolean;
  parameters: ParameterForm[];
  transaction: boolean;
  prepared: boolean;
}

export interface SqlErrors {
  statement?: string;
  parameters: string[];
  load: LoadErrors;
}

/** How values are chosen, as `perfctl bench sql --param` has them. */
export const DRAWS: readonly { value: Draw; label: string }[] = [
  { value: 'constant', label: 'constant' },
  { value: 'text', label: 'text' },
  { value: 'null', label: 'NULL' },
  { value: 'uniform', label: 'uniform' },
  { value: 'zipf', label: 'zipf' },
  { value: 'sequence', label: 'sequence' },
];

export const blankParameter = (): ParameterForm => ({ kind: 'uniform', value: '', from: '1', to: '1000', items: '1000' });
export const blankSql = (statement: string): SqlForm => ({
  statement,
  script: false,
  parameters: [],
  transaction: false,
  prepared: true,
});
export const blankSqlLoad = (): LoadForm => blankLoad(USUAL.data);

/** A quoted part, a comment, or a parameter: what is within the former is none. `??` is an operator's. */
const PARTS = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\/|\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$|\$(\d+)|(\?\d*)/g;

/** How many parameters a statement has; the engine counts again by the rules of its database. */
export function parametersOf(statement: string): number {
  let [highest, marks] = [0, 0];
  for (const part of statement.matchAll(PARTS)) {
    if (part[2] !== undefined) highest = Math.max(highest, Number(part[2]));
    else if (part[3] === '?') marks += 1;
    else if (part[3] !== undefined) highest = Math.max(highest, Number(part[3].slice(1)));
  }
  // Nobody writes hundreds by hand; a mistyped number must not make as many fields.
  return Math.min(100, highest > 0 ? highest : marks);
}

/** As many parameters as the statement has, those that were filled in first. */
export const fitted = (parameters: readonly ParameterForm[], count: number): ParameterForm[] =>
  Array.from({ length: count }, (_, i) => parameters[i] ?? blankParameter());

/** What `perfctl --param` takes for something else than a constant. */
const READ_OTHERWISE = /^(?:null$|(?:text|uniform|zipf|sequence):)/i;

function valueOf(p: ParameterForm): { value: SqlValue; fault: string } {
  const [from, to, items] = [whole(p.from), whole(p.to), whole(p.items)];
  const range = Number.isNaN(from) || Number.isNaN(to) ? 'Two whole numbers' : from > to ? 'The first is above the last' : '';
  const masked = p.value.includes(MASK) ? maskWords : '';
  switch (p.kind) {
    case 'constant':
      return {
        value: { kind: 'constant', value: p.value },
        fault: masked || (READ_OTHERWISE.test(p.value) ? 'Choose text for this word, or the way it is drawn' : ''),
      };
    case 'text':
      return { value: { kind: 'text', text: p.value }, fault: masked };
    case 'null':
      return { value: { kind: 'null' }, fault: '' };
    case 'uniform':
      return { value: { kind: 'uniform', from, to }, fault: range };
    case 'sequence':
      return { value: { kind: 'sequence', from, to }, fault: range };
    case 'zipf':
      return { value: { kind: 'zipf', items }, fault: items >= 1 ? '' : 'A whole number from 1' };
  }
}

/** The specification, or what is wrong with which field. */
export function parseSql(
  form: SqlForm,
  load: LoadForm,
  kept: Pick<Pace, 'seed' | 'threads'>,
): { spec: SqlBenchSpec | null; errors: SqlErrors } {
  const errors: SqlErrors = { parameters: [], load: {} };
  if (form.statement.trim() === '') errors.statement = form.script ? 'Enter the statements' : 'Enter the statement to run';
  else if (form.statement.includes(MASK)) errors.statement = maskWords;
  const values = form.parameters.map(valueOf);
  errors.parameters = values.map((v) => v.fault);
  const pace = parsePace(load, kept, errors.load);
  if (errors.statement || errors.parameters.some((f) => f !== '') || Object.keys(errors.load).length > 0) return { spec: null, errors };
  const spec: SqlBenchSpec = {
    statement: form.statement,
    script: form.script ? 'script.sql' : null,
    parameters: values.map((v) => v.value),
    transaction: form.transaction,
    prepared: form.prepared,
    pace,
  };
  return { spec, errors };
}

export function fromSql(spec: SqlBenchSpec): { form: SqlForm; load: LoadForm } {
  const parameters = spec.parameters.map((value): ParameterForm => {
    const form = { ...blankParameter(), kind: value.kind };
    switch (value.kind) {
      case 'constant':
        return { ...form, value: value.value };
      case 'text':
        return { ...form, value: value.text };
      case 'null':
        return form;
      case 'uniform':
      case 'sequence':
        return { ...form, from: String(value.from), to: String(value.to) };
      case 'zipf':
        return { ...form, items: String(value.items) };
    }
  });
  const { statement, transaction, prepared } = spec;
  return { form: { statement, script: spec.script !== null, parameters, transaction, prepared }, load: fromPace(spec.pace) };
}
