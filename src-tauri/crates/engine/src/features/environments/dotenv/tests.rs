//! Whole files: what becomes of the names of frameworks, what is refused, and that no value shows.
use perfdeck_model::{Kind, SecretInput};

use super::*;

const CANARY: &str = "Canary7Secret";

fn draft_of(text: &str) -> EnvironmentDraft {
    draft_from_dotenv(text.as_bytes(), None).unwrap_or_else(|e| panic!("{text}\n{e:?}")).draft
}

fn refusal(text: &str) -> ApiError {
    let error = draft_from_dotenv(text.as_bytes(), None).err().unwrap_or_else(|| panic!("{text}\nis refused"));
    let shown = format!("{error:?}");
    assert!(!shown.contains(CANARY) && !shown.contains("nary7"), "no text of the file is in {shown}");
    assert!(error.hint.is_some(), "and it says what to do: {shown}");
    error
}

/// Host, port, database, user and password as a driver would get them.
fn database(text: &str) -> String {
    let targets = draft_of(text).targets;
    whole(targets.database.unwrap_or_else(|| panic!("{text}\nnames a database")), &targets.database_password)
}

fn cache(text: &str) -> String {
    let targets = draft_of(text).targets;
    whole(targets.cache.unwrap_or_else(|| panic!("{text}\nnames a cache")), &targets.cache_password)
}

fn whole(url: String, secret: &SecretInput) -> String {
    assert!(!url.contains(CANARY), "the password is beside the address: {url}");
    let (address, inside) = perfdeck_model::Address::parse(&url).expect("it reads back");
    assert!(inside.is_none(), "the password is beside the address: {url}");
    let user = address.username.clone().unwrap_or_default();
    let password = match secret {
        SecretInput::Set { value } => value.clone(),
        _ => String::new(),
    };
    let product = address.scheme.product();
    format!("{product} {user}:{password} {}", address.short())
}

