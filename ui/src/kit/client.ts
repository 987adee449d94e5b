// What a screen asks of the engine, in one small interface, and what it does with the answers.
import type { Commands } from '../backend/gen/commands';
import type { Columns, Remedy } from '../backend/types';

export interface ApiProblem {
  message: string;
  hint: string | null;
  /** What helps, where a screen can do it. */
  remedy?: Remedy | undefined;
}

/** Commands that answer binary columns. */
export type Drawn = { [K in keyof Commands]: Commands[K]['res'] extends Columns ? K : never }[keyof Commands];
/** Commands that answer JSON. */
export type Answering = Exclude<keyof Commands, Drawn>;

export interface Client {
  rpc<K extends Answering>(name: K, params: Commands[K]['req']): Promise<Commands[K]['res']>;
  columns<K extends Drawn>(name: K, params: Commands[K]['req']): Promise<Columns>;
}

/** Any thrown value as a message and a hint. */
export function problem(error: unknown): ApiProblem {
  if (typeof error === 'object' && error !== null && 'message' in error) {
    const e = error as { message: unknown; hint?: unknown; remedy?: Remedy };
    const said = { message: String(e.message), hint: typeof e.hint === 'string' && e.hint !== '' ? e.hint : null };
    return e.remedy === undefined ? said : { ...said, remedy: e.remedy };
  }
  return { message: String(error), hint: null };
}

/** Copies text; says whether it worked. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.style.position = 'fixed';
    area.style.opacity = '0';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** Offers a file for download. */
export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
