//! The tree of namespaces: bounded, whatever the keys. Names of keys are not held but for a few examples.
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use super::draw::Draw;
use super::stats::{Stats, Told};
use super::token::{Braces, Delimiters, Segment, Token, tokens};

/// Nodes at most.
const MOST: usize = 200_000;
/// Different parts of one kind (namespaces, or ends of names) below one node, above which they are identifiers.
const FAN_OUT: u32 = 1_000;
/// Parts that stay themselves where the others become identifiers, because they have many more keys than those.
const KEPT: usize = 200;
/// How many times as many keys as the average such a part has, and how many at least.
const HEAVY: u64 = 8;
/// Examples of one node.
pub(crate) const EXAMPLES: usize = 8;
/// Longest name that is held as an example, and bytes of all of them together.
const LONGEST_EXAMPLE: usize = 512;
const EXAMPLE_BYTES: usize = 8 << 20;

/// Number of a node.
pub(crate) type Id = u32;
/// The node above all.
pub(crate) const ROOT: Id = 0;

/// A part of a name, held.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// The part itself, and what follows it.
    Literal(Box<[u8]>, Option<u8>),
    /// Any identifier, with its braces, and what follows it.
    Any(Braces, Option<u8>),
    /// Small namespaces that were too many to hold, with all that is inside them.
    Others,
}

impl Part {
    fn of(token: Token<'_>) -> Self {
        match token.segment {
            Segment::Literal(part) => Self::Literal(part.into(), token.delimiter),
            Segment::Any(braces) => Self::Any(braces, token.delimiter),
        }
    }

    /// Whether names go on after it.
    pub(crate) fn is_inner(&self) -> bool {
        matches!(self, Self::Literal(_, Some(_)) | Self::Any(_, Some(_)))
    }

    fn is(&self, token: Token<'_>) -> bool {
        match (self, token.segment) {
            (Self::Literal(part, delimiter), Segment::Literal(other)) => {
                **part == *other && *delimiter == token.delimiter
            }
            (Self::Any(braces, delimiter), Segment::Any(other)) => *braces == other && *delimiter == token.delimiter,
            _ => false,
        }
    }

    fn token(&self) -> Option<Token<'_>> {
        match self {
            Self::Literal(part, delimiter) => Some(Token { segment: Segment::Literal(part), delimiter: *delimiter }),
            Self::Any(braces, delimiter) => Some(Token { segment: Segment::Any(*braces), delimiter: *delimiter }),
            Self::Others => None,
        }
    }
}

/// Names drawn at random of those that ended in a node.
#[derive(Debug, Default)]
struct Examples {
    offered: u64,
    names: Vec<Box<[u8]>>,
}

/// A node: a namespace, or the end of names.
#[derive(Debug)]
pub(crate) struct Node {
    parent: Id,
    pub(crate) part: Part,
    pub(crate) children: Vec<Id>,
    /// Parts of its own below it: namespaces and ends.
    literals: [u32; 2],
    /// Whether new ones of them are identifiers.
    folded: [bool; 2],
    /// Keys of it may have been counted among the others of its parent before it was there.
    pub(crate) late: bool,
    /// Keys that end here.
    pub(crate) keys: u64,
    pub(crate) stats: Option<Box<Stats>>,
    examples: Option<Box<Examples>>,
}

impl Node {
    fn new(parent: Id, part: Part) -> Self {
        Self {
            parent,
            part,
            children: Vec::new(),
            literals: [0; 2],
            folded: [false; 2],
            late: false,
            keys: 0,
            stats: None,
            examples: None,
        }
    }
}

/// Hashes what is one already.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

/// The tree.
pub(crate) struct Tree {
    nodes: Vec<Node>,
    free: Vec<Id>,
    index: HashMap<u64, Id, BuildHasherDefault<Same>>,
    hasher: RandomState,
    most: usize,
    example_bytes: usize,
    draw: Draw,
}

impl Tree {
    pub(crate) fn new(seed: u64) -> Self {
        Self::bounded(seed, MOST)
    }

