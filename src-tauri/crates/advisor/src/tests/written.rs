//! What indexes do to statements that write, and which do not earn it.
use std::collections::BTreeSet;

use perfdeck_model::{ApiError, BoxFuture};
use perfdeck_sqltext::Dialect;

use super::choice::{shown, values, workload};
use super::{now, shop};
use crate::advice::{Advice, advise};
use crate::candidates::{Candidate, Candidates, Limits, candidates};
use crate::catalogue::Catalogue;
use crate::index::{Index, Key};
use crate::oracle::{Cost, Oracle, Question, Used, Worth};
use crate::predicates::{Asked, Predicate, Value};
use crate::scalar::Scalar;
use crate::search::Budget;
use crate::workload::Workload;
use crate::writes::{ENTRY_MS, UPDATED_MS, write_cost};
use crate::writing::{WriteEffect, Writing};

const SET_STATUS: &str = "UPDATE orders SET status = $1 WHERE id = $2";
const SET_NOTE: &str = "UPDATE orders SET note = $1 WHERE id = $2";
const INSERT: &str = "INSERT INTO orders (id, status) VALUES ($1, $2)";

fn candidate(index: Index) -> Candidate {
    let of = |n: usize| BTreeSet::from([n]);
    Candidate {
        index,
        kind: crate::candidates::Kind::Equality,
        fixed: 1,
        from: of(0),
        concerns: of(0),
        bytes: Some(1e6),
        widens: None,
    }
}

fn plain(names: &[&str]) -> Index {
    Index { keys: names.iter().map(|n| Key::column(*n)).collect(), ..Index::default() }
}

fn effects(shop: &Catalogue, all: &Workload, indexes: &[Index]) -> Vec<WriteEffect> {
    let candidates: Vec<Candidate> = indexes.iter().cloned().map(candidate).collect();
    let costs: Vec<_> = indexes.iter().map(|index| write_cost(shop, all, index)).collect();
    Writing::new(shop, all, &candidates, &costs).effects(&(0..indexes.len()).collect(), |_| 0.0)
}

fn of<'e>(all: &'e [WriteEffect], workload: &Workload, text: &str) -> Option<&'e WriteEffect> {
    all.iter().find(|e| workload.statements[e.statement].text == text)
}

#[test]
fn an_update_of_a_key_touches_all_indexes_and_one_of_another_column_none() {
    let mut shop = shop(Dialect::Postgres);
    shop.tables[0].hot = None;
    let all = workload(&shop, &[(SET_STATUS, 100.0, 10.0), (SET_NOTE, 100.0, 10.0), (INSERT, 100.0, 5.0)]);
    let found = effects(&shop, &all, &[plain(&["cust_id", "status"]), plain(&["amount"])]);
    let status = of(&found, &all, SET_STATUS).expect("slower");
    // Both new ones, and the primary key.
    assert!((status.added_ms - 3.0 * UPDATED_MS).abs() < 1e-12, "{status:?}");
    assert_eq!((status.hot_lost, status.change.map(|c| (c * 1e4).round())), (1.0, Some(1_650.0)));
    assert!(of(&found, &all, SET_NOTE).is_none(), "it stays HOT: {found:?}");
    let insert = of(&found, &all, INSERT).expect("slower");
    assert!((insert.added_ms - 2.0 * ENTRY_MS).abs() < 1e-12 && insert.hot_lost == 0.0, "{insert:?}");
    assert_eq!(found[0].statement, status.statement, "the one that is slowed the most comes first");

    // What a part of the rows has, and what is only held, ends HOT as well.
    let new = Predicate::new(Scalar::Column("status".into()), Asked::Equal(Value::Literal("new".into())));
    for index in [
        Index { predicate: Some(new), ..plain(&["created"]) },
        Index { include: vec!["status".into()], ..plain(&["created"]) },
    ] {
        let found = effects(&shop, &all, &[index]);
        assert_eq!(of(&found, &all, SET_STATUS).map(|e| e.hot_lost), Some(1.0), "{found:?}");
    }

    // Where half of the updates are HOT now, and half of them set status, all those of status that can be are.
    shop.tables[0].hot = Some(0.25);
    let found = effects(&shop, &all, &[plain(&["amount"])]);
    let note = of(&found, &all, SET_NOTE).expect("three in four touch all indexes");
    assert!((note.added_ms - 0.75 * UPDATED_MS).abs() < 1e-12 && note.hot_lost == 0.0, "{note:?}");
    // An index that is there has the column already.
    shop.tables[0].indexes.push(super::existing("by_status", 0, vec![Key::column("status")]));
    let found = effects(&shop, &all, &[plain(&["cust_id", "status"])]);
    assert_eq!(of(&found, &all, SET_STATUS).map(|e| e.hot_lost), Some(0.0), "nothing is left to lose: {found:?}");

    let lite = super::shop(Dialect::Sqlite);
    let all = workload(&lite, &[("UPDATE orders SET status = ?1 WHERE id = ?2", 100.0, 10.0)]);
    assert!(effects(&lite, &all, &[plain(&["amount"])]).is_empty(), "other engines leave an index of other columns");
    assert_eq!(effects(&lite, &all, &[plain(&["status"])])[0].hot_lost, 0.0);
}

