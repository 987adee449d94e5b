// Made-up series: the same for the same second, so that pictures can be compared.
import type { SeriesInfo, TargetRole, Unit } from '../types';

/** A value between 0 and 1 for an integer; the same each time. */
export function noise(n: number): number {
  let x = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 4294967296;
}

interface Made {
  id: string;
  unit: Unit;
  target: TargetRole;
  at: (second: number, busy: number) => number;
}

const s = (id: string, unit: Unit, target: TargetRole, base: number, swing: number, load = 0): Made => ({
  id,
  unit,
  target,
  at: (second, busy) =>
    Math.max(0, base + swing * (noise(second * 31 + id.length * 7919 + id.charCodeAt(id.length - 2)) - 0.5) + load * busy),
});

const G = 1024 ** 3;
export const MADE: readonly Made[] = [
  s('http.server.requests', 'per_second', 'api', 400, 40),
  s('http.server.errors', 'ratio', 'api', 0.003, 0.004, 0.012),
  s('http.server.duration{quantile=p50}', 'seconds', 'api', 0.011, 0.002, 0.012),
  s('http.server.duration{quantile=p95}', 'seconds', 'api', 0.065, 0.01, 0.15),
  s('http.server.duration{quantile=p99}', 'seconds', 'api', 0.14, 0.04, 0.45),
  s('system.cpu.utilization{cpu.mode=user}', 'ratio', 'host', 0.34, 0.04, 0.07),
  s('system.cpu.utilization{cpu.mode=system}', 'ratio', 'host', 0.08, 0.02, 0.02),
  s('system.cpu.utilization{cpu.mode=iowait}', 'ratio', 'host', 0.02, 0.01, 0.17),
  s('system.memory.usage', 'bytes', 'host', 11.36 * G, 0.02 * G),
  s('system.disk.io{disk.io.direction=read}', 'bytes_per_second', 'host', 9e6, 4e6, 140e6),
  s('system.disk.io{disk.io.direction=write}', 'bytes_per_second', 'host', 15e6, 5e6),
  s('system.network.io{network.io.direction=receive}', 'bytes_per_second', 'host', 11e6, 1e6),
  s('system.network.io{network.io.direction=transmit}', 'bytes_per_second', 'host', 33e6, 3e6),
  s('database.connections{state=active}', 'count', 'database', 13, 3, 18),
  s('database.connections{state=idle}', 'count', 'database', 22, 2, -8),
  s('database.transactions', 'per_second', 'database', 1266, 90, -200),
  s('database.locks.waiting', 'count', 'database', 0.8, 1, 8),
  s('database.cache.hit_ratio', 'ratio', 'database', 0.994, 0.002, -0.075),
  s('cache.operations', 'per_second', 'cache', 8300, 300),
  s('cache.hit_ratio', 'ratio', 'cache', 0.88, 0.01),
  s('cache.memory.used', 'bytes', 'cache', 2.98 * G, 0.004 * G),
  s('cache.evictions', 'per_second', 'cache', 0, 0, 0),
];

export const INFOS: readonly SeriesInfo[] = MADE.map(({ id, unit, target }) => {
  const [metric = id, inner = ''] = id.replace('}', '').split('{');
  return {
    id,
    metric,
    unit,
    target,
    attributes: Object.fromEntries(
      inner
        .split(',')
        .filter(Boolean)
        .map((pair) => pair.split('=') as [string, string]),
    ),
  };
});

/** How busy a second is: a stretch of three minutes in each quarter of an hour. */
function busy(second: number): number {
  const at = second % 900;
  return at < 420 || at > 630 ? 0 : Math.min(1, (at - 420) / 20, (630 - at) / 20);
}

/** A value, or null in a gap of 38 s in the database's series. */
export function valueAt(made: Made, second: number): number | null {
  const at = second % 900;
  return made.target === 'database' && at >= 160 && at < 198 ? null : made.at(second, busy(second));
}

/** History as the engine sends it: binary columns. */
export function historyBytes(fromMs: number, toMs: number): ArrayBuffer {
  const first = Math.ceil(fromMs / 1000);
  const rows = Math.min(3600, Math.max(0, Math.floor(Math.min(toMs, Date.now()) / 1000) - first));
  let head = JSON.stringify({ rows, columns: ['t', ...MADE.map((m) => m.id)], meta: { step_ms: 1000, raw: true } });
  while ((4 + head.length) % 8 !== 0) head += ' ';
  const start = 4 + head.length;
  const out = new ArrayBuffer(start + rows * (MADE.length + 1) * 8);
  new DataView(out).setUint32(0, head.length, true);
  new Uint8Array(out, 4).set(new TextEncoder().encode(head));
  for (let i = 0; i < rows; i += 1) {
    const values = [(first + i) * 1000, ...MADE.map((m) => valueAt(m, first + i) ?? NaN)];
    values.forEach((v, c) => new Float64Array(out, start + c * rows * 8, rows).set([v], i));
  }
  return out;
}
