// What the screen of reports does: the engine's work, and what is said of it.
import { copyText, problem, type ApiProblem } from '../../kit/client';
import type { ScreenApp } from '../../kit/screen';
import { toasts } from '../../kit/toasts.svelte';
import type { ReportFile } from '../../backend/types';

/** The name of a file. */
export const nameOf = (path: string): string => path.split(/[\\/]/).pop() || 'report.html';

export class Doing {
  /** Why the last action failed. */
  failed = $state.raw<ApiProblem | null>(null);
  readonly #app: ScreenApp;

  constructor(app: ScreenApp) {
    this.#app = app;
  }

  async attempt<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      this.failed = null;
      return await work();
    } catch (error) {
      this.failed = problem(error);
      return null;
    }
  }

  /** Takes a report off the list, with a way back. */
  async remove(file: ReportFile, done: () => void): Promise<void> {
    if ((await this.attempt(() => this.#app.rpc('report.delete', { id: file.id }))) === null) return;
    done();
    toasts.show(`Deleted “${file.title}”; its files stay for seven days`, {
      label: 'Undo',
      run: () => void this.attempt(() => this.#app.rpc('report.restore', { id: file.id })).then(done),
    });
  }

  async copyPath(file: ReportFile): Promise<void> {
    const done = await copyText(file.html_path);
    toasts.show(done ? `Copied ${file.html_path}` : 'The system refused the clipboard; the path was not copied');
  }
}
