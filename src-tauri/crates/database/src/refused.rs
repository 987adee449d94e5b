//! What a server's refusal means, by its code. A server's own text is never passed on: it may hold parts of statements or
//! of credentials, and is in the server's language. What it says beyond its code is recognised phrase by phrase.
use perfdeck_model::{Address, ApiError, ErrorCode, TlsMode};
use perfdeck_sqltext::{Dialect, quote_identifier};

use crate::hints::{account, account_at, again, grant, no_password};
use crate::options::is_socket;

/// Start-up parameters that clients are known to send, and that may be named.
const START_UP: &[&str] = &[
    "extra_float_digits",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "default_transaction_read_only",
    "search_path",
    "application_name",
    "client_encoding",
    "DateStyle",
    "TimeZone",
    "jit",
    // Last: a refusal within the options names the option too.
    "options",
];

/// A SQLSTATE as it may be shown.
fn shown(code: &str) -> &str {
    if code.len() == 5 && code.bytes().all(|b| b.is_ascii_alphanumeric()) { code } else { "unknown" }
}

/// What PostgreSQL, or a pooler before it, refused.
pub(crate) fn postgres(address: &Address, code: &str, message: &str) -> ApiError {
    let at = address.short();
    let user = address.username.as_deref().unwrap_or("(no user)");
    let quoted = quote_identifier(user, Dialect::Postgres);
    let database = if address.path.is_empty() { user } else { &address.path };
    let has = |part: &str| message.contains(part);
    let full = |what: String, hint: String| again(ErrorCode::Unreachable, what).hint(hint);
    if has("use SHOW HELP") || has("admin console") {
        return ApiError::new(ErrorCode::Unsupported, format!("{at} is PgBouncer's own console and no database"))
            .hint("Give the name of a database that [databases] in pgbouncer.ini lists");
    }
    if let Some(error) = setting(address, code, message) {
        return error;
    }
    match code {
        "28000" if has("pg_hba.conf") => {
            let clear = has("no encryption") || has("SSL off");
            let how = if clear { "without TLS" } else { "with TLS" };
            let what = if has("pg_hba.conf rejects") { "rejects" } else { "has no line for" };
            let line = if clear { "host" } else { "hostssl" };
            ApiError::new(
                ErrorCode::Authentication,
                format!("The pg_hba.conf of {at} {what} '{user}' from this machine to database '{database}' {how}"),
            )
            .hint(format!(
                "{}dd a line to the server's pg_hba.conf, such as: {line} {} {quoted} CLIENT_ADDRESS/32 scram-sha-256 \
                 (hostssl when it wants TLS); then: SELECT pg_reload_conf();",
                match (address.tls, clear) {
                    _ if is_socket(address) => "A",
                    (TlsMode::Disable, true) => {
                        "Write sslmode=require in the address, if the server takes this user with TLS; or a"
                    }
                    (TlsMode::Prefer, false) => {
                        "Write sslmode=disable in the address, if the server takes this user without TLS and the network \
                         is trusted (psql tries that by itself); or a"
                    }
                    _ => "A",
                },
                quote_identifier(database, Dialect::Postgres)
            ))
        }
        "28000" if has("valid client certificate") => {
            let (what, hint) = if address.params.contains_key("sslcert") {
                ("does not accept the client certificate of sslcert for", "Check that the server trusts its issuer")
            } else {
                ("wants a client certificate of", "Name its file with sslcert=FILE and its key's with sslkey=FILE")
            };
            ApiError::new(ErrorCode::Authentication, format!("{at} {what} '{user}'"))
                .hint(format!("{hint}; the address then has TLS (sslmode=require or stricter)"))
        }
        "28000" if has("ertificate authentication failed") => ApiError::new(
            ErrorCode::Authentication,
            format!("{at} does not take the client certificate of sslcert for '{user}'"),
        )
        .hint("Its common name must be the user's name, or be mapped to it in pg_ident.conf"),
        "28000" if has("not permitted to log in") => {
            ApiError::new(ErrorCode::Authentication, format!("The role '{user}' of {at} may not log in"))
                .hint(format!("ALTER ROLE {quoted} LOGIN;"))
        }
        "28000" if has("does not exist") => {
            ApiError::new(ErrorCode::Authentication, format!("{at} has no role '{user}'"))
                .hint(format!("Check the user name; to create it: CREATE ROLE {quoted} LOGIN PASSWORD '…';"))
        }
        "28P01" => ApiError::new(ErrorCode::Authentication, password(address))
            .hint(format!("Check user and password; to set a new one: ALTER ROLE {quoted} PASSWORD '…';")),
        "28000" => ApiError::new(ErrorCode::Authentication, format!("{at} refused '{user}'"))
            .hint(format!("Check the user name; to allow it to log in: ALTER ROLE {quoted} LOGIN;")),
        "3D000" => ApiError::new(ErrorCode::NotFound, format!("{at} has no database '{database}'"))
            .hint("Check the database's name; psql -l lists them"),
        "55000" if has("not currently accepting connections") => {
            ApiError::new(ErrorCode::Privilege, format!("The database '{database}' of {at} accepts no connections"))
                .hint(format!(
                    "ALTER DATABASE {} ALLOW_CONNECTIONS true;",
                    quote_identifier(database, Dialect::Postgres)
                ))
        }
        "42501" if has("permission denied for database") => {
            ApiError::new(ErrorCode::Privilege, format!("'{user}' may not connect to database '{database}' of {at}"))
                .hint(format!(
                    "GRANT CONNECT ON DATABASE {} TO {quoted};",
                    quote_identifier(database, Dialect::Postgres)
                ))
        }
        "42501" => unprivileged(address, message),
        "53300" if has("connections for role") => full(
            format!("All connections that '{user}' may have to {at} are taken"),
            format!("Close idle clients of this role, or: ALTER ROLE {quoted} CONNECTION LIMIT -1;"),
        ),
        "53300" if has("connections for database") => full(
            format!("All connections that database '{database}' of {at} may have are taken"),
            format!(
                "Close idle clients, or: ALTER DATABASE {} CONNECTION LIMIT -1;",
                quote_identifier(database, Dialect::Postgres)
            ),
        ),
        "53300" if has("reserved") => full(
            format!("All connections of {at} are taken but those that are reserved for superusers"),
            "Close idle clients (SELECT pg_terminate_backend(pid) …), or raise max_connections and restart".to_owned(),
        ),
        "53300" => full(
            format!("All connections of {at} are taken"),
            "Close idle clients, or raise max_connections and restart the server".to_owned(),
        ),
        "57014" => again(ErrorCode::Timeout, format!("{at} cancelled a monitoring query"))
            .hint("The server is busy; Perfdeck's queries end after 1.5 s on their own"),
        "55P03" => again(ErrorCode::Timeout, format!("{at}: a lock was not free within 200 ms"))
            .hint("Someone holds an exclusive lock on a catalogue table"),
        "57P03" => {
            let why = [
                ("starting up", "is starting up"),
                ("shutting down", "is shutting down"),
                ("in recovery mode", "is recovering after a crash"),
                ("not yet accepting connections", "is a standby that has not caught up enough to be read"),
                ("not accepting connections", "accepts no connections: hot_standby is off"),
            ];
            let why = why.iter().find(|(part, _)| has(part)).map_or("is not ready", |(_, words)| words);
            again(ErrorCode::Unreachable, format!("{at} {why}"))
                .hint("Wait until it is ready; the server's log says why")
        }
        "57P01" | "57P02" => again(ErrorCode::Unreachable, format!("{at} ended the connection"))
            .hint("It is shutting down or an administrator ended the session; Perfdeck reconnects by itself"),
        "08P01" => pooler(address, message),
        "25006" => ApiError::new(ErrorCode::Privilege, format!("{at} only reads: nothing can be written there"))
            .hint("It is a standby, or default_transaction_read_only is on; write to the primary"),
        _ => again(ErrorCode::Unreachable, format!("{at} refused it: {} (SQLSTATE {})", state(code), shown(code)))
            .hint("The server's log has its own words"),
    }
}

