//! Writing: data to stdout, everything else to stderr, nothing that could drive the terminal.
use std::io::{IsTerminal, Write};

use perfdeck_model::{ApiError, Remedy, Unit};
use perfdeck_words::{Brackets, ascii, format, plain_spaces, significant, visible};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Why a command ends with something else than 0.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It failed.
    Api(ApiError),
    /// The reader of stdout went away; there is nobody to tell.
    Closed,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Api(ApiError::internal(format!("The output could not be written: {error}")))
        }
    }
}

pub(crate) type Done<T = u8> = Result<T, Failure>;

/// Control characters and marks that reorder or hide text are written out, so that a name cannot drive the terminal; thin
/// spaces are plain ones there.
pub(crate) fn plain(text: &str) -> String {
    plain_spaces(&visible(text, Brackets::Ascii))
}

/// Text of ours after a head, its further lines below its first one: statements that are to be run stay lines.
pub(crate) fn under(head: &str, text: &str) -> Vec<String> {
    let blank = " ".repeat(head.chars().count());
    let heads = std::iter::once(head).chain(std::iter::repeat(blank.as_str()));
    heads.zip(text.lines()).map(|(head, line)| format!("{head} {}", plain(line))).collect()
}

/// One line of data.
pub(crate) fn line(text: &str) -> Done<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// An answer as indented JSON.
pub(crate) fn json(answer: &impl Serialize) -> Done<()> {
    line(&serde_json::to_string_pretty(answer).map_err(|e| ApiError::internal(e.to_string()))?)
}

/// An answer as one line of JSON.
pub(crate) fn json_line(answer: &impl Serialize) -> Done<()> {
    line(&serde_json::to_string(answer).map_err(|e| ApiError::internal(e.to_string()))?)
}

/// Something for the person only.
pub(crate) fn note(text: &str) {
    // Nobody reading stderr is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// `error:` and `hint:` lines, coloured on a terminal unless `NO_COLOR` is set.
pub(crate) fn error(error: &ApiError) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let (red, cyan, off) = if colour { ("\u{1b}[1;31m", "\u{1b}[1;36m", "\u{1b}[0m") } else { ("", "", "") };
    note(&format!("{red}error{off}: {}", plain(&error.message)));
    // What of it `perfctl` does in a way of its own.
    let remedy = error.remedy.map(|remedy| format!("{cyan}hint{off}: {}", remedied(remedy)));
    // Lines of a hint are ours: statements that are to be run.
    for line in error.hint.iter().flat_map(|hint| under("hint:", hint)) {
        note(&line.strip_prefix("hint:").map_or_else(|| line.clone(), |rest| format!("{cyan}hint{off}:{rest}")));
    }
    if let Some(line) = remedy {
        note(&line);
    }
}

/// How `perfctl` does what helps.
fn remedied(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Unlock => "--unlock allows it for this run",
        Remedy::Confirm => "--confirm takes the name",
        Remedy::PasswordVariable => "--database-password-env NAME and --cache-password-env NAME take a variable",
        Remedy::NameEnvironment => "--env NAME names an environment",
        Remedy::ListEnvironments => "'perfctl env list' shows the environments there are",
        Remedy::AddEnvironment => "'perfctl env add NAME' stores it",
        Remedy::RemoveEnvironment => "'perfctl env remove NAME' removes it",
        Remedy::CheckPlan => "'perfctl bench plan check FILE' names everything that is wrong",
        Remedy::NameDifference => "--changed FACT names it",
        Remedy::ShowBenchmark => "'perfctl serve' and the window show it",
    }
}

/// Rows under a head, columns aligned.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Done<()> {
    // A statement over several lines is one cell.
    let rows: Vec<Vec<String>> =
        rows.iter().map(|r| r.iter().map(|c| plain(&c.replace('\n', " "))).collect()).collect();
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(i, h)| {
            rows.iter()
                .filter_map(|r| r.get(i))
                .map(|c| c.chars().count())
                .chain([h.chars().count()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let print = |cells: &[String]| {
        let text: Vec<String> = cells.iter().zip(&widths).map(|(c, w)| format!("{c:<w$}")).collect();
        line(text.join("  ").trim_end())
    };
    if !head.iter().all(|h| h.is_empty()) {
        print(&head.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>())?;
    }
    rows.iter().try_for_each(|r| print(r))
}

/// Three significant figures in plain ASCII, no exponent.
pub(crate) fn figures(x: f64) -> String {
    ascii(&significant(x, 3))
}

/// Milliseconds as µs, ms or s; minutes from 120 s.
pub(crate) fn ms(x: f64) -> String {
    ascii(&perfdeck_words::ms(x))
}

/// A value with its unit. Rates and counts have no prefix, so that a script can compare them.
pub(crate) fn value(x: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond => format!("{}/s", figures(x)),
        // What is counted is whole; a mean of counts need not be.
        Unit::Count if x.fract() == 0.0 => ascii(&perfdeck_words::integer(x)),
        Unit::Count => figures(x),
        unit => ascii(&format(Some(x), unit)),
    }
}

/// A time as it is written in logs, to the second, in UTC.
pub(crate) fn moment(ms: f64) -> String {
    let time = OffsetDateTime::from_unix_timestamp((ms / 1e3) as i64).ok();
    time.and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_cannot_drive_the_terminal() {
        assert_eq!(
            plain("a\u{1b}[2Jb\u{202e}c\r"),
            "a<U+001B>[2Jb<U+202E>c<U+000D>",
            "escapes and overrides are spelled out"
        );
        assert_eq!(
            under("  fix:", "ALTER SYSTEM SET a = 'b';\nCREATE EXTENSION c;\u{1b}[2J"),
            ["  fix: ALTER SYSTEM SET a = 'b';", "       CREATE EXTENSION c;<U+001B>[2J"],
            "statements to run are lines"
        );
        assert_eq!(figures(1234.4), "1234", "whole numbers above a thousand");
        assert_eq!(value(0.105, Unit::Ratio), "10.5 %", "ratios are percent");
        assert_eq!(value(15_171_584.0, Unit::Bytes), "14.5 MiB", "memory is IEC");
        assert_eq!(ms(0.25), "250 µs", "small times are microseconds");
    }
}
