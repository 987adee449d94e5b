//! The database that variables name: one address, or the parts that common frameworks and clients read.
use std::path::Path;

use perfdeck_model::{ApiError, Scheme, Sensitive, TargetRole};

use super::place::{Parts, Place, host_and_port, port};
use super::variables::{Found, Variables, conflict};

type Names = &'static [&'static str];

/// Variables that hold a whole address, the most usual first.
const URLS: Names = &[
    "DATABASE_URL",
    "DB_URL",
    "SQLALCHEMY_DATABASE_URI",
    "SQLALCHEMY_DATABASE_URL",
    "DATABASE_URI",
    "DB_URI",
    "SPRING_DATASOURCE_URL",
    "SPRING_R2DBC_URL",
    "JDBC_DATABASE_URL",
    "JDBC_URL",
    "QUARKUS_DATASOURCE_JDBC_URL",
    "POSTGRES_URL",
    "POSTGRESQL_URL",
    "POSTGRES_URI",
    "PG_URL",
    "MYSQL_URL",
    "MARIADB_URL",
    "DJANGO_DATABASE_URL",
];

/// How a group of variables says what speaks there.
enum Engine {
    Always(&'static str),
    /// By one of these, else by the port.
    Named(Names),
}

/// Variables that say the parts of one address.
struct Group {
    engine: Engine,
    host: Names,
    port: Names,
    database: Names,
    user: Names,
    password: Names,
    /// A Unix socket.
    socket: Names,
    /// The host where the framework or client has one of its own.
    default_host: Option<&'static str>,
    /// Whose passwords and users an address of these variables takes.
    urls: Names,
}

const GROUPS: &[Group] = &[
    // Laravel, and many others.
    Group {
        engine: Engine::Named(&["DB_CONNECTION", "DB_ENGINE", "DB_DRIVER", "DB_ADAPTER", "DB_DIALECT", "DB_TYPE"]),
        host: &["DB_HOST", "DB_HOSTNAME", "DB_SERVER"],
        port: &["DB_PORT"],
        database: &["DB_DATABASE", "DB_NAME"],
        user: &["DB_USERNAME", "DB_USER"],
        password: &["DB_PASSWORD", "DB_PASS"],
        socket: &["DB_SOCKET"],
        default_host: Some("127.0.0.1"),
        urls: &["DATABASE_URL", "DB_URL", "SQLALCHEMY_DATABASE_URI"],
    },
    Group {
        engine: Engine::Named(&[
            "DATABASE_ENGINE",
            "DATABASE_ADAPTER",
            "DATABASE_DRIVER",
            "DATABASE_TYPE",
            "DATABASE_CLIENT",
        ]),
        host: &["DATABASE_HOST", "DATABASE_HOSTNAME", "DATABASE_SERVER"],
        port: &["DATABASE_PORT"],
        database: &["DATABASE_NAME", "DATABASE_DB", "DATABASE_DATABASE"],
        user: &["DATABASE_USER", "DATABASE_USERNAME"],
        password: &["DATABASE_PASSWORD", "DATABASE_PASS"],
        socket: &["DATABASE_SOCKET"],
        default_host: Some("127.0.0.1"),
        urls: &["DATABASE_URL", "DB_URL"],
    },
    // Spring's parts belong to its address.
    Group {
        engine: Engine::Named(&[]),
        host: &[],
        port: &[],
        database: &[],
        user: &["SPRING_DATASOURCE_USERNAME"],
        password: &["SPRING_DATASOURCE_PASSWORD"],
        socket: &[],
        default_host: None,
        urls: &["SPRING_DATASOURCE_URL"],
    },
    Group {
        engine: Engine::Named(&[]),
        host: &[],
        port: &[],
        database: &[],
        user: &["QUARKUS_DATASOURCE_USERNAME", "JDBC_DATABASE_USERNAME", "SPRING_R2DBC_USERNAME"],
        password: &["QUARKUS_DATASOURCE_PASSWORD", "JDBC_DATABASE_PASSWORD", "SPRING_R2DBC_PASSWORD"],
        socket: &[],
        default_host: None,
        urls: &["QUARKUS_DATASOURCE_JDBC_URL", "JDBC_DATABASE_URL", "SPRING_R2DBC_URL"],
    },
    // Django.
    Group {
        engine: Engine::Named(&["SQL_ENGINE"]),
        host: &["SQL_HOST"],
        port: &["SQL_PORT"],
        database: &["SQL_DATABASE", "SQL_NAME", "SQL_DB"],
        user: &["SQL_USER", "SQL_USERNAME"],
        password: &["SQL_PASSWORD"],
        socket: &[],
        default_host: Some("localhost"),
        urls: &[],
    },
    Group {
        engine: Engine::Named(&["DJANGO_DB_ENGINE", "DJANGO_DATABASE_ENGINE"]),
        host: &["DJANGO_DB_HOST", "DJANGO_DATABASE_HOST"],
        port: &["DJANGO_DB_PORT", "DJANGO_DATABASE_PORT"],
        database: &["DJANGO_DB_NAME", "DJANGO_DB_DATABASE", "DJANGO_DATABASE_NAME"],
        user: &["DJANGO_DB_USER", "DJANGO_DB_USERNAME", "DJANGO_DATABASE_USER"],
        password: &["DJANGO_DB_PASSWORD", "DJANGO_DATABASE_PASSWORD"],
        socket: &[],
        default_host: Some("localhost"),
        urls: &["DJANGO_DATABASE_URL"],
    },
    // Rails, in config/database.yml as its guides write it.
    Group {
        engine: Engine::Named(&["RAILS_DB_ADAPTER", "RAILS_DATABASE_ADAPTER"]),
        host: &["RAILS_DB_HOST", "RAILS_DATABASE_HOST"],
        port: &["RAILS_DB_PORT", "RAILS_DATABASE_PORT"],
        database: &["RAILS_DB_NAME", "RAILS_DB_DATABASE", "RAILS_DATABASE_NAME"],
        user: &["RAILS_DB_USERNAME", "RAILS_DB_USER", "RAILS_DATABASE_USERNAME", "RAILS_DATABASE_USER"],
        password: &["RAILS_DB_PASSWORD", "RAILS_DATABASE_PASSWORD"],
        socket: &[],
        default_host: None,
        urls: &[],
    },
    Group {
        engine: Engine::Named(&["TYPEORM_CONNECTION"]),
        host: &["TYPEORM_HOST"],
        port: &["TYPEORM_PORT"],
        database: &["TYPEORM_DATABASE"],
        user: &["TYPEORM_USERNAME"],
        password: &["TYPEORM_PASSWORD"],
        socket: &[],
        default_host: None,
        urls: &[],
    },
    // libpq. Its parameters are in `LIBPQ`.
    Group {
        engine: Engine::Always("postgres"),
        host: &["PGHOST"],
        port: &["PGPORT"],
        database: &["PGDATABASE"],
        user: &["PGUSER"],
        password: &["PGPASSWORD"],
        socket: &[],
        default_host: Some("localhost"),
        urls: &["DATABASE_URL", "POSTGRES_URL", "POSTGRESQL_URL", "PG_URL"],
    },
    // The images of PostgreSQL, MySQL and MariaDB name no host.
    Group {
        engine: Engine::Always("postgres"),
        host: &["POSTGRES_HOST", "POSTGRES_SERVER", "POSTGRES_HOSTNAME", "POSTGRESQL_HOST"],
        port: &["POSTGRES_PORT", "POSTGRESQL_PORT"],
        database: &["POSTGRES_DB", "POSTGRES_DATABASE", "POSTGRES_NAME", "POSTGRESQL_DATABASE"],
        user: &["POSTGRES_USER", "POSTGRES_USERNAME", "POSTGRESQL_USER", "POSTGRESQL_USERNAME"],
        password: &["POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD"],
        socket: &[],
        default_host: None,
        urls: &["POSTGRES_URL", "POSTGRESQL_URL", "POSTGRES_URI"],
    },
    Group {
        engine: Engine::Always("mysql"),
        host: &["MYSQL_HOST", "MYSQL_HOSTNAME", "MYSQLHOST"],
        port: &["MYSQL_PORT", "MYSQL_TCP_PORT", "MYSQLPORT"],
        database: &["MYSQL_DATABASE", "MYSQL_DB", "MYSQLDATABASE"],
        user: &["MYSQL_USER", "MYSQL_USERNAME", "MYSQLUSER"],
        password: &["MYSQL_PASSWORD", "MYSQL_PWD", "MYSQLPASSWORD"],
        socket: &["MYSQL_UNIX_PORT", "MYSQL_SOCKET"],
        default_host: None,
        urls: &["MYSQL_URL"],
    },
    Group {
        engine: Engine::Always("mariadb"),
        host: &["MARIADB_HOST", "MARIADB_HOSTNAME"],
        port: &["MARIADB_PORT", "MARIADB_PORT_NUMBER"],
        database: &["MARIADB_DATABASE", "MARIADB_DB"],
        user: &["MARIADB_USER", "MARIADB_USERNAME"],
        password: &["MARIADB_PASSWORD"],
        socket: &["MARIADB_SOCKET"],
        default_host: None,
        urls: &["MARIADB_URL"],
    },
    Group {
        engine: Engine::Always("mysql"),
        host: &["WORDPRESS_DB_HOST"],
        port: &["WORDPRESS_DB_PORT"],
        database: &["WORDPRESS_DB_NAME"],
        user: &["WORDPRESS_DB_USER"],
        password: &["WORDPRESS_DB_PASSWORD"],
        socket: &[],
        default_host: None,
        urls: &[],
    },
];

/// libpq's variables that are parameters of an address. What Perfdeck does not honour, the reader of addresses refuses.
const LIBPQ: &[(&str, &str)] = &[
    ("PGHOSTADDR", "hostaddr"),
    ("PGSERVICE", "service"),
    ("PGOPTIONS", "options"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLCRL", "sslcrl"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGREQUIRESSL", "requiressl"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGGSSENCMODE", "gssencmode"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
];

/// What a group says, before anything is put together.
struct Said {
    group: &'static Group,
    /// The variable to name in errors.
    from: Found,
    /// Whether it names a database, not only a user, a password or a port.
    names: bool,
    engine: Option<&'static str>,
    host: Option<(Found, String)>,
    port: Option<(Found, u16)>,
    database: Option<Found>,
    user: Option<Found>,
    password: Option<Found>,
    params: Vec<(&'static str, Found)>,
}

/// The database that the variables name. `folder` is where their file is.
///
/// # Errors
/// When a variable is malformed, two name different databases, or one names a database without saying where it is.
pub(super) fn database(variables: &Variables, folder: Option<&Path>) -> Result<Option<Place>, ApiError> {
    let mut url: Option<Place> = None;
    for name in URLS {
        let Some(found) = variables.get(name)? else { continue };
        let mut place = Place::read(found, TargetRole::Database)?;
        if place.address.scheme == Scheme::Sqlite {
            place.address.path = file(&place.from, &place.address.path, folder)?;
        }
        match &mut url {
            None => url = Some(place),
            Some(first) => {
                first.agrees_with(&place)?;
                first.says_all_of(&place)?;
                first.complete(&place);
            }
        }
    }
    let mut groups = Vec::new();
    for group in GROUPS {
        groups.extend(said(variables, group)?);
    }
    let place = if let Some(mut place) = url {
        for said in &groups {
            beside_url(&mut place, said)?;
        }
        Some(place)
    } else {
        let naming: Vec<&Said> = groups.iter().filter(|said| said.names).collect();
        let hosted = naming.iter().any(|said| said.host.is_some());
        let (local, nowhere): (Vec<&Said>, Vec<&Said>) =
            naming.into_iter().partition(|said| said.host.is_some() || said.group.default_host.is_some());
        match (hosted, local.is_empty(), nowhere.first()) {
            (true, ..) => Some(together(&groups.iter().collect::<Vec<_>>(), folder)?),
            (false, false, _) => Some(together(&local, folder)?),
            (false, true, Some(said)) => {
                let host = said.group.host.first().unwrap_or(&"DB_HOST");
                let hint = format!("Add its host ({host}), or DATABASE_URL");
                return Err(said.from.refuse("names a database without saying where it is", hint));
            }
            (false, true, None) => None,
        }
    };
    match place {
        Some(mut place) if place.address.scheme == Scheme::Postgres => {
            guard(&mut place, &groups)?;
            Ok(Some(place))
        }
        other => Ok(other),
    }
}

/// What a group says; `None` when it says nothing.
fn said(variables: &Variables, group: &'static Group) -> Result<Option<Said>, ApiError> {
    // Laravel writes "null" for none.
    let given = |names: Names| -> Result<Option<Found>, ApiError> {
        let null = |f: &Found| matches!(f.value.trim(), "null" | "(null)" | "empty" | "(empty)");
        Ok(variables.one(names)?.filter(|f| !null(f)))
    };
    let (database, user, password) = (given(group.database)?, given(group.user)?, given(group.password)?);
    let (engine, named) = match group.engine {
        Engine::Always(engine) => (Some(engine), None),
        Engine::Named(names) => match given(names)? {
            Some(found) => (Some(engine(&found)?), Some(found)),
            None => (None, None),
        },
    };
    let mut port = match given(group.port)? {
        Some(found) => Some((port(&found)?, found)).map(|(port, found)| (found, port)),
        None => None,
    };
    let mut host = None;
    if let Some(found) = given(group.host)? {
        let (name, at_host) = host_and_port(&found)?;
        match (&port, at_host) {
            (Some((other, given)), Some(at_host)) if *given != at_host => return Err(conflict(&found, other)),
            (None, Some(at_host)) => port = Some((found.clone(), at_host)),
            _ => {}
        }
        host = Some((found, name));
    }
    if let Some(found) = given(group.socket)? {
        let path = found.value.trim().to_owned();
        if !path.starts_with('/') {
            return Err(found.refuse("is not the path of a socket", "Write its full path"));
        }
        host = Some((found, path));
    }
    let mut params = Vec::new();
    if group.host == ["PGHOST"] {
        for (name, parameter) in LIBPQ {
            params.extend(variables.get(name)?.map(|found| (*parameter, found)));
        }
    }
    let engine = engine.or(match &port {
        Some((_, 5432)) => Some("postgres"),
        Some((_, 3306)) => Some("mysql"),
        _ => None,
    });
    let elsewhere = params.iter().find(|(name, _)| matches!(*name, "hostaddr" | "service")).map(|(_, f)| f.clone());
    let naming = host.as_ref().map(|(f, _)| f.clone()).or(elsewhere).or(named).or_else(|| database.clone());
    let names = naming.is_some();
    let more = user.clone().or_else(|| password.clone()).or_else(|| params.first().map(|(_, f)| f.clone()));
    let Some(from) = naming.or(more) else { return Ok(None) };
    Ok(Some(Said { group, from, names, engine, host, port, database, user, password, params }))
}

/// The scheme of a framework's word for an engine.
fn engine(found: &Found) -> Result<&'static str, ApiError> {
    let value = found.value.trim().to_ascii_lowercase();
    // `django.db.backends.postgresql`, `postgresql+asyncpg`.
    let word = value.split('+').next().unwrap_or_default().rsplit('.').next().unwrap_or_default();
    match word {
        "pgsql" | "postgres" | "postgresql" | "postgresql_psycopg2" | "postgis" | "pg" | "psql" | "psycopg2" => {
            Ok("postgres")
        }
        "mysql" | "mysql2" | "trilogy" | "mysqli" => Ok("mysql"),
        "mariadb" => Ok("mariadb"),
        "sqlite" | "sqlite3" | "spatialite" | "better-sqlite3" => Ok("sqlite"),
        _ => Err(found.refuse(
            "names an engine that Perfdeck does not know",
            "It knows PostgreSQL (pgsql, postgresql), MySQL, MariaDB and SQLite",
        )),
    }
}

/// Holds a group against an address: it must not name another database, and gives what the address leaves open.
fn beside_url(place: &mut Place, said: &Said) -> Result<(), ApiError> {
    let belongs = said.group.urls.contains(&place.from.name);
    let postgres = place.address.scheme == Scheme::Postgres;
    let sqlite = place.address.scheme == Scheme::Sqlite;
    let same_engine = said.engine.is_none_or(|engine| match engine {
        "postgres" => postgres,
        "sqlite" => sqlite,
        _ => matches!(place.address.scheme, Scheme::Mysql | Scheme::Mariadb),
    });
    if said.host.is_some() || belongs && matches!(said.group.engine, Engine::Named(_)) {
        if !same_engine {
            return Err(conflict(&place.from, &said.from));
        }
        let scheme = match place.address.scheme {
            Scheme::Mysql => "mysql",
            Scheme::Mariadb => "mariadb",
            Scheme::Sqlite => return Ok(()),
            _ => "postgres",
        };
        let parts = parts(said, scheme);
        let other = Place::parse(said.from.clone(), &parts.text(), TargetRole::Database, said.host.is_some())?;
        place.agrees_with(&other)?;
        place.complete(&other);
    } else if belongs && same_engine && !sqlite {
        // libpq and the images' own clients take these for an address that has none. Whoever says another user
        // (POSTGRES_USER is the administrator of the image) says nothing about this one's password.
        let other_user = match (&place.address.username, &said.user) {
            (Some(a), Some(b)) => *a != b.value,
            _ => false,
        };
        if !other_user && place.password.is_none() {
            place.password = said.password.as_ref().map(|p| Sensitive::new(p.value.clone()));
            if place.address.username.is_none() {
                place.address.username = said.user.as_ref().map(|u| u.value.clone());
            }
        }
    }
    Ok(())
}

/// Takes over how libpq's variables guard a connection: without them it would be less guarded than the application's.
fn guard(place: &mut Place, groups: &[Said]) -> Result<(), ApiError> {
    let mut text = place.address.url();
    let given = |text: &str, name: &str| text.split(['?', '&']).skip(1).any(|p| p.split('=').next() == Some(name));
    let mut from = None;
    for (name, found) in groups.iter().flat_map(|said| &said.params) {
        if !matches!(*name, "sslmode" | "sslrootcert") || given(&text, name) || given(&place.from.value, name) {
            continue;
        }
        let sign = if text.contains('?') { '&' } else { '?' };
        let value: String = found.value.trim().bytes().map(|b| format!("%{b:02X}")).collect();
        text.push_str(&format!("{sign}{name}={value}"));
        from.get_or_insert_with(|| found.clone());
    }
    if let Some(from) = from {
        place.address = Place::parse(from, &text, TargetRole::Database, true)?.address;
    }
    Ok(())
}

fn value(found: Option<&Found>) -> Option<String> {
    found.map(|f| f.value.clone())
}

fn parts(said: &Said, scheme: &'static str) -> Parts {
    let host = said.host.as_ref().map(|(_, host)| host.clone());
    Parts {
        scheme,
        host: host.unwrap_or_else(|| said.group.default_host.unwrap_or("localhost").to_owned()),
        port: said.port.as_ref().map(|(_, port)| *port),
        user: value(said.user.as_ref()),
        password: value(said.password.as_ref()),
        path: value(said.database.as_ref()).unwrap_or_default(),
        params: said.params.iter().map(|(name, found)| (*name, found.value.trim().to_owned())).collect(),
    }
}

/// One database from groups; those with a host must agree, and the others fill what is missing.
fn together(groups: &[&Said], folder: Option<&Path>) -> Result<Place, ApiError> {
    let with_host = groups.iter().any(|said| said.host.is_some());
    let leading: Vec<&Said> = groups.iter().filter(|said| !with_host || said.host.is_some()).copied().collect();
    // The variables of an image say the engine where the application's own leave it open.
    let mut engines = leading.iter().chain(groups.iter().filter(|said| said.names));
    let engine = engines.find_map(|said| said.engine);
    let Some(first) = leading.first() else { return Err(ApiError::internal("No variables were found")) };
    let Some(scheme) = engine else {
        return Err(first.from.refuse(
            "does not say which engine it is",
            "Add DB_CONNECTION=pgsql, mysql, mariadb or sqlite, or write DATABASE_URL",
        ));
    };
    if first.engine == Some("sqlite") {
        return sqlite(first, folder);
    }
    let mut place: Option<Place> = None;
    for said in &leading {
        let scheme = said.engine.unwrap_or(scheme);
        if scheme == "sqlite" {
            return Err(conflict(&first.from, &said.from));
        }
        let text = parts(said, scheme).text();
        let other = Place::parse(said.from.clone(), &text, TargetRole::Database, said.host.is_some())?;
        match &mut place {
            None => place = Some(other),
            Some(place) => {
                place.agrees_with(&other)?;
                place.complete(&other);
            }
        }
    }
    let mut place = place.ok_or_else(|| ApiError::internal("No variables were found"))?;
    let same = |engine: &str| match place.address.scheme {
        Scheme::Postgres => engine == "postgres",
        _ => engine == "mysql" || engine == "mariadb",
    };
    let images: Vec<&Said> = groups
        .iter()
        .filter(|said| with_host && said.host.is_none() && said.engine.is_some_and(same))
        .copied()
        .collect();
    for said in images {
        let own = place.address.username.clone();
        let other_user = own.is_some() && said.user.as_ref().map(|u| &u.value) != own.as_ref();
        if place.address.path.is_empty() {
            place.address.path = value(said.database.as_ref()).unwrap_or_default();
        }
        if own.is_none() {
            place.address.username = value(said.user.as_ref());
        }
        if place.password.is_none() && !other_user {
            place.password = said.password.as_ref().map(|p| Sensitive::new(p.value.clone()));
        }
    }
    Ok(place)
}

/// A SQLite file, in the folder of the application.
fn sqlite(said: &Said, folder: Option<&Path>) -> Result<Place, ApiError> {
    let given = said.database.as_ref().map_or("database/database.sqlite", |f| f.value.trim());
    let from = said.database.as_ref().unwrap_or(&said.from);
    if given == ":memory:" {
        return Err(from.refuse("names a database in the application's memory", "Only a file can be measured"));
    }
    let path = file(from, given, folder)?;
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"/._-~".contains(&b);
    let path: String =
        path.bytes().map(|b| if kept(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
    Place::parse(from.clone(), &format!("sqlite:{path}"), TargetRole::Database, true)
}

/// A file's full path: applications write it from their own folder.
fn file(from: &Found, path: &str, folder: Option<&Path>) -> Result<String, ApiError> {
    match (Path::new(path).is_absolute(), folder) {
        (true, _) => Ok(path.to_owned()),
        (false, Some(folder)) => Ok(folder.join(path).to_string_lossy().into_owned()),
        (false, None) => Err(from.refuse("names a file in the application's folder", "Write the file's full path")),
    }
}
