//! A connection to PostgreSQL for what must run outside a transaction, on a session of its own.
use std::time::Duration;

use perfdeck_model::{Address, ApiError, ErrorCode, Sensitive};
use perfdeck_sqltext::{Dialect, quote_identifier};
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
pub(crate) enum Mode {
    /// Ask only.
    Read,
    /// Alter.
    Write,
}

/// Connects. Names are resolved by `search_path` as the role has it until [`unqualified`] is called.
pub(crate) async fn open(
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
    // One that alters has it as the role and the database have it.
    let read = (mode == Mode::Read).then_some(("default_transaction_read_only", "on"));
    named(options.clone(), NAME)
        .options(read)
        .options([
            ("statement_timeout", "3000"),
            ("lock_timeout", "2000"),
            ("idle_in_transaction_session_timeout", "5000"),
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
    let sql = "SELECT current_setting('perfdeck.session', true), pg_is_in_recovery(),
               current_setting('default_transaction_read_only') = 'on'";
    let row = sqlx::raw_sql(sql).fetch_one(&mut c).await;
    let row = row.map_err(|e| if is_timeout(&e) { no_server(address, CONNECT) } else { explain(address, &e) })?;
    let (mark, standby): (Option<String>, bool) =
        (row.try_get(0).map_err(|e| explain(address, &e))?, row.try_get(1).map_err(|e| explain(address, &e))?);
    if mark.as_deref() != Some("own") {
        return Err(pooled(address));
    }
    if standby && mode == Mode::Write {
        return Err(is_standby(address));
    }
    if mode == Mode::Write && row.try_get::<bool, _>(2).map_err(|e| explain(address, &e))? {
        return Err(ApiError::new(
            ErrorCode::Privilege,
            format!("'{}' only reads on {}: default_transaction_read_only is on", user(address), address.short()),
        )
        .hint("The role, the database, the server or options= of the address sets it; sign in as a role that writes"));
    }
    // What a role has set for others would end a session that waits while another one works; older servers have none of these.
    let unbounded = "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
                     WHERE name IN ('idle_session_timeout', 'transaction_timeout')";
    own::add(address, 1.0, 0);
    sqlx::raw_sql(unbounded).execute(&mut c).await.map_err(|e| explain(address, &e))?;
    if mode == Mode::Write {
        // From PostgreSQL 14 on. Without it a statement goes on when nobody waits for it any more.
        let _ = sqlx::raw_sql("SET client_connection_check_interval = '1s'").execute(&mut c).await;
    }
    Ok(c)
}

fn is_standby(address: &Address) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("{} is a standby and takes no changes", address.short()))
        .hint("Give the environment the address of the primary")
}

/// Refuses a standby before anything is planned there.
pub(super) async fn not_a_standby(address: &Address, c: &mut PgConnection) -> Result<(), ApiError> {
    let standby = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(c).await;
    own::add(address, 1.0, 0);
    if standby.map_err(|e| explain(address, &e))? { Err(is_standby(address)) } else { Ok(()) }
}

fn is_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if e.code().as_deref() == Some("57014"))
}

/// From now on every name is written with its schema, by the server too, and a backslash in a text is a letter, as it was when it was read.
pub(super) async fn unqualified(address: &Address, c: &mut PgConnection) -> Result<(), ApiError> {
    let sql = "SET search_path = ''; SET standard_conforming_strings = on";
    sqlx::raw_sql(sql).execute(c).await.map(drop).map_err(|e| explain(address, &e))
}

/// The user of an address, for a text.
pub(super) fn user(address: &Address) -> &str {
    address.username.as_deref().unwrap_or("(no user)")
}

/// Whether a member of a role may do what goes beyond its own tables: an attribute or a role of the server that it, or one that it is a
/// member of, has. A superuser is a member of every role.
const POWERFUL: &str = "
    SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_roles o ON o.rolname = $1
        WHERE pg_catalog.pg_has_role(o.oid, r.oid, 'MEMBER')
          AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls OR r.rolname LIKE 'pg\\_%'))";

