// The heat of namespaces: what was measured of it, of which namespaces of the map it is known, and why it is not of the others.
import type { CacheHeat, CacheHeatMethod, CacheHeatNamespace, CacheMapPage, MapNamespace } from '../../../backend/types';
import { DASH, format, integer, seconds, THIN } from '../../../kit/figures';
import type { Column } from '../../../kit/list';
import { offPercent, percent, ttlFill, type Fill } from './map';

/** What tiles are filled by. */
export type Colour = 'ttl' | 'heat' | 'hits';

/** What measuring costs a server, and where the figures come from; said before it starts. */
export const SOURCES: Readonly<Record<CacheHeatMethod, { name: string; tells: string; costs: string }>> = {
  lfu: {
    name: 'Counters',
    tells:
      'The counters of use that a server keeps under an LFU policy (OBJECT FREQ), of 4 000 keys that are drawn at random: shares of use with a 95 % interval.',
    costs: 'Some 8 000 commands of a few microseconds each. Looking changes neither counters nor idle times.',
  },
  monitor: {
    name: 'Watch commands',
    tells: 'Every command of a short time (MONITOR): reads and writes by namespace, and what their hit ratio is at most.',
    costs: 'A server spends up to half of its time on telling meanwhile. It ends after the time, after 8 MiB, and with its connection.',
  },
  hotkeys: {
    name: 'Hot keys',
    tells:
      'The keys that took most CPU time within two seconds, as a server counts them itself (HOTKEYS, from Redis 8.6 on): of a namespace its share at least.',
    costs: 'A count that the server keeps meanwhile; it is ended and cleared then.',
  },
};

/** Why a namespace is not among what was measured. */
const NOT_TOLD: Readonly<Record<CacheHeatMethod, string>> = {
  lfu: 'None of its keys was drawn',
  monitor: 'Not among the namespaces that were told',
  hotkeys: 'None of its keys is among the hottest',
};

/** Why a way of measuring is of no use here; null where nothing is known against it. */
export const against = (method: CacheHeatMethod, policy: string | null): string | null =>
  method === 'lfu' && policy !== null && !policy.endsWith('lfu') ? `The policy ${policy} keeps no counters of use.` : null;

/** What a name begins with before its first colon; null where that is an identifier, or there is none. */
function beginning(of: MapNamespace): string | null {
  const at = of.name.indexOf(':');
  const first = at <= 0 ? null : of.name.slice(0, at);
  return first === null || first.includes('*') ? null : first;
}

/** What was measured of namespaces, and why not. */
export interface Heat {
  measured: CacheHeat | null;
  of: (namespace: MapNamespace) => CacheHeatNamespace | null;
  /** Why it is not known of a namespace. */
  why: (namespace: MapNamespace) => string;
}

export function heatOf(measured: CacheHeat | null, page: CacheMapPage | null): Heat {
  const known = new Map((measured?.namespaces ?? []).map((n) => [n.name, n]));
  const first = new Map<string, number>();
  for (const n of page?.namespaces ?? []) {
    const name = beginning(n);
    if (name !== null) first.set(name, (first.get(name) ?? 0) + 1);
  }
  const inside = (page?.within.length ?? 0) > 0;
  // All commands of a time were seen: what is not among them was not used.
  const whole = measured?.method === 'monitor' && measured.left_out === 0 && measured.ended_by === null && measured.unknown.length === 0;
  const single = (n: MapNamespace): string | null => {
    const name = beginning(n);
    return inside || name === null || first.get(name) !== 1 ? null : name;
  };
  const unused = (name: string): CacheHeatNamespace => ({
    name: `${name}:*`,
    seen: 0,
    share: 0,
    share_low: null,
    share_high: null,
    mean_counter: null,
    reads_per_s: 0,
    writes_per_s: 0,
    hit_ratio_at_most: null,
  });
  return {
    measured,
    of: (n) => {
      const name = single(n);
      return name === null || measured === null ? null : (known.get(`${name}:*`) ?? (whole ? unused(name) : null));
    },
    why: (n) => {
      if (measured === null) return 'Not measured yet';
      const name = beginning(n);
      if (name === null && !inside) return "Names without a colon are told together: a name may be somebody's data";
      if (name === null || single(n) === null)
        return 'It is told of what names begin with, up to their first colon, and not of parts of that';
      return NOT_TOLD[measured.method];
    },
  };
}

/** A share of use with its interval. */
export function useText(of: CacheHeatNamespace | null): string {
  if (of === null) return DASH;
  const off = of.share_low === null || of.share_high === null ? 0 : Math.max(of.share_high - of.share, of.share - of.share_low);
  return `${percent(of.share)}${THIN}%${offPercent(off)}`;
}
/** An upper bound of a hit ratio. */
export const hitsText = (of: CacheHeatNamespace | null): string =>
  of?.hit_ratio_at_most === null || of === null ? DASH : `≤${THIN}${format(of.hit_ratio_at_most, 'ratio')}`;

/** The columns of what was measured. */
export function heatColumns(heat: Heat): Column<MapNamespace>[] {
  if (heat.measured === null) return [];
  const use: Column<MapNamespace> = {
    key: 'use',
    label: 'share of use',
    text: (n) => useText(heat.of(n)),
    sort: (n) => heat.of(n)?.share ?? null,
    numeric: true,
    width: 104,
  };
  const hits: Column<MapNamespace> = {
    key: 'hits',
    label: 'hit ratio',
    text: (n) => hitsText(heat.of(n)),
    sort: (n) => heat.of(n)?.hit_ratio_at_most ?? null,
    numeric: true,
    width: 76,
  };
  return heat.measured.method === 'monitor' ? [use, hits] : [use];
}

/** What the tiles are filled by: when keys expire, how much they are used, how often they are found. */
export function fillBy(colour: Colour, heat: Heat): (of: MapNamespace) => Fill {
  if (colour === 'ttl') return ttlFill;
  const most = Math.max(...(heat.measured?.namespaces ?? []).map((n) => n.share), 1e-9);
  return (n) => {
    const of = heat.of(n);
    if (colour === 'heat') {
      const words = of === null ? 'use not known' : `${useText(of)} of use`;
      return { heat: of === null ? null : Math.sqrt(of.share / most), words, warns: false };
    }
    const hits = of?.hit_ratio_at_most ?? null;
    return { heat: hits, words: hits === null ? 'hit ratio not known' : `hits ${hitsText(of)}`, warns: false };
  };
}

/** What was measured, in a sentence. */
export function measuredSaid(heat: CacheHeat): string {
  const how = {
    lfu: `counters of ${integer(heat.sampled)} keys drawn at random`,
    monitor: `${integer(heat.sampled)} commands within ${seconds(heat.took_s)}`,
    hotkeys: `the CPU time of the ${integer(heat.sampled)} hottest keys within ${seconds(heat.took_s)}`,
  }[heat.method];
  return `${how}${heat.ended_by === null ? '' : `; it ended early: ${heat.ended_by}`}`;
}
