//! What answers at an API's port when it is not an HTTP server, or not one of the kind that the address says.
use std::time::{Duration, Instant};

use perfdeck_net::{Opening, Speaks, Waited};

use super::probe::{Endpoint, Failure};

/// A failure with its reason, where another protocol at the port is it. Takes `wait` at most.
pub(super) async fn named(endpoint: &Endpoint, failure: Failure, wait: Duration) -> Failure {
    if !failure.strange {
        return failure;
    }
    let asked = tokio::time::timeout(wait, perfdeck_net::ask(&endpoint.host, endpoint.port)).await;
    match asked.ok().and_then(|speaks| words(endpoint, speaks)) {
        Some((message, hint)) => told(failure, message, hint),
        None => failure,
    }
}

fn told(failure: Failure, message: String, hint: String) -> Failure {
    let mut error = failure.error;
    (error.message, error.hint) = (message, Some(hint));
    Failure { error, ..failure }
}

/// What is wrong with the address, and what would be right; `None` where what answers is what the address says, or unknown.
fn words(endpoint: &Endpoint, speaks: Speaks) -> Option<(String, String)> {
    let at = format!("{}:{}", endpoint.shown_host(), endpoint.port);
    match (speaks, endpoint.tls) {
        (Speaks::Http, false) | (Speaks::Tls, true) => None,
        (Speaks::Tls, false) => {
            Some((format!("{at} speaks TLS, and the address begins with http://"), "Write https:// instead".to_owned()))
        }
        (Speaks::Http, true) => Some((
            format!("{at} speaks HTTP without TLS, and the address begins with https://"),
            "Write http:// instead (nothing is encrypted then), or give the port that speaks TLS".to_owned(),
        )),
        (speaks, _) if speaks.is_known() => Some((
            format!("{at} {}, not HTTP", speaks.words()),
            match speaks.scheme() {
                Some(scheme) => format!("Check the port; for what answers there the address begins with {scheme}"),
                None => "Check the port".to_owned(),
            },
        )),
        _ => None,
    }
}

/// What is remembered of a port that failed, so that a stranger, which may log it, is asked once a minute at most.
#[derive(Debug, Default)]
pub(super) struct Stranger {
    asked: Option<Instant>,
    told: Option<(String, String)>,
    /// A question that goes on: a server that says nothing leaves no time for it within the probe.
    asking: Option<Opening<Speaks>>,
}

impl Stranger {
    /// How long what was found out is taken for true while the target goes on failing.
    const GOOD: Duration = Duration::from_secs(60);

    /// It answered as it should.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// As [`named`], within what is left until `end`.
    pub(super) async fn named(&mut self, endpoint: &Endpoint, failure: Failure, end: Instant) -> Failure {
        if !failure.strange {
            return failure;
        }
        if self.asked.is_none_or(|at| at.elapsed() >= Self::GOOD) {
            let (host, port) = (endpoint.host.clone(), endpoint.port);
            let left = end.saturating_duration_since(Instant::now());
            let begin = || async move { perfdeck_net::ask(&host, port).await };
            if let Waited::Done(speaks) = Opening::wait(&mut self.asking, left, begin).await {
                (self.asked, self.told) = (Some(Instant::now()), words(endpoint, speaks));
            }
        }
        match self.told.clone() {
            Some((message, hint)) => told(failure, message, hint),
            None => failure,
        }
    }
}
