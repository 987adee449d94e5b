//! What is measured: statements made ready in both arms, a class of values each.
use perfdeck_advisor::{Class, far_ends, ignoring};
use perfdeck_database::prove::{Arms, ProofText, ProvenIndex, Trouble};
use perfdeck_model::{Address, ApiError, ProofMethod, Sensitive};
use perfdeck_sqltext::{Dialect, Kind, only_reads, parameters, tokens, without_literals};

use super::{MOST, ProveStatement, ProveWanted};
use crate::features::database::advice::{Known, WorkloadStatement, known};

/// Longest text of a statement that is kept, in bytes.
const TEXT: usize = 2_000;

/// A class of values of a statement.
pub(super) struct Cell {
    pub(super) class: Class,
    /// Its place in the arms.
    pub(super) place: usize,
}

/// A statement as it is measured.
pub(super) struct Measured<'a> {
    pub(super) of: &'a ProveStatement,
    /// Without literals.
    pub(super) shown: String,
    pub(super) writes: bool,
    pub(super) open: bool,
    pub(super) cells: Vec<Cell>,
    pub(super) why_not: Option<String>,
}

/// Makes the statements ready; what cannot be measured says why.
pub(super) async fn planned<'a>(
    (address, password): (&Address, Option<&Sensitive>),
    index: &ProvenIndex,
    wanted: &'a ProveWanted,
    arms: &mut Arms,
) -> Result<Vec<Measured<'a>>, ApiError> {
    let dialect = perfdeck_database::dialect(address.scheme);
    let asked: Vec<&ProveStatement> = wanted.statements.iter().take(MOST).collect();
    let workload: Vec<WorkloadStatement> =
        asked.iter().map(|s| WorkloadStatement { text: s.text.clone(), calls: 1.0, total_ms: 1.0 }).collect();
    let known = known(address, password, &workload, 1.0).await?;
    let mut all = Vec::new();
    for of in asked {
        let shown = without_literals(&of.text, dialect);
        let shown = shown.get(..shown.floor_char_boundary(TEXT)).unwrap_or_default().to_owned();
        let writes = !only_reads(&of.text, Some(dialect));
        let open = perfdeck_database::prove::leaves_open(&of.text, dialect);
        let mut one = Measured { of, shown, writes, open, cells: Vec::new(), why_not: None };
        let numbers = numbers(&one, wanted, dialect);
        match ready(&one, index, wanted, &known, &numbers, arms).await {
            Ok(cells) => one.cells = cells,
            Err(Trouble::Refused(why)) => one.why_not = Some(why),
            Err(Trouble::Late) => one.why_not = Some("it takes longer than a run may".to_owned()),
            Err(Trouble::Session(error)) => return Err(error),
        }
        all.push(one);
    }
    Ok(all)
}

