//! Which index serves and enforces all that another one does. Pure.
//!
//! Two that look alike often are not: they differ by access method, operator class, collation, direction, null order, length of
//! a prefix, condition, columns held beside the keys, uniqueness and what it takes for equal, options, and by what an engine puts
//! behind the keys itself. Columns are compared as columns; what differs in anything is not alike.
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use perfdeck_model::{IndexKey, IndexOrigin};

use crate::indexes::facts::{Index, IndexReading, Usual};

/// How the keys of one index are to those of another one that serves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relation {
    /// The same keys, and the same columns beside them.
    pub(crate) exact: bool,
    /// The same keys.
    pub(crate) keys: bool,
    /// The same options but for the fillfactor.
    pub(crate) options: bool,
}

/// An index that need not stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advice<'a> {
    /// It.
    pub(crate) index: &'a Index,
    /// The one that serves all of it and that nothing here advises to drop.
    pub(crate) stays: &'a Index,
    /// One with the same keys that goes before it, which may need not stay either.
    pub(crate) twin: Option<&'a Index>,
}

/// A key with what it is compared by.
#[derive(Clone, Copy)]
struct Key<'a> {
    key: &'a IndexKey,
    /// The text of its expression in comparable form.
    expression: Option<&'a str>,
    usual: Option<Usual>,
    wanted: bool,
}

fn keys(index: &Index) -> Vec<Key<'_>> {
    let of = &index.compared;
    let expressions = of.expressions.iter().map(Option::as_deref).chain(std::iter::repeat(None));
    let usual = of.usual.iter().copied().map(Some).chain(std::iter::repeat(None));
    let all = index.identity.keys.iter().zip(expressions).zip(usual);
    all.map(|((key, expression), usual)| Key { key, expression, usual, wanted: of.wanted }).collect()
}

/// Whether two keys are ordered and found alike, whatever is in order.
fn same_order(a: &Key<'_>, b: &Key<'_>) -> bool {
    // One that is not there yet and names none takes the usual one, whichever that is.
    let class = match (a.wanted && a.key.operator_class.is_none(), b.usual) {
        (true, Some(usual)) => usual.class,
        _ => a.key.operator_class == b.key.operator_class,
    };
    let collation = match (a.wanted, b.usual) {
        (true, Some(usual)) => usual.collation,
        _ => a.key.collation == b.key.collation,
    };
    class
        && collation
        && a.key.descending == b.key.descending
        && a.key.nulls_first == b.key.nulls_first
        && a.key.prefix == b.key.prefix
}

fn same(a: &Key<'_>, b: &Key<'_>) -> bool {
    // The shown text of an expression has no literals, so that it is no proof.
    a.key.column == b.key.column
        && a.expression == b.expression
        && (a.key.column.is_some() || a.expression.is_some())
        && same_order(a, b)
}

/// Whether an index is the one that was asked for. What the catalogue makes of an expression or a condition is not known before it
/// was created, so that one in its place is taken for it.
pub(crate) fn fulfils(found: &Index, wanted: &Index) -> bool {
    let (x, y) = (&wanted.identity, &found.identity);
    let key = |(a, b): (&Key<'_>, &Key<'_>)| {
        let unread = a.key.column.is_none() && a.expression.is_none() && b.key.column.is_none();
        same(a, b) || unread && same_order(a, b)
    };
    x.method == y.method
        && x.keys.len() == y.keys.len()
        && keys(wanted).iter().zip(&keys(found)).all(key)
        && x.include == y.include
        && x.partial == y.partial
        && x.partitioned == y.partitioned
        && !y.unique
        && y.constraints.is_empty()
}

/// Columns that the engine puts behind the keys, as far as they are not among them whole.
fn suffix(index: &Index) -> impl Iterator<Item = &str> {
    let whole =
        |name: &str| index.identity.keys.iter().any(|k| k.column.as_deref() == Some(name) && k.prefix.is_none());
    index.identity.suffix.iter().map(String::as_str).filter(move |name| !whole(name))
}

/// Whether the order of `b` begins with all of `a`, what the engine puts behind the keys included.
fn begins(a: &Index, b: &Index) -> bool {
    let (ka, kb) = (keys(a), keys(b));
    if ka.len() > kb.len() || !ka.iter().zip(&kb).all(|(a, b)| same(a, b)) {
        return false;
    }
    if ka.len() == kb.len() {
        return true;
    }
    // After its keys `a` is ordered by these, and `b` has to be so too.
    let plain = |key: &IndexKey| key.prefix.is_none() && !key.descending;
    let rest = b.identity.keys.iter().skip(ka.len());
    let rest = rest.map(|key| key.column.as_deref().filter(|_| plain(key)));
    let mut rest = rest.chain(suffix(b).map(Some));
    suffix(a).all(|name| rest.next().flatten() == Some(name))
}

