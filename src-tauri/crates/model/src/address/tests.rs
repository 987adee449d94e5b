//! The table of cases: what each form of each engine means, and what is refused without a word of it.
use proptest::prelude::*;

use super::*;
use crate::Sensitive;

/// Stands where a secret may stand; no error, no shown address may hold it.
const SECRET: &str = "c4naryWord";

fn read(text: &str) -> Pasted {
    Address::read(text).unwrap_or_else(|e| panic!("{text}: {e} ({})", e.hint))
}

fn parse(text: &str) -> (Address, Option<String>) {
    let pasted = read(text);
    (pasted.address, pasted.password.map(|p| p.expose().to_owned()))
}

/// `scheme|host:port,…|path|user|password|tls|params`, for short cases.
fn line(text: &str) -> String {
    let (a, p) = parse(text);
    let again = read(&a.url());
    assert_eq!(again.address, a, "{text} reads back from {}", a.url());
    let hosts: Vec<String> = a.hosts.iter().map(ToString::to_string).collect();
    let params: Vec<String> = a.params.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!(
        "{:?}|{}|{}|{}|{}|{:?}|{}",
        a.scheme,
        hosts.join(","),
        a.path,
        a.username.unwrap_or_default(),
        p.unwrap_or_default(),
        a.tls,
        params.join("&")
    )
}

fn cases(all: &[(&str, &str)]) {
    for (text, wanted) in all {
        assert_eq!(line(text), *wanted, "{text}");
    }
}

/// Each is refused; the message has the word, and neither message nor hint has the secret.
fn refusals(all: &[(&str, &str)]) {
    for (text, word) in all {
        let text = text.replace("SECRET", SECRET);
        let Err(e) = Address::read(&text) else { panic!("{text} is accepted: {:?}", Address::read(&text)) };
        assert!(e.message.contains(word), "{text}: '{}' should say '{word}'", e.message);
        assert!(!e.hint.is_empty(), "{text}: a hint says what would be right");
        let told = format!("{} {}", e.message, e.hint);
        for part in [SECRET, "c4nary", "aryWord"] {
            assert!(!told.contains(part), "{text}: the error repeats what was entered: {told}");
        }
    }
}