async fn ready(
    one: &Measured<'_>,
    index: &ProvenIndex,
    wanted: &ProveWanted,
    known: &Known,
    numbers: &[bool],
    arms: &mut Arms,
) -> Result<Vec<Cell>, Trouble> {
    let (text, dialect) = (one.of.text.as_str(), known.catalogue.dialect);
    let refused = |why: String| Err(Trouble::Refused(why));
    let place = known.workload.statements.iter().position(|s| s.text == text);
    let some_values = place.and_then(|at| known.parameters.get(at)?.first()).map_or(&[][..], |p| p.values.as_slice());
    if one.writes && !(wanted.writes && alters_rows(text, dialect)) {
        // What is no statement at all is told as that.
        if !is_command(text, dialect) {
            arms.parse(text, some_values).await?;
        }
        return refused(if alters_rows(text, dialect) {
            "it writes, and nobody asked for writes to be run".to_owned()
        } else {
            "it is neither one statement that reads nor an INSERT, UPDATE or DELETE".to_owned()
        });
    }
    let hinted = match arms.method() {
        ProofMethod::IgnoreHint => {
            let table = last_name(&index.table, dialect);
            match ignoring(text, &table, &index.name) {
                Ok(both) => Some(both),
                Err(why) => {
                    arms.parse(text, some_values).await?;
                    return refused(format!("no hint can be put into it: {why}"));
                }
            }
        }
        _ => None,
    };
    let (with, without) = hinted.as_ref().map_or((text, None), |h| (h.plain.as_str(), Some(h.ignoring.as_str())));
    // Only an order that is read to a limit has a far end.
    let no_end = place.is_some_and(|at| far_ends(&known.workload.statements[at].shape).is_empty());
    let values: Vec<(Class, Vec<String>)> = match place.and_then(|at| known.parameters.get(at)) {
        Some(all) => {
            let wanted = all.iter().filter(|p| p.class != Class::FarEnd || !no_end);
            wanted.map(|p| (p.class, p.values.clone())).collect()
        }
        None if parameters(text, dialect) == 0 => vec![(Class::AsWritten, Vec::new())],
        None => {
            let left = known.workload.left.iter().find(|left| left.text == text);
            let why = left.map_or_else(|| "it is not understood".to_owned(), |left| left.why.to_string());
            return refused(format!("no values are known for its parameters: {why}"));
        }
    };
    let (mut cells, mut first) = (Vec::new(), None);
    for (class, values) in values {
        if !are_numbers(&values, numbers) {
            first = first.or(Some(Trouble::Refused("it is run with numbers, and these values are none".to_owned())));
            continue;
        }
        let (with, rest) = with_numbers(with, &values, numbers, dialect);
        let without = without.map(|text| with_numbers(text, &values, numbers, dialect).0);
        let text = ProofText { with: &with, without: without.as_deref(), values: &rest, writes: one.writes };
        match arms.prepare(&text).await {
            Ok(place) => cells.push(Cell { class, place }),
            Err(trouble @ Trouble::Session(_)) => return Err(trouble),
            Err(trouble) => first = first.or(Some(trouble)),
        }
    }
    match first {
        Some(trouble) if cells.is_empty() => Err(trouble),
        _ => Ok(cells),
    }
}

/// Which parameters of a predicted statement stand where the same statement, as it was handed in, has a number. A prediction keeps no
/// values, and on MySQL and MariaDB a text column that is compared with a number is read without its index.
fn numbers(one: &Measured<'_>, wanted: &ProveWanted, dialect: Dialect) -> Vec<bool> {
    if one.of.predicted.is_none() {
        return Vec::new();
    }
    let same = |s: &&ProveStatement| s.predicted.is_none() && without_literals(&s.text, dialect) == one.shown;
    let Some(handed) = wanted.statements.iter().find(same) else { return Vec::new() };
    let literals = tokens(&handed.text, dialect).into_iter().filter(|t| matches!(t.kind, Kind::Text | Kind::Number));
    let numbers: Vec<bool> = literals.map(|t| t.kind == Kind::Number).collect();
    // Otherwise it cannot be told which is which.
    if numbers.len() == parameters(&one.of.text, dialect) { numbers } else { Vec::new() }
}