/// What a right is missing on, with the statement that gives it. Names of objects are no values of anybody's; the server
/// writes them last. What begins with `pg_` is the server's own.
fn unprivileged(address: &Address, message: &str) -> ApiError {
    let (at, user) = (address.short(), address.username.as_deref().unwrap_or("(no user)"));
    let quoted = quote_identifier(user, Dialect::Postgres);
    let name = |kind: &str| {
        let name = message.strip_prefix("permission denied for ")?.strip_prefix(kind)?.strip_prefix(' ')?;
        let fits = !name.is_empty() && name.len() < 64 && !name.starts_with("pg_");
        fits.then(|| quote_identifier(name, Dialect::Postgres))
    };
    let refused = |what: &str, fix: String| {
        ApiError::new(ErrorCode::Privilege, format!("'{user}' may not {what} on {at}")).hint(fix)
    };
    if let Some(schema) = name("schema") {
        return refused("look into a schema", format!("GRANT USAGE ON SCHEMA {schema} TO {quoted};"));
    }
    if let Some(function) = name("function") {
        return refused("run a function", format!("GRANT EXECUTE ON FUNCTION {function} TO {quoted};"));
    }
    if ["table", "view", "materialized view", "foreign table", "sequence"].iter().any(|kind| name(kind).is_some()) {
        return refused("read a table", format!("GRANT pg_read_all_data TO {quoted};"));
    }
    ApiError::new(ErrorCode::Privilege, format!("'{user}' lacks a privilege on {at}")).hint(grant(address))
}

