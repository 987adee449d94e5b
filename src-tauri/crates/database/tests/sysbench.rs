//! MariaDB's transactions beside sysbench: what is shown is what sysbench did, and what the server counted.
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use perfdeck_database::DatabaseCollector;
use perfdeck_model::{Address, Collector};
use perfdeck_testkit::{MARIADB_PASSWORD, MariaDb, find_program};
use sqlx::{Connection as _, Row as _};

const INSTALL: &str = "sudo apt-get install sysbench (Debian/Ubuntu), brew install sysbench (macOS)";

/// A test of sysbench on one table of a thousand rows.
fn sysbench(server: &MariaDb, test: &str, args: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(find_program("sysbench", &[], INSTALL).expect("sysbench"));
    command.args([test, "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=perfdeck", "--mysql-db=app"]);
    command.arg(format!("--mysql-port={}", server.port())).arg(format!("--mysql-password={MARIADB_PASSWORD}"));
    command.args(["--tables=1", "--table-size=1000", "--threads=4"]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What sysbench says of its run: transactions, and how many a second.
fn transactions(text: &str) -> (f64, f64) {
    let line = text.lines().find_map(|l| l.trim().strip_prefix("transactions:")).expect("a line of transactions");
    let mut words = line.split(['(', ' ']).filter(|w| !w.is_empty());
    let mut number = || words.next().and_then(|w| w.parse().ok()).unwrap_or_else(|| panic!("numbers: {line}"));
    (number(), number())
}

/// A counter of the server.
async fn counter(server: &MariaDb, name: &str) -> f64 {
    let mut connection = server.connect().await.expect("a connection");
    let sql = format!("SHOW GLOBAL STATUS LIKE '{name}'");
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.expect("a counter");
    connection.close().await.expect("closed");
    row.get::<String, _>(1).parse().expect("a number")
}

/// A collector that goes on, as a monitor does.
struct Watch {
    collector: DatabaseCollector,
    started: Instant,
    at_ms: f64,
}

impl Watch {
    fn of(server: &MariaDb) -> Self {
        let (address, password) = Address::parse(&server.url()).expect("a URL");
        Self { collector: DatabaseCollector::new(address, password), started: Instant::now(), at_ms: 0.0 }
    }

    /// The transactions that it shows since the last call; none for the first one.
    async fn transactions(&mut self) -> f64 {
        let at_ms = self.started.elapsed().as_secs_f64() * 1e3;
        let seen = self.collector.collect(&at_ms).await.expect("answers");
        let rate = seen.values.iter().find(|(s, _)| s.id == "database.transactions").map_or(0.0, |(_, v)| *v);
        rate * (at_ms - std::mem::replace(&mut self.at_ms, at_ms)) / 1e3
    }
}

/// Runs it, and collects about once a second meanwhile: what it says, and the transactions that were shown.
async fn beside(server: &MariaDb, watch: &mut Watch, test: &str, args: &[&str]) -> (String, f64) {
    watch.transactions().await;
    let mut run = Box::pin(sysbench(server, test, &[args, &["run"]].concat()).output());
    let (mut shown, mut said) = (0.0, None);
    // The last collection comes after its end, so that all it did was seen.
    while said.is_none() {
        said = tokio::time::timeout(Duration::from_secs(1), &mut run).await.ok();
        shown += watch.transactions().await;
    }
    (told(&said.expect("it ended").expect("it starts")), shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_shows_the_transactions_that_sysbench_does() {
    let server = MariaDb::start().await.expect("MariaDB");
    told(&sysbench(&server, "oltp_read_write", &["prepare"]).output().await.expect("it starts"));
    let mut watch = Watch::of(&server);
    // Each of them reads 14 times and writes four times between BEGIN and COMMIT.
    for (test, args, counts) in [
        ("oltp_read_write", &["--rate=50", "--time=4"][..], "Com_commit"),
        // Each of them is one statement that commits by itself, also when named transactions were seen a moment ago.
        ("oltp_point_select", &["--rate=200", "--time=2", "--skip-trx"], "Com_select"),
    ] {
        let counted = counter(&server, counts).await;
        let (text, shown) = beside(&server, &mut watch, test, args).await;
        let counted = counter(&server, counts).await - counted;
        let (all, per_second) = transactions(&text);
        let mean = shown * per_second / all;
        assert!((mean - per_second).abs() <= 0.05 * per_second, "{test}: {mean}/s are shown of {per_second}/s: {text}");
        assert!((counted - all).abs() <= 0.1 * all, "{test}: the server counted {counted} of {all}");
    }
}
