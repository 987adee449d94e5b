//! What the window draws, held against this crate: `golden/axes.json` is written by `ui/src/testing/report.golden.test.ts`.
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::heat;

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

fn table() -> Value {
    serde_json::from_str(include_str!("../golden/axes.json")).expect("the golden table is JSON")
}

fn rows<T: for<'a> Deserialize<'a>>(name: &str) -> Vec<T> {
    let found: Vec<T> = serde_json::from_value(table()[name].clone()).expect("rows of the table");
    assert!(!found.is_empty(), "{name} has rows");
    found
}

fn same(name: &str, ours: &[Label], theirs: &[Label]) {
    let texts = |all: &[Label]| all.iter().map(|l| l.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(ours), texts(theirs), "{name}: labels");
    assert!(
        ours.iter().zip(theirs).all(|(a, b)| near(a.value, b.value)),
        "{name}: {ours:?}, the window has {theirs:?}"
    );
}

#[test]
fn value_axes_are_the_windows() {
    #[derive(Deserialize)]
    struct Row {
        scale: ScaleSpec,
        unit: AxisUnit,
        ends: Option<(f64, f64)>,
        height: f64,
        domain: Domain,
        labels: Vec<Label>,
        note: Option<String>,
    }
    for row in rows::<Row>("values") {
        let name = format!("{:?} {:?} {:?} {}", row.scale, row.unit, row.ends, row.height);
        let d = domain(&row.scale, row.unit, row.ends.map(|e| e.0), row.ends.map(|e| e.1));
        let (min, max) = (near(d.min, row.domain.min), near(d.max, row.domain.max));
        assert!(min && max && d.log == row.domain.log, "{name}: {d:?}, the window has {:?}", row.domain);
        same(&name, &d.labels(row.unit, row.height), &row.labels);
        assert_eq!(d.note(row.unit), row.note, "{name}: what it says of itself");
    }
}

#[test]
fn percentile_curves_are_the_windows() {
    #[derive(Deserialize)]
    struct Ends {
        min: f64,
        max: f64,
        labels: Vec<f64>,
    }
    #[derive(Deserialize)]
    struct Tick {
        x: f64,
        label: String,
    }
    #[derive(Deserialize)]
    struct Row {
        ms: Vec<f64>,
        n: u64,
        scale: Ends,
        end: f64,
        ticks: Vec<Tick>,
        reliable: f64,
    }
    for row in rows::<Row>("curves") {
        let (ends, labels) = curve_scale(row.ms.iter().copied());
        assert!(near(ends.min, row.scale.min) && near(ends.max, row.scale.max), "{:?}: {ends:?}", row.ms);
        let all = labels.len() == row.scale.labels.len();
        assert!(all && labels.iter().zip(&row.scale.labels).all(|(a, b)| near(*a, *b)), "{:?}: {labels:?}", row.ms);
        assert!(near(curve_end(row.n), row.end) && near(reliable(row.n), row.reliable), "n = {}", row.n);
        let ticks = curve_ticks(row.end);
        assert_eq!(ticks.len(), row.ticks.len(), "n = {}: ticks", row.n);
        assert!(ticks.iter().zip(&row.ticks).all(|(a, b)| near(a.0, b.x) && a.1 == b.label), "n = {}: ticks", row.n);
    }
}

#[test]
fn heatmaps_are_the_windows() {
    #[derive(Deserialize)]
    struct Rows {
        low: f64,
        count: f64,
        px: f64,
    }
    #[derive(Deserialize)]
    struct At {
        value: f64,
        at: f64,
        text: String,
    }
    #[derive(Deserialize)]
    struct Row {
        low: f64,
        high: f64,
        height: f64,
        rows: Rows,
        labels: Vec<At>,
    }
    for row in rows::<Row>("heat") {
        let found = heat::rows_for(row.low, row.high, row.height);
        assert_eq!((found.low, found.count, found.px), (row.rows.low, row.rows.count, row.rows.px), "{}", row.low);
        let labels = heat::labels(&found);
        assert_eq!(labels.len(), row.labels.len(), "{} to {}: labels", row.low, row.high);
        for ((at, label), theirs) in labels.iter().zip(&row.labels) {
            assert!(near(*at, theirs.at) && near(label.value, theirs.value), "{label:?}");
            assert_eq!(label.text, theirs.text, "{} to {}", row.low, row.high);
        }
    }
}

#[test]
fn the_ramp_is_the_windows() {
    #[derive(Deserialize)]
    struct Levels {
        most: u32,
        top: f64,
        levels: Vec<(u32, u32)>,
    }
    for row in rows::<Levels>("levels") {
        assert!(near(heat::ramp_top(row.most), row.top), "the ramp for {} ends at {}", row.most, row.top);
        for (count, level) in row.levels {
            assert_eq!(heat::level(count, row.top), level, "{count} of {}", row.top);
        }
    }
    #[derive(Deserialize)]
    struct Quantile {
        column: Vec<(u16, u32)>,
        p99: f64,
    }
    for row in rows::<Quantile>("quantiles") {
        let found = heat::quantile(&row.column, 0.99).expect("it has requests");
        assert!(near(found, row.p99), "{:?}: {found}, the window has {}", row.column, row.p99);
    }
}
