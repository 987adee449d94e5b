//! Statements that run now, without their literals: those may be personal data or secrets.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, DatabaseActivity, RunningStatement, Scheme, Sensitive};
use sqlx::Row;

use crate::connect::{Database, close, connect, silent};
use crate::error::{explain, grant};
use crate::mysql::text;
use crate::own;

const DEADLINE: Duration = Duration::from_secs(3);

/// The sessions that do something now, longest-running first, at most 50; Perfdeck's own are left out. SQLite has none.
/// Sessions that hide what they do from this user are counted, with the grant that shows them.
///
/// # Errors
/// When the database cannot be reached or does not answer within 3 s.
pub async fn activity(address: &Address, password: Option<&Sensitive>) -> Result<DatabaseActivity, ApiError> {
    let mut database = connect(address, password, DEADLINE).await?;
    if matches!(database, Database::Postgres(_)) {
        // Signing in, and the two questions. What the others are asked is no transaction there and reads no page.
        own::add(address, 3.0, 1);
    }
    let work = async {
        match &mut database {
            Database::Postgres(c) => Ok((postgres(c).await?, Some(postgres_hidden(c).await?))),
            Database::Mysql(c) => Ok((mysql(c).await?, mysql_hidden(c).await?)),
            Database::Sqlite(_) => Ok((Vec::new(), Some(0))),
        }
    };
    let outcome = tokio::time::timeout(DEADLINE, work).await;
    close(database).await;
    match outcome {
        Ok(outcome) => {
            let (statements, hidden): (_, Option<i64>) = outcome.map_err(|e| explain(address, &e))?;
            let hidden = hidden.map(|n| u32::try_from(n.max(0)).unwrap_or(u32::MAX));
            let grant = (hidden != Some(0)).then(|| grant(address));
            Ok(DatabaseActivity { statements, hidden, grant })
        }
        Err(_) => Err(silent(address, DEADLINE)),
    }
}

async fn postgres(c: &mut sqlx::postgres::PgConnection) -> Result<Vec<RunningStatement>, sqlx::Error> {
    // pg_blocking_pids takes every partition of the lock table, so only for those that wait.
    let rows = sqlx::raw_sql(
        "SELECT pid::int8, usename::text, datname::text, application_name, coalesce(state, ''),
                wait_event_type || ': ' || wait_event,
                coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::float8,
                extract(epoch FROM clock_timestamp() - xact_start)::float8,
                CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid)::int8[] ELSE '{}' END,
                left(query, 2000)
         FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()
           AND application_name IS DISTINCT FROM 'perfdeck'
         ORDER BY query_start NULLS LAST LIMIT 50",
    )
    .fetch_all(c)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RunningStatement {
                id: row.try_get(0)?,
                user: row.try_get(1)?,
                database: row.try_get(2)?,
                application: row.try_get::<Option<String>, _>(3)?.filter(|a| !a.is_empty()),
                state: row.try_get(4)?,
                wait: row.try_get(5)?,
                running_s: row.try_get::<f64, _>(6)?.max(0.0),
                transaction_s: row.try_get(7)?,
                blocked_by: row.try_get(8)?,
                statement: without_literals(
                    &row.try_get::<Option<String>, _>(9)?.unwrap_or_default(),
                    Scheme::Postgres,
                ),
            })
        })
        .collect()
}

/// Client sessions of which this user sees neither state nor statement.
async fn postgres_hidden(c: &mut sqlx::postgres::PgConnection) -> Result<i64, sqlx::Error> {
    // A hidden session has no kind; those of the server itself are in no database or have no user.
    let row = sqlx::raw_sql(
        "SELECT count(*) FROM pg_stat_activity
         WHERE query = '<insufficient privilege>' AND datid IS NOT NULL AND usesysid IS NOT NULL
           AND pid <> pg_backend_pid() AND application_name IS DISTINCT FROM 'perfdeck'",
    )
    .fetch_one(c)
    .await?;
    row.try_get(0)
}

