//! Skewed tables: no advice may make a class of values slower without saying so before.
use std::collections::BTreeMap;

use perfdeck_engine::advice::{AdviceGiven, Class};
use perfdeck_testkit::Postgres;
use perfdeck_testkit::shown;
use perfdeck_testkit::skew::{Form, Pairs, Skewed, VALUES, pairs};
use perfdeck_testkit::sqlx::PgConnection;

use crate::report::ratio;
use crate::{Outcome, advised, server};

/// Pairs of runs of each, and of those that look slower.
const PAIRS: usize = 3;
const MORE: usize = 12;
/// A class of values that takes more than this of its time before is slower.
const SLOWER: f64 = 1.05;
/// Milliseconds below which a difference is the clock's.
const LEAST_MS: f64 = 0.05;

const CLASSES: [Class; 4] = [Class::Frequent, Class::Rare, Class::FarEnd, Class::Absent];

/// Counts over all tables.
#[derive(Default)]
struct Counts {
    measured: usize,
    quicker: usize,
    told: usize,
    untold: Vec<String>,
}

/// Measures all tables of so many rows.
pub(crate) async fn run(rows: u32) -> Outcome {
    let server = server().await?;
    server.execute("CREATE EXTENSION hypopg").await?;
    let forms = [(20, false, false), (200, true, false), (20, true, true), (200, false, true)];
    let forms = forms.map(|(pad, shuffled, has_order)| Form { pad, shuffled, has_order });
    let tables = Skewed::all(rows, &[0.001, 0.02, 0.2], &forms);
    let mut c = server.connect().await?;
    let mut all: BTreeMap<usize, Counts> = BTreeMap::new();
    for table in &tables {
        server.execute(&table.create()).await?;
        server.execute(&format!("VACUUM ANALYZE {}", table.name)).await?;
        let statements = table.statements();
        // The first alone, where an index on the order is tempting, and all of them.
        for own in [&statements[..1], &statements[..]] {
            let weighted: Vec<(String, f64)> = own.iter().map(|text| (text.clone(), 60_000.0)).collect();
            let given = advised(&server, &weighted, None).await?;
            measure(&mut c, table, own, &given, &mut all).await?;
        }
        server.execute(&format!("DROP TABLE {}", table.name)).await?;
    }
    println!("{} skewed tables of {rows} rows, 5 statements, {PAIRS} to {MORE} pairs of runs each:", tables.len());
    for (value, counts) in &all {
        println!(
            "{:<10} {:>4} measured, {:>4} quicker, {:>3} slower by more than 5 % and said so before, {:>3} not said: {}",
            VALUES[*value].0,
            counts.measured,
            counts.quicker,
            counts.told,
            counts.untold.len(),
            if counts.untold.is_empty() { "held" } else { "MISSED" }
        );
        counts.untold.iter().for_each(|line| println!("    {line}"));
    }
    c_close(c, server).await
}

async fn c_close(c: PgConnection, server: Postgres) -> Outcome {
    use perfdeck_testkit::sqlx::Connection as _;
    c.close().await?;
    drop(server);
    Ok(())
}

async fn measure(
    c: &mut PgConnection,
    table: &Skewed,
    statements: &[String],
    given: &AdviceGiven,
    all: &mut BTreeMap<usize, Counts>,
) -> Outcome {
    let mut made = Vec::new();
    for (at, advised) in given.advice.advised.iter().enumerate() {
        made.push(shown::make(c, &format!("advised_{at}"), &shown::of(&advised.ddl)).await?.oid);
    }
    for mut found in pairs(c, statements, &made, PAIRS).await? {
        let counts = all.entry(found.value).or_default();
        let mut slower = ratio_of(&found);
        if slower.0 > 1.03 && found.runs.iter().any(|(a, b)| b.ms > a.ms + LEAST_MS) {
            let text = std::slice::from_ref(&statements[found.statement]);
            found.runs = pairs(c, text, &made, MORE).await?.remove(found.value).runs;
            slower = ratio_of(&found);
        }
        counts.measured += 1;
        counts.quicker += usize::from(slower.0 < 0.95);
        let (before, after) = found.runs.last().cloned().ok_or("no run")?;
        // The same steps over the same pages are the same.
        let same = before.steps == after.steps && before.pages >= after.pages;
        if same || slower.0 <= SLOWER || slower.1 <= 1.0 || after.ms <= before.ms + LEAST_MS {
            continue;
        }
        if is_told(given, &statements[found.statement], CLASSES[found.value]) {
            counts.told += 1;
        } else {
            let indexes: Vec<String> = given.advice.advised.iter().map(|a| shown::of(&a.ddl)).collect();
            counts.untold.push(format!(
                "{:.2} ({:.2} to {:.2}), {:.1} to {:.1} ms, {} to {} pages: {} of {table:?} with {indexes:?}",
                slower.0,
                slower.1,
                slower.2,
                before.ms,
                after.ms,
                before.pages,
                after.pages,
                statements[found.statement]
            ));
        }
    }
    for at in 0..made.len() {
        use perfdeck_testkit::sqlx::{AssertSqlSafe, raw_sql};
        raw_sql(AssertSqlSafe(format!("DROP INDEX advised_{at}"))).execute(&mut *c).await?;
    }
    Ok(())
}

fn ratio_of(found: &Pairs) -> (f64, f64, f64) {
    let (before, after): (Vec<f64>, Vec<f64>) =
        found.runs.iter().map(|(a, b)| (a.ms.max(0.001), b.ms.max(0.001))).unzip();
    ratio(&before, &after)
}

/// Whether the advice said before that these values may become slower.
fn is_told(given: &AdviceGiven, text: &str, class: Class) -> bool {
    let Some(place) = given.workload.statements.iter().position(|s| s.text == text) else { return false };
    let effects = given.advice.effects.iter().filter(|e| e.statement == place);
    let slower = effects.flat_map(|e| &e.slower).any(|(of, _)| *of == class);
    slower || given.advice.advised.iter().any(|a| a.needs_proof && a.used_by.contains(&place))
}
