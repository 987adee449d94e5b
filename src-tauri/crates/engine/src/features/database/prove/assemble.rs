//! The proof, made of what was measured.
use std::time::Duration;

use perfdeck_model::{
    Address, ChangeProof, PredictedStatement, ProofClass, ProofMethod, ProofStatement, Scheme, ShareRange,
};
use perfdeck_stats::paired::median;
use perfdeck_stats::proof::{change, of_parts, saved, share, verdict};
use perfdeck_words as words;

use super::measure::{Came, CellFigures};
use super::plan::{Cell, Measured};
use super::{MOST, ProveWanted};

/// What the notes are about.
pub(super) struct Notes<'a> {
    pub(super) address: &'a Address,
    pub(super) wanted: &'a ProveWanted,
    pub(super) method: ProofMethod,
    /// Whether the time was over before the end.
    pub(super) late: bool,
}

pub(super) fn assembled(
    measured: &[Measured<'_>],
    came: &[Vec<Came>],
    notes: &Notes<'_>,
    took: Duration,
) -> ChangeProof {
    let statements: Vec<ProofStatement> = measured.iter().zip(came).map(|(one, came)| statement(one, came)).collect();
    let (verdict, why) = verdict(&statements);
    let known = statements.iter().filter_map(|s| Some((s.share?, s.change?)));
    let saved = saved(&known.collect::<Vec<_>>());
    ChangeProof {
        at_ms: 0.0,
        took_s: took.as_secs_f64(),
        method: notes.method,
        verdict,
        why,
        saved,
        notes: notes.of(measured, came, &statements),
        statements,
    }
}

fn statement(one: &Measured<'_>, came: &[Came]) -> ProofStatement {
    let predicted = one.of.predicted.as_ref();
    let classes: Vec<(f64, ProofClass)> = one
        .cells
        .iter()
        .zip(came)
        .filter_map(|(cell, came)| {
            Some((perfdeck_advisor::weight(cell.class), class(one, cell, came.as_ref().ok()?, predicted)?))
        })
        .collect();
    // A class's part of the time is that without the index.
    let parts: Vec<(f64, ShareRange)> =
        classes.iter().map(|(weight, class)| (weight * class.before_ms, class.change)).collect();
    let change = of_parts(&parts);
    let range = predicted.map(|p| p.change);
    let first = came.iter().find_map(|came| came.as_ref().err().cloned());
    let not_measured = one.why_not.clone().or(first).filter(|_| classes.is_empty());
    ProofStatement {
        statement: one.shown.clone(),
        writes: one.writes,
        share: predicted.map(|p| p.share).filter(|share| *share > 0.0),
        change,
        predicted: range,
        landed: change.zip(range).map(|(came, said)| (said.low..=said.high).contains(&came.value)),
        classes: classes.into_iter().map(|(_, class)| class).collect(),
        not_measured,
    }
}

fn class(
    one: &Measured<'_>,
    cell: &Cell,
    came: &CellFigures,
    predicted: Option<&PredictedStatement>,
) -> Option<ProofClass> {
    let class = cell.class;
    let same = came.before.rows == came.after.rows && came.before.sum == came.after.sum;
    let said = predicted.and_then(|p| p.classes.iter().find(|c| c.class == class)).map(|c| c.ratio - 1.0);
    Some(ProofClass {
        class,
        blocks: u32::try_from(came.with.len()).unwrap_or(u32::MAX),
        runs: came.runs,
        before_ms: median(&came.without)?,
        after_ms: median(&came.with)?,
        change: share(change(&came.without, &came.with))?,
        buffers_before: came.before.pages,
        buffers_after: came.after.pages,
        rows: came.after.rows,
        // Rows that differ where the statement leaves open which they are say nothing.
        same_rows: if same { Some(true) } else { (!one.open).then_some(false) },
        used: came.after.used,
        used_after_analyze: came.after_analyze,
        predicted: said,
    })
}

impl Notes<'_> {
    fn of(&self, measured: &[Measured<'_>], came: &[Vec<Came>], statements: &[ProofStatement]) -> Vec<String> {
        let mut notes = Vec::new();
        if statements.iter().flat_map(|s| &s.classes).any(|class| class.same_rows == Some(false)) {
            notes.push(
                "The answers differ: either rows were written meanwhile, or the index returns wrong ones; check it before it is kept"
                    .to_owned(),
            );
        }
        let classes = |of: fn(&ProofStatement) -> bool| statements.iter().any(of);
        for (one, came) in measured.iter().zip(came).filter(|(_, came)| came.iter().any(Result::is_ok)) {
            for (cell, came) in one.cells.iter().zip(came) {
                if let Err(why) = came {
                    notes.push(format!("Of a statement the class \"{}\" was not measured: {why}", cell.class.as_str()));
                }
            }
        }
        if classes(|s| s.writes && !s.classes.is_empty()) && self.address.scheme != Scheme::Sqlite {
            notes.push(
                "Writes ran within transactions that were rolled back: triggers fired, sequences moved on".to_owned(),
            );
        }
        let left = self.wanted.statements.len().saturating_sub(MOST);
        if left > 0 {
            notes.push(format!("{} beyond the first {MOST} were left out", words::plural(left, "statement")));
        }
        if self.late {
            notes.push("The time for measuring was over before its end; give it more".to_owned());
        }
        notes.extend(self.method_note().map(str::to_owned));
        if self.address.scheme == Scheme::Postgres {
            if self.method != ProofMethod::Hidden {
                notes.push("The server's statistics of statements count these runs among the others".to_owned());
            }
            if classes(|s| s.classes.iter().any(|c| c.used_after_analyze.is_some())) {
                notes.push(
                    "The table's statistics were gathered and rolled back; the server keeps the time of that, and its count of rows"
                        .to_owned(),
                );
            }
        }
        notes
    }

    fn method_note(&self) -> Option<&'static str> {
        match self.method {
            ProofMethod::Hidden => None,
            ProofMethod::HypopgHide => Some("Plans were made once and kept, so that planning is in no time"),
            ProofMethod::DroppedInside => Some("Others waited for the table while runs without the index lasted"),
            ProofMethod::IgnoreHint => Some("The server counts no pages of a statement"),
            ProofMethod::Copies => {
                Some("It was measured on two copies of the file, which its cache may hold better than the file itself")
            }
        }
    }
}