#[test]
fn postgres_addresses_mean_what_they_mean_to_libpq() {
    cases(&[
        ("postgres://u:p@h/?dbname=OTHER", "Postgres|h:5432|OTHER|u|p|Prefer|"),
        ("postgres://u:p@h/app?dbname=OTHER", "Postgres|h:5432|OTHER|u|p|Prefer|"),
        ("postgres:///app?host=127.0.0.1&port=5499&user=u&password=p", "Postgres|127.0.0.1:5499|app|u|p|Prefer|"),
        ("postgres://u:p@/db?host=/sock&port=5499", "Postgres|/sock:5499|db|u|p|Prefer|"),
        ("postgres://u:p@/db?port=5499&host=/sock", "Postgres|/sock:5499|db|u|p|Prefer|"),
        ("postgres://u@%2Fvar%2Frun%2Fpostgresql:5499/db", "Postgres|/var/run/postgresql:5499|db|u||Prefer|"),
        (
            "postgres://me@localhost:5433/db?host=/var/run/postgresql",
            "Postgres|/var/run/postgresql:5433|db|me||Prefer|",
        ),
        (
            "postgres://u@h/app?options=-c%20search_path%3Dshop",
            "Postgres|h:5432|app|u||Prefer|options=-c search_path=shop",
        ),
        (
            "postgres://u@h/app?options=--work_mem%3D8MB%20-cjit%3Doff",
            "Postgres|h:5432|app|u||Prefer|options=-c work_mem=8MB -c jit=off",
        ),
        ("postgres://u@h/app?options=-c%20a.b%3Dx%5C%20y", r"Postgres|h:5432|app|u||Prefer|options=-c a.b=x\ y"),
        ("postgres://u@h/app?schema=shop", "Postgres|h:5432|app|u||Prefer|options=-c search_path=shop"),
        ("postgres://h/app?sslmode=verify-ca", "Postgres|h:5432|app|||VerifyCa|"),
        (
            "postgres://h/app?sslmode=require&sslrootcert=/a%20b.crt",
            "Postgres|h:5432|app|||VerifyCa|sslrootcert=/a b.crt",
        ),
        ("postgres://h/app?sslrootcert=system", "Postgres|h:5432|app|||Verify|"),
        (
            "postgres://h/app?sslmode=verify-full&sslcert=/c&sslkey=/k",
            "Postgres|h:5432|app|||Verify|sslcert=/c&sslkey=/k",
        ),
        ("postgres://h/app?ssl=true", "Postgres|h:5432|app|||Require|"),
        ("postgres://h/app?ssl=false", "Postgres|h:5432|app|||Disable|"),
        ("postgres://h/app?ssl=verify-full", "Postgres|h:5432|app|||Verify|"),
        ("postgres://h/app?sslmode=no-verify", "Postgres|h:5432|app|||Require|"),
        ("postgres://h/app?hostaddr=10.0.0.7", "Postgres|10.0.0.7:5432|app|||Prefer|"),
        (
            "postgres://h/app?target_session_attrs=read-write&connect_timeout=7",
            "Postgres|h:5432|app|||Prefer|connect_timeout=7&target_session_attrs=read-write",
        ),
        (
            "postgres://h/app?target_session_attrs=any&channel_binding=prefer&gssencmode=disable&sslsni=1&client_encoding=UTF8",
            "Postgres|h:5432|app|||Prefer|",
        ),
        ("postgres:///app", "Postgres|localhost:5432|app|||Prefer|"),
        (
            "POSTGRESQL+asyncpg://u%40x:p%40ss%3Aw@db.example:6543/cl%2Finic",
            "Postgres|db.example:6543|cl/inic|u@x|p@ss:w|Prefer|",
        ),
        ("postgresql+psycopg2://u:p@@h/db", "Postgres|h:5432|db|u|p@|Prefer|"),
        ("postgres://[fe80::1%25lo]:5433/x", "Postgres|[fe80::1%lo]:5433|x|||Prefer|"),
        ("postgres://[::1%251]/x", "Postgres|[::1%1]:5432|x|||Prefer|"),
        ("postgres://u@h/q%3Fx", "Postgres|h:5432|q?x|u||Prefer|"),
        ("postgres://u@h/pct%2541", "Postgres|h:5432|pct%41|u||Prefer|"),
        ("postgres://u@h/ha%23sh", "Postgres|h:5432|ha#sh|u||Prefer|"),
        ("host=h port=5499 dbname=d user=u password='a b\\'c'", "Postgres|h:5499|d|u|a b'c|Prefer|"),
        ("dbname=d sslmode = verify-ca", "Postgres|localhost:5432|d|||VerifyCa|"),
        ("jdbc:postgresql://h/db?user=u&password=a%20b&ssl=true", "Postgres|h:5432|db|u|a b|Verify|"),
        ("jdbc:postgresql:shop", "Postgres|localhost:5432|shop|||Prefer|"),
        (
            "jdbc:postgresql://h/db?currentSchema=a,b&loginTimeout=5",
            "Postgres|h:5432|db|||Prefer|connect_timeout=5&options=-c search_path=a,b",
        ),
        ("127.0.0.1:5432/app", "Postgres|127.0.0.1:5432|app|||Prefer|"),
        ("postgis://h/geo", "Postgres|h:5432|geo|||Prefer|"),
        ("psql://u:p@h/django", "Postgres|h:5432|django|u|p|Prefer|"),
    ]);
}

