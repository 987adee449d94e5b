//! TPC-H: no indexes beside primary keys, the best of all on one column, the best of all on one or two, and ours in the same bytes.
//!
//! All of them are in one database. Those that are not an arm's are marked as not valid in the catalogue, so that the planner does not see
//! them: every arm reads the same pages of the same tables, in turn with the others. Arms whose plan for a statement is the same share its
//! runs.
mod arms;
mod table;

use std::collections::BTreeMap;
use std::time::Instant;

use perfdeck_testkit::rivals::{Rivals, Tried, planned};
use perfdeck_testkit::sqlx::{AssertSqlSafe, PgConnection, Row as _, raw_sql};
use perfdeck_testkit::{Postgres, tpch};

use self::arms::{Arm, Arms};
use crate::report::ratio;
use crate::{Outcome, advised, server};
use perfdeck_stats::paired::median;

/// What indexes may take, as a share of the tables' bytes.
const BUDGETS: [f64; 2] = [0.2, 0.8];
/// What our arms are called.
const OURS: &str = "Perfdeck";
/// Longest run of one statement, in milliseconds at scale 0.1; one that is ended counts as that.
const LONGEST_MS: f64 = 10_000.0;
/// Runs of each plan, and pairs of one that looks slower than without indexes.
const RUNS: usize = 3;
const PAIRS: usize = 12;

/// A statement with its arms' plans and what those took.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// Of each arm: the planned cost, and which of the plans it is.
    pub(crate) cost: Vec<f64>,
    pub(crate) plan: Vec<usize>,
    /// Of each plan: milliseconds of its runs.
    pub(crate) runs: Vec<Vec<f64>>,
    /// Of each plan that looks slower than without indexes: the ratio with its interval.
    pub(crate) slower: BTreeMap<usize, (f64, f64, f64)>,
}

impl Measured {
    /// Median of an arm, in milliseconds.
    pub(crate) fn ms(&self, arm: usize) -> f64 {
        median(&self.runs[self.plan[arm]]).unwrap_or(f64::NAN)
    }
}

