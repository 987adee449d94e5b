//! How full a database is: what tells production from a copy, and what load must leave free for others.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, Sensitive};
use sqlx::Row;

use crate::connect::{Database, close, connect, stalled};
use crate::error::explain;
use crate::own;
use crate::session::Session;

const DEADLINE: Duration = Duration::from_secs(3);

/// A database's size and its connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Occupancy {
    /// Size on disk.
    pub bytes: f64,
    /// Connections of all clients, Perfdeck's and its load included.
    pub connections: f64,
    /// Connections of others.
    pub others: f64,
    /// Connections that clients without privileges can have at all.
    pub limit: f64,
    /// Connections beyond these that are kept for others, such as superusers.
    pub reserved: f64,
}

impl Occupancy {
    /// The share of connections that are free, 0 to 1.
    pub fn free(&self) -> f64 {
        if self.limit > 0.0 { ((self.limit - self.connections) / self.limit).max(0.0) } else { 0.0 }
    }
}

/// One connection that asks again and again.
pub struct OccupancyWatch {
    address: Address,
    database: Database,
}

impl OccupancyWatch {
    /// Connects. `None` for SQLite, which has neither clients nor a limit.
    ///
    /// # Errors
    /// When the database cannot be reached within 3 s.
    pub async fn open(address: &Address, password: Option<&Sensitive>) -> Result<Option<Self>, ApiError> {
        match connect(address, password, DEADLINE).await? {
            Database::Sqlite(c) => {
                close(Database::Sqlite(c)).await;
                Ok(None)
            }
            database => {
                if matches!(database, Database::Postgres(_)) {
                    own::add(address, 1.0, 1);
                }
                Ok(Some(Self { address: address.clone(), database }))
            }
        }
    }

    /// Whether a pooler before the server shares its connections among clients.
    pub fn is_shared(&self) -> bool {
        matches!(&self.database, Database::Postgres(session) if session.is_shared())
    }

    /// How full it is now.
    ///
    /// # Errors
    /// When it does not answer within 3 s.
    pub async fn read(&mut self) -> Result<Occupancy, ApiError> {
        let work = async {
            match &mut self.database {
                Database::Postgres(c) => {
                    own::add(&self.address, 1.0, 0);
                    postgres(c).await
                }
                Database::Mysql(c) => mysql(c).await,
                Database::Sqlite(_) => Err(sqlx::Error::RowNotFound),
            }
        };
        match tokio::time::timeout(DEADLINE, work).await {
            Ok(outcome) => outcome.map_err(|e| explain(&self.address, &e)),
            Err(_) => Err(stalled(&self.address, &self.database, DEADLINE)),
        }
    }

    /// Ends the connection.
    pub async fn close(self) {
        close(self.database).await;
    }
}

/// Roles without pg_read_all_stats see other roles' sessions without their type, but with their database.
async fn postgres(c: &mut Session) -> Result<Occupancy, sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT pg_database_size(current_database())::float8,
                count(*)::float8,
                (count(*) FILTER (WHERE application_name NOT IN ('perfdeck', 'perfdeck-load')
                                  AND pid <> pg_backend_pid()))::float8,
                (current_setting('max_connections')::int
                 - current_setting('superuser_reserved_connections')::int
                 - coalesce(current_setting('reserved_connections', true)::int, 0))::float8,
                (current_setting('superuser_reserved_connections')::int
                 + coalesce(current_setting('reserved_connections', true)::int, 0))::float8
         FROM pg_stat_activity
         WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'",
    )
    .fetch_one(c)
    .await?;
    Ok(Occupancy {
        bytes: row.try_get(0)?,
        connections: row.try_get(1)?,
        others: row.try_get(2)?,
        limit: row.try_get(3)?,
        reserved: row.try_get(4)?,
    })
}

/// The protocol has no name for an application, so only this connection itself is known not to be another's.
async fn mysql(c: &mut sqlx::mysql::MySqlConnection) -> Result<Occupancy, sqlx::Error> {
    let bytes: f64 = sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS DOUBLE)
         FROM information_schema.tables WHERE table_schema = DATABASE()",
    )
    .fetch_one(&mut *c)
    .await?;
    let row = sqlx::query("SHOW GLOBAL STATUS LIKE 'Threads_connected'").fetch_one(&mut *c).await?;
    let connections = crate::mysql::text(&row, 1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    let limit: f64 = sqlx::query_scalar("SELECT CAST(@@max_connections AS DOUBLE)").fetch_one(c).await?;
    // One more than that is a superuser's, beyond what others can have.
    Ok(Occupancy { bytes, connections, others: (connections - 1.0).max(0.0), limit, reserved: 0.0 })
}
