//! Wakes a poll in time for the next start, with microseconds of lateness where the system can.
//!
//! On Linux a `timerfd` in the same epoll. Elsewhere the poll's own timeout (milliseconds) for the coarse part, and
//! short looks for the rest; the schedule lag in the result tells how well that went.
use std::time::{Duration, Instant};

use mio::Poll;
#[cfg(target_os = "linux")]
use mio::Token;

#[cfg(target_os = "linux")]
use crate::pacing::timerfd;

/// The token of the timer.
#[cfg(target_os = "linux")]
pub(crate) const TIMER: Token = Token(usize::MAX - 1);

/// Arms the poll.
pub(crate) struct Pacer {
    #[cfg(target_os = "linux")]
    timer: Option<std::os::fd::OwnedFd>,
    #[cfg(target_os = "linux")]
    armed: Option<Instant>,
}

impl Pacer {
    /// A timer of `poll`.
    pub(crate) fn new(poll: &Poll) -> Self {
        #[cfg(target_os = "linux")]
        {
            Self { timer: timer(poll), armed: None }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = poll;
            Self {}
        }
    }

    /// How long the poll may wait so that the start at `at` is in time; at most `longest`.
    pub(crate) fn wait(&mut self, at: Option<Instant>, now: Instant, longest: Duration) -> Duration {
        let Some(at) = at else { return longest };
        let left = at.saturating_duration_since(now);
        #[cfg(target_os = "linux")]
        if let Some(timer) = &self.timer
            && left > Duration::ZERO
            && (self.armed == Some(at) || timerfd::arm(timer, left))
        {
            self.armed = Some(at);
            return longest;
        }
        if left >= Duration::from_millis(2) {
            // The poll rounds up to whole milliseconds; the rest is looked at more often.
            left.saturating_sub(Duration::from_millis(1)).min(longest)
        } else {
            Duration::ZERO
        }
    }
}

/// A timer among the poll's sources. Its expiries are never read: each arming is a new edge.
#[cfg(target_os = "linux")]
fn timer(poll: &Poll) -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::AsRawFd;
    let timer = timerfd::create()?;
    let mut source = mio::unix::SourceFd(&timer.as_raw_fd());
    poll.registry().register(&mut source, TIMER, mio::Interest::READABLE).ok()?;
    Some(timer)
}
