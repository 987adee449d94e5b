// Whether an environment has a target.
import type { ScreenApp } from '../kit/screen';

/** Whether the environment has a target of a role, by its addresses or because one was found. */
export const hasTarget = (app: Pick<ScreenApp, 'environment' | 'targets'>, role: string): boolean =>
  app.environment?.roles.includes(role) === true || app.targets.some((target) => target.role === role);
