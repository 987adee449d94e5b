//! Where the rows are: a database of PostgreSQL, a table of MariaDB, or a file each, with whoever is in the way there.
use std::path::{Path, PathBuf};
use std::time::Duration;

use perfdeck_model::Says;
use perfdeck_testkit::sqlx::{
    self, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, MySqlConnection, PgConnection,
    SqliteConnection, sqlite::SqliteConnectOptions,
};
use perfdeck_testkit::{MariaDb, PostgresDatabase, eventually, shared_mariadb, shared_postgres};

use tokio::sync::Mutex;

use super::super::create::catalogue;
use super::super::mariadb::{LOCKED, SLOW, definition, is_at};
use super::super::valid;
use super::rows::{On, ROWS, Row};
use super::{Order, Reach, What, reached, told};

const TABLES: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER); CREATE INDEX two ON t (b, a); INSERT INTO t VALUES (1, 1, 1)";

/// What it is on.
enum Server {
    Postgres(PostgresDatabase),
    MariaDb(&'static MariaDb),
    Sqlite(Box<SqliteConnectOptions>),
}

impl Server {
    async fn session(&self) -> Session {
        match self {
            Self::Postgres(server) => Session::Postgres(server.connect().await.expect("a session")),
            Self::MariaDb(server) => Session::MariaDb(server.connect().await.expect("a session")),
            Self::Sqlite(options) => Session::Sqlite(options.connect().await.expect("the file")),
        }
    }
}

/// A session of somebody: who looks, or who is in the way.
enum Session {
    Postgres(PgConnection),
    MariaDb(MySqlConnection),
    Sqlite(SqliteConnection),
}

/// One row's own.
pub(super) struct Place {
    pub(super) row: &'static Row,
    pub(super) order: Order,
    pub(super) before: Vec<String>,
    server: Server,
    /// Who looks, which is often.
    looks: Mutex<Session>,
    sessions: Vec<Session>,
}

/// The journal of a transaction that writes to a file.
pub(super) fn journal(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-journal");
    name.into()
}

/// All of them, with whoever is in the way from the beginning.
pub(super) async fn places(dir: &Path) -> Vec<Place> {
    let all = ROWS.iter().enumerate().map(|(number, row)| Place::of(row, number, dir));
    futures_util::future::join_all(all).await
}

impl Place {
    async fn of(row: &'static Row, number: usize, dir: &Path) -> Self {
        let mut order = Order {
            name: row.name.to_owned(),
            url: String::new(),
            table: "t".to_owned(),
            index: "two".to_owned(),
            key: "a".to_owned(),
            what: row.what,
            reach: row.reach,
            works: false,
        };
        let server = match row.on {
            On::Postgres => {
                let server = shared_postgres().await.expect("PostgreSQL");
                server.execute(TABLES).await.expect("tables");
                order.url = server.url();
                Server::Postgres(server)
            }
            On::MariaDb => {
                let server = shared_mariadb().await.expect("MariaDB");
                order.table = format!("killed_{number}");
                order.index = format!("{}.two", order.table);
                let tables = match row.what {
                    What::Create => {
                        (order.key, order.works) = ("hash".to_owned(), true);
                        SLOW.replace("slow", &order.table)
                    }
                    _ => TABLES.replace(" t ", &format!(" {} ", order.table)),
                };
                server.execute(&tables).await.expect("tables");
                order.url = server.url();
                Server::MariaDb(server)
            }
            On::Sqlite => {
                let file = dir.join(format!("{number}.db"));
                let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
                let mut c = options.connect().await.expect("a file");
                c.execute(TABLES).await.expect("tables");
                order.url = format!("sqlite:{}", file.display());
                Server::Sqlite(Box::new(options))
            }
        };
        let looks = Mutex::new(server.session().await);
        let mut place = Self { row, order, before: Vec::new(), server, looks, sessions: Vec::new() };
        place.before = place.catalogue().await;
        if row.reach != Reach::Undone
            && let Some((sql, _)) = row.held.first()
        {
            place.hold(sql).await;
        }
        place
    }

    /// Somebody gets in the way.
    async fn hold(&mut self, sql: &str) {
        let mut session = self.server.session().await;
        match &mut session {
            Session::Postgres(c) => c.execute(AssertSqlSafe(sql.to_owned())).await.map(drop),
            Session::MariaDb(c) => {
                let sql = sql.replace(" t", &format!(" {}", self.order.table));
                c.execute(AssertSqlSafe(sql)).await.map(drop)
            }
            Session::Sqlite(c) => c.execute(AssertSqlSafe(sql.to_owned())).await.map(drop),
        }
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
        self.sessions.push(session);
    }