#[test]
fn rows_of_a_call_are_those_that_its_conditions_leave() {
    let shop = shop(Dialect::Postgres);
    let many = "UPDATE orders SET amount = 0 WHERE cust_id = $1";
    let all = workload(&shop, &[(many, 1.0, 1_000.0), ("DELETE FROM orders WHERE cust_id = $1", 1.0, 10.0)]);
    let found = effects(&shop, &all, &[plain(&["amount"])]);
    let update = of(&found, &all, many).expect("slower");
    assert!((update.added_ms - 100.0 * 2.0 * UPDATED_MS).abs() < 1e-9, "a customer has 100 orders: {update:?}");
    assert_eq!(found.len(), 1, "what is deleted is taken out of an index later: {found:?}");
    let copied = "INSERT INTO orders (id) SELECT id FROM customers";
    let all = workload(&shop, &[(copied, 1.0, 1_000.0)]);
    assert!(effects(&shop, &all, &[plain(&["amount"])]).is_empty(), "nobody knows how many rows that is");
}

/// A server that says what a statement costs with each index; the cheapest is used.
struct Told<'a> {
    candidates: &'a [Candidate],
    costs: &'a [(&'a str, f64, Option<f64>)],
    /// The statement that reads: those that write cost the same with each.
    read: usize,
    /// Another one that reads, which is cheap with one of them.
    other: Option<(usize, &'a str)>,
}

impl Oracle for Told<'_> {
    fn costs<'a>(
        &'a mut self,
        questions: &'a [Question],
    ) -> BoxFuture<'a, Result<Vec<Result<Cost, String>>, ApiError>> {
        let of = |question: &Question| {
            let shown = |c: &usize| self.candidates[*c].index.shown(Dialect::Postgres);
            let told = question.candidates.iter().filter_map(|c| {
                let (_, total, unstopped) = self.costs.iter().find(|(name, ..)| *name == shown(c))?;
                Some(Cost { total: *total, unstopped: *unstopped, used: vec![Used::Candidate(*c)] })
            });
            let all = Cost { total: 1_000.0, ..Cost::default() };
            let reads = question.statement == self.read;
            if let Some((_, index)) = self.other.filter(|(other, _)| *other == question.statement) {
                let place = question.candidates.iter().find(|c| shown(c) == index);
                let cheap = |c: &usize| Cost { total: 1.0, used: vec![Used::Candidate(*c)], ..Cost::default() };
                return place.map_or(all, cheap);
            }
            told.filter(|_| reads).min_by(|a, b| a.total.total_cmp(&b.total)).unwrap_or(all)
        };
        Box::pin(async move { Ok(questions.iter().map(|q| Ok(of(q))).collect()) })
    }

    fn worth(&self) -> Worth {
        Worth::Planner
    }
}

