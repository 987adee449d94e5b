//! One index of PostgreSQL, of a row of its catalogue.
use std::collections::HashMap;

use perfdeck_model::{ConstraintKind, IndexConstraint, IndexIdentity, IndexKey, IndexOrigin};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::facts::{Compared, Index, IndexDone, Usual};
use super::postgres::document;
use super::postgres_sql::LONGEST_TREE;
use super::postgres_tree::{comparable, list, not_null};
use super::rules::not_null_of;

/// Names by numbers of the catalogue.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// And whether it is the usual one of its type.
    pub(super) classes: HashMap<i64, (String, bool)>,
    pub(super) collations: HashMap<i64, String>,
}

/// Bits of an entry of `indoption`.
const DESCENDING: i64 = 1;
const NULLS_FIRST: i64 = 2;

fn vector(row: &PgRow, at: usize) -> Result<Vec<i64>, sqlx::Error> {
    Ok(row.try_get::<&str, _>(at)?.split(' ').filter_map(|n| n.parse().ok()).collect())
}

/// The index of a row.
pub(super) fn index(row: &PgRow, names: &Names) -> Result<Index, sqlx::Error> {
    let flag = |at: usize| row.try_get::<bool, _>(at);
    let (count, numbers) = (usize::try_from(row.try_get::<i32, _>(5)?).unwrap_or(0), vector(row, 19)?);
    let columns: Vec<Option<String>> = document(row, 18)?;
    let Keys { keys, expressions, understood, usual } = keys(row, names, count, &numbers, &columns)?;
    let method: String = row.try_get(3)?;
    let (options, fillfactor) = options(row, &method)?;
    let tree: Option<&str> = row.try_get(10)?;
    let understood = understood && tree.is_none_or(|tree| tree.chars().count() <= LONGEST_TREE);
    let column = |number: i32| {
        let at = numbers.iter().position(|n| *n == i64::from(number))?;
        columns.get(at)?.clone()
    };
    let predicate = tree.map(|tree| match not_null(tree).and_then(column) {
        Some(column) => not_null_of(&column),
        None => comparable(tree),
    });
    let identity = IndexIdentity {
        name: row.try_get(1)?,
        table: row.try_get(2)?,
        method,
        include: columns.iter().skip(count).flatten().cloned().collect(),
        keys,
        partial: tree.is_some(),
        unique: flag(11)?,
        primary: flag(12)?,
        nulls_not_distinct: flag(28)?,
        replica_identity: flag(16)?,
        clustered: flag(17)?,
        partitioned: row.try_get::<&str, _>(4)? == "I",
        part_of: row.try_get(22)?,
        origin: if flag(23)? { IndexOrigin::Extension } else { IndexOrigin::Created },
        valid: flag(14)?,
        maintained: flag(15)?,
        visible: true,
        options,
        ..IndexIdentity::default()
    };
    let oid = row.try_get(0)?;
    let compared = Compared {
        expressions,
        predicate,
        understood,
        immediate: flag(13)?,
        fillfactor,
        made: oid,
        oid,
        table: row.try_get(27)?,
        usual,
        ..Compared::default()
    };
    let done = IndexDone::counted(row.try_get(24)?, row.try_get(25)?, row.try_get(26)?, row.try_get(29)?);
    Ok(Index { identity, done, compared })
}

/// Its keys, for each the comparable form of its expression, and whether all of them are understood.
struct Keys {
    keys: Vec<IndexKey>,
    expressions: Vec<Option<String>>,
    understood: bool,
    usual: Vec<Usual>,
}

fn keys(
    row: &PgRow,
    names: &Names,
    count: usize,
    numbers: &[i64],
    columns: &[Option<String>],
) -> Result<Keys, sqlx::Error> {
    let (classes, collations, orders) = (vector(row, 6)?, vector(row, 7)?, vector(row, 8)?);
    let of_classes: Vec<Option<String>> = document(row, 21)?;
    let mut trees = row.try_get::<Option<&str>, _>(9)?.map(list).unwrap_or_default().unwrap_or_default().into_iter();
    let (mut keys, mut expressions, mut understood) = (Vec::with_capacity(count), Vec::with_capacity(count), true);
    // Asked for the indexes of one table only.
    let asked: Option<&str> = row.try_get(30)?;
    let of_columns: Option<Vec<i64>> = asked.map(|_| document(row, 30)).transpose()?;
    let mut usual = Vec::new();
    for at in 0..count {
        let order = orders.get(at).copied().unwrap_or(0);
        let class = classes.get(at).and_then(|oid| names.classes.get(oid));
        let (class, is_usual) = (class.map(|(name, _)| name.clone()), class.is_some_and(|(_, usual)| *usual));
        let collation = collations.get(at).and_then(|oid| names.collations.get(oid)).cloned();
        let told = class.is_some() && (collation.is_some() || collations.get(at).is_none_or(|oid| *oid == 0));
        let column = columns.get(at).cloned().flatten().filter(|_| numbers.get(at).is_some_and(|n| *n != 0));
        let expression = if column.is_none() { trees.next().map(comparable) } else { None };
        understood &= told && (column.is_some() || expression.is_some());
        keys.push(IndexKey {
            column,
            operator_class: class,
            collation,
            descending: order & DESCENDING != 0,
            nulls_first: Some(order & NULLS_FIRST != 0),
            options: of_classes.get(at).cloned().flatten().filter(|text| !text.is_empty()),
            ..IndexKey::default()
        });
        expressions.push(expression);
        if let Some(own) = &of_columns {
            // An expression has one of its own.
            let collation = own.get(at).copied().unwrap_or(0);
            usual.push(Usual { class: is_usual, collation: collation == 0 || collations.get(at) == Some(&collation) });
        }
    }
    // All expressions have to have found their place.
    understood &= trees.next().is_none();
    Ok(Keys { keys, expressions, understood, usual })
}

/// The settings of an index in one order, and how full its pages are made: that of a B-tree alone is no reason to keep two.
fn options(row: &PgRow, method: &str) -> Result<(Vec<String>, Option<String>), sqlx::Error> {
    let mut all: Vec<String> = document(row, 20)?;
    all.sort();
    let fill = |option: &String| method == "btree" && option.starts_with("fillfactor=");
    let fillfactor = all.iter().find(|o| fill(o)).cloned();
    all.retain(|option| !fill(option));
    Ok((all, fillfactor))
}

impl Index {
    /// Adds a constraint that rests on it.
    pub(super) fn take_constraint(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        let kind = match row.try_get::<&str, _>(2)? {
            "p" => ConstraintKind::PrimaryKey,
            "x" => ConstraintKind::Exclusion,
            "f" => ConstraintKind::ForeignKey,
            _ => ConstraintKind::Unique,
        };
        if kind == ConstraintKind::PrimaryKey {
            self.identity.origin = IndexOrigin::PrimaryKey;
        } else if kind != ConstraintKind::ForeignKey {
            self.identity.origin = IndexOrigin::Constraint;
        }
        self.identity.constraints.push(IndexConstraint {
            name: row.try_get(1)?,
            kind,
            deferrable: row.try_get(3)?,
            table: row.try_get(4)?,
        });
        Ok(())
    }
}
