//! Which indexes are chosen.
use perfdeck_model::{ApiError, BoxFuture};
use perfdeck_sqltext::Dialect;

use super::{existing, now, shop};
use crate::advice::{Advice, advise};
use crate::candidates::{Candidate, Candidates, Limits, candidates};
use crate::catalogue::{Catalogue, TableKind};
use crate::estimate::Estimate;
use crate::index::{Existing, Key};
use crate::oracle::{Cost, Oracle, Question, Used, Worth};
use crate::search::Budget;
use crate::vectors::{Class, Parameters, far_ends, parameters};
use crate::workload::Workload;

/// Statements with their calls and milliseconds.
pub(super) fn workload(catalogue: &Catalogue, all: &[(&str, f64, f64)]) -> Workload {
    let mut workload = Workload::new(1.0);
    for (text, calls, ms) in all {
        workload.add(catalogue, text, *calls, *ms, None);
    }
    workload
}

pub(super) fn values(catalogue: &Catalogue, workload: &Workload) -> Vec<Vec<Parameters>> {
    let all = workload.statements.iter();
    all.map(|s| {
        let count = perfdeck_sqltext::parameters(&s.text, catalogue.dialect);
        let mut far = far_ends(&s.shape);
        far.iter_mut().for_each(|f| f.value = "77".to_owned());
        parameters(&s.shape, count, &[], catalogue, &far)
    })
    .collect()
}

pub(super) fn advised(catalogue: &Catalogue, workload: &Workload, budget: Budget) -> Advice {
    let made = candidates(catalogue, workload, Limits::default());
    let mut oracle = Estimate::new(catalogue, workload, &made.all);
    let values = values(catalogue, workload);
    now(advise(catalogue, workload, &values, &made, budget, &mut oracle)).expect("statistics never fail")
}

pub(super) fn shown(advice: &Advice, catalogue: &Catalogue) -> Vec<String> {
    advice.advised.iter().map(|a| a.candidate.index.shown(catalogue.dialect)).collect()
}

#[test]
fn one_index_serves_what_asks_for_it_and_writes_are_paid() {
    let shop = shop(Dialect::Postgres);
    let all = workload(
        &shop,
        &[
            ("SELECT id FROM orders WHERE cust_id = $1 ORDER BY created DESC LIMIT 10", 1e4, 80_000.0),
            ("SELECT * FROM orders WHERE cust_id = $1", 1e3, 10_000.0),
            ("SELECT * FROM orders WHERE amount = $1 AND place IS NOT NULL", 1.0, 0.1),
            ("SELECT nothing FROM elsewhere", 5.0, 10_000.0),
        ],
    );
    let advice = advised(&shop, &all, Budget::default());
    assert_eq!(shown(&advice, &shop), ["(cust_id, created DESC)"], "{advice:#?}");
    let first = &advice.advised[0];
    assert_eq!(first.used_by, [0, 1], "both statements use it");
    assert!(!first.needs_proof && first.saved_ms > 80_000.0, "{first:?}");
    assert!(
        first.ddl.starts_with("CREATE INDEX CONCURRENTLY \"orders_cust_id_created_idx\" ON \"public\".\"orders\""),
        "{}",
        first.ddl
    );
    assert_eq!(advice.coverage.share().map(|s| (s * 100.0).round()), Some(90.0), "a tenth of the time is not known");
    assert_eq!(advice.left.len(), 1, "{:?}", advice.left);
    let why = |index: &str| advice.rejected.iter().find(|r| r.index == index).map(|r| r.why.clone());
    assert_eq!(why("(cust_id)").as_deref(), Some("(cust_id, created DESC) does its work too"));
    assert!(why("(created DESC)").is_some(), "{:?}", advice.rejected);
    assert!(
        why("(amount)").is_some_and(|w| w.contains("writers") || w.contains("too little")),
        "{:?}",
        advice.rejected
    );
    let effect = advice.effects.iter().find(|e| e.statement == 0).expect("it is quicker");
    assert!(effect.mean < 0.1 && effect.worst <= 1.0 && effect.best <= effect.mean, "{effect:?}");
}

