//! The recommendation: the smallest size with [`ENOUGH`](super::ENOUGH) of the highest throughput within the objective, or why there
//! is none.
use perfdeck_words as words;

use super::lack_of_fit::{BEARABLE, LackOfFit, lack_of_fit};
use super::law::{self, Law};
use super::per_size::{by_law, highest, per_size, points};
use super::refusal::{Refusal, RefusalKind};
use super::{CurvePoint, ENOUGH, Recommended, SizeAnalysis, SizeCell, SizeGoal, SizePoint, sentence};
use crate::usl;

/// Sizes that a law of three parameters needs to be more than drawn through its points.
const FEWEST: usize = 4;
/// Bootstrap repetitions: an interval of sizes, which are few, needs no more.
const REPEATS: usize = 200;
/// Largest ratio of the sizes at the ends of the interval.
const WIDEST: u32 = 4;
/// Repetitions beyond which longer cells are the better advice.
const MOST_REPETITIONS: f64 = 10.0;
/// Points of the curve.
const CURVE: u32 = 48;

/// What the cells of a sweep say.
pub fn analyse(cells: &[SizeCell], goal: &SizeGoal) -> SizeAnalysis {
    let points = points(cells);
    let mut sizes = per_size(cells, goal);
    let law = law::fit(&points);
    let redrawn = law.map(|law| usl::redrawn(&points, |n| law.at(n), goal.seed, REPEATS, |new| law.again(new)));
    let redrawn = redrawn.unwrap_or_default();
    let fit = law.as_ref().and_then(|law| lack_of_fit(&points, law));
    let scatter = fit.map(|fit| fit.pure_error).or_else(|| law.map(|law| law.scatter()));
    if let Some(law) = &law {
        by_law(&mut sizes, law);
    }
    let found = Found { sizes: &sizes, law, fit, scatter, redrawn: &redrawn, cells: points.len() };
    let (recommended, refused) = match found.recommended(goal) {
        Ok(recommended) => (Some(recommended), None),
        Err(refused) => (None, Some(refused)),
    };
    let curve = law.map(|law| curve(&sizes, &law, &redrawn)).unwrap_or_default();
    let said = sentence::sentence(recommended.as_ref(), refused.as_ref(), &sizes, goal);
    let notes = sentence::notes(recommended.as_ref(), &sizes, goal);
    SizeAnalysis { sentence: said, recommended, refused, law, lack_of_fit: fit, scatter, sizes, curve, notes }
}

/// What is known when it comes to a recommendation.
struct Found<'a> {
    sizes: &'a [SizePoint],
    law: Option<Law>,
    fit: Option<LackOfFit>,
    scatter: Option<f64>,
    redrawn: &'a [Law],
    cells: usize,
}

