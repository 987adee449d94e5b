//! Blocks of runs with the index and without it, in turns.
use std::time::{Duration, Instant};

use perfdeck_database::prove::{ArmLook, Arms, BlockLimits, ProofPlace, ProvenIndex, Trouble};
use perfdeck_model::{Address, ApiError, ChangeProof, Sensitive};
use perfdeck_stats::proof::{MOST_PAIRS, PAIRS, is_open};
use tokio_util::sync::CancellationToken;

use super::ProveWanted;
use super::assemble::{Notes, assembled};
use super::plan::{Measured, planned, stopped};

/// Runs of a block at least.
const RUNS: u32 = 5;
/// Time of a block: by what there is for all of them, within these.
const BLOCK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// Time after which a block ends, whatever its runs.
const LONG_BLOCK: Duration = Duration::from_secs(2);
/// Fewest pairs of blocks that say anything.
const FEWEST: usize = 3;
/// Longest time of a run, and the shortest that this is made.
const RUN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// Longest wait for what was stopped to end.
const STOPPING: Duration = Duration::from_secs(2);

/// Told the share done and the step.
type Progress<'a> = &'a (dyn Fn(Option<f64>, &str) + Send + Sync);

/// What was measured of one class.
#[derive(Debug, Default)]
pub(super) struct CellFigures {
    /// Median times of the blocks without the index, in milliseconds, in the order of the pairs.
    pub(super) without: Vec<f64>,
    /// The same with it.
    pub(super) with: Vec<f64>,
    pub(super) runs: u32,
    pub(super) before: ArmLook,
    pub(super) after: ArmLook,
    pub(super) after_analyze: Option<bool>,
}

/// What came of one class.
pub(super) type Came = Result<CellFigures, String>;

/// Measures statements with an index and without it. `at_ms` of the answer is not set.
///
/// # Errors
/// When the database cannot be asked, there is no way to hide the index, the session ends, or it is cancelled.
pub async fn prove_index(
    address: &Address,
    password: Option<&Sensitive>,
    index: &ProvenIndex,
    wanted: &ProveWanted,
    progress: Progress<'_>,
    cancel: &CancellationToken,
) -> Result<ChangeProof, ApiError> {
    let started = Instant::now();
    let place = ProofPlace {
        development: wanted.development,
        analyze: wanted.analyze,
        folder: wanted.folder.clone(),
        longest: (wanted.total / 8).clamp(RUN.0, RUN.1),
    };
    progress(None, "opening both arms");
    let mut arms = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(stopped()),
        arms = Arms::open(address, password, index, &place) => arms?,
    };
    let stopper = arms.stopper();
    let found = {
        let work = all(&mut arms, (address, password), index, wanted, progress, cancel);
        tokio::pin!(work);
        tokio::select! {
            biased;
            found = &mut work => found,
            () = cancel.cancelled() => {
                stopper.stop().await;
                // What does not end then is given up, and ends with its session.
                let _ = tokio::time::timeout(STOPPING, &mut work).await;
                Err(stopped())
            }
        }
    };
    let method = arms.method();
    arms.close().await;
    let (measured, came, late) = found?;
    let notes = Notes { address, wanted, method, late };
    Ok(assembled(&measured, &came, &notes, started.elapsed()))
}

/// Measures all of it; answers too whether the time was over before the end.
async fn all<'a>(
    arms: &mut Arms,
    door: (&Address, Option<&Sensitive>),
    index: &ProvenIndex,
    wanted: &'a ProveWanted,
    progress: Progress<'_>,
    cancel: &CancellationToken,
) -> Result<(Vec<Measured<'a>>, Vec<Vec<Came>>, bool), ApiError> {
    progress(None, "looking for values of each class");
    let measured = planned(door, index, wanted, arms).await?;
    let total: usize = measured.iter().map(|m| m.cells.len()).sum();
    let (mut came, mut done, mut late) = (Vec::new(), 0, false);
    let end = Instant::now() + wanted.total;
    for (at, one) in measured.iter().enumerate() {
        let mut of_one: Vec<Came> = Vec::new();
        for cell in &one.cells {
            let left = end.saturating_duration_since(Instant::now());
            let cells = u32::try_from(total - done).unwrap_or(1).max(1);
            let base = done as f64 / total.max(1) as f64;
            done += 1;
            if left.is_zero() {
                late = true;
                of_one.push(Err("the time for measuring was over".to_owned()));
                continue;
            }
            let step = |part: f64, what: &str| {
                let text = format!("statement {} of {}, {}, {what}", at + 1, measured.len(), cell.class.as_str());
                progress(Some(base + part / total as f64), &text);
            };
            match class(arms, (cell.place, one.writes), left / cells, &step).await {
                Ok(figures) => of_one.push(Ok(figures)),
                Err(_) if cancel.is_cancelled() => return Err(stopped()),
                Err(Trouble::Session(error)) => return Err(error),
                Err(Trouble::Refused(why)) => of_one.push(Err(why)),
                Err(Trouble::Late) => of_one.push(Err("a run takes longer than it may".to_owned())),
            }
            if cancel.is_cancelled() {
                return Err(stopped());
            }
        }
        came.push(of_one);
    }
    if total > 0 {
        progress(Some(1.0), "asking for plans with new statistics");
        let after = arms.used_after_analyze().await;
        for (one, of_one) in measured.iter().zip(&mut came) {
            for (cell, figures) in one.cells.iter().zip(of_one) {
                if let Ok(figures) = figures {
                    figures.after_analyze = after.get(cell.place).copied().flatten();
                }
            }
        }
    }
    Ok((measured, came, late))
}

/// One class: a look at either arm, then pairs of blocks, whose order turns with each pair, so that what drifts is in both arms.
async fn class(
    arms: &mut Arms,
    (place, writes): (usize, bool),
    budget: Duration,
    step: &(dyn Fn(f64, &str) + Send + Sync),
) -> Result<CellFigures, Trouble> {
    let started = Instant::now();
    step(0.0, "its plans");
    let after = arms.look(place, true).await?;
    let before = match arms.look(place, false).await {
        Err(Trouble::Late) => {
            let why = "without the index a run takes longer than it may, and with it it does not";
            return Err(Trouble::Refused(why.to_owned()));
        }
        before => before?,
    };
    let blocks = u32::try_from(2 * MOST_PAIRS).unwrap_or(1);
    let limits = BlockLimits { runs: RUNS, lasts: (budget * 4 / 5 / blocks).clamp(BLOCK.0, BLOCK.1), most: LONG_BLOCK };
    let mut figures = CellFigures { before, after, ..CellFigures::default() };
    while figures.with.len() < MOST_PAIRS {
        let pairs = figures.with.len();
        // Slow runs get fewer pairs, and at last what Student's interval needs.
        let enough = if started.elapsed() > 2 * budget { 2 } else { FEWEST };
        if pairs >= enough && started.elapsed() > budget {
            break;
        }
        // Where no plan uses the index both arms do the same, and no more is to be known.
        let open = (after.used || writes) && is_open(&figures.without, &figures.with);
        if pairs >= PAIRS && !open {
            break;
        }
        let with_first = pairs % 2 == 1;
        for with in [with_first, !with_first] {
            let block = 2 * pairs + usize::from(with != with_first) + 1;
            step(block as f64 / (2 * MOST_PAIRS) as f64, &format!("block {block} of {}", 2 * PAIRS.max(pairs + 1)));
            let one = arms.block(place, with, limits).await?;
            if with {
                figures.with.push(one.median_ms);
                figures.runs += one.runs;
            } else {
                figures.without.push(one.median_ms);
            }
        }
    }
    Ok(figures)
}