#[test]
fn a_budget_is_kept_and_spent_on_what_saves_the_most_for_its_bytes() {
    let shop = shop(Dialect::Postgres);
    let all = workload(
        &shop,
        &[
            ("SELECT * FROM orders WHERE cust_id = $1", 1e3, 50_000.0),
            ("SELECT * FROM orders WHERE amount = $1", 1e3, 40_000.0),
            ("SELECT * FROM customers WHERE name = $1", 1e3, 10_000.0),
        ],
    );
    let free = advised(&shop, &all, Budget::default());
    assert_eq!(free.advised.len(), 3, "{free:#?}");
    let most = 8e6;
    let tight = advised(&shop, &all, Budget { bytes: Some(most), ..Budget::default() });
    let bytes: f64 = tight.advised.iter().map(|a| a.bytes.expect("known")).sum();
    assert!(bytes <= most && tight.advised.len() == 2, "{bytes}: {:?}", shown(&tight, &shop));
    assert!(shown(&tight, &shop).contains(&"(name)".to_owned()), "the small one is worth its bytes");
    assert!(tight.after_ms > free.after_ms && tight.after_ms < tight.before_ms);
    let none = advised(&shop, &all, Budget { questions: 3, ..Budget::default() });
    assert!(none.notes.iter().any(|n| n.contains("search was ended")), "{:?}", none.notes);
}

/// The best of all sets that fit, by trying all of them, is the truth.
#[test]
fn within_bytes_the_choice_is_the_best_of_all_sets() {
    let shop = shop(Dialect::Postgres);
    let all = workload(
        &shop,
        &[
            ("SELECT * FROM orders WHERE cust_id = $1", 1e3, 50_000.0),
            ("SELECT * FROM orders WHERE amount = $1", 1e3, 46_000.0),
            ("SELECT * FROM orders WHERE id > $1 AND note = $2", 1e3, 90_000.0),
            ("SELECT * FROM orders WHERE status = 'new' ORDER BY created LIMIT 5", 1e3, 3_000.0),
            ("SELECT * FROM customers WHERE name = $1", 1e3, 2_000.0),
            ("SELECT * FROM customers WHERE region = $1", 1e3, 900.0),
        ],
    );
    let made = candidates(&shop, &all, Limits { of_table: 5, ..Limits::default() });
    let values = values(&shop, &all);
    let choose = |of: Vec<Candidate>, bytes: Option<f64>| {
        let made = Candidates { all: of, ..Candidates::default() };
        let mut oracle = Estimate::new(&shop, &all, &made.all);
        let budget = Budget { bytes, ..Budget::default() };
        now(advise(&shop, &all, &values, &made, budget, &mut oracle)).expect("statistics never fail").after_ms
    };
    let bytes = |of: &[Candidate]| of.iter().map(|c| c.bytes.expect("known")).sum::<f64>();
    let sets: Vec<Vec<Candidate>> = (0..1_u32 << made.all.len())
        .map(|bits| {
            made.all.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, c)| c.clone()).collect()
        })
        .collect();
    let known: Vec<(f64, f64)> = sets.into_iter().map(|set| (bytes(&set), choose(set, None))).collect();
    for most in (1..=16).map(|step| f64::from(step) * 4e6) {
        let best = known.iter().filter(|(bytes, _)| *bytes <= most).map(|(_, ms)| *ms).fold(f64::INFINITY, f64::min);
        let got = choose(made.all.clone(), Some(most));
        assert!(got <= best * 1.01, "{most} bytes: {got} ms, and {best} ms would do");
    }
}