/// Measures and writes the table.
pub(crate) async fn run(scale: f64, machine: &str) -> Outcome {
    let server = server().await?;
    tpch::load(&server, scale).await?;
    let mut c = server.connect().await?;
    let longest = LONGEST_MS * scale / 0.1;
    raw_sql(AssertSqlSafe(format!("CREATE EXTENSION hypopg; SET statement_timeout = {longest:.0}")))
        .execute(&mut c)
        .await?;
    let data: f64 = raw_sql(
        "SELECT sum(pg_table_size(oid))::float8 FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    )
    .fetch_one(&mut c)
    .await?
    .try_get(0)?;
    println!(
        "TPC-H at scale {scale}: tables of {:.0} MB, primary keys only, statements end after {longest:.0} ms",
        data / 1e6
    );

    // What the statements take as things are, twice: the first run reads what was not read before.
    let mut statements: Vec<(String, f64)> = Vec::new();
    for (name, text) in tpch::queries() {
        let first = once(&mut c, text, longest).await?;
        let ms = if first >= longest { first } else { once(&mut c, text, longest).await? };
        println!("{name:>4} {ms:>9.1} ms without indexes{}", if ms >= longest { ", ended" } else { "" });
        statements.push((text.to_owned(), ms));
    }
    let arms = arms(&server, &mut c, &statements, data).await?;
    let measured = measure(&mut c, &arms, longest).await?;
    table::write(&table::About { machine, scale, data, longest }, &arms, &measured)
}

/// Runs a statement; its milliseconds.
async fn once(c: &mut PgConnection, text: &str, longest: f64) -> Outcome<f64> {
    let began = Instant::now();
    match raw_sql(AssertSqlSafe(text.to_owned())).fetch_all(c).await {
        Ok(_) => Ok(began.elapsed().as_secs_f64() * 1e3),
        Err(error)
            if error.as_database_error().and_then(perfdeck_testkit::sqlx::error::DatabaseError::code).as_deref()
                == Some("57014") =>
        {
            Ok(longest)
        }
        Err(error) => Err(error.into()),
    }
}

/// Chooses the indexes of each arm, and then makes them: nobody is to see another's.
async fn arms(server: &Postgres, c: &mut PgConnection, statements: &[(String, f64)], data: f64) -> Outcome<Arms> {
    let mut chosen: Vec<(&str, f64, Vec<String>)> = Vec::new();
    let mut rivals = Rivals::open(server, statements).await?;
    for (widest, name) in [(1, "one column"), (2, "two columns")] {
        let began = Instant::now();
        let all = rivals.every(widest).await?;
        println!("{} indexes of {name} gain something, found in {:.0} s", all.len(), began.elapsed().as_secs_f64());
        for budget in BUDGETS {
            let packed = rivals.packed(&all, budget * data).await?;
            chosen.push((name, budget, packed.iter().map(Tried::create).collect()));
        }
    }
    rivals.close().await?;
    for budget in BUDGETS {
        let began = Instant::now();
        let advice = advised(server, statements, Some(budget * data)).await?.advice;
        let s = began.elapsed().as_secs_f64();
        println!("advice for {:.0} MB in {s:.1} s, {} plans", budget * data / 1e6, advice.asked);
        for a in &advice.advised {
            println!("  {:>6.2} MB said {}", a.bytes.unwrap_or(0.0) / 1e6, a.ddl);
        }
        chosen.push((OURS, budget, advice.advised.iter().map(|a| a.ddl.clone()).collect()));
    }
    let mut arms = Arms::default();
    arms.all.push(Arm { name: "none".to_owned(), budget: 0.0, indexes: Vec::new() });
    for (name, budget, create) in chosen {
        arms.add(c, name, budget, &create).await?;
    }
    arms.all.sort_by(|a, b| a.budget.total_cmp(&b.budget));
    Ok(arms)
}

/// Plans and runs every statement with each arm.
async fn measure(c: &mut PgConnection, arms: &Arms, longest: f64) -> Outcome<Vec<Measured>> {
    let mut all = Vec::new();
    for (name, text) in tpch::queries() {
        let (mut cost, mut plan, mut plans): (Vec<f64>, Vec<usize>, Vec<(String, usize)>) = Default::default();
        for arm in 0..arms.all.len() {
            arms.show(c, arm).await?;
            cost.extend(planned(c, &[text]).await?);
            let rows = raw_sql(AssertSqlSafe(format!("EXPLAIN (COSTS OFF) {text}"))).fetch_all(&mut *c).await?;
            let lines: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
            let shown = lines.join("\n");
            let at = plans.iter().position(|(known, _)| *known == shown).unwrap_or_else(|| {
                plans.push((shown, arm));
                plans.len() - 1
            });
            plan.push(at);
        }
        let mut runs: Vec<Vec<f64>> = vec![Vec::new(); plans.len()];
        for round in 0..=RUNS {
            for turn in 0..plans.len() {
                let at = if round % 2 == 0 { turn } else { plans.len() - 1 - turn };
                // One that was ended would be again.
                if runs[at].first().is_some_and(|ms| *ms >= longest) {
                    continue;
                }
                arms.show(c, plans[at].1).await?;
                let ms = once(c, text, longest).await?;
                // The first run of each warms up.
                if round > 0 || ms >= longest {
                    runs[at].push(ms);
                }
            }
        }
        let mut measured = Measured { name, cost, plan, runs, slower: BTreeMap::new() };
        compare(c, arms, text, &plans, &mut measured, longest).await?;
        let figures: Vec<String> = (0..arms.all.len()).map(|arm| format!("{:>7.1}", measured.ms(arm))).collect();
        println!("{name:>4} {}", figures.join(" "));
        all.push(measured);
    }
    Ok(all)
}

/// Pairs of runs for plans that look slower than the one without indexes.
async fn compare(
    c: &mut PgConnection,
    arms: &Arms,
    text: &str,
    plans: &[(String, usize)],
    measured: &mut Measured,
    longest: f64,
) -> Outcome {
    let plain = measured.plan[0];
    let before = median(&measured.runs[plain]).unwrap_or(f64::NAN);
    for at in (0..plans.len()).filter(|at| *at != plain) {
        let after = median(&measured.runs[at]).unwrap_or(f64::NAN);
        if after <= before * 1.03 || before >= longest {
            continue;
        }
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for pair in 0..PAIRS {
            let order = if pair % 2 == 0 { [(plain, true), (at, false)] } else { [(at, false), (plain, true)] };
            for (of, is_old) in order {
                arms.show(c, plans[of].1).await?;
                let ms = once(c, text, longest).await?;
                if is_old { old.push(ms) } else { new.push(ms) }
            }
        }
        measured.slower.insert(at, ratio(&old, &new));
    }
    Ok(())
}