#[test]
fn the_names_of_frameworks_name_the_same_database() {
    let right = format!("PostgreSQL app:{CANARY} db.local:6543/shop");
    for text in [
        "DATABASE_URL=postgres://app:S@db.local:6543/shop",
        "DATABASE_URL=\nDB_URL=postgresql://app:S@db.local:6543/shop",
        "DATABASE_URL=\"\"\nDB_URL=''\nSQLALCHEMY_DATABASE_URI=postgresql+psycopg2://app:S@db.local:6543/shop",
        "DB_CONNECTION=pgsql\nDB_HOST=db.local\nDB_PORT=6543\nDB_DATABASE=shop\nDB_USERNAME=app\nDB_PASSWORD=S",
        "DB_CONNECTION=pgsql\nDB_HOST=db.local:6543\nDB_NAME=shop\nDB_USER=app\nDB_PASS=S",
        "PGHOST=db.local\nPGPORT=6543\nPGDATABASE=shop\nPGUSER=app\nPGPASSWORD=S",
        "POSTGRES_HOST=db.local\nPOSTGRES_PORT=6543\nPOSTGRES_DB=shop\nPOSTGRES_USER=app\nPOSTGRES_PASSWORD=S",
        "POSTGRES_SERVER=db.local\nPOSTGRES_PORT=6543\nPOSTGRES_DB=shop\nPOSTGRES_USER=app\nPOSTGRES_PASSWORD=S",
        "SQL_ENGINE=django.db.backends.postgresql\nSQL_HOST=db.local\nSQL_PORT=6543\nSQL_DATABASE=shop\nSQL_USER=app\nSQL_PASSWORD=S",
        "DJANGO_DB_ENGINE=django.contrib.gis.db.backends.postgis\nDJANGO_DB_HOST=db.local\nDJANGO_DB_PORT=6543\nDJANGO_DB_NAME=shop\nDJANGO_DB_USER=app\nDJANGO_DB_PASSWORD=S",
        "DATABASE_ADAPTER=postgresql\nDATABASE_HOST=db.local\nDATABASE_PORT=6543\nDATABASE_NAME=shop\nDATABASE_USERNAME=app\nDATABASE_PASSWORD=S",
        "SPRING_DATASOURCE_URL=jdbc:postgresql://db.local:6543/shop\nSPRING_DATASOURCE_USERNAME=app\nSPRING_DATASOURCE_PASSWORD=S",
        "SPRING_DATASOURCE_URL=jdbc:postgresql://db.local:6543/shop?user=app&password=S",
        "PGUSER=app\nDATABASE_URL=postgres://${PGUSER}:S@${H:-db.local}:6543/shop",
        "DATABASE_URL=postgres://app@db.local:6543/shop\nPGPASSWORD=S",
        "DATABASE_URL=postgres://db.local:6543/shop\nDB_USERNAME=app\nDB_PASSWORD=S",
        "DB_HOST=db.local\nDB_PORT=6543\nPOSTGRES_DB=shop\nPOSTGRES_USER=app\nPOSTGRES_PASSWORD=S",
        "DATABASE_URL=postgres://app:S@db.local:6543/shop\nPOSTGRES_USER=postgres\nPOSTGRES_PASSWORD=other\nPOSTGRES_DB=postgres",
        "DATABASE_URL=postgres://app:S@db.local:6543/shop\nPGHOST=DB.local\nPGPORT=6543\nPGUSER=app",
        "DATABASE_URL=postgres://app:S@db.local:6543/shop\nDB_URL=postgresql://app:S@db.local:6543/shop",
        "\u{feff}DATABASE_URL=postgres://app:S@db.local:6543/shop\r\nOTHER=1\r\n",
        "export\tDATABASE_URL='postgres://app:S@db.local:6543/shop'",
        "JSON=\"a\":\"b\"\nG='I'\"'\"'m'\nQ=\"a\\\"b\"\nT=`x`\nDATABASE_URL=postgres://app:S@db.local:6543/shop",
    ] {
        assert_eq!(
            database(&text.replace("=S", &format!("={CANARY}")).replace(":S@", &format!(":{CANARY}@"))),
            right,
            "{text}"
        );
    }
}

#[test]
fn mysql_mariadb_sqlite_and_defaults_are_read() {
    for (text, right) in [
        (
            "DB_CONNECTION=mysql\nDB_HOST=127.0.0.1\nDB_PORT=3306\nDB_DATABASE=laravel\nDB_USERNAME=root\nDB_PASSWORD=",
            "MySQL root: 127.0.0.1:3306/laravel",
        ),
        (
            "DB_CONNECTION=mariadb\nDB_DATABASE=laravel\nDB_USERNAME=root\nDB_PASSWORD=null",
            "MariaDB root: 127.0.0.1:3306/laravel",
        ),
        ("DB_HOST=db\nDB_PORT=3306\nDB_NAME=wp\nDB_USER=wp", "MySQL wp: db:3306/wp"),
        ("MYSQL_HOST=db\nMYSQL_DATABASE=a\nMYSQL_USER=b\nMYSQL_PASSWORD=c", "MySQL b:c db:3306/a"),
        ("MARIADB_HOST=db\nMARIADB_DATABASE=a\nMARIADB_USER=b\nMARIADB_PASSWORD=c", "MariaDB b:c db:3306/a"),
        (
            "WORDPRESS_DB_HOST=db:3307\nWORDPRESS_DB_NAME=a\nWORDPRESS_DB_USER=b\nWORDPRESS_DB_PASSWORD=c",
            "MySQL b:c db:3307/a",
        ),
        (
            "SPRING_DATASOURCE_URL=jdbc:mysql://db:3307/a\nSPRING_DATASOURCE_USERNAME=b\nSPRING_DATASOURCE_PASSWORD=c",
            "MySQL b:c db:3307/a",
        ),
        ("SPRING_DATASOURCE_URL=jdbc:mariadb://db/a", "MariaDB : db:3306/a"),
        (
            "DB_CONNECTION=sqlite\nDB_HOST=127.0.0.1\nDB_DATABASE=\"/srv/app/my db#1.sqlite\"",
            "SQLite : /srv/app/my db#1.sqlite",
        ),
        ("PGDATABASE=shop\nPGUSER=me", "PostgreSQL me: localhost:5432/shop"),
        ("PGHOST=/var/run/postgresql\nPGDATABASE=shop\nPGUSER=me", "PostgreSQL me: /var/run/postgresql:5432/shop"),
        ("PGHOST=::1\nPGDATABASE=shop", "PostgreSQL : [::1]:5432/shop"),
        (
            "DB_CONNECTION=pgsql\nDB_HOST=h\nDB_DATABASE=\"a b/c?d\"\nDB_USERNAME=\"u:1\"\nDB_PASSWORD='p@:/?# w'",
            "PostgreSQL u:1:p@:/?# w h:5432/a b/c?d",
        ),
        ("DB_HOST=h\nDB_PORT=tcp://10.0.0.1:5432\nDB_NAME=a", "PostgreSQL : h:5432/a"),
    ] {
        assert_eq!(database(text), right, "{text}");
    }
    let folder = std::env::temp_dir();
    for text in ["DB_CONNECTION=sqlite", "DB_CONNECTION=sqlite\nDB_DATABASE=database/database.sqlite"] {
        let draft =
            draft_from_dotenv(text.as_bytes(), Some(&folder.join(".env"))).expect("Laravel's default file").draft;
        let right = folder.join("database/database.sqlite").display().to_string();
        let (address, _) =
            perfdeck_model::Address::parse(&draft.targets.database.expect("a file")).expect("reads back");
        assert_eq!(address.path, right, "a relative file is from the folder of the .env file: {text}");
        assert!(refusal(text).message.contains("file in the application's folder"), "and unknown without it");
    }
}

