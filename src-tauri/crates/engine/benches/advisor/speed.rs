//! How long advice takes: statements of an application's kind over 60 tables.
use std::fmt::Write as _;
use std::time::Instant;

use perfdeck_engine::advice::{AdviceWanted, WorkloadStatement, index_advice};
use perfdeck_model::{Address, Kind};

use crate::report::line;
use crate::{Outcome, server};

const TABLES: usize = 60;
/// Runs of each.
const RUNS: usize = 5;

/// Tables of 2,000 to 40,000 rows, each with the number of another one's row.
fn schema() -> String {
    let mut text = String::new();
    for t in 0..TABLES {
        let rows = 2_000 * (1 + (t * 7) % 20);
        let _ = write!(
            text,
            "CREATE TABLE app_{t} (id int PRIMARY KEY, parent int NOT NULL, owner int NOT NULL, kind int NOT NULL, state text NOT NULL,
                 created timestamptz NOT NULL, amount numeric NOT NULL, email text NOT NULL, note text);
             INSERT INTO app_{t} SELECT i, (i * 31) % 2000 + 1, (i * 7919::bigint) % 500, i % 12,
                 CASE WHEN i % 50 = 0 THEN 'new' WHEN i % 7 = 0 THEN 'open' ELSE 'done' END,
                 timestamptz '2026-01-01' + i * interval '1 minute', (i * 37) % 1000, 'user' || i || '@example.com', md5(i::text)
             FROM generate_series(1, {rows}) i;"
        );
        if t % 4 == 0 {
            let _ = write!(text, "CREATE INDEX ON app_{t} (owner);");
        }
    }
    text
}

/// Different statements: ten kinds, each of another table, with another column or bound each time round.
fn statements(count: usize) -> Vec<WorkloadStatement> {
    (0..count)
        .map(|n| {
            let (t, u, v, round) = (n * 7 % TABLES, (n * 7 + 13) % TABLES, (n * 7 + 29) % TABLES, n / 10);
            let column = ["owner", "kind", "parent"][round % 3];
            let text = match n % 10 {
                0 => format!("SELECT id, note FROM app_{t} WHERE {column} = $1 AND state = $2 -- {round}"),
                1 => format!("SELECT * FROM app_{t} WHERE {column} = $1 ORDER BY created DESC LIMIT {}", 10 + round),
                2 => format!("SELECT count(*), sum(amount) FROM app_{t} WHERE {column} = $1 AND created > $2 AND {round} > 0"),
                3 => format!("SELECT c.id, p.email FROM app_{t} p JOIN app_{u} c ON c.parent = p.id WHERE p.{column} = $1 LIMIT {}", 50 + round),
                4 => format!("SELECT {column}, count(*) FROM app_{t} WHERE created > $1 GROUP BY {column} HAVING count(*) > {round}"),
                5 => format!(
                    "SELECT p.id, sum(d.amount) FROM app_{t} p JOIN app_{u} c ON c.parent = p.id JOIN app_{v} d ON d.parent = c.id
                     WHERE p.email = $1 AND d.{column} = $2 GROUP BY p.id HAVING sum(d.amount) > {round}"
                ),
                6 => format!("UPDATE app_{t} SET state = $1, amount = amount + {round} WHERE {column} = $2 AND kind = $3"),
                7 => format!("SELECT id FROM app_{t} WHERE email LIKE 'user{}%' AND {column} = $1", round + 1),
                8 => format!("SELECT * FROM app_{t} WHERE state = 'new' AND {column} = $1 ORDER BY amount LIMIT {}", 5 + round),
                _ => format!("SELECT id, amount FROM app_{t} WHERE {column} IN ($1, $2, $3) AND amount > {round}"),
            };
            WorkloadStatement { text, calls: 1_000.0, total_ms: 60_000.0 / (n + 1) as f64 }
        })
        .collect()
}

/// Measures both sizes, with `HypoPG` and on samples.
pub(crate) async fn run() -> Outcome {
    let server = server().await?;
    server.execute(&schema()).await?;
    server.execute("CREATE EXTENSION hypopg").await?;
    server.execute("VACUUM ANALYZE").await?;
    let (address, password) = Address::parse(&server.url()).map_err(|e| e.to_string())?;
    println!("Advice over {TABLES} tables of 2,000 to 40,000 rows:");
    for (way, kind) in [("HypoPG", Kind::Development), ("samples", Kind::Production)] {
        for (count, most) in [(20, 3.0), (200, 15.0)] {
            let (mut seconds, mut told) = (Vec::new(), String::new());
            for _ in 0..RUNS {
                let wanted = AdviceWanted {
                    statements: statements(count),
                    days: 1.0,
                    bytes: None,
                    kind,
                    agreed: false,
                    quarantined: false,
                };
                let began = Instant::now();
                let given = index_advice(&address, password.as_ref(), &wanted).await.map_err(|e| format!("{e:?}"))?;
                seconds.push(began.elapsed().as_secs_f64());
                let advice = given.advice;
                told = format!(
                    "{} indexes, {} plans, worth {:?}, {} statements left out",
                    advice.advised.len(),
                    advice.asked,
                    advice.worth,
                    advice.left.len()
                );
            }
            line(&format!("{count} statements, {way}"), "s", &seconds, Some(most));
            println!("    {told}");
        }
    }
    Ok(())
}
