//! What the server's sessions of a load wait for.
use std::collections::BTreeMap;
use std::time::Duration;

use perfdeck_model::{Address, ApiError, Sensitive};
use sqlx::Row as _;

use crate::connect::{Database, close, connect, silent};
use crate::error::explain;
use crate::load::NAME;
use crate::own;

const DEADLINE: Duration = Duration::from_secs(3);
/// What a session that waits for nothing is counted as.
const WORKS: &str = "CPU";

/// One connection that looks at the sessions of a load again and again.
pub struct LoadWaits {
    address: Address,
    database: Database,
}

impl LoadWaits {
    /// Connects. `None` where sessions of a load cannot be told apart: MySQL and MariaDB have no name for them that is sent by all
    /// clients, a pooler gives them its own, and SQLite has no sessions.
    ///
    /// # Errors
    /// When the database cannot be reached within 3 s.
    pub async fn open(address: &Address, password: Option<&Sensitive>) -> Result<Option<Self>, ApiError> {
        match connect(address, password, DEADLINE).await? {
            Database::Postgres(session) if !session.is_shared() => {
                own::add(address, 1.0, 1);
                Ok(Some(Self { address: address.clone(), database: Database::Postgres(session) }))
            }
            other => {
                close(other).await;
                Ok(None)
            }
        }
    }

    /// Sessions that run a statement now, by the kind of event that they wait for; `CPU` for none.
    ///
    /// # Errors
    /// When it does not answer within 3 s.
    pub async fn read(&mut self) -> Result<BTreeMap<String, u32>, ApiError> {
        let Database::Postgres(session) = &mut self.database else { return Ok(BTreeMap::new()) };
        own::add(&self.address, 1.0, 0);
        // No function of the server is called but that behind the view, and no lock is taken.
        let asked = sqlx::query(
            "SELECT coalesce(wait_event_type, $1), count(*)::int FROM pg_stat_activity
             WHERE application_name = $2 AND state = 'active' GROUP BY 1",
        )
        .bind(WORKS)
        .bind(NAME)
        .fetch_all(session);
        let rows = match tokio::time::timeout(DEADLINE, asked).await {
            Ok(rows) => rows.map_err(|e| explain(&self.address, &e))?,
            Err(_) => return Err(silent(&self.address, DEADLINE)),
        };
        let row = |row: &sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get::<i32, _>(1)?.unsigned_abs()));
        rows.iter().map(row).collect::<Result<_, _>>().map_err(|e: sqlx::Error| explain(&self.address, &e))
    }

    /// Ends the connection.
    pub async fn close(self) {
        close(self.database).await;
    }
}
