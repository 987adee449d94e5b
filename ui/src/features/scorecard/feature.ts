// Scorecard: comes later.
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/scorecard',
  title: 'Scorecard',
  rail: { icon: 'checks', key: 's' },
  later: {
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