#[test]
fn mysql_addresses_mean_what_they_mean_to_its_clients() {
    cases(&[
        ("mysql://root@127.0.0.1/shop", "Mysql|127.0.0.1:3306|shop|root||Prefer|"),
        ("mariadb://h:3307/x", "Mariadb|h:3307|x|||Prefer|"),
        ("mysql+pymysql://u:p@h/x?charset=utf8mb4", "Mysql|h:3306|x|u|p|Prefer|charset=utf8mb4"),
        ("mysql://u@localhost/x?unix_socket=/run/my.sock", "Mysql|/run/my.sock:3306|x|u||Prefer|"),
        ("mysql:///x?socket=/run/my.sock&user=u", "Mysql|/run/my.sock:3306|x|u||Prefer|"),
        ("mysql://h/x?ssl-mode=VERIFY_CA&ssl-ca=/ca.pem", "Mysql|h:3306|x|||VerifyCa|sslrootcert=/ca.pem"),
        ("mysql://h/x?ssl-ca=/ca.pem", "Mysql|h:3306|x|||VerifyCa|sslrootcert=/ca.pem"),
        ("mysql://h/x?ssl-mode=REQUIRED", "Mysql|h:3306|x|||Require|"),
        ("mysql://h/x?ssl=true", "Mysql|h:3306|x|||Require|"),
        ("mysql://h/x?tls=skip-verify", "Mysql|h:3306|x|||Require|"),
        ("mysql://h/x?tls=true", "Mysql|h:3306|x|||Verify|"),
        ("mysql://h/x?ssl_verify_cert=true", "Mysql|h:3306|x|||Verify|"),
        ("mysql://h/x?database=y&user=u&passwd=p&port=3308", "Mysql|h:3308|y|u|p|Prefer|"),
        (
            "jdbc:mysql://h/db?user=u&password=p&useSSL=false&serverTimezone=UTC&allowPublicKeyRetrieval=true",
            "Mysql|h:3306|db|u|p|Disable|timezone=UTC",
        ),
        ("jdbc:mysql://h/db?useSSL=true&requireSSL=true&verifyServerCertificate=true", "Mysql|h:3306|db|||Verify|"),
        (
            "jdbc:mysql://h/db?sslMode=VERIFY_IDENTITY&connectTimeout=5000&characterEncoding=UTF-8",
            "Mysql|h:3306|db|||Verify|charset=utf8mb4&connect_timeout=5",
        ),
        ("jdbc:mariadb://h:3307/db?sslMode=trust", "Mariadb|h:3307|db|||Require|"),
        ("u:p@ss/w#rd?@tcp(h:3307)/db?tls=preferred", "Mysql|h:3307|db|u|p@ss/w#rd?|Prefer|"),
        ("mysql://u:p@unix(/run/my.sock)/db", "Mysql|/run/my.sock:3306|db|u|p|Prefer|"),
        ("u:a://b@tcp(h)/db", "Mysql|h:3306|db|u|a://b|Prefer|"),
        ("u@unix(/run/my.sock)/db", "Mysql|/run/my.sock:3306|db|u||Prefer|"),
        ("u:p@tcp([::1]:3307)/d%2Fb", "Mysql|[::1]:3307|d/b|u|p|Prefer|"),
        ("trilogy://h/rails", "Mysql|h:3306|rails|||Prefer|"),
        ("mysql2://h/rails?encoding=utf8", "Mysql|h:3306|rails|||Prefer|charset=utf8mb4"),
        (
            "mysql://h/x?time_zone=%2B02:00&collation=utf8mb4_bin",
            "Mysql|h:3306|x|||Prefer|collation=utf8mb4_bin&timezone=+02:00",
        ),
    ]);
}

#[test]
fn sqlite_paths_are_the_files_that_their_tools_open() {
    cases(&[
        ("sqlite:/srv/dev.db", "Sqlite||/srv/dev.db|||Disable|"),
        ("sqlite:////srv/dev.db", "Sqlite||/srv/dev.db|||Disable|"),
        ("sqlite:///app.db", "Sqlite||app.db|||Disable|"),
        ("sqlite+aiosqlite:///./app.db", "Sqlite||./app.db|||Disable|"),
        ("sqlite://data/app.db", "Sqlite||data/app.db|||Disable|"),
        ("sqlite3:db/development.sqlite3", "Sqlite||db/development.sqlite3|||Disable|"),
        ("file:///srv/dev.db", "Sqlite||/srv/dev.db|||Disable|"),
        ("file://localhost/srv/dev.db", "Sqlite||/srv/dev.db|||Disable|"),
        ("file:dev.db?mode=ro", "Sqlite||dev.db|||Disable|mode=ro"),
        ("sqlite:///file:/srv/dev.db?mode=ro&uri=true", "Sqlite||/srv/dev.db|||Disable|mode=ro"),
        ("sqlite:///file:///srv/a%20b.db?uri=1", "Sqlite||/srv/a b.db|||Disable|"),
        ("sqlite+pysqlite:///file:dev.db?uri=True&immutable=1", "Sqlite||dev.db|||Disable|immutable=1"),
        ("jdbc:sqlite:file:dev.db?mode=ro", "Sqlite||dev.db|||Disable|mode=ro"),
        ("sqlite:/a%20b%23c%3Fd%2541.db", "Sqlite||/a b#c?d%41.db|||Disable|"),
        ("/srv/a%20b#c.db", "Sqlite||/srv/a%20b#c.db|||Disable|"),
        ("/srv/données 数据.sqlite3", "Sqlite||/srv/données 数据.sqlite3|||Disable|"),
        ("//srv/x.db", "Sqlite||//srv/x.db|||Disable|"),
        ("'/srv/dev.db'", "Sqlite||/srv/dev.db|||Disable|"),
        (
            "sqlite:/x.db?mode=rwc&cache=shared&immutable=1&vfs=unix-none",
            "Sqlite||/x.db|||Disable|cache=shared&immutable=1&mode=rwc&vfs=unix-none",
        ),
        ("jdbc:sqlite:/srv/a%20b.db", "Sqlite||/srv/a%20b.db|||Disable|"),
        ("jdbc:sqlite:sample.db", "Sqlite||sample.db|||Disable|"),
    ]);
    assert_eq!(parse("memory:").0.url(), "memory:", "the in-process cache");
}

