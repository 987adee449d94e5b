//! An index: what it holds, and the statement that creates it.
use std::fmt::Write as _;

use perfdeck_sqltext::{Dialect, quote_identifier};

use crate::catalogue::{Catalogue, TableKind};
use crate::predicates::Predicate;
use crate::scalar::{Scalar, collation};

/// How an index is organised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// A B-tree.
    #[default]
    Btree,
    /// An inverted index of parts of values.
    Gin,
    /// The least and the greatest value of each range of pages.
    Brin,
    /// Something that is not proposed and not compared.
    Other,
}

/// What a key is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyOf {
    /// A column.
    Column(String),
    /// An expression.
    Expression(Scalar),
    /// An expression of an index that is there and was not understood: like no other.
    Unknown(String),
}

/// A key of an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is of.
    pub of: KeyOf,
    /// How much of a column's beginning it has, in characters; all of it where there is none. Such a key finds rows, which are compared with
    /// the whole value afterwards; it has them in no order and holds no value (MySQL, MariaDB).
    pub prefix: Option<u32>,
    /// From the greatest to the least.
    pub descending: bool,
    /// Nulls before all others; PostgreSQL only, whose default is `descending`.
    pub nulls_first: bool,
    /// Operator class other than the type's own.
    pub class: Option<String>,
    /// Collation other than the value's own.
    pub collation: Option<String>,
}

impl Key {
    /// A column in its plain order.
    pub fn column(name: impl Into<String>) -> Self {
        Self::of(KeyOf::Column(name.into()))
    }

    /// A column or an expression in its plain order.
    pub fn of(of: KeyOf) -> Self {
        Self { of, prefix: None, descending: false, nulls_first: false, class: None, collation: None }
    }

    /// Of a value that a statement compares or sorts.
    pub fn scalar(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Column(name) => Self::of(KeyOf::Column(name.clone())),
            Scalar::Collated(inner, to) => Self { collation: Some(to.clone()), ..Self::scalar(inner) },
            other => Self::of(KeyOf::Expression(other.clone())),
        }
    }

    /// The first characters of a column.
    pub fn beginning(name: impl Into<String>, length: u32) -> Self {
        Self { prefix: Some(length), ..Self::column(name) }
    }

    /// The same with another operator class.
    pub fn class(self, class: &str) -> Self {
        Self { class: Some(class.to_owned()), ..self }
    }

    /// Columns that it is made of.
    pub fn columns(&self) -> Vec<&str> {
        match &self.of {
            KeyOf::Column(name) => vec![name],
            KeyOf::Expression(scalar) => scalar.columns(),
            KeyOf::Unknown(_) => Vec::new(),
        }
    }
}

/// What an index holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index {
    /// Place of its table in the catalogue.
    pub table: usize,
    /// How it is organised.
    pub method: Method,
    /// Its keys, in their order.
    pub keys: Vec<Key>,
    /// Columns that it holds beside its keys.
    pub include: Vec<String>,
    /// The rows that it has; all of them where there is none.
    pub predicate: Option<Predicate>,
}

/// An index that is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Existing {
    /// Its name, without quotes.
    pub name: String,
    /// What it holds.
    pub index: Index,
    /// A condition that was not understood, as the server writes it: it covers nothing then.
    pub unknown_predicate: Option<String>,
    /// Whether each key comes once.
    pub unique: bool,
    /// Whether the server may use it.
    pub valid: bool,
    /// Its bytes, where they are known.
    pub bytes: Option<f64>,
}

/// Longest name of an index, in bytes: what PostgreSQL takes; the others take as many.
const LONGEST_NAME: usize = 63;

impl Index {
    /// Columns of its keys, of what it holds beside them and of its condition.
    pub fn columns(&self) -> Vec<&str> {
        let predicate = self.predicate.iter().flat_map(Predicate::columns);
        let keys = self.keys.iter().flat_map(Key::columns);
        keys.chain(self.include.iter().map(String::as_str)).chain(predicate).collect()
    }

    /// The same without those of which it has the beginning only.
    pub(crate) fn whole_columns(&self) -> Vec<&str> {
        let begins = |name: &&str| self.keys.iter().any(|k| k.prefix.is_some() && k.columns() == [*name]);
        self.columns().into_iter().filter(|name| !begins(name)).collect()
    }

    /// A name for it: of table and keys, short enough, and none that the table has.
    pub fn name(&self, catalogue: &Catalogue) -> String {
        let table = &catalogue.tables[self.table];
        let key = |key: &Key| match &key.of {
            KeyOf::Column(name) => name.clone(),
            KeyOf::Expression(scalar) => scalar.columns().join("_"),
            KeyOf::Unknown(_) => String::new(),
        };
        let parts: Vec<String> = std::iter::once(table.name.clone()).chain(self.keys.iter().map(key)).collect();
        let end = if self.predicate.is_some() { "_part_idx" } else { "_idx" };
        let taken = |name: &str| catalogue.tables.iter().flat_map(|t| &t.indexes).any(|i| i.name == name);
        let mut name = cut(&parts.join("_"), end);
        let mut next = 2;
        while taken(&name) {
            name = cut(&parts.join("_"), &format!("{end}{next}"));
            next += 1;
        }
        name
    }

