//! Servers that the tests of one program share, because starting one takes longer than most tests do.
//!
//! They are started when the first test asks for them. Nothing drops what the whole program owns, so their watchdogs end them with it.
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OnceCell;

use crate::{MariaDb, Postgres, PostgresDatabase, Result};

static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();
static MARIADB: OnceCell<MariaDb> = OnceCell::const_new();

/// A database of its own on the program's PostgreSQL, whose autovacuum is off: it would take locks of its own. Roles, settings of the
/// server and what counts all databases are everybody's; a test that needs those for itself, or stops the server, starts one.
///
/// # Errors
/// When PostgreSQL is not installed or does not come up.
pub async fn shared_postgres() -> Result<PostgresDatabase> {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    shared_server().await?.create_database(&format!("own_{}", MADE.fetch_add(1, Ordering::Relaxed))).await
}

/// The server of [`shared_postgres`] itself, whose `app` is one test's.
///
/// # Errors
/// As [`shared_postgres`].
pub async fn shared_server() -> Result<&'static Postgres> {
    POSTGRES.get_or_try_init(|| Postgres::start_with(&[("autovacuum", "off")])).await
}

/// The program's MariaDB; its tests have tables of their own names.
///
/// # Errors
/// When MariaDB is not installed or does not come up.
pub async fn shared_mariadb() -> Result<&'static MariaDb> {
    MARIADB.get_or_try_init(MariaDb::start).await
}