#[test]
fn redis_addresses_name_account_number_and_form() {
    cases(&[
        ("redis://localhost", "Redis|localhost:6379||||Disable|"),
        ("redis://h?db=6", "Redis|h:6379|6|||Disable|"),
        ("redis://h/2?db=6", "Redis|h:6379|6|||Disable|"),
        ("redis://h/299", "Redis|h:6379|299|||Disable|"),
        ("rediss://:secret@cache:6380/2", "Redis|cache:6380|2||secret|Verify|"),
        ("redis://user:@h", "Redis|h:6379||user||Disable|"),
        ("redis://user@h", "Redis|h:6379||user||Disable|"),
        ("redis://:y1+hpIGo=@h:6379", "Redis|h:6379|||y1+hpIGo=|Disable|"),
        ("redis://us%65r%20@h", "Redis|h:6379||user ||Disable|"),
        ("redis://user@h?password=p", "Redis|h:6379||user|p|Disable|"),
        ("redis://h?username=u&password=p", "Redis|h:6379||u|p|Disable|"),
        ("redis://h?ssl=true", "Redis|h:6379||||Verify|"),
        ("rediss://h?ssl_cert_reqs=none", "Redis|h:6379||||Require|"),
        ("rediss://h?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem", "Redis|h:6379||||Verify|sslrootcert=/ca.pem"),
        ("rediss://h?ssl_check_hostname=false", "Redis|h:6379||||VerifyCa|"),
        ("rediss://h?tls=insecure", "Redis|h:6379||||Require|"),
        ("redis+cluster://a:7000,b:7001", "Redis|a:7000,b:7001||||Disable|mode=cluster"),
        ("redis://a:7000,b:7001?mode=cluster", "Redis|a:7000,b:7001||||Disable|mode=cluster"),
        (
            "redis+sentinel://a,b:26380/3?master=mymaster",
            "Redis|a:26379,b:26380|3|||Disable|master=mymaster&mode=sentinel",
        ),
        ("redis+sentinel://a/mymaster/3", "Redis|a:26379|3|||Disable|master=mymaster&mode=sentinel"),
        (
            "redis+sentinel://a/0?service_name=m&sentinel_username=s",
            "Redis|a:26379|0|||Disable|master=m&mode=sentinel&sentinel_username=s",
        ),
        ("valkey://[::1]:6379/0?protocol=2", "Redis|[::1]:6379|0|||Disable|"),
        ("redis://[fe80::1%25eth0]/0", "Redis|[fe80::1%eth0]:6379|0|||Disable|"),
        ("h:6379/1", "Redis|h:6379|1|||Disable|"),
    ]);
    let pasted = read("redis+sentinel://:p@a/0?master=m&sentinel_password=s%2Fs");
    assert_eq!(pasted.sentinel_password.as_ref().map(Sensitive::expose), Some("s/s"), "the Sentinels' own password");
    assert!(!pasted.address.url().contains("s%2Fs"), "is taken out: {}", pasted.address.url());
}

#[test]
fn http_and_hosts_keep_their_paths() {
    cases(&[
        ("https://api.example/v1", "Https|api.example:443|v1|||Verify|"),
        ("http://h:8080/users/@me?a=1", "Http|h:8080|users/@me|||Disable|a=1"),
        ("http://h/a%2Fb/", "Http|h:80|a%2Fb/|||Disable|"),
        ("http://u:p@h/", "Http|h:80||u|p|Disable|"),
        ("http://h?x=1#frag", "Http|h:80||||Disable|x=1"),
        ("ssh://me@h:2222", "Ssh|h:2222||me||Disable|"),
        ("ssh://me:pw@h", "Ssh|h:22||me|pw|Disable|"),
        ("prometheus+http://u:pw@h", "Prometheus|h:9090||u|pw|Disable|"),
        ("prometheus+https://h:9091/prom/", "Prometheus|h:9091|prom|||Verify|"),
        ("localhost:8080/x", "Http|localhost:8080|x|||Disable|"),
    ]);
}

