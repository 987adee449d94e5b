//! How a database would run one statement, or did when that was asked for: the server's own plan as a tree, without literals.
mod mysql;
mod mysql_calls;
mod mysql_tree;
mod postgres;
mod postgres_calls;
mod postgres_tree;
mod sqlite;
mod text;
mod without;

pub(crate) use mysql_calls::harmless as harmless_on_mysql;
pub(crate) use postgres_calls::harmless as harmless_on_postgres;

use std::time::Duration;

pub(crate) use self::sqlite::nodes as sqlite_nodes;
use perfdeck_model::{Address, ApiError, ErrorCode, PlanNode, Scheme, Sensitive, StatementPlan};
use perfdeck_sqltext::{Dialect, first_that_may_write, parameters, statements, without_literals};
use serde_json::Value;

use crate::connect::{Database, close, connect_as_role, stalled, version};
use crate::error::explain;
use crate::hints::again;
use crate::load::dialect;
use crate::own;

/// Longest statement that is planned, in bytes.
pub const LONGEST_STATEMENT: usize = 2 * 1024 * 1024;
/// Nodes that a plan is told with at most.
const MOST_NODES: usize = 2_000;
/// Longest text of the server's own answer that is handed on, in bytes.
const LONGEST_JSON: usize = 1024 * 1024;
/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest time of planning.
const PLANNING: Duration = Duration::from_secs(5);
/// Longest time of a statement that is run to measure it.
const RUNNING: Duration = Duration::from_secs(30);

/// What a server answered.
#[derive(Default)]
struct Tree {
    nodes: Vec<PlanNode>,
    left_out: usize,
    planning_ms: Option<f64>,
    execution_ms: Option<f64>,
    notes: Vec<String>,
    json: String,
    generic: bool,
}

impl Tree {
    /// The same with the answer that it was made of.
    fn of(mut self, answer: &Value) -> Result<Self, ApiError> {
        if self.nodes.is_empty() {
            return Err(unread());
        }
        self.json = serde_json::to_string_pretty(answer).map_err(|e| ApiError::internal(e.to_string()))?;
        Ok(self)
    }

    /// Adds a node where there is room; answers its place.
    fn push(&mut self, node: PlanNode) -> Option<usize> {
        if self.nodes.len() >= MOST_NODES {
            self.left_out += 1;
            return None;
        }
        self.nodes.push(node);
        Some(self.nodes.len() - 1)
    }
}

/// Nodes of an answer to `EXPLAIN (FORMAT JSON)` of PostgreSQL that was estimated; none where it is no plan.
pub(crate) fn postgres_nodes(answer: &str) -> Vec<PlanNode> {
    postgres_tree::read(answer, false).map(|tree| tree.nodes).unwrap_or_default()
}

/// The server's answer without literals, for `read` to make a tree of.
///
/// # Errors
/// When it is no JSON, or nested deeper than about 60 nodes.
fn answered(answer: &str, dialect: Dialect) -> Result<Value, ApiError> {
    let mut all = serde_json::from_str(answer).map_err(|_| unread())?;
    without::literals(&mut all, dialect);
    Ok(all)
}

/// An answer is not of a form that is known.
fn unread() -> ApiError {
    let what = "The server's plan cannot be read: it is nested too deep, or of another form";
    ApiError::new(ErrorCode::Unsupported, what).hint("Plans of up to 60 levels are read")
}

/// A node with how often it was run, the rows that were expected of a loop and those that it had.
fn counted(loops: Option<f64>, estimated_rows: Option<f64>, rows: Option<f64>) -> PlanNode {
    let (off_by, overestimated) = off_by(estimated_rows, rows);
    PlanNode { loops, estimated_rows, rows, off_by, overestimated, ..PlanNode::default() }
}

