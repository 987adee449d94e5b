//! Value and time axes, the same as the window's (`ui/src/charts/scale.ts`, `curve-scale.ts`): ends, labels, places.
//!
//! `golden/axes.json` holds what the window draws; the tests hold this file against it.
use perfdeck_model::Unit;
use perfdeck_words::{THIN, axis_label, format};
use serde::Deserialize;

/// Unit of an axis; figures of benchmarks are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AxisUnit {
    Ratio,
    Bytes,
    BytesPerSecond,
    Seconds,
    PerSecond,
    Count,
    Ms,
}

impl From<Unit> for AxisUnit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Ratio => Self::Ratio,
            Unit::Bytes => Self::Bytes,
            Unit::BytesPerSecond => Self::BytesPerSecond,
            Unit::Seconds => Self::Seconds,
            Unit::PerSecond => Self::PerSecond,
            Unit::Count => Self::Count,
        }
    }
}

impl AxisUnit {
    /// The unit of the figures' words, and what a value is multiplied with to be in it.
    fn of(self) -> (Unit, f64) {
        match self {
            Self::Ratio => (Unit::Ratio, 1.0),
            Self::Bytes => (Unit::Bytes, 1.0),
            Self::BytesPerSecond => (Unit::BytesPerSecond, 1.0),
            Self::Seconds => (Unit::Seconds, 1.0),
            Self::PerSecond => (Unit::PerSecond, 1.0),
            Self::Count => (Unit::Count, 1.0),
            Self::Ms => (Unit::Seconds, 1e-3),
        }
    }

    /// A value in words.
    pub(crate) fn say(self, value: f64) -> String {
        let (unit, factor) = self.of();
        format(Some(value * factor), unit)
    }

