//! B-trees of what is asked: equality, then order, then one range; and those that hold all that is asked.
use perfdeck_sqltext::Dialect;

use super::{Kind, Maker, Wants};
use crate::catalogue::Column;
use crate::index::{Index, Key, KeyOf, Method};
use crate::predicates::Predicate;
use crate::scalar::Scalar;
use crate::shape::{Scan, SortKey};
use crate::widths::{cannot_be_held, fit_together, may_be_too_long};

pub(super) fn columns_of(keys: &[Key]) -> Vec<&str> {
    keys.iter().flat_map(Key::columns).collect()
}

/// Share of its pages that must be visible to all before an index alone can answer, and the bytes that it may then have of a row.
pub(super) const VISIBLE: f64 = 0.8;

pub(crate) const WIDEST_COVER: f64 = 200.0;

impl Maker<'_> {
    /// B-trees of all rows, or of those of a condition.
    pub(crate) fn plain(&mut self, statement: usize, scan: &Scan, wants: &Wants, part: Option<&Predicate>) {
        let mut beginnings: Vec<(Vec<Scalar>, Kind)> = vec![(wants.equal.clone(), Kind::Equality)];
        for joins in wants.joins.values() {
            let mut all = wants.equal.clone();
            all.extend(joins.iter().filter(|of| !wants.equal.contains(of)).cloned());
            self.by_weight(scan.table, &mut all);
            beginnings.push((joins.clone(), Kind::Join));
            beginnings.push((all, Kind::Join));
        }
        let table = &self.catalogue.tables[scan.table];
        for (equal, kind) in beginnings {
            let kind = if part.is_some() { Kind::Partial } else { kind };
            let kind_of = |other: Kind| if part.is_some() { Kind::Partial } else { other };
            if !equal.is_empty() {
                self.add(statement, scan, &equal, &[], kind, part);
                self.add(statement, scan, &equal[..1], &[], kind, part);
            }
            // One that turns out to be too long for an entry, or of whose values nothing is known, must not take the others with it.
            let unsure = |of: &Scalar| {
                may_be_too_long(self.catalogue, table, of)
                    || self.catalogue.dialect == Dialect::Postgres && of.as_column().is_none()
            };
            if equal.iter().any(unsure) {
                for one in equal.iter().skip(1) {
                    self.add(statement, scan, std::slice::from_ref(one), &[], kind, part);
                }
                let sure: Vec<Scalar> = equal.iter().filter(|of| !unsure(of)).cloned().collect();
                if !sure.is_empty() {
                    self.add(statement, scan, &sure, &[], kind, part);
                }
            }
            let mut some = equal.clone();
            some.extend(wants.some.iter().cloned());
            if some.len() > equal.len() {
                self.add(statement, scan, &some, &[], kind, part);
                self.add(statement, scan, &some[some.len() - 1..], &[], kind, part);
            }
            for range in &wants.ranges {
                let key = [SortKey { of: range.clone(), descending: false, nulls_first: self.first(false) }];
                self.add(statement, scan, &some, &key, kind_of(Kind::Range), part);
                self.add(statement, scan, &equal, &key, kind_of(Kind::Range), part);
                self.add(statement, scan, &[], &key, kind_of(Kind::Range), part);
            }
            self.ordered(statement, scan, &equal, kind_of, part);
        }
    }

    /// Where nulls stand in a key's own order.
    pub(super) fn first(&self, descending: bool) -> bool {
        if self.catalogue.dialect == Dialect::Postgres { descending } else { !descending }
    }

    pub(super) fn ordered(
        &mut self,
        statement: usize,
        scan: &Scan,
        equal: &[Scalar],
        kind_of: impl Fn(Kind) -> Kind,
        part: Option<&Predicate>,
    ) {
        let table = &self.catalogue.tables[scan.table];
        let keys: Vec<SortKey> = scan.sort.iter().take_while(|k| self.can_be_key(table, &k.of)).cloned().collect();
        if !keys.is_empty() {
            let kind = if equal.is_empty() && !scan.conditions.is_empty() { Kind::OrderOnly } else { Kind::Order };
            let kind = if equal.is_empty() && part.is_none() { kind } else { Kind::Order };
            if !equal.is_empty() || scan.limited || part.is_some() {
                self.add(statement, scan, equal, &keys, kind_of(kind), part);
            }
            if !equal.is_empty() && scan.limited && part.is_none() {
                self.add(statement, scan, &[], &keys, Kind::OrderOnly, None);
            }
        }
        // The first row of each group by an order that goes on (`DISTINCT ON`).
        let groups = scan.group.len();
        if groups > 0 && keys.len() > groups && keys[..groups].iter().all(|k| scan.group.contains(&k.of)) {
            self.add(statement, scan, equal, &keys, kind_of(Kind::Group), part);
        }
        let nulls_first = self.first(false);
        let plain = |of: &Scalar| SortKey { of: of.clone(), descending: false, nulls_first };
        if scan.group.iter().all(|of| self.can_be_key(table, of)) && !scan.group.is_empty() {
            let keys: Vec<SortKey> = scan.group.iter().map(plain).collect();
            self.add(statement, scan, equal, &keys, kind_of(Kind::Group), part);
        }
        let extremes: Vec<&Scalar> = scan.extremes.iter().filter(|of| self.can_be_key(table, of)).collect();
        for of in extremes {
            self.add(statement, scan, equal, &[plain(of)], kind_of(Kind::Extreme), part);
        }
    }

    /// Adds a B-tree, and one that holds all that is asked.
    pub(super) fn add(
        &mut self,
        statement: usize,
        scan: &Scan,
        equal: &[Scalar],
        then: &[SortKey],
        kind: Kind,
        part: Option<&Predicate>,
    ) {
        let table = &self.catalogue.tables[scan.table];
        let mut keys: Vec<Key> = Vec::new();
        let fixed = equal.len();
        let ordered = then.iter().filter(|k| !equal.contains(&k.of)).map(|k| Key {
            descending: k.descending,
            nulls_first: self.catalogue.dialect == Dialect::Postgres && k.nulls_first,
            ..Key::scalar(&k.of)
        });
        for key in equal.iter().map(Key::scalar).chain(ordered) {
            if !keys.iter().any(|k| k.of == key.of) && keys.len() < self.limits.keys {
                keys.push(key);
            }
            if !fit_together(self.catalogue, table, &columns_of(&keys)) {
                keys.pop();
            }
        }
        if keys.is_empty() {
            return;
        }
        let fixed = fixed.min(keys.len());
        let index = Index { table: scan.table, keys, predicate: part.cloned(), ..Index::default() };
        if let Some(wide) = self.covering(scan, &index) {
            self.push(statement, wide, Kind::Covering, fixed);
        }
        self.push(statement, index, kind, fixed);
    }

    /// The same with the rest of the columns that the statement uses, where reading the index alone can be enough and pays.
    fn covering(&self, scan: &Scan, index: &Index) -> Option<Index> {
        let table = &self.catalogue.tables[scan.table];
        let plain = index.keys.iter().all(|k| matches!(k.of, KeyOf::Column(_)));
        if scan.uses_all || !plain || index.method != Method::Btree {
            return None;
        }
        let keys: Vec<&str> = index.keys.iter().flat_map(Key::columns).collect();
        let part = index
            .predicate
            .iter()
            .flat_map(Predicate::columns)
            .chain(table.in_every_index(self.catalogue.dialect))
            .collect::<Vec<_>>();
        let rest: Vec<&Column> = table
            .columns
            .iter()
            .filter(|c| scan.used.contains(&c.name) && !keys.contains(&c.name.as_str()))
            .filter(|c| !part.contains(&c.name.as_str()))
            .collect();
        let widths: Option<f64> =
            keys.iter().filter_map(|k| table.column(k)).chain(rest.iter().copied()).map(|c| c.width).sum();
        let held = rest.iter().all(|c| !cannot_be_held(table, c));
        if rest.is_empty() || rest.len() > 6 || widths? > WIDEST_COVER {
            return None;
        }
        let names = rest.iter().map(|c| c.name.clone());
        match self.catalogue.dialect {
            Dialect::Postgres => (held && self.catalogue.has_include() && table.all_visible > VISIBLE)
                .then(|| Index { include: names.collect(), ..index.clone() }),
            // No other columns than keys: few more of them do the same.
            _ if rest.len() <= 3 => {
                let more = names.map(Key::column);
                let keys: Vec<Key> = index.keys.iter().cloned().chain(more).collect();
                fit_together(self.catalogue, table, &columns_of(&keys)).then(|| Index { keys, ..index.clone() })
            }
            _ => None,
        }
    }
}