    /// Its keys, its method and its condition as a person reads them, such as `(cust_id, created DESC) WHERE …`.
    pub fn shown(&self, dialect: Dialect) -> String {
        self.definition(dialect, str::to_owned)
    }

    /// The statement that creates it under that name. Every name in it is quoted by [`quote_identifier`], every value by
    /// `quote_text`, and nothing else of a statement or a catalogue is in it.
    pub fn create(&self, catalogue: &Catalogue, name: &str) -> String {
        let (dialect, table) = (catalogue.dialect, &catalogue.tables[self.table]);
        let quoted = |name: &str| quote_identifier(name, dialect);
        let on = format!("{}.{}", quoted(&table.schema), quoted(&table.name));
        let body = self.definition(dialect, quoted);
        match dialect {
            Dialect::Postgres if table.kind == TableKind::Partitioned => {
                format!("CREATE INDEX {} ON {on} {body}", quoted(name))
            }
            Dialect::Postgres => format!("CREATE INDEX CONCURRENTLY {} ON {on} {body}", quoted(name)),
            Dialect::Mysql => {
                format!("ALTER TABLE {on} ADD INDEX {} {body}, ALGORITHM=INPLACE, LOCK=NONE", quoted(name))
            }
            // SQLite takes the schema before the index's own name.
            Dialect::Sqlite => {
                format!("CREATE INDEX {}.{} ON {} {body}", quoted(&table.schema), quoted(name), quoted(&table.name))
            }
        }
    }

    /// What stands behind the table: method, keys, what is held beside them, condition.
    pub fn definition(&self, dialect: Dialect, quoted: impl Fn(&str) -> String) -> String {
        let mut out = match self.method {
            Method::Gin => "USING gin ".to_owned(),
            Method::Brin => "USING brin ".to_owned(),
            Method::Btree | Method::Other => String::new(),
        };
        let keys: Vec<String> = self.keys.iter().map(|key| key.shown(dialect, &quoted)).collect();
        let _ = write!(out, "({})", keys.join(", "));
        if !self.include.is_empty() {
            let all: Vec<String> = self.include.iter().map(|name| quoted(name)).collect();
            let _ = write!(out, " INCLUDE ({})", all.join(", "));
        }
        if let Some(predicate) = &self.predicate {
            let _ = write!(out, " WHERE {}", predicate.shown(dialect, &quoted));
        }
        out
    }
}

impl Key {
    /// What it is of, as a statement compares it: by its collation and without its direction.
    pub fn compared(&self, dialect: Dialect) -> String {
        let plain = Self { descending: false, nulls_first: false, class: None, ..self.clone() };
        plain.shown(dialect, &|name: &str| quote_identifier(name, dialect))
    }

    /// What it is of, with its collation and without its class and order.
    pub fn value(&self, dialect: Dialect, quoted: &impl Fn(&str) -> String) -> String {
        let of = match &self.of {
            KeyOf::Column(name) => quoted(name),
            KeyOf::Expression(scalar) => scalar.shown(dialect, quoted),
            KeyOf::Unknown(text) => text.clone(),
        };
        match (&self.collation, &self.of) {
            (None, _) => of,
            (Some(own), KeyOf::Column(_)) => format!("{of} COLLATE {}", collation(own, dialect)),
            (Some(own), _) => format!("({of}) COLLATE {}", collation(own, dialect)),
        }
    }

    fn shown(&self, dialect: Dialect, quoted: &impl Fn(&str) -> String) -> String {
        let mut out = match &self.of {
            KeyOf::Column(name) => quoted(name),
            KeyOf::Expression(scalar) => format!("({})", scalar.shown(dialect, quoted)),
            KeyOf::Unknown(text) => format!("({text})"),
        };
        if let Some(length) = self.prefix {
            let _ = write!(out, "({length})");
        }
        if let Some(own) = self.collation.as_ref().filter(|_| dialect != Dialect::Mysql) {
            let _ = write!(out, " COLLATE {}", collation(own, dialect));
        }
        if let Some(class) = &self.class {
            let _ = write!(out, " {class}");
        }
        if self.descending {
            out.push_str(" DESC");
        }
        if dialect == Dialect::Postgres && self.nulls_first != self.descending {
            out.push_str(if self.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
        out
    }
}

/// A name that ends with `end` and is not longer than names may be.
fn cut(name: &str, end: &str) -> String {
    let room = LONGEST_NAME.saturating_sub(end.len());
    let at = name.floor_char_boundary(room);
    format!("{}{end}", name.get(..at).unwrap_or_default())
}