impl Found<'_> {
    fn recommended(&self, goal: &SizeGoal) -> Result<Recommended, Refusal> {
        if let Some(why) = &goal.unfinished {
            return Err(Refusal::new(RefusalKind::Unfinished, why.clone(), "Measure again to the end"));
        }
        let measured: Vec<&SizePoint> = self.sizes.iter().filter(|size| size.cells > 0).collect();
        let law = self.law.filter(|_| measured.len() >= FEWEST).ok_or_else(|| too_few(self.sizes, measured.len()))?;
        reachable(&measured, goal)?;
        let chosen = chosen(&measured, &law).ok_or_else(|| too_few(self.sizes, 0))?;
        let largest = measured.last().map_or(0, |size| size.connections);
        let (low, high) = self.interval(&measured, chosen.connections);
        // What grows for certain needs no closer look.
        if low >= largest {
            return Err(still_grows(largest, goal));
        }
        self.steady(measured.len())?;
        self.fits()?;
        if chosen.connections >= largest {
            return Err(still_grows(largest, goal));
        }
        if high > low.saturating_mul(WIDEST) {
            return Err(Refusal::new(
                RefusalKind::Uncertain,
                format!("the cells would choose anything between {low} and {high} connections"),
                "Measure more repetitions or longer cells",
            ));
        }
        kept(chosen, &measured, goal)?;
        per_instance(chosen, (low, high), goal)
    }

    /// Whether repetitions agree well enough to tell 5 % apart.
    fn steady(&self, sizes: usize) -> Result<(), Refusal> {
        let scatter = self.scatter.unwrap_or(0.0);
        let repetitions = self.cells as f64 / sizes.max(1) as f64;
        if scatter / repetitions.sqrt() <= BEARABLE {
            return Ok(());
        }
        let needed = (scatter / BEARABLE).powi(2).ceil().max(repetitions.floor() + 1.0);
        let what =
            if self.fit.is_some() { "cells of one size differ by" } else { "the cells scatter around the law by" };
        Err(Refusal::new(
            RefusalKind::Scatter,
            format!("{what} {} (standard deviation), which hides the 5\u{2009}% that matter", words::share(scatter)),
            if needed <= MOST_REPETITIONS {
                format!("Measure longer cells on a quieter machine, or {} repetitions", words::integer(needed))
            } else {
                "Measure longer cells on a quieter machine".to_owned()
            },
        ))
    }

    fn fits(&self) -> Result<(), Refusal> {
        match self.fit {
            Some(fit) if !fit.holds => Err(Refusal::new(
                RefusalKind::LackOfFit,
                format!(
                    "no law describes the throughput: the means are off by {} where repetitions differ by {} only (F test, \
                     p {})",
                    words::share(fit.misfit),
                    words::share(fit.pure_error),
                    if fit.p < 0.001 { "below 0.001".to_owned() } else { words::significant(fit.p, 2) }
                ),
                "Choose from the table by hand: what is measured at each size holds all the same",
            )),
            _ => Ok(()),
        }
    }

    /// The sizes that the redrawn laws would choose; the chosen one alone where nothing was redrawn.
    fn interval(&self, measured: &[&SizePoint], chosen: u32) -> (u32, u32) {
        let sizes = self.redrawn.iter().map(|law| self::chosen(measured, law).map(|size| f64::from(size.connections)));
        let bounds = usl::range(sizes);
        let whole = |n: f64| n.round() as u32;
        let low = bounds.map_or(chosen, |b| whole(b.low));
        let high = bounds.and_then(|b| b.high).map_or(chosen, whole);
        (low.min(chosen), high.max(chosen))
    }
}

/// The smallest measured size with enough of the highest throughput by a law.
fn chosen<'a>(measured: &[&'a SizePoint], law: &Law) -> Option<&'a SizePoint> {
    let owned: Vec<SizePoint> = measured.iter().map(|size| (*size).clone()).collect();
    let enough = ENOUGH * highest(&owned, law);
    measured.iter().copied().find(|size| law.at(f64::from(size.connections)) >= enough)
}

fn too_few(sizes: &[SizePoint], measured: usize) -> Refusal {
    let aside: u32 = sizes.iter().map(|size| size.set_aside).sum();
    let why = match aside {
        0 => String::new(),
        1 => "; 1 cell was set aside".to_owned(),
        n => format!("; {} cells were set aside", words::count(n)),
    };
    Refusal::new(
        RefusalKind::TooFewSizes,
        format!("{} could be measured{why}, and a law needs {FEWEST}", words::plural(measured, "size")),
        "Look at why cells were set aside, free some connections of the database, or raise the largest size",
    )
}

