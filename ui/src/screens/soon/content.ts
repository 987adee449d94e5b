// What the screens that come later will show: one sentence, and the heads of their lanes.
export interface Soon {
  sentence: string;
  bands: readonly { name: string; needs: string; lanes: readonly [string, string][] }[];
}

export const SOON: Readonly<Record<string, Soon>> = {
  '/cache': {
    sentence: 'The map of key namespaces by memory, and invalidation with preview and undo, will be here.',
    bands: [
      {
        name: 'Namespaces',
        needs: 'needs Redis or Valkey',
        lanes: [
          ['Memory', 'by namespace'],
          ['Keys', 'with and without expiry'],
          ['Expiry', 'distribution'],
        ],
      },
      {
        name: 'Commands',
        needs: 'needs the slow log',
        lanes: [
          ['Slow', 'longest first'],
          ['Hits', 'by namespace'],
        ],
      },
    ],
  },
  '/gateway': {
    sentence: 'Compression, response caching and rate limits in front of your API, each with its measured benefit, will be here.',
    bands: [
      {
        name: 'Requests',
        needs: 'needs an HTTP address',
        lanes: [
          ['Through the gateway', 'per second'],
          ['Decisions', 'hit, miss, private'],
        ],
      },
      {
        name: 'Benefits',
        needs: 'needs traffic',
        lanes: [
          ['Bytes saved', 'compression'],
          ['Requests saved', 'response cache'],
          ['Requests refused', 'rate limit'],
        ],
      },
    ],
  },
  '/experiments': {
    sentence: 'One change at a time, measured against the unchanged system in interleaved pairs until there is a verdict, will be here.',
    bands: [
      {
        name: 'Before',
        needs: 'needs a benchmark',
        lanes: [
          ['Rate', 'per second'],
          ['Latency', 'p50, p95, p99'],
        ],
      },
      {
        name: 'After',
        needs: 'needs one change',
        lanes: [
          ['Rate', 'per second'],
          ['Latency', 'p50, p95, p99'],
        ],
      },
      { name: 'Effect', needs: 'needs pairs', lanes: [['Difference', '95 % interval']] },
    ],
  },
  '/alerts': {
    sentence: 'Alert rules with hysteresis, tried on past data before they can fire, will be here.',
    bands: [
      {
        name: 'Rules',
        needs: 'needs a metric',
        lanes: [
          ['Value', 'against its threshold'],
          ['State', 'pending, firing, resolved'],
        ],
      },
      {
        name: 'Incidents',
        needs: 'needs a rule',
        lanes: [
          ['Open', 'by severity'],
          ['Past', 'last 24 h'],
        ],
      },
    ],
  },
  '/scorecard': {
    sentence: 'Every check measured on the live environment, with its evidence and its fix, will be here.',
    bands: [
      {
        name: 'Database',
        needs: 'needs a SQL database',
        lanes: [
          ['Indexes', 'checks'],
          ['Connections', 'checks'],
        ],
      },
      {
        name: 'Cache',
        needs: 'needs Redis or Valkey',
        lanes: [
          ['Memory', 'checks'],
          ['Expiry', 'checks'],
        ],
      },
      {
        name: 'API',
        needs: 'needs an HTTP address',
        lanes: [
          ['Latency', 'checks'],
          ['Transfer', 'checks'],
        ],
      },
    ],
  },
};