#[test]
fn caches_are_read() {
    for (text, right) in [
        ("REDIS_URL=redis://:S@c:6380/3", "Redis :S c:6380/3"),
        ("REDIS_URL=\nCACHE_URL=redis://c/1", "Redis : c:6379/1"),
        ("REDIS_HOST=c\nREDIS_PASSWORD=null\nREDIS_PORT=6379", "Redis : c:6379"),
        ("REDIS_HOST=c\nREDIS_PASSWORD=S\nREDIS_PORT=6380\nREDIS_DB=3", "Redis :S c:6380/3"),
        ("REDIS_HOST=c\nREDIS_USERNAME=u\nREDIS_PASSWORD='a@:/ b'", "Redis u:a@:/ b c:6379"),
        (
            "SPRING_DATA_REDIS_HOST=c\nSPRING_DATA_REDIS_PORT=6380\nSPRING_DATA_REDIS_PASSWORD=S\nSPRING_DATA_REDIS_DATABASE=3",
            "Redis :S c:6380/3",
        ),
        ("SPRING_REDIS_HOST=c\nSPRING_REDIS_PASSWORD=S", "Redis :S c:6379"),
        ("SPRING_DATA_REDIS_URL=redis://c:6380\nSPRING_DATA_REDIS_PASSWORD=S", "Redis :S c:6380"),
        ("REDIS_URL=redis://c:6379/0\nREDIS_HOST=c\nREDIS_PORT=6379\nREDIS_PASSWORD=S", "Redis :S c:6379/0"),
        ("VALKEY_HOST=c\nVALKEY_PORT=7000", "Redis : c:7000"),
        ("SPRING_DATA_REDIS_CLUSTER_NODES=a:7000,b:7001", "Redis : a:7000,b:7001"),
        (
            "SPRING_DATA_REDIS_SENTINEL_NODES=a:26379,b\nSPRING_DATA_REDIS_SENTINEL_MASTER=mymaster",
            "Redis : a:26379,b:26379",
        ),
    ] {
        assert_eq!(cache(text), right, "{text}");
    }
    let url = |text: &str| draft_of(text).targets.cache.expect("a cache");
    for secure in [
        "REDIS_HOST=tls://c",
        "REDIS_HOST=c\nREDIS_SCHEME=tls",
        "REDIS_HOST=c\nREDIS_TLS=true",
        "SPRING_DATA_REDIS_HOST=c\nSPRING_DATA_REDIS_SSL_ENABLED=true",
    ] {
        assert!(url(secure).starts_with("rediss://c"), "TLS is kept: {secure}");
    }
    assert!(url("REDIS_SENTINELS=a:26379\nREDIS_SENTINEL_MASTER=m").contains("master=m"), "the primary's name");
}

