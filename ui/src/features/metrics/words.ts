// Words of metrics.
import * as md from '../../kit/markdown';
import type { Instrument, MetricSeen, TargetRole, Unit } from '../../backend/types';

/** Targets in the order of the overview. */
export const ROLES: Record<TargetRole, string> = {
  api: 'API',
  host: 'Host',
  database: 'Database',
  cache: 'Cache',
  frontend: 'Front end',
};

export const UNITS: Record<Unit, string> = {
  ratio: '%',
  bytes: 'bytes',
  bytes_per_second: 'bytes/s',
  seconds: 's',
  per_second: '1/s',
  count: 'count',
};

export const INSTRUMENTS: Record<Instrument, string> = { gauge: 'value now', rate: 'rate since the sample before' };

/** A table in Markdown. */
export function markdown(metrics: readonly MetricSeen[]): string {
  const rows = metrics.map(({ metric, series }) =>
    md.row([md.text(metric.name), md.text(metric.title), UNITS[metric.unit], String(series), md.text(metric.help)]),
  );
  return ['| metric | title | unit | series here | what it says |', '| --- | --- | --- | ---: | --- |', ...rows].join('\n');
}