/// Whether queries may use it at all.
fn serves_queries(index: &Index) -> bool {
    index.identity.valid && index.identity.maintained && index.identity.visible
}

/// How `b` serves and enforces all that `a` does; `None` where it does not.
pub(crate) fn relation(a: &Index, b: &Index) -> Option<Relation> {
    let (x, y) = (&a.identity, &b.identity);
    let comparable = a.compared.understood && b.compared.understood && x.name != y.name && x.table == y.table;
    // What a full-text index splits into words by is not told.
    if !comparable || !serves_queries(b) || x.method != y.method || x.method == "fulltext" {
        return None;
    }
    if x.partial != y.partial || a.compared.predicate != b.compared.predicate || x.partitioned != y.partitioned {
        return None;
    }
    let same_keys = x.keys.len() == y.keys.len() && keys(a).iter().zip(&keys(b)).all(|(a, b)| same(a, b));
    // Only a B-tree serves the beginning of its keys as it serves all of them.
    if !same_keys && (x.method != "btree" || !begins(a, b)) {
        return None;
    }
    let held = |column: &String| {
        y.include.contains(column) || y.keys.iter().any(|k| k.column.as_ref() == Some(column) && k.prefix.is_none())
    };
    if !x.include.iter().all(held) {
        return None;
    }
    let enforced = y.unique && b.compared.immediate && same_keys && x.nulls_not_distinct == y.nulls_not_distinct;
    if x.unique && !enforced {
        return None;
    }
    let exact = same_keys && x.include.len() == y.include.len();
    let options = x.keys.iter().zip(&y.keys).all(|(a, b)| a.options == b.options);
    // The settings of a longer index are its own matter.
    Some(Relation { exact, keys: same_keys, options: options && (!same_keys || x.options == y.options) })
}

/// Whether `b` can stand for `a`. One with the same keys and other options was made for those.
fn covers(a: &Index, b: &Index) -> Option<Relation> {
    relation(a, b).filter(|found| found.options)
}

/// Whether nothing but queries needs it: no constraint, no replication, no partitioned table, no extension.
pub(crate) fn is_free(index: &Index) -> bool {
    let i = &index.identity;
    i.origin == IndexOrigin::Created
        && !i.primary
        && i.constraints.is_empty()
        && !i.replica_identity
        && !i.clustered
        && i.part_of.is_none()
}

/// Of two that serve each other the first stays: what something needs, then the one with more keys, then the elder.
fn place(index: &Index) -> (bool, bool, bool, Reverse<usize>, i64, &str) {
    let i = &index.identity;
    (is_free(index), !i.visible, !i.unique, Reverse(i.keys.len()), index.compared.made, &i.name)
}

/// Whether `b` serves `a` and goes before it. It is an order, so that of those that serve each other one has none before it.
fn before(a: &Index, b: &Index) -> Option<Relation> {
    let found = covers(a, b)?;
    (covers(b, a).is_none() || place(b) < place(a)).then_some(found)
}

/// The indexes of a reading by their table.
pub(crate) fn by_table(reading: &IndexReading) -> BTreeMap<&str, Vec<&Index>> {
    let mut tables: BTreeMap<&str, Vec<&Index>> = BTreeMap::new();
    for index in &reading.indexes {
        tables.entry(&index.identity.table).or_default().push(index);
    }
    tables
}

/// How many indexes of partitioned tables one is a part of, through each other.
fn depth(index: &Index, by_name: &HashMap<&str, &Index>) -> usize {
    const DEEPEST: usize = 32;
    let next = |i: &&Index| i.identity.part_of.as_deref().and_then(|parent| by_name.get(parent).copied());
    std::iter::successors(Some(index), next).take(DEEPEST).count()
}

