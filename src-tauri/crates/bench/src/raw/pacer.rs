//! Wakes a poll in time for the next start, with microseconds of lateness where the system can.
//!
//! On Linux a `timerfd` in the same epoll. Elsewhere the poll's own timeout (milliseconds) for the coarse part, and
//! short looks for the rest; the schedule lag in the result tells how well that went.
use std::time::{Duration, Instant};

use mio::{Poll, Token};

/// The token of the timer.
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
            Self { timer: linux::timer(poll), armed: None }
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
            && (self.armed == Some(at) || linux::arm(timer, left))
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

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Poll};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };

    pub(super) fn timer(poll: &Poll) -> Option<OwnedFd> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC).ok()?;
        poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), super::TIMER, Interest::READABLE).ok()?;
        Some(fd)
    }

    /// Whether the timer is set. Its expiries are never read: setting it anew clears them, and each one is a new edge.
    pub(super) fn arm(timer: &OwnedFd, left: Duration) -> bool {
        let Ok(once) = Timespec::try_from(left) else { return false };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: once };
        timerfd_settime(timer.as_fd(), TimerfdTimerFlags::empty(), &spec).is_ok()
    }
}