#[test]
fn what_is_there_is_not_advised_again_and_what_it_replaces_is_named() {
    let mut shop = shop(Dialect::Postgres);
    shop.tables[0].indexes.push(existing("by_cust", 0, vec![Key::column("cust_id")]));
    let all = workload(&shop, &[("SELECT * FROM orders WHERE cust_id = $1", 1e3, 50_000.0)]);
    let advice = advised(&shop, &all, Budget::default());
    assert!(advice.advised.is_empty(), "{:?}", shown(&advice, &shop));
    assert!(advice.rejected.iter().any(|r| r.why == "`by_cust` does that already"), "{:?}", advice.rejected);
    shop.tables[0].indexes.push(Existing { unique: true, ..existing("unique_one", 0, vec![Key::column("amount")]) });
    let all = workload(
        &shop,
        &[
            ("SELECT id FROM orders WHERE cust_id = $1 ORDER BY created DESC LIMIT 10", 1e4, 80_000.0),
            ("SELECT id FROM orders WHERE amount = $1 ORDER BY created LIMIT 1", 1e4, 80_000.0),
        ],
    );
    let advice = advised(&shop, &all, Budget::default());
    let of = |shown: &str| advice.advised.iter().find(|a| a.candidate.index.shown(Dialect::Postgres) == shown);
    assert_eq!(of("(cust_id, created DESC)").expect("advised").replaces, ["by_cust"]);
    assert!(advice.advised.iter().all(|a| !a.replaces.contains(&"unique_one".to_owned())), "it enforces something");
}

/// Costs as a server told them of the trap: a sort column alone, and the two columns that are right.
struct Trap<'a> {
    candidates: &'a [Candidate],
    /// Whether the sort column has an index already.
    old: bool,
}

impl Trap<'_> {
    fn cost(&self, question: &Question) -> Cost {
        let shown = |c: &usize| self.candidates[*c].index.shown(Dialect::Postgres);
        let named = |name: &str| question.candidates.iter().find(|c| shown(c) == name).copied();
        let by_sort = |used: Used| Cost { total: 53.31, unstopped: Some(90_000.0), used: vec![used] };
        if self.old {
            return by_sort(Used::Existing("orders_created".to_owned()));
        }
        if let Some(alone) = named("(created DESC)") {
            return by_sort(Used::Candidate(alone));
        }
        match named("(cust_id, created DESC)") {
            Some(right) => Cost { total: 58.42, unstopped: None, used: vec![Used::Candidate(right)] },
            None => Cost { total: 34_329.0, ..Cost::default() },
        }
    }
}

impl Oracle for Trap<'_> {
    fn costs<'a>(
        &'a mut self,
        questions: &'a [Question],
    ) -> BoxFuture<'a, Result<Vec<Result<Cost, String>>, ApiError>> {
        Box::pin(async move { Ok(questions.iter().map(|q| Ok(self.cost(q))).collect()) })
    }

    fn worth(&self) -> Worth {
        Worth::Planner
    }
}

fn trap() -> (Catalogue, Workload, Candidates) {
    let shop = shop(Dialect::Postgres);
    let text = "SELECT * FROM orders WHERE cust_id = $1 ORDER BY created DESC LIMIT 10";
    let all = workload(&shop, &[(text, 1e4, 80_000.0)]);
    let made = candidates(&shop, &all, Limits::default());
    (shop, all, made)
}

#[test]
fn an_end_that_may_not_come_is_not_a_gain() {
    let (shop, all, made) = trap();
    let values = values(&shop, &all);
    assert!(values[0].iter().any(|p| p.class == Class::FarEnd), "{values:?}");
    let mut oracle = Trap { candidates: &made.all, old: false };
    let advice = now(advise(&shop, &all, &values, &made, Budget::default(), &mut oracle)).expect("answers");
    assert_eq!(shown(&advice, &shop), ["(cust_id, created DESC)"], "58.42 that is sure, not 53.31 that is hoped for");
    assert!(!advice.advised[0].needs_proof && advice.effects[0].slower.is_empty());

    // Where the right one cannot be had, the other is marked, and what it makes slower is said.
    let only: Vec<Candidate> =
        made.all.iter().filter(|c| c.index.shown(Dialect::Postgres) == "(created DESC)").cloned().collect();
    let only = Candidates { all: only, ..Candidates::default() };
    let mut oracle = Trap { candidates: &only.all, old: false };
    let advice = now(advise(&shop, &all, &values, &only, Budget::default(), &mut oracle)).expect("answers");
    assert!(advice.advised.iter().all(|a| a.needs_proof), "{advice:#?}");
    for effect in &advice.effects {
        assert!(effect.slower.iter().any(|(class, _)| *class == Class::FarEnd), "{effect:?}");
        assert!(effect.worst > 1.05 && effect.worst_class == Class::FarEnd, "{effect:?}");
    }
}

