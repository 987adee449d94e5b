// What the parts of the Database screen share: whether there is a database to ask.
import type { ScreenApp } from '../../kit/screen';
import { hasTarget } from '../../lanes/there';

export type { Said } from '../../kit/said';

/** Whether the environment has a SQL database, by its addresses or because one was found. */
export const hasDatabase = (app: Pick<ScreenApp, 'environment' | 'targets'>): boolean => hasTarget(app, 'database');