    /// A label of an axis that ends at `top`.
    pub(crate) fn label(self, value: f64, top: f64, unit_too: bool) -> String {
        let (unit, factor) = self.of();
        axis_label(value * factor, unit, top * factor, unit_too)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScaleKind {
    /// From 0.
    Zero,
    /// From close below the data where that is far from 0.
    Near,
    /// Logarithmic.
    Log,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScaleSpec {
    pub(crate) kind: ScaleKind,
    /// Lowest upper end, so that noise near zero does not fill the lane.
    pub(crate) at_least: Option<f64>,
    /// Upper end that is never exceeded.
    pub(crate) cap: Option<f64>,
    /// Upper end for a limit, such as all memory.
    pub(crate) up_to: Option<f64>,
    /// Share of `up_to` that the data must reach for the axis to end there.
    pub(crate) from: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Domain {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) log: bool,
}

const MANTISSAS: [f64; 11] = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];

/// Six significant digits, as a number again.
fn six(v: f64) -> f64 {
    format!("{v:.5e}").parse().unwrap_or(v)
}

fn power(v: f64) -> f64 {
    10f64.powf(v.log10().floor())
}

/// The smallest round number not below `value`.
fn nice_ceil(value: f64, unit: AxisUnit) -> f64 {
    if value.is_nan() || value <= 0.0 {
        return 1.0;
    }
    let mut factor = 1.0;
    if unit == AxisUnit::Bytes {
        while value / factor >= 1_024.0 {
            factor *= 1_024.0;
        }
    }
    let scaled = value / factor;
    let power = power(scaled);
    let mantissa = MANTISSAS.into_iter().find(|m| m * power >= scaled * 0.999_999).unwrap_or(10.0);
    let nice = mantissa * power;
    (if unit == AxisUnit::Count && nice < 4.0 { nice.ceil() } else { six(nice) }) * factor
}

/// Ends of an axis for data between `low` and `high`; `None` without data.
pub(crate) fn domain(spec: &ScaleSpec, unit: AxisUnit, low: Option<f64>, high: Option<f64>) -> Domain {
    if spec.kind == ScaleKind::Log {
        return log_domain(spec, low, high);
    }
    let most = high.unwrap_or(0.0);
    let limit = spec.up_to.filter(|up_to| most >= up_to * spec.from.unwrap_or(0.0)).unwrap_or(0.0);
    let top = most.max(limit).max(spec.at_least.unwrap_or(0.0));
    let floor = if spec.kind == ScaleKind::Near { near_floor(low, spec.cap.or(high), unit) } else { 0.0 };
    let ends = |min, max| Domain { min, max, log: false };
    if floor > 0.0 {
        return ends(floor, spec.cap.unwrap_or_else(|| nice_ceil(most.max(limit), unit)));
    }
    if let Some(cap) = spec.cap.filter(|cap| high.is_none() || top > cap * 0.5) {
        return ends(0.0, cap);
    }
    if limit > 0.0 && top <= limit {
        return ends(0.0, limit);
    }
    let need = if top > 0.0 { top } else { 1.0 };
    ends(0.0, nice_ceil(need * 1.08, unit).min(spec.cap.unwrap_or(f64::INFINITY)))
}

fn near_floor(low: Option<f64>, top: Option<f64>, unit: AxisUnit) -> f64 {
    let (Some(low), Some(top)) = (low, top) else { return 0.0 };
    if top.is_nan() || top <= 0.0 || low < 0.6 * top {
        return 0.0;
    }
    let room = (top - low).max(top * 0.02) * 1.6;
    let grain = match unit {
        AxisUnit::Ratio if room > 0.08 => 0.04,
        AxisUnit::Ratio => 0.01,
        _ => nice_ceil(room / 3.0, unit),
    };
    (((top - room) / grain + 1e-9).floor() * grain).max(0.0)
}

fn log_domain(spec: &ScaleSpec, low: Option<f64>, high: Option<f64>) -> Domain {
    let top = high.unwrap_or(0.0).max(spec.up_to.unwrap_or(0.0)).max(spec.at_least.unwrap_or(0.0));
    if top.is_nan() || top <= 0.0 {
        return Domain { min: 0.001, max: 1.0, log: true };
    }
    let bottom = low.filter(|low| *low > 0.0).unwrap_or(top / 100.0);
    let power = |v: f64| 10f64.powf((v.log10() + 1e-9).floor());
    let up = |v: f64| {
        let power = power(v);
        six([1.0, 2.0, 5.0].into_iter().find(|m| m * power >= v * 0.999_999).unwrap_or(10.0) * power)
    };
    let down = |v: f64| {
        let power = power(v);
        six([5.0, 2.0, 1.0].into_iter().find(|m| m * power <= v * 1.000_001).unwrap_or(1.0) * power)
    };
    let max = up(top * 1.05);
    let min = down((bottom * 0.9).min(top / 10.0));
    Domain { min: if min >= max { max / 10.0 } else { min }, max, log: true }
}

/// A labelled value of an axis.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Label {
    pub(crate) value: f64,
    pub(crate) text: String,
}

/// Every other one counted from the last, until there are at most `most`.
fn thinned<T: Clone>(mut all: Vec<T>, most: usize) -> Vec<T> {
    while all.len() > most {
        let last = all.len() - 1;
        all = all.iter().enumerate().filter(|(i, _)| (last - i).is_multiple_of(2)).map(|(_, v)| v.clone()).collect();
    }
    all
}

impl Domain {
    /// Labelled values: two on low lanes, at most three, the unit on the top one only.
    pub(crate) fn labels(&self, unit: AxisUnit, height: f64) -> Vec<Label> {
        let label = |value, unit_too| Label { value, text: unit.label(value, self.max, unit_too) };
        if self.log {
            let decades = ((self.min.log10() - 1e-9).ceil() as i32)..=((self.max.log10() + 1e-9).floor() as i32);
            let mut values: Vec<f64> = decades.map(|p| six(10f64.powi(p))).collect();
            // Two on low lanes: three would touch.
            if height < 50.0 && values.len() > 2 {
                values.drain(1..values.len() - 1);
            }
            let values = thinned(values, 3);
            let mut shown = if values.len() >= 2 {
                values
            } else {
                std::iter::once(self.min).chain(values).chain([self.max]).collect::<Vec<_>>()
            };
            shown.dedup();
            return shown.into_iter().map(|v| label(v, true)).collect();
        }
        let mut labels = vec![label(self.min, false)];
        let middle = label(f64::midpoint(self.min, self.max), false);
        let whole = unit != AxisUnit::Count || middle.value.fract() == 0.0;
        if height >= 50.0 && whole && middle.text.chars().count() <= 5 {
            labels.push(middle);
        }
        labels.push(label(self.max, true));
        labels
    }

