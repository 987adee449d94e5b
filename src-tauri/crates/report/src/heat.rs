//! The heatmap of response times, as the window draws it (`ui/src/charts/heat.ts`): log rows, colour by log count, p99.
use perfdeck_model::Heatmap;
use perfdeck_words::{plural, ratio};

use crate::axis::{AxisUnit, Label, Time};
use crate::plot::Plot;

/// Steps of the colour ramp.
const LEVELS: u32 = 8;
/// Height of the lane, in CSS pixels, and the room above its rows.
pub(crate) const HEIGHT: f64 = 132.0;
const TOP: f64 = 4.0;

/// The bucket axis at a time in milliseconds; whole numbers are the lower ends of buckets.
pub(crate) fn bucket_at(ms: f64) -> f64 {
    4.0 * (ms.max(1e-6) * 1_000.0).log2()
}

/// Lower end of a bucket, in milliseconds.
pub(crate) fn bucket_from(bucket: f64) -> f64 {
    2f64.powf(bucket / 4.0) / 1_000.0
}

/// The power of two that a ramp ends at.
pub(crate) fn ramp_top(most: u32) -> f64 {
    2f64.powf(f64::from(most.max(1)).log2().ceil().max(1.0))
}

/// Step of the ramp for a count, 0 for none; logarithmic up to `top`.
pub(crate) fn level(count: u32, top: f64) -> u32 {
    if count == 0 {
        return 0;
    }
    let share = f64::from(LEVELS) * (f64::from(count) + 1.0).ln() / (top + 1.0).ln();
    let step = share.ceil() as u32;
    step.clamp(1, LEVELS)
}

/// A quantile of a column in milliseconds, in between the ends of its bucket; `None` without requests.
pub(crate) fn quantile(column: &[(u16, u32)], q: f64) -> Option<f64> {
    let total: f64 = column.iter().map(|c| f64::from(c.1)).sum();
    let mut left = q * total;
    for (bucket, n) in column {
        if left <= f64::from(*n) {
            return (total > 0.0).then(|| bucket_from(f64::from(*bucket) + left / f64::from(*n)));
        }
        left -= f64::from(*n);
    }
    column.last().map(|(bucket, _)| bucket_from(f64::from(*bucket) + 1.0))
}

/// The rows of a heatmap: the lowest bucket shown, how many, and the height of one in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rows {
    pub(crate) low: f64,
    pub(crate) count: f64,
    pub(crate) px: f64,
}

/// The rows for buckets `low` to `high` on a height: as tall as fit; what is left over is above.
pub(crate) fn rows_for(low: f64, high: f64, height: f64) -> Rows {
    let need = (high - low + 1.0).max(1.0);
    let px = [8.0, 6.0, 5.0, 4.0, 3.0, 2.0].into_iter().find(|p| (height / p).floor() >= need).unwrap_or(1.0);
    let count = (height / px).floor();
    Rows { low: if need > count { high - count + 1.0 } else { low }, count, px }
}

/// Labelled times inside the rows, at most four, with their place on the bucket axis.
pub(crate) fn labels(rows: &Rows) -> Vec<(f64, Label)> {
    let end = rows.low + rows.count;
    let inside = |mantissas: &[f64]| -> Vec<f64> {
        (-3..=7)
            .flat_map(|p| mantissas.iter().map(move |m| m * 10f64.powi(p)))
            .filter(|v| bucket_at(*v) >= rows.low + 0.5 && bucket_at(*v) <= end - 0.5)
            .collect()
    };
    let mut found = inside(&[1.0]);
    if found.len() < 2 {
        found = inside(&[1.0, 2.0, 5.0]);
    }
    while found.len() > 4 {
        found = found.into_iter().step_by(2).collect();
    }
    found
        .into_iter()
        .map(|value| (bucket_at(value), Label { value, text: AxisUnit::Ms.label(value, value, true) }))
        .collect()
}

/// A heatmap, ready to be put on the run's clock.
pub(crate) struct Drawn {
    pub(crate) plot: Plot,
    /// Labels of the value axis, with their distance from the top in pixels.
    pub(crate) labels: Vec<(f64, String)>,
    /// Count at the end of the ramp.
    pub(crate) top: f64,
    /// What a reader without the picture is told.
    pub(crate) said: String,
}

/// Draws a heatmap; `None` where no second has a response.
pub(crate) fn draw(heat: &Heatmap, time: Time) -> Option<Drawn> {
    let cells = || heat.columns.iter().flatten();
    let (low, high) = (cells().map(|c| c.0).min()?, cells().map(|c| c.0).max()?);
    let top = ramp_top(cells().map(|c| c.1).max()?);
    let rows = rows_for(f64::from(low) - 1.0, f64::from(high) + 1.0, HEIGHT - TOP);
    let y = |at: f64| HEIGHT - (at - rows.low) * rows.px;
    let mut plot = Plot::new(HEIGHT);
    for (t, _) in time.ticks() {
        plot.vertical(time.share(t), 0.0, HEIGHT, "grid");
    }
    let labels: Vec<(f64, String)> = labels(&rows).into_iter().map(|(at, label)| (y(at), label.text)).collect();
    for (at, _) in &labels {
        plot.horizontal(*at, "grid");
    }
    let mut boxes: [Vec<[f64; 4]>; LEVELS as usize] = Default::default();
    let mut tail: Vec<(f64, f64)> = Vec::new();
    let mut lines = Vec::new();
    for (i, column) in heat.columns.iter().enumerate() {
        let at = |i: usize| time.share(heat.started_ms + i as f64 * heat.column_s * 1e3).clamp(0.0, 1.0);
        let (from, to) = (at(i), at(i + 1));
        for (bucket, count) in column {
            let step = level(*count, top);
            if step > 0 && to > from {
                boxes[step as usize - 1].push([from, y(f64::from(*bucket) + 1.0), to, y(f64::from(*bucket))]);
            }
        }
        match quantile(column, 0.99) {
            Some(p99) => tail.extend([(from, y(bucket_at(p99))), (to, y(bucket_at(p99)))]),
            None => lines.push(std::mem::take(&mut tail)),
        }
    }
    for (step, boxes) in boxes.iter().enumerate() {
        plot.boxes(boxes, &format!("h{}", step + 1));
    }
    for line in lines.iter().chain([&tail]) {
        plot.line(line, "text-1", "thin");
    }
    let total: u64 = cells().map(|c| u64::from(c.1)).sum();
    let mut by_bucket = std::collections::BTreeMap::<u16, u64>::new();
    for (bucket, n) in cells() {
        *by_bucket.entry(*bucket).or_default() += u64::from(*n);
    }
    let (bucket, most) = by_bucket.into_iter().max_by_key(|(bucket, n)| (*n, std::cmp::Reverse(*bucket)))?;
    let (from, to) = (bucket_from(f64::from(bucket)), bucket_from(f64::from(bucket) + 1.0));
    let said = format!(
        "Response times over time, {}; most of them, {}, between {} and {}",
        plural(total, "response"),
        ratio(most as f64 / total.max(1) as f64),
        AxisUnit::Ms.say(from),
        AxisUnit::Ms.say(to),
    );
    Some(Drawn { plot, labels, top, said })
}