/// A statement that is to be planned: one, which only reads.
///
/// # Errors
/// [`ErrorCode::BadRequest`] when it is none, several, too long, can write, or asks for a plan itself.
fn readable(text: &str, dialect: Dialect) -> Result<&str, ApiError> {
    let refused = |what: &str, hint: &str| Err(ApiError::bad_request(what).hint(hint));
    if text.len() > LONGEST_STATEMENT {
        let size = perfdeck_words::bytes(text.len() as f64);
        return refused(&format!("The statement has {size}"), "Statements of up to 2 MiB are planned");
    }
    if text.contains('\0') {
        return refused("The statement has a NUL in it", "No server takes that; take it out");
    }
    let all = match statements(text, dialect) {
        Ok(all) => all,
        Err(error) => return refused(&error.to_string(), error.hint),
    };
    let [statement] = all.as_slice() else {
        return match all.len() {
            0 => refused("There is no statement", "Give one that reads, such as SELECT … or WITH …"),
            n => refused(&format!("There are {n} statements"), "One is planned at a time"),
        };
    };
    let text = statement.text;
    let first = text.trim_start_matches(|c: char| c == '(' || c.is_whitespace());
    let first: String = first.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_uppercase();
    if ["EXPLAIN", "DESCRIBE", "DESC", "SHOW", "ANALYZE", "ANALYSE"].contains(&first.as_str()) {
        return refused(
            &format!("{first} is no statement that has a plan"),
            "Give the statement itself; EXPLAIN is added",
        );
    }
    if let Some(word) = first_that_may_write(text, dialect) {
        return Err(may_write(word));
    }
    Ok(text)
}

/// Whether a statement can be planned by its text alone, as the server's counters have it; the server is not asked.
///
/// # Errors
/// Why it cannot: it is none that is planned, or the kind of server plans for values only.
pub fn plannable(statement: &str, scheme: Scheme) -> Result<(), ApiError> {
    let dialect = dialect(scheme);
    let text = readable(statement, dialect)?;
    if dialect == Dialect::Mysql && parameters(text, dialect) > 0 {
        return Err(ApiError::bad_request(
            "MySQL and MariaDB plan a statement for its values only, and they are not known",
        )
        .hint("Write values in place of each ?"));
    }
    Ok(())
}

/// The statement is not planned because of a part of it.
fn may_write(part: &str) -> ApiError {
    const READS: &str = "Only what reads is planned here: SELECT, WITH, VALUES and TABLE without FOR UPDATE and INTO; of an UPDATE or \
                         DELETE give the SELECT that finds its rows";
    let is_name = part.trim_matches(['"', '`']).chars().all(|c| c.is_alphanumeric() || c == '_');
    // Whatever else it is may hold a literal.
    if is_name && !part.is_empty() && part.len() <= 63 {
        ApiError::bad_request(format!("The statement can write or lock, or is none that reads: `{part}` is in it"))
            .hint(READS)
    } else if part.starts_with("/*") || part.ends_with("*/") {
        ApiError::bad_request("The statement can write: a comment in it is executed by the server").hint(READS)
    } else {
        ApiError::bad_request("The statement can write or lock, or it is not clear where it or a text in it ends")
            .hint(READS)
    }
}