#[test]
fn what_is_not_understood_is_refused_without_its_text() {
    refusals(&[
        ("", "empty"),
        ("ftp://x", "not a scheme"),
        ("SECRET://x", "not a scheme"),
        ("SECRETtext", "no scheme"),
        ("SECRET:x@h/y.db", "no scheme"),
        ("postgres:/u:SECRET@h/x.db", "not followed by //"),
        ("postgres://h:99999/x", "not a port"),
        ("postgres://h:0/x", "not a port"),
        ("postgres://[::1/x", "bracket"),
        ("postgres://[SECRET]/x", "not an IPv6 address"),
        ("postgres://[fe80::1%25lo SECRET]/x", "zone"),
        ("postgres://a:b:SECRET/x", "several colons"),
        ("redis://h/SECRET", "database number"),
        ("redis://h/-1", "database number"),
        ("redis://h/99999999999", "database number"),
        ("postgres://a,b/x", "several hosts"),
        ("postgres://h/x?host=a,b", "several hosts"),
        ("postgres://h/x?sslmode=SECRET", "TLS mode"),
        ("postgres://h/x?sslmode=allow", "TLS mode"),
        ("redis://:SECRET@/0", "no host"),
        ("mysql:///x", "no host"),
        ("postgres://a SECRET/x", "not a host name"),
        // Raw marks in a password, wherever they cut the address.
        ("postgres://u:SECRET#x@h/db", "raw #"),
        ("postgres://u:p/SECRET@h/db", "an @ that follows the first /"),
        ("postgres://u:p?SECRET@h/db", "an @ that follows the first ?"),
        ("postgres://u:55432/SECRET@h/db", "Character 19 after :// is an @ that follows the first /"),
        ("postgres://u:55432?SECRET@h/db", "Character 19 after :// is an @ that follows the first ?"),
        ("mysql://u:1/SECRET@h/db", "an @ that follows the first /"),
        ("prometheus+http://u:1/SECRET@h", "an @ that follows the first /"),
        ("ssh://u:22/SECRET@h", "an @ that follows the first /"),
        ("mysql://u:SECRET?x=y@h/db", "an @ that follows the first ?"),
        ("redis://:6379/SECRET@h/0", "an @ that follows the first /"),
        ("redis://u:SECRET/x@h/0", "an @ that follows the first /"),
        ("redis://u:6380#SECRET@h/0", "raw #"),
        ("http://u:SECRET/x@h/", "not a port"),
        ("http://u:8080#SECRET@h/", "an @ that follows the first # or ?"),
        ("http://u:8080?SECRET@h/", "an @ that follows the first # or ?"),
        ("postgres://u:100%zSECRET@h/db", "two hexadecimal digits"),
        ("postgres://u:%ff%feSECRET@h/db", "not UTF-8"),
        ("postgres://u:p@h/a%0aSECRET", "control character"),
        ("postgres://u%00SECRET@h/a", "zero byte"),
        ("sqlite:/x#SECRET.db", "raw #"),
        ("redis://:57#SECRET@127.0.0.1:6379/0", "raw #"),
        ("rediss://:iAI7c/SECRET=@h:6380", "an @ that follows the first /"),
        ("mysql:/user:SECRET@/cloudsql/db", "not followed by //"),
        ("mysql://user:SECRET@/cloudsql/a:b:c/db", "no host"),
        ("postgres://u:x@tcp(SECRET)/db", "not a host name"),
        // Parameters.
        ("postgres://h/x?ssl=true&sslmode=no-verify&sslrootcert=/SECRET.pem", "switched off"),
        ("mysql://h/x?tls=skip-verify&ssl-ca=/SECRET.pem", "switched off"),
        ("postgres://h/x?SECRET=1", "Parameter 1"),
        ("postgres://h/x?user=a&SECRET", "Parameter 2"),
        ("postgres://h/x?user=a&&port=1", "Parameter 2"),
        ("postgres://h/x?application_name=SECRET", "application_name is not supported"),
        ("postgres://h/x?service=SECRET", "service is not supported"),
        ("postgres://h/x?passfile=SECRET", "passfile is not supported"),
        ("postgres://h/x?sslpassword=SECRET", "sslpassword is not supported"),
        ("postgres://h/x?pgbouncer=true", "pgbouncer is not supported"),
        ("postgres://h/x?gssencmode=require", "gssencmode is supported with"),
        ("postgres://h/x?channel_binding=require", "channel_binding is supported with"),
        ("postgres://h/x?client_encoding=LATIN1", "client_encoding is supported with"),
        ("postgres://h/x?connect_timeout=SECRET", "connect_timeout"),
        ("postgres://h/x?connect_timeout=0", "connect_timeout"),
        ("postgres://h/x?target_session_attrs=SECRET", "target_session_attrs"),
        ("postgres://h/x?options=SECRET", "Word 1 of options"),
        ("postgres://h/x?options=-c%20my.jwt_secret%3DSECRET", "called like a secret"),
        ("postgres://h/x?options=-c%20SECRET", "no value"),
        ("postgres://h/x?options=-c+search_path%3DSECRET", "raw +"),
        ("postgres://h/x?password=a+SECRET", "raw +"),
        ("postgres://h/x?dbname=a&database=SECRET", "given twice"),
        ("postgres://u:p@h/x?password=SECRET", "given twice"),
        ("postgres://h/x?sslrootcert=/SECRET", "verifies nothing"),
        ("postgres://h/x?sslmode=disable&ssl=true", "contradict"),
        ("postgres://h/x?sslmode=require&sslrootcert=system", "verify-full"),
        ("postgres://h/x?sslmode=require&sslcert=/SECRET", "belong together"),
        ("postgres://h/x?sslmode=verify-full&hostaddr=1.2.3.4", "hostaddr"),
        ("postgres://h/x?hostaddr=SECRET", "hostaddr"),
        ("postgres://h/x?host=SECRET%20x", "host"),
        ("postgres+SECRET://h/x", "after postgres+"),
        ("host=h SECRET", "Keyword 2"),
        ("host=h password='SECRET", "closing quote"),
        ("host=h SECRET=1", "Parameter 2"),
        ("jdbc:oracle:thin:u/SECRET@h", "JDBC"),
        ("jdbc:SECRET", "names no engine"),
        ("jdbc:postgresql://a,b/db?password=SECRET", "several hosts"),
        ("jdbc:mysql:loadbalance://a,b/db?password=SECRET", "several hosts"),
        ("mysql://h/x?parseTime=true", "parseTime is not supported"),
        ("mysql://h/x?init_command=SECRET", "init-command is not supported"),
        ("mysql://h/x?timezone=%27SECRET", "timezone"),
        ("mysql://h/x?charset=%27SECRET", "charset"),
        ("mysql://db.example/x?socket=/SECRET", "another machine"),
        ("mysql://h/x?connect_timeout=5000", "connect_timeout"),
        ("mysql://h/x?ssl=false&ssl-verify-server-cert=true", "contradict"),
        ("mysql://h/x?defaults-file=/SECRET", "defaults-file is not supported"),
        ("u:SECRET@tcp(h:1/db", ")/"),
        ("u:SECRET@tcp(h:1)/db?parseTime=true", "parseTime"),
        ("u:SECRET@unix(x)/db", "absolute path"),
        ("sqlite:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite::memory:", "names no file"),
        ("sqlite:/x.db?mode=SECRET", "mode"),
        ("sqlite:/x.db?mode=memory", "mode=memory"),
        ("sqlite:/x.db?nolock=1", "nolock is not supported"),
        ("sqlite:/x.db?_foreign_keys=1", "_foreign_keys is not supported"),
        ("sqlite:/x.db?key=SECRET", "key is not supported"),
        ("sqlite:/x.db?SECRET=1", "Parameter 1"),
        ("file://h/x.db", "not this machine"),
        ("sqlite:///file:/srv/dev.db?mode=ro", "without uri=true"),
        ("sqlite:///file:/srv/dev.db?uri=false", "without uri=true"),
        ("sqlite:///file::memory:?cache=shared&uri=true", "names no file"),
        ("postgres://h/x?pool=5", "pool is not supported"),
        ("mysql2://h/x?pool=5", "pool is not supported"),
        ("redis://h?protocol=3", "protocol is supported with"),
        ("redis://h?client_name=SECRET", "client_name is not supported"),
        ("redis://h?decode_responses=true", "decode_responses is not supported"),
        ("redis://h?db=SECRET", "database number"),
        ("redis://h?ssl_cert_reqs=none", "does not ask for it"),
        ("redis://h?sslrootcert=/SECRET", "does not ask for it"),
        ("rediss://h?ssl=false", "asks for TLS"),
        ("rediss://h?tls=SECRET", "tls"),
        ("redis+cluster://h/3", "no database but number 0"),
        ("redis+cluster://h?mode=sentinel", "contradict"),
        ("redis://h?master=SECRET", "about Sentinels"),
        ("redis://h?sentinel_password=SECRET", "about Sentinels"),
        ("unix:///run/SECRET.sock", "not a scheme"),
        ("ssh://me@h?SECRET=1", "Parameter 1"),
        ("prometheus+http://h?token=SECRET", "no query"),
        ("prometheus://h/SECRET", "Prometheus"),
        ("memory:SECRET", "no further parts"),
    ]);
    let error = Address::parse("redis+sentinel://a/0?master=m&sentinel_password=x").expect_err("a second secret");
    assert!(error.message.contains("sentinel_password"), "is not dropped: {error}");
}