/// Connections that are not in the process list of this user: without PROCESS it has only the user's own. `None` when the
/// server does not tell how many there are.
async fn mysql_hidden(c: &mut sqlx::mysql::MySqlConnection) -> Result<Option<i64>, sqlx::Error> {
    let granted = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.user_privileges
                   WHERE privilege_type = 'PROCESS'";
    if sqlx::query_scalar::<_, i64>(granted).fetch_one(&mut *c).await? > 0 {
        return Ok(Some(0));
    }
    let row = sqlx::query("SHOW GLOBAL STATUS LIKE 'Threads_connected'").fetch_optional(&mut *c).await?;
    let Some(connected) = row.and_then(|row| text(&row, 1)).and_then(|n| n.parse::<i64>().ok()) else {
        return Ok(None);
    };
    let seen: i64 = sqlx::query_scalar(
        "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.processlist
         WHERE command NOT IN ('Daemon', 'Slave_IO', 'Slave_SQL', 'Slave_worker')
           AND user NOT IN ('system user', 'event_scheduler')",
    )
    .fetch_one(c)
    .await?;
    Ok(Some((connected - seen).max(0)))
}

async fn mysql(c: &mut sqlx::mysql::MySqlConnection) -> Result<Vec<RunningStatement>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT CAST(id AS SIGNED), user, db, command, state, CAST(time AS DOUBLE), LEFT(info, 2000)
         FROM information_schema.processlist
         WHERE id <> CONNECTION_ID() AND command NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID')
           AND user NOT IN ('system user', 'event_scheduler')
         ORDER BY time DESC LIMIT 50",
    )
    .fetch_all(c)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RunningStatement {
                id: row.try_get(0)?,
                user: text(row, 1),
                database: text(row, 2),
                application: None,
                state: text(row, 3).unwrap_or_default().to_lowercase(),
                wait: text(row, 4).filter(|s| s.starts_with("Waiting")),
                running_s: row.try_get::<Option<f64>, _>(5)?.unwrap_or(0.0).max(0.0),
                transaction_s: None,
                blocked_by: Vec::new(),
                statement: without_literals(&text(row, 6).unwrap_or_default(), Scheme::Mysql),
            })
        })
        .collect()
}

/// A statement with strings and numbers replaced by `?`, comments dropped and white space folded.
///
/// Works on text that was cut in the middle: an open string ends with the text. Double quotes are names in PostgreSQL and
/// SQLite and strings in MySQL and MariaDB. Where it is unclear, text is hidden rather than shown: a backslash before a
/// quote ends a string on one server and not on the other, so everything after it is replaced by `? …`.
pub fn without_literals(sql: &str, scheme: Scheme) -> String {
    let mysql = matches!(scheme, Scheme::Mysql | Scheme::Mariadb);
    let mut out = String::with_capacity(sql.len().min(2048));
    let chars: Vec<char> = sql.chars().collect();
    let mut i = 0;
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    while i < chars.len() && out.len() < 2000 {
        let c = chars[i];
        let next = chars.get(i + 1).copied();
        match c {
            '\'' => {
                // A prefix such as E, N, B, X or U& belongs to the literal.
                while out
                    .chars()
                    .last()
                    .is_some_and(|p| matches!(p, 'E' | 'e' | 'N' | 'n' | 'B' | 'b' | 'X' | 'x' | '&'))
                    && out.chars().rev().take_while(|p| word(*p) || *p == '&').count() <= 2
                {
                    out.pop();
                }
                let Some(end) = after_quoted(&chars, i, '\'') else {
                    out.push_str("? …");
                    break;
                };
                i = end;
                out.push('?');
            }
            '"' => {
                let Some(end) = after_quoted(&chars, i, '"') else {
                    out.push_str("? …");
                    break;
                };
                if mysql {
                    out.push('?');
                } else {
                    out.extend(&chars[i..end]);
                }
                i = end;
            }
            '`' => {
                let end = after_quoted(&chars, i, '`').unwrap_or(chars.len());
                out.extend(&chars[i..end]);
                i = end;
            }
            '-' if next == Some('-') => {
                while i < chars.len() && chars[i] != '\n' {
                    i += 1;
                }
            }
            '#' if mysql => {
                while i < chars.len() && chars[i] != '\n' {
                    i += 1;
                }
            }
            '/' if next == Some('*') => {
                let mut depth = 0;
                while i < chars.len() {
                    if chars[i] == '/' && chars.get(i + 1) == Some(&'*') {
                        depth += 1;
                        i += 2;
                    } else if chars[i] == '*' && chars.get(i + 1) == Some(&'/') {
                        depth -= 1;
                        i += 2;
                        if depth == 0 {
                            break;
                        }
                    } else {
                        i += 1;
                    }
                }
            }
            '$' if !mysql && !out.ends_with(word) => {
                // $1 is a parameter, $tag$…$tag$ a string.
                let mut end = i + 1;
                while chars.get(end).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
                    end += 1;
                }
                if chars.get(end) == Some(&'$') && !next.is_some_and(|c| c.is_ascii_digit()) {
                    let tag = &chars[i..=end];
                    let rest = &chars[end + 1..];
                    let close = rest.windows(tag.len()).position(|w| w == tag);
                    i = close.map_or(chars.len(), |at| end + 1 + at + tag.len());
                    out.push('?');
                } else {
                    out.extend(&chars[i..end]);
                    i = end;
                }
            }
            c if c.is_ascii_digit()
                || (c == '.' && next.is_some_and(|n| n.is_ascii_digit()) && !out.ends_with(word)) =>
            {
                if out.ends_with(word) {
                    out.push(c);
                    i += 1;
                } else {
                    i += 1;
                    while let Some(c) = chars.get(i) {
                        let exponent = matches!(c, '+' | '-') && matches!(chars[i - 1], 'e' | 'E');
                        if !(word(*c) || *c == '.' || exponent) {
                            break;
                        }
                        i += 1;
                    }
                    out.push('?');
                }
            }
            c if c.is_whitespace() => {
                if !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
                i += 1;
            }
            c => {
                out.push(c);
                i += 1;
            }
        }
    }
    out.trim_end().to_owned()
}

