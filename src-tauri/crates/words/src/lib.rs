//! Wording of what Perfdeck measured: figures with their units, plurals, text made safe, the sentence of a run.
//!
//! The UI has the same functions in `ui/src/kit/figures.ts`;
//! `golden/figures.json` holds what both must say, and the tests of both read it. Pure.
#![forbid(unsafe_code)]

mod change;
mod figures;
mod outcome;
mod run;
mod text;

pub use change::{build_lock, waits};
pub use figures::{
    DASH, MINUS, THIN, axis_label, bytes, count, duration, exactly, format, integer, interval, lasted, ms, per_second,
    percent, plural, rate, ratio, seconds, setting, setting_per_second, share, significant,
};
pub use outcome::{Outcome, Tone, errors, statuses, thresholds};
pub use run::{Sentence, judged, measured, percentile, sentence, tail};
pub use text::{Brackets, ascii, plain_spaces, visible};

#[cfg(test)]
mod golden;
