//! What the statements of the demo's API have cost, and the commands of its cache: counted where they run, in this process, since the demo was opened.
use std::collections::{BTreeMap, HashMap};

use perfdeck_database::statements::{Entry, Reading, StatementCounts, StatementKey, StatementText};
use perfdeck_model::fnv1a;

use crate::Demo;
use crate::api::Statement;

fn id(statement: Statement) -> String {
    format!("{:016x}", fnv1a(statement.sql().bytes()))
}

impl Demo {
    /// The counters of its statements now; `now_ms` is the time, in milliseconds since the Unix epoch. The time of one is from
    /// the moment that its connection took it to its last row.
    pub fn statements(&self, now_ms: f64) -> Reading {
        let entries = Statement::ALL.iter().zip(self.served.statement_usage()).filter(|(_, usage)| usage.calls > 0);
        Reading {
            at_ms: now_ms,
            entries: entries
                .map(|(statement, usage)| {
                    let counts = StatementCounts {
                        calls: usage.calls,
                        total_ms: usage.nanos as f64 / 1e6,
                        rows: usage.rows,
                        ..StatementCounts::default()
                    };
                    (StatementKey { id: id(*statement), nested: false, user: 0 }, Entry { counts, since_ms: None })
                })
                .collect(),
            ..Reading::default()
        }
    }

    /// What its API asked its cache for since the demo was opened, by the name of the command that a server would have for it.
    pub fn cache_commands(&self) -> BTreeMap<String, u64> {
        let (reads, writes) = self.served.cache.operations();
        BTreeMap::from([("GET".to_owned(), reads), ("SET".to_owned(), writes)])
    }

    /// Texts of its statements by their identifier.
    pub fn statement_texts(&self) -> HashMap<String, StatementText> {
        let text = |s: &Statement| StatementText { text: s.sql().to_owned(), cut_of: None };
        Statement::ALL.iter().map(|statement| (id(*statement), text(statement))).collect()
    }
}