/// Index after the quoted text that begins at `start`; a doubled quote stays inside. `None` when a backslash before a
/// quote makes it unclear where the text ends.
fn after_quoted(chars: &[char], start: usize, quote: char) -> Option<usize> {
    let mut i = start + 1;
    while i < chars.len() {
        if chars[i] == '\\' && quote != '`' && matches!(chars.get(i + 1), Some('\'' | '"' | '\\')) {
            return None;
        }
        if chars[i] == quote {
            if chars.get(i + 1) == Some(&quote) {
                i += 1;
            } else {
                return Some(i + 1);
            }
        }
        i += 1;
    }
    Some(chars.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_replaced_and_names_are_kept() {
        let (pg, my) = (Scheme::Postgres, Scheme::Mariadb);
        for (scheme, sql, want, why) in [
            (pg, "SELECT * FROM t1 WHERE id = 42", "SELECT * FROM t1 WHERE id = ?", "digits of a name stay"),
            (pg, "SELECT 'it''s', E'a\nb', N'x'", "SELECT ?, ?, ?", "escapes and prefixes belong to the string"),
            (pg, "SELECT $1, $tag$secret$tag$ FROM \"A b\"", "SELECT $1, ? FROM \"A b\"", "parameters and names"),
            (pg, "SELECT /* user 7 */ 1.5e-3 -- secret\n + .5", "SELECT ? + ?", "comments go, numbers are replaced"),
            (my, "UPDATE u SET mail = \"secret\" # secret", "UPDATE u SET mail = ?", "MySQL's double-quoted strings"),
            (my, "SELECT `a b` FROM `t`", "SELECT `a b` FROM `t`", "back-quoted names"),
            (my, "INSERT INTO u VALUES ('cut in the mid", "INSERT INTO u VALUES (?", "a cut string ends with the text"),
            (my, "SELECT 0xDEADBEEF, x'ff'", "SELECT ?, ?", "hexadecimal"),
            (pg, "SELECT data #> '{a}' FROM t", "SELECT data #> ? FROM t", "PostgreSQL's path operator is no comment"),
        ] {
            assert_eq!(without_literals(sql, scheme), want, "{why}");
        }
    }

    #[test]
    fn a_backslash_before_the_closing_quote_never_lets_a_secret_through() {
        for sql in [r"SELECT 'C:\' , 'secret'", r"SELECT 'a\'secret', 1", r"SELECT 'a\\', 'secret'"] {
            let shown = without_literals(sql, Scheme::Postgres);
            assert_eq!(shown, "SELECT ? …", "servers disagree on where this string ends, so nothing after it is shown");
        }
    }
}