#[test]
fn two_names_with_different_values_are_refused_by_their_names() {
    for (text, a, b) in [
        (
            "DATABASE_URL=postgres://u:Canary7Secret@a/x\nDB_URL=postgres://u:Canary7Secret@b/x",
            "DATABASE_URL (line 1)",
            "DB_URL (line 2)",
        ),
        (
            "DATABASE_URL=postgres://a/x\n\nDB_URL=postgres://a/Canary7Secret",
            "DATABASE_URL (line 1)",
            "DB_URL (line 3)",
        ),
        ("DATABASE_URL=postgres://a/x\nDB_HOST=Canary7Secret", "DATABASE_URL (line 1)", "DB_HOST (line 2)"),
        ("DATABASE_URL=postgres://a/x\nDB_CONNECTION=mysql\nDB_HOST=a", "DATABASE_URL", "DB_HOST"),
        ("DATABASE_URL=postgres://a/x\nPGHOST=b", "DATABASE_URL", "PGHOST"),
        ("PGHOST=a\nPGDATABASE=x\nPOSTGRES_HOST=b\nPOSTGRES_DB=x", "PGHOST", "POSTGRES_HOST"),
        (
            "SPRING_DATASOURCE_URL=jdbc:postgresql://a/x?user=one\nSPRING_DATASOURCE_USERNAME=Canary7Secret",
            "SPRING_DATASOURCE_URL",
            "SPRING_DATASOURCE_USERNAME",
        ),
        ("DB_CONNECTION=pgsql\nDB_HOST=a\nDB_USER=one\nDB_USERNAME=two", "DB_USER", "DB_USERNAME"),
        ("DB_CONNECTION=pgsql\nDB_HOST=a:1\nDB_PORT=2", "DB_HOST", "DB_PORT"),
        ("REDIS_URL=redis://a\nREDIS_HOST=b", "REDIS_URL", "REDIS_HOST"),
        ("REDIS_URL=redis://a/0\nCACHE_URL=redis://a/1", "REDIS_URL", "CACHE_URL"),
        ("REDIS_URL=redis://:one@a\nREDIS_PASSWORD=Canary7Secret", "REDIS_URL", "REDIS_PASSWORD"),
        ("API_BASE_URL=http://a\nAPI_URL=http://b", "API_BASE_URL", "API_URL"),
    ] {
        let error = refusal(text);
        assert!(error.message.contains(a) && error.message.contains(b), "{text}: {}", error.message);
    }
}

