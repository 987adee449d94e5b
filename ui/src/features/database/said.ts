// What the parts of the Database screen share: whether there is a database to ask.
import type { ScreenApp } from '../../kit/screen';

export type { Said } from '../../kit/said';

/** Whether the environment has a SQL database, by its addresses or because one was found. */
export const hasDatabase = (app: Pick<ScreenApp, 'environment' | 'targets'>): boolean =>
  app.environment?.roles.includes('database') === true || app.targets.some((target) => target.role === 'database');
