// The answer of a part of a screen in a sentence.

/** The answer of a part: what is the matter, the rest of the sentence, and one line beneath it. */
export interface Said {
  /** What kind of an answer it is; one without has no sign. */
  tone?: 'ok' | 'warn' | 'bad' | 'unknown';
  strong: string;
  rest: string;
  support?: string;
}
