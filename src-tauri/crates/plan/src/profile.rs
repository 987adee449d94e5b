//! The level of a load over time, piecewise linear, with its integral and the inverse of that in closed form.
use super::model::{Plan, PlanLoad, Stage, StageKind};

/// Why a load has no profile.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A level out of range.
    #[error("{place}: {value} is not between 0 and 1 000 000")]
    Level {
        /// Which one.
        place: String,
        /// What it is.
        value: f64,
    },
    /// A ramp or spike without `to`.
    #[error("stage {0}: a ramp or a spike needs `to`")]
    NoLevel(usize),
    /// A stage that takes no time.
    #[error("stage {0}: its duration must be above 0")]
    NoDuration(usize),
    /// Longer than a day.
    #[error("{0} s are more than a day")]
    TooLong(f64),
    /// Nothing would ever start.
    #[error("the level is 0 all the time")]
    Nothing,
    /// More stages than anyone writes.
    #[error("{0} stages; a plan has at most 1000")]
    TooMany(usize),
}

/// Longest measured time, in seconds.
pub(super) const LONGEST: f64 = 86_400.0;

/// Highest level.
const HIGHEST: f64 = 1e6;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    /// Start, in seconds.
    start: f64,
    /// Length, in seconds, above 0.
    length: f64,
    /// Level at the start and just before the end.
    from: f64,
    to: f64,
    /// Integral before it.
    before: f64,
}

impl Segment {
    fn end(&self) -> f64 {
        self.start + self.length
    }

    fn slope(&self) -> f64 {
        (self.to - self.from) / self.length
    }

    fn area(&self) -> f64 {
        0.5 * (self.from + self.to) * self.length
    }

    fn level(&self, t: f64) -> f64 {
        self.from + self.slope() * (t - self.start)
    }

    fn integral(&self, t: f64) -> f64 {
        let x = t - self.start;
        self.before + x * (self.from + 0.5 * self.slope() * x)
    }

    /// Solves `integral(t) = count`. Of the two forms of the quadratic's root, this one divides by a sum of what is not
    /// negative, so nothing cancels out, and it holds for a slope of 0 too.
    fn inverse(&self, count: f64) -> f64 {
        let area = (count - self.before).max(0.0);
        let root = (self.from * self.from + 2.0 * self.slope() * area).max(0.0).sqrt();
        let x = if area > 0.0 { 2.0 * area / (self.from + root) } else { 0.0 };
        self.start + x.min(self.length)
    }
}

/// The level of a load over the measured time: iterations per second, or connections.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    segments: Vec<Segment>,
}

impl Profile {
    /// The profile of a plan: its rate in an open loop, its connections in a closed one.
    ///
    /// # Errors
    /// [`ProfileError`] naming the stage.
    pub fn of(plan: &Plan) -> Result<Self, ProfileError> {
        let (place, level) = match &plan.load {
            PlanLoad::Closed { connections, .. } => ("connections", f64::from(*connections)),
            PlanLoad::Open { rate_per_s, .. } => ("rate_per_s", *rate_per_s),
        };
        if !(0.0..=HIGHEST).contains(&level) {
            return Err(ProfileError::Level { place: place.into(), value: level });
        }
        Self::new(level, &plan.stages, plan.measured().as_secs_f64())
    }

    /// The profile of stages that begin at `level`; without stages it is `level` for `seconds`.
    ///
    /// # Errors
    /// [`ProfileError`] naming the stage.
    pub fn new(level: f64, stages: &[Stage], seconds: f64) -> Result<Self, ProfileError> {
        if stages.len() > 1000 {
            return Err(ProfileError::TooMany(stages.len()));
        }
        let mut profile = Self { segments: Vec::with_capacity(stages.len().max(1)) };
        if stages.is_empty() {
            profile.push(level, level, seconds);
        }
        let mut level = level;
        for (i, stage) in stages.iter().enumerate() {
            let number = i + 1;
            if let Some(to) = stage.to.filter(|to| !(0.0..=HIGHEST).contains(to)) {
                return Err(ProfileError::Level { place: format!("stage {number}"), value: to });
            }
            if stage.duration.0.is_zero() {
                return Err(ProfileError::NoDuration(number));
            }
            let length = stage.duration.as_secs_f64();
            match (stage.kind, stage.to) {
                (StageKind::Hold, to) => {
                    level = to.unwrap_or(level);
                    profile.push(level, level, length);
                }
                (StageKind::Ramp, Some(to)) => {
                    profile.push(level, to, length);
                    level = to;
                }
                (StageKind::Spike, Some(to)) => profile.push(to, to, length),
                (_, None) => return Err(ProfileError::NoLevel(number)),
            }
        }
        if profile.seconds() > LONGEST {
            return Err(ProfileError::TooLong(profile.seconds()));
        }
        if profile.total() <= 0.0 {
            return Err(ProfileError::Nothing);
        }
        Ok(profile)
    }

    fn push(&mut self, from: f64, to: f64, length: f64) {
        let (start, before) = self.segments.last().map_or((0.0, 0.0), |s| (s.end(), s.before + s.area()));
        self.segments.push(Segment { start, length, from, to, before });
    }

    /// Start, end, level at the start and level just before the end of each of its parts; with stages, these are theirs.
    pub fn spans(&self) -> impl Iterator<Item = (f64, f64, f64, f64)> {
        self.segments.iter().map(|s| (s.start, s.end(), s.from, s.to))
    }

    /// Length, in seconds.
    pub fn seconds(&self) -> f64 {
        self.segments.last().map_or(0.0, Segment::end)
    }

    /// Integral over the whole length: the starts of an open loop, on average.
    pub fn total(&self) -> f64 {
        self.segments.last().map_or(0.0, |s| s.before + s.area())
    }

    /// Highest level.
    pub fn peak(&self) -> f64 {
        self.segments.iter().map(|s| s.from.max(s.to)).fold(0.0, f64::max)
    }

    /// Whether the level changes: then no rate or percentile of the whole says anything about one level.
    pub fn varies(&self) -> bool {
        let first = self.segments.first().map_or(0.0, |s| s.from);
        self.segments.iter().any(|s| (s.from - first).abs() > 0.0 || (s.to - first).abs() > 0.0)
    }

    /// Level at `t` seconds; 0 outside.
    pub fn level(&self, t: f64) -> f64 {
        self.at(t).map_or(0.0, |s| s.level(t))
    }

    /// Integral from 0 to `t` seconds.
    pub fn integral(&self, t: f64) -> f64 {
        if t >= self.seconds() { self.total() } else { self.at(t).map_or(0.0, |s| s.integral(t)) }
    }

    /// When the integral reaches `count` and goes on, in seconds; `None` when it does not.
    pub fn inverse(&self, count: f64) -> Option<f64> {
        // The first segment whose end lies above: it has a level above 0 there.
        let i = self.segments.partition_point(|s| s.before + s.area() <= count);
        self.segments.get(i).map(|s| s.inverse(count))
    }

    fn at(&self, t: f64) -> Option<&Segment> {
        if t.is_nan() || t < 0.0 {
            return None;
        }
        self.segments.get(self.segments.partition_point(|s| s.end() <= t))
    }
}
