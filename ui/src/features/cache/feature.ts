// Cache: comes later.
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/cache',
  title: 'Cache',
  rail: { icon: 'grid', key: 'c' },
  later: {
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
};