#[test]
fn a_host_parameter_may_be_an_ipv6_address() {
    assert_eq!(parse("postgres:///d?host=fe80::1%25lo&port=1").0.hosts[0].host, "fe80::1%lo", "with its zone");
    assert_eq!(parse("postgres:///d?host=::1").0.hosts[0], HostPort { host: "::1".into(), port: 5432 }, "without one");
}

#[test]
fn parameters_become_types() {
    let of = |text: &str| parse(text).0.options().expect("options");
    let o = of(
        "postgres://h/x?options=-c%20search_path%3Da%5C%20b&target_session_attrs=standby&connect_timeout=9&sslmode=require&sslrootcert=/r",
    );
    assert_eq!(o.settings, [("search_path".to_owned(), "a b".to_owned())], "settings, unescaped");
    assert_eq!(
        (o.session, o.tls, o.root.as_deref()),
        (Session::Standby, TlsMode::VerifyCa, Some("/r")),
        "session and TLS"
    );
    assert_eq!(o.connect_timeout, Some(std::time::Duration::from_secs(9)), "a time");
    assert_eq!(of("sqlite:/x?mode=ro").mode, Mode::ReadOnly, "a file's mode");
    // An address as an earlier version stored it: what it dropped is refused now.
    let mut old = parse("postgres://h/x").0;
    old.params.insert("service".to_owned(), "x".to_owned());
    assert!(old.options().is_err_and(|e| e.message.contains("service")), "a parameter that was kept and not used");
    // One that was kept beside `require` verifies now.
    let mut old = parse("postgres://h/x?sslmode=require").0;
    old.params.insert("sslrootcert".to_owned(), "/r".to_owned());
    assert_eq!(old.options().map(|o| o.tls), Ok(TlsMode::VerifyCa), "a root is verified against");
}