#[test]
fn what_cannot_be_read_names_variable_and_line_and_shows_nothing() {
    for (text, part) in [
        ("A=1\nDATABASE_URL=\"postgres://u:Canary7Secret@h/d", "Line 2 "),
        ("DATABASE_URL=postgres://u:Canary7Secret@h/\napp", "Line 2 "),
        ("DATABASE_URL=\"postgres://u:Canary7Secret@h/\napp\"", "DATABASE_URL (line 1) holds a line break"),
        ("A=1\nDATABASE_URL=postgres://u:Canary7Secret#x@h/d", "DATABASE_URL (line 2)"),
        ("DATABASE_URL=postgres://u:Canary7Secret$x@h/d", "DATABASE_URL (line 1)"),
        ("REDIS_HOST=h\nREDIS_PASSWORD=\"Canary7\\\"Secret\"", "REDIS_PASSWORD (line 2) cannot be read: a backslash"),
        ("REDIS_HOST=h\nREDIS_PASSWORD=\"Canary7\\\\Secret\"", "REDIS_PASSWORD (line 2) cannot be read: a backslash"),
        ("REDIS_HOST=h\nREDIS_PASSWORD=\"Canary7\\nSecret\"", "REDIS_PASSWORD (line 2) holds a line break"),
        (
            "REDIS_HOST=h\nREDIS_PASSWORD=`Canary7Secret`",
            "REDIS_PASSWORD (line 2) cannot be read: a value in backticks",
        ),
        (
            "REDIS_HOST=h\nREDIS_PASSWORD= # Canary7Secret",
            "REDIS_PASSWORD (line 2) cannot be read: nothing but a comment",
        ),
        ("REDIS_URL: redis://:Canary7Secret@h", "REDIS_URL (line 1) cannot be read: a : instead of a ="),
        ("REDIS_URL=\"redis://:Canary7Secret@h\"x", "REDIS_URL (line 1) cannot be read: text follows"),
        ("DATABASE_URL=postgres://${PGUSER}:Canary7Secret@h/d", "DATABASE_URL (line 1)"),
        ("DATABASE_URL=postgres://u:Canary7Secret@h:port/d", "DATABASE_URL (line 1)"),
        ("DATABASE_URL=mongodb://u:Canary7Secret@h/d", "DATABASE_URL (line 1)"),
        ("DATABASE_URL=redis://:Canary7Secret@h", "DATABASE_URL (line 1) is an address of Redis"),
        ("REDIS_URL=postgres://u:Canary7Secret@h/d", "REDIS_URL (line 1) is an address of PostgreSQL"),
        ("SPRING_DATASOURCE_URL=jdbc:h2:mem:Canary7Secret", "SPRING_DATASOURCE_URL (line 1)"),
        ("SPRING_DATASOURCE_URL=jdbc:oracle:thin:u/Canary7Secret@h:1521:x", "SPRING_DATASOURCE_URL (line 1)"),
        ("DB_CONNECTION=Canary7Secret\nDB_HOST=h", "DB_CONNECTION (line 1)"),
        ("DB_HOST=h\nDB_DATABASE=Canary7Secret", "DB_HOST (line 1) does not say which engine"),
        ("DB_CONNECTION=pgsql\nDB_HOST=http://Canary7Secret/", "DB_HOST (line 2) is not a host"),
        ("DB_CONNECTION=pgsql\nDB_HOST=h\nDB_PORT=Canary7Secret", "DB_PORT (line 3) is not a port"),
        ("DB_CONNECTION=pgsql\nDB_HOST=h\nDB_PORT=70000", "DB_PORT (line 3) is not a port"),
        (
            "POSTGRES_DB=shop\nPOSTGRES_USER=u\nPOSTGRES_PASSWORD=Canary7Secret",
            "POSTGRES_DB (line 1) names a database without",
        ),
        ("MYSQL_DATABASE=Canary7Secret", "MYSQL_DATABASE (line 1) names a database without"),
        ("REDIS_HOST=c\nREDIS_DB=Canary7Secret", "REDIS_DB (line 2)"),
        ("REDIS_HOST=c\nREDIS_TLS=Canary7Secret", "REDIS_TLS (line 2)"),
        ("REDIS_SENTINELS=a:26379,b:26379", "REDIS_SENTINELS (line 1) lists Sentinels"),
        ("API_URL=ftp://Canary7Secret", "API_URL (line 1)"),
        ("API_URL=http://h\nDB_POOL_SIZE=Canary7Secret", "DB_POOL_SIZE (line 2)"),
        ("API_URL=http://h\nDB_POOL_SIZE=7.9", "DB_POOL_SIZE (line 2)"),
        ("API_URL=http://h\nDB_POOL_SIZE=0", "DB_POOL_SIZE (line 2)"),
        ("API_URL=http://h\nDB_MAX_OVERFLOW=-1", "DB_MAX_OVERFLOW (line 2)"),
        ("API_URL=http://h\nDB_POOL_TIMEOUT=NaN", "DB_POOL_TIMEOUT (line 2)"),
        ("API_URL=http://h\nDB_POOL_RECYCLE=-1", "DB_POOL_RECYCLE (line 2)"),
        ("API_URL=http://h\nDB_POOL_TIMEOUT=1e400", "DB_POOL_TIMEOUT (line 2)"),
        ("API_URL=http://h\nCACHE_DEFAULT_TTL=Canary7Secret", "CACHE_DEFAULT_TTL (line 2)"),
        ("API_URL=http://h\nCACHE_DEFAULT_TTL=1h", "CACHE_DEFAULT_TTL (line 2)"),
        ("DB_PASSWORD=Canary7Secret\nX=y", "No target is named"),
    ] {
        let error = refusal(text);
        assert!(error.message.contains(part), "{text}\n'{}' should say '{part}'", error.message);
    }
}