#[test]
fn an_index_that_an_older_one_captures_is_not_advised() {
    let (mut shop, all, made) = trap();
    let desc = Key { descending: true, nulls_first: true, ..Key::column("created") };
    shop.tables[0].indexes.push(existing("orders_created", 0, vec![desc]));
    let values = values(&shop, &all);
    let mut oracle = Trap { candidates: &made.all, old: true };
    let advice = now(advise(&shop, &all, &values, &made, Budget::default(), &mut oracle)).expect("answers");
    assert!(advice.advised.is_empty(), "{:?}", shown(&advice, &shop));
    let why = advice.rejected.iter().find(|r| r.index == "(cust_id, created DESC)").map(|r| r.why.as_str());
    assert_eq!(why, Some("no plan uses it: `orders_created` is chosen instead"));
}

/// Costs as a server told them where an index on the order ends early today, and one that finds rows by values has them all sorted.
struct Displacing<'a> {
    candidates: &'a [Candidate],
    /// Keys of the index that finds.
    finds: &'a str,
    /// What the plan of today would cost if no row came early.
    today: Option<f64>,
    /// The same of the plan that finds.
    then: Option<f64>,
}

impl Oracle for Displacing<'_> {
    fn costs<'a>(
        &'a mut self,
        questions: &'a [Question],
    ) -> BoxFuture<'a, Result<Vec<Result<Cost, String>>, ApiError>> {
        let of = |question: &Question| {
            let finds = |c: &&usize| self.candidates[**c].index.shown(Dialect::Postgres) == self.finds;
            match question.candidates.iter().find(finds) {
                Some(place) => Cost { total: 60.0, unstopped: self.then, used: vec![Used::Candidate(*place)] },
                None => {
                    let used = vec![Used::Existing("orders_created".to_owned())];
                    Cost { total: 900.0, unstopped: self.today, used }
                }
            }
        };
        Box::pin(async move { Ok(questions.iter().map(|q| Ok(of(q))).collect()) })
    }

    fn worth(&self) -> Worth {
        Worth::Planner
    }
}

#[test]
fn one_in_place_of_a_plan_that_ends_early_today_needs_proof() {
    let (mut shop, all, made) = trap();
    let desc = Key { descending: true, nulls_first: true, ..Key::column("created") };
    shop.tables[0].indexes.push(existing("orders_created", 0, vec![desc]));
    let values = values(&shop, &all);
    let told = |finds: &str, today, then| {
        let mut oracle = Displacing { candidates: &made.all, finds, today, then };
        let advice = now(advise(&shop, &all, &values, &made, Budget::default(), &mut oracle)).expect("answers");
        assert_eq!(shown(&advice, &shop), [finds], "{:#?}", advice.rejected);
        let advised = advice.advised.into_iter().next().expect("one");
        (advised.needs_proof, advised.reasons.join("; "))
    };
    let (needs, why) = told("(cust_id)", Some(90_000.0), None);
    assert!(
        needs && why.contains("takes the place of `orders_created`, in whose order some values come at once"),
        "{why}"
    );
    let (needs, why) = told("(cust_id, created DESC)", Some(90_000.0), None);
    assert!(!needs, "it has the order itself, so that nothing is lost: {why}");
    let (needs, why) = told("(cust_id)", None, None);
    assert!(!needs, "today's plan ends early for nobody: {why}");
    let (needs, why) = told("(cust_id)", Some(90_000.0), Some(80_000.0));
    assert!(needs && !why.contains("takes the place"), "one that ends early too hopes itself: {why}");
}

