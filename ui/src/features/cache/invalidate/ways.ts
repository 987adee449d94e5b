// By what keys are invalidated. Another way is a row here, and a field of Asked where it needs one.
import type { CacheBytes, InvalidationOf } from '../../../backend/types';
import { visible } from '../../../kit/names';
import { nameOf } from '../map/map';

/** What was entered and chosen. */
export interface Asked {
  /** Pattern of the namespace that is chosen in the map; null where none is, or no pattern names its keys. */
  namespace: CacheBytes | null;
  text: string;
}

export interface Way {
  key: string;
  label: string;
  /** What is entered; null where nothing is. */
  field: { label: string; hint: string; placeholder: string; lines: boolean } | null;
  /** Which keys that is; a sentence where it is not known yet. */
  of: (asked: Asked) => InvalidationOf | string;
  /** The same for a person. */
  name: (asked: Asked) => string;
}

/** Most keys of a list. */
const MOST = 1_000_000;

const lines = (text: string): string[] => text.split(/\r?\n/).filter((line) => line !== '');

export const WAYS: readonly Way[] = [
  {
    key: 'namespace',
    label: 'Namespace',
    field: null,
    of: ({ namespace }) => (namespace === null ? 'Choose a namespace in the map' : { pattern: namespace }),
    name: ({ namespace }) => (namespace === null ? 'a namespace' : visible(nameOf(namespace))),
  },
  {
    key: 'pattern',
    label: 'Pattern',
    field: {
      label: 'Pattern of keys',
      hint: '* any characters, ? one, [ab] one of these; a backslash takes the next one as it is',
      placeholder: 'session:*',
      lines: false,
    },
    of: ({ text }) => (text === '' ? 'Enter a pattern' : { pattern: { text } }),
    name: ({ text }) => (text === '' ? 'by pattern' : visible(text)),
  },
  {
    key: 'keys',
    label: 'Key list',
    field: {
      label: 'Keys, one on each line',
      hint: 'These keys and no others, at most a million',
      placeholder: 'user:41:profile',
      lines: true,
    },
    of: ({ text }) => {
      const keys = lines(text);
      if (keys.length === 0) return 'Enter keys, one on each line';
      return keys.length > MOST ? 'A list has at most a million keys' : { keys: keys.map((key) => ({ text: key })) };
    },
    name: ({ text }) => `${lines(text).length} keys`,
  },
];
