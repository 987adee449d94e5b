//! Whether rows can be written once an index of SQLite is there. What a function of dates makes of `now`, or of the machine's zone, is found out
//! at the first row only: of an empty table the index is made, and then each `INSERT` fails.
use perfdeck_model::ApiError;
use perfdeck_sqltext::{Dialect, Kind, quote_identifier, tokens};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::super::refused;
use super::CreatePlan;

/// Functions of dates (lang_datefunc.html), each with the number of its arguments from which on it does not speak of this moment by itself.
const DATES: &[(&str, usize)] =
    &[("date", 1), ("time", 1), ("datetime", 1), ("julianday", 1), ("unixepoch", 1), ("strftime", 2), ("timediff", 2)];
/// Arguments of theirs that hang on this moment or on the machine's zone.
const CHANGING: &[&str] = &["now", "localtime", "utc"];
/// Values of all columns of made-up rows.
const ROWS: &[&str] = &["NULL", "'2024-01-01 12:00:00'", "5", "'{\"a\":1}'", "'text'"];

/// Refuses an index that no row can be written with.
pub(super) async fn takes_rows(plan: &CreatePlan, columns: &[String]) -> Result<(), ApiError> {
    if let Some(call) = changing(&plan.definition) {
        return Err(moment(&call));
    }
    // A table of the same columns and nothing else: what keeps rows from it is the index. That a copy cannot be made says nothing.
    let Ok(mut c) = SqliteConnectOptions::new().filename(":memory:").disable_statement_logging().connect().await else {
        return Ok(());
    };
    let tried = tried(&mut c, plan, columns).await;
    let _ = c.close().await;
    let Some(errors) = tried else { return Ok(()) };
    if errors.iter().flatten().any(|message| message.contains("non-deterministic")) {
        return Err(moment("a function of dates"));
    }
    if errors.iter().all(Option::is_some) {
        return Err(refused(
            "With this index no row could be written any more: SQLite fails at what it makes of each".to_owned(),
        )
        .hint("Try its expressions with: sqlite3 FILE 'SELECT …'"));
    }
    Ok(())
}

fn moment(call: &str) -> ApiError {
    ApiError::bad_request(format!(
        "SQLite does not take an expression or the condition of this index: {call} is not the same at all times, and with it no row could be written any more"
    ))
    .hint("An index has what a row itself says; the query compares that with the time of day")
}

/// What each made-up row ends with; `None` where no such table can be made.
async fn tried(c: &mut SqliteConnection, plan: &CreatePlan, columns: &[String]) -> Option<Vec<Option<String>>> {
    let quoted = |name: &String| quote_identifier(name, Dialect::Sqlite);
    let (table, all) = (quoted(&plan.table), columns.iter().map(quoted).collect::<Vec<_>>());
    let make = format!("CREATE TABLE {table} ({}); {}", all.join(", "), plan.definition);
    sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *c).await.ok()?;
    let mut ends = Vec::new();
    for value in ROWS {
        let insert = format!("INSERT INTO {table} VALUES ({})", vec![*value; all.len()].join(", "));
        let done = sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut *c).await;
        ends.push(done.err().map(|error| match error {
            sqlx::Error::Database(e) => e.message().to_owned(),
            _ => String::new(),
        }));
    }
    Some(ends)
}

/// The first call of a definition that hangs on this moment, as it is written.
fn changing(definition: &str) -> Option<String> {
    let all: Vec<(Kind, &str)> = tokens(definition, Dialect::Sqlite)
        .into_iter()
        .map(|t| (t.kind, &definition[t.start..t.end]))
        .filter(|(kind, _)| !matches!(kind, Kind::Space | Kind::Comment))
        .collect();
    (0..all.len()).find_map(|at| {
        let (kind, name) = all[at];
        let name = name.trim_matches(['"', '`', '[', ']']).to_ascii_lowercase();
        let (_, least) = DATES.iter().find(|(known, _)| *known == name)?;
        let called = matches!(kind, Kind::Word | Kind::Name) && all.get(at + 1).is_some_and(|(_, next)| *next == "(");
        let arguments = called.then(|| arguments(&all[at + 2..]))?;
        let says = |arg: &&[(Kind, &str)]| match *arg {
            [(Kind::Text, text)] => CHANGING.contains(&text.trim_matches('\'').trim().to_ascii_lowercase().as_str()),
            _ => false,
        };
        let changing = arguments.iter().copied().find(&says).map(|arg| arg[0].1);
        match changing {
            Some(text) => Some(format!("{name}(… {text} …)")),
            None => (arguments.len() < *least).then(|| format!("{name}() without a time")),
        }
    })
}

/// What stands between the commas up to the parenthesis that closes.
fn arguments<'t, 'a>(after: &'t [(Kind, &'a str)]) -> Vec<&'t [(Kind, &'a str)]> {
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, (_, text)) in after.iter().enumerate() {
        match *text {
            "(" => depth += 1,
            ")" if depth == 0 => {
                if at > from {
                    found.push(&after[from..at]);
                }
                break;
            }
            ")" => depth -= 1,
            "," if depth == 0 => {
                found.push(&after[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(keys: &str) -> Result<(), ApiError> {
        let definition = format!("CREATE INDEX \"x\" ON \"t\" {keys}");
        let plan = CreatePlan { table: "t".into(), definition, ..CreatePlan::default() };
        takes_rows(&plan, &["a".to_owned(), "ts".to_owned()]).await
    }

    #[tokio::test]
    async fn an_index_that_fails_at_the_first_row_is_refused_by_name() {
        for (keys, part) in [
            ("(\"a\") WHERE (ts>datetime('now'))", "datetime(… 'now' …)"),
            ("(\"a\") WHERE (a = 5 AND ts > DateTime ( 'NOW' , '-1 day'))", "datetime(… 'NOW' …)"),
            ("((datetime(ts, 'localtime')))", "'localtime'"),
            ("((time(ts, '+1 day', 'utc')))", "'utc'"),
            ("((date()))", "date() without a time"),
            ("((strftime('%Y')))", "strftime() without a time"),
            ("((unixepoch()))", "unixepoch() without a time"),
            ("((date(lower('NOW'))))", "a function of dates"),
            ("((json_extract('x', '$.a')))", "no row could be written"),
        ] {
            let error = of(keys).await.expect_err(keys);
            assert!(error.message.contains(part), "{keys}: {error}");
        }
        for keys in [
            "((date(ts)))",
            "((datetime(ts, '+1 day')))",
            "((strftime('%Y', ts)))",
            "(\"ts\") WHERE (ts > 'now')",
            "(\"a\") WHERE (json_extract(ts, '$.a') > 1)",
            "((lower(ts)), \"a\" DESC)",
        ] {
            of(keys).await.unwrap_or_else(|error| panic!("{keys}: {error}"));
        }
    }
}