/// Names as people give them, with all that an address has marks for.
fn name() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-zA-Z0-9%?#/@:&=+;,'\"\\\\ .~$*\\[\\]{}|^`<>!()éß数据пр🦀_-]{1,24}")
        .expect("a pattern")
}

fn host_name() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::string::string_regex("[a-z][a-z0-9-]{0,8}(\\.[a-z]{2,5}){0,2}").expect("a pattern"),
        Just("::1".to_owned()),
        Just("fe80::1%eth0".to_owned()),
        Just("10.0.0.1".to_owned()),
        Just("bücher.example".to_owned()),
    ]
}

fn tls() -> impl Strategy<Value = TlsMode> {
    prop_oneof![
        Just(TlsMode::Disable),
        Just(TlsMode::Prefer),
        Just(TlsMode::Require),
        Just(TlsMode::VerifyCa),
        Just(TlsMode::Verify)
    ]
}

/// Shown, read again, and through JSON as it is stored: the same address.
fn round_trip(a: &Address) -> Result<(), TestCaseError> {
    let url = a.url();
    let again = Address::read(&url).map_err(|e| TestCaseError::fail(format!("{url}: {e}")))?;
    prop_assert_eq!(&again.address, a, "{}", url);
    prop_assert_eq!((again.password, again.sentinel_password), (None, None), "no secrets come from {}", url);
    prop_assert_eq!(again.address.url(), url, "the same text again");
    let stored: Address = serde_json::from_str(&serde_json::to_string(a).expect("JSON")).expect("an address");
    prop_assert_eq!(&stored, a, "as it is stored");
    Ok(())
}

