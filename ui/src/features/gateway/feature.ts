// Gateway: comes later.
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/gateway',
  title: 'Gateway',
  rail: { icon: 'gateway', key: 'w' },
  later: {
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
};
