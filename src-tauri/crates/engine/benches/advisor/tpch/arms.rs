//! Sets of indexes that are there together, of which the planner sees one at a time.
use std::collections::BTreeMap;

use perfdeck_testkit::shown::{self, Made};
use perfdeck_testkit::sqlx::PgConnection;

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
    /// Each index, by what it is of.
    made: BTreeMap<String, Made>,
}

impl Arms {
    /// Adds one, and makes what is not there yet.
    pub(crate) async fn add(&mut self, c: &mut PgConnection, name: &str, budget: f64, create: &[String]) -> Outcome {
        let mut indexes = Vec::new();
        for text in create {
            let of = shown::of(text);
            if !self.made.contains_key(&of) {
                let made = shown::make(c, &format!("arm_{}", self.made.len()), &of).await?;
                self.made.insert(of.clone(), made);
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
        arm.indexes.iter().filter_map(|of| self.made.get(of)).map(|made| made.bytes).fold(0.0, |all, one| all + one)
    }

    /// Lets the planner see the indexes of one arm.
    pub(crate) async fn show(&self, c: &mut PgConnection, arm: usize) -> Outcome {
        let all: Vec<i64> = self.made.values().map(|made| made.oid).collect();
        let seen: Vec<i64> = self.all[arm].indexes.iter().filter_map(|of| self.made.get(of)).map(|m| m.oid).collect();
        shown::show(c, &all, &seen).await?;
        Ok(())
    }
}