/// The message for a password that was refused.
pub(crate) fn password(address: &Address) -> String {
    format!("{} refused the password of '{}'", address.short(), address.username.as_deref().unwrap_or("(no user)"))
}

/// A setting of the address's `options` that the server does not take.
fn setting(address: &Address, code: &str, message: &str) -> Option<ApiError> {
    let why = match code {
        "42704" => "which it does not know",
        "22023" | "22P02" => "to a value that it cannot have",
        "42501" => "which this user may not set",
        "55P02" => "which a session cannot set",
        _ => return None,
    };
    let message = message.to_ascii_lowercase();
    let settings = address.options().ok()?.settings;
    let (name, _) = settings.iter().find(|(name, _)| message.contains(&format!("parameter \"{name}\"")))?;
    let refused = ApiError::bad_request(format!("The options of the address set {name} at {}, {why}", address.short()));
    Some(
        refused.hint(format!(
            "Correct -c {name}=… in options= of the address, or leave it out; SHOW ALL lists the settings"
        )),
    )
}

/// What PgBouncer refused. It has one code for everything.
fn pooler(address: &Address, message: &str) -> ApiError {
    let at = address.short();
    let has = |part: &str| message.contains(part);
    let busy = |what: String, hint: &str| again(ErrorCode::Unreachable, what).hint(hint);
    if let Some((_, name)) = message.split_once("unsupported startup parameter") {
        let name = START_UP.iter().find(|known| name.split([':', ' ', '\'', '"']).any(|w| w == **known));
        let named = name.map_or("a start-up parameter".to_owned(), |n| format!("the start-up parameter {n}"));
        let word = name.copied().unwrap_or("extra_float_digits");
        return ApiError::new(ErrorCode::Unsupported, format!("{at} is a pooler that refuses {named}")).hint(format!(
            "In pgbouncer.ini: ignore_startup_parameters = {word}; then RELOAD; or use the server's own port"
        ));
    }
    if has("no such database") {
        return ApiError::new(ErrorCode::NotFound, format!("The pooler {at} has no database '{}'", address.path))
            .hint("Check the name against [databases] in pgbouncer.ini");
    }
    if has("is disabled") {
        let what = format!("The pooler {at} has the database '{}' disabled", address.path);
        return ApiError::new(ErrorCode::Unreachable, what)
            .hint("ENABLE it in the pooler's console, or use the server's own port");
    }
    if has("no such user") || has("authentication failed") {
        return ApiError::new(ErrorCode::Authentication, format!("The pooler {at} refused the credentials"))
            .hint("Check user and password against its auth_file or auth_query");
    }
    if has("no more connections allowed") || has("max_client_conn") {
        return busy(
            format!("All client slots of the pooler {at} are taken"),
            "Raise max_client_conn or close idle clients",
        );
    }
    if has("query_wait_timeout") {
        return busy(
            format!("The pooler {at} had no server connection free in time"),
            "Raise default_pool_size, or make the transactions that hold connections shorter",
        );
    }
    if has("cannot connect to server") || has("server login has been failing") || has("server_login_retry") {
        return busy(
            format!("The pooler {at} cannot reach its server"),
            "Look at the server behind it and at the pooler's log",
        );
    }
    again(ErrorCode::Unreachable, format!("{at} did not understand what was sent (SQLSTATE 08P01)"))
        .hint("Is something between that changes PostgreSQL's protocol? Use the server's own port")
}

