//! What is wrong in the demo, measured from what its API did in the last minute and confirmed in its database.
use std::collections::BTreeMap;

use perfdeck_database::repeated_indexes;
use perfdeck_model::{Finding, FindingAction, FindingTarget, Proof, TargetRole};
use perfdeck_words as words;
use sqlx::sqlite::SqliteConnection;

use super::api::{Route, Statement, Usage};

/// Statements per request from which a route is an N+1 route.
const MANY_STATEMENTS: f64 = 8.0;

fn millis(usage: Usage) -> f64 {
    usage.nanos as f64 / 1e6 / usage.calls.max(1) as f64
}

fn action(label: &str, opens: FindingTarget) -> FindingAction {
    FindingAction { label: label.to_owned(), opens }
}

/// The missing index: how much of the database's time the statement took, while its plan is a scan.
pub(crate) async fn scan(
    c: &mut SqliteConnection,
    seconds: f64,
    gained: &[Usage; Statement::COUNT],
) -> Result<Option<Finding>, sqlx::Error> {
    let statement = Statement::AppointmentsOfStaff;
    let own = gained.get(statement as usize).copied().unwrap_or_default();
    let total: u64 = gained.iter().map(|u| u.nanos).sum();
    if own.calls == 0 || total == 0 {
        return Ok(None);
    }
    let plan = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.sql()));
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(plan).bind(1).bind(20).fetch_all(&mut *c).await?;
    if !plan.iter().any(|step| step.3.starts_with("SCAN appointments")) {
        return Ok(None);
    }
    let share = own.nanos as f64 / total as f64;
    let calls = format!("{} calls/min", words::rate(own.calls as f64 * 60.0 / seconds));
    let each = words::ms(millis(own));
    let proof = Proof::new(
        "a statement was called, and its plan reads the whole table",
        "An index over the columns that it filters and sorts by lets it read its own rows only; it costs space and makes writes \
         dearer, so measure the statement before and after",
    )
    .value("share of database time", words::share(share))
    .value("calls", calls.clone())
    .value("time of one call", each.clone())
    .value("plan", "SCAN appointments")
    .value("no index on", "staff_id, starts_at")
    .observed(Some(words::plural(own.calls, "call")), Some(seconds))
    .statement("The statement", statement.sql())
    .statement("Shows its plan", format!("EXPLAIN QUERY PLAN {}", statement.sql()))
    .statement(
        "An index for it",
        "CREATE INDEX appointments_staff_starts_idx ON appointments (staff_id, starts_at);",
    )
    .step("Ask for advice on indexes", FindingTarget::DatabaseAdvice)
    .step("Benchmark this statement", FindingTarget::Statement { sql: statement.sql().to_owned() });
    Ok(Some(Finding {
        id: "sequential_scan:appointments".to_owned(),
        kind: "sequential_scan".to_owned(),
        target: TargetRole::Database,
        title: "Sequential scan on `appointments`".to_owned(),
        evidence: format!("{} of database time, {calls} of {each} each", words::share(share)),
        cost: share,
        action: action("Review index", FindingTarget::DatabaseAdvice),
        proof,
    }))
}

/// Indexes that repeat another one of their table.
pub(crate) async fn duplicate_indexes(
    c: &mut SqliteConnection,
    database_bytes: f64,
    sizes: &mut BTreeMap<String, f64>,
) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings = Vec::new();
    for found in repeated_indexes(c).await? {
        let (index, other, table, columns) = (&found.index, &found.repeats, &found.table, &found.keys);
        let bytes = match sizes.get(index) {
            Some(bytes) => *bytes,
            None => {
                let bytes: Option<i64> =
                    sqlx::query_scalar("SELECT pgsize FROM dbstat WHERE name = ? AND aggregate = TRUE")
                        .bind(index)
                        .fetch_optional(&mut *c)
                        .await?;
                let bytes = bytes.unwrap_or_default() as f64;
                sizes.insert(index.clone(), bytes);
                bytes
            }
        };
        let opens = FindingTarget::Change { kind: perfdeck_database::DROP_INDEX.to_owned(), object: index.clone() };
        findings.push(Finding {
            id: format!("duplicate_index:{index}"),
            kind: "duplicate_index".to_owned(),
            target: TargetRole::Database,
            title: format!("`{index}` repeats `{other}`"),
            evidence: format!("{} for `{columns}` of `{table}` again, written with every change", words::bytes(bytes)),
            cost: if database_bytes > 0.0 { bytes / database_bytes } else { 0.0 },
            action: action("Review drop", opens.clone()),
            proof: found.proof.clone().value("size", words::bytes(bytes)).step("Plan the drop", opens),
        });
    }
    Ok(findings)
}

/// Routes that run many statements for each request.
pub(crate) fn many_statements(seconds: f64, gained: &[Usage]) -> Vec<Finding> {
    let total: u64 = gained.iter().map(|u| u.nanos).sum();
    Route::ALL
        .iter()
        .zip(gained)
        .filter(|(_, own)| own.calls > 0 && own.statements as f64 / own.calls as f64 >= MANY_STATEMENTS)
        .map(|(route, own)| many(*route, *own, own.nanos as f64 / total.max(1) as f64, seconds))
        .collect()
}

/// A route that runs many statements, with its share of the API's time.
fn many(route: Route, own: Usage, share: f64, seconds: f64) -> Finding {
    let each = own.statements as f64 / own.calls.max(1) as f64;
    let rate = format!("{} requests/min", words::rate(own.calls as f64 * 60.0 / seconds));
    let took = words::ms(millis(own));
    let repeated = if route == Route::Schedule { Statement::Appointment } else { Statement::User };
    // One of those that are there stands for all.
    let path = route.path().replace("{id}", "1");
    let proof = Proof::new(
        format!("a request runs {MANY_STATEMENTS:.0} statements or more on the mean (N+1)"),
        "Read the rows with one statement, by a join or by `IN (…)`: each round trip costs, and the number grows with the answer",
    )
    .value("statements per request", format!("{each:.0}"))
    .value("share of the API's time", words::share(share))
    .value("requests", rate.clone())
    .value("time of one request", took.clone())
    .observed(Some(words::plural(own.calls, "request")), Some(seconds))
    .statement("The statement that repeats", repeated.sql())
    .step("Benchmark this route", FindingTarget::Route { method: "GET".to_owned(), path })
    .step("Benchmark this statement", FindingTarget::Statement { sql: repeated.sql().to_owned() });
    Finding {
        id: format!("many_statements:{}", route.path()),
        kind: "many_statements".to_owned(),
        target: TargetRole::Api,
        title: format!("`{}` runs {each:.0} statements per request", route.path()),
        evidence: format!("{} of the API's time, {rate} of {took} each", words::share(share)),
        cost: share,
        action: action("Review route", FindingTarget::Overview),
        proof,
    }
}
