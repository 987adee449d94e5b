//! How many rows of a file have the values that a statement writes itself: counted, to a bound and within a time.
use std::collections::HashMap;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::quoted;
use crate::what_if::{ColumnFacts, TableFacts};

/// Rows that are counted at most: beyond them it does not matter how many there are.
pub(super) const MOST: f64 = 10_000.0;
/// Rows that are looked at for a share of them.
const SAMPLE: u32 = 30_000;
/// Longest time of one count, and of all of them together.
const ONE: Duration = Duration::from_millis(100);
const ALL: Duration = Duration::from_secs(3);
/// Instructions between two looks at the clock.
const STEPS: i32 = 1_000;

/// A file that is counted in.
pub(super) struct Counter {
    file: SqliteConnection,
    /// What was counted; `None` where it took too long.
    known: HashMap<String, Option<f64>>,
    spent: Duration,
}

impl Counter {
    pub(super) fn new(file: SqliteConnection) -> Self {
        Self { file, known: HashMap::new(), spent: Duration::ZERO }
    }

    /// Rows of a table of which all of these hold, up to [`MOST`]. `None` where that takes too long, or the file is busy.
    pub(super) async fn rows(&mut self, table: &str, all: &[&str]) -> Option<f64> {
        let text =
            format!("SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} LIMIT {MOST})", quoted(table), all.join(" AND "));
        self.told(text).await
    }

    /// Share of the first rows of which all of these hold; `None` likewise.
    pub(super) async fn share(&mut self, table: &str, all: &[&str]) -> Option<f64> {
        let text = format!(
            "SELECT avg(v) FROM (SELECT ({}) IS TRUE AS v FROM {} LIMIT {SAMPLE})",
            all.join(" AND "),
            quoted(table)
        );
        self.told(text).await
    }

    /// Share of the rows that have a value which is asked for as often as rows have it: by pairs of the first rows that have the same one.
    pub(super) async fn alike(&mut self, table: &str, of: &str) -> Option<f64> {
        let text = format!(
            "SELECT total(n * (n - 1.0)) / max(1.0, sum(n) * (sum(n) - 1.0)) FROM (SELECT count(*) AS n FROM \
             (SELECT {of} AS v FROM {} LIMIT {SAMPLE}) WHERE v IS NOT NULL GROUP BY v)",
            quoted(table)
        );
        self.told(text).await
    }

    async fn told(&mut self, text: String) -> Option<f64> {
        if let Some(known) = self.known.get(&text) {
            return *known;
        }
        let began = Instant::now();
        let found = if self.spent < ALL { self.count(&text, began + ONE).await.ok().flatten() } else { None };
        self.spent += began.elapsed();
        self.known.insert(text, found);
        found
    }

    async fn count(&mut self, text: &str, end: Instant) -> Result<Option<f64>, sqlx::Error> {
        self.file.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < end);
        let text = format!("SELECT CAST(({text}) AS REAL)");
        sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&mut self.file).await
    }

    pub(super) async fn close(self) {
        let _ = self.file.close().await;
    }
}

/// Rows with these values by the values that were looked at, as if those of one column had nothing to do with those of another; `None`
/// where nothing is known of a column.
pub(super) fn by_shares(table: &TableFacts, equal: &[(String, String)]) -> Option<f64> {
    let share = |(column, value): &(String, String)| {
        let column = table.columns.iter().find(|c| c.name.eq_ignore_ascii_case(column))?;
        let text = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\''));
        let value = text.map_or_else(|| value.clone(), |text| text.replace("''", "'"));
        of_value(column, &value, table.rows?)
    };
    let all: Option<f64> = equal.iter().map(share).product();
    Some((all? * table.rows?).max(1.0))
}

fn of_value(column: &ColumnFacts, value: &str, rows: f64) -> Option<f64> {
    if let Some((_, share)) = column.common.iter().find(|(common, _)| common == value) {
        return Some(*share);
    }
    let distinct = column.distinct.map(|n| if n < 0.0 { -n * rows } else { n })?;
    let rest = 1.0 - column.nulls.unwrap_or(0.0) - column.common.iter().map(|(_, share)| share).sum::<f64>();
    Some((rest / (distinct - column.common.len() as f64).max(1.0)).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_values_are_those_that_were_looked_at() {
        let column = |name: &str, distinct, common: &[(&str, f64)]| ColumnFacts {
            name: name.into(),
            distinct: Some(distinct),
            common: common.iter().map(|(value, share)| ((*value).to_owned(), *share)).collect(),
            nulls: Some(0.0),
            ..ColumnFacts::default()
        };
        let table = TableFacts {
            rows: Some(10_000.0),
            columns: vec![column("state", 12.0, &[("it's", 0.5), ("done", 0.4)]), column("owner", -0.5, &[])],
            ..TableFacts::default()
        };
        let of = |all: &[(&str, &str)]| {
            let equal: Vec<(String, String)> = all.iter().map(|(c, v)| ((*c).to_owned(), (*v).to_owned())).collect();
            by_shares(&table, &equal).map(f64::round)
        };
        assert_eq!(of(&[("State", "'it''s'")]), Some(5_000.0));
        assert_eq!(of(&[("state", "'other'")]), Some(100.0), "ten others share a tenth");
        assert_eq!(of(&[("owner", "7")]), Some(2.0));
        assert_eq!(of(&[("state", "'done'"), ("owner", "7")]), Some(1.0), "one row at least");
        assert_eq!(of(&[("nowhere", "7")]), None);
    }
}
