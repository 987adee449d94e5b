//! When trying again is of no use: a step that has never succeeded and fails in the same way again and again ends its run,
//! so that a mistake is told at once and not repeated against a server.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many failures in a row from the first try on show that a step cannot succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tries {
    /// The mistake is in the statement: a few.
    Few,
    /// It may be in the data of some tries: many.
    Many,
    /// Time may help, as with locks.
    Endless,
}

impl Tries {
    fn number(self) -> Option<u32> {
        match self {
            Self::Few => Some(3),
            Self::Many => Some(50),
            Self::Endless => None,
        }
    }
}

/// By `SQLSTATE` (PostgreSQL, appendix A).
pub(crate) fn of_state(code: &str) -> Tries {
    match code {
        // Texts that are no value of their type; the message quotes them.
        "22P02" | "22P03" | "22007" | "22008" => Tries::Few,
        "55P03" | "57014" => Tries::Endless,
        _ => match code.get(..2) {
            // Unique and other constraints, data, what a function raises.
            Some("22" | "23" | "P0" | "44") => Tries::Many,
            // Conflicts of transactions, resources, an operator's intervention, the system.
            Some("40" | "53" | "57" | "58") => Tries::Endless,
            _ => Tries::Few,
        },
    }
}

/// By the error of a driver of MySQL or SQLite.
pub(crate) fn of_driver(error: &sqlx::Error) -> Tries {
    let sqlx::Error::Database(error) = error else {
        return if matches!(error, sqlx::Error::Io(_)) { Tries::Endless } else { Tries::Few };
    };
    if let Some(mysql) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return match mysql.number() {
            // Lock waits, deadlocks, connections, time limits, kills.
            1205 | 1213 | 1040 | 1203 | 1226 | 1317 | 1969 | 3024 | 1020 => Tries::Endless,
            // Syntax, tables, columns, rights, read-only servers, what cannot be prepared.
            1064 | 1146 | 1054 | 1049 | 1044 | 1045 | 1142 | 1143 | 1109 | 1051 | 1061 | 1050 | 1305 | 1227 | 1295
            | 1210 | 1370 | 1290 | 1792 => Tries::Few,
            _ => Tries::Many,
        };
    }
    // SQLite's extended codes keep the primary one in their low byte: busy, locked; constraint, mismatch, range.
    match error.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff) {
        Some(5 | 6) => Tries::Endless,
        Some(1 | 8 | 11 | 26) => Tries::Few,
        _ => Tries::Many,
    }
}

/// By the first word of what Redis or Valkey answered.
pub(crate) fn of_reply(message: &str) -> Tries {
    let has = |word: &str| message.split(|c: char| !c.is_ascii_alphabetic()).any(|w| w == word);
    if ["LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "MOVED", "ASK", "OOM"].into_iter().any(has) {
        Tries::Endless
    } else if ["WRONGTYPE", "BUSYKEY", "NOSCRIPT", "BUSYGROUP"].into_iter().any(has) {
        Tries::Many
    } else {
        Tries::Few
    }
}

/// What the threads of a run know of its steps.
pub(crate) struct Proven {
    steps: Vec<Step>,
}

struct Step {
    works: AtomicBool,
    failures: Mutex<(u32, String)>,
}

impl Proven {
    /// Of a run of so many steps.
    pub(crate) fn new(steps: usize) -> Self {
        let step = || Step { works: AtomicBool::new(false), failures: Mutex::new((0, String::new())) };
        Self { steps: (0..steps.max(1)).map(|_| step()).collect() }
    }

    /// A step has succeeded: whatever comes later, it can.
    pub(crate) fn works(&self, step: usize) {
        if let Some(step) = self.steps.get(step)
            && !step.works.load(Ordering::Relaxed)
        {
            step.works.store(true, Ordering::Relaxed);
        }
    }

    /// A step has failed; whether it never succeeded and has failed with this message often enough to end the run.
    pub(crate) fn fails(&self, step: usize, message: &str, tries: Tries) -> bool {
        let (Some(step), Some(enough)) = (self.steps.get(step), tries.number()) else { return false };
        if step.works.load(Ordering::Relaxed) {
            return false;
        }
        let mut failures = step.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.1 == message {
            failures.0 += 1;
        } else {
            *failures = (1, message.to_owned());
        }
        failures.0 >= enough
    }
}

/// The time-out of a plan that names none.
const USUAL: Duration = Duration::from_secs(10);
/// How long the first answer of a target is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a target may take to answer for the first time: connecting, signing in, or the first answer. A plan's own
/// time-out that is longer counts instead.
pub(crate) fn patience(timeout: Duration) -> Duration {
    if timeout == USUAL { PATIENCE } else { timeout.max(PATIENCE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_end_a_run_and_accidents_do_not() {
        for (code, want) in [
            ("42601", Tries::Few),
            ("42P01", Tries::Few),
            ("42883", Tries::Few),
            ("28P01", Tries::Few),
            ("08P01", Tries::Few),
            ("25006", Tries::Few),
            ("22P02", Tries::Few),
            ("22012", Tries::Many),
            ("23505", Tries::Many),
            ("40001", Tries::Endless),
            ("40P01", Tries::Endless),
            ("53300", Tries::Endless),
            ("55P03", Tries::Endless),
            ("57014", Tries::Endless),
            ("", Tries::Few),
        ] {
            assert_eq!(of_state(code), want, "{code}");
        }
        assert_eq!(of_reply("ERR unknown command 'GETT'"), Tries::Few, "a typing error");
        assert_eq!(of_reply("WRONGTYPE Operation against a key"), Tries::Many, "some keys");
        assert_eq!(of_reply("LOADING Redis is loading"), Tries::Endless, "time helps");
    }

    #[test]
    fn only_what_never_worked_ends() {
        let proven = Proven::new(2);
        assert!(!proven.fails(0, "a", Tries::Few), "once");
        assert!(!proven.fails(0, "a", Tries::Few), "twice");
        assert!(!proven.fails(0, "b", Tries::Few), "another message");
        assert!(!proven.fails(0, "b", Tries::Few), "twice");
        assert!(!proven.fails(1, "b", Tries::Few), "another step");
        assert!(proven.fails(0, "b", Tries::Few), "three times the same");
        proven.works(0);
        assert!(!proven.fails(0, "b", Tries::Few), "it works");
        assert!(!proven.fails(9, "b", Tries::Few), "a step that is none");
    }

    #[test]
    fn a_longer_time_out_is_waited_for() {
        let s = Duration::from_secs;
        assert_eq!(patience(s(10)), s(5), "the usual one");
        assert_eq!(patience(s(1)), s(5), "a shorter one");
        assert_eq!(patience(s(30)), s(30), "a longer one");
    }
}
