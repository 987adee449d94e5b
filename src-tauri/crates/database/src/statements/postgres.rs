//! `pg_stat_statements`.
use std::collections::{HashMap, HashSet};
use std::time::Instant;

use perfdeck_model::{Address, StatementsUnavailable};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::Row;

use super::counts::{Entry, Hidden, Origin, Reading, StatementCounts, StatementKey};
use super::reader::{StatementText, text_of};
use super::{LONGEST, MOST, Unseen};
use crate::foreign_text;
use crate::own::MARK_TEXT;
use crate::session::Session;

/// Longest time between two looks for own statements among new ones, in milliseconds.
const TELL_APART_MS: f64 = 60_000.0;
/// A look reads the server's file of all texts: the next one rests for so many times as long as it took, a thousandth of a core.
const REST: f64 = 1_000.0;

/// Times that the counters are read, where they are reset while they are.
const TRIES: u32 = 3;

/// What the server's extension is, read once a session.
#[derive(Debug)]
pub(super) struct Extension {
    /// Its schema, quoted.
    schema: String,
    /// Its version, which an upgrade of the server leaves as it is.
    pub(super) version: String,
    columns: HashSet<String>,
    /// Whether it tells of resets and of entries that it dropped.
    info: bool,
    /// This user's number.
    user: i64,
}

/// Own statements among those that this user ran.
#[derive(Debug, Default)]
pub(super) struct Own {
    own: HashSet<StatementKey>,
    others: HashSet<StatementKey>,
    looked_ms: Option<f64>,
    /// Time until the next look, in milliseconds.
    rest_ms: f64,
    /// Whether the server hands out no texts; see [`is_unreadable`].
    pub(super) unread: bool,
}

/// What is said where the server hands out no texts.
pub(super) const UNREAD: &str = "A statement of another database of this server holds bytes that are no text in this one's encoding. PostgreSQL \
    then hands out the text of no statement, and those of Perfdeck cannot be told apart from others of their role";

