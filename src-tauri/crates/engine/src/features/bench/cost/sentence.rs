//! What was found, in a sentence. Pure.
use perfdeck_words as words;

use super::answer::{CostAmount, CostTotals, StatementCost};

/// Longest text of a statement within a sentence, in characters.
const BRIEF: usize = 70;

/// An amount of things that are counted: whole where it is.
fn times(amount: &CostAmount) -> String {
    let whole = amount.mean.round();
    if (amount.mean - whole).abs() < 0.005 { words::integer(whole) } else { words::significant(amount.mean, 3) }
}

/// A statement in a few words: what it reads from says more than its columns.
fn brief(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let from = line.to_ascii_uppercase().find(" FROM ").filter(|_| line.get(..7).is_some_and(is_select));
    let line = match from.and_then(|at| line.get(at..)) {
        Some(rest) if line.chars().count() > BRIEF / 2 => format!("SELECT …{rest}"),
        _ => line,
    };
    match line.char_indices().nth(BRIEF) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or(&line).trim_end()),
        None => line,
    }
}

fn is_select(start: &str) -> bool {
    start.eq_ignore_ascii_case("SELECT ")
}

/// The sum of its statements, where each is told exactly: under the noise of others the totals are not.
fn own(statements: &[StatementCost]) -> Option<CostAmount> {
    let mut mean = 0.0;
    for row in statements.iter().filter(|row| row.sure && !row.nested) {
        let exact = row.calls.low.zip(row.calls.high).is_some_and(|(low, high)| (high - low).abs() < 1e-9);
        mean += exact.then_some(row.calls.mean)?;
    }
    (mean > 0.0).then_some(CostAmount { mean, low: Some(mean), high: Some(mean) })
}

fn is_within(own: &CostAmount, all: &CostAmount) -> bool {
    all.low.is_some_and(|low| low <= own.mean) && all.high.is_some_and(|high| own.mean <= high)
}

/// What a request costs, without the full stop. `failed` says that most of them did.
pub(super) fn sentence(totals: &CostTotals, statements: &[StatementCost], failed: bool) -> String {
    let request = if failed { "failed request" } else { "request" };
    let all = times(&own(statements).filter(|own| is_within(own, &totals.statements)).unwrap_or(totals.statements));
    let repeated = statements.iter().filter(|row| row.repeated == Some(true) && !row.nested);
    if let Some(row) = repeated.max_by(|a, b| a.calls.mean.total_cmp(&b.calls.mean)) {
        let text = row.statement.as_deref().map_or_else(|| "its text is not known".to_owned(), brief);
        return format!("{} of {all} statements of a {request} are one: {text}", times(&row.calls));
    }
    if totals.statements.high == Some(0.0) {
        return format!("A {request} runs no statement");
    }
    let unit = if all == "1" { "statement" } else { "statements" };
    format!("A {request} runs {all} {unit} and takes {} of database time", words::ms(totals.db_ms.mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(mean: f64) -> CostAmount {
        CostAmount { mean, low: Some(mean), high: Some(mean) }
    }

    fn totals(statements: f64) -> CostTotals {
        CostTotals {
            statements: amount(statements),
            rows: amount(0.0),
            db_ms: amount(1.5),
            buffers: None,
            wal_bytes: None,
            cache_commands: None,
            cache: None,
        }
    }

    #[test]
    fn the_repeated_statement_comes_first() {
        let row = |calls: f64, text: &str| StatementCost {
            key: "1".to_owned(),
            statement: Some(text.to_owned()),
            nested: false,
            sure: true,
            calls: amount(calls),
            rows: amount(calls),
            ms: amount(1.0),
            buffers: None,
            wal_bytes: None,
            repeated: Some(calls >= 3.0),
        };
        let shifts = "SELECT id, starts_at, ends_at, room_id\n  FROM staff_shifts WHERE id = $1";
        let rows = [row(2.0, "SELECT 1"), row(21.0, shifts)];
        assert_eq!(
            sentence(&totals(23.0), &rows, false),
            "21 of 23 statements of a request are one: SELECT … FROM staff_shifts WHERE id = $1"
        );
        let plain = words::plain_spaces(&sentence(&totals(2.5), &rows[..1], false));
        assert_eq!(plain, "A request runs 2.50 statements and takes 1.50 ms of database time");
        let noisy =
            CostTotals { statements: CostAmount { mean: 24.2, low: Some(21.0), high: Some(27.0) }, ..totals(0.0) };
        assert!(sentence(&noisy, &rows, false).starts_with("21 of 23 statements"), "others' noise is not in it");
        assert_eq!(sentence(&totals(0.0), &[], true), "A failed request runs no statement");
        assert_eq!(brief(&"x".repeat(80)).chars().count(), BRIEF + 1, "it is cut, and shows that");
    }
}
