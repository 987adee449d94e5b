//! Who waits for whom, as a tree of holders. Pure: it knows sessions by number only.
use std::collections::{HashMap, HashSet, VecDeque};

/// Rows of a tree that are told at most.
const ROWS: usize = 500;
/// Other holders of a row that are told at most.
const ALSO: usize = 8;

/// A session that waits, and for whom.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Waiter {
    /// Its number.
    pub(crate) key: i64,
    /// Numbers of those that it waits for.
    pub(crate) holders: Vec<i64>,
    /// Time for which it has been waiting, in seconds.
    pub(crate) waits_s: Option<f64>,
}

/// A row of the tree; what waits for it follows with a greater depth.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) key: i64,
    pub(crate) depth: u32,
    /// Whether it is part of a circle.
    pub(crate) deadlock: bool,
    /// Whether it was told before, under another root; what waits for it is told there.
    pub(crate) again: bool,
    /// Those that wait for it, directly or behind one another.
    pub(crate) holds_up: u32,
    /// Those that would wait for nobody else if it ended.
    pub(crate) frees: u32,
    /// Longest wait of those that wait for it, in seconds.
    pub(crate) longest_s: Option<f64>,
    /// Further ones that it waits for.
    pub(crate) also: Vec<i64>,
}

/// The tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tree {
    pub(crate) rows: Vec<Row>,
    /// Rows that are not told.
    pub(crate) left_out: u32,
    pub(crate) roots: u32,
    pub(crate) waiting: u32,
    /// Longest of all waits, in seconds.
    pub(crate) longest_s: Option<f64>,
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The larger of two waits.
fn longer(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

/// Those that wait, by who is waited for.
struct Graph<'a> {
    waiters: HashMap<i64, &'a Waiter>,
    /// In the order in which they are told: the longest wait first.
    behind: HashMap<i64, Vec<i64>>,
    /// Everyone behind each, itself where it is part of a circle.
    reach: HashMap<i64, HashSet<i64>>,
}

impl<'a> Graph<'a> {
    fn new(all: &'a [Waiter]) -> Self {
        let waiters: HashMap<i64, &Waiter> =
            all.iter().filter(|w| w.holders.iter().any(|h| *h != w.key)).map(|w| (w.key, w)).collect();
        let mut behind: HashMap<i64, Vec<i64>> = HashMap::new();
        for waiter in waiters.values() {
            let holders: HashSet<i64> = waiter.holders.iter().copied().filter(|h| *h != waiter.key).collect();
            for holder in holders {
                behind.entry(holder).or_default().push(waiter.key);
            }
        }
        for list in behind.values_mut() {
            let wait = |key: &i64| waiters.get(key).and_then(|w| w.waits_s).unwrap_or(0.0);
            list.sort_by(|a, b| wait(b).total_cmp(&wait(a)).then(a.cmp(b)));
        }
        let mut graph = Self { waiters, behind, reach: HashMap::new() };
        graph.reach = graph.behind.keys().map(|key| (*key, graph.reached(*key))).collect();
        graph
    }

    fn behind(&self, key: i64) -> &[i64] {
        self.behind.get(&key).map_or(&[], Vec::as_slice)
    }

    fn reached(&self, from: i64) -> HashSet<i64> {
        let (mut seen, mut next) = (HashSet::new(), vec![from]);
        while let Some(key) = next.pop() {
            next.extend(self.behind(key).iter().copied().filter(|k| seen.insert(*k)));
        }
        seen
    }

    fn in_circle(&self, key: i64) -> bool {
        self.reach.get(&key).is_some_and(|r| r.contains(&key))
    }

    fn holds_up(&self, key: i64) -> u32 {
        self.reach.get(&key).map_or(0, |r| count(r.iter().filter(|k| **k != key).count()))
    }

    fn longest(&self, key: i64) -> Option<f64> {
        let all = self.reach.get(&key)?;
        all.iter().filter(|k| **k != key).fold(None, |longest, k| longer(longest, self.waiters.get(k)?.waits_s))
    }

    /// Those that wait for nobody when `key` is gone, and those behind them.
    fn freed(&self, key: i64) -> HashSet<i64> {
        let mut left: HashMap<i64, HashSet<i64>> = HashMap::new();
        let (mut freed, mut gone) = (HashSet::new(), vec![key]);
        while let Some(holder) = gone.pop() {
            for next in
                self.behind(holder).iter().filter(|k| **k != key && !freed.contains(*k)).copied().collect::<Vec<_>>()
            {
                let holders = left.entry(next).or_insert_with(|| {
                    let all = self.waiters.get(&next).map_or(&[][..], |w| &w.holders);
                    all.iter().copied().filter(|h| *h != next).collect()
                });
                holders.remove(&holder);
                if holders.is_empty() {
                    freed.insert(next);
                    gone.push(next);
                }
            }
        }
        freed
    }

