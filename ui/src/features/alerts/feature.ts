// Alerts: comes later.
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/alerts',
  title: 'Alerts',
  rail: { icon: 'bell', key: 'a', line: true },
  later: {
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
};