#[test]
fn values_are_of_every_class_and_never_null() {
    let shop = shop(Dialect::Postgres);
    let all = workload(
        &shop,
        &[("SELECT * FROM orders WHERE status = $1 AND amount > $2 AND cust_id = ANY ($3) LIMIT $4", 1.0, 1.0)],
    );
    let found = values(&shop, &all).remove(0);
    let of = |class| found.iter().find(|p| p.class == class).map(|p| p.values.clone());
    assert_eq!(of(Class::Frequent).expect("there")[0], "done", "the most common value");
    assert_ne!(of(Class::Absent).expect("there")[0], "done");
    assert!(found.iter().all(|p| p.values[3] == "10" && p.values.len() == 4), "{found:?}");
    let far = workload(&shop, &[("SELECT * FROM orders WHERE status = $1 ORDER BY created LIMIT 5", 1.0, 1.0)]);
    let found = values(&shop, &far).remove(0);
    assert_eq!(found.iter().find(|p| p.class == Class::FarEnd).map(|p| p.values[0].as_str()), Some("77"));
}

#[test]
fn a_partition_gets_the_index_of_the_table_above() {
    let mut shop = shop(Dialect::Postgres);
    let (whole, mut part) = (shop.tables[0].clone(), shop.tables[0].clone());
    shop.tables[0].kind = TableKind::Partitioned;
    part.name = "orders_2026".to_owned();
    (part.rows, part.pages, part.partition_of) = (Some(400_000.0), 8_000.0, Some(whole.shown()));
    part.indexes.clear();
    shop.tables.push(part);
    let texts = [
        ("SELECT * FROM orders_2026 WHERE cust_id = 7", 1e3, 9_000.0),
        ("SELECT * FROM orders WHERE cust_id = $1", 1e3, 10_000.0),
    ];
    let all = workload(&shop, &texts);
    let advice = advised(&shop, &all, Budget::default());
    let [one] = advice.advised.as_slice() else { panic!("{:?}", shown(&advice, &shop)) };
    assert_eq!((one.candidate.index.table, one.used_by.len(), one.parts.len()), (0, 2, 1), "{one:?}");
    assert_eq!(one.effects.len(), 2, "{:?}", one.effects);
    let why = advice.rejected.iter().find(|r| r.table == "public.orders_2026").map(|r| r.why.as_str());
    assert_eq!(why, Some("each partition of public.orders gets (cust_id) of that table, which is advised"));
    // The bytes of both together are those of one.
    let budget = Budget { bytes: one.bytes.map(|b| b * 1.01), ..Budget::default() };
    assert_eq!(advised(&shop, &all, budget).after_ms, advice.after_ms, "it fits, and serves both");
    // Alone it is advised on the partition.
    let alone = advised(&shop, &workload(&shop, &texts[..1]), Budget::default());
    assert!(alone.advised.len() == 1 && alone.advised[0].candidate.index.table == 3, "{:?}", alone.advised);
}

#[test]
fn what_expressions_cost_is_not_ranked_by_statistics() {
    let shop = shop(Dialect::Postgres);
    let all = workload(&shop, &[("SELECT * FROM orders WHERE lower(note) = 'x' AND cust_id = 5", 1.0, 1.0)]);
    let made = candidates(&shop, &all, Limits::default());
    let known = made.without_expressions();
    assert!(made.all.len() > known.all.len() && !known.all.is_empty(), "{:?}", made.all);
    let expression = |index: &crate::index::Index| index.shown(Dialect::Postgres).contains("lower");
    assert!(!known.all.iter().any(|c| expression(&c.index)), "{:?}", known.all);
    assert!(known.aside.iter().any(|(index, why)| expression(index) && why.contains("not known")), "{:?}", known.aside);
}
