// What a look at a cache says in words: the sentence of the page, figures of memory, sizes by type.
import type { CacheCommandCost, CacheLook, CacheNode, CacheTypeSizes, TargetHealth } from '../../../backend/types';
import { bytes, DASH, duration, format, integer, orDash, plural, rate, seconds } from '../../../kit/figures';
import { checks, named, of } from '../../../kit/health/health';
import type { Column } from '../../../kit/list';
import type { Said } from '../said';

/** Checks that are known to be bad: of the health once it is there, of the look before. */
function bad(look: CacheLook | null, health: TargetHealth | null): { failing: string[]; warnings: string[] } {
  if (health) return { failing: of(health, 'failing').map((c) => c.title), warnings: of(health, 'warning').map((c) => c.title) };
  const titles = (state: string): string[] => (look?.findings ?? []).filter((c) => c.state === state).map((c) => c.title);
  return { failing: titles('failing'), warnings: titles('warning') };
}

/** What the servers are: product, deployment, and how many of them. */
export function serversOf(look: CacheLook): string {
  if (look.mode === null) return look.version;
  const replicas = look.nodes.reduce((sum, n) => sum + n.replicas.length, 0);
  const parts = [look.nodes.length === 1 ? 'one server' : `${integer(look.nodes.length)} primaries`];
  if (look.nodes.length === 1 && look.nodes[0]?.primary) parts[0] = 'a replica';
  if (replicas > 0) parts.push(plural(replicas, 'replica'));
  return `${look.version}, ${parts.join(' and ')}`;
}

function support(look: CacheLook | null): string {
  if (!look) return '';
  const parts = [serversOf(look)];
  const { used_bytes: used, limit_bytes: limit } = look.memory;
  if (used !== null) parts.push(limit === null ? `${bytes(used)} used, no limit` : `${bytes(used)} of ${bytes(limit)} used`);
  if (look.recent && look.recent.own_per_s > 0) parts.push(`Perfdeck's own ${format(look.recent.own_per_s, 'per_second')} left out`);
  return parts.join(' · ');
}

/** The sentence of the page: what fails first, then what needs attention, then what there is. */
export function verdict(look: CacheLook | null, health: TargetHealth | null): Said | null {
  if (!look && !health) return null;
  const say = (tone: Said['tone'], strong: string, rest: string): Said => ({
    ...(tone ? { tone } : {}),
    strong,
    rest,
    support: support(look),
  });
  const { failing, warnings } = bad(look, health);
  if (failing.length > 0) return say('bad', `${checks(failing.length)} ${failing.length === 1 ? 'fails' : 'fail'}:`, failing.join(', '));
  if (warnings.length > 0)
    return say('warn', `${checks(warnings.length)} ${warnings.length === 1 ? 'needs' : 'need'} attention:`, warnings.join(', '));
  const missed = (health?.checks ?? []).filter((c) => c.missed);
  if (missed.length > 0) return say('unknown', `${checks(missed.length)} could not be made:`, named(missed));
  if (!look) return say('ok', 'Nothing needs attention', '');
  const keys = `${integer(look.keys)} ${look.keys === 1 ? 'key' : 'keys'}`;
  const hits = look.recent?.hit_ratio ?? null;
  if (look.recent)
    return say(
      'ok',
      `${rate(look.recent.commands_per_s)} commands/s,`,
      hits === null ? `no look-ups, ${keys}` : `${format(hits, 'ratio')} of look-ups hit, ${keys}`,
    );
  const since = look.totals.hit_ratio;
  return since === null ? say('ok', keys, '') : say('ok', `${keys},`, `${format(since, 'ratio')} of look-ups hit since it began`);
}

/** A figure of the page: its name, its value, what it means. */
export interface Figure {
  name: string;
  value: string;
  about?: string;
}

