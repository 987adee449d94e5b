// What a feature tells the shell about itself: its screen, its place in the rail, its commands, its jobs.
import type { Component } from 'svelte';
import type { JobStatus } from '../backend/types';
import type { ScreenApp } from './screen';
import type { Said } from './toasts.svelte';

/** What the palette's commands stand under, in the order in which they are shown. */
export const GROUPS = [
  'Go to',
  'On this screen',
  'Findings',
  'Environments',
  'Actions',
  'Runs',
  'Comparisons and knees',
  'Plans',
  'Reports',
  'Routes',
] as const;
export type Group = (typeof GROUPS)[number];

/** A command of the palette. */
export interface Command {
  /** What is searched; unique where it has no `id`. */
  name: string;
  hint: string;
  run: () => void;
  /** Tells it apart from others of the same name. */
  id?: string;
  /** The name of the thing that it is about, where that is not its own. */
  of?: string;
  /** Actions where it says none. */
  group?: Group;
  /** More that it is found by. */
  also?: string;
}

/** What the rail says beside a screen's name. */
export interface Count {
  value: number;
  running: boolean;
  /** Something of it needs a person. */
  failed?: boolean;
  /** The same in words. */
  words: string;
}

/** A part of a screen with an address of its own, in the top bar. */
export interface Tab {
  /** The path of the feature, or one below it. */
  path: string;
  title: string;
  /** It has lanes with a range of time: one that is paused goes along to it. */
  lanes?: true;
  /** Others lead to it, with what it is about: it has no place of its own in the top bar. */
  led?: true;
}

/** What a screen that comes later will show: one sentence, and the heads of its lanes. */
export interface Later {
  sentence: string;
  bands: readonly { name: string; needs: string; lanes: readonly [string, string][] }[];
}

interface Place {
  /** Its address begins with this; what lies under it belongs to it. */
  path: string;
  title: string;
  /** Its name at an address under `path`, where that differs. */
  titleAt?: (path: string) => string;
  /** Its parts, in the order of the top bar. */
  tabs?: readonly Tab[];
  /** The environment that a screen is about where that may be another one than the current; its identifier. */
  about?: (path: string) => string | null;
  /** Whether there is something at an address under `path`, where that is known before it is shown. */
  knows?: (path: string) => boolean;
  /** Its place in the rail, in the order of `features/index.ts`; absent for screens that are reached from others. */
  rail?: {
    icon: string;
    /** Second key after g. */
    key: string;
    /** A line above it. */
    line?: true;
  };
  /** It has lanes with a range of time: one that is paused goes along to it. */
  lanes?: true;
  /** Whether another address under `path` is another screen: nothing of the former is kept. */
  fresh?: true;
  /** Kinds of jobs that are counted beside its name. */
  jobs?: readonly string[];
  /** What is said when one of those jobs came to its end while the reader is elsewhere; null says nothing. */
  ended?: (app: ScreenApp, job: JobStatus) => Promise<Said | null>;
  /** What it counts itself; called once, while the rail is made, so that it may read a resource. Null says nothing. */
  count?: (app: ScreenApp) => () => Count | null;
  /** Shortcuts of its own, for the list of them: keys, then what they do. */
  shortcuts?: readonly (readonly [readonly string[], string])[];
  /** Commands of the palette that make sense now; read inside a derived value. */
  commands?: () => Command[];
  /** What of it the palette finds, once something is typed; called while the palette is made, so that it may read a resource. */
  finds?: (app: ScreenApp) => () => Command[];
}

/** A screen is its own chunk, loaded when it is shown. */
export type Feature = Place & ({ load: () => Promise<{ default: Component }>; later?: never } | { later: Later; load?: never });
