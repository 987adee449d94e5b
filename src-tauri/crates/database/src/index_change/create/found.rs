//! Indexes that a table of PostgreSQL has, as far as what was planned is told from them.
use perfdeck_model::{IndexSpec, IndexSpecKeyOf};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::super::postgres_session::NAME;
use super::{Built, method};

/// Indexes of one table. A key that is an expression has no name; an operator class that is its type's default has none; the
/// session that works on one that is not valid is found by its statement.
const FOUND: &str = "
    SELECT c.relname::text, i.indisvalid AND i.indisready AND i.indislive, i.indisready, am.amname::text,
        ARRAY(SELECT coalesce(a.attname::text, '') FROM unnest(i.indkey) WITH ORDINALITY k(n, at)
              LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.at),
        i.indnkeyatts::int4,
        ARRAY(SELECT o::int4 FROM unnest(i.indoption) WITH ORDINALITY k(o, at) ORDER BY k.at),
        ARRAY(SELECT CASE WHEN p.opcdefault THEN '' ELSE format('%I.%I', pn.nspname, p.opcname) END
              FROM unnest(i.indclass) WITH ORDINALITY k(o, at)
              JOIN pg_catalog.pg_opclass p ON p.oid = k.o JOIN pg_catalog.pg_namespace pn ON pn.oid = p.opcnamespace
              ORDER BY k.at),
        EXISTS (SELECT 1 FROM unnest(i.indcollation) WITH ORDINALITY k(o, at)
                JOIN unnest(i.indkey) WITH ORDINALITY x(n, at) ON x.at = k.at
                JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = x.n
                WHERE k.o <> a.attcollation),
        i.indpred IS NOT NULL, i.indisunique, i.indexrelid::int8,
        CASE WHEN NOT i.indisvalid THEN pg_catalog.pg_relation_size(i.indexrelid)::float8 END,
        (SELECT s.pid FROM pg_catalog.pg_stat_activity s
         WHERE NOT i.indisvalid AND s.application_name = $2 AND s.state = 'active' AND s.datname = current_database()
           AND s.query ~ '^(DROP|CREATE) INDEX CONCURRENTLY' AND strpos(s.query, c.relname) > 0 LIMIT 1)
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am am ON am.oid = c.relam
    WHERE i.indrelid = $1::int8::oid ORDER BY c.relname";

/// One of them.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) oid: i64,
    pub(super) valid: bool,
    maintained: bool,
    method: String,
    /// Keys, then further columns; empty for an expression.
    columns: Vec<String>,
    keys: usize,
    options: Vec<i32>,
    classes: Vec<String>,
    /// Whether a key has another collation than its column.
    collated: bool,
    partial: bool,
    unique: bool,
    bytes: Option<f64>,
    session: Option<i32>,
}

fn read(row: &PgRow) -> Result<Found, sqlx::Error> {
    Ok(Found {
        name: row.try_get(0)?,
        valid: row.try_get(1)?,
        maintained: row.try_get(2)?,
        method: row.try_get(3)?,
        columns: row.try_get(4)?,
        keys: usize::try_from(row.try_get::<i32, _>(5)?).unwrap_or(0),
        options: row.try_get(6)?,
        classes: row.try_get(7)?,
        collated: row.try_get(8)?,
        partial: row.try_get(9)?,
        unique: row.try_get(10)?,
        oid: row.try_get(11)?,
        bytes: row.try_get(12)?,
        session: row.try_get(13)?,
    })
}

/// All indexes of a table.
pub(super) async fn all(c: &mut PgConnection, table: i64) -> Result<Vec<Found>, sqlx::Error> {
    let rows = sqlx::query(FOUND).bind(table).bind(NAME).fetch_all(c).await?;
    rows.iter().map(read).collect()
}

impl Found {
    /// Whether it is what was asked for, as far as its catalogue says: of expressions and conditions it says that they are there.
    pub(super) fn is(&self, spec: &IndexSpec) -> bool {
        let key = |at: usize| {
            let Some(key) = spec.keys.get(at) else { return false };
            let name = match &key.of {
                IndexSpecKeyOf::Column(name) => name.as_str(),
                IndexSpecKeyOf::Expression(_) => "",
            };
            let bits = self.options.get(at).copied().unwrap_or(0);
            let nulls_first = key.nulls_first.unwrap_or(key.descending);
            self.columns.get(at).is_some_and(|column| column == name)
                && (bits & 1 != 0) == key.descending
                && (bits & 2 != 0) == nulls_first
                && self.classes.get(at).map(String::as_str) == Some(key.operator_class.as_deref().unwrap_or_default())
        };
        self.method == method(spec)
            && self.keys == spec.keys.len()
            && (0..self.keys).all(key)
            && self.columns.get(self.keys..).is_some_and(|rest| rest == spec.include)
            && self.partial == spec.predicate.is_some()
            && !self.collated
            && !self.unique
    }

    /// Whether it certainly does whatever one like this would: it is the same, and has no expression and no condition.
    pub(super) fn serves(&self, spec: &IndexSpec) -> bool {
        self.valid && !self.partial && self.columns.iter().all(|column| !column.is_empty()) && self.is(spec)
    }

    pub(super) fn built(&self, spec: &IndexSpec) -> Built {
        if !self.is(spec) {
            return Built::Differs;
        }
        if self.valid {
            return Built::Valid;
        }
        Built::Invalid { bytes: self.bytes.unwrap_or(0.0), maintained: self.maintained, session: self.session }
    }
}