/// Indexes that need not stay, each with one that stays: of a pair never both go. What is a part of one that goes, goes with it: it is
/// no advice of its own, and stays for nobody.
pub(crate) fn advised(reading: &IndexReading) -> Vec<Advice<'_>> {
    let by_name: HashMap<&str, &Index> = reading.indexes.iter().map(|i| (i.identity.name.as_str(), i)).collect();
    let mut tables: Vec<Vec<&Index>> = by_table(reading).into_values().collect();
    // A partitioned table before its partitions.
    tables.sort_by_key(|own| own.iter().map(|i| depth(i, &by_name)).max());
    let (mut all, mut gone): (Vec<Advice<'_>>, HashSet<&str>) = (Vec::new(), HashSet::new());
    for own in tables {
        let (with, own): (Vec<&Index>, Vec<&Index>) =
            own.into_iter().partition(|i| i.identity.part_of.as_deref().is_some_and(|parent| gone.contains(parent)));
        gone.extend(with.iter().map(|i| i.identity.name.as_str()));
        let goes = |a: &Index| {
            is_free(a) && a.identity.valid && a.identity.maintained && own.iter().any(|b| before(a, b).is_some())
        };
        let (going, staying): (Vec<&Index>, Vec<&Index>) = own.iter().copied().partition(|index| goes(index));
        gone.extend(going.iter().filter(|i| i.identity.partitioned).map(|i| i.identity.name.as_str()));
        for index in &going {
            // The best that stays: the same keys before more, and then what something needs anyway.
            let best = staying.iter().filter_map(|b| Some((before(index, b)?, *b)));
            let best = best.min_by_key(|(found, b)| (!found.exact, !found.keys, b.identity.keys.len(), place(b)));
            let twins = own.iter().filter(|b| before(index, b).is_some_and(|found| found.exact));
            let twin = twins.copied().min_by_key(|b| place(b));
            if let Some((_, stays)) = best {
                all.push(Advice { index, stays, twin });
            }
        }
    }
    all.sort_by(|a, b| a.index.identity.table.cmp(&b.index.identity.table));
    all
}

/// Whether one of another table has the keys, the columns beside them and the condition of this one, and may be a part of it.
pub(crate) fn may_be_part(part: &Index, of: &Index) -> bool {
    let (x, y) = (&part.identity, &of.identity);
    let enforced = !y.unique || x.unique && x.nulls_not_distinct == y.nulls_not_distinct;
    x.valid
        && x.part_of.is_none()
        && part.compared.understood
        && x.method == y.method
        && x.keys.len() == y.keys.len()
        && keys(part).iter().zip(&keys(of)).all(|(a, b)| same(a, b))
        && x.include == y.include
        && part.compared.predicate == of.compared.predicate
        && enforced
}

/// Another index with the same keys that serves and enforces whatever this one does, and how it differs.
pub(crate) fn twin<'a>(index: &Index, all: &'a [Index]) -> Option<(&'a Index, Relation)> {
    let twins = all.iter().filter_map(|b| Some((b, relation(index, b).filter(|found| found.keys)?)));
    twins.min_by_key(|(b, found)| {
        let i = &b.identity;
        (!found.options, !i.primary, is_free(b), !i.unique, b.compared.made, &i.name)
    })
}

#[cfg(test)]
mod tests {
    use perfdeck_model::{IndexIdentity, Scheme};

    use super::*;
    use crate::indexes::facts::Compared;

    fn index(name: &str, columns: &[&str]) -> Index {
        let key = |column: &&str| IndexKey { column: Some((*column).to_owned()), ..IndexKey::default() };
        Index {
            identity: IndexIdentity {
                name: name.to_owned(),
                table: "t".to_owned(),
                method: "btree".to_owned(),
                keys: columns.iter().map(key).collect(),
                valid: true,
                maintained: true,
                visible: true,
                ..IndexIdentity::default()
            },
            done: crate::indexes::facts::IndexDone::default(),
            compared: Compared { understood: true, immediate: true, ..Compared::default() },
        }
    }

    fn goes(indexes: Vec<Index>) -> Vec<(String, String, bool)> {
        let reading = IndexReading { indexes, ..IndexReading::of(Scheme::Postgres) };
        let told = advised(&reading);
        let name = |i: &Index| i.identity.name.clone();
        told.iter().map(|a| (name(a.index), name(a.stays), a.twin.is_some())).collect()
    }

    fn told(list: &[(&str, &str, bool)]) -> Vec<(String, String, bool)> {
        list.iter().map(|(a, b, twin)| ((*a).to_owned(), (*b).to_owned(), *twin)).collect()
    }

    #[test]
    fn what_stays_is_never_advised_away() {
        let all =
            vec![index("a1", &["a"]), index("a2", &["a"]), index("ab", &["a", "b"]), index("abc", &["a", "b", "c"])];
        let want = told(&[("a1", "abc", false), ("a2", "abc", true), ("ab", "abc", false)]);
        assert_eq!(goes(all), want, "whatever goes leaves one that serves it, and that one does not go");
        let circle = vec![index("x", &["a"]), index("y", &["a"]), index("z", &["a"])];
        assert_eq!(goes(circle).len(), 2, "of three that are alike one stays");
    }

