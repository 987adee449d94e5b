//! Frames as they travel: the names of series once, then numbers.
use std::collections::HashMap;

use serde::{Serialize, Serializer};
use ts_rs::TS;

use crate::{Frame, FrameKind, Part};

/// One message of the event stream. At most ten a second. With 500 series it has less than 8 kB, but for the one that names
/// them.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct WireFrame {
    /// Sequence number, up by one each; a jump says how many seconds of samples were dropped.
    pub seq: u64,
    /// Whether it stands alone.
    pub kind: FrameKind,
    /// Identifier of the environment it is about, if one is watched.
    pub environment_id: Option<String>,
    /// Time it was made, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Sample times, ascending, each a whole second.
    pub t: Vec<f64>,
    /// Series that were not named in this stream before; they get the next places.
    pub names: Vec<String>,
    /// One row for each time: values by the places of their series, rounded to seven significant digits. Series without a
    /// value are null, or left out at the end.
    #[serde(serialize_with = "rows")]
    pub values: Vec<Vec<Option<f64>>>,
    /// Other news, at most one part a topic.
    pub parts: Vec<Part>,
}

/// Encodes the frames of one stream; another stream begins with another encoder.
#[derive(Debug, Default)]
pub struct FrameEncoder {
    places: HashMap<String, usize>,
}

impl FrameEncoder {
    /// The frame as it is sent.
    pub fn encode(&mut self, mut frame: Frame) -> WireFrame {
        let mut names = Vec::new();
        let mut values = vec![Vec::new(); frame.t.len()];
        for (name, column) in std::mem::take(&mut frame.series) {
            let next = self.places.len();
            let place = *self.places.entry(name).or_insert_with_key(|name| {
                names.push(name.clone());
                next
            });
            for (row, value) in values.iter_mut().zip(column) {
                let Some(value) = value else { continue };
                if row.len() <= place {
                    row.resize(place + 1, None);
                }
                row[place] = Some(rounded(value));
            }
        }
        let Frame { seq, kind, environment_id, at_ms, t, series: _, parts } = frame;
        WireFrame { seq, kind, environment_id, at_ms, t, names, values, parts }
    }
}

/// Seven significant digits: more than a plot or a figure shows, and half of what an exact `f64` takes as text.
fn rounded(value: f64) -> f64 {
    if value == value.trunc() && value.abs() < 1e9 {
        return value;
    }
    format!("{value:.6e}").parse().unwrap_or(value)
}

/// A number as it is written: a whole one without its fraction, which would be a fifth of a frame of large ones.
#[derive(Serialize)]
#[serde(untagged)]
enum Written {
    Whole(i64),
    Other(f64),
}

fn rows<S: Serializer>(values: &[Vec<Option<f64>>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|row| row.iter().map(|v| v.map(written)).collect::<Vec<_>>()))
}

