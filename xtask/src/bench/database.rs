//! What the Database screen costs on a large PostgreSQL: the time until it is complete, and the share of a server's core that
//! watching takes, as a browser asks.
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use perfdeck_model::{DatabaseIndexes, DatabaseSizes, SizeTold};
use serde_json::{Value, json};

use super::data::{Private, newest};
use super::{home, load, report};
use crate::Outcome;
use crate::desktop::Kept;
use crate::process::find;
use crate::start;
use crate::webdriver::http;

/// 5,000 tables with four B-trees each, of 200, 2,000 and 20,000 rows, a quarter of them half deleted.
const TABLES: &str = "
DO $$
DECLARE rows int;
BEGIN
    FOR t IN 1..5000 LOOP
        rows := CASE WHEN t % 100 = 0 THEN 20000 WHEN t % 10 = 0 THEN 2000 ELSE 200 END;
        EXECUTE format('CREATE TABLE orders_%s (id int, customer bigint NOT NULL, state text, note text, amount numeric,
                        paid bool, created timestamptz)', t);
        EXECUTE format('INSERT INTO orders_%s SELECT i, i * 7 %% 1000, ''state-'' || i %% 5, md5(i::text), i * 1.17,
                        i %% 3 = 0, now() FROM generate_series(1, %s) i', t, rows);
        EXECUTE format('ALTER TABLE orders_%s ADD PRIMARY KEY (id)', t);
        EXECUTE format('CREATE INDEX ON orders_%s (customer, created)', t);
        EXECUTE format('CREATE INDEX ON orders_%s (state)', t);
        EXECUTE format('CREATE INDEX ON orders_%s (note)', t);
        IF t % 4 = 0 THEN EXECUTE format('DELETE FROM orders_%s WHERE id %% 2 = 0', t); END IF;
        IF t % 50 = 0 THEN COMMIT; END IF;
    END LOOP;
END $$";

/// Different statements with texts of 4 kB, one for each table.
const STATEMENTS: &str = "
SELECT format('SELECT /* %s */ count(*) FROM orders_%s WHERE id < 0', repeat('long text ', 400), t)
FROM generate_series(1, 5000) t \\gexec";

/// The role that a user gives monitoring. Its statements are timed by the server, planning included.
const ROLE: &str = "
CREATE ROLE watcher LOGIN PASSWORD 'watcher';
GRANT pg_monitor, pg_read_all_data TO watcher;
ALTER ROLE watcher SET pg_stat_statements.track_planning = on";

/// How often the screen is opened.
const OPENINGS: usize = 5;
/// Time for which watching is measured. The look at sizes and findings is not in it: it takes a thousandth of the time by its own
/// rule (`SLOW_PART` of the collector), which is added.
const WATCHED: Duration = Duration::from_secs(60);
const LOOKS: f64 = 0.1;

/// Runs a command to its end without showing it: its scripts are above.
fn ended(command: &mut Command) -> Outcome {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program}: {status}").into()),
        Err(error) => Err(format!("{program} did not start: {error}").into()),
    }
}

/// The server that is measured, and its administrator.
struct Server {
    private: Private,
    psql: std::path::PathBuf,
    postmaster: u32,
}

impl Server {
    fn start() -> Outcome<Self> {
        let psql = find("psql").unwrap_or_else(|| newest("psql"));
        let mut server = Self { private: Private::start("large-postgres")?, psql, postmaster: 0 };
        let began = Instant::now();
        // Autovacuum looks at 5,000 tables once a minute, which is none of what is measured.
        for text in [ROLE, TABLES, "ANALYZE", "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"] {
            server.run(text)?;
        }
        println!("5,000 tables and 20,000 indexes were made in {:.0} s", began.elapsed().as_secs_f64());
        let pid = server.ask("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")?;
        server.postmaster = pid.parse().map_err(|_| format!("no process id: {pid}"))?;
        Ok(server)
    }

