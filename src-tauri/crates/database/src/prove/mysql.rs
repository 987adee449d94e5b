//! Both arms on MySQL and MariaDB: the statement, and the statement with `IGNORE INDEX`.
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use perfdeck_model::{Address, ApiError, ErrorCode, Sensitive};
use perfdeck_sqltext::{Dialect, quote_text};
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::rows::{RowSum, Rows};
use super::{ArmLook, Pair, ProofPlace, ProvenIndex, Stopper, Trouble, gone};
use crate::connect::{Database, close, connect, ends_session};
use crate::error::explain;
use crate::mysql::text as column;
use crate::plans::harmless_on_mysql;

/// Longest time to connect, and to tell the server to end a statement.
const DEADLINE: Duration = Duration::from_secs(3);

pub(super) struct Arms {
    c: MySqlConnection,
    address: Address,
    password: Option<Sensitive>,
    id: i64,
    name: String,
}

impl Arms {
    pub(super) async fn open(
        address: &Address,
        password: Option<&Sensitive>,
        index: &ProvenIndex,
        place: &ProofPlace,
    ) -> Result<Self, ApiError> {
        let failed = |e: sqlx::Error| explain(address, &e);
        // It only reads.
        let Database::Mysql(mut c) = connect(address, password, DEADLINE).await? else {
            return Err(ApiError::internal("not MySQL"));
        };
        let longest = place.longest.as_secs_f64();
        if sqlx::raw_sql(AssertSqlSafe(format!("SET SESSION max_statement_time = {longest}")))
            .execute(&mut c)
            .await
            .is_err()
        {
            let limit = format!("SET SESSION max_execution_time = {}", place.longest.as_millis());
            sqlx::raw_sql(AssertSqlSafe(limit)).execute(&mut c).await.map_err(failed)?;
        }
        let text = |text: &str| quote_text(text, Dialect::Mysql);
        let there = format!(
            "SELECT CAST(CONNECTION_ID() AS SIGNED), (SELECT COUNT(*) FROM information_schema.statistics
             WHERE table_schema = {} AND index_name = {})",
            text(&index.schema),
            text(&index.name)
        );
        let row = sqlx::raw_sql(AssertSqlSafe(there)).fetch_one(&mut c).await.map_err(failed)?;
        if row.try_get::<i64, _>(1).map_err(failed)? == 0 {
            return Err(gone(index));
        }
        let id = row.try_get(0).map_err(failed)?;
        Ok(Self { c, address: address.clone(), password: password.cloned(), id, name: index.name.clone() })
    }

    pub(super) fn stopper(&self) -> Stopper {
        Stopper::Session(Box::new((self.address.clone(), self.password.clone(), self.id)))
    }

    /// Refuses what the server does not take for a statement, without running it.
    pub(super) async fn parse(&mut self, text: &str) -> Result<(), Trouble> {
        let quoted = quote_text(text, Dialect::Mysql);
        let parsed = sqlx::raw_sql(AssertSqlSafe(format!("PREPARE perfdeck_parsed FROM {quoted}")));
        parsed.execute(&mut self.c).await.map_err(|e| self.trouble(&e))?;
        self.tell("DEALLOCATE PREPARE perfdeck_parsed").await
    }

    pub(super) async fn prepare(&mut self, _: usize, pair: &Pair) -> Result<(), Trouble> {
        if pair.writes {
            let why = "it writes, and an index that a hint hides is written all the same";
            return Err(Trouble::Refused(why.to_owned()));
        }
        Ok(())
    }

    /// Refuses what calls something that has an effect beyond its transaction.
    pub(super) async fn check(&mut self, text: &str) -> Result<(), Trouble> {
        harmless_on_mysql(&mut self.c, &self.address, text).await.map_err(|e| match e.code {
            ErrorCode::BadRequest => Trouble::Refused(e.message),
            _ => Trouble::Session(e),
        })
    }

    pub(super) async fn enter(&mut self, _: usize, _: &Pair, _: bool) -> Result<(), Trouble> {
        self.tell("START TRANSACTION READ ONLY").await
    }

    pub(super) async fn leave(&mut self, _: &Pair, _: bool) -> Result<(), Trouble> {
        self.tell("ROLLBACK").await
    }

    async fn tell(&mut self, text: &'static str) -> Result<(), Trouble> {
        let done = sqlx::raw_sql(text).execute(&mut self.c).await;
        done.map(drop).map_err(|e| self.trouble(&e))
    }

    async fn fetched(&mut self, text: &str, mut row: impl FnMut(&MySqlRow)) -> Result<(), Trouble> {
        let outcome = async {
            let mut all = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).fetch(&mut self.c);
            while let Some(found) = all.try_next().await? {
                row(&found);
            }
            Ok(())
        };
        let outcome: Result<(), sqlx::Error> = outcome.await;
        outcome.map_err(|e| self.trouble(&e))
    }

    /// The time of one run with all of its rows.
    pub(super) async fn run(&mut self, _: usize, pair: &Pair, with: bool) -> Result<Duration, Trouble> {
        let started = Instant::now();
        self.fetched(pair.text(with), |_| {}).await?;
        Ok(started.elapsed())
    }

    pub(super) async fn look(&mut self, _: usize, pair: &Pair, with: bool) -> Result<ArmLook, Trouble> {
        let mut rows = Rows::default();
        self.fetched(pair.text(with), |row| rows.add(sum(row))).await?;
        let mut used = false;
        let name = self.name.clone();
        self.fetched(&format!("EXPLAIN {}", pair.text(with)), |row| used |= uses(row, &name)).await?;
        Ok(ArmLook { used, pages: None, rows: rows.count as f64, sum: rows.sum })
    }

    /// Statistics of an index of InnoDB cannot be gathered and taken back.
    pub(super) async fn used_after_analyze(&mut self, _: &[Pair]) -> Option<Vec<Option<bool>>> {
        None
    }

    fn trouble(&self, error: &sqlx::Error) -> Trouble {
        let sqlx::Error::Database(e) = error else { return Trouble::Session(explain(&self.address, error)) };
        match e.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number) {
            1969 | 3024 | 1317 => Trouble::Late,
            1792 => Trouble::Refused("it writes, through a function that it calls".to_owned()),
            1205 => Trouble::Refused("somebody locks its table".to_owned()),
            1044 | 1142 | 1143 | 1345 => Trouble::Refused("this user may not read a table of it".to_owned()),
            1146 | 1049 => Trouble::Refused("a table of it is not there".to_owned()),
            1064 => Trouble::Refused("it has a syntax error".to_owned()),
            1054 => Trouble::Refused("a column of it is not there".to_owned()),
            1305 => Trouble::Refused("a function of it is not there".to_owned()),
            1242 => Trouble::Refused("a subquery of it gives more than one row".to_owned()),
            1365 => Trouble::Refused("it divides by zero".to_owned()),
            1690 => Trouble::Refused("a number is out of the range of its type".to_owned()),
            1176 => Trouble::Refused("a table of it has no such index".to_owned()),
            _ if ends_session(error) => Trouble::Session(explain(&self.address, error)),
            _ => Trouble::Refused("the server refuses it".to_owned()),
        }
    }

    pub(super) async fn close(self) {
        close(Database::Mysql(self.c)).await;
    }
}

