// Experiments: comes later.
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/experiments',
  title: 'Experiments',
  rail: { icon: 'branch', key: 'e' },
  jobs: ['experiment'],
  later: {
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
};