/// Why this user alters no index of a table, and who runs `statement` instead. To become a member of the owner is advised only where that
/// gives nothing but its tables.
pub(super) async fn why_no_owner(
    address: &Address,
    c: &mut PgConnection,
    (table, owner): (&str, &str),
    statement: &str,
) -> ApiError {
    let quoted = |role: &str| quote_identifier(role, Dialect::Postgres);
    let powerful = sqlx::query_scalar::<_, bool>(POWERFUL).bind(owner).fetch_one(c).await;
    own::add(address, 1.0, 0);
    // What is not known may be.
    let join = match powerful {
        Ok(false) => format!("GRANT {} TO {}; or ask", quoted(owner), quoted(user(address))),
        _ => "Ask".to_owned(),
    };
    no_owner(address, table).hint(format!("{join} the owner of the table, {}, to run: {statement};", quoted(owner)))
}

fn no_owner(address: &Address, table: &str) -> ApiError {
    ApiError::new(ErrorCode::Privilege, format!("'{}' does not own {table} on {}", user(address), address.short()))
}

/// The schema of a relation of that name into which this user may not look, as an error with what lets it; `None` where there is none.
pub(super) async fn no_usage(address: &Address, c: &mut PgConnection, name: &str) -> Option<ApiError> {
    let sql = "
        SELECT n.nspname::text FROM pg_catalog.parse_ident($1) p
        JOIN pg_catalog.pg_class c ON c.relname = p[cardinality(p)]
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE (cardinality(p) < 2 OR n.nspname = p[cardinality(p) - 1])
          AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY 1 LIMIT 1";
    // A text that is no name names nothing.
    let found = sqlx::query_scalar::<_, String>(sql).bind(name).fetch_optional(c).await.ok().flatten();
    own::add(address, 1.0, 0);
    let quoted = |name: &str| quote_identifier(name, Dialect::Postgres);
    let schema = quoted(&found?);
    let what = format!("'{}' may not look into the schema {schema} of {}", user(address), address.short());
    let grant = format!("GRANT USAGE ON SCHEMA {schema} TO {};", quoted(user(address)));
    Some(ApiError::new(ErrorCode::Privilege, what).hint(grant))
}

/// Why the server lacks a privilege for a statement, by what it says of it.
fn unprivileged(address: &Address, message: &str) -> ApiError {
    if message.starts_with("must be owner of") {
        return no_owner(address, "the index's table")
            .hint("Only the owner of a table drops and creates its indexes: ask it to run the statement");
    }
    let kinds = ["schema", "tablespace", "function", "type", "table", "materialized view", "language"];
    let kind = kinds.iter().find(|kind| message.starts_with(&format!("permission denied for {kind} ")));
    let on = kind.map(|kind| format!(" on a {kind}")).unwrap_or_default();
    let right = match kind {
        Some(&"schema") => "CREATE or USAGE on the schema of the table",
        Some(&"tablespace") => "CREATE on the tablespace",
        Some(&"function") => "EXECUTE on the functions of the index's expressions",
        _ => "what the server's log names",
    };
    ApiError::new(ErrorCode::Privilege, format!("'{}' lacks a privilege{on} of {}", user(address), address.short()))
        .hint(format!("GRANT it {right}, or sign in as a role that has it"))
}

/// Whether a statement was ended because its time passed, by the server's text; other languages do not say.
fn timed_out(message: &str) -> Option<bool> {
    if message.contains("due to statement timeout") {
        return Some(true);
    }
    message.contains("due to user request").then_some(false)
}

/// Why a statement was ended before it was through.
fn ended(at: &str, timed_out: Option<bool>) -> ApiError {
    match timed_out {
        Some(true) => again(ErrorCode::Timeout, format!("{at} ended the statement after its time"))
            .hint("Long transactions hold it up; try again when they have ended"),
        Some(false) => again(ErrorCode::Conflict, format!("Somebody cancelled the statement on {at}"))
            .hint("It was told to with pg_cancel_backend or the like; try again when that is settled"),
        None => {
            again(ErrorCode::Timeout, format!("{at} ended the statement: its time passed, or somebody cancelled it"))
                .hint("Try again when long transactions have ended")
        }
    }
}