    /// That the axis is logarithmic, or where it begins when that is not 0.
    pub(crate) fn note(&self, unit: AxisUnit) -> Option<String> {
        if self.log {
            return Some("log scale".to_owned());
        }
        (self.min > 0.0).then(|| format!("axis from {}", unit.label(self.min, self.max, true)))
    }

    /// Share of the height, 0 at the bottom, at which `value` lies; clamped to the axis.
    pub(crate) fn position(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.min).log10() - self.min.log10()) / (self.max.log10() - self.min.log10())
        } else {
            let span = self.max - self.min;
            (value - self.min) / if span == 0.0 { 1.0 } else { span }
        };
        share.clamp(0.0, 1.0)
    }
}

/// Position of a quantile on the axis of a percentile curve: 0 at q = 0, 1 at 0.9, 2 at 0.99.
pub(crate) fn nines(q: f64) -> f64 {
    -(1.0 - q).max(1e-7).log10()
}

/// Where n becomes too small: the quantile with n = 100 / (1 − q).
pub(crate) fn reliable(n: u64) -> f64 {
    if n > 100 { (n as f64 / 100.0).log10() } else { 0.0 }
}

/// Right end of the axis: the last labelled quantile that n samples can say anything about.
pub(crate) fn curve_end(n: u64) -> f64 {
    ((n.max(2) as f64).log10() - 1e-9).ceil().clamp(2.0, 5.0)
}

/// Labelled quantiles up to `most`, with their positions.
pub(crate) fn curve_ticks(most: f64) -> Vec<(f64, &'static str)> {
    [(0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (0.99999, "99.999")]
        .into_iter()
        .map(|(q, label)| (nines(q), label))
        .filter(|(x, _)| *x <= most + 1e-9)
        .collect()
}

/// Round ends of a curve's time axis in milliseconds, with its labelled values.
pub(crate) fn curve_scale(times: impl Iterator<Item = f64> + Clone) -> (Domain, Vec<f64>) {
    let positive = times.filter(|v| *v > 0.0);
    let (low, high) = positive.fold((f64::INFINITY, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
    if high <= 0.0 {
        return (Domain { min: 1.0, max: 10.0, log: true }, vec![1.0, 10.0]);
    }
    let decades = (low.log10().floor() as i32 - 1)..=(high.log10().ceil() as i32 + 1);
    // As JavaScript multiplies: a power below 1 is no exact fraction.
    let all: Vec<f64> = decades.flat_map(|p| [1.0, 3.0].map(|m| m * 10f64.powi(p))).collect();
    let min = all.iter().copied().rfind(|v| *v <= low * 1.0001).unwrap_or(low);
    let max = all.iter().copied().find(|v| *v >= high * 0.9999 && *v > min).unwrap_or(high);
    let labels = all.into_iter().filter(|v| *v >= min * 0.999 && *v <= max * 1.001).collect();
    let three = |v: f64| format!("{v:.2e}").parse().unwrap_or(v);
    (Domain { min, max, log: true }, thinned(labels, 5).into_iter().map(three).collect())
}

/// The time axis that all lanes of a run share, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Time {
    /// Share of the width at which a time lies.
    pub(crate) fn share(self, t: f64) -> f64 {
        (t - self.from) / (self.to - self.from)
    }

    pub(crate) fn contains(self, t: f64) -> bool {
        t >= self.from && t <= self.to
    }

    /// Whole steps in seconds since the start of the run, at most eight.
    pub(crate) fn ticks(self) -> Vec<(f64, String)> {
        let span = (self.to - self.from) / 1e3;
        let step = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0]
            .into_iter()
            .find(|s| span / s <= 8.0)
            .unwrap_or(span / 8.0);
        let mut ticks = Vec::new();
        let mut i = 0.0;
        while i * step <= span + 1e-9 {
            let s = i * step;
            let label = if step >= 60.0 {
                format!("{}{THIN}min", s / 60.0)
            } else {
                format!("{}{THIN}s", (s * 10.0).round() / 10.0)
            };
            ticks.push((self.from + s * 1e3, label));
            i += 1.0;
        }
        ticks
    }
}

#[cfg(test)]
#[path = "golden.rs"]
mod golden;