fn written(value: f64) -> Written {
    // Up to here every whole number is exact in both.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value == value.trunc() && value.abs() < EXACT { Written::Whole(value as i64) } else { Written::Other(value) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{ApiError, ErrorCode, OwnCost, Tag, TargetRole, TargetState, TargetStatus};

    fn frame(t: &[f64], series: &[(&str, &[Option<f64>])]) -> Frame {
        let series: BTreeMap<String, Vec<Option<f64>>> =
            series.iter().map(|(id, values)| ((*id).to_owned(), values.to_vec())).collect();
        Frame {
            seq: 1,
            kind: FrameKind::Delta,
            environment_id: Some("01a226d5-fc7d-7453-a219-d08e53390b93".to_owned()),
            at_ms: 1_795_949_075_245.0,
            t: t.to_vec(),
            series,
            parts: Vec::new(),
        }
    }

    #[test]
    fn names_travel_once_and_gaps_stay_gaps() {
        let mut encoder = FrameEncoder::default();
        let sent = encoder.encode(frame(&[1.0, 2.0], &[("a", &[Some(1.5), None]), ("b", &[None, Some(2.0)])]));
        assert_eq!(sent.names, ["a", "b"], "both are new");
        assert_eq!(sent.values, [vec![Some(1.5)], vec![None, Some(2.0)]], "by their places");
        let sent = encoder.encode(frame(&[3.0], &[("b", &[Some(3.0)]), ("c", &[Some(0.123_456_789)])]));
        assert_eq!((sent.names, sent.values), (vec!["c".to_owned()], vec![vec![None, Some(3.0), Some(0.123_456_8)]]));
    }

    #[test]
    fn whole_numbers_are_written_without_a_fraction_and_stay_what_they_are() {
        let values: Vec<Vec<Option<f64>>> =
            vec![vec![Some(3_605_245_000.0), None, Some(0.25), Some(-7.0), Some(1e300)]];
        let sent = WireFrame { values, ..FrameEncoder::default().encode(frame(&[], &[])) };
        let json = serde_json::to_value(&sent).expect("JSON");
        assert_eq!(json["values"].to_string(), "[[3605245000,null,0.25,-7,1e+300]]", "as JavaScript reads them");
    }

    /// A target of which everything is told, with an error of usual length.
    fn target(role: TargetRole) -> TargetStatus {
        TargetStatus {
            role,
            address: "postgres://shop@db-1.internal.example.com:5432/shop_production".to_owned(),
            state: TargetState::Down,
            version: Some("PostgreSQL 17.2 (Debian 17.2-1.pgdg120+1)".to_owned()),
            detail: Some("shop_production, primary, 4 vCPU, 15.6 GiB".to_owned()),
            round_trip_ms: Some(0.412_345_678_9),
            first_sample_ms: Some(1_795_949_000_000.0),
            last_sample_ms: Some(1_795_949_075_000.0),
            next_try_ms: Some(1_795_949_080_000.0),
            error: Some(
                ApiError::new(ErrorCode::Timeout, "db-1.internal.example.com:5432 did not answer within 1.8 s")
                    .hint("Check that the target is up and the network to it works"),
            ),
            limits: [("max_connections", 100.0), ("memory_bytes", 16_726_016_000.0)]
                .map(|(name, limit)| (name.to_owned(), limit))
                .into(),
            own_requests: Some(12),
        }
    }

    #[test]
    fn a_second_of_five_hundred_series_is_under_8_kb_with_its_parts() {
        let ids: Vec<String> =
            (0..500).map(|i| format!("system.network.io{{network.interface.name=eth{i},direction=receive}}")).collect();
        let values: Vec<[Option<f64>; 1]> =
            (0..500).map(|i| [Some(25_236_713_472.0 / 7.0 + f64::from(i) / 3.0)]).collect();
        let columns: Vec<(&str, &[Option<f64>])> =
            ids.iter().zip(&values).map(|(id, v)| (id.as_str(), v.as_slice())).collect();
        let roles = [TargetRole::Api, TargetRole::Host, TargetRole::Database, TargetRole::Cache];
        let own = OwnCost { cpu: 0.012_345_678, memory_bytes: 2e8, dropped_frames: 3, store_bytes: 123_456_789.0 };
        let small = vec![Part::Own(own), Part::Changed(Tag::ALL.to_vec())];
        let targets = [&[Part::Targets(roles.map(target).to_vec())], small.as_slice()].concat();
        // From 250 series on, targets have a frame of their own.
        for (series, parts) in [(500, &small), (250, &targets), (0, &targets)] {
            let mut encoder = FrameEncoder::default();
            encoder.encode(frame(&[1_795_949_075_000.0], &columns[..series]));
            let whole = Frame { parts: parts.clone(), ..frame(&[1_795_949_076_000.0], &columns[..series]) };
            let sent = serde_json::to_string(&encoder.encode(whole)).expect("JSON");
            assert!(sent.len() < 8_000, "{series} series: {} bytes", sent.len());
        }
    }
}
