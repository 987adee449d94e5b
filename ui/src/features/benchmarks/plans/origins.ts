// What a plan can be made of, in words, and how such a text is recognised.
import type { PlanOrigin } from '../types';

interface Origin {
  label: string;
  about: string;
  example: string;
  accept: string;
}

export const ORIGINS: Record<PlanOrigin, Origin> = {
  curl: {
    label: 'curl',
    about: 'A curl command, as copied from a browser’s network panel. Its secrets become references to environment variables.',
    example: "curl 'https://api.example/appointments?limit=20' -H 'Accept: application/json'",
    accept: '.sh,.txt,text/plain',
  },
  openapi: {
    label: 'OpenAPI',
    about: 'An OpenAPI 3 description in JSON. Each operation becomes a step of the same weight.',
    example: '{ "openapi": "3.1.0", "paths": { … } }',
    accept: '.json,application/json',
  },
  har: {
    label: 'HAR',
    about:
      'A recording of a browser. Requests become steps in their order, expected to end as they ended; each other host becomes a variable.',
    example: '{ "log": { "entries": [ … ] } }',
    accept: '.har,.json,application/json',
  },
  access_log: {
    label: 'Access log',
    about: 'Lines in the common or combined format, or in JSON. Paths become steps, weighted as often as they were asked for.',
    example: '203.0.113.7 - - [12/Nov/2026:14:03:11 +0000] "GET /appointments HTTP/1.1" 200 5120',
    accept: '.log,.txt,.json,.jsonl,text/plain',
  },
};

/** What a text looks like; `null` when it looks like none. */
export function guessOrigin(text: string): PlanOrigin | null {
  const head = text.trimStart().slice(0, 4000);
  if (/^(\$\s*)?curl\s/.test(head)) return 'curl';
  if (head.startsWith('{')) {
    if (/"openapi"\s*:/.test(head)) return 'openapi';
    if (/"log"\s*:\s*\{/.test(head)) return 'har';
    // A log has an object in each line.
    return /^\{[^\n]*"(request_?method|method|request|RequestMethod|log)"/im.test(head) && /\}\s*(\n|$)/.test(head) ? 'access_log' : null;
  }
  return /^\S+ \S+ \S+ \[[^\]]+\] "[A-Z]+ /m.test(head) ? 'access_log' : null;
}