#[test]
fn values_that_nobody_asks_for_disturb_nobody() {
    let text = "APP_KEY=base64:a#b\nPATH_TO=C:\\x\nPRICE=$5\nMAIL='it\\'s'\nKEY=\"-----BEGIN\nabc\n-----END\"\nREDIS_URL=redis://c";
    assert_eq!(cache(text), "Redis : c:6379", "mistakes of other variables stay theirs");
}

#[test]
fn what_only_the_application_reads_is_left_out_with_a_note() {
    for (text, address, note) in [
        (
            "A=1\nDATABASE_URL=postgres://app:S@h/d?pool=5&schema=shop&pgbouncer=true",
            "postgres://app@h:5432/d?options=-c%20search_path%3Dshop",
            "DATABASE_URL (line 2): left out: pool, pgbouncer (the application's own)",
        ),
        (
            "DB_URL=u:S@tcp(h:3306)/d?parseTime=true",
            "mysql://u@h:3306/d",
            "DB_URL (line 1): left out: parseTime (the application's own)",
        ),
    ] {
        let text = text.replace(":S@", &format!(":{CANARY}@"));
        let read = draft_from_own_dotenv(text.as_bytes(), Path::new("/x/.env")).expect("readable");
        assert_eq!(read.draft.targets.database.as_deref(), Some(address), "{text}");
        assert_eq!(read.notes, [note], "{text}");
    }
    assert!(refusal("DATABASE_URL=postgres://h/d?readOnly=true").message.contains("readOnly"), "the rest is refused");
}

#[test]
fn each_address_has_its_own_note() {
    let text = "DATABASE_URL=postgres://app@h/d?pool=5\nDB_URL=postgres://h/d?pgbouncer=true\nPOSTGRES_URL=postgres://h/d\n\
                REDIS_URL=redis://c?pool_size=5\nCACHE_URL=redis://c/0?max_connections=9";
    let read = draft_from_own_dotenv(text.as_bytes(), Path::new("/x/.env")).expect("readable");
    let right = [
        "DATABASE_URL (line 1): left out: pool (the application's own)",
        "DB_URL (line 2): left out: pgbouncer (the application's own)",
        "REDIS_URL (line 4): left out: pool_size (the application's own)",
        "CACHE_URL (line 5): left out: max_connections (the application's own)",
    ];
    assert_eq!(read.notes, right, "of every variable that had something");
}

