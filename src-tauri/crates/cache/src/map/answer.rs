//! The map as it is told: namespaces with their figures.
use perfdeck_model::{MapCount, MapNamespace, MapOrder, MapPart, MapTtl, MapTtlBucket, MapType};

use super::estimate::{Frame, Sum};
use super::stats::{COUNTS, TYPES, bucket_s, ttl, types};
use super::tree::{Id, Node, ROOT, Tree};
use super::{Map, path};

/// Namespaces that are told to be drawn inside one.
const PARTS: usize = 6;

/// Sums over a namespace.
#[derive(Clone)]
struct Totals {
    keys: u64,
    late: bool,
    asked: u64,
    /// Keys that the account may not see, and whether there are namespaces of which no key was asked.
    hidden: u64,
    unasked: bool,
    bytes: Sum,
    forever: Sum,
    counts: [f64; COUNTS],
    /// Keys that `counts` stand for.
    weighed: f64,
    folded: u64,
}

impl Totals {
    fn of(tree: &Tree, id: Id) -> Self {
        let none = Sum::default();
        let mut all = Self {
            keys: 0,
            late: false,
            asked: 0,
            hidden: 0,
            unasked: false,
            bytes: none,
            forever: none,
            counts: [0.0; COUNTS],
            weighed: 0.0,
            folded: 0,
        };
        tree.each(id, |node| all.add(node));
        // What was counted late is missing in no sum of all.
        all.late = id != ROOT && all.late;
        all
    }

    fn add(&mut self, node: &Node) {
        self.late |= node.late;
        self.keys += node.keys;
        if node.part == super::tree::Part::Others {
            self.folded += node.keys;
        }
        if node.keys == 0 && node.stats.is_none() {
            return;
        }
        let keys = node.keys as f64;
        self.unasked |= node.stats.as_ref().is_none_or(|stats| stats.asked == 0);
        let Some(stats) = &node.stats else {
            self.bytes.add(keys, 0.0, 0.0, 0.0);
            self.forever.add(keys, 0.0, 0.0, 0.0);
            return;
        };
        self.asked += u64::from(stats.asked);
        self.hidden += u64::from(stats.hidden);
        self.bytes.add(keys, stats.measured.into(), stats.bytes, stats.squares);
        let forever = f64::from(stats.forever());
        self.forever.add(keys, stats.timed.into(), forever, forever);
        if stats.asked > 0 {
            stats.weigh(keys / f64::from(stats.asked), &mut self.counts);
            self.weighed += keys;
        }
    }
}

/// Namespaces of a page, and what is not on it.
pub(crate) struct Page {
    pub(crate) namespaces: Vec<MapNamespace>,
    pub(crate) left_out: u32,
    pub(crate) left_out_keys: f64,
    pub(crate) left_out_bytes: Option<f64>,
}

/// What sorts a namespace.
struct Row {
    bytes: f64,
    counted: u64,
    keys: f64,
    id: Id,
}

/// What is to be on a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) order: MapOrder,
    pub(crate) skip: usize,
    pub(crate) most: usize,
    /// Parts below the node that are taken apart: 1 is what is directly inside.
    pub(crate) depth: u32,
}

/// The map under what is known of the key space.
pub(crate) struct View<'a> {
    map: &'a Map,
    frame: Frame,
    all: Totals,
}

impl<'a> View<'a> {
    pub(crate) fn new(map: &'a Map, frame: Frame) -> Self {
        Self { map, frame, all: Totals::of(&map.tree, ROOT) }
    }

