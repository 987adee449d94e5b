//! Whether the figures of a run can be trusted, and what a reader must know about them.
//!
//! The gate of an open loop is the one of the-benchmarker's HttpArena: at least 99 % of the target rate, and a p99 of
//! the schedule lag within max(1 ms, 10 % of the median service time).
use perfdeck_model::{Run, RunState};

use crate::record::Record;

/// The share of the target rate that an open loop must achieve.
const RATE: f64 = 0.99;
/// The share of a core per thread above which the generator may be the limit.
const BUSY: f64 = 0.8;
/// Successful responses that figures need behind them.
const ENOUGH: u64 = 100;

/// Fills in `valid`, `invalid_reasons` and `notes`.
pub(crate) fn judge(run: &mut Run, total: &Record, threads: usize, loopback: bool) {
    let succeeded = run.requests.saturating_sub(run.errors);
    let mut reasons = Vec::new();
    let mut notes = Vec::new();
    #[allow(clippy::cast_precision_loss)]
    let share = total.cpu_s.map(|cpu| cpu / (threads as f64 * run.duration_s).max(1e-3));
    let busy = share.is_some_and(|s| s > BUSY);
    if succeeded == 0 {
        reasons.push("no successful response".to_owned());
    } else if succeeded < ENOUGH {
        reasons.push(format!("only {succeeded} successful responses; at least {ENOUGH} are needed"));
    }
    if let Some(rate) = run.target_rate_per_s {
        open_loop(run, total, rate, busy, &mut reasons);
    }
    if run.state == RunState::Cancelled {
        notes.push("stopped before its end; the figures cover the time until then".to_owned());
    }
    if total.unfinished > 0 {
        notes.push(format!(
            "{} requests had no outcome yet when it was stopped; they are in no figure",
            total.unfinished
        ));
    }
    #[allow(clippy::cast_precision_loss)]
    let failed = run.errors as f64 / (run.requests as f64).max(1.0) * 100.0;
    if failed > 1.0 && succeeded > 0 {
        notes.push(format!("{failed:.1} % of the requests failed; latency covers only the successful ones"));
    }
    match share {
        None => notes.push("this system does not tell the load generator's CPU time".to_owned()),
        Some(share) if busy => notes.push(format!(
            "client-limited: the load generator used {:.0} % of a core per thread, so the figures may be its limit and \
             not the target's; use more threads",
            share * 100.0
        )),
        Some(_) => {}
    }
    if loopback {
        notes.push("generator and target share this machine".to_owned());
    }
    if run.spec.insecure_tls && run.spec.url.starts_with("https") {
        notes.push("the target's certificate was not checked".to_owned());
    }
    run.valid = reasons.is_empty();
    run.invalid_reasons = reasons;
    run.notes.extend(notes);
}

fn open_loop(run: &Run, total: &Record, rate: f64, busy: bool, reasons: &mut Vec<String>) {
    // What was late because the pacer was, against all that was late.
    #[allow(clippy::cast_precision_loss)]
    let (woke_late_ms, lag_ms) =
        (total.woke_late_us as f64 / 1e3, run.schedule_lag_ms.mean * run.schedule_lag_ms.n as f64);
    let cause = if busy {
        "the load generator's processor was busy; use more threads or a lower rate"
    } else if woke_late_ms > lag_ms / 2.0 {
        "the load generator did not get the processor in time; use a quieter or another machine"
    } else {
        "all connections were waiting for the target; use more connections or a lower rate"
    };
    if run.duration_s > 0.0 {
        #[allow(clippy::cast_precision_loss)]
        let achieved = total.sent_in_time as f64 / (run.duration_s * rate);
        // One request more or less at the edges is not a missed rate.
        let slack = 1.5 / (rate * run.duration_s);
        if achieved + slack < RATE {
            reasons.push(format!(
                "{:.1} % of the target rate was sent in time; at least {:.0} % is needed: {cause}",
                achieved * 100.0,
                RATE * 100.0
            ));
        }
    }
    let limit = (run.service_ms.p50 * 0.1).max(1.0);
    if run.schedule_lag_ms.n > 0 && run.schedule_lag_ms.p99 > limit {
        reasons.push(format!(
            "requests started late: p99 of the schedule lag is {:.2} ms, over {limit:.2} ms: {cause}",
            run.schedule_lag_ms.p99
        ));
    }
}