#[test]
fn a_parameter_that_only_the_second_of_two_addresses_has_is_not_dropped() {
    for (text, names) in [
        (
            "DATABASE_URL=postgres://h/d\nDB_URL=postgres://h/d?sslmode=require",
            ["DATABASE_URL (line 1)", "DB_URL (line 2)"],
        ),
        (
            "DATABASE_URL=postgres://h/d\nDB_URL=postgres://h/d?schema=shop",
            ["DATABASE_URL (line 1)", "DB_URL (line 2)"],
        ),
        ("DATABASE_URL=postgres://h/d?schema=a\nDB_URL=postgres://h/d?schema=b", ["line 1", "line 2"]),
        ("REDIS_URL=redis://c\nCACHE_URL=rediss://c", ["REDIS_URL (line 1)", "CACHE_URL (line 2)"]),
    ] {
        let message = refusal(text).message;
        assert!(message.contains("say different things"), "{text}: {message}");
        assert!(names.iter().all(|n| message.contains(n)), "{text}: names both: {message}");
    }
    let same = "DATABASE_URL=postgres://u@h/d?sslmode=require&schema=shop\nDB_URL=postgres://h/d?sslmode=require\nPG_URL=postgres://h/d";
    assert!(database(same).contains("h:5432"), "one that says less takes nothing away");
}

#[test]
fn libpq_guards_are_kept() {
    let url = |text: &str| draft_of(text).targets.database.expect("a database");
    for text in [
        "PGHOST=h\nPGDATABASE=d\nPGSSLMODE=verify-full",
        "DATABASE_URL=postgres://h/d\nPGSSLMODE=verify-full",
        "POSTGRES_HOST=h\nPOSTGRES_DB=d\nPGSSLMODE=verify-full",
        "DATABASE_URL=postgres://h/d?sslmode=verify-full\nPGSSLMODE=disable",
    ] {
        assert!(url(text).contains("sslmode=verify-full"), "{text}: {}", url(text));
    }
    assert!(
        refusal("DATABASE_URL=postgres://h/d\nPGSSLMODE=Canary7Secret").message.starts_with("PGSSLMODE (line 2)"),
        "by its name"
    );
}

#[test]
fn settings_and_kinds_come_with_the_targets() {
    let d = draft_of(
        "# app\nexport DATABASE_URL=\"postgresql+asyncpg://a:b@db/app\"\nREDIS_URL=redis://c:6379/1 # cache\nDB_POOL_SIZE=20\nDB_MAX_OVERFLOW=10\nDB_POOL_TIMEOUT=1.5\nCACHE_DEFAULT_TTL=90\nENVIRONMENT='production'\nOTHER=1",
    );
    let pool = d.pool.expect("pool settings");
    assert_eq!((pool.size, pool.max_overflow, pool.timeout_s), (20, 10, 1.5), "pool settings keep their meaning");
    assert_eq!(d.targets.cache_default_ttl_s, Some(90.0), "and so does the expiry");
    assert_eq!((d.kind, d.name.as_str()), (Kind::Production, "production"), "the kind is read");
    assert_eq!(draft_of("API_URL=http://h\nRAILS_ENV=production").kind, Kind::Production, "with Rails' variable too");
    assert_eq!(draft_of("API_URL=http://h\nENVIRONMENT=prd").kind, Kind::Production, "and in short");
    let named = draft_from_dotenv(b"API_URL=http://h", Some(Path::new(".env.production"))).expect("readable").draft;
    assert_eq!(named.kind, Kind::Production, "the file's name says it");
    let vars = [("API_BASE_URL".to_owned(), "http://h/".to_owned()), ("ENV".to_owned(), "/etc/shrc".to_owned())];
    let d = draft_from_variables(vars).expect("readable").draft;
    assert_eq!((d.targets.api.as_deref(), d.kind), (Some("http://h/"), Kind::Development), "of the process");
    assert_eq!(
        draft_of("API_URL=/api\nBASE_URL=https://h").targets.api.as_deref(),
        Some("https://h"),
        "a path is none"
    );
}

#[test]
fn a_stranger_cannot_read_variables_of_this_process() {
    let text = "REDIS_URL=redis://${PATH:-nothing}";
    let own = draft_from_own_dotenv(b"API_URL=http://h/${CARGO_PKG_NAME}", Path::new("/x/.env"))
        .expect("defined by cargo")
        .draft;
    assert_eq!(own.targets.api.as_deref(), Some("http://h/perfdeck-engine"), "the owner's own file may");
    assert_eq!(cache(text), "Redis : nothing:6379", "a text from elsewhere may not");
}
