//! Both arms on PostgreSQL.
//!
//! A superuser takes the index for invalid within a transaction that is rolled back: nobody else sees that, and no table is locked.
//! `HypoPG` hides it from `EXPLAIN` alone, so there the plan that `EXPLAIN EXECUTE` made without it is the one that is kept and run;
//! any role may do that. In development its owner may drop it within a transaction that is rolled back.
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use perfdeck_model::{Address, ApiError, ErrorCode, ProofMethod, Sensitive};
use perfdeck_sqltext::{Dialect, quote_identifier, quote_text};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Either, Row as _, TypeInfo as _, ValueRef as _};

use super::postgres_plan::read;
use super::rows::{RowSum, Rows};
use super::{ArmLook, Pair, ProofPlace, ProvenIndex, Stopper, Trouble, gone};
use crate::connect::{Database, close, connect, ends_session};
use crate::error::explain;
use crate::index_change::{Mode, open_direct};
use crate::own;
use crate::plans::harmless_on_postgres;
use crate::what_if::refusal;

/// Longest time to connect, and to ask the server to cancel.
const DEADLINE: Duration = Duration::from_secs(3);
/// Longest time of gathering a table's statistics, in milliseconds.
const ANALYZE_MS: u32 = 10_000;

/// The index, what this user may do with it, and what the server has to hide it.
const INDEX: &str = "
    SELECT c.oid::int8, i.indisvalid AND i.indisready, current_setting('is_superuser') = 'on', pg_has_role(c.relowner, 'USAGE'),
           (SELECT format('%I.', pn.nspname) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'
            JOIN pg_namespace pn ON pn.oid = p.pronamespace
            WHERE p.proname = 'hypopg_hide_index' AND has_schema_privilege(pn.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')
            LIMIT 1),
           CASE WHEN i.indexprs IS NULL THEN (SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
            WHERE attrelid = i.indrelid AND attnum > 0 AND NOT attisdropped) END,
           pg_backend_pid()
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
    WHERE n.nspname = $SCHEMA AND c.relname = $NAME AND c.relkind = 'i'";

/// How the index is hidden.
enum Way {
    /// In the catalogue, as this transaction sees it.
    Catalogue(i64),
    /// From `EXPLAIN` alone; what shows it again.
    Hypopg(String),
    /// By dropping it.
    Dropped(String),
}

pub(super) struct Arms {
    c: PgConnection,
    address: Address,
    password: Option<Sensitive>,
    pid: i32,
    name: String,
    table: String,
    /// Columns of the table; none where an index's own expressions have statistics, or these may not be gathered.
    columns: Option<String>,
    way: Way,
}

impl Arms {
    pub(super) async fn open(
        address: &Address,
        password: Option<&Sensitive>,
        index: &ProvenIndex,
        place: &ProofPlace,
    ) -> Result<Self, ApiError> {
        let failed = |e: sqlx::Error| explain(address, &e);
        let mut c = open_direct(address, password, Mode::Write).await?;
        let text = |text: &str| quote_text(text, Dialect::Postgres);
        let sql = INDEX.replace("$SCHEMA", &text(&index.schema)).replace("$NAME", &text(&index.name));
        own::add(address, 2.0, 0);
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(&mut c).await.map_err(failed)?;
        let row = row.ok_or_else(|| gone(index))?;
        let yes = |at: usize| row.try_get::<bool, _>(at).map_err(failed);
        if !yes(1)? {
            return Err(gone(index));
        }
        let (oid, superuser, owner) = (row.try_get::<i64, _>(0).map_err(failed)?, yes(2)?, yes(3)?);
        let hypopg: Option<String> = row.try_get(4).map_err(failed)?;
        let quoted = |name: &str| quote_identifier(name, Dialect::Postgres);
        let full = format!("{}.{}", quoted(&index.schema), quoted(&index.name));
        let way = match hypopg {
            _ if superuser => Way::Catalogue(oid),
            Some(schema) => {
                let hide = format!("SELECT {schema}hypopg_hide_index({oid}::oid)");
                sqlx::raw_sql(AssertSqlSafe(hide)).execute(&mut c).await.map_err(failed)?;
                Way::Hypopg(format!("SELECT {schema}hypopg_unhide_index({oid}::oid)"))
            }
            None if owner && place.development => Way::Dropped(full),
            None => return Err(no_way(address, owner)),
        };
        let mut set = format!("SET client_min_messages = error; SET statement_timeout = {}", place.longest.as_millis());
        if superuser {
            // Our runs are nobody's calls.
            set.push_str("; SET pg_stat_statements.track = 'none'");
        }
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut c).await.map_err(failed)?;
        let columns: Option<String> = row.try_get(5).map_err(failed)?;
        Ok(Self {
            c,
            address: address.clone(),
            password: password.cloned(),
            pid: row.try_get(6).map_err(failed)?,
            name: index.name.clone(),
            table: index.table.clone(),
            columns: columns.filter(|_| owner && place.analyze),
            way,
        })
    }

    pub(super) fn method(&self) -> ProofMethod {
        match self.way {
            Way::Catalogue(_) => ProofMethod::Hidden,
            Way::Hypopg(_) => ProofMethod::HypopgHide,
            Way::Dropped(_) => ProofMethod::DroppedInside,
        }
    }

    pub(super) fn stopper(&self) -> Stopper {
        Stopper::Session(Box::new((self.address.clone(), self.password.clone(), i64::from(self.pid))))
    }

    /// Refuses what calls something that has an effect beyond its transaction.
    pub(super) async fn check(&mut self, text: &str) -> Result<(), Trouble> {
        let opened = connect(&self.address, self.password.as_ref(), DEADLINE).await.map_err(Trouble::Session)?;
        let Database::Postgres(mut c) = opened else { return Ok(()) };
        let found = harmless_on_postgres(&mut c, &self.address, text).await;
        close(Database::Postgres(c)).await;
        found.map_err(|e| match e.code {
            ErrorCode::BadRequest => Trouble::Refused(e.message),
            _ => Trouble::Session(e),
        })
    }

    /// Refuses what the server does not take for a statement, without running it.
    pub(super) async fn parse(&mut self, text: &str) -> Result<(), Trouble> {
        let asked = format!("BEGIN READ ONLY; PREPARE perfdeck_parsed AS {text}\n; DEALLOCATE perfdeck_parsed");
        let parsed = self.tell(&asked).await;
        if !matches!(parsed, Err(Trouble::Session(_))) {
            self.tell("ROLLBACK").await?;
        }
        parsed
    }

    pub(super) async fn prepare(&mut self, place: usize, pair: &Pair) -> Result<(), Trouble> {
        if !matches!(self.way, Way::Hypopg(_)) {
            return Ok(());
        }
        if pair.writes {
            let why = "it writes, and an index that is hidden from plans is written all the same";
            return Err(Trouble::Refused(why.to_owned()));
        }
        let both = format!(
            "PREPARE perfdeck_with_{place} AS {}\n; PREPARE perfdeck_without_{place} AS {}\n",
            pair.with, pair.without
        );
        self.tell(&both).await?;
        // Whoever is explained first has the plan without it; this one is run first.
        self.run(place, pair, true).await.map(drop)
    }

    /// The statement as it is sent.
    fn sent(&self, place: usize, pair: &Pair, with: bool) -> String {
        match self.way {
            Way::Hypopg(_) => format!("EXECUTE perfdeck_with{}_{place}", if with { "" } else { "out" }),
            _ => pair.text(with).to_owned(),
        }
    }

    async fn tell(&mut self, text: &str) -> Result<(), Trouble> {
        own::add(&self.address, 1.0, 0);
        let done = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut self.c).await;
        done.map(drop).map_err(|e| self.trouble(&e))
    }

    pub(super) async fn enter(&mut self, place: usize, pair: &Pair, with: bool) -> Result<(), Trouble> {
        let mut text = "BEGIN".to_owned();
        match &self.way {
            Way::Catalogue(oid) if !with => {
                // A write is to leave it alone too, and may then be one that touches no index (HOT).
                let more = if pair.writes { ", indisready = false, indislive = false" } else { "" };
                text =
                    format!("{text}; UPDATE pg_catalog.pg_index SET indisvalid = false{more} WHERE indexrelid = {oid}");
            }
            Way::Dropped(index) if !with => text = format!("{text}; SET LOCAL lock_timeout = 500; DROP INDEX {index}"),
            _ => {}
        }
        text.push_str(if pair.writes { "; SAVEPOINT perfdeck" } else { "; SET LOCAL transaction_read_only = on" });
        let entered = self.tell(&text).await;
        if entered.is_ok() && !with && matches!(self.way, Way::Hypopg(_)) {
            // Whatever happened to the table since, the plan that is kept is one without it.
            let explained = self.explained(&format!("EXPLAIN (FORMAT JSON) {}", self.sent(place, pair, false))).await;
            match explained {
                Ok((false, _)) => {}
                Ok((true, _)) => {
                    self.leave(pair, with).await?;
                    return Err(Trouble::Refused("HypoPG does not hide the index from its plan".to_owned()));
                }
                Err(trouble) => {
                    self.leave(pair, with).await?;
                    return Err(trouble);
                }
            }
        }
        if let Err(trouble) = entered {
            if !matches!(trouble, Trouble::Session(_)) {
                self.leave(pair, with).await?;
            }
            return Err(trouble);
        }
        Ok(())
    }

    pub(super) async fn leave(&mut self, _: &Pair, _: bool) -> Result<(), Trouble> {
        self.tell("ROLLBACK").await
    }

    /// The time of one run with all of its rows.
    pub(super) async fn run(&mut self, place: usize, pair: &Pair, with: bool) -> Result<Duration, Trouble> {
        let text = self.sent(place, pair, with);
        let started = Instant::now();
        self.fetched(text, |_| {}).await?;
        let took = started.elapsed();
        if pair.writes {
            self.tell("ROLLBACK TO SAVEPOINT perfdeck").await?;
        }
        Ok(took)
    }

    /// Fetches all rows of a statement; answers how many it returned or wrote.
    async fn fetched(&mut self, text: String, mut row: impl FnMut(&PgRow)) -> Result<u64, Trouble> {
        let outcome = async {
            let mut all = sqlx::Executor::fetch_many(&mut self.c, sqlx::raw_sql(AssertSqlSafe(text)));
            let mut count = 0;
            while let Some(part) = all.try_next().await? {
                match part {
                    Either::Left(done) => count = done.rows_affected(),
                    Either::Right(found) => row(&found),
                }
            }
            Ok(count)
        };
        let outcome: Result<u64, sqlx::Error> = outcome.await;
        outcome.map_err(|e| self.trouble(&e))
    }

    pub(super) async fn look(&mut self, place: usize, pair: &Pair, with: bool) -> Result<ArmLook, Trouble> {
        let text = self.sent(place, pair, with);
        let mut rows = Rows::default();
        let written = self.fetched(text.clone(), |row| rows.add(sum(row))).await?;
        if pair.writes {
            self.tell("ROLLBACK TO SAVEPOINT perfdeck").await?;
        }
        let asked = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {text}");
        let (used, pages) = self.explained(&asked).await?;
        let count = if pair.writes { written } else { rows.count };
        Ok(ArmLook { used, pages, rows: count as f64, sum: rows.sum })
    }

    async fn explained(&mut self, text: &str) -> Result<(bool, Option<f64>), Trouble> {
        own::add(&self.address, 1.0, 0);
        let row = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).fetch_one(&mut self.c).await;
        let row = row.map_err(|e| self.trouble(&e))?;
        let value = row.try_get_raw(0).map_err(|e| self.trouble(&e))?;
        let found = value.as_str().ok().and_then(|answer| read(answer, &self.name));
        found.ok_or_else(|| Trouble::Refused("its plan cannot be read".to_owned()))
    }

    /// Statistics are those of a transaction that is rolled back. Columns are named one by one, so that the server goes on counting
    /// from its own last look when it is to look again.
    pub(super) async fn used_after_analyze(&mut self, pairs: &[Pair]) -> Option<Vec<Option<bool>>> {
        let columns = self.columns.clone()?;
        if let Way::Hypopg(show) = &self.way {
            let show = show.clone();
            self.tell(&show).await.ok()?;
        }
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {ANALYZE_MS}; SET LOCAL lock_timeout = 500; ANALYZE {} ({columns})",
            self.table
        );
        let mut found = None;
        if self.tell(&begin).await.is_ok() {
            let mut all = Vec::new();
            for pair in pairs {
                let plan = self.explained(&format!("EXPLAIN (FORMAT JSON) {}", pair.with)).await;
                let failed = plan.is_err();
                all.push(plan.ok().map(|(used, _)| used));
                if failed {
                    all.resize(pairs.len(), None);
                    break;
                }
            }
            found = Some(all);
        }
        let _ = self.tell("ROLLBACK").await;
        found
    }

    fn trouble(&self, error: &sqlx::Error) -> Trouble {
        if ends_session(error) {
            return Trouble::Session(explain(&self.address, error));
        }
        let sqlx::Error::Database(e) = error else { return Trouble::Session(explain(&self.address, error)) };
        match e.code().as_deref().unwrap_or_default() {
            "57014" => Trouble::Late,
            "25006" => Trouble::Refused("it writes, through a function that it calls".to_owned()),
            "55P03" => Trouble::Refused("somebody locks its table".to_owned()),
            code @ ("23505" | "23503" | "23502" | "23514") => {
                Trouble::Refused(format!("the values that stand for its parameters break a constraint ({code})"))
            }
            code => Trouble::Refused(refusal(code).to_owned()),
        }
    }

    pub(super) async fn close(self) {
        let _ = tokio::time::timeout(Duration::from_millis(500), self.c.close()).await;
    }
}

