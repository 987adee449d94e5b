//! Tables whose values are spread unevenly: what an index does to one value says nothing of another.
//!
//! Three things are varied: how many rows a value has, where they lie in the order that statements ask for, and what the table is like.
//! The trap that all of it is about: rows of a value at the far end of an order, which a plan by an index on that order hopes to meet early.
use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, PgConnection, Row as _, raw_sql};

use crate::Result;
use crate::shown::show;

/// Where in the order of `created` the rows of the marked value lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// All among the oldest: `ORDER BY created DESC` meets them last.
    Oldest,
    /// All among the youngest.
    Youngest,
    /// Everywhere.
    Spread,
}

/// What the table is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Bytes of a row that nobody asks for.
    pub pad: u32,
    /// Whether rows lie on disk in another order than that of `created`.
    pub shuffled: bool,
    /// Whether an index on `created` is there before.
    pub has_order: bool,
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Skewed {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u32,
    /// Share of them that the marked value has.
    pub share: f64,
    /// Where those lie.
    pub position: Position,
    /// What it is like.
    pub form: Form,
}

/// A value that many rows have, one that few have, the marked one, and one that is not there.
pub const VALUES: [(&str, i32); 4] = [("frequent", 1), ("rare", 142), ("far end", 7), ("absent", -5)];

/// Statements about such a table; `$1` is one of [`VALUES`].
const STATEMENTS: [&str; 5] = [
    "SELECT * FROM {t} WHERE owner = $1 ORDER BY created DESC LIMIT 10",
    "SELECT * FROM {t} WHERE owner = $1 AND amount > 900 ORDER BY created LIMIT 10",
    "SELECT count(*), sum(amount) FROM {t} WHERE owner = $1 AND state = 3",
    "SELECT * FROM {t} WHERE owner = $1 AND created > {late}",
    "SELECT max(created) FROM {t} WHERE owner = $1",
];

impl Skewed {
    /// Tables of so many rows for every share, position and form that is given.
    pub fn all(rows: u32, shares: &[f64], forms: &[Form]) -> Vec<Self> {
        let mut all = Vec::new();
        for share in shares {
            for position in [Position::Oldest, Position::Youngest, Position::Spread] {
                for form in forms {
                    let name = format!("skewed_{}", all.len());
                    all.push(Self { name, rows, share: *share, position, form: *form });
                }
            }
        }
        all
    }

    /// The statements that make it. The frequent value has three in ten of the other rows, a thousand others share the rest.
    pub fn create(&self) -> String {
        let Self { name, rows, share, position, form } = self;
        let marked = f64::from(*rows) * share;
        let is_marked = match position {
            Position::Oldest => format!("i <= {marked:.0}"),
            Position::Youngest => format!("i > {:.0}", f64::from(*rows) - marked),
            Position::Spread => format!("i % {:.0} = 0", 1.0 / share),
        };
        // A multiplicative hash: in no order, and the same each time.
        let order = if form.shuffled { "(i * 2654435761) % 4294967296" } else { "i" };
        let mut text = format!(
            "CREATE TABLE {name} (id int, owner int NOT NULL, state int NOT NULL, created int NOT NULL, amount int NOT NULL, pad text);
             INSERT INTO {name}
             SELECT i, CASE WHEN {is_marked} THEN 7 WHEN (i * 7919) % 10 < 3 THEN 1 ELSE 100 + (i * 104729) % 1000 END,
                    (i * 31) % 11, i, (i * 37) % 1000, repeat('x', {pad})
             FROM generate_series(1::bigint, {rows}) i ORDER BY {order};
             ALTER TABLE {name} ADD PRIMARY KEY (id);",
            pad = form.pad
        );
        if form.has_order {
            let _ = write!(text, "CREATE INDEX {name}_created ON {name} (created);");
        }
        text
    }

    /// Statements about it with a parameter each.
    pub fn statements(&self) -> Vec<String> {
        let late = self.rows / 10 * 9;
        STATEMENTS.iter().map(|text| text.replace("{t}", &self.name).replace("{late}", &late.to_string())).collect()
    }
}

/// What a statement took when it was run.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// Pages that it read, from memory or not.
    pub pages: f64,
    /// Milliseconds of the server's.
    pub ms: f64,
    /// The steps of its plan with the indexes that they use.
    pub steps: Vec<String>,
}

/// A statement with one of [`VALUES`], without indexes and with them, in turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Place of the statement.
    pub statement: usize,
    /// Place of the value.
    pub value: usize,
    /// Runs without and with them.
    pub runs: Vec<(Ran, Ran)>,
}

/// Runs every statement with every value so often without these indexes and with them.
///
/// # Errors
/// When the server refuses something.
pub async fn pairs(c: &mut PgConnection, statements: &[String], indexes: &[i64], count: usize) -> Result<Vec<Pairs>> {
    let mut all = Vec::new();
    for statement in 0..statements.len() {
        for value in 0..VALUES.len() {
            all.push(Pairs { statement, value, runs: Vec::new() });
        }
    }
    for turn in 0..count {
        // Each shown once a turn, so that the catalogue is read anew as seldom as can be.
        let mut arms: Vec<(bool, Vec<Ran>)> = Vec::new();
        for shown in [turn % 2 == 0, turn % 2 != 0] {
            show(c, indexes, if shown { indexes } else { &[] }).await?;
            let mut ran = Vec::new();
            for pair in &all {
                ran.push(run(c, &statements[pair.statement], VALUES[pair.value].1).await?);
            }
            arms.push((shown, ran));
        }
        arms.sort_by_key(|(shown, _)| *shown);
        for (at, pair) in all.iter_mut().enumerate() {
            pair.runs.push((arms[0].1[at].clone(), arms[1].1[at].clone()));
        }
    }
    show(c, indexes, indexes).await?;
    Ok(all)
}

/// Runs a statement with a value in place of `$1`.
///
/// # Errors
/// When the server refuses it.
pub async fn run(c: &mut PgConnection, statement: &str, value: i32) -> Result<Ran> {
    let text = statement.replace("$1", &format!("({value})"));
    let ask = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {text}");
    let row = raw_sql(AssertSqlSafe(ask)).fetch_one(c).await?;
    let value = row.try_get_raw(0)?;
    let plan = value.as_str().map_err(sqlx::Error::Decode)?;
    // The first node is the topmost, whose figures have those below it in them.
    let number = |name: &str| {
        let rest = plan.split_once(&format!("\"{name}\": ")).map(|(_, rest)| rest)?;
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        rest[..end].parse::<f64>().ok()
    };
    let missing = || sqlx::Error::Protocol("a plan without figures".to_owned());
    let pages = number("Shared Hit Blocks").zip(number("Shared Read Blocks")).ok_or_else(missing)?;
    let ms = number("Execution Time").ok_or_else(missing)?;
    let named = |line: &&str| line.starts_with("\"Node Type\"") || line.starts_with("\"Index Name\"");
    let steps = plan.lines().map(str::trim).filter(named).map(str::to_owned).collect();
    Ok(Ran { pages: pages.0 + pages.1, ms, steps })
}
