// The parameters of an address, for tests: they change as those of the window do.
import type { ScreenApp } from '../kit/screen';

export class FakeAddress implements Pick<ScreenApp, 'param' | 'setParams' | 'path' | 'go'> {
  path = $state('/');
  /** The parameters as text. */
  query = $state('');

  constructor(address: string) {
    this.go(address);
  }
  /** What was gone to, as a step of the reader does. */
  readonly go = (address: string): void => {
    const [path = '/', query = ''] = address.split('?');
    [this.path, this.query] = [path, query];
  };
  readonly param = (name: string): string | null => new URLSearchParams(this.query).get(name);
  readonly setParams = (params: Readonly<Record<string, string | null>>): void => {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(params)) {
      if (value === null) query.delete(name);
      else query.set(name, value);
    }
    this.query = query.toString();
  };
}
