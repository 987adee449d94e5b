// What a run's figures rest on, as rows: the measured value, its limit, and how it turned out.
import { format, setting, significant } from '../../../kit/figures';
import type { Run } from '../types';

export type Tone = 'ok' | 'warn' | 'bad' | 'none';

export interface Ground {
  key: string;
  text: string;
  tone: Tone;
  /** The value with its limit; why there is none in a word or two. */
  value: string;
  /** What it means, or why it is not known. */
  why: string;
}

/** Correlation of neighbouring seconds from which they are no samples of their own. */
const DEPENDENT = 0.5;
/** The limits of the engine's own judgement. */
const RATE = 0.99;
const BUSY = 0.8;
const CEILING = 0.7;
/** Seconds that it takes to tell anything about them. */
const SHORTEST = 20;

const percent = (share: number): string => format(share, 'ratio');
const ms = (value: number): string => format(value, 'ms');

function held(key: string, text: string, value: string, holds: boolean, otherwise: 'warn' | 'bad', why: string): Ground {
  return { key, text, tone: holds ? 'ok' : otherwise, value, why };
}
const unknown = (key: string, text: string, value: string, why: string): Ground => ({ key, text, tone: 'none', value, why });

function ceiling(c: Run['footing']): Ground {
  const text = 'Share of the ceiling';
  if (c.ceiling_share === null) return unknown('ceiling', text, 'not known', 'neither measured nor told by the CPU time of the generator');
  const projected = c.ceiling_kind === 'projected';
  const limit = projected ? BUSY : CEILING;
  const why = projected
    ? 'that the CPU time of the generator leaves room for; nothing can stand in for this kind of target'
    : 'that the generator reaches against a target that does nothing';
  return held(
    'ceiling',
    text,
    `${percent(c.ceiling_share)}, limit ${Math.round(limit * 100)}\u202f%`,
    c.ceiling_share <= limit,
    'warn',
    `of the ${format(c.ceiling_per_s, 'per_second')} ${why}`,
  );
}

/** The grounds of a run, those of the schedule first. */
export function grounds(run: Run): Ground[] {
  const c = run.footing;
  const open = run.spec.load.kind === 'rate';
  const seconds = run.intervals.filter((i) => i.duration_s > 0.99).length;
  const [early, because] = seconds < SHORTEST ? ['too short', 'needs 20 seconds'] : ['not given', 'not given by this engine'];
  const [word, why] = open ? ['not given', 'not given by this engine'] : ['closed loop', 'a closed loop has no schedule'];
  return [
    c.rate_share === null
      ? unknown('rate', 'Rate held', word, why)
      : held(
          'rate',
          'Rate held',
          `${percent(c.rate_share)}, at least 99\u202f%`,
          c.rate_share >= RATE,
          'bad',
          'sent in time, of what was asked for',
        ),
    c.lag_p99_ms === null
      ? unknown('lag', 'Schedule lag p99', word, why)
      : held(
          'lag',
          'Schedule lag p99',
          c.lag_limit_ms === null ? ms(c.lag_p99_ms) : `${ms(c.lag_p99_ms)}, limit ${setting(c.lag_limit_ms / 1000)}`,
          c.lag_limit_ms === null || c.lag_p99_ms <= c.lag_limit_ms,
          'bad',
          'from the intended to the actual start',
        ),
    c.generator_cpu_share === null
      ? unknown('cpu', 'Generator CPU', 'not told', 'this system does not tell the CPU time of threads')
      : held(
          'cpu',
          'Generator CPU',
          `${percent(c.generator_cpu_share)}, limit 80\u202f%`,
          c.generator_cpu_share <= BUSY,
          'warn',
          'of one core for each of its threads',
        ),
    ceiling(c),
    ...(c.throttled_periods === null || c.throttled_s === null
      ? []
      : [
          held(
            'quota',
            'Not held back by a quota',
            c.throttled_periods === 0 ? 'never' : `${c.throttled_periods} times, ${format(c.throttled_s, 'seconds')}`,
            c.throttled_periods === 0,
            'warn',
            'by the CPU quota of the generator’s cgroup; requests that wait for it look slow',
          ),
        ]),
    c.co_located === null
      ? unknown('place', 'Generator apart', 'not told', 'the tool that made the run does not tell where it ran')
      : held(
          'place',
          'Generator apart',
          c.co_located ? 'same machine' : 'another machine',
          !c.co_located,
          'warn',
          c.co_located ? 'generator and target share this machine' : 'the target runs elsewhere',
        ),
    c.steady === null
      ? run.spec.kind === 'plan' && run.spec.varies
        ? unknown('steady', 'Steady', 'load varies', 'the load was meant to change')
        : unknown('steady', 'Steady', early, because)
      : held('steady', 'Steady', c.steady ? 'one level' : 'not one level', c.steady, 'warn', 'rate and latency over the measured time'),
    c.autocorrelation === null
      ? unknown('autocorrelation', 'Seconds independent', early, because)
      : held(
          'autocorrelation',
          'Seconds independent',
          `correlation ${significant(c.autocorrelation, 2)}`,
          Math.abs(c.autocorrelation) < DEPENDENT,
          'warn',
          'of a second’s median with the next one’s; near 1 they say little more than one second',
        ),
    c.precise_timer === null
      ? unknown('timer', 'Precise timer', 'not told', 'the tool that made the run does not tell')
      : held(
          'timer',
          'Precise timer',
          c.precise_timer ? 'below 1\u202fms' : 'above 1\u202fms',
          c.precise_timer || !open,
          'warn',
          'what the system’s timer holds a schedule to',
        ),
  ];
}

/** Why something is rightly not there. */
const MEANT: ReadonlySet<string> = new Set(['closed loop', 'load varies']);

/** Words for the head of the panel. */
export function grounded(list: readonly Ground[]): string {
  const [bad, warn] = [list.filter((g) => g.tone === 'bad').length, list.filter((g) => g.tone === 'warn').length];
  if (bad > 0) return `${bad} ${bad === 1 ? 'does' : 'do'} not hold`;
  if (warn > 0) return `holds, ${warn} to know about`;
  return list.some((g) => g.tone === 'none' && !MEANT.has(g.value)) ? 'what is known holds' : 'all hold';
}