/// What a SQLSTATE means.
fn state(code: &str) -> &'static str {
    match code {
        "42601" => "the statement has a syntax error",
        "42P01" => "a table of the statement does not exist",
        "42703" => "a column of the statement does not exist",
        "42883" => "a function or operator of the statement does not exist",
        "42P02" => "a parameter of the statement has no value",
        "42804" => "two types in the statement do not fit",
        "40001" | "40P01" => "the transaction gave way to another one",
        "23505" => "a row with this key exists already",
        "23503" => "a foreign key does not allow it",
        "22P02" => "a value is not of its column's type",
        "26000" | "42P05" => "a prepared statement is not where it was made",
        _ => match code.get(..2).unwrap_or_default() {
            "08" => "the connection failed",
            "22" => "a value does not fit",
            "23" => "a constraint does not allow it",
            "25" => "the transaction is in the wrong state",
            "28" => "the credentials were not accepted",
            "40" => "the transaction was rolled back",
            "42" => "the statement is wrong, or not allowed",
            "53" => "the server lacks resources",
            "54" => "a limit of the server was exceeded",
            "55" => "an object is not in the state that it needs",
            "57" => "an operator intervened",
            "58" => "the server's system failed",
            "XX" => "the server found a defect in itself",
            _ => "for a reason that Perfdeck does not know",
        },
    }
}