fn sum(row: &MySqlRow) -> RowSum {
    use sqlx::TypeInfo as _;
    let mut sum = RowSum::default();
    for (at, of) in row.columns().iter().enumerate() {
        let float = matches!(sqlx::Column::type_info(of).name(), "FLOAT" | "DOUBLE");
        let bytes = row.try_get_unchecked::<Option<Vec<u8>>, _>(at).ok().flatten();
        sum.value(bytes.as_deref(), float);
    }
    sum
}

/// Whether a line of `EXPLAIN` has the index among the keys that are used.
fn uses(row: &MySqlRow, index: &str) -> bool {
    let at = row.columns().iter().position(|c| sqlx::Column::name(c).eq_ignore_ascii_case("key"));
    let keys = at.and_then(|at| column(row, at)).unwrap_or_default();
    keys == index || keys.split(',').any(|key| key.trim() == index)
}

/// Tells the server to end what a session runs.
pub(super) async fn cancel(address: &Address, password: Option<&Sensitive>, id: i64) {
    let work = async {
        let Database::Mysql(mut c) = connect(address, password, DEADLINE).await? else { return Ok(()) };
        let asked = sqlx::raw_sql(AssertSqlSafe(format!("KILL QUERY {id}"))).execute(&mut c).await;
        let _ = c.close().await;
        asked.map(drop).map_err(|e| explain(address, &e))
    };
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(target: "perfdeck::database", %error, "a run was not ended"),
        Err(_) => tracing::warn!(target: "perfdeck::database", "a run was not ended in time"),
    }
}
