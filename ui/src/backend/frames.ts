// Frames as they travel: the names of series once in a stream, then rows of numbers; everything else in parts by topic.
import { narrowed } from './narrow';
import type { Part, Topic, WireFrame } from './gen/index';

/** A frame with its samples by the names of their series. */
export interface Frame extends Omit<WireFrame, 'names' | 'values'> {
  /** Values by series id, each as long as `t`; null is a gap. */
  series: Record<string, (number | null)[]>;
}

/** What of each topic this window understands; a new topic has to be decided about here. */
const UNDERSTOOD: Record<Topic, 'samples' | 'part'> = {
  series: 'samples',
  targets: 'part',
  jobs: 'part',
  bench: 'part',
  own: 'part',
  changed: 'part',
};

/** The topics that a stream is asked for. */
export const TOPICS = Object.keys(UNDERSTOOD) as Topic[];

/** What the part of each topic tells. */
export type Told = { [P in Part as P['topic']]: P['value'] };

/** What a frame says about a topic; null when that did not change. */
export function partOf<K extends keyof Told>(frame: Pick<Frame, 'parts'>, topic: K): Told[K] | null {
  const found = frame.parts.find((part) => part.topic === topic);
  return (found?.value ?? null) as Told[K] | null;
}

/** Decodes the frames of one stream; another stream begins with another decoder. */
export class FrameDecoder {
  #names: string[] = [];

  decode({ names, values, ...frame }: WireFrame): Frame {
    const unknown = frame.parts.find((part) => UNDERSTOOD[part.topic] !== 'part');
    if (unknown) throw new Error(`The stream tells of '${unknown.topic}', which this window does not know: reload it`);
    this.#names.push(...names);
    const series: Frame['series'] = {};
    values.forEach((row, i) =>
      row.forEach((value, place) => {
        if (value === null) return;
        const name = this.#names[place];
        if (name === undefined) throw new Error('A value of the stream has no name');
        // A series that skipped a time has a gap there.
        (series[name] ??= new Array<number | null>(values.length).fill(null))[i] = value;
      }),
    );
    return { ...frame, parts: narrowed(frame.parts), series };
  }
}