fn told(all: &[(&str, f64, f64)], costs: &[(&str, f64, Option<f64>)]) -> (Catalogue, Workload, Advice) {
    let mut shop = shop(Dialect::Postgres);
    // Counters of the table would say the same.
    shop.tables[0].writes = None;
    let all = workload(&shop, all);
    let made = candidates(&shop, &all, Limits::default());
    let known = |name: &str| made.all.iter().any(|c| c.index.shown(Dialect::Postgres) == name);
    costs.iter().for_each(|(name, ..)| assert!(known(name), "{name} is a candidate: {:#?}", made.all));
    let made = Candidates {
        all: made
            .all
            .into_iter()
            .filter(|c| costs.iter().any(|(n, ..)| *n == c.index.shown(Dialect::Postgres)))
            .collect(),
        ..Candidates::default()
    };
    let read = all.statements.iter().position(|s| s.text.starts_with("SELECT") && s.text != LATEST).expect("one reads");
    let other = all.statements.iter().position(|s| s.text == LATEST).map(|at| (at, "(cust_id, created DESC)"));
    let mut oracle = Told { candidates: &made.all, costs, read, other };
    let values = values(&shop, &all);
    let advice = now(advise(&shop, &all, &values, &made, Budget::default(), &mut oracle)).expect("answers");
    (shop, all, advice)
}

const LATEST: &str = "SELECT * FROM orders WHERE cust_id = $1 ORDER BY created DESC LIMIT 10";
const BOTH: &str = "SELECT * FROM orders WHERE cust_id = $1 AND status = $2";

#[test]
fn what_the_updated_column_adds_must_earn_what_updates_lose() {
    let indexes = [("(cust_id, status)", 10.0, None), ("(cust_id)", 12.0, None)];
    // 4 ms of 2,000 more are saved with the column, and 1,000 updates lose 11 ms, a tenth of their time.
    let (shop, all, advice) = told(&[(BOTH, 1_000.0, 2_000.0), (SET_STATUS, 1_000.0, 110.0)], &indexes);
    assert_eq!(shown(&advice, &shop), ["(cust_id)"], "{:#?}", advice.rejected);
    let why = advice.rejected.iter().find(|r| r.index == "(cust_id, status)").map(|r| r.why.as_str());
    assert_eq!(
        why,
        Some(
            "UPDATE orders SET status = $1 WHERE id = $2 would take 10 % longer, and beyond (cust_id), which leaves it as it is, readers \
             save less than 10 times what such statements lose"
        )
    );
    assert!(of(&advice.slows, &all, SET_STATUS).is_none(), "nothing is slowed: {:?}", advice.slows);

    // A hundred times as many readers: 400 ms more are saved.
    let (shop, all, advice) = told(&[(BOTH, 1e5, 200_000.0), (SET_STATUS, 1_000.0, 110.0)], &indexes);
    assert_eq!(shown(&advice, &shop), ["(cust_id, status)"], "{:#?}", advice.rejected);
    let slowed = of(&advice.slows, &all, SET_STATUS).expect("said");
    assert_eq!((slowed.hot_lost, slowed.change.map(|c| (c * 100.0).round())), (1.0, Some(10.0)));
    assert_eq!(advice.advised[0].slows, advice.slows, "there is only one");
}

#[test]
fn readers_must_save_ten_times_what_writers_lose() {
    let indexes = [("(cust_id, status)", 1.0, None)];
    // 1,000 updates lose 11 ms; 50 ms are saved.
    let (shop, _, advice) = told(&[(BOTH, 10.0, 50.0), (SET_STATUS, 1_000.0, 44.0)], &indexes);
    assert!(shown(&advice, &shop).is_empty(), "{:?}", advice.advised);
    assert!(
        advice.rejected[0]
            .why
            .ends_with("would take 25 % longer, and readers save less than 10 times what such statements lose"),
        "{:?}",
        advice.rejected
    );
    // The same loss in statements that hardly feel it is a sum like any other.
    let (shop, _, advice) = told(&[(BOTH, 10.0, 50.0), (SET_STATUS, 1_000.0, 900.0)], &indexes);
    assert_eq!(shown(&advice, &shop), ["(cust_id, status)"], "{:?}", advice.rejected);
}

