//! How much of a long text of MySQL and MariaDB tells its values apart. A key of theirs has no whole `TEXT`, and nobody counts beginnings: some rows
//! are looked at, of which counts come back and no value.
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlConnection;

use super::mysql::{first_and_last, number};
use super::{BeginningFacts, ColumnFacts, TableFacts};

/// Lengths that are tried, in characters. The longest has no more than the 767 B that the old formats of rows let a column have, four for each.
const LENGTHS: [u32; 6] = [8, 16, 24, 40, 80, LONGEST];
const LONGEST: u32 = 191;
/// Bytes of a key of InnoDB (its rows `DYNAMIC`): what may have more has no whole key.
const KEY: f64 = 3072.0;
/// Share of the different values that must differ by their beginning, and the least for the longest one: of less a key finds too much.
const NEARLY_ALL: f64 = 0.95;
const ENOUGH: f64 = 0.5;
/// Columns of a table that are looked at.
const MOST: usize = 8;

/// Whether an index has the beginning of a column only.
fn is_long(table: &TableFacts, column: &ColumnFacts) -> bool {
    let long = column.type_name.ends_with("text") || column.type_name.ends_with("blob");
    let bound = table.longest_key.as_ref().map_or(KEY, |(_, bytes)| *bytes);
    column.class == "text" && (long || column.most.is_some_and(|most| most > bound))
}

/// Tells of each long text of a table how much of it would be a key, by so many of its first and last rows.
pub(super) async fn beginnings(c: &mut MySqlConnection, table: &mut TableFacts, rows: f64) -> Result<(), sqlx::Error> {
    let quoted = |name: &str| quote_identifier(name, Dialect::Mysql);
    let long: Vec<usize> =
        (0..table.columns.len()).filter(|at| is_long(table, &table.columns[*at])).take(MOST).collect();
    if long.is_empty() {
        return Ok(());
    }
    let part = |(place, at): (usize, &usize)| {
        let name = quoted(&table.columns[*at].name);
        // Values that differ by the case of letters alone are equal in most collations.
        format!("left({name}, {LONGEST}) AS b{place}, md5(lower({name})) AS w{place}")
    };
    let parts: Vec<String> = long.iter().enumerate().map(part).collect();
    let counted = |place: usize| {
        let of = |n: &u32| {
            format!(
                "CAST(count(DISTINCT left(b{place}, {n})) AS DOUBLE), CAST(avg(length(left(b{place}, {n}))) AS DOUBLE)"
            )
        };
        let each: Vec<String> = LENGTHS.iter().map(of).collect();
        format!("CAST(count(b{place}) AS DOUBLE), CAST(count(DISTINCT w{place}) AS DOUBLE), {}", each.join(", "))
    };
    let counts: Vec<String> = (0..long.len()).map(counted).collect();
    let ask = format!(
        "SELECT CAST(count(*) AS DOUBLE), {} FROM ({}) s",
        counts.join(", "),
        first_and_last(table, &parts.join(", "), rows)
    );
    let row = sqlx::query(AssertSqlSafe(ask)).fetch_one(c).await?;
    let looked = number(&row, 0).unwrap_or(0.0);
    for (place, at) in long.into_iter().enumerate() {
        let first = 1 + place * (2 + 2 * LENGTHS.len());
        let figure = |at: usize| number(&row, first + at).unwrap_or(0.0);
        let (seen, whole) = (figure(0), figure(1));
        let tried = LENGTHS.iter().enumerate().map(|(at, n)| (*n, figure(2 + 2 * at), figure(3 + 2 * at)));
        let column = &mut table.columns[at];
        column.beginning = shortest(tried, whole, looked);
        if seen > 0.0 {
            column.nulls = column.nulls.or(Some(1.0 - seen / looked));
            column.distinct = column.distinct.or(Some(of_all(whole, looked)));
        }
    }
    Ok(())
}

/// Of so many different values among the rows that were looked at: more than a tenth are more where there are more rows.
fn of_all(different: f64, looked: f64) -> f64 {
    if different > looked / 10.0 { -(different / looked) } else { different.max(1.0) }
}

/// The shortest of beginnings, given with how many of them differ and their mean bytes, that tells values apart.
fn shortest(tried: impl Iterator<Item = (u32, f64, f64)>, whole: f64, looked: f64) -> Option<BeginningFacts> {
    if whole < 1.0 {
        return None;
    }
    let mut all = tried.map(|(length, different, width)| BeginningFacts {
        length,
        distinct: of_all(different, looked),
        of_whole: (different / whole).min(1.0),
        width,
    });
    let mut last = None;
    let found = all.find(|one| {
        last = Some(*one);
        one.of_whole >= NEARLY_ALL
    });
    found.or(last.filter(|one| one.of_whole >= ENOUGH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_beginning_that_tells_values_apart_is_taken_and_none_that_does_not() {
        let of = |counts: [f64; 6], whole| {
            let tried = LENGTHS.iter().zip(counts).map(|(n, different)| (*n, different, f64::from(*n)));
            shortest(tried, whole, 10_000.0).map(|b| (b.length, b.distinct))
        };
        assert_eq!(of([20.0, 9_600.0, 10_000.0, 10_000.0, 10_000.0, 10_000.0], 10_000.0), Some((16, -0.96)));
        assert_eq!(
            of([5.0, 5.0, 40.0, 300.0, 400.0, 500.0], 900.0),
            Some((LONGEST, 500.0)),
            "the longest, at half of them"
        );
        assert_eq!(of([1.0, 1.0, 1.0, 1.0, 1.0, 2.0], 9_000.0), None, "all begin alike");
        assert_eq!(of([0.0; 6], 0.0), None, "nothing is there");
    }
}