    /// Gets the change to where it is kept, and keeps it there.
    pub(super) async fn brought(&mut self, signs: &Path) {
        if self.row.reach == Reach::Undone {
            eventually(Duration::from_secs(60), async || reached(signs, self.row.name).exists()).await;
            self.hold(self.row.held[0].0).await;
            std::fs::write(told(signs, self.row.name), "").expect("a sign");
        }
        for at in 1..self.row.held.len() {
            eventually(Duration::from_secs(60), async || self.waits(self.row.held[at - 1].1).await).await;
            self.hold(self.row.held[at].0).await;
            self.end(0).await;
        }
        // What was asked is answered or given up after a while; what it was asked for stays.
        if self.row.held.len() > 1 {
            eventually(Duration::from_secs(60), async || self.waits(self.row.held[1].1).await).await;
        }
    }

    /// Whether the change is where it is to be killed.
    pub(super) async fn is_there(&self, signs: &Path) -> bool {
        match self.row.held {
            [] => reached(signs, self.row.name).exists(),
            [(_, statement)] => self.waits(statement).await,
            _ => true,
        }
    }

    async fn waits(&self, statement: &str) -> bool {
        match &mut *self.looks.lock().await {
            Session::Postgres(c) => {
                let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                             AND application_name = 'perfdeck-change' AND wait_event_type = 'Lock' AND query LIKE $1)";
                sqlx::query_scalar(sql).bind(statement).fetch_one(c).await.expect("sessions")
            }
            Session::MariaDb(c) => {
                let statement = statement.replacen('%', &format!("`{}`", self.order.table), 1);
                is_at(c, &statement, if self.order.works { "altering table" } else { LOCKED }).await
            }
            // Its journal is there from the first page that it wrote to its end, which the reader keeps from coming.
            Session::Sqlite(_) => match &self.server {
                Server::Sqlite(options) => journal(options.get_filename()).exists(),
                _ => false,
            },
        }
    }

    /// Waits until the server has noticed that nobody waits for what it does, as far as it looks.
    pub(super) async fn left_alone(&self) {
        eventually(Duration::from_secs(20), async || match &mut *self.looks.lock().await {
            Session::Postgres(c) => {
                let sql = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
                             WHERE datname = current_database() AND application_name = 'perfdeck-change')";
                sqlx::query_scalar(sql).fetch_one(c).await.expect("sessions")
            }
            Session::MariaDb(c) => !is_at(c, &format!("ALTER TABLE `{}`%", self.order.table), LOCKED).await,
            Session::Sqlite(_) => true,
        })
        .await;
    }

    /// What the catalogue has of it.
    pub(super) async fn truth(&self) -> Says {
        let creates = matches!(self.row.what, What::Create);
        let there = match &self.server {
            Server::Postgres(server) => match valid(server, if creates { "ix_t_a" } else { "two" }).await {
                Some(false) => return Says::HalfDone,
                other => other.is_some(),
            },
            Server::MariaDb(server) => {
                let mut c = server.connect().await.expect("a session");
                if is_at(&mut c, &format!("ALTER TABLE `{}`%", self.order.table), "%").await {
                    return Says::HalfDone;
                }
                let lines = definition(server, &self.order.table).await;
                let name = if creates { "KEY `ix_" } else { "KEY `two`" };
                // One that is hidden is there for nobody.
                lines.iter().any(|line| line.contains(name) && !line.ends_with("IGNORED"))
            }
            Server::Sqlite(_) => self.catalogue().await.iter().any(|sql| sql.contains("ix_t_a")),
        };
        if there == creates { Says::AsApplied } else { Says::AsBefore }
    }

    /// All of it.
    pub(super) async fn catalogue(&self) -> Vec<String> {
        match &self.server {
            Server::Postgres(server) => catalogue(server).await,
            Server::MariaDb(server) => definition(server, &self.order.table).await,
            Server::Sqlite(options) => {
                let mut c = options.connect().await.expect("the file");
                let sql = "SELECT sql FROM sqlite_schema ORDER BY name";
                sqlx::query_scalar(sql).fetch_all(&mut c).await.expect("the schema")
            }
        }
    }

    async fn end(&mut self, number: usize) {
        match self.sessions.remove(number) {
            Session::Postgres(c) => c.close().await.expect("closed"),
            Session::MariaDb(c) => c.close().await.expect("closed"),
            Session::Sqlite(c) => c.close().await.expect("closed"),
        }
    }

    /// Nobody is in the way any more.
    pub(super) async fn release(&mut self) {
        while !self.sessions.is_empty() {
            self.end(0).await;
        }
    }
}