    #[test]
    fn what_goes_with_the_index_of_its_partitioned_table_stays_for_nobody() {
        let of = |name: &str, table: &str, part_of: Option<&str>, columns: &[&str]| {
            let mut index = index(name, columns);
            index.identity.table = table.to_owned();
            index.identity.partitioned = table == "z";
            index.identity.part_of = part_of.map(str::to_owned);
            index
        };
        // The name of the partitioned table comes last.
        let all = vec![
            of("local", "p", None, &["k"]),
            of("p_k", "p", Some("k"), &["k"]),
            of("p_k_id", "p", Some("k_id"), &["k", "id"]),
            of("k", "z", None, &["k"]),
            of("k_id", "z", None, &["k", "id"]),
        ];
        assert_eq!(goes(all), told(&[("local", "p_k_id", false), ("k", "k_id", false)]));
    }

    #[test]
    fn what_the_engine_puts_behind_the_keys_is_part_of_the_order() {
        let with = |mut index: Index| {
            index.identity.suffix = vec!["id".to_owned()];
            index
        };
        let (a, ab, ai) = (with(index("a", &["a"])), with(index("ab", &["a", "b"])), with(index("ai", &["a", "id"])));
        assert_eq!(goes(vec![a.clone(), ab]), [], "rows of one `a` come by id from the one, by b from the other");
        assert_eq!(goes(vec![a.clone(), ai]), told(&[("a", "ai", false)]), "the same order, written out");
        let aib = with(index("aib", &["a", "id", "b"]));
        assert_eq!(goes(vec![a.clone(), aib]), told(&[("a", "aib", false)]), "its beginning");
        let mut down = with(index("down", &["a", "id"]));
        down.identity.keys[1].descending = true;
        assert_eq!(goes(vec![a, down]), [], "the other way round");
    }

    #[test]
    fn what_is_not_there_yet_takes_what_is_usual() {
        let mut wanted = index("w", &["a"]);
        wanted.compared.wanted = true;
        let with = |class, collation| {
            let mut there = index("i", &["a"]);
            there.identity.keys[0].operator_class = Some("text_ops".to_owned());
            there.identity.keys[0].collation = Some("de".to_owned());
            there.compared.usual = vec![Usual { class, collation }];
            there
        };
        let there = with(true, true);
        assert!(relation(&wanted, &there).is_some_and(|found| found.exact) && fulfils(&there, &wanted));
        assert!(!fulfils(&with(false, true), &wanted), "another operator class");
        assert!(relation(&wanted, &with(true, false)).is_none(), "another collation");
        wanted.identity.keys[0].operator_class = Some("text_pattern_ops".to_owned());
        assert!(!fulfils(&there, &wanted), "it names another one");
        // An expression that is not there yet is no proof that one that is does the same.
        let expression = |name: &str, text: Option<&str>| {
            let mut of = index(name, &["a"]);
            of.identity.keys[0].column = None;
            of.compared.expressions = vec![text.map(str::to_owned)];
            of
        };
        let (mut asked, made) = (expression("w", None), expression("i", Some("{tree}")));
        asked.compared.wanted = true;
        assert!(relation(&asked, &made).is_none() && fulfils(&made, &asked));
        let mut unique = index("u", &["a"]);
        unique.identity.unique = true;
        assert!(!fulfils(&unique, &index("w", &["a"])), "it enforces something");
    }

    #[test]
    fn what_enforces_more_stays() {
        let mut unique = index("u", &["a"]);
        unique.identity.unique = true;
        assert_eq!(goes(vec![unique.clone(), index("i", &["a"])]), told(&[("i", "u", true)]), "the plain one goes");
        assert_eq!(goes(vec![unique.clone(), index("ab", &["a", "b"])]), [], "uniqueness is not that of more columns");
        let mut deferred = unique.clone();
        (deferred.identity.name, deferred.compared.immediate) = ("d".to_owned(), false);
        deferred.identity.constraints = vec![perfdeck_model::IndexConstraint::default()];
        assert_eq!(goes(vec![unique.clone(), deferred]), [], "checked at the end is not checked with each row");
        let mut nulls = unique.clone();
        (nulls.identity.name, nulls.identity.nulls_not_distinct) = ("n".to_owned(), true);
        assert_eq!(goes(vec![unique, nulls]), [], "nulls are another matter");
    }
}
