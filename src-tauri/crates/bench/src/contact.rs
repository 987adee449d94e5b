//! Whether a target lets anything be known of itself: a run against one that does not ends soon, with the reason.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::tries::patience;

/// What a target let be known, over all connections of a run.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    accepted: AtomicBool,
    open: AtomicBool,
    heard: AtomicBool,
}

/// Writes only once, so that later looks at it cost the threads nothing.
fn note(flag: &AtomicBool) {
    if !flag.load(Ordering::Relaxed) {
        flag.store(true, Ordering::Relaxed);
    }
}

impl Contact {
    /// It accepted a connection.
    pub(crate) fn accepted(&self) {
        note(&self.accepted);
    }

    /// A connection can take requests: TLS is set up where there is any.
    pub(crate) fn open(&self) {
        note(&self.accepted);
        note(&self.open);
    }

    /// It refused, or sent a byte of an answer.
    pub(crate) fn heard(&self) {
        note(&self.heard);
    }

    fn is(flag: &AtomicBool) -> bool {
        flag.load(Ordering::Relaxed)
    }
}

/// Waits for the first sign of a target.
pub(crate) struct Silence {
    contact: Option<Arc<Contact>>,
    limit: Duration,
    since: Instant,
}

impl Silence {
    /// Of a run whose requests have this deadline. One that was asked for and is longer counts.
    pub(crate) fn new(contact: Option<Arc<Contact>>, timeout: Duration) -> Self {
        Self { contact, limit: patience(timeout), since: Instant::now() }
    }

    /// Whether the target's connections tell of themselves.
    pub(crate) fn is_told(&self) -> bool {
        self.contact.is_some()
    }

    /// Requests are sent from now on.
    pub(crate) fn begins(&mut self, at: Instant) {
        self.since = at;
    }

    /// Why the run must end, if it must. Before requests are `sending`, an open connection is sign enough.
    pub(crate) fn look(&self, now: Instant, sending: bool) -> Option<String> {
        let contact = self.contact.as_ref()?;
        let open = Contact::is(&contact.open);
        if Contact::is(&contact.heard) || (!sending && open) {
            return None;
        }
        (now.saturating_duration_since(self.since) >= self.limit).then(|| {
            let seconds = self.limit.as_secs_f64();
            if open {
                format!("the target accepts connections and sent no byte of an answer within {seconds} s; where it needs longer, give requests a longer time-out")
            } else if Contact::is(&contact.accepted) {
                format!("the target accepts connections and did not answer the TLS handshake within {seconds} s")
            } else {
                format!("the target did not accept a connection within {seconds} s; look at its address, the firewall and the VPN")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_ends_a_run() {
        let contact = Arc::new(Contact::default());
        let mut silence = Silence::new(Some(contact.clone()), Duration::from_millis(300));
        let start = Instant::now();
        silence.begins(start);
        let at = |s: u64| start + Duration::from_secs(s);
        assert_eq!(silence.look(at(4), false), None, "four seconds are not long");
        let why = |silence: &Silence, sending| silence.look(at(5), sending).unwrap_or_default();
        assert!(why(&silence, false).contains("did not accept a connection within 5 s"), "nobody is there");
        contact.accepted();
        assert!(why(&silence, true).contains("TLS handshake"), "it accepts and says nothing");
        contact.open();
        assert_eq!(silence.look(at(50), false), None, "the other connections have their time");
        assert!(why(&silence, true).contains("no byte of an answer"), "nor does it answer");
        contact.heard();
        assert_eq!(silence.look(at(50), true), None, "a byte, or a refusal, is a sign");
        assert_eq!(Silence::new(None, Duration::from_secs(10)).look(at(50), true), None, "where nobody asks, nothing ends");
        let limit = |s: u64| Silence::new(None, Duration::from_secs(s)).limit.as_secs();
        assert_eq!((limit(1), limit(10), limit(8), limit(30)), (5, 5, 8, 30), "a longer time-out of its own counts");
    }
}