/// Why the extension cannot be read here, or what it is.
pub(super) async fn probe(c: &mut Session) -> Result<Result<Extension, StatementsUnavailable>, sqlx::Error> {
    // The setting is there exactly when the module is loaded; which others are loaded is told to some only.
    let row = sqlx::raw_sql(
        "SELECT current_setting('pg_stat_statements.max', true) IS NOT NULL,
                (SELECT reset_val FROM pg_settings WHERE name = 'pg_stat_statements.track'),
                (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                 WHERE e.extname = 'pg_stat_statements'),
                (SELECT extversion FROM pg_extension WHERE extname = 'pg_stat_statements'),
                (SELECT string_agg(a.attname, ',') FROM pg_extension e
                 JOIN pg_class v ON v.relnamespace = e.extnamespace AND v.relname = 'pg_stat_statements'
                 JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0 AND NOT a.attisdropped
                 WHERE e.extname = 'pg_stat_statements'),
                (SELECT count(*) FROM pg_extension e
                 JOIN pg_class v ON v.relnamespace = e.extnamespace AND v.relname = 'pg_stat_statements_info'
                 WHERE e.extname = 'pg_stat_statements'),
                (SELECT oid::int8 FROM pg_roles WHERE rolname = current_user),
                current_database()::text, pg_is_in_recovery(),
                current_setting('compute_query_id', true) = 'off'
                AND (SELECT to_jsonb(a) ->> 'query_id' IS NULL FROM pg_stat_activity a WHERE pid = pg_backend_pid())",
    )
    .fetch_one(c)
    .await?;
    let loaded: bool = row.try_get(0)?;
    let (track, schema): (Option<String>, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
    let (database, standby): (String, bool) = (row.try_get(7)?, row.try_get(8)?);
    if !loaded {
        return Ok(Err(not_loaded(schema.is_some())));
    }
    let Some(schema) = schema else {
        let hint =
            if standby { "Run it in this database on the primary" } else { "Run it in this database, as its owner" };
        return Ok(Err(StatementsUnavailable {
            reason: format!("pg_stat_statements is loaded and not created in the database '{database}'"),
            hint: Some(hint.to_owned()),
            fix: Some("CREATE EXTENSION pg_stat_statements;".to_owned()),
        }));
    };
    if track.as_deref() == Some("none") {
        return Ok(Err(StatementsUnavailable {
            reason: "pg_stat_statements records nothing: its setting track is none".to_owned(),
            hint: Some("It takes effect at once".to_owned()),
            fix: Some("ALTER SYSTEM SET pg_stat_statements.track = 'top'; SELECT pg_reload_conf();".to_owned()),
        }));
    }
    if row.try_get::<Option<bool>, _>(9)? == Some(true) {
        return Ok(Err(StatementsUnavailable {
            reason: "pg_stat_statements records nothing: compute_query_id is off".to_owned(),
            hint: Some("It takes effect at once".to_owned()),
            fix: Some("ALTER SYSTEM SET compute_query_id = 'auto'; SELECT pg_reload_conf();".to_owned()),
        }));
    }
    let columns: Option<String> = row.try_get(4)?;
    Ok(Ok(Extension {
        schema,
        version: row.try_get::<Option<String>, _>(3)?.unwrap_or_default(),
        columns: columns.unwrap_or_default().split(',').map(str::to_owned).collect(),
        info: row.try_get::<i64, _>(5)? > 0,
        user: row.try_get::<Option<i64>, _>(6)?.unwrap_or(-1),
    }))
}

fn not_loaded(created: bool) -> StatementsUnavailable {
    let then = if created { "" } else { "; then run CREATE EXTENSION pg_stat_statements; in this database" };
    StatementsUnavailable {
        reason: "pg_stat_statements is not loaded by this server".to_owned(),
        hint: Some(format!(
            "Add it to shared_preload_libraries in postgresql.conf, after those that are there, and restart the server{then}"
        )),
        fix: Some("shared_preload_libraries = 'pg_stat_statements'".to_owned()),
    }
}

/// What to do when this user may not call the extension's functions.
pub(super) fn refused(extension: &Extension, address: &Address) -> StatementsUnavailable {
    let user = quote_identifier(address.username.as_deref().unwrap_or("perfdeck"), Dialect::Postgres);
    StatementsUnavailable {
        reason: "This user may not read pg_stat_statements".to_owned(),
        hint: Some("Run it as the owner of the extension's schema".to_owned()),
        fix: Some(format!("GRANT USAGE ON SCHEMA {} TO {user};", extension.schema)),
    }
}

impl Extension {
    /// The first of these columns that this version has.
    fn column(&self, names: &[&str]) -> Option<String> {
        names.iter().find(|name| self.columns.contains(**name)).map(|name| (*name).to_owned())
    }

    /// The question for all entries of this database, without their texts: those are in a file that would be read whole.
    fn question(&self) -> String {
        let number = |names: &[&str]| self.column(names).unwrap_or_else(|| "NULL".to_owned());
        let since = self
            .column(&["stats_since"])
            .map_or_else(|| "NULL".to_owned(), |name| format!("(extract(epoch FROM {name}) * 1000)"));
        let temp = match self.column(&["temp_blks_read"]) {
            Some(_) => "temp_blks_read + temp_blks_written",
            None => "NULL",
        };
        format!(
            "SELECT userid::int8, queryid::int8, {toplevel}::bool, calls::int8, {total}::float8, rows::int8,
                    {hit}::int8, {read}::int8, {wal}::int8, ({temp})::int8, {since}::float8, count(*) OVER ()
             FROM {schema}.pg_stat_statements(false)
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
             ORDER BY {total} DESC LIMIT {MOST}",
            toplevel = self.column(&["toplevel"]).unwrap_or_else(|| "true".to_owned()),
            // PostgreSQL 13 told planning and execution apart.
            total = number(&["total_exec_time", "total_time"]),
            hit = number(&["shared_blks_hit"]),
            read = number(&["shared_blks_read"]),
            wal = number(&["wal_bytes"]),
            schema = self.schema,
        )
    }

    /// Reads the counters; `thorough` tells own statements apart also when that was done a moment ago.
    pub(super) async fn read(
        &self,
        c: &mut Session,
        own: &mut Own,
        now_ms: f64,
        thorough: bool,
    ) -> Result<(Reading, u32), sqlx::Error> {
        let (mut reading, mut asked) = self.counted(c, now_ms).await?;
        asked += self.tell_apart(c, own, &mut reading, thorough).await?;
        Ok((reading, asked))
    }

    /// What the counters go back to, and how often entries were dropped.
    async fn origin(&self, c: &mut Session) -> Result<(Origin, Option<u64>), sqlx::Error> {
        let info = if self.info {
            format!(
                "(SELECT dealloc::int8 FROM {0}.pg_stat_statements_info),
                 (SELECT (extract(epoch FROM stats_reset) * 1000)::float8 FROM {0}.pg_stat_statements_info)",
                self.schema
            )
        } else {
            "NULL::int8, NULL::float8".to_owned()
        };
        let text = format!("SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000)::float8, {info}");
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).fetch_one(&mut *c).await?;
        let lost: Option<i64> = row.try_get(1)?;
        let origin = Origin { started_ms: row.try_get(0)?, reset_ms: row.try_get(2)? };
        Ok((origin, lost.map(i64::unsigned_abs)))
    }

    /// The entries, with the origin that they have: a reset while they are read has them read again.
    async fn counted(&self, c: &mut Session, now_ms: f64) -> Result<(Reading, u32), sqlx::Error> {
        for times in 1..=TRIES {
            let (origin, lost) = self.origin(c).await?;
            let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(self.question())).fetch_all(&mut *c).await?;
            if self.origin(c).await?.0.reset_ms == origin.reset_ms {
                let reading = Self::reading(&rows, Reading { at_ms: now_ms, origin, lost, ..Reading::default() })?;
                return Ok((reading, 3 * times));
            }
        }
        Err(sqlx::Error::Protocol("the counters are reset again and again".to_owned()))
    }

    /// Adds the entries to a reading.
    fn reading(rows: &[sqlx::postgres::PgRow], mut reading: Reading) -> Result<Reading, sqlx::Error> {
        if let Some(row) = rows.first() {
            let all: i64 = row.try_get(11)?;
            reading.left_out =
                u32::try_from(all).unwrap_or(u32::MAX).saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        }
        for row in rows {
            let n = |i: usize| row.try_get::<i64, _>(i).map(i64::unsigned_abs);
            let may = |i: usize| row.try_get::<Option<i64>, _>(i).map(|n| n.map(i64::unsigned_abs));
            let counts = StatementCounts {
                calls: n(3)?,
                total_ms: row.try_get(4)?,
                rows: n(5)?,
                hit: may(6)?,
                read: may(7)?,
                wal_bytes: may(8)?,
                temp: may(9)?,
            };
            let Some(id) = row.try_get::<Option<i64>, _>(1)? else {
                // Of others' statements a role without pg_read_all_stats is told everything but which they are.
                let Hidden { statements, counts: sum } = &mut reading.hidden;
                *statements = statements.saturating_add(1);
                // What ran within another is within that one's time.
                if row.try_get::<bool, _>(2)? {
                    sum.add(&counts);
                }
                continue;
            };
            let key = StatementKey { id: id.to_string(), nested: !row.try_get::<bool, _>(2)?, user: row.try_get(0)? };
            reading.entries.insert(key, Entry { counts, since_ms: row.try_get(10)? });
        }
        Ok(reading)
    }

    /// Leaves statements of Perfdeck out, whoever's it is (another one may look as another user), and those of which that is not
    /// known yet: they come with all that they have counted once it is.
    async fn tell_apart(
        &self,
        c: &mut Session,
        own: &mut Own,
        reading: &mut Reading,
        thorough: bool,
    ) -> Result<u32, sqlx::Error> {
        let new = |key: &StatementKey| !own.own.contains(key) && !own.others.contains(key);
        let marked = unseen(c) == Unseen::Marked;
        let due = thorough || own.looked_ms.is_none_or(|at| reading.at_ms - at >= own.rest_ms || reading.at_ms < at);
        let look = due && reading.entries.keys().any(new);
        if look {
            let text = format!(
                "SELECT queryid::int8, {toplevel}::bool, userid::int8 FROM {schema}.pg_stat_statements(true)
                 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND strpos(query, '{MARK_TEXT}') > 0 AND queryid IS NOT NULL",
                toplevel = self.column(&["toplevel"]).unwrap_or_else(|| "true".to_owned()),
                schema = self.schema,
            );
            let began = Instant::now();
            let rows = match sqlx::raw_sql(sqlx::AssertSqlSafe(text)).fetch_all(c).await {
                // Without texts nothing can be told apart but this user's own, which are none where it is not recorded.
                Err(error) if is_unreadable(&error) => {
                    own.unread = true;
                    if marked {
                        reading.entries.retain(|key, _| key.user != self.user);
                    }
                    return Ok(1);
                }
                rows => rows?,
            };
            let rest_ms = (began.elapsed().as_secs_f64() * 1e3 * REST).min(TELL_APART_MS);
            *own = Own { looked_ms: Some(reading.at_ms), rest_ms, ..Own::default() };
            for row in &rows {
                let (id, top): (i64, bool) = (row.try_get(0)?, row.try_get(1)?);
                own.own.insert(StatementKey { id: id.to_string(), nested: !top, user: row.try_get(2)? });
            }
            own.others = reading.entries.keys().filter(|key| !own.own.contains(*key)).cloned().collect();
        }
        reading.entries.retain(|key, _| own.others.contains(key));
        Ok(u32::from(look))
    }

    /// Texts of statements by their identifier; those that are gone are not in it.
    pub(super) async fn texts(
        &self,
        c: &mut Session,
        ids: &[String],
    ) -> Result<HashMap<String, StatementText>, sqlx::Error> {
        // Numbers only: they go into the question as they are.
        let ids: Vec<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let list = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let text = format!(
            "SELECT queryid::int8, min({}), max(octet_length(query))::int8
             FROM {}.pg_stat_statements(true)
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IN ({list})
             GROUP BY 1",
            foreign_text::ask("query", LONGEST),
            self.schema
        );
        let rows = match sqlx::raw_sql(sqlx::AssertSqlSafe(text)).fetch_all(c).await {
            Err(error) if is_unreadable(&error) => return Ok(HashMap::new()),
            rows => rows?,
        };
        let mut texts = HashMap::new();
        for row in &rows {
            let (id, text, bytes): (i64, Option<String>, Option<i64>) =
                (row.try_get(0)?, foreign_text::read(row, 1)?, row.try_get(2)?);
            let Some(text) = text else { continue };
            let bytes = bytes.map_or(text.len(), |n| usize::try_from(n).unwrap_or(text.len()));
            texts.insert(id.to_string(), text_of(&text, bytes, Dialect::Postgres));
        }
        Ok(texts)
    }
}