/** Figures of memory and traffic, in the order of the page. */
export function figuresOf(look: CacheLook): Figure[] {
  const m = look.memory;
  const { recent, totals } = look;
  const since = totals.since_s === null ? 'Since it began' : `Since it began ${duration(totals.since_s)} ago; nobody resets it here`;
  const over = recent ? `Of the last ${duration(recent.over_s)}, without Perfdeck's own` : since;
  const forever = look.keys - look.expiring;
  return [
    { name: 'keys', value: integer(look.keys), about: 'Exact: the servers count them' },
    { name: 'without expiry', value: integer(forever), about: 'Exact: the servers count both' },
    { name: 'used', value: orDash(m.used_bytes, bytes) },
    { name: 'limit', value: m.limit_bytes === null ? 'none' : bytes(m.limit_bytes) },
    { name: 'policy', value: m.policy ?? DASH, about: 'What happens at the limit' },
    { name: 'peak', value: orDash(m.peak_bytes, bytes), about: 'Most that was ever in use' },
    { name: 'keys and values', value: orDash(m.dataset_bytes, bytes) },
    { name: 'clients', value: orDash(m.clients_bytes, bytes), about: 'Buffers of clients and replicas' },
    {
      name: 'fragmentation',
      value:
        m.fragmentation === null
          ? DASH
          : `${m.fragmentation.toFixed(2)}${m.fragmentation_bytes === null ? '' : `, ${bytes(m.fragmentation_bytes)}`}`,
      about:
        m.fragmentation === null
          ? `${m.allocator ?? 'Its allocator'} does not count its pages`
          : 'Pages of the allocator over what is in use of them',
    },
    { name: 'hit ratio', value: format(recent ? recent.hit_ratio : totals.hit_ratio, 'ratio'), about: over },
    { name: 'evicted', value: recent ? format(recent.evicted_per_s, 'per_second') : orDash(totals.evicted, integer), about: over },
    { name: 'expired', value: recent ? format(recent.expired_per_s, 'per_second') : orDash(totals.expired, integer), about: over },
    { name: 'busy', value: format(recent?.busy, 'ratio'), about: 'Share of the busiest main thread that commands took' },
    { name: 'rejected', value: orDash(totals.rejected, integer), about: `Connections refused for want of a place. ${since}` },
  ];
}

/** A command's share: of the time between two readings where there are two, else since the start. */
export const shareOf = (c: CacheCommandCost): number => c.recent?.share ?? c.share;

/** Columns of the commands. */
export const commandColumns = (recent: boolean): readonly Column<CacheCommandCost>[] => [
  { key: 'command', label: 'command', text: (c) => c.name, sort: (c) => c.name, mono: true, least: 140 },
  { key: 'share', label: 'share of their time', text: (c) => format(shareOf(c), 'ratio'), sort: shareOf, numeric: true, width: 200 },
  {
    key: 'rate',
    label: recent ? 'calls/s' : 'calls',
    text: (c) => (c.recent ? rate(c.recent.calls_per_s) : integer(c.calls)),
    sort: (c) => c.recent?.calls_per_s ?? c.calls,
    numeric: true,
    width: 88,
  },
  {
    key: 'mean',
    label: 'mean',
    text: (c) => (c.recent ? orDash(c.recent.mean_s, seconds) : seconds(c.mean_s)),
    sort: (c) => (c.recent ? c.recent.mean_s : c.mean_s),
    numeric: true,
    width: 80,
  },
  { key: 'p50', label: 'p50', text: (c) => orDash(c.p50_s, seconds), sort: (c) => c.p50_s, numeric: true, width: 80 },
  { key: 'p99', label: 'p99', text: (c) => orDash(c.p99_s, seconds), sort: (c) => c.p99_s, numeric: true, width: 80 },
  {
    key: 'failed',
    label: 'failed',
    text: (c) => (c.failed + c.rejected > 0 ? integer(c.failed + c.rejected) : DASH),
    sort: (c) => c.failed + c.rejected,
    numeric: true,
    width: 72,
  },
];

/** A size as a type counts it. */
const sizeWord = (t: CacheTypeSizes, size: number): string => (t.in_bytes ? bytes(size) : integer(size));
/** Between which sizes the keys of a type are. */
export function spanOf(t: CacheTypeSizes): string {
  const [first, last] = [t.sizes[0], t.sizes.at(-1)];
  if (!first || !last) return DASH;
  const unit = t.in_bytes ? '' : ' elements';
  return `${sizeWord(t, first.from)} to ${sizeWord(t, Math.max(1, last.from * 2))}${unit}`;
}

/** What a server is to the others. */
export function roleOf(node: CacheNode): string {
  if (node.primary) return node.primary.up ? `replica of ${node.primary.address}` : `replica, its link to ${node.primary.address} is down`;
  if (node.replicas.length === 0) return 'no replicas';
  const lag = Math.max(...node.replicas.map((r) => r.lag_s ?? 0));
  const late = node.replicas.filter((r) => r.state !== 'online').length;
  return `${plural(node.replicas.length, 'replica')}${late > 0 ? `, ${integer(late)} not online` : lag > 0 ? `, heard of ${duration(lag)} ago` : ''}`;
}

/** What it keeps on disk. */
export function keptOf(node: CacheNode, nowMs: number): string {
  const p = node.persistence;
  if (p.save_ok === false) return 'last snapshot failed';
  if (p.log_ok === false && p.log) return 'log of changes fails';
  const saved = p.saved_ms === null ? 'no snapshot since it began' : `saved ${duration(Math.max(0, nowMs - p.saved_ms) / 1000)} ago`;
  return p.log ? `log of changes, ${saved}` : saved;
}