    fn tree(&self) -> &'a Tree {
        &self.map.tree
    }

    /// All keys as one namespace.
    pub(crate) fn all(&self) -> MapNamespace {
        self.namespace(ROOT, &self.all, true)
    }

    /// Keys that are counted among others.
    pub(crate) fn folded(&self) -> f64 {
        self.all.folded as f64
    }

    /// Keys that were asked.
    pub(crate) fn asked(&self) -> f64 {
        self.all.asked as f64
    }

    /// Keys that the account may not see, of those that were asked.
    pub(crate) fn hidden(&self) -> f64 {
        self.all.hidden as f64
    }

    /// Namespaces that are held.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.tree().len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn delimiters(&self) -> String {
        self.map.delimiters.as_ref().map(super::Delimiters::text).unwrap_or_default()
    }

    /// Whether every count of keys is exact.
    pub(crate) fn exact(&self) -> bool {
        self.frame.finished && self.frame.churn == 0.0
    }

    /// The node of a path; the root's is empty.
    pub(crate) fn find(&self, path: &str) -> Option<Id> {
        path::node(self.tree(), path)
    }

    /// The namespaces around a node and it itself, outermost first; what has nothing beside it is left out.
    pub(crate) fn within(&self, id: Id) -> Vec<MapNamespace> {
        let (tree, mut out) = (self.tree(), Vec::new());
        for at in tree.way(id) {
            if at == id || tree.node(at).children.len() > 1 {
                out.push(self.namespace(at, &Totals::of(tree, at), false));
            }
        }
        out
    }

    /// What is inside a node.
    pub(crate) fn page(&self, id: Id, wanted: Wanted) -> Page {
        let tree = self.tree();
        // Of each as little as sorts them: there may be 200,000.
        let mut found: Vec<Row> = Vec::new();
        let mut open: Vec<(Id, u32)> = tree.node(id).children.iter().map(|child| (*child, 1)).collect();
        while let Some((id, depth)) = open.pop() {
            let id = self.narrowed(id);
            if depth < wanted.depth {
                open.extend(tree.node(id).children.iter().map(|child| (*child, depth + 1)));
            }
            let totals = Totals::of(tree, id);
            let bytes = self.bytes(&totals).map_or(0.0, MapCount::value);
            found.push(Row { bytes, counted: totals.keys, keys: self.keys(&totals).value(), id });
        }
        match wanted.order {
            MapOrder::Bytes => {
                found.sort_by(|a, b| b.bytes.total_cmp(&a.bytes).then(b.counted.cmp(&a.counted)).then(a.id.cmp(&b.id)));
            }
            MapOrder::Keys => found.sort_by(|a, b| b.counted.cmp(&a.counted).then(a.id.cmp(&b.id))),
            MapOrder::Name => found.sort_by_cached_key(|row| path::name(tree, row.id)),
        }
        let on_page = |i: usize| i >= wanted.skip && i - wanted.skip < wanted.most;
        let mut page = Page {
            namespaces: Vec::new(),
            left_out: 0,
            left_out_keys: 0.0,
            left_out_bytes: self.bytes(&self.all).map(|_| 0.0),
        };
        for (i, row) in found.iter().enumerate() {
            if on_page(i) {
                page.namespaces.push(self.namespace(row.id, &Totals::of(tree, row.id), false));
            } else {
                page.left_out += 1;
                page.left_out_keys += row.keys;
                page.left_out_bytes = page.left_out_bytes.map(|sum| sum + row.bytes);
            }
        }
        page
    }

    /// A node, or the one inside it where that is all there is.
    fn narrowed(&self, mut id: Id) -> Id {
        while let [only] = self.tree().node(id).children[..] {
            id = only;
        }
        id
    }

    fn keys(&self, of: &Totals) -> MapCount {
        self.frame.keys(of.keys as f64, of.late)
    }

    fn bytes(&self, of: &Totals) -> Option<MapCount> {
        self.sum(of, &of.bytes, &self.all.bytes)
    }

    /// Whether some of the keys may not be seen, or may be such: what is seen of others says nothing of them.
    fn is_dark(&self, of: &Totals) -> bool {
        of.hidden > 0 || self.all.hidden > 0 && of.unasked
    }

    /// A sum over the keys of a namespace. Of keys that may not be seen none is made up; what was seen is a lower bound.
    fn sum(&self, of: &Totals, sum: &Sum, usual: &Sum) -> Option<MapCount> {
        let dark = self.is_dark(of);
        if dark && sum.measured() == 0.0 { None } else { sum.over(&self.frame, usual, of.late || dark) }
    }

    fn namespace(&self, id: Id, of: &Totals, all: bool) -> MapNamespace {
        let tree = self.tree();
        let node = tree.node(id);
        let keys = if all { self.frame.total() } else { self.keys(of) };
        let bytes = self.bytes(of);
        // A share of a lower bound of the whole would look as if the whole were known.
        let whole = self.bytes(&self.all).filter(|_| !self.is_dark(&self.all));
        let all_bytes = whole.map(MapCount::value).filter(|n| *n > 0.0);
        let measured = of.bytes.measured() > 0.0;
        MapNamespace {
            path: path::path(tree, id),
            name: path::name(tree, id),
            label: if all { String::new() } else { path::label(tree, id) },
            pattern: path::pattern(tree, id),
            depth: u32::try_from(tree.way(id).len()).unwrap_or(0),
            inside: u32::try_from(node.children.len()).unwrap_or(u32::MAX),
            keys,
            bytes,
            share_of_keys: if self.all.keys > 0 { of.keys as f64 / self.all.keys as f64 } else { 0.0 },
            share_of_bytes: bytes.zip(all_bytes).map(|(bytes, all)| (bytes.value() / all).min(1.0)),
            share_of_bytes_error: bytes.zip(all_bytes).and_then(|(bytes, all)| {
                let (low, high) = bytes.bounds();
                high.map(|high| (high - low) / 2.0 / all)
            }),
            bytes_per_key: bytes.filter(|_| measured && of.keys > 0).map(|bytes| match bytes {
                // A lower bound is the sum of what was measured.
                MapCount::AtLeast { value } => value / of.bytes.measured(),
                known => known.value() / keys.value().max(1.0),
            }),
            without_expiry: self.sum(of, &of.forever, &self.all.forever).filter(|_| of.forever.measured() > 0.0),
            ttl: (of.forever.measured() > 0.0).then(|| self.ttl(of)),
            types: self.types(of),
            sampled: of.asked as f64,
            parts: if all { Vec::new() } else { self.parts(id) },
            examples: tree.examples(id).iter().map(|name| perfdeck_model::CacheBytes::new(name)).collect(),
        }
    }

    /// The largest namespaces inside one.
    fn parts(&self, id: Id) -> Vec<MapPart> {
        let tree = self.tree();
        let depth = tree.way(id).len();
        let mut parts: Vec<(Id, Totals)> =
            tree.node(id).children.iter().map(|child| (*child, Totals::of(tree, *child))).collect();
        parts.sort_by_key(|(_, totals)| std::cmp::Reverse(totals.keys));
        // More of them than are told, because few keys may take much memory.
        parts.truncate(8 * PARTS);
        let told = |(id, totals): (Id, Totals)| MapPart {
            label: path::label_below(tree, self.narrowed(id), depth),
            keys: self.keys(&totals).value(),
            bytes: self.bytes(&totals).map(MapCount::value),
        };
        let mut told: Vec<MapPart> = parts.into_iter().map(told).collect();
        told.sort_by(|a, b| b.bytes.unwrap_or(b.keys).total_cmp(&a.bytes.unwrap_or(a.keys)));
        told.truncate(PARTS);
        told
    }

    /// What one counted key stands for.
    fn weight(&self, of: &Totals) -> f64 {
        if self.is_dark(of) {
            return 1.0;
        }
        if of.weighed > 0.0 { self.frame.scale() * of.keys as f64 / of.weighed } else { 0.0 }
    }

    fn types(&self, of: &Totals) -> Vec<MapType> {
        let weight = self.weight(of);
        let mut all: Vec<MapType> = TYPES
            .iter()
            .zip(types(&of.counts))
            .filter(|(_, keys)| **keys > 0.0)
            .map(|(name, keys)| MapType { name: (*name).to_owned(), keys: keys * weight })
            .collect();
        all.sort_by(|a, b| b.keys.total_cmp(&a.keys));
        all
    }

    fn ttl(&self, of: &Totals) -> MapTtl {
        let (weight, counts) = (self.weight(of), ttl(&of.counts));
        let expiring: f64 = counts.iter().sum();
        let first = counts.iter().position(|n| *n > 0.0).unwrap_or(counts.len());
        let last = counts.iter().rposition(|n| *n > 0.0).map_or(0, |i| i + 1);
        let mut median_s = None;
        let mut before = 0.0;
        for (bucket, n) in (0..).zip(counts) {
            let (from, to) = bucket_s(bucket);
            if median_s.is_none() && *n > 0.0 && before + n >= expiring / 2.0 {
                // Evenly within the bucket.
                median_s = Some(from + (to - from) * (expiring / 2.0 - before) / n);
            }
            before += n;
        }
        let bucket = |i: usize| {
            let (from_s, to_s) = bucket_s(u8::try_from(i).unwrap_or(u8::MAX));
            MapTtlBucket { from_s, to_s, keys: counts[i] * weight }
        };
        MapTtl { buckets: (first.min(last)..last).map(bucket).collect(), median_s }
    }
}
