//! Findings about indexes on real servers: every planted defect is found, and nothing that only looks like one.
mod mariadb;
mod planted;
mod postgres;
mod postgres_faults;
mod sqlite;
mod usage;

use std::collections::BTreeSet;

use perfdeck_database::indexes::{Counted, Found, IndexReading, findings, read};
use perfdeck_model::{Address, IndexFinding, IndexFindingKind, Sensitive};

/// Five weeks, from which on nothing says that statistics are young.
const LONG_S: f64 = 40.0 * 86_400.0;

fn parsed(url: &str) -> (Address, Option<Sensitive>) {
    Address::parse(url).expect("a URL")
}

async fn reading(url: &str) -> IndexReading {
    let (address, password) = parsed(url);
    read(&address, password.as_ref()).await.expect("a reading")
}

/// The same, as if it had been counted for so many seconds.
fn counted_for(reading: &IndexReading, seconds: f64) -> IndexReading {
    IndexReading { counted: Counted::For(seconds), ..reading.clone() }
}

/// Findings as `kind object`.
fn told(found: &Found) -> BTreeSet<String> {
    found.findings.iter().map(|f| format!("{} {}", word(f.kind), f.object)).collect()
}

fn word(kind: IndexFindingKind) -> &'static str {
    match kind {
        IndexFindingKind::Invalid => "invalid",
        IndexFindingKind::Duplicate => "duplicate",
        IndexFindingKind::Redundant => "redundant",
        IndexFindingKind::Unused => "unused",
        IndexFindingKind::Bloated => "bloated",
        IndexFindingKind::ForeignKey => "foreign_key",
        IndexFindingKind::NeverAnalyzed => "never_analyzed",
    }
}

/// Those of some kinds only.
fn of_kinds(found: &Found, kinds: &[&str]) -> BTreeSet<String> {
    told(found).into_iter().filter(|t| kinds.iter().any(|kind| t.starts_with(kind))).collect()
}

fn one<'a>(found: &'a Found, object: &str) -> &'a IndexFinding {
    found.findings.iter().find(|f| f.object == object).unwrap_or_else(|| panic!("{object} is among {:?}", told(found)))
}

/// Every finding says what it is made of, and no advice takes away what another one leaves.
fn hold_together(found: &Found) {
    let going: BTreeSet<&str> = found
        .findings
        .iter()
        .filter(|f| f.finding.proof.statements.iter().any(|s| s.text.starts_with("DROP INDEX")))
        .filter(|f| f.kind != IndexFindingKind::Invalid)
        .map(|f| f.object.as_str())
        .collect();
    for f in &found.findings {
        let proof = &f.finding.proof;
        assert!(!proof.values.is_empty() && !proof.rule.is_empty() && !proof.advice.is_empty(), "{f:?}");
        assert!(!proof.statements.is_empty() && !f.ranked_by.is_empty(), "a statement, and why it stands there: {f:?}");
        assert!((0.0..=1.0).contains(&f.finding.cost), "a share: {f:?}");
        if let Some(stays) = &f.stays {
            let gone =
                going.iter().any(|name| **name == *stays.name || **name == format!("{}.{}", stays.table, stays.name));
            assert!(!gone, "{} leaves {}, which is advised away", f.object, stays.name);
        }
    }
    let costs: Vec<f64> = found.findings.iter().map(|f| f.finding.cost).collect();
    assert!(costs.is_sorted_by(|a, b| a >= b), "by rank: {costs:?}");
}

fn judged(reading: &IndexReading) -> Found {
    let found = findings(reading, &[]);
    hold_together(&found);
    found
}
