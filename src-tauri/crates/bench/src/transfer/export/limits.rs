//! The thresholds of a plan as those of k6.
use std::collections::BTreeMap;

use super::handover::Handover;
use super::levels;
use perfdeck_plan::{Metric, Plan, Threshold, Timing};

/// Number without trailing zeros.
fn number(n: f64) -> String {
    let text = format!("{n:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The thresholds by the name of their metric, for the measured phase alone.
pub(super) fn limits(plan: &Plan, handover: &Handover, notes: &mut Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut times, mut rates) = (false, false);
    for text in &plan.thresholds {
        let Ok(threshold) = Threshold::parse(text) else { continue };
        let step = match threshold.step() {
            None => String::new(),
            Some(name) => match handover.steps.iter().find(|s| s.name == name) {
                Some(step) => format!(",step:{}", step.id),
                None => {
                    notes.push(format!("Threshold '{text}' is left out, as its step is."));
                    continue;
                }
            },
        };
        let (operator, limit) = threshold.comparison();
        let (metric, aggregate, limit) = match threshold.metric() {
            Metric::Min(Timing::Lag)
            | Metric::Mean(Timing::Lag)
            | Metric::Max(Timing::Lag)
            | Metric::Quantile(Timing::Lag, _) => {
                notes.push(format!("Threshold '{text}' is left out: k6 does not measure the schedule lag."));
                continue;
            }
            Metric::Min(_) => ("http_req_duration", "min".to_owned(), limit),
            Metric::Mean(_) => ("http_req_duration", "avg".to_owned(), limit),
            Metric::Max(_) => ("http_req_duration", "max".to_owned(), limit),
            Metric::Quantile(_, q) => ("http_req_duration", format!("p({})", number(q * 100.0)), limit),
            Metric::Errors => ("perfdeck_errors", "rate".to_owned(), limit / 100.0),
            Metric::ErrorCount => ("perfdeck_failed", "count".to_owned(), limit),
            Metric::Rate => {
                rates = true;
                // k6 divides a counter by the time since its start, the warm-up included.
                let (warm, measured) = (levels::warm_seconds(plan), plan.measured().as_secs_f64());
                ("perfdeck_ok", "rate".to_owned(), limit * measured / (warm + measured))
            }
        };
        times |= metric == "http_req_duration";
        let expression = format!("{aggregate}{operator}{}", number(limit));
        all.entry(format!("{metric}{{phase:main{step}}}")).or_default().push(expression);
    }
    if times {
        notes.push(
            "Thresholds on times hold k6's http_req_duration, without connecting and without waiting for a virtual \
             user; where a step follows redirects, each hop is a sample."
                .to_owned(),
        );
    }
    if rates {
        notes.push(
            "k6 divides by the whole time of a run; thresholds on the rate are scaled to the measured time.".to_owned(),
        );
    }
    all
}