/// Whether any size keeps the objective.
fn reachable(measured: &[&SizePoint], goal: &SizeGoal) -> Result<(), Refusal> {
    let Some(limit) = goal.objective_ms else { return Ok(()) };
    if measured.iter().any(|size| size.within == Some(true)) {
        return Ok(());
    }
    let p99s = || measured.iter().filter_map(|size| Some((size.connections, size.p99_ms?)));
    let best = p99s().min_by(|a, b| a.1.total_cmp(&b.1));
    let best = best.map_or_else(String::new, |(n, p99)| {
        format!("; the best is {} at {}", words::ms(p99), words::plural(n, "connection"))
    });
    Err(Refusal::new(
        RefusalKind::Objective,
        format!("no size keeps p99 within {}{best}", words::ms(limit)),
        "No pool makes one statement faster: mend the statement, or allow it more time",
    ))
}

/// Whether the chosen size keeps the objective; smaller ones have too little throughput.
fn kept(chosen: &SizePoint, measured: &[&SizePoint], goal: &SizeGoal) -> Result<(), Refusal> {
    let Some(limit) = goal.objective_ms.filter(|_| chosen.within != Some(true)) else { return Ok(()) };
    let p99 = chosen.p99_ms.map_or_else(|| "unknown".to_owned(), words::ms);
    let largest = measured.iter().rfind(|size| size.within == Some(true) && size.connections < chosen.connections);
    let hint = largest.map_or_else(
        || "Allow more time".to_owned(),
        |size| {
            let share = size.share.map_or_else(String::new, |s| format!(" with {} of the throughput", words::share(s)));
            format!("Take {}, which keep it{share}, or allow {p99}", words::plural(size.connections, "connection"))
        },
    );
    Err(Refusal::new(
        RefusalKind::Objective,
        format!(
            "the highest throughput needs {}, and p99 is {p99} there, over {}",
            words::plural(chosen.connections, "connection"),
            words::ms(limit)
        ),
        hint,
    ))
}

fn still_grows(largest: u32, goal: &SizeGoal) -> Refusal {
    let most = super::SIZES.last().copied().unwrap_or(largest);
    let hint = if goal.cut_by_head_room {
        "The database has no more connections free: raise max_connections or free some, and measure again".to_owned()
    } else if largest < most {
        "Raise the largest size".to_owned()
    } else {
        format!("More than {most} are not tried: measure a statement that is more of your application's work")
    };
    Refusal::new(
        RefusalKind::StillGrows,
        format!("throughput still grows at {}, the largest size", words::plural(largest, "connection")),
        hint,
    )
}

/// Shares the connections among the instances: rounded up, so that together they give enough, and never more than the database
/// has free.
fn per_instance(chosen: &SizePoint, (low, high): (u32, u32), goal: &SizeGoal) -> Result<Recommended, Refusal> {
    let instances = goal.instances.max(1);
    let cap = goal.head_room.map_or(u32::MAX, |free| free / instances);
    if cap == 0 {
        let free = goal.head_room.unwrap_or(0);
        return Err(Refusal::new(
            RefusalKind::HeadRoom,
            format!("{instances} instances would share {}", words::plural(free, "free connection")),
            "Put a pooler before the database, raise max_connections, or free some",
        ));
    }
    let per_instance = chosen.connections.div_ceil(instances).min(cap).max(1);
    Ok(Recommended {
        connections: chosen.connections,
        low,
        high,
        share: chosen.share.unwrap_or(1.0),
        per_instance,
        total: per_instance.saturating_mul(instances),
        overflow: 0,
    })
}

/// The law from the smallest to the largest size, evenly spaced on a log axis.
fn curve(sizes: &[SizePoint], law: &Law, redrawn: &[Law]) -> Vec<CurvePoint> {
    let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else { return Vec::new() };
    let (from, ratio) = (f64::from(first.connections), f64::from(last.connections) / f64::from(first.connections));
    let at = |i: u32| from * ratio.powf(f64::from(i) / f64::from(CURVE));
    let point = |n: f64| CurvePoint {
        connections: n,
        rate_per_s: law.at(n),
        band: usl::range(redrawn.iter().map(|law| Some(law.at(n)))),
    };
    (0..=CURVE).map(|i| point(at(i))).collect()
}