proptest! {
    #[test]
    fn every_network_address_comes_back(
        which in 0usize..3, host in host_name(), port in 1u16.., path in name(), user in proptest::option::of(name()), tls in tls()
    ) {
        let scheme = [Scheme::Postgres, Scheme::Mysql, Scheme::Mariadb][which];
        let mut a = Address::at(scheme, vec![HostPort { host, port }]);
        (a.path, a.username, a.tls) = (path, user, tls);
        round_trip(&a)?;
        if a.tls == TlsMode::Verify || a.tls == TlsMode::VerifyCa {
            a.params.insert("sslrootcert".to_owned(), format!("/{}", a.path));
        }
        a.params.insert("connect_timeout".to_owned(), "5".to_owned());
        let socket = format!("/run/{}", a.path.replace(',', "."));
        a.hosts[0].host = socket;
        round_trip(&a)?;
    }

    #[test]
    fn every_setting_comes_back(value in name()) {
        let mut a = Address::at(Scheme::Postgres, vec![HostPort { host: "h".to_owned(), port: 1 }]);
        let settings = vec![("search_path".to_owned(), value.clone()), ("work_mem".to_owned(), "8MB".to_owned())];
        a.tls = TlsMode::Prefer;
        a.params.insert("options".to_owned(), parameters::settings_text(&settings));
        round_trip(&a)?;
        prop_assert_eq!(a.options().expect("options").settings, settings);
    }

    #[test]
    fn every_file_comes_back(path in name(), bare in any::<bool>()) {
        let path = if bare { format!("/{path}.db") } else { path };
        prop_assume!(path.trim() == path && !path.starts_with("file:"));
        let mut a = Address::at(Scheme::Sqlite, Vec::new());
        a.path = path.clone();
        round_trip(&a)?;
        if bare {
            prop_assert_eq!(&Address::read(&path).expect("a bare path").address, &a, "a bare path is that file");
        }
    }

    #[test]
    fn every_cache_comes_back(
        hosts in proptest::collection::vec((host_name(), 1u16..), 1..3), number in 0u32..400, user in proptest::option::of(name()),
        master in name(), tls in tls(), mode in 0usize..3
    ) {
        let mut a = Address::at(Scheme::Redis, hosts.into_iter().map(|(host, port)| HostPort { host, port }).collect());
        a.username = user;
        a.tls = if tls == TlsMode::Prefer { TlsMode::Disable } else { tls };
        match mode {
            1 => { a.params.insert("mode".to_owned(), "cluster".to_owned()); }
            2 => {
                a.params.insert("mode".to_owned(), "sentinel".to_owned());
                a.params.insert("master".to_owned(), master);
                a.path = number.to_string();
            }
            _ => a.path = number.to_string(),
        }
        round_trip(&a)?;
    }

    #[test]
    fn every_password_comes_out_whole_and_is_not_shown(password in name(), which in 0usize..4) {
        let encoded = percent_encoding::utf8_percent_encode(&password, percent_encoding::NON_ALPHANUMERIC).to_string();
        let base = ["postgres", "mysql", "redis", "ssh"][which];
        let pasted = read(&format!("{base}://u:{encoded}@h"));
        prop_assert_eq!(pasted.password.as_ref().map(Sensitive::expose), Some(password.as_str()));
        let shown = format!("{pasted:?} {}", pasted.address.url());
        prop_assert!(password.len() < 6 || !shown.contains(&password), "{}", shown);
    }

    /// Whatever is entered, an error repeats none of it.
    #[test]
    fn errors_never_repeat_what_was_entered(scheme in "(postgres|mysql|redis|rediss|sqlite|jdbc:mysql|http)", before in name(), after in name()) {
        let text = format!("{scheme}://{before}{SECRET}{after}");
        if let Err(e) = Address::read(&text) {
            prop_assert!(!format!("{} {}", e.message, e.hint).contains(SECRET), "{}: {}", text, e);
        }
    }
}

#[test]
fn pool_settings_are_told_apart_from_a_drivers_own() {
    for url in ["postgres://h/x?pool=5", "postgres://h/x?pool_size=5", "mysql2://h/x?pool=5"] {
        let hint = Address::read(url).expect_err("refused").hint;
        assert!(hint.contains("fields of the environment"), "{url}: {hint}");
    }
}