    /// Who waits for nobody and is waited for; then one of each circle that none of those leads to. The one that holds up
    /// the most first.
    fn roots(&self) -> Vec<i64> {
        let by_size = |a: &i64, b: &i64| {
            let longest = |key: &i64| self.longest(*key).unwrap_or(0.0);
            self.holds_up(*b).cmp(&self.holds_up(*a)).then(longest(b).total_cmp(&longest(a))).then(a.cmp(b))
        };
        let mut roots: Vec<i64> = self.behind.keys().copied().filter(|k| !self.waiters.contains_key(k)).collect();
        roots.sort_by(by_size);
        let mut seen: HashSet<i64> = roots.iter().filter_map(|k| self.reach.get(k)).flatten().copied().collect();
        let mut circles: Vec<i64> = self.behind.keys().copied().filter(|k| self.in_circle(*k)).collect();
        circles.sort_by(by_size);
        for key in circles {
            if !seen.contains(&key) {
                seen.extend(self.reach.get(&key).into_iter().flatten());
                roots.push(key);
            }
        }
        roots
    }

    fn row(&self, key: i64, depth: u32, parent: Option<i64>) -> Row {
        let others = self.waiters.get(&key).map_or(&[][..], |w| &w.holders);
        let mut also: Vec<i64> = others.iter().copied().filter(|h| Some(*h) != parent && *h != key).collect();
        also.dedup();
        also.truncate(ALSO);
        Row {
            key,
            depth,
            deadlock: self.in_circle(key),
            again: false,
            holds_up: self.holds_up(key),
            frees: count(self.freed(key).len()),
            longest_s: self.longest(key),
            also,
        }
    }

    /// The rows of a root. Each of those behind it stands under the holder that is nearest to the root.
    fn rows(&self, root: i64, told: &mut HashSet<i64>, out: &mut Vec<Row>) {
        let mut parent: HashMap<i64, i64> = HashMap::new();
        let mut queue = VecDeque::from([root]);
        told.insert(root);
        let mut again = HashSet::new();
        while let Some(key) = queue.pop_front() {
            for next in self.behind(key) {
                if *next == root || parent.contains_key(next) {
                    continue;
                }
                parent.insert(*next, key);
                if told.insert(*next) {
                    queue.push_back(*next);
                } else {
                    again.insert(*next);
                }
            }
        }
        let mut stack = vec![(root, 0, None)];
        while let Some((key, depth, above)) = stack.pop() {
            let repeated = again.contains(&key);
            out.push(Row { again: repeated, ..self.row(key, depth, above) });
            if !repeated {
                let below = self.behind(key).iter().rev().filter(|k| parent.get(k) == Some(&key));
                stack.extend(below.map(|k| (*k, depth + 1, Some(key))));
            }
        }
    }
}

/// The tree of those that wait.
pub(crate) fn tree(all: &[Waiter]) -> Tree {
    let graph = Graph::new(all);
    let roots = graph.roots();
    let (mut told, mut rows) = (HashSet::new(), Vec::new());
    for root in &roots {
        graph.rows(*root, &mut told, &mut rows);
    }
    let left_out = count(rows.len().saturating_sub(ROWS));
    rows.truncate(ROWS);
    Tree {
        rows,
        left_out,
        roots: count(roots.len()),
        waiting: count(graph.waiters.len()),
        longest_s: graph.waiters.values().fold(None, |longest, w| longer(longest, w.waits_s)),
    }
}

/// Those that wait for nobody else when `key` is gone, and those behind them.
pub(crate) fn freed(all: &[Waiter], key: i64) -> HashSet<i64> {
    Graph::new(all).freed(key)
}

/// Those that wait for `key` and nobody else: the ones that go on as soon as it is gone.
pub(crate) fn freed_at_once(all: &[Waiter], key: i64) -> HashSet<i64> {
    let graph = Graph::new(all);
    let alone = |k: &&i64| graph.waiters.get(*k).is_some_and(|w| w.holders.iter().all(|h| *h == key || *h == w.key));
    graph.behind(key).iter().filter(alone).copied().collect()
}

