//! The machine's clock that never jumps, the one that counts suspended time where there is one: a counter of a server
//! goes on while this laptop sleeps, so a rate over that time must know how long it was.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn suspend_aware_ms() -> Option<f64> {
    use rustix::time::{DynamicClockId, clock_gettime_dynamic};
    clock_gettime_dynamic(DynamicClockId::Boottime).ok().map(millis)
}

/// Apple's CLOCK_MONOTONIC goes on while the machine sleeps; `Instant` does not.
#[cfg(target_vendor = "apple")]
fn suspend_aware_ms() -> Option<f64> {
    use rustix::time::{ClockId, clock_gettime};
    Some(millis(clock_gettime(ClockId::Monotonic)))
}

/// On Windows `Instant` goes on while the machine sleeps; of other systems nothing better is known.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn suspend_aware_ms() -> Option<f64> {
    None
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn millis(at: rustix::time::Timespec) -> f64 {
    at.tv_sec as f64 * 1e3 + at.tv_nsec as f64 / 1e6
}

/// Milliseconds since some moment of the past.
pub(crate) fn now_ms() -> f64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    // Decided once: two clocks must never be mixed.
    static AWARE: OnceLock<bool> = OnceLock::new();
    if *AWARE.get_or_init(|| suspend_aware_ms().is_some()) {
        return suspend_aware_ms().unwrap_or(0.0);
    }
    START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3
}
