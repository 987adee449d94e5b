//! The seconds of a run: merged over its threads while it goes on, kept as packed histograms, and read back for a
//! heatmap. An hour is a few megabytes.
use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use perfdeck_model::{Heatmap, Interval, heat_bucket};

use perfdeck_stats::histogram::{histogram, ms, packed_bytes, unpacked_bytes};

/// One second of one thread, with its histogram as (value, count) pairs.
#[derive(Debug)]
pub(crate) struct Second {
    /// Which second of the measured time.
    pub(crate) index: usize,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) samples: Vec<(u64, u64)>,
}

/// Seconds of all threads; at most a few are held as histograms at a time.
pub(crate) struct Seconds {
    threads: usize,
    pending: BTreeMap<usize, Pending>,
    done: Vec<(Interval, Vec<u8>)>,
}

struct Pending {
    reported: usize,
    requests: u64,
    errors: u64,
    response: Histogram<u64>,
}

impl Seconds {
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, pending: BTreeMap::new(), done: Vec::new() }
    }

    /// Takes in one second of one thread. Each thread reports each second once, in order.
    pub(crate) fn add(&mut self, second: Second) {
        let pending = self.pending.entry(second.index).or_insert_with(|| Pending {
            reported: 0,
            requests: 0,
            errors: 0,
            response: histogram(),
        });
        pending.reported += 1;
        pending.requests += second.requests;
        pending.errors += second.errors;
        for (us, count) in second.samples {
            pending.response.saturating_record_n(us, count);
        }
        while self.pending.first_key_value().is_some_and(|(_, p)| p.reported >= self.threads) {
            if let Some((index, pending)) = self.pending.pop_first() {
                self.done.push((pending.interval(index), packed_bytes(&pending.response)));
            }
        }
    }

    /// One-second intervals of a measured time that began at `start_ms`, and their histograms as [`heatmap`] reads them.
    pub(crate) fn intervals(mut self, start_ms: f64, duration_s: f64) -> (Vec<Interval>, Vec<u8>) {
        self.done.extend(self.pending.iter().map(|(index, p)| (p.interval(*index), packed_bytes(&p.response))));
        let mut histograms = Vec::new();
        let mut intervals = Vec::with_capacity(self.done.len());
        for (mut interval, histogram) in self.done {
            interval.duration_s = (duration_s - interval.t_ms / 1e3).min(1.0);
            interval.t_ms += start_ms;
            if interval.duration_s > 1e-6 || interval.requests > 0 {
                // A packed second is far below 4 GiB.
                histograms.extend_from_slice(&u32::try_from(histogram.len()).unwrap_or(0).to_le_bytes());
                histograms.extend_from_slice(&histogram);
                intervals.push(interval);
            }
        }
        (intervals, histograms)
    }
}

impl Pending {
    /// With the start relative to the measured time.
    fn interval(&self, index: usize) -> Interval {
        let q = |q: f64| (!self.response.is_empty()).then(|| ms(self.response.value_at_quantile(q)));
        Interval {
            t_ms: index as f64 * 1e3,
            duration_s: 1.0,
            requests: self.requests,
            errors: self.errors,
            p50: q(0.5),
            p90: q(0.9),
            p99: q(0.99),
            max: q(1.0),
        }
    }
}

/// Counts by bucket of a [`Heatmap`], ascending.
pub(crate) fn buckets(h: &Histogram<u64>) -> Vec<(u16, u32)> {
    let mut out: Vec<(u16, u32)> = Vec::new();
    for v in h.iter_recorded() {
        let (bucket, count) = (heat_bucket(v.value_iterated_to()), v.count_since_last_iteration());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match out.last_mut() {
            Some((last, sum)) if *last == bucket => *sum = sum.saturating_add(count),
            _ => out.push((bucket, count)),
        }
    }
    out
}

/// The histograms of a run's seconds, one after the other, each behind its length.
fn unframed(mut bytes: &[u8]) -> impl Iterator<Item = Option<Histogram<u64>>> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (one, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(unpacked_bytes(one))
    })
}

/// The heatmap of a run that began at `started_ms`, from its stored seconds; at most `columns` of them, each of whole
/// seconds. A second that cannot be read is empty.
pub fn heatmap(seconds: &[u8], started_ms: f64, columns: usize) -> Heatmap {
    let all: Vec<Option<Histogram<u64>>> = unframed(seconds).collect();
    let each = all.len().div_ceil(columns.max(1)).max(1);
    let column = |part: &[Option<Histogram<u64>>]| {
        let mut sum = histogram();
        for one in part.iter().flatten() {
            // Same bounds, so adding cannot fail.
            let _ = sum.add(one);
        }
        buckets(&sum)
    };
    Heatmap { started_ms, column_s: each as f64, columns: all.chunks(each).map(column).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Class, Record, Times3};

    #[test]
    fn records_of_two_threads_merge_by_second() {
        let mut a = Record::new(1);
        let mut b = Record::new(1);
        let mut fresh = Times3::new();
        fresh.open(1000, 1000, Some(1));
        a.add(&fresh, true);
        fresh.reset();
        assert!(fresh.is_empty(), "a reset set can be used again");
        fresh.open(3000, 2000, Some(1000));
        b.close_second();
        b.close_second();
        b.add(&fresh, true);
        b.failure(0, Class::Reset, "gone", std::time::Duration::ZERO);
        a.finish(true);
        b.finish(true);
        let mut seconds = Seconds::new(2);
        for second in a.closed.drain(..).chain(b.closed.drain(..)) {
            seconds.add(second);
        }
        a.merge(b);
        assert_eq!((a.requests, a.failed), (3, 1), "totals add up");
        let (i, stored) = seconds.intervals(5000.0, 3.0);
        assert_eq!(i.iter().map(|i| i.requests).collect::<Vec<_>>(), [1, 0, 2], "seconds without requests stay");
        assert_eq!(i[1].p50, None, "and have no percentiles, rather than zero");
        assert!((i[2].t_ms - 7000.0).abs() < 1e-6, "seconds follow the start");
        assert!(i[2].p50.is_some_and(|p| (p - 3.0).abs() < 0.01), "the percentile survives the hand-over");
        let map = heatmap(&stored, 5000.0, 10);
        assert_eq!(map.columns, [vec![(39, 1)], vec![], vec![(46, 1)]], "1 and 3 ms are in their buckets, by second");
        let half = heatmap(&stored, 5000.0, 2);
        assert_eq!((half.columns.len(), half.column_s), (2, 2.0), "fewer columns are longer");
        assert_eq!(heatmap(&stored[..stored.len() - 1], 0.0, 10).columns.len(), 2, "what is cut off is left out");
    }

    #[test]
    fn the_last_second_may_be_shorter() {
        let mut a = Record::new(1);
        let mut fresh = Times3::new();
        fresh.closed(1000);
        a.close_second();
        a.add(&fresh, false);
        a.finish(false);
        assert_eq!(
            (a.times.service.len(), a.times.lag.len()),
            (1, 0),
            "in a closed loop service is response, without a lag"
        );
        let mut seconds = Seconds::new(1);
        a.closed.drain(..).for_each(|s| seconds.add(s));
        let (i, _) = seconds.intervals(0.0, 1.5);
        assert_eq!(i.iter().map(|i| i.duration_s).collect::<Vec<_>>(), [1.0, 0.5], "1.5 s are two intervals");
    }
}