/// What MySQL or MariaDB refused.
pub(crate) fn mysql(address: &Address, number: u16, message: &str) -> ApiError {
    let at = address.short();
    let user = address.username.as_deref().unwrap_or("(no user)");
    let database = &address.path;
    let account = account(address);
    let fail = |code, what: String, hint: String| ApiError::new(code, what).hint(hint);
    let busy = |what: String, hint: String| again(ErrorCode::Unreachable, what).hint(hint);
    use ErrorCode as E;
    match number {
        1698 => fail(
            E::Authentication,
            format!("{at} refused '{user}': its account does not sign in by password over the network (unix_socket)"),
            format!(
                "Use another account, or let this one sign in by password too: ALTER USER {account} IDENTIFIED VIA \
                     mysql_native_password USING PASSWORD('…') OR unix_socket;"
            ),
        ),
        1045 if message.contains("(using password: NO)") => no_password(&at, user),
        1045 => match told_host(user, message) {
            None => fail(
                E::Authentication,
                format!("{at} refused the credentials of '{user}'"),
                format!("Check user and password; to set a new one: ALTER USER {account} IDENTIFIED BY '…';"),
            ),
            Some(host) => {
                let own = account_at(user, host);
                fail(
                    E::Authentication,
                    format!("{at} refused the credentials of {own}"),
                    format!(
                        "Check user and password; to set a new one: ALTER USER {account} IDENTIFIED BY '…'; (or {own}, where \
                         SELECT user, host FROM mysql.user; lists it). If they are right, an account without a name hides \
                         {account} from this host: DROP USER ''@'{host}';"
                    ),
                )
            }
        },
        1298 => ApiError::bad_request(format!("{at} does not know the time zone that timezone (time_zone) of the address names"))
            .hint("Load the zones on the server: mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql mysql; or give an offset, such as %2B02:00"),
        1115 => ApiError::bad_request(format!("{at} does not know the character set that charset of the address names"))
            .hint("SHOW CHARACTER SET; lists them; without charset it is utf8mb4"),
        1273 => ApiError::bad_request(format!("{at} does not know the collation that collation of the address names"))
            .hint("SHOW COLLATION; lists them, or leave collation out"),
        1253 => ApiError::bad_request(format!("At {at} the collation and the charset of the address do not belong together"))
            .hint("SHOW COLLATION; lists them with their character sets; leave one of the two out"),
        1820 | 1862 => fail(
            E::Authentication,
            format!("The password of '{user}' at {at} is over"),
            format!("Set a new one: ALTER USER {account} IDENTIFIED BY '…';"),
        ),
        3118 | 4151 => fail(
            E::Authentication,
            format!("The account '{user}' at {at} is locked"),
            format!("ALTER USER {account} ACCOUNT UNLOCK;"),
        ),
        1130 => fail(
            E::Authentication,
            format!("{at} has no account for clients from this machine"),
            format!("Create one: CREATE USER {account} IDENTIFIED BY '…';"),
        ),
        1251 => plugin(address, Some("mysql_old_password")),
        1524 => plugin(address, None),
        1049 => fail(
            E::NotFound,
            format!("{at} has no database '{database}'"),
            "Check the database's name; SHOW DATABASES lists them".to_owned(),
        ),
        1044 => fail(
            E::Privilege,
            format!("'{user}' may not use database '{database}' of {at}"),
            format!("GRANT SELECT ON {}.* TO {account};", quote_identifier(database, Dialect::Mysql)),
        ),
        1142 | 1143 | 1227 | 1370 => fail(E::Privilege, format!("'{user}' lacks a privilege on {at}"), grant(address)),
        1040 => busy(
            format!("All connections of {at} are taken"),
            "Close idle clients, or raise it: SET GLOBAL max_connections = …;".to_owned(),
        ),
        1203 => busy(
            format!("All connections that '{user}' may have to {at} are taken"),
            "Close idle clients, or raise it: SET GLOBAL max_user_connections = …;".to_owned(),
        ),
        1226 => busy(
            format!("'{user}' used up one of its limits at {at}"),
            format!(
                "ALTER USER {account} WITH MAX_USER_CONNECTIONS 0 MAX_QUERIES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0;"
            ),
        ),
        1129 => fail(
            E::Unreachable,
            format!("{at} blocks this machine after too many broken connections"),
            "On the server: FLUSH HOSTS;".to_owned(),
        ),
        3159 => fail(E::Tls, format!("{at} wants TLS (require_secure_transport)"), "Write ?sslmode=require".to_owned()),
        1969 | 3024 => again(E::Timeout, format!("{at} cancelled a monitoring query"))
            .hint("The server is busy; Perfdeck's queries end after 1.5 s on their own"),
        1205 => again(E::Timeout, format!("{at}: a lock was not free in time")).hint("Someone holds it; try again"),
        1053 | 1077 | 1079 | 1927 | 4031 => busy(
            format!("{at} ended the connection"),
            "It is shutting down or an administrator ended the session; Perfdeck reconnects by itself".to_owned(),
        ),
        1290 if message.contains("skip-grant-tables") => fail(
            E::Unsupported,
            format!("{at} runs without its accounts (skip-grant-tables)"),
            "Restart it without this option".to_owned(),
        ),
        1290 | 1792 | 1836 => fail(
            E::Privilege,
            format!("{at} only reads: nothing can be written there"),
            "It is a replica, or read_only is on; write to the primary".to_owned(),
        ),
        1709 | 1071 => fail(
            E::Unsupported,
            format!("{at} refused it: a column is longer than what a key may have (error {number})"),
            "An index takes its beginning: (COLUMN(50)); of rows in the formats COMPACT and REDUNDANT it has 767 B of a column, with \
             ROW_FORMAT=DYNAMIC 3,072 B of all"
                .to_owned(),
        ),
        1845 | 1846 => fail(
            E::Unsupported,
            format!("{at} refused it: it cannot do that without locking the table (error {number})"),
            "Tables of other engines than InnoDB, and indexes of words and places, are locked meanwhile: ALGORITHM=COPY, when nobody writes"
                .to_owned(),
        ),
        1064 => busy(format!("{at} refused it: the statement has a syntax error (error 1064)"), log()),
        1146 => busy(format!("{at} refused it: a table of the statement does not exist (error 1146)"), log()),
        1054 => busy(format!("{at} refused it: a column of the statement does not exist (error 1054)"), log()),
        number => busy(format!("{at} refused it with error {number}"), log()),
    }
}

