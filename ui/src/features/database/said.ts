// What the parts of the Database screen share: the answer of a part in a sentence, and whether there is a database to ask.
import type { ScreenApp } from '../../kit/screen';

/** The answer of a part: what is the matter, the rest of the sentence, and one line beneath it. */
export interface Said {
  /** What kind of an answer it is; one without has no sign. */
  tone?: 'ok' | 'warn' | 'bad' | 'unknown';
  strong: string;
  rest: string;
  support?: string;
}

/** Whether the environment has a SQL database, by its addresses or because one was found. */
export const hasDatabase = (app: Pick<ScreenApp, 'environment' | 'targets'>): boolean =>
  app.environment?.roles.includes('database') === true || app.targets.some((target) => target.role === 'database');