fn is_number(value: &str) -> bool {
    value.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether values are numbers where the statement is run with numbers.
fn are_numbers(values: &[String], numbers: &[bool]) -> bool {
    numbers.len() != values.len() || numbers.iter().zip(values).all(|(number, value)| !number || is_number(value))
}

/// A statement with those of its values in it that are numbers where they stand, and the values of its other parameters.
fn with_numbers(text: &str, values: &[String], numbers: &[bool], dialect: Dialect) -> (String, Vec<String>) {
    if numbers.len() != values.len() || dialect == Dialect::Postgres {
        return (text.to_owned(), values.to_vec());
    }
    let (mut out, mut rest, mut next) = (String::with_capacity(text.len()), Vec::new(), 0);
    for token in tokens(text, dialect) {
        let part = &text[token.start..token.end];
        if token.kind != Kind::Parameter {
            out.push_str(part);
            continue;
        }
        let value = values.get(next).filter(|value| numbers[next] && is_number(value));
        out.push_str(value.map_or(part, String::as_str));
        rest.extend(values.get(next).filter(|_| value.is_none()).cloned());
        next += 1;
    }
    (out, rest)
}

/// The words of a statement, in capitals.
fn words(text: &str, dialect: Dialect) -> Vec<String> {
    let words = tokens(text, dialect).into_iter().filter(|t| t.kind == Kind::Word);
    words.filter_map(|t| text.get(t.start..t.end)).map(str::to_ascii_uppercase).collect()
}

/// Whether a statement begins as one of those that servers do not prepare, and that have no plan.
fn is_command(text: &str, dialect: Dialect) -> bool {
    const OTHERS: &[&str] = &[
        "ABORT",
        "ALTER",
        "ANALYZE",
        "ATTACH",
        "BEGIN",
        "CALL",
        "CHECKPOINT",
        "CLOSE",
        "CLUSTER",
        "COMMENT",
        "COMMIT",
        "COPY",
        "CREATE",
        "DEALLOCATE",
        "DECLARE",
        "DETACH",
        "DISCARD",
        "DO",
        "DROP",
        "END",
        "EXECUTE",
        "EXPLAIN",
        "FETCH",
        "FLUSH",
        "GRANT",
        "HANDLER",
        "IMPORT",
        "KILL",
        "LISTEN",
        "LOAD",
        "LOCK",
        "MERGE",
        "MOVE",
        "NOTIFY",
        "OPTIMIZE",
        "PRAGMA",
        "PREPARE",
        "REASSIGN",
        "REFRESH",
        "REINDEX",
        "RELEASE",
        "RENAME",
        "REPAIR",
        "RESET",
        "REVOKE",
        "ROLLBACK",
        "SAVEPOINT",
        "SECURITY",
        "SET",
        "SHOW",
        "SHUTDOWN",
        "START",
        "TRUNCATE",
        "UNLISTEN",
        "UNLOCK",
        "USE",
        "VACUUM",
        "XA",
    ];
    words(text, dialect).first().is_some_and(|word| OTHERS.contains(&word.as_str()))
}

/// Whether a statement that writes writes rows, and nothing else. Whether it is one statement is asked where values are put in.
fn alters_rows(text: &str, dialect: Dialect) -> bool {
    let words = words(text, dialect);
    let has = |word: &str| words.iter().any(|w| w == word);
    match words.first().map(String::as_str) {
        Some("INSERT" | "UPDATE" | "DELETE" | "REPLACE") => !has("OUTFILE") && !has("DUMPFILE"),
        Some("WITH") => has("INSERT") || has("UPDATE") || has("DELETE"),
        _ => false,
    }
}

/// The last part of a name as the server writes it, without quotes.
fn last_name(name: &str, dialect: Dialect) -> String {
    let all = tokens(name, dialect);
    let Some(last) = all.iter().rfind(|t| matches!(t.kind, Kind::Word | Kind::Name)) else { return name.to_owned() };
    let text = name.get(last.start..last.end).unwrap_or_default();
    let inner = text.strip_prefix(['`', '"']).and_then(|t| t.strip_suffix(['`', '"']));
    inner.map_or_else(|| text.to_owned(), |inner| inner.replace("``", "`"))
}

/// What a stop leaves.
pub(super) fn stopped() -> ApiError {
    ApiError::new(perfdeck_model::ErrorCode::Cancelled, "The proof was stopped before its end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_about_rows_are_run_as_writes() {
        let of = |text: &str| alters_rows(text, Dialect::Postgres);
        assert!(of("UPDATE t SET a = $1") && of("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x"));
        for text in
            ["TRUNCATE t", "CALL f()", "DO $$ $$", "COPY t TO '/tmp/x'", "VACUUM", "SELECT nextval('s')", "COMMIT"]
        {
            assert!(!of(text), "{text}");
        }
    }

    #[test]
    fn values_are_numbers_where_the_statement_has_numbers() {
        let texts = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let of = |numbers: &[bool]| {
            with_numbers("SELECT '?' FROM t WHERE a = ? AND b = ?", &texts(&["7", "x"]), numbers, Dialect::Mysql)
        };
        assert_eq!(of(&[true, false]), ("SELECT '?' FROM t WHERE a = 7 AND b = ?".to_owned(), texts(&["x"])));
        let as_it_is = ("SELECT '?' FROM t WHERE a = ? AND b = ?".to_owned(), texts(&["7", "x"]));
        assert_eq!(of(&[false, true]), as_it_is, "a text is no number");
        assert!(!are_numbers(&texts(&["7", "x"]), &[true, true]) && are_numbers(&texts(&["7", "x"]), &[true, false]));
        assert_eq!(of(&[true]), as_it_is, "which is which is not known");
    }

    #[test]
    fn the_last_part_of_a_name_is_the_table() {
        assert_eq!(last_name("`shop`.`odd``one`", Dialect::Mysql), "odd`one");
        assert_eq!(last_name("shop.orders", Dialect::Mysql), "orders");
        assert_eq!(last_name("orders", Dialect::Mysql), "orders");
    }
}