/// The host from which the server saw the user come, as it names it beside our own user.
fn told_host<'a>(user: &str, message: &'a str) -> Option<&'a str> {
    let (_, rest) = message.split_once(&format!("'{user}'@'"))?;
    let (host, _) = rest.split_once('\'')?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    (!host.is_empty() && host.len() <= 255 && host.chars().all(harmless)).then_some(host)
}

fn log() -> String {
    "The server's log has its own words; perror NUMBER tells what an error means".to_owned()
}

/// Plugins for signing in that are known by the names the servers give them.
const PLUGINS: &[(&str, &str)] = &[
    ("client_ed25519", "ed25519"),
    ("ed25519", "ed25519"),
    ("parsec", "parsec"),
    ("auth_gssapi_client", "gssapi"),
    ("authentication_kerberos_client", "authentication_kerberos"),
    ("authentication_ldap_sasl_client", "authentication_ldap_sasl"),
    ("authentication_oci_client", "authentication_oci"),
    ("authentication_webauthn_client", "authentication_webauthn"),
    ("authentication_fido_client", "authentication_fido"),
    ("authentication_windows_client", "authentication_windows"),
    ("dialog", "pam"),
    ("mysql_clear_password", "mysql_clear_password"),
    ("mysql_old_password", "mysql_old_password"),
    ("unix_socket", "unix_socket"),
    ("auth_socket", "auth_socket"),
];

