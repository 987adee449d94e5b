// What is done only after a name was typed; the frame shows the dialog.
import type { Kind } from '../backend/types';

export interface Asked {
  /** The name that is to be typed. */
  name: string;
  kind: Kind;
  title: string;
  /** What happens then. */
  text: string;
  /** The button that does it, and the one that leaves it. */
  word: string;
  leave: string;
  danger?: boolean;
  /** What fails is said in the dialog, which stays. */
  act: () => Promise<void>;
  testid: string;
}

class Typed {
  asked = $state.raw<Asked | null>(null);
  ask(asked: Asked): void {
    this.asked = asked;
  }
}
export const typed = new Typed();
