//! Cancel is looked at wherever a run waits: none of these phases ends by itself within the time that is allowed.

use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::plan::{Setting, TestTargets};
use perfdeck_bench::run_http;
use perfdeck_model::{BenchPhase, ErrorCode, Load, RunState};
use perfdeck_testkit::{Answer, Redis, ScriptedHttp};
use tokio_util::sync::CancellationToken;

/// Longest time from the word to the end.
const SOON: Duration = Duration::from_secs(1);

/// One connection with one command under way for a minute.
const GETS: &str = "name='c'\nduration='60s'\nload={kind='closed',connections=4}\n\
                    [[steps]]\nname='get'\nkind='cache'\ncommand='GET'\nargs=['k']";

/// What cancels a run, and when it did.
#[derive(Clone, Default)]
struct Stop {
    token: CancellationToken,
    at: Arc<Mutex<Option<Instant>>>,
}

impl Stop {
    fn now(&self) {
        self.at.lock().expect("lock").get_or_insert_with(Instant::now);
        self.token.cancel();
    }

    fn is_soon(&self, what: &str) {
        let took = self.at.lock().expect("lock").expect("it was stopped").elapsed();
        assert!(took < SOON, "{what}: it ended {took:?} after it was stopped");
    }
}

fn cache(url: String) -> (Setting, Stop) {
    let stop = Stop::default();
    let mut setting = Setting::of(TestTargets { sql: None, cache: Some(vec![url]), raw: true });
    setting.cancel = stop.token.clone();
    (setting, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_cache_is_loaded() {
    let server = Redis::start().await.expect("Redis");
    for answers in [true, false] {
        let (setting, stop) = cache(server.url());
        let (live, word) = (setting.live.clone(), stop.clone());
        let running = tokio::spawn(async move { setting.try_run(GETS).await });
        perfdeck_testkit::eventually(Duration::from_secs(20), async || {
            live.lock().expect("lock").last().is_some_and(|l| l.phase == BenchPhase::Measuring && l.requests > 500)
        })
        .await;
        if !answers {
            // From here on no command has an answer.
            server.execute(&["CLIENT", "PAUSE", "20000", "ALL"]).await.expect("paused");
        }
        word.now();
        let run = running.await.expect("it ends").expect("with figures").run;
        stop.is_soon("a cache engine");
        assert!(run.engine.contains("resp"), "the raw engine: {}", run.engine);
        assert_eq!((run.state, run.requests > 500), (RunState::Cancelled, true), "with its figures until then");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_cache_is_asked_for_a_first_answer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (setting, stop) = cache(format!("redis://127.0.0.1:{port}"));
    let word = stop.clone();
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.read_exact(&mut [0; 4]).expect("a question");
        word.now();
        // Held open and never answered, until the run is over.
        let _ = is_over.recv();
    });
    let error = setting.try_run(GETS).await.expect_err("nothing was measured");
    stop.is_soon("the question to a cache");
    drop(over);
    assert_eq!(error.code, ErrorCode::Cancelled, "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_ceiling_of_the_generator_is_measured() {
    let server = ScriptedHttp::start_now(|_| Answer::ok("ok")).expect("a server");
    let stop = Stop::default();
    let mut spec = crate::support::spec(server.port(), Load::Closed, 60.0);
    // A request that no other test has sent, whose ceiling is not known yet.
    spec.url.push_str("?the-ceiling-is-measured");
    let word = stop.clone();
    let progress = move |live: perfdeck_model::BenchLive| {
        assert_eq!(live.phase, BenchPhase::Connecting, "it does not get further");
        word.now();
    };
    let ended = run_http(spec, crate::support::context(), progress, stop.token.clone()).await;
    stop.is_soon("the ceiling");
    let error = perfdeck_model::ApiError::from(ended.expect_err("nothing was measured"));
    assert_eq!((error.code, server.connections()), (ErrorCode::Cancelled, 0), "the target was not touched");
}