/// An account that signs in by a plugin that the driver does not have. `name` as the server gave it.
pub(crate) fn plugin(address: &Address, name: Option<&str>) -> ApiError {
    let at = address.short();
    let user = address.username.as_deref().unwrap_or("(no user)");
    let account = account(address);
    let known = name.and_then(|name| PLUGINS.iter().find(|(client, _)| *client == name)).map(|(_, plugin)| *plugin);
    let (what, hint) = match known {
        // The first one is offered to the client; the account keeps its own for the others.
        Some(plugin @ ("ed25519" | "parsec" | "gssapi" | "pam" | "unix_socket")) => {
            let own = match plugin {
                "ed25519" | "parsec" => format!("{plugin} USING PASSWORD('…')"),
                other => other.to_owned(),
            };
            (
                format!("'{user}' signs in to {at} with the plugin {plugin}, which Perfdeck does not support"),
                format!(
                    "ALTER USER {account} IDENTIFIED VIA mysql_native_password USING PASSWORD('…') OR {own}; or give \
                     Perfdeck an account of its own"
                ),
            )
        }
        Some("mysql_old_password") => (
            format!("'{user}' signs in to {at} with a password of MySQL before 4.1, which Perfdeck does not support"),
            format!("ALTER USER {account} IDENTIFIED BY '…';"),
        ),
        Some("mysql_clear_password") => (
            format!(
                "'{user}' signs in to {at} by sending its password in clear text (PAM or LDAP), which Perfdeck does not do"
            ),
            format!("Give Perfdeck an account of its own: CREATE USER {account} IDENTIFIED BY '…';"),
        ),
        Some(plugin) => (
            format!("'{user}' signs in to {at} with the plugin {plugin}, which Perfdeck does not support"),
            format!("Give it a password: ALTER USER {account} IDENTIFIED WITH caching_sha2_password BY '…';"),
        ),
        None => (
            format!("'{user}' signs in to {at} with a plugin that Perfdeck does not support"),
            format!(
                "SELECT plugin FROM mysql.user WHERE user = '…' names it; Perfdeck supports mysql_native_password, \
                 caching_sha2_password and sha256_password: ALTER USER {account} IDENTIFIED BY '…';"
            ),
        ),
    };
    ApiError::new(ErrorCode::Unsupported, what).hint(hint)
}

