//! Frames as they travel: the names of series once, then numbers.
use std::collections::HashMap;

use serde::Serialize;
use ts_rs::TS;

use crate::Frame;

/// A frame on its way. `frame.series` is empty: its numbers are in `values`.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct WireFrame {
    /// Everything but the samples.
    #[serde(flatten)]
    pub frame: Frame,
    /// Series that were not named in this stream before; they get the next places.
    pub names: Vec<String>,
    /// One row for each time: values by the places of their series, rounded to seven significant digits. Series without a
    /// value are null, or left out at the end.
    pub values: Vec<Vec<Option<f64>>>,
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
        WireFrame { frame, names, values }
    }
}

/// Seven significant digits: more than a plot or a figure shows, and half of what an exact `f64` takes as text.
fn rounded(value: f64) -> f64 {
    if value == value.trunc() && value.abs() < 1e9 {
        return value;
    }
    format!("{value:.6e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::FrameKind;

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
            targets: None,
            jobs: None,
            bench: None,
            own: None,
            changed: Vec::new(),
        }
    }

    #[test]
    fn names_travel_once_and_gaps_stay_gaps() {
        let mut encoder = FrameEncoder::default();
        let sent = encoder.encode(frame(&[1.0, 2.0], &[("a", &[Some(1.5), None]), ("b", &[None, Some(2.0)])]));
        assert_eq!(sent.names, ["a", "b"], "both are new");
        assert_eq!(sent.values, [vec![Some(1.5)], vec![None, Some(2.0)]], "by their places");
        assert!(sent.frame.series.is_empty(), "the numbers travel once");
        let sent = encoder.encode(frame(&[3.0], &[("b", &[Some(3.0)]), ("c", &[Some(0.123_456_789)])]));
        assert_eq!((sent.names, sent.values), (vec!["c".to_owned()], vec![vec![None, Some(3.0), Some(0.123_456_8)]]));
    }

    #[test]
    fn a_second_of_five_hundred_series_is_under_8_kb() {
        let ids: Vec<String> =
            (0..500).map(|i| format!("system.network.io{{network.interface.name=eth{i},direction=receive}}")).collect();
        let values: Vec<[Option<f64>; 1]> =
            (0..500).map(|i| [Some(25_236_713_472.0 / 7.0 + f64::from(i) / 3.0)]).collect();
        let columns: Vec<(&str, &[Option<f64>])> =
            ids.iter().zip(&values).map(|(id, v)| (id.as_str(), v.as_slice())).collect();
        let mut encoder = FrameEncoder::default();
        encoder.encode(frame(&[1_795_949_075_000.0], &columns));
        let sent = serde_json::to_string(&encoder.encode(frame(&[1_795_949_076_000.0], &columns))).expect("JSON");
        assert!(sent.len() < 8_000, "{} bytes", sent.len());
    }
}