/// Whether the extension's file of texts cannot be read here: it holds those of all databases, and one in another encoding
/// than this database's makes the whole of it an error (`pg_any_to_server`).
fn is_unreadable(error: &sqlx::Error) -> bool {
    // Invalid bytes, and letters without equivalent.
    matches!(error, sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("22021" | "22P05")))
}

/// How own statements are kept out, on this session.
pub(super) fn unseen(c: &Session) -> Unseen {
    if c.is_unrecorded() { Unseen::NotRecorded } else { Unseen::Marked }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(columns: &[&str]) -> Extension {
        Extension {
            schema: "stats".to_owned(),
            version: String::new(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            info: false,
            user: 1,
        }
    }

    #[test]
    fn the_question_has_the_columns_of_the_version_that_is_there() {
        let old = ["calls", "total_time", "rows", "shared_blks_hit", "shared_blks_read", "temp_blks_read"];
        let question = extension(&old).question();
        assert!(question.contains("total_time::float8") && question.contains("NULL::int8"), "1.6 of 12: {question}");
        assert!(question.contains("true::bool"), "all of its statements are of the top level: {question}");
        let new = ["calls", "total_exec_time", "total_plan_time", "toplevel", "wal_bytes", "stats_since"];
        let question = extension(&new).question();
        assert!(question.contains("total_exec_time::float8") && question.contains("wal_bytes::int8"), "{question}");
        assert!(question.contains("toplevel::bool") && question.contains("epoch FROM stats_since"), "{question}");
        assert!(question.contains("stats.pg_stat_statements(false)"), "in its own schema, without texts: {question}");
    }
}