    fn command(&self) -> Command {
        let (user, password, port) = self.private.parts();
        let mut command = Command::new(&self.psql);
        command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &port, "-U", &user, "app"]);
        command.env("PGPASSWORD", password).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn run(&self, text: &str) -> Outcome {
        ended(self.command().args(["-c", text]))
    }

    /// Runs a script with commands of psql.
    fn script(&self, text: &str, home: &Path) -> Outcome {
        let file = home.join("script.sql");
        std::fs::write(&file, text).map_err(|error| format!("writing {}: {error}", file.display()))?;
        ended(self.command().arg("-f").arg(file))
    }

    fn ask(&self, text: &str) -> Outcome<String> {
        let output = self.command().args(["-c", text]).stdout(Stdio::piped()).output();
        let output = output.map_err(|error| format!("psql did not start: {error}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn number(&self, text: &str) -> Outcome<f64> {
        let answer = self.ask(text)?;
        answer.parse().map_err(|_| format!("no number: {answer}").into())
    }

    /// CPU seconds of the server, of sessions that ended too.
    fn cpu_s(&self) -> f64 {
        super::cost(self.postmaster).0 + super::ended_s(self.postmaster)
    }

    /// Idle sessions of an application, until they are dropped.
    fn sessions(&self, count: usize, home: &Path) -> Outcome<Kept> {
        let (user, password, port) = self.private.parts();
        let file = home.join("wait.sql");
        std::fs::write(&file, "SELECT pg_sleep(600);\n").map_err(|e| format!("writing {}: {e}", file.display()))?;
        let mut command = Command::new(find("pgbench").unwrap_or_else(|| newest("pgbench")));
        command.args(["-n", "-h", "127.0.0.1", "-p", &port, "-U", &user, "-c", &count.to_string(), "-t", "1", "-f"]);
        command.arg(file).arg("app").env("PGPASSWORD", password).stdout(Stdio::null()).stderr(Stdio::null());
        let kept = Kept::spawn(command)?;
        let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench' AND state = 'active'";
        let end = Instant::now() + Duration::from_secs(60);
        while self.number(there)? < count as f64 {
            if Instant::now() > end {
                return Err(format!("{count} sessions did not come up").into());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(kept)
    }
}

/// A `perfctl serve`, asked as a browser asks it, with the environment watched as any open window does.
struct Screen {
    _program: Kept,
    port: u16,
    authorization: String,
    stream: TcpStream,
    environment: String,
}

impl Screen {
    fn open(home: &Path, environment: &str) -> Outcome<Self> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
        let port = free.map_err(|error| format!("no port: {error}"))?.port();
        let token = home.join("token");
        let _ = std::fs::remove_file(&token);
        let mut command = perfctl(home);
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--token-file"]).arg(&token);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let program = Kept::spawn(command)?;
        let end = Instant::now() + Duration::from_secs(20);
        let stream = loop {
            let read = std::fs::read_to_string(&token).unwrap_or_default();
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                Ok(stream) if !read.trim().is_empty() => break (stream, format!("Bearer {}", read.trim())),
                _ if Instant::now() > end => return Err("perfctl serve did not come up".into()),
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let (mut stream, authorization) = stream;
        let head = format!(
            "GET /api/stream?environment_id={environment} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: {authorization}\r\n\r\n"
        );
        std::io::Write::write_all(&mut stream, head.as_bytes()).map_err(|error| format!("the stream: {error}"))?;
        let environment = environment.to_owned();
        let screen = Self { _program: program, port, authorization, stream, environment };
        let mut reader = screen.stream.try_clone().map_err(|error| format!("the stream: {error}"))?;
        std::thread::spawn(move || {
            let mut buffer = vec![0_u8; 64 * 1024];
            while matches!(reader.read(&mut buffer), Ok(1..)) {}
        });
        Ok(screen)
    }

    /// One command: its answer and the time until it was there, in milliseconds.
    fn ask(&self, name: &str, mut params: Value) -> Outcome<(String, f64)> {
        params["environment_id"] = json!(self.environment);
        let began = Instant::now();
        let headers = [("authorization", self.authorization.as_str())];
        let (status, body) = http(self.port, "POST", &format!("/api/rpc/{name}"), &headers, Some(&params))
            .map_err(|error| format!("{name}: {error}"))?;
        let took_ms = began.elapsed().as_secs_f64() * 1e3;
        if status == 200 { Ok((body, took_ms)) } else { Err(format!("{name}: {status} {body}").into()) }
    }

    fn sizes(&self, limit: u32) -> Outcome<(DatabaseSizes, f64)> {
        let (body, took_ms) = self.ask("db.sizes", json!({ "limit": limit }))?;
        let sizes = serde_json::from_str(&body).map_err(|error| format!("db.sizes: {error}"))?;
        Ok((sizes, took_ms))
    }

    /// What an open screen asks in this time: the sessions each second, the statements every ten.
    fn watch(&self, time: Duration) -> Outcome {
        let began = Instant::now();
        for second in 0..time.as_secs() {
            self.ask("db.activity", json!({ "at_ms": null }))?;
            if second % 10 == 0 {
                let to_ms = super::now_ms();
                self.ask("db.statements", json!({ "from_ms": to_ms - 9e5, "to_ms": to_ms }))?;
            }
            std::thread::sleep((began + Duration::from_secs(second + 1)).saturating_duration_since(Instant::now()));
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

fn perfctl(home: &Path) -> Command {
    let mut command = load::command(home);
    start::ask(&mut command, "CANARY_WATCHER", "watcher");
    command
}

/// Everything must be there: what is left out was not measured.
fn whole(sizes: &DatabaseSizes, tables: usize) -> Outcome {
    let indexes = || sizes.tables.iter().flat_map(|table| &table.indexes);
    let missing = [
        ("tables", tables.abs_diff(sizes.tables.len())),
        ("indexes", (4 * tables).abs_diff(indexes().count())),
        ("sizes of tables", sizes.tables.iter().filter(|table| table.told != SizeTold::Exact).count()),
        ("sizes of indexes", indexes().filter(|index| index.told != SizeTold::Exact).count()),
        ("estimates of tables", sizes.tables.iter().filter(|table| table.bloat.is_none()).count()),
        ("estimates of indexes", indexes().filter(|index| index.bloat.is_none()).count()),
    ];
    match missing.iter().filter(|(_, count)| *count > 0).map(|(of, n)| format!("{n} {of}")).collect::<Vec<_>>() {
        none if none.is_empty() => Ok(()),
        some => Err(format!("left out: {}", some.join(", ")).into()),
    }
}

/// Opening the Schema and Pool tabs: the largest tables first, then all of them, beside the health.
fn opened(home: &Path, environment: &str) -> Outcome<[f64; 5]> {
    let screen = Screen::open(home, environment)?;
    let (_, activity) = screen.ask("db.activity", json!({ "at_ms": null }))?;
    let began = Instant::now();
    let (health, sizes) = std::thread::scope(|scope| {
        let health = scope.spawn(|| screen.ask("db.health", json!({})));
        let sizes = screen.sizes(200).and_then(|(_, first)| Ok((first, screen.sizes(10_000)?.0)));
        (health.join(), sizes)
    });
    let complete = began.elapsed().as_secs_f64() * 1e3;
    let (first, sizes) = sizes?;
    let (health, _) = health.map_err(|_| "the health was not asked")??;
    if health.contains("not asked: the check") {
        return Err("the health is not complete".into());
    }
    whole(&sizes, 5_000)?;
    let (part, bloat) = screen.sizes(625)?;
    whole(&part, 625)?;
    let (body, indexes) = screen.ask("db.indexes", json!({ "limit": 10_000 }))?;
    let found: DatabaseIndexes = serde_json::from_str(&body).map_err(|error| format!("db.indexes: {error}"))?;
    if (found.tables, found.indexes, found.indexes_left_out) != (5_000, 20_000, Some(0)) || !found.missing.is_empty() {
        return Err(format!("indexes were left out: {} of 20,000; {:?}", found.indexes, found.missing).into());
    }
    Ok([activity, first, complete, bloat, indexes])
}

/// Share of one core that watching takes of the server, beside what it does without it, in per cent.
fn watching(server: &Server, screen: &Screen) -> Outcome<f64> {
    // Connecting and the first looks are over.
    screen.watch(Duration::from_secs(15))?;
    let (before, began) = (server.cpu_s(), Instant::now());
    screen.watch(WATCHED)?;
    Ok((server.cpu_s() - before) / began.elapsed().as_secs_f64() * 100.0 + LOOKS)
}

/// The same without it. What the server has to write of what was made before is written first: its checkpoint is nobody's watching.
fn unwatched(server: &Server) -> Outcome<f64> {
    server.run("CHECKPOINT")?;
    let (before, began) = (server.cpu_s(), Instant::now());
    std::thread::sleep(Duration::from_secs(20));
    Ok((server.cpu_s() - before) / began.elapsed().as_secs_f64() * 100.0)
}

/// Everything of a large database.
pub(super) fn database() -> Outcome {
    let home = home("database")?;
    let server = Server::start()?;
    let (_, _, port) = server.private.parts();
    let address = format!("postgres://watcher@127.0.0.1:{port}/app");
    // The environment of an earlier run has another port.
    let _ = perfctl(&home).args(["env", "remove", "bench"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let add = ["env", "add", "bench", "--database", &address, "--database-password-env", "CANARY_WATCHER", "--json"];
    let added = perfctl(&home).args(add).output().map_err(|error| format!("perfctl did not start: {error}"))?;
    let added: Value = serde_json::from_slice(&added.stdout).map_err(|error| format!("perfctl env add: {error}"))?;
    let environment = added["environment"]["id"].as_str().ok_or("the environment has an identifier")?.to_owned();
    server.run("SELECT pg_stat_statements_reset()")?;

    println!("PostgreSQL {} with 5,000 tables and 20,000 indexes:", server.ask("SHOW server_version")?);
    let mut all: [Vec<f64>; 5] = Default::default();
    for _ in 0..OPENINGS {
        for (values, value) in all.iter_mut().zip(opened(&home, &environment)?) {
            values.push(value);
        }
    }
    let [activity, first, complete, bloat, indexes] = &mut all;
    report("activity: first content", "ms", activity, Some(1_000.0));
    report("schema: first content, 200 tables", "ms", first, Some(1_000.0));
    report("all sizes, all bloat and health", "ms", complete, Some(5_000.0));
    report("sizes and bloat of 2,500 indexes", "ms", bloat, Some(3_000.0));
    report("all findings about indexes", "ms", indexes, Some(10_000.0));

    let idle = unwatched(&server)?;
    let screen = Screen::open(&home, &environment)?;
    let quiet = watching(&server, &screen)? - idle;
    drop(screen);
    report("watching, of a server's core", "%", &mut [quiet], Some(0.5));
    server.script(STATEMENTS, &home)?;
    let sessions = server.sessions(1_000, &home)?;
    let idle = unwatched(&server)?;
    let screen = Screen::open(&home, &environment)?;
    let busy = watching(&server, &screen)? - idle;
    report("the same, 1,000 sessions and 5,000 statements", "%", &mut [busy], None);
    report("by how much more", "x", &mut [busy / quiet], Some(2.0));
    drop(screen);
    drop(sessions);
    let longest = "SELECT coalesce(max(max_exec_time + max_plan_time), 0) FROM pg_stat_statements
                   WHERE userid = 'watcher'::regrole";
    report("longest statement of Perfdeck's", "ms", &mut [server.number(longest)?], Some(3_000.0));
    Ok(())
}
