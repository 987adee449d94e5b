//! What the parts are tried on: one schema of a shop, with a few rows that are many.
mod branches;
mod candidates;
mod choice;
mod expressions;
mod many;
mod shapes;
mod widths;
mod written;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use perfdeck_sqltext::Dialect;

use crate::catalogue::{Catalogue, Collating, Column, Table, TypeClass, View, WritesADay};
use crate::index::{Existing, Index, Key};

/// Runs what never waits.
pub(super) fn now<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn column(name: &str, type_name: &str, distinct: f64) -> Column {
    let (class, fixed, width) = match type_name {
        "integer" => (TypeClass::Ordered, Some(4.0), 4.0),
        "bigint" | "timestamp with time zone" | "timestamp without time zone" | "time without time zone" | "date" => {
            (TypeClass::Ordered, Some(8.0), 8.0)
        }
        "boolean" => (TypeClass::Boolean, Some(1.0), 1.0),
        "jsonb" => (TypeClass::Json, None, 60.0),
        "text[]" => (TypeClass::Array, None, 40.0),
        "point" => (TypeClass::Unordered, Some(16.0), 16.0),
        _ => (TypeClass::Text, None, 20.0),
    };
    Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        class,
        collating: Collating::Language,
        fixed,
        align: 4,
        width: Some(width),
        nulls: Some(0.0),
        distinct: Some(distinct),
        ..Column::default()
    }
}

/// An index that is there.
fn existing(name: &str, table: usize, keys: Vec<Key>) -> Existing {
    Existing {
        name: name.to_owned(),
        index: Index { table, keys, ..Index::default() },
        valid: true,
        ..Existing::default()
    }
}

/// `orders` of a million rows, `customers` of ten thousand, `tiny` of ten.
pub(super) fn shop(dialect: Dialect) -> Catalogue {
    let schema = if dialect == Dialect::Sqlite { "main" } else { "public" };
    let mut status = column("status", "text", 3.0);
    status.common = vec![("done".into(), 0.95), ("open".into(), 0.04), ("new".into(), 0.01)];
    let mut deleted = column("deleted_at", "timestamp with time zone", 100.0);
    deleted.nulls = Some(0.97);
    let mut created = column("created", "timestamp with time zone", -1.0);
    created.correlation = Some(0.99);
    created.bounds = (0..=100).map(|n| format!("2026-01-01 00:{:02}:{:02}", n / 60, n % 60)).collect();
    let mut paid = column("paid", "boolean", 2.0);
    paid.common = vec![("t".into(), 0.98), ("f".into(), 0.02)];
    let mut nightly = column("label", "text", 1_000.0);
    nightly.collating = Collating::Nondeterministic;
    let orders = Table {
        schema: schema.to_owned(),
        name: "orders".to_owned(),
        rows: Some(1_000_000.0),
        pages: 20_000.0,
        all_visible: 0.5,
        writes: Some(WritesADay { inserts: 10_000.0, updates: 10_000.0, deletes: 0.0, hot: Some(0.9) }),
        columns: vec![
            column("id", "bigint", -1.0),
            column("cust_id", "integer", 10_000.0),
            status,
            created,
            column("amount", "integer", 5_000.0),
            column("note", "text", -0.5),
            column("tags", "text[]", -0.2),
            column("data", "jsonb", -0.9),
            deleted,
            paid,
            nightly,
            column("place", "point", -1.0),
        ],
        indexes: vec![Existing { unique: true, ..existing("orders_pkey", 0, vec![Key::column("id")]) }],
        ..Table::default()
    };
    let customers = Table {
        schema: schema.to_owned(),
        name: "customers".to_owned(),
        rows: Some(10_000.0),
        pages: 200.0,
        all_visible: 1.0,
        columns: vec![column("id", "integer", -1.0), column("name", "text", -1.0), column("region", "integer", 5.0)],
        indexes: vec![Existing { unique: true, ..existing("customers_pkey", 1, vec![Key::column("id")]) }],
        ..Table::default()
    };
    let tiny = Table {
        schema: schema.to_owned(),
        name: "tiny".to_owned(),
        rows: Some(10.0),
        pages: 1.0,
        columns: vec![column("id", "integer", -1.0)],
        ..Table::default()
    };
    Catalogue {
        dialect,
        version: 150_018,
        mariadb: dialect == Dialect::Mysql,
        page: 8192.0,
        search_path: vec![schema.to_owned()],
        extensions: BTreeSet::from(["pg_trgm".to_owned()]),
        available: BTreeSet::new(),
        classes: std::collections::BTreeMap::new(),
        functions: Vec::new(),
        tables: vec![orders, customers, tiny],
        views: vec![View {
            schema: schema.to_owned(),
            name: "open_orders".to_owned(),
            definition: "SELECT o.id, o.cust_id AS customer, o.created FROM orders o WHERE o.status = 'open'"
                .to_owned(),
        }],
    }
}
