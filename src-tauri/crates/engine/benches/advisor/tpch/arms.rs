//! Sets of indexes that are there together, of which the planner sees one at a time.
use std::collections::BTreeMap;

use perfdeck_testkit::sqlx::{AssertSqlSafe, PgConnection, Row as _, query, raw_sql};

use crate::Outcome;

/// Indexes that somebody advises.
pub(crate) struct Arm {
    /// Who.
    pub(crate) name: String,
    /// What they may take, as a share of the tables' bytes.
    pub(crate) budget: f64,
    /// What each is of, as `lineitem (l_partkey)`.
    pub(crate) indexes: Vec<String>,
}

impl Arm {
    pub(crate) fn shown(&self) -> String {
        if self.budget > 0.0 { format!("{} {:.0} %", self.name, self.budget * 100.0) } else { self.name.clone() }
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Arms {
    pub(crate) all: Vec<Arm>,
    /// Identifier and bytes of each index.
    made: BTreeMap<String, (i64, f64)>,
}

impl Arms {
    /// Adds one, and makes what is not there yet.
    pub(crate) async fn add(&mut self, c: &mut PgConnection, name: &str, budget: f64, create: &[String]) -> Outcome {
        let mut indexes = Vec::new();
        for text in create {
            let of = text.split_once(" ON ").map_or("", |(_, of)| of).replace('"', "").replace("public.", "");
            if !self.made.contains_key(&of) {
                let index = format!("arm_{}", self.made.len());
                let make = format!("BEGIN; SET LOCAL statement_timeout = 0; CREATE INDEX {index} ON {of}; COMMIT");
                raw_sql(AssertSqlSafe(make)).execute(&mut *c).await?;
                let ask = "SELECT $1::regclass::oid::int8, pg_relation_size($1::regclass)::float8";
                let row = query(ask).bind(&index).fetch_one(&mut *c).await?;
                self.made.insert(of.clone(), (row.try_get(0)?, row.try_get(1)?));
                println!("  {:>6.2} MB made {of}", self.made[&of].1 / 1e6);
            }
            indexes.push(of);
        }
        let arm = Arm { name: name.to_owned(), budget, indexes };
        println!("{}: {:.1} MB: {}", arm.shown(), self.bytes(&arm) / 1e6, arm.indexes.join("; "));
        self.all.push(arm);
        Ok(())
    }

    /// Bytes of an arm's indexes.
    pub(crate) fn bytes(&self, arm: &Arm) -> f64 {
        arm.indexes.iter().filter_map(|of| self.made.get(of)).map(|(_, bytes)| bytes).sum()
    }

    /// Lets the planner see the indexes of one arm.
    pub(crate) async fn show(&self, c: &mut PgConnection, arm: usize) -> Outcome {
        let all: Vec<i64> = self.made.values().map(|(oid, _)| *oid).collect();
        let seen: Vec<i64> = self.all[arm].indexes.iter().filter_map(|of| self.made.get(of)).map(|(oid, _)| *oid).collect();
        // Only what changes is written: a session that reads the catalogue anew plans slower.
        let set = "UPDATE pg_index SET indisvalid = indexrelid::int8 = ANY ($2)
                   WHERE indexrelid::int8 = ANY ($1) AND indisvalid <> (indexrelid::int8 = ANY ($2))";
        query(set).bind(&all).bind(&seen).execute(&mut *c).await?;
        Ok(())
    }
}
