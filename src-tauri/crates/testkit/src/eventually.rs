//! Waiting for something without sleeping for a fixed time.
use std::future::Future;
use std::io::Read;
use std::panic::Location;
use std::process::{Child, Output};
use std::time::{Duration, Instant};

/// Pause between two attempts.
const STEP: Duration = Duration::from_millis(15);

/// What an attempt of [`eventually`] may return.
pub trait Outcome {
    /// What a successful attempt yields.
    type Value;
    /// The value, or why it is not there yet.
    fn outcome(self) -> Result<Self::Value, String>;
}

impl Outcome for bool {
    type Value = ();
    fn outcome(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("the condition is still false".to_owned()) }
    }
}

impl<T> Outcome for Option<T> {
    type Value = T;
    fn outcome(self) -> Result<T, String> {
        self.ok_or_else(|| "still nothing".to_owned())
    }
}

impl<T, E: std::fmt::Debug> Outcome for Result<T, E> {
    type Value = T;
    fn outcome(self) -> Result<T, String> {
        self.map_err(|error| format!("last error: {error:?}"))
    }
}

/// Repeats `attempt` until it is `true`, `Some` or `Ok`, and returns what it yielded.
///
/// An attempt that hangs is given up at the deadline too.
///
/// # Panics
/// When the deadline passes first; the message names the caller and the last failure.
#[track_caller]
pub fn eventually<O, F>(deadline: Duration, mut attempt: impl FnMut() -> F) -> impl Future<Output = O::Value>
where
    O: Outcome,
    F: Future<Output = O>,
{
    let caller = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut last = "no attempt finished".to_owned();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, attempt()).await {
                Ok(outcome) => match outcome.outcome() {
                    Ok(value) => return value,
                    Err(why) => last = why,
                },
                Err(_) => panic!("{caller}: not within {deadline:?}: an attempt hung; before that: {last}"),
            }
            assert!(Instant::now() < end, "{caller}: not within {deadline:?}: {last}");
            tokio::time::sleep(STEP).await;
        }
    }
}

/// [`eventually`] for tests without a runtime: blocks the thread between two attempts.
///
/// # Panics
/// When the deadline passes first; the message names the caller and the last failure.
#[track_caller]
pub fn eventually_blocking<O: Outcome>(deadline: Duration, mut attempt: impl FnMut() -> O) -> O::Value {
    let end = Instant::now() + deadline;
    loop {
        match attempt().outcome() {
            Ok(value) => return value,
            Err(why) => assert!(Instant::now() < end, "not within {deadline:?}: {why}"),
        }
        std::thread::sleep(STEP);
    }
}

/// What a program wrote until its end, of the streams that are piped. One that does not end in time is ended.
///
/// # Panics
/// When it does not end in time, or its streams cannot be read.
#[track_caller]
pub fn output_of(mut child: Child, deadline: Duration) -> Output {
    fn read(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<std::io::Result<Vec<u8>>> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.map_or(Ok(0), |mut stream| stream.read_to_end(&mut bytes)).map(|_| bytes)
        })
    }
    let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
    let end = Instant::now() + deadline;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        if Instant::now() >= end {
            let _ = child.kill();
            let _ = child.wait();
            panic!("process {} did not end within {deadline:?}", child.id());
        }
        std::thread::sleep(STEP);
    };
    let text = |stream: std::thread::JoinHandle<std::io::Result<Vec<u8>>>| {
        stream.join().expect("the reader does not panic").expect("the stream can be read")
    };
    Output { status, stdout: text(out), stderr: text(err) }
}