/// The plan of one statement that only reads. With `measure` the statement is run, within a transaction that only reads and
/// is rolled back, for at most 30 s.
///
/// # Errors
/// When the statement is none that is planned, the server refuses it or does not plan it within 5 s, or, with `measure`, the
/// server cannot measure or the statement does not end in time.
pub async fn statement_plan(
    address: &Address,
    password: Option<&Sensitive>,
    statement: &str,
    measure: bool,
) -> Result<StatementPlan, ApiError> {
    let dialect = dialect(address.scheme);
    let text = readable(statement, dialect)?;
    let limit = if measure { RUNNING } else { PLANNING };
    // The plan and its times are those that the role gets: with its settings, JIT among them.
    let mut database = connect_as_role(address, password, CONNECT).await?;
    own::add(address, 1.0, u32::from(matches!(database, Database::Postgres(_))));
    let server = match tokio::time::timeout(CONNECT, version(&mut database)).await {
        Ok(server) => server.map_err(|e| explain(address, &e))?,
        Err(_) => return Err(stalled(address, &database, CONNECT)),
    };
    let work = async {
        match &mut database {
            Database::Postgres(c) => postgres::plan(c, address, text, measure, limit).await,
            Database::Mysql(c) => mysql::plan(c, address, text, measure, limit, &server).await,
            Database::Sqlite(c) => sqlite::plan(c, address, text, measure).await,
        }
    };
    // The server's own limit comes first, and says more.
    let outcome = tokio::time::timeout(limit + CONNECT, work).await;
    close(database).await;
    let tree = outcome.map_err(|_| late(limit, measure))??;
    let statement = without_literals(text, dialect);
    let mut plan = StatementPlan {
        server,
        statement,
        measured: measure,
        generic: tree.generic,
        nodes: tree.nodes,
        nodes_left_out: u32::try_from(tree.left_out).unwrap_or(u32::MAX),
        planning_ms: tree.planning_ms,
        execution_ms: tree.execution_ms,
        notes: tree.notes,
        text: String::new(),
        json: tree.json,
    };
    if plan.json.len() > LONGEST_JSON {
        let size = perfdeck_words::bytes(plan.json.len() as f64);
        plan.notes.push(format!("The plan as JSON has {size} and is left out"));
        plan.json = String::new();
    }
    plan.text = text::tree(&plan);
    Ok(plan)
}

/// The statement took longer than it may.
fn late(limit: Duration, measure: bool) -> ApiError {
    let seconds = limit.as_secs();
    if measure {
        again(ErrorCode::Timeout, format!("The statement ran for {seconds} s and was ended"))
            .hint("Look at its plan without running it")
    } else {
        again(ErrorCode::Timeout, format!("The server did not plan the statement within {seconds} s"))
            .hint("Try again when it is less busy")
    }
}

/// The factor between rows and their estimate, and whether there were fewer than expected; less than one row counts as one.
fn off_by(estimated: Option<f64>, rows: Option<f64>) -> (Option<f64>, bool) {
    let Some((estimated, rows)) = estimated.zip(rows) else { return (None, false) };
    let (estimated, rows) = (estimated.max(1.0), rows.max(1.0));
    (Some((rows / estimated).max(estimated / rows)), estimated > rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_statement_that_reads_is_planned() {
        for (text, part) in [
            ("", "no statement"),
            ("-- nothing", "no statement"),
            ("select 1; select 2", "2 statements"),
            ("explain select 1", "EXPLAIN is no statement"),
            ("(show all", "is no statement"),
            ("update t set a = 1", "`update`"),
            ("selec 1", "`selec`"),
            ("select * from t for update", "`update`"),
            ("with x as (delete from t returning 1) select * from x", "`delete`"),
            ("select 'never closed", ""),
            ("select 1\0", "NUL"),
        ] {
            let error = readable(text, Dialect::Postgres).expect_err(text);
            assert!(error.message.contains(part) && error.hint.is_some(), "{text}: {error:?}");
        }
        assert_eq!(readable(" select 1 ; ", Dialect::Postgres).expect("reads"), "select 1");
        let long = format!("select '{}'", "x".repeat(LONGEST_STATEMENT));
        assert!(readable(&long, Dialect::Postgres).is_err(), "there is a bound");
    }

    #[test]
    fn estimates_are_off_by_a_factor_either_way() {
        assert_eq!(off_by(Some(1.0), Some(14.0)), (Some(14.0), false), "more than expected");
        assert_eq!(off_by(Some(100.0), Some(0.0)), (Some(100.0), true), "none of what was expected");
        assert_eq!(off_by(Some(0.0), Some(0.0)), (Some(1.0), false), "none, as expected");
        assert_eq!(off_by(None, Some(1.0)), (None, false), "nobody expected anything");
    }
}
