// The address of a new benchmark of something that is shown: what is known of it is in the address, and nothing else.
export type Benchmarked =
  /** A route of the API, by its path or its whole address; without a path its own address. */
  | { kind: 'http'; path: string; method?: string }
  | { kind: 'http'; url: string; method?: string }
  /** A statement as it is shown: normalised, so that it has no literals. */
  | { kind: 'sql'; statement: string }
  /** A pattern of keys, such as `user:*`. */
  | { kind: 'cache'; pattern: string };

/** The path of the form that is filled in with it. */
export const benchmarkPath = (of: Benchmarked): string => `/benchmarks/new?${new URLSearchParams(Object.entries(of)).toString()}`;

/** What an address asks for; null where it asks for nothing. */
export function benchmarked(param: (name: string) => string | null): Benchmarked | null {
  const [path, url, statement, pattern] = [param('path'), param('url'), param('statement'), param('pattern')];
  const method = param('method');
  const how = method === null ? {} : { method };
  switch (param('kind')) {
    case 'http':
      return url !== null ? { kind: 'http', url, ...how } : { kind: 'http', path: path ?? '', ...how };
    case 'sql':
      return { kind: 'sql', statement: statement ?? '' };
    case 'cache':
      return { kind: 'cache', pattern: pattern ?? '' };
    default:
      return null;
  }
}
