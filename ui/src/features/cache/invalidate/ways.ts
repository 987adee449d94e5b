// By what keys are invalidated. Another way is a row here, and a field of Asked where it needs one.
import type { CacheBytes, InvalidationOf } from '../../../backend/types';
import { visible } from '../../../kit/names';
import { nameOf } from '../map/map';

/** What was entered and chosen. */
export interface Asked {
  /** Pattern of the namespace that is chosen in the map; null where none is, or no pattern names its keys. */
  namespace: CacheBytes | null;
  text: string;
  /** The template that is chosen; null where the environment has none. */
  template: string | null;
}

export interface Way {
  key: string;
  label: string;
  /** What is entered; null where nothing is. */
  field: { label: string; hint: string; placeholder: string; lines: boolean; template?: true } | null;
  /** Which keys that is; a sentence where it is not known yet. */
  of: (asked: Asked) => InvalidationOf | string;
  /** The same for a person. */
  name: (asked: Asked) => string;
}

/** What a user and a tag are of. */
const OWN = 'Of caches of the cache-aside library exactly; of others by the template of that name, which the environment has';

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
  {
    key: 'user',
    label: 'User',
    field: { label: 'User', hint: OWN, placeholder: '42', lines: false },
    of: ({ text }) => (text === '' ? 'Enter a user' : { user: text }),
    name: ({ text }) => (text === '' ? 'by user' : `user ${visible(text)}`),
  },
  {
    key: 'tag',
    label: 'Tag',
    field: { label: 'Tag', hint: OWN, placeholder: 'doctor-7', lines: false },
    of: ({ text }) => (text === '' ? 'Enter a tag' : { tag: text }),
    name: ({ text }) => (text === '' ? 'by tag' : `tag ${visible(text)}`),
  },
  {
    key: 'template',
    label: 'Template',
    field: {
      label: 'Value',
      hint: 'It stands for {id} in the template, whatever its characters mean in a pattern',
      placeholder: '42',
      lines: false,
      template: true,
    },
    of: ({ text, template }) => {
      if (template === null) return 'The environment has no templates: edit it to add one';
      return text === '' ? 'Enter a value' : { template: { name: template, value: text } };
    },
    name: ({ text, template }) => (text === '' || template === null ? 'by template' : `${template} ${visible(text)}`),
  },
];
