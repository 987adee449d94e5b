// Frames as they travel: the names of series once in a stream, then rows of numbers.
import type { Frame, WireFrame } from './gen/index';

/** Decodes the frames of one stream; another stream begins with another decoder. */
export class FrameDecoder {
  #names: string[] = [];

  decode({ names, values, ...frame }: WireFrame): Frame {
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
    return { ...frame, series };
  }
}