/// Why a statement about an index failed.
pub(super) fn why(address: &Address, error: &sqlx::Error) -> ApiError {
    why_after(address, error, None)
}

/// Why a statement about an index failed; whether its time `passed` is for servers that do not say it in English.
pub(super) fn why_after(address: &Address, error: &sqlx::Error, passed: Option<bool>) -> ApiError {
    let sqlx::Error::Database(e) = error else { return explain(address, error) };
    let at = address.short();
    match e.code().as_deref() {
        Some("57014") => ended(&at, timed_out(e.message()).or(passed)),
        Some("42501") => unprivileged(address, e.message()),
        Some("55P03") => again(ErrorCode::Timeout, format!("The table is locked by somebody else on {at}"))
            .hint("Another index build, a VACUUM or an ALTER TABLE holds it; try again when it has ended"),
        Some("40P01") => {
            again(ErrorCode::Conflict, format!("{at} ended the statement to break a deadlock")).hint("Try again")
        }
        Some("53100") => ApiError::new(ErrorCode::Storage, format!("The disk of {at} is full")).hint(
            "An index needs about its own size, and as much again while it is sorted: make room there, then try again",
        ),
        // The one limit of the server's settings that a build comes to.
        Some("53400") => {
            let text = format!(
                "{at} ended it: sorting the keys takes more of its disk than temp_file_limit lets this user have"
            );
            let role = quote_identifier(user(address), Dialect::Postgres);
            ApiError::new(ErrorCode::Unsupported, text)
                .hint(format!("A superuser raises it: ALTER ROLE {role} SET temp_file_limit = '…'; -1 is no limit"))
        }
        Some("23505") => {
            ApiError::new(ErrorCode::Conflict, "Rows that are alike keep the unique index from being built")
                .hint("They came while it was not there; remove them and undo again")
        }
        Some("42704") => {
            ApiError::new(ErrorCode::Unsupported, "A key's type has no order or operator class for this kind of index")
                .hint("Name an operator class, or another kind of index")
        }
        Some("42P17") => ApiError::new(
            ErrorCode::Unsupported,
            "An expression or the condition is not the same at all times (IMMUTABLE)",
        )
        .hint("now(), lower() of another collation and casts by the session's settings are not"),
        Some("54000") => ApiError::new(ErrorCode::Unsupported, "A row is too large for this kind of index")
            .hint("A B-tree takes keys up to a third of a page; index a part, or a hash of it"),
        Some("42P07") => ApiError::new(ErrorCode::Conflict, "Something else has the index's name by now"),
        Some("42P01" | "3F000") => ApiError::new(ErrorCode::Conflict, "The index's table is no longer there"),
        _ => explain(address, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_was_ended_is_said_to_be_cancelled_unless_its_time_passed() {
        let text = |message: &str, passed| ended("h:5432/d", timed_out(message).or(passed)).message;
        let cancelled = "Somebody cancelled the statement on h:5432/d";
        assert_eq!(text("canceling statement due to user request", Some(true)), cancelled, "the server says it");
        let late = text("canceling statement due to statement timeout", Some(false));
        assert_eq!(late, "h:5432/d ended the statement after its time", "the server says it");
        assert_eq!(text("breche Anfrage ab", Some(false)), cancelled, "by the time that it took");
        assert!(text("breche Anfrage ab", None).contains("or somebody cancelled it"), "nobody knows");
    }

    #[test]
    fn a_privilege_that_lacks_is_the_one_that_the_server_names() {
        let address = Address::parse("postgres://u@h/d").expect("an address").0;
        for (message, part) in [
            ("permission denied for schema canary", "lacks a privilege on a schema"),
            ("permission denied for tablespace canary", "lacks a privilege on a tablespace"),
            ("must be owner of table canary", "does not own the index's table"),
            ("keine Berechtigung: canary", "lacks a privilege of h:5432/d"),
        ] {
            let error = unprivileged(&address, message);
            assert!(error.message.contains(part), "{message}: {error:?}");
            assert!(!format!("{error:?}").contains("canary"), "a server's text is not passed on: {error:?}");
        }
    }
}