fn sum(row: &PgRow) -> RowSum {
    let mut sum = RowSum::default();
    for at in 0..row.len() {
        let Ok(value) = row.try_get_raw(at) else { continue };
        let float = value.type_info().name().starts_with("FLOAT");
        sum.value(if value.is_null() { None } else { value.as_bytes().ok() }, float);
    }
    sum
}

fn no_way(address: &Address, owner: bool) -> ApiError {
    let user = address.username.as_deref().unwrap_or("(no user)");
    let owned = if owner { ", or let the environment be one for development" } else { "" };
    ApiError::new(
        ErrorCode::Unsupported,
        format!("'{user}' has no way to run a statement without the index on {}", address.short()),
    )
    .hint(format!(
        "CREATE EXTENSION hypopg; (HypoPG 1.4 or later, which managed servers have) lets any role plan without it; or sign in as a \
         superuser{owned}"
    ))
}

/// Tells the server to cancel what a session runs.
pub(super) async fn cancel(address: &Address, password: Option<&Sensitive>, pid: i64) {
    let work = async {
        let mut c = open_direct(address, password, Mode::Read).await?;
        let text = format!("SELECT pg_cancel_backend({pid})");
        let asked = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut c).await;
        let _ = c.close().await;
        asked.map(drop).map_err(|e| explain(address, &e))
    };
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(Ok(())) => {}
        // Its own limit ends it then.
        Ok(Err(error)) => tracing::warn!(target: "perfdeck::database", %error, "a run was not cancelled"),
        Err(_) => tracing::warn!(target: "perfdeck::database", "a run was not cancelled in time"),
    }
}
