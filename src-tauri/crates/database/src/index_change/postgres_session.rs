//! A connection to PostgreSQL for what must run outside a transaction, on a session of its own.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, ErrorCode, Sensitive};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Row as _};

use crate::connect::{no_server, silent};
use crate::error::{asked, explain};
use crate::hints::again;
use crate::options::{named, postgres_options};
use crate::own;
use crate::session::{MARK, refuses_parameters};
use crate::trust;

/// Name under which it shows in the target's own views.
pub(super) const NAME: &str = "perfdeck-change";
/// Longest time to connect, unless the address gives another.
const CONNECT: Duration = Duration::from_millis(2_500);

/// What the session may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Ask only.
    Read,
    /// Alter.
    Write,
}

/// Connects. Names are resolved by `search_path` as the role has it until [`unqualified`] is called.
pub(super) async fn open(
    address: &Address,
    password: Option<&Sensitive>,
    mode: Mode,
) -> Result<PgConnection, ApiError> {
    let wanted = trust::wanted(address)?;
    let limit = wanted.connect_timeout.unwrap_or(CONNECT);
    let work = async {
        let plain = postgres_options(address, password);
        let options = match trust::checked(address, &wanted).await? {
            Some(door) => {
                let options = door.through(plain);
                return ready(address, connect(&options, mode).await.map_err(|e| explained(address, &e))?, mode).await;
            }
            None => plain,
        };
        let connection = match connect(&options, mode).await {
            // The driver cannot read the certificate, which nobody wants to be verified.
            Err(error) if trust::unread(&error, &wanted) => {
                let door = trust::unverified(address, &wanted).await?;
                connect(&door.through(options), mode).await
            }
            other => other,
        };
        ready(address, connection.map_err(|e| explained(address, &e))?, mode).await
    };
    match tokio::time::timeout(limit, work).await {
        Ok(opened) => opened.map_err(|e| asked(address, password, e)),
        Err(_) => Err(silent(address, limit)),
    }
}

async fn connect(options: &PgConnectOptions, mode: Mode) -> Result<PgConnection, sqlx::Error> {
    let read = if mode == Mode::Read { "on" } else { "off" };
    named(options.clone(), NAME)
        .options([
            ("statement_timeout", "3000"),
            ("lock_timeout", "2000"),
            ("idle_in_transaction_session_timeout", "5000"),
            ("default_transaction_read_only", read),
            (MARK, "own"),
        ])
        .connect()
        .await
}

fn pooled(address: &Address) -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        format!("{} is a pooler, and an index is built and dropped on a session of its own", address.short()),
    )
    .hint("Give the environment the server's own port")
}

fn explained(address: &Address, error: &sqlx::Error) -> ApiError {
    match error {
        sqlx::Error::Database(e) if refuses_parameters(e.message()) => pooled(address),
        other => explain(address, other),
    }
}

/// Makes sure that the session is the server's own, and that the server notices when this process ends.
async fn ready(address: &Address, mut c: PgConnection, mode: Mode) -> Result<PgConnection, ApiError> {
    own::add(address, 2.0, 1);
    let sql = "SELECT current_setting('perfdeck.session', true), pg_is_in_recovery()";
    let row = sqlx::raw_sql(sql).fetch_one(&mut c).await;
    let row = row.map_err(|e| if is_timeout(&e) { no_server(address, CONNECT) } else { explain(address, &e) })?;
    let (mark, standby): (Option<String>, bool) =
        (row.try_get(0).map_err(|e| explain(address, &e))?, row.try_get(1).map_err(|e| explain(address, &e))?);
    if mark.as_deref() != Some("own") {
        return Err(pooled(address));
    }
    if standby && mode == Mode::Write {
        return Err(ApiError::new(
            ErrorCode::Unsupported,
            format!("{} is a standby and takes no changes", address.short()),
        )
        .hint("Give the environment the address of the primary"));
    }
    if mode == Mode::Write {
        // From PostgreSQL 14 on. Without it a statement goes on when nobody waits for it any more.
        let _ = sqlx::raw_sql("SET client_connection_check_interval = '1s'").execute(&mut c).await;
    }
    Ok(c)
}

fn is_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if e.code().as_deref() == Some("57014"))
}

/// From now on every name is written with its schema, by the server too.
pub(super) async fn unqualified(address: &Address, c: &mut PgConnection) -> Result<(), ApiError> {
    sqlx::raw_sql("SET search_path = ''").execute(c).await.map(drop).map_err(|e| explain(address, &e))
}

/// Why a statement about an index failed.
pub(super) fn why(address: &Address, error: &sqlx::Error) -> ApiError {
    let sqlx::Error::Database(e) = error else { return explain(address, error) };
    let at = address.short();
    match e.code().as_deref() {
        Some("57014") => again(ErrorCode::Timeout, format!("{at} ended the statement after its time"))
            .hint("Long transactions hold it up; try again when they have ended"),
        Some("55P03") => again(ErrorCode::Timeout, format!("The table is locked by somebody else on {at}"))
            .hint("Another index build, a VACUUM or an ALTER TABLE holds it; try again when it has ended"),
        Some("42501") => {
            let user = address.username.as_deref().unwrap_or("(no user)");
            ApiError::new(ErrorCode::Privilege, format!("'{user}' does not own the index's table on {at}")).hint(
                "Only the owner of a table drops and creates its indexes; sign in as the owner or as a member of it",
            )
        }
        Some("40P01") => {
            again(ErrorCode::Conflict, format!("{at} ended the statement to break a deadlock")).hint("Try again")
        }
        Some("53100") => ApiError::new(ErrorCode::Unsupported, format!("The disk of {at} is full"))
            .hint("An index needs about its own size, and as much again while it is built"),
        Some("23505") => {
            ApiError::new(ErrorCode::Conflict, "Rows that are alike keep the unique index from being built")
                .hint("They came while it was not there; remove them and undo again")
        }
        Some("42P07") => ApiError::new(ErrorCode::Conflict, "Something else has the index's name by now"),
        Some("42P01" | "3F000") => ApiError::new(ErrorCode::Conflict, "The index's table is no longer there"),
        _ => explain(address, error),
    }
}