/// How many wait for each, directly or behind one another.
pub(crate) fn holds_up(all: &[Waiter]) -> HashMap<i64, u32> {
    let graph = Graph::new(all);
    graph.behind.keys().map(|key| (*key, graph.holds_up(*key))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(key: i64, holders: &[i64], waits_s: f64) -> Waiter {
        Waiter { key, holders: holders.to_vec(), waits_s: Some(waits_s) }
    }

    /// Rows as `key(holds up/frees)`, indented by their depth, `=` where they are told further up, `!` in a circle.
    fn drawn(all: &[Waiter]) -> Vec<String> {
        let tree = tree(all);
        let line = |r: &Row| {
            let marks = format!("{}{}", if r.again { "=" } else { "" }, if r.deadlock { "!" } else { "" });
            format!("{}{}{marks} {}/{}", " ".repeat(r.depth as usize), r.key, r.holds_up, r.frees)
        };
        tree.rows.iter().map(line).collect()
    }

    #[test]
    fn a_chain_stands_one_below_the_other() {
        let chain = [waiter(2, &[1], 40.0), waiter(3, &[2], 30.0), waiter(4, &[3], 20.0), waiter(5, &[4], 10.0)];
        assert_eq!(drawn(&chain), ["1 4/4", " 2 3/3", "  3 2/2", "   4 1/1", "    5 0/0"]);
        let all = tree(&chain);
        assert_eq!((all.roots, all.waiting, all.longest_s), (1, 4, Some(40.0)));
        assert_eq!(all.rows[1].longest_s, Some(30.0), "of those behind it");
    }

    #[test]
    fn the_root_that_holds_up_the_most_comes_first_and_the_longest_wait_below_it() {
        let all = [waiter(2, &[1], 9.0), waiter(6, &[5], 1.0), waiter(7, &[5], 3.0)];
        assert_eq!(drawn(&all), ["5 2/2", " 7 0/0", " 6 0/0", "1 1/1", " 2 0/0"]);
    }

    #[test]
    fn a_waiter_with_two_holders_stands_under_both_and_neither_frees_it() {
        let all = [waiter(3, &[1, 2], 5.0), waiter(4, &[3], 4.0), waiter(5, &[1], 3.0)];
        assert_eq!(drawn(&all), ["1 3/1", " 3 1/1", "  4 0/0", " 5 0/0", "2 2/0", " 3= 1/1"]);
        let rows = tree(&all).rows;
        assert_eq!((&rows[1].also, &rows[5].also), (&vec![2], &vec![1]), "each says whom else it waits for");
        assert_eq!(freed(&all, 1), HashSet::from([5]));
        let chain = [waiter(2, &[1], 3.0), waiter(3, &[1, 2], 2.0), waiter(4, &[2], 1.0)];
        assert_eq!(freed(&chain, 1), HashSet::from([2, 3, 4]), "in the end");
        assert_eq!(freed_at_once(&chain, 1), HashSet::from([2]), "the others wait for it in turn");
    }

    #[test]
    fn those_that_queue_for_one_row_stand_nearest_to_its_holder() {
        let queue = [waiter(2, &[1], 3.0), waiter(3, &[1, 2], 2.0), waiter(4, &[1, 2, 3], 1.0)];
        assert_eq!(
            drawn(&queue),
            ["1 3/3", " 2 2/0", " 3 1/0", " 4 0/0"],
            "ending 2 frees nobody: they wait for 1 too"
        );
    }

    #[test]
    fn a_circle_is_told_once_and_ends() {
        let circle = [waiter(1, &[2], 2.0), waiter(2, &[1], 1.0), waiter(3, &[2], 1.0)];
        assert_eq!(drawn(&circle), ["2! 2/2", " 1! 2/2", " 3 0/0"], "ending either frees the others");
        assert_eq!(tree(&circle).roots, 1);
        let beside = [waiter(1, &[2, 9], 2.0), waiter(2, &[1], 1.0)];
        assert_eq!(drawn(&beside), ["9 2/0", " 1! 1/1", "  2! 1/0"], "one that somebody else holds up too");
        assert_eq!(drawn(&[waiter(1, &[1], 1.0)]), [""; 0], "nobody waits for itself");
    }

    #[test]
    fn many_are_counted_where_they_are_not_told() {
        let all: Vec<Waiter> = (2..=1_000).map(|key| waiter(key, &[1], 1.0)).collect();
        let tree = tree(&all);
        assert_eq!((tree.rows.len(), tree.left_out, tree.waiting), (ROWS, 500, 999));
        assert_eq!(tree.rows[0].frees, 999, "counted whole");
    }
}