/// What SQLite refused.
pub(crate) fn sqlite(address: &Address, code: &str, message: &str) -> ApiError {
    let path = &address.path;
    // Extended codes keep the primary one in their low byte.
    let primary = code.parse::<u32>().map_or(0, |c| c & 0xff);
    match primary {
        10 | 14 if std::path::Path::new(path).is_dir() => {
            ApiError::bad_request(format!("{path} is a folder, and a SQLite database is a file"))
                .hint("Name the file within it")
        }
        5 if code == "517" => {
            again(ErrorCode::Timeout, format!("{path} was written by another process since this transaction read it"))
                .hint("Begin again; a transaction that will write begins with BEGIN IMMEDIATE")
        }
        5 | 6 => again(ErrorCode::Timeout, format!("{path} is locked by another process"))
            .hint("Wait for its transaction to end; PRAGMA journal_mode = WAL; lets readers in beside a writer"),
        8 if code == "776" => ApiError::new(
            ErrorCode::Storage,
            format!("{path} has a transaction that a program left when it was killed, and nobody reads it before it is rolled back"),
        )
        .hint("SQLite does that for whoever opens it to write: sqlite3 FILE 'PRAGMA schema_version'"),
        14 => ApiError::new(ErrorCode::NotFound, format!("{path} cannot be opened"))
            .hint("Check the path; a database in WAL mode also needs its -wal and -shm files to be readable"),
        8 | 23 | 3 => ApiError::new(ErrorCode::Privilege, format!("{path} may not be used this way"))
            .hint("Check the permissions of the file and of its folder, and ?mode= in the address"),
        // As where a user's files may grow no further (ulimit -f).
        10 if code == "778" => {
            ApiError::new(ErrorCode::Storage, format!("{path} cannot be written: the disk failed, or the file may grow no further"))
                .hint("Look at the system's log, at quotas and at ulimit -f")
        }
        10 => ApiError::new(ErrorCode::Storage, format!("{path} cannot be read: the disk failed"))
            .hint("Look at the system's log"),
        13 => ApiError::new(ErrorCode::Storage, format!("The disk of {path} is full")).hint("Make room on it"),
        11 => ApiError::new(ErrorCode::Storage, format!("{path} is damaged"))
            .hint("Restore a backup, or save what is readable: sqlite3 FILE .recover"),
        26 => ApiError::bad_request(format!("{path} is not a SQLite database, or it is encrypted"))
            .hint("Choose another file"),
        1 if message.contains("non-deterministic use of") => ApiError::new(
            ErrorCode::Conflict,
            format!("{path}: a row has a value such as 'now', of which a function of dates makes another time at each call, and no index holds that"),
        )
        .hint("Write the time itself into the rows that have such a value"),
        1 if message.contains("no such vfs") => {
            ApiError::bad_request(format!("SQLite has no system of the name that vfs of the address gives for {path}"))
                .hint("It can be unix, unix-dotfile, unix-excl or unix-none here; or leave vfs out")
        }
        1 => again(ErrorCode::Unreachable, format!("{path}: the statement is wrong, or a table of it does not exist"))
            .hint("Try it with: sqlite3 FILE"),
        number => again(ErrorCode::Unreachable, format!("SQLite refused {path} with result code {number}"))
            .hint("sqlite.org/rescode.html tells what it means"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address").0
    }

    #[test]
    fn no_text_of_a_server_is_passed_on() {
        let a = address("postgres://u@h/d");
        for code in [
            "28000", "28P01", "3D000", "42501", "53300", "57014", "57P03", "57P01", "08P01", "42601", "22P02", "XX000",
            "?",
        ] {
            for message in [
                "canary",
                "pg_hba.conf canary",
                "role \"canary\" does not exist",
                "unsupported startup parameter: canary",
                "no such database: canary",
            ] {
                let error = postgres(&a, code, message);
                assert!(!format!("{error:?}").contains("canary"), "{code}: {error:?}");
                assert!(error.hint.is_some(), "{code} says what to do");
            }
        }
        let a = address("mysql://u@h/d");
        for number in
            [1045, 1698, 1130, 1049, 1044, 1142, 1040, 1203, 1226, 1129, 1290, 1064, 1146, 3159, 1709, 1845, 9999]
        {
            let error = mysql(&a, number, "canary");
            assert!(!format!("{error:?}").contains("canary") && error.hint.is_some(), "{number}: {error:?}");
        }
        assert!(
            !format!("{:?}", plugin(&a, Some("canary"))).contains("canary"),
            "not even a plugin's name that is not known"
        );
    }

    #[test]
    fn what_an_index_cannot_be_is_said_in_words() {
        let a = address("mysql://u@h/d");
        for (number, part, hint) in
            [(1709, "longer than what a key may have", "767 B"), (1845, "without locking the table", "InnoDB")]
        {
            let error = mysql(&a, number, "canary");
            assert!(error.message.contains(part) && error.hint.is_some_and(|h| h.contains(hint)), "{number}");
        }
        let file = address("sqlite:/x/y.db");
        let error = sqlite(&file, "1", "non-deterministic use of date() in an index");
        assert!(error.message.contains("a value such as 'now'"), "{error:?}");
    }

    #[test]
    fn full_servers_say_which_limit_it_is() {
        let a = address("postgres://u@h/d");
        for (message, part) in [
            ("sorry, too many clients already", "All connections of h:5432/d are taken"),
            (
                "remaining connection slots are reserved for non-replication superuser connections",
                "reserved for superusers",
            ),
            (
                "remaining connection slots are reserved for roles with the SUPERUSER attribute",
                "reserved for superusers",
            ),
            ("too many connections for role \"u\"", "that 'u' may have"),
            ("too many connections for database \"d\"", "that database 'd'"),
        ] {
            let error = postgres(&a, "53300", message);
            assert!(error.message.contains(part) && error.retryable, "{message}: {error:?}");
        }
        for (message, part) in [
            ("unsupported startup parameter: extra_float_digits", "refuses the start-up parameter extra_float_digits"),
            ("unsupported startup parameter in options: search_path", "search_path"),
            ("no more connections allowed (max_client_conn)", "All client slots of the pooler"),
            ("database \"d\" is disabled", "has the database 'd' disabled"),
            ("\"trust\" authentication failed", "refused the credentials"),
            ("query_wait_timeout", "no server connection free"),
            ("no such database: d", "has no database 'd'"),
        ] {
            let error = postgres(&a, "08P01", message);
            assert!(error.message.contains(part), "{message}: {error:?}");
        }
    }
}