    fn bounded(seed: u64, most: usize) -> Self {
        Self {
            nodes: vec![Node::new(ROOT, Part::Any(Braces::None, Some(0)))],
            free: Vec::new(),
            index: HashMap::default(),
            hasher: RandomState::new(),
            most,
            example_bytes: 0,
            draw: Draw::new(seed),
        }
    }

    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    /// Namespaces and ends that it holds.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len() - 1
    }

    /// Counts a key; answers where its name ends.
    pub(crate) fn count(&mut self, name: &[u8], delimiters: &Delimiters) -> Id {
        let (id, hidden) = self.end(name, delimiters);
        self.nodes[id as usize].keys += 1;
        if hidden {
            self.exemplify(id, name);
        }
        id
    }

    /// Adds what a server said of a key.
    pub(crate) fn tell(&mut self, name: &[u8], delimiters: &Delimiters, told: &Told) {
        let (id, _) = self.end(name, delimiters);
        self.nodes[id as usize].stats.get_or_insert_default().add(told);
    }

    /// The node where a name ends, made where there is none, and whether the name does not follow from the node.
    fn end(&mut self, name: &[u8], delimiters: &Delimiters) -> (Id, bool) {
        let (mut at, mut hidden) = (ROOT, false);
        for token in tokens(name, delimiters) {
            at = match self.child(at, token) {
                Some(child) => child,
                None => self.grow(at, token),
            };
            match self.node(at).part {
                Part::Any(..) => hidden = true,
                Part::Others => return (at, true),
                Part::Literal(..) => {}
            }
        }
        if self.len() >= self.most {
            self.evict();
            // What was just grown may be among the others now.
            return (self.find(name, delimiters), true);
        }
        (at, hidden)
    }

    /// The node where a name ends, after nodes were folded.
    fn find(&self, name: &[u8], delimiters: &Delimiters) -> Id {
        let mut at = ROOT;
        for token in tokens(name, delimiters) {
            let any = Token { segment: token.segment.folded(), ..token };
            let Some(next) = self.child(at, token).or_else(|| self.child(at, any)).or_else(|| self.others(at)) else {
                break;
            };
            at = next;
            if self.node(at).part == Part::Others {
                break;
            }
        }
        at
    }

    fn hash(&self, parent: Id, token: Token<'_>) -> u64 {
        self.hasher.hash_one((parent, token))
    }

    /// The node of a part below another one.
    pub(crate) fn child(&self, parent: Id, token: Token<'_>) -> Option<Id> {
        let mut hash = self.hash(parent, token);
        loop {
            let id = *self.index.get(&hash)?;
            let node = self.node(id);
            if node.parent == parent && node.part.is(token) {
                return Some(id);
            }
            // Another part with the same hash.
            hash = hash.wrapping_add(1);
        }
    }

    /// The node of small namespaces below another one.
    pub(crate) fn others(&self, parent: Id) -> Option<Id> {
        self.node(parent).children.iter().copied().find(|id| self.node(*id).part == Part::Others)
    }

    /// A node for a part that has none: one of identifiers where there are too many different ones.
    fn grow(&mut self, parent: Id, token: Token<'_>) -> Id {
        if matches!(token.segment, Segment::Any(_)) {
            return self.add(parent, Part::of(token));
        }
        let kind = usize::from(token.delimiter.is_none());
        if !self.node(parent).folded[kind] && self.node(parent).literals[kind] >= FAN_OUT {
            self.fold(parent, kind);
        }
        if self.node(parent).folded[kind] {
            let any = Token { segment: token.segment.folded(), ..token };
            return match self.child(parent, any) {
                Some(id) => id,
                None => self.add(parent, Part::of(any)),
            };
        }
        let late = self.others(parent).is_some();
        let id = self.add(parent, Part::of(token));
        self.nodes[id as usize].late = late;
        id
    }

    fn add(&mut self, parent: Id, part: Part) -> Id {
        let node = Node::new(parent, part);
        let id = match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = node;
                id
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as Id
            }
        };
        self.nodes[parent as usize].children.push(id);
        self.enter(id);
        id
    }

    /// Puts a node into the index and the counts of its parent.
    fn enter(&mut self, id: Id) {
        let parent = self.node(id).parent;
        let node = &self.nodes[id as usize];
        if let Some(token) = node.part.token() {
            let mut hash = self.hash(parent, token);
            while self.index.contains_key(&hash) {
                hash = hash.wrapping_add(1);
            }
            self.index.insert(hash, id);
        }
        self.counted(id, true);
    }

    fn counted(&mut self, id: Id, here: bool) {
        let node = self.node(id);
        if let Part::Literal(_, delimiter) = &node.part {
            let (parent, kind) = (node.parent, usize::from(delimiter.is_none()));
            let count = &mut self.nodes[parent as usize].literals[kind];
            *count = if here { *count + 1 } else { count.saturating_sub(1) };
        }
    }

    /// Takes a node out of the index and the counts of its parent, whose children are the caller's to mend.
    fn leave(&mut self, id: Id) {
        let node = self.node(id);
        if let Some(token) = node.part.token() {
            let mut hash = self.hash(node.parent, token);
            while self.index.get(&hash).is_some_and(|at| *at != id) {
                hash = hash.wrapping_add(1);
            }
            self.index.remove(&hash);
            // Whatever had to give way to it is found where it should be.
            let mut next = hash.wrapping_add(1);
            while let Some(moved) = self.index.remove(&next) {
                let node = self.node(moved);
                let mut at = node.part.token().map_or(next, |token| self.hash(node.parent, token));
                while self.index.contains_key(&at) {
                    at = at.wrapping_add(1);
                }
                self.index.insert(at, moved);
                next = next.wrapping_add(1);
            }
        }
        self.counted(id, false);
    }

    /// Keys of a node and of all inside it.
    pub(crate) fn total(&self, id: Id) -> u64 {
        let mut sum = 0;
        self.each(id, |node| sum += node.keys);
        sum
    }

    /// Goes through a node and all inside it.
    pub(crate) fn each(&self, id: Id, mut f: impl FnMut(&Node)) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let node = self.node(id);
            f(node);
            open.extend_from_slice(&node.children);
        }
    }

    /// Makes identifiers of the parts of one kind below a node, but for those that have many more keys than the others.
    fn fold(&mut self, parent: Id, kind: usize) {
        self.nodes[parent as usize].folded[kind] = true;
        let mine =
            |part: &Part| matches!(part, Part::Literal(_, delimiter) if usize::from(delimiter.is_none()) == kind);
        let mut parts: Vec<(u64, Id)> = self
            .node(parent)
            .children
            .iter()
            .filter(|id| mine(&self.node(**id).part))
            .map(|id| (self.total(*id), *id))
            .collect();
        parts.sort_unstable_by(|a, b| b.cmp(a));
        let mean = parts.iter().map(|(keys, _)| keys).sum::<u64>() / (parts.len() as u64).max(1);
        let heavy = |(place, (keys, _)): &(usize, &(u64, Id))| *place < KEPT && *keys >= HEAVY && *keys > HEAVY * mean;
        let kept = parts.iter().enumerate().take_while(heavy).count();
        for (_, id) in parts.split_off(kept) {
            let Part::Literal(part, delimiter) = &self.node(id).part else { continue };
            let any = Token { segment: Segment::any(part), delimiter: *delimiter };
            let into = match self.child(parent, any) {
                Some(into) => into,
                None => self.add(parent, Part::of(any)),
            };
            self.give_example(id, into);
            self.nodes[parent as usize].children.retain(|child| *child != id);
            self.leave(id);
            self.merge(id, into);
        }
    }

    /// Gives the name of an end, where it follows from the node, to another one as its example.
    fn give_example(&mut self, id: Id, into: Id) {
        let node = self.node(id);
        if node.part.is_inner() || node.examples.is_some() {
            return;
        }
        if let Some(name) = self.name(id) {
            self.exemplify(into, &name);
        }
    }

    /// The name of the key that ends in a node, where it follows from the node.
    pub(crate) fn name(&self, id: Id) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        for part in self.way(id) {
            let Part::Literal(part, delimiter) = &self.node(part).part else { return None };
            name.extend_from_slice(part);
            name.extend(delimiter);
        }
        Some(name)
    }

    /// The nodes from the top to this one, the root left out.
    pub(crate) fn way(&self, id: Id) -> Vec<Id> {
        let mut way = Vec::new();
        let mut at = id;
        while at != ROOT {
            way.push(at);
            at = self.node(at).parent;
        }
        way.reverse();
        way
    }

    /// Moves what a node has, which was taken out of its place, into another one.
    fn merge(&mut self, from: Id, into: Id) {
        let old = std::mem::replace(&mut self.nodes[from as usize], Node::new(ROOT, Part::Others));
        self.take_in(into, old.keys, old.stats, old.examples, old.late);
        for child in old.children {
            // It is in the index under its old parent.
            self.nodes[child as usize].parent = from;
            self.leave_of(child, from);
            let same = match self.node(child).part.token() {
                Some(token) => self.child(into, token),
                None => self.others(into),
            };
            match same {
                Some(same) => self.merge(child, same),
                None => {
                    self.nodes[child as usize].parent = into;
                    self.nodes[into as usize].children.push(child);
                    self.enter(child);
                }
            }
        }
        self.free.push(from);
        for kind in 0..2 {
            if self.node(into).literals[kind] > FAN_OUT {
                self.fold(into, kind);
            }
        }
    }

    /// As [`Tree::leave`], of a child whose parent is being taken apart.
    fn leave_of(&mut self, child: Id, parent: Id) {
        debug_assert_eq!(self.node(child).parent, parent, "it was its child");
        self.leave(child);
    }

    fn take_in(&mut self, into: Id, keys: u64, stats: Option<Box<Stats>>, examples: Option<Box<Examples>>, late: bool) {
        for name in examples.into_iter().flat_map(|e| e.names) {
            self.example_bytes = self.example_bytes.saturating_sub(held(&name));
            self.exemplify(into, &name);
        }
        let node = &mut self.nodes[into as usize];
        node.keys += keys;
        node.late |= late;
        if let Some(stats) = stats {
            node.stats.get_or_insert_default().merge(&stats);
        }
    }

    /// Draws a name as an example of a node: each that was offered is as likely to stay.
    fn exemplify(&mut self, id: Id, name: &[u8]) {
        if name.len() > LONGEST_EXAMPLE {
            return;
        }
        let room = self.example_bytes + held(name) <= EXAMPLE_BYTES;
        let examples = self.nodes[id as usize].examples.get_or_insert_default();
        examples.offered += 1;
        if examples.names.len() < EXAMPLES {
            if room {
                self.example_bytes += held(name);
                examples.names.push(name.into());
            }
        } else {
            let place = self.draw.next() % examples.offered;
            if let Some(old) = examples.names.get_mut(place as usize) {
                self.example_bytes = (self.example_bytes + name.len()).saturating_sub(old.len());
                *old = name.into();
            }
        }
    }

    /// Examples of a node and of all inside it, drawn by the keys they stand for.
    pub(crate) fn examples(&self, id: Id) -> Vec<Vec<u8>> {
        let mut draw = Draw::new(u64::from(id) ^ 0x5eed);
        let mut best: Vec<(f64, Id, usize)> = Vec::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let node = self.node(id);
            open.extend_from_slice(&node.children);
            let names = node.examples.as_ref().map_or(0, |e| e.names.len());
            let literal = node.keys > 0 && names == 0 && !node.part.is_inner() && node.part != Part::Others;
            for at in 0..names + usize::from(literal) {
                let weight = node.keys as f64 / names.max(1) as f64;
                best.push((draw.share().powf(1.0 / weight.max(1e-9)), id, at));
                if best.len() > 4 * EXAMPLES {
                    best.sort_by(|a, b| b.0.total_cmp(&a.0));
                    best.truncate(EXAMPLES);
                }
            }
        }
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        let name = |id: Id, at: usize| match self.node(id).examples.as_ref().and_then(|e| e.names.get(at)) {
            Some(name) => Some(name.to_vec()),
            None => self.name(id),
        };
        best.into_iter().take(EXAMPLES).filter_map(|(_, id, at)| name(id, at)).collect()
    }

    /// Halves the tree: the namespaces with the fewest keys are counted as `others` where they were (after Space-Saving).
    fn evict(&mut self) {
        // Where few are alike, more have to go.
        for gone in [2, 4, 8, 64] {
            self.evict_below(1.0 - 1.0 / f64::from(gone));
            if self.len() <= self.most * 3 / 4 {
                return;
            }
        }
    }

    /// Counts those as others that have no more keys than this share of all nodes.
    fn evict_below(&mut self, share: f64) {
        let mut totals = vec![0_u64; self.nodes.len()];
        self.sum(ROOT, &mut totals);
        let mut sizes: Vec<u64> = (0..self.nodes.len()).filter(|i| totals[*i] > 0).map(|i| totals[i]).collect();
        if sizes.is_empty() {
            return;
        }
        let place = ((sizes.len() - 1) as f64 * share) as usize;
        let least = *sizes.select_nth_unstable(place).1;
        let mut open = vec![ROOT];
        while let Some(id) = open.pop() {
            let children = self.node(id).children.clone();
            let small: Vec<Id> = children
                .iter()
                .copied()
                .filter(|child| totals[*child as usize] <= least && self.node(*child).part != Part::Others)
                .collect();
            // One by itself would only change its name.
            if small.len() > 1 {
                let others = match self.others(id) {
                    Some(others) => others,
                    None => self.add(id, Part::Others),
                };
                for child in &small {
                    self.leave(*child);
                    self.crush(*child, others);
                }
                self.nodes[id as usize].children.retain(|child| !small.contains(child));
            }
            open.extend(self.node(id).children.iter().copied().filter(|child| (*child as usize) < totals.len()));
        }
    }

    fn sum(&self, id: Id, totals: &mut [u64]) -> u64 {
        // As deep as names have parts.
        let node = self.node(id);
        let total = node.keys + node.children.iter().map(|child| self.sum(*child, totals)).sum::<u64>();
        totals[id as usize] = total;
        total
    }

    /// Moves a node, which was taken out of its place, and all inside it into one.
    fn crush(&mut self, from: Id, into: Id) {
        let children = std::mem::take(&mut self.nodes[from as usize].children);
        for child in children {
            self.leave(child);
            self.crush(child, into);
        }
        self.give_example(from, into);
        let old = std::mem::replace(&mut self.nodes[from as usize], Node::new(ROOT, Part::Others));
        self.take_in(into, old.keys, old.stats, old.examples, false);
        self.free.push(from);
    }
}

/// Memory that an example takes.
fn held(name: &[u8]) -> usize {
    name.len() + 48
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
