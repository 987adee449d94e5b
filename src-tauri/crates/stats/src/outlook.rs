//! What a run will be able to tell, said before it.
use perfdeck_words as words;

use crate::figures::BenchMetric;
use crate::judged::ENOUGH;

/// Percentiles of a run, the lowest first.
const PERCENTILES: [BenchMetric; 5] =
    [BenchMetric::P50, BenchMetric::P90, BenchMetric::P95, BenchMetric::P99, BenchMetric::P999];

fn name(metric: BenchMetric) -> &'static str {
    if metric == BenchMetric::P999 { "p99.9" } else { metric.name() }
}

/// How many requests a schedule gives a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Planned {
    /// Requests of the measured time.
    pub n: f64,
    /// Requests per second.
    pub per_s: f64,
}

/// The percentiles that so many requests give, and what the next one needs; `None` for a closed loop, where the target
/// decides how many there are.
pub fn tells(planned: Option<Planned>) -> String {
    let need = |metric: BenchMetric| words::count(metric.needed());
    let Some(Planned { n, per_s }) = planned else {
        return format!(
            "As many requests as the target answers: p99 needs {}, p99.9 {}, any figure {}",
            need(BenchMetric::P99),
            need(BenchMetric::P999),
            words::count(ENOUGH)
        );
    };
    // Half a request is what the edges of the measured time may cost.
    let gives = |needed: u64| n + 0.5 >= needed as f64;
    let takes = |needed: u64| {
        format!("{} at {}", words::duration((needed as f64 / per_s.max(1e-9)).ceil()), words::setting_per_second(per_s))
    };
    let requests = words::plural(n.round() as u64, "request");
    if !gives(ENOUGH) {
        return format!("{requests}: fewer than the {} that any figure needs; {}", words::count(ENOUGH), takes(ENOUGH));
    }
    let highest = PERCENTILES.iter().rev().find(|metric| gives(metric.needed()));
    let upto = highest.map_or_else(|| "no percentile".to_owned(), |metric| format!("up to {}", name(*metric)));
    // The one that is asked for most, and when it is there the one above.
    let next = [BenchMetric::P99, BenchMetric::P999].into_iter().find(|metric| !gives(metric.needed()));
    match next {
        None => format!("{requests}: {upto}"),
        Some(next) => format!("{requests}: {upto}; {} needs {}, {}", name(next), need(next), takes(next.needed())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(per_s: f64, seconds: f64) -> String {
        words::plain_spaces(&tells(Some(Planned { n: per_s * seconds, per_s })))
    }

    #[test]
    fn a_schedule_says_which_percentiles_it_gives_and_what_the_next_one_takes() {
        assert_eq!(said(100.0, 10.0), "1 000 requests: up to p90; p99 needs 10 000, 1 min 40 s at 100/s");
        assert_eq!(said(5.0, 30.0), "150 requests: no percentile; p99 needs 10 000, 33 min 20 s at 5/s");
        assert_eq!(said(5.0, 10.0), "50 requests: fewer than the 100 that any figure needs; 20 s at 5/s");
        assert_eq!(said(1_000.0, 10.0), "10 000 requests: up to p99; p99.9 needs 100 000, 1 min 40 s at 1 000/s");
        assert_eq!(said(20_000.0, 10.0), "200 000 requests: up to p99.9", "nothing is missing");
    }

    #[test]
    fn a_closed_loop_says_what_is_needed() {
        let said = words::plain_spaces(&tells(None));
        assert_eq!(said, "As many requests as the target answers: p99 needs 10 000, p99.9 100 000, any figure 100");
    }

    /// The rule is that of the figures of a run.
    #[test]
    fn what_is_promised_is_what_is_shown() {
        for metric in PERCENTILES {
            let n = metric.needed() as f64;
            let enough = tells(Some(Planned { n, per_s: 1.0 }));
            let short = tells(Some(Planned { n: n - 1.0, per_s: 1.0 }));
            let promised = format!("up to {}", name(metric));
            let ends = |text: &str| text.ends_with(&promised) || text.contains(&format!("{promised};"));
            assert!(ends(&enough) && !ends(&short), "{enough} / {short}");
        }
    }
}
