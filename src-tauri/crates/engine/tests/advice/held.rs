//! Advice held against what others would say, and against what it does to values of every class. Times are the bench's (`benches/advisor`).
use perfdeck_engine::advice::{AdviceGiven, AdviceWanted, Class};
use perfdeck_model::Kind;
use perfdeck_testkit::rivals::{Rivals, Tried, planned};
use perfdeck_testkit::skew::{Form, Skewed, VALUES, pairs};
use perfdeck_testkit::sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, raw_sql};
use perfdeck_testkit::{Postgres, shown, tpch};

use super::{given, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn on_tpch_it_beats_all_advice_of_one_and_two_columns_in_the_same_bytes() {
    let settings = [("autovacuum", "off"), ("jit", "off"), ("max_parallel_workers_per_gather", "0")];
    let server = Postgres::start_with(&settings).await.expect("PostgreSQL");
    tpch::load(&server, 0.01).await.expect("TPC-H");
    let mut c = server.connect().await.expect("connects");
    let texts: Vec<&str> = tpch::queries().into_iter().map(|(_, text)| text).collect();
    let before = planned(&mut c, &texts).await.expect("plans");
    // What a statement takes is what it is said to cost, so that all of them are one sum.
    let statements: Vec<(String, f64)> = texts.iter().zip(&before).map(|(t, cost)| ((*t).to_owned(), *cost)).collect();
    let mut rivals = Rivals::open(&server, &statements).await.expect("HypoPG");
    let all = rivals.every(2).await.expect("every pair of columns");
    let single: Vec<Tried> = all.iter().filter(|t| t.columns.len() == 1).cloned().collect();
    assert!(single.len() > 5 && all.len() > 5 * single.len(), "they advise: {} and {}", single.len(), all.len());
    let weighted: Vec<(&str, f64)> = statements.iter().map(|(text, cost)| (text.as_str(), *cost)).collect();
    for bytes in [6e6, 12e6] {
        let asked = AdviceWanted { bytes: Some(bytes), kind: Kind::Development, ..wanted(&weighted) };
        let found = given(&server.url(), &asked).await.advice;
        assert!(found.left.is_empty(), "every statement is understood: {:?}", found.left);
        let ours: Vec<String> = found.advised.iter().map(|a| a.ddl.clone()).collect();
        let (costs, real) = with(&mut c, &texts, &ours).await;
        assert!(real <= bytes * 1.03, "the bytes are kept, about: {real} of {bytes}");
        for (name, tried) in [("one column", &single), ("one or two", &all)] {
            let packed = rivals.packed(tried, bytes).await.expect("packed");
            let theirs: Vec<String> = packed.iter().map(Tried::create).collect();
            let (others, _) = with(&mut c, &texts, &theirs).await;
            let (own, other) = (costs.iter().sum::<f64>(), others.iter().sum::<f64>());
            assert!(own <= other, "{name}, {bytes} bytes: {own} with {ours:#?}\n{other} with {theirs:#?}");
        }
        for ((name, _), (old, new)) in tpch::queries().iter().zip(before.iter().zip(&costs)) {
            assert!(*new <= old * 1.05, "{name}: {old} before, {new} with {ours:#?}");
        }
    }
    rivals.close().await.expect("closes");
}

/// Costs of statements with real indexes, and the bytes of those, in a transaction that is taken back.
async fn with(c: &mut PgConnection, texts: &[&str], create: &[String]) -> (Vec<f64>, f64) {
    raw_sql("BEGIN").execute(&mut *c).await.expect("begins");
    for (at, one) in create.iter().enumerate() {
        let make = format!("CREATE INDEX built_{at} ON {}", shown::of(one));
        raw_sql(AssertSqlSafe(make)).execute(&mut *c).await.expect("an index");
    }
    let costs = planned(c, texts).await.expect("plans");
    let ask = "SELECT coalesce(sum(pg_relation_size(oid)), 0)::float8 FROM pg_class WHERE relname LIKE 'built\\_%'";
    let bytes = raw_sql(ask).fetch_one(&mut *c).await.expect("sizes").get(0);
    raw_sql("ROLLBACK").execute(&mut *c).await.expect("back");
    (costs, bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_skewed_tables_no_class_reads_more_pages_without_a_word() {
    let server = Postgres::start_with(&[("autovacuum", "off"), ("jit", "off")]).await.expect("PostgreSQL");
    server.execute("CREATE EXTENSION hypopg").await.expect("HypoPG");
    let form = |pad, shuffled, has_order| Form { pad, shuffled, has_order };
    let forms = [form(200, false, true), form(20, true, false)];
    let mut c = server.connect().await.expect("connects");
    let (mut measured, mut quicker) = (0, 0);
    for table in Skewed::all(20_000, &[0.02], &forms) {
        server.execute(&table.create()).await.expect("a table");
        server.execute(&format!("VACUUM ANALYZE {}", table.name)).await.expect("statistics");
        let statements = table.statements();
        // The first alone, where an index on the order alone is tempting, and all of them.
        for own in [&statements[..1], &statements[..]] {
            let weighted: Vec<(&str, f64)> = own.iter().map(|text| (text.as_str(), 60_000.0)).collect();
            let found = given(&server.url(), &AdviceWanted { kind: Kind::Development, ..wanted(&weighted) }).await;
            let ddl: Vec<String> = found.advice.advised.iter().map(|a| shown::of(&a.ddl)).collect();
            let mut made = Vec::new();
            for (at, of) in ddl.iter().enumerate() {
                made.push(shown::make(&mut c, &format!("advised_{at}"), of).await.expect("an index").oid);
            }
            for found_pairs in pairs(&mut c, own, &made, 1).await.expect("runs") {
                let (old, new) = &found_pairs.runs[0];
                measured += 1;
                quicker += u32::from(new.pages < old.pages);
                let text = &own[found_pairs.statement];
                // Another tree may be a few levels deep.
                let slower = new.pages > old.pages * 1.05 + 4.0;
                assert!(
                    !slower || is_told(&found, text, found_pairs.value),
                    "{} of {table:?}: {} to {} pages by {:?} with {ddl:?}: {text}",
                    VALUES[found_pairs.value].0,
                    old.pages,
                    new.pages,
                    new.steps,
                );
            }
            for at in 0..ddl.len() {
                server.execute(&format!("DROP INDEX advised_{at}")).await.expect("gone again");
            }
        }
    }
    assert!(quicker * 10 > measured * 6, "it helps at all: {quicker} of {measured}");
    let _ = c.close().await;
}

/// Whether the advice said before that a statement may become slower with such a value.
fn is_told(given: &AdviceGiven, text: &str, value: usize) -> bool {
    let class = [Class::Frequent, Class::Rare, Class::FarEnd, Class::Absent][value];
    let Some(place) = given.workload.statements.iter().position(|s| s.text == text) else { return false };
    let effects = given.advice.effects.iter().filter(|e| e.statement == place);
    let said = effects.flat_map(|e| &e.slower).any(|(of, _)| *of == class);
    said || given.advice.advised.iter().any(|a| a.needs_proof && a.used_by.contains(&place))
}