#[test]
fn a_hope_for_rows_that_come_early_is_no_way_to_leave_updates_alone() {
    let read = "SELECT id, cust_id FROM orders WHERE status = 'new' ORDER BY created LIMIT 50";
    let part = "(created) WHERE status = 'new'";
    let all = [(read, 1e4, 20_000.0), (SET_STATUS, 1_000.0, 110.0)];
    // The order alone is about as good where new rows come first, and reads all rows where they come last.
    let (shop, _, advice) = told(&all, &[(part, 1.0, None), ("(created)", 3.0, Some(1_500.0))]);
    assert_eq!(shown(&advice, &shop), [part], "{:#?}", advice.rejected);
    let (shop, _, advice) = told(&all, &[(part, 1.0, None), ("(created)", 3.0, None)]);
    assert_eq!(shown(&advice, &shop), ["(created)"], "but for the hope it is: {:#?}", advice.rejected);
    // What another index saves of another statement is no reason either.
    let all = [(read, 1e4, 20_000.0), (LATEST, 1e4, 20_000.0), (SET_STATUS, 1_000.0, 110.0)];
    let indexes = [(part, 1.0, None), ("(created)", 3.0, Some(1_500.0)), ("(cust_id, created DESC)", 1_000.0, None)];
    let (shop, _, advice) = told(&all, &indexes);
    let chosen = shown(&advice, &shop);
    assert!(chosen.contains(&part.to_owned()) && chosen.len() == 2, "{chosen:?} {:#?}", advice.rejected);
}

#[test]
fn the_index_without_the_column_that_is_updated_is_looked_at_too() {
    let shop = shop(Dialect::Postgres);
    let read = "SELECT * FROM orders WHERE cust_id = $1 AND status = $2 ORDER BY created DESC LIMIT 10";
    let made = |all: &[(&str, f64, f64)]| {
        let made = candidates(&shop, &workload(&shop, all), Limits::default());
        made.all.iter().map(|c| c.index.shown(Dialect::Postgres)).collect::<Vec<_>>()
    };
    let without = made(&[(read, 1.0, 1.0)]);
    assert!(without.contains(&"(cust_id, status, created DESC)".to_owned()), "{without:?}");
    assert!(!without.contains(&"(cust_id, created DESC)".to_owned()), "nobody asks for it: {without:?}");
    let with = made(&[(read, 1.0, 1.0), (SET_STATUS, 1.0, 1.0)]);
    assert!(with.contains(&"(cust_id, created DESC)".to_owned()), "{with:?}");
    assert!(with.contains(&"(cust_id, status, created DESC)".to_owned()), "beside the other: {with:?}");
}

#[test]
fn an_update_that_finds_its_rows_sooner_is_not_made_slower() {
    let shop = shop(Dialect::Postgres);
    let text = "UPDATE orders SET note = 'x' WHERE status = 'new' AND cust_id = 7";
    let all = workload(&shop, &[(text, 100.0, 1_000.0)]);
    let candidates = [candidate(plain(&["cust_id", "note"]))];
    let costs: Vec<_> = candidates.iter().map(|c| write_cost(&shop, &all, &c.index)).collect();
    let writing = Writing::new(&shop, &all, &candidates, &costs);
    let set = BTreeSet::from([0]);
    let gross = writing.effects(&set, |_| 0.0);
    assert!(gross.len() == 1 && gross[0].added_ms > 0.0, "its entries are paid: {gross:?}");
    let saved = gross[0].added_ms * 100.0;
    let half = writing.effects(&set, |_| saved / 2.0);
    assert!((half[0].added_ms - gross[0].added_ms / 2.0).abs() < 1e-9, "less what it saves: {half:?}");
    assert_eq!(writing.effects(&set, |_| saved * 1.01), [], "it is quicker");
    // Of statements whose times nobody knows a call takes what going through its rows does, and not the weight of the statement.
    let mut untimed = workload(&shop, &[(text, 1.0, 1.0)]);
    untimed.days = 0.0;
    let found = Writing::new(&shop, &untimed, &candidates, &costs).effects(&set, |_| 0.0);
    let (change, timed) = (found[0].change.expect("a weight"), gross[0].added_ms);
    // 20,000 pages and a million rows, compared: a cost of 32,500.
    assert!((change / (timed / 65.0) - 1.0).abs() < 0.02, "{change} of {timed} ms");
}
