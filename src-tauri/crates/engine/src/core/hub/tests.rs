//! Viewers against a watched environment whose seconds the test makes; the runtime's clock is paused.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use perfdeck_model::{
    BenchLive, BenchPhase, Frame, FrameKind, ManualClock, OwnCost, TargetRole, TargetState, Watching,
};
use tokio::time::{Instant, timeout};

use super::*;

/// Longest time for what comes at once, on the paused clock.
const SOON: Duration = Duration::from_secs(1);

/// An environment whose watch the test feeds, ends and refuses.
#[derive(Default)]
struct Environment {
    /// The watch that runs; none when the environment is deleted.
    ticks: Mutex<Option<broadcast::Sender<Arc<Tick>>>>,
    state: Mutex<Option<TargetState>>,
    opened: AtomicUsize,
}

impl Environment {
    fn new() -> Arc<Self> {
        let environment = Arc::new(Self::default());
        environment.begin();
        environment
    }

    /// A watch that begins; the one before it ends.
    fn begin(&self) {
        *self.ticks.lock().expect("not poisoned") = Some(broadcast::channel(64).0);
    }

    fn end(&self) {
        self.ticks.lock().expect("not poisoned").take();
    }

    fn tick(&self, second: u32, of: Tick) {
        let values = vec![("a".into(), Some(f64::from(second))), ("b".into(), None)];
        let tick = Tick { t_ms: f64::from(second) * 1e3, values, ..of };
        if let Some(ticks) = &*self.ticks.lock().expect("not poisoned") {
            let _ = ticks.send(Arc::new(tick));
        }
    }

    fn is(&self, state: TargetState) -> Vec<TargetStatus> {
        *self.state.lock().expect("not poisoned") = Some(state);
        vec![target(state)]
    }

    fn open(self: &Arc<Self>) -> OpenFeed {
        let environment = self.clone();
        Box::new(move || {
            let environment = environment.clone();
            Box::pin(async move {
                environment.opened.fetch_add(1, Ordering::SeqCst);
                // Targets are reached, and that takes its time.
                tokio::time::sleep(Duration::from_millis(300)).await;
                let ticks = environment.ticks.lock().expect("not poisoned").as_ref().map(broadcast::Sender::subscribe);
                let ticks = ticks.ok_or_else(|| ApiError::not_found("It was deleted"))?;
                let of = environment.clone();
                let targets = move || of.state.lock().expect("not poisoned").map(target).into_iter().collect();
                Ok(Feed { ticks, targets: Box::new(targets) })
            })
        })
    }
}

fn target(state: TargetState) -> TargetStatus {
    TargetStatus {
        role: TargetRole::Api,
        address: "http://127.0.0.1:1".to_owned(),
        state,
        version: None,
        detail: None,
        round_trip_ms: None,
        first_sample_ms: None,
        last_sample_ms: None,
        next_try_ms: None,
        error: None,
        limits: BTreeMap::new(),
        own_requests: None,
    }
}

fn hub() -> (Arc<Hub>, CancellationToken) {
    let stopped = CancellationToken::new();
    (Arc::new(Hub::new(Arc::new(ManualClock::new(1_000.0)), stopped.clone())), stopped)
}

async fn viewer(hub: &Arc<Hub>, environment: &Arc<Environment>, topics: &[Topic]) -> Viewer {
    let watching = Watching::only(Some("e"), topics);
    let mut viewer = Viewer::new(hub.clone(), watching, Some(environment.open())).await.expect("watched");
    assert_eq!(next(&mut viewer).await.kind, FrameKind::Snapshot, "the first frame stands alone");
    viewer
}

async fn next(viewer: &mut Viewer) -> Frame {
    timeout(SOON, viewer.next()).await.expect("it comes at once").expect("the engine runs")
}

/// Whether nothing more comes.
async fn quiet(viewer: &mut Viewer) -> bool {
    timeout(SOON, viewer.next()).await.is_err()
}

fn own(cpu: f64) -> Part {
    Part::Own(OwnCost { cpu, ..OwnCost::default() })
}

fn bench(requests: u64) -> Part {
    Part::Bench(BenchLive {
        run_id: "r".to_owned(),
        phase: BenchPhase::Measuring,
        elapsed_s: 1.0,
        total_s: 10.0,
        at_ms: 0.0,
        requests,
        errors: 0,
        in_flight: 0,
        interval_s: None,
        rate_per_s: 0.0,
        target_rate_per_s: None,
        p50_ms: None,
        p90_ms: None,
        p99_ms: None,
        max_ms: None,
        lag_p99_ms: None,
        heat: Vec::new(),
    })
}

#[tokio::test(start_paused = true)]
async fn a_slow_viewer_gets_the_newest_and_what_it_missed_is_counted() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    let mut slow = viewer(&hub, &environment, Topic::ALL).await;
    let mut quick = viewer(&hub, &environment, &[Topic::Series]).await;
    let down = environment.is(TargetState::Down);
    environment.tick(1, Tick { targets: Some(down.clone()), findings_changed: true, ..Tick::default() });
    let mut got = 0;
    for second in 2..=100 {
        // Nobody who publishes waits: there is no await here.
        environment.tick(second, Tick::default());
        if second % 10 == 0 {
            got += next(&mut quick).await.t.len();
        }
    }
    assert_eq!(got, 100, "who asks in time misses nothing");
    let frame = next(&mut slow).await;
    let newest: Vec<f64> = (81..=100).map(|second| f64::from(second) * 1e3).collect();
    assert_eq!(frame.t, newest, "the newest seconds, in order");
    assert_eq!(frame.series["a"].last(), Some(&Some(100.0)), "with their values");
    assert!(frame.series["b"].iter().all(Option::is_none), "and gaps stay gaps");
    assert_eq!(hub.dropped(), 80, "the others are counted");
    assert_eq!(frame.seq, 82, "and the count of the frames says it");
    assert_eq!(frame.parts[0], Part::Targets(down), "what was told in a second that was missed is told now");
    let Some(Part::Changed(tags)) = frame.parts.last() else { panic!("changes: {:?}", frame.parts) };
    assert!(tags.contains(&Tag::Findings) && tags.contains(&Tag::Series), "also what changed: {tags:?}");
}

#[tokio::test(start_paused = true)]
async fn who_watches_jobs_gets_nothing_else_and_has_nothing_watched() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    let mut viewer = viewer(&hub, &environment, &[Topic::Jobs]).await;
    assert_eq!(environment.opened.load(Ordering::SeqCst), 0, "no target is reached for it");
    environment.tick(1, Tick { targets: Some(environment.is(TargetState::Up)), ..Tick::default() });
    hub.publish(|| own(0.1));
    hub.publish(|| bench(1));
    hub.changed(Tag::ALL);
    assert!(quiet(&mut viewer).await, "none of this is a job");
    hub.publish(|| Part::Jobs(Vec::new()));
    let frame = next(&mut viewer).await;
    assert_eq!(frame.parts, [Part::Jobs(Vec::new())], "the jobs, and nothing beside them");
    assert!(frame.t.is_empty() && frame.series.is_empty(), "no samples");
}

#[tokio::test(start_paused = true)]
async fn each_topic_is_left_out_where_it_is_not_watched() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    for topic in Topic::ALL {
        let mut viewer = viewer(&hub, &environment, &[*topic]).await;
        environment.tick(1, Tick { targets: Some(environment.is(TargetState::Up)), ..Tick::default() });
        hub.publish(|| own(0.1));
        hub.publish(|| bench(1));
        hub.publish(|| Part::Jobs(Vec::new()));
        hub.changed(&[Tag::Runs]);
        let frame = next(&mut viewer).await;
        let told: Vec<Topic> = frame.parts.iter().map(Part::topic).collect();
        let expected: &[Topic] = if *topic == Topic::Series { &[] } else { &[*topic] };
        assert_eq!(told, expected, "{topic:?}");
        assert_eq!(frame.t.is_empty(), *topic != Topic::Series, "{topic:?}: samples are for who watches them");
        assert!(quiet(&mut viewer).await, "{topic:?}: told once");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_series_that_are_named_are_sent() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    let watching = Watching::only(Some("e"), &[Topic::Series]).of_series(["b", "later"]);
    let mut viewer = Viewer::new(hub, watching, Some(environment.open())).await.expect("watched");
    next(&mut viewer).await;
    environment.tick(1, Tick::default());
    let frame = next(&mut viewer).await;
    assert_eq!(frame.series.keys().collect::<Vec<_>>(), ["b"], "not 'a', and 'later' is not there yet");
}

#[tokio::test(start_paused = true)]
async fn targets_beside_many_series_have_a_frame_of_their_own() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    let mut viewer = viewer(&hub, &environment, Topic::ALL).await;
    let values = (0..=250).map(|n| (format!("s{n}").into(), Some(1.0))).collect();
    let up = environment.is(TargetState::Up);
    let ticks = environment.ticks.lock().expect("not poisoned").clone().expect("watched");
    ticks.send(Arc::new(Tick { t_ms: 1e3, values, targets: Some(up.clone()), ..Tick::default() })).expect("heard");
    let frame = next(&mut viewer).await;
    assert_eq!((frame.parts, frame.t.len()), (vec![Part::Targets(up)], 0), "the targets");
    let frame = next(&mut viewer).await;
    assert_eq!((frame.t, frame.series.len()), (vec![1e3], 251), "then the samples");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_has_everything_that_was_published_before() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    hub.publish(|| own(0.1));
    hub.publish(|| own(0.2));
    hub.publish(|| Part::Jobs(Vec::new()));
    let up = environment.is(TargetState::Up);
    let open = Some(environment.open());
    let mut viewer = Viewer::new(hub, Watching::everything(Some("e")), open).await.expect("watched");
    let frame = next(&mut viewer).await;
    let expected = [Part::Targets(up), Part::Jobs(Vec::new()), own(0.2), Part::Changed(Tag::ALL.to_vec())];
    assert_eq!(frame.parts, expected, "the newest of each, and that anything may have changed");
    assert!(quiet(&mut viewer).await, "and nothing of it twice");
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_is_edited_is_watched_anew() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    let mut viewer = viewer(&hub, &environment, Topic::ALL).await;
    environment.tick(1, Tick::default());
    assert_eq!(next(&mut viewer).await.t, [1e3], "as before");
    let down = environment.is(TargetState::Down);
    environment.begin();
    let frame = next(&mut viewer).await;
    assert_eq!(frame.parts[0], Part::Targets(down), "its targets are told at once");
    environment.tick(2, Tick::default());
    assert_eq!(next(&mut viewer).await.t, [2e3], "its samples go on");
    assert_eq!(environment.opened.load(Ordering::SeqCst), 2, "watched twice, not again and again");
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_is_deleted_leaves_the_rest_and_is_watched_when_it_comes_back() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    let mut viewer = viewer(&hub, &environment, Topic::ALL).await;
    environment.end();
    assert!(quiet(&mut viewer).await, "nothing is watched");
    hub.publish(|| Part::Jobs(Vec::new()));
    assert_eq!(next(&mut viewer).await.parts, [Part::Jobs(Vec::new())], "jobs are told as before");
    hub.changed(&[Tag::Runs]);
    next(&mut viewer).await;
    let before = environment.opened.load(Ordering::SeqCst);
    assert!(quiet(&mut viewer).await, "nothing is asked again and again");
    assert_eq!(environment.opened.load(Ordering::SeqCst), before, "nor its targets");
    environment.begin();
    hub.changed(&[Tag::Environments]);
    // Given up while it is watched anew, which is begun again then.
    assert!(timeout(Duration::from_millis(100), viewer.next()).await.is_err(), "it takes 300 ms");
    let mut seen = Vec::new();
    while seen.is_empty() {
        environment.tick(7, Tick::default());
        seen.extend(next(&mut viewer).await.t);
    }
    assert_eq!(seen.last(), Some(&7e3), "its samples go on");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_loses_nothing() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    let mut viewer = viewer(&hub, &environment, Topic::ALL).await;
    for (second, after_ms) in (1..).zip([0, 1, 50, 99, 100, 101]) {
        // The viewer is within the time between two frames when it is left.
        environment.tick(second, Tick::default());
        hub.publish(|| bench(u64::from(second)));
        hub.changed(&[Tag::Runs]);
        let given_up = timeout(Duration::from_millis(after_ms), viewer.next()).await;
        let frame = match given_up {
            Ok(frame) => frame.expect("the engine runs"),
            Err(_) => next(&mut viewer).await,
        };
        assert_eq!(frame.t, [f64::from(second) * 1e3], "left after {after_ms} ms");
        assert_eq!(frame.parts, [bench(u64::from(second)), Part::Changed(vec![Tag::Runs])], "left after {after_ms} ms");
    }
    // While it is watched anew, too.
    environment.begin();
    for _ in 0..3 {
        assert!(timeout(Duration::from_millis(100), viewer.next()).await.is_err(), "it takes 300 ms");
    }
    next(&mut viewer).await;
    environment.tick(9, Tick::default());
    assert_eq!(next(&mut viewer).await.t, [9e3], "and then its samples go on");
}

#[tokio::test(start_paused = true)]
async fn at_most_ten_frames_a_second_and_the_newest_of_each() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    let mut viewer = viewer(&hub, &environment, &[Topic::Bench]).await;
    let publishes = hub.clone();
    let published = tokio::spawn(async move {
        for n in 1..=1_000 {
            publishes.publish(|| bench(n));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let (start, mut frames, mut last) = (Instant::now(), 0, None);
    while last != Some(bench(1_000)) {
        last = next(&mut viewer).await.parts.pop();
        frames += 1;
    }
    published.await.expect("published");
    assert!(frames <= 11, "{frames} frames in {:?}", start.elapsed());
    assert_eq!(hub.dropped(), 0, "what was replaced is not missed");
}

#[tokio::test(start_paused = true)]
async fn own_cost_travels_with_the_samples_where_there_are_some() {
    let ((hub, _stop), environment) = (hub(), Environment::new());
    let mut viewer = viewer(&hub, &environment, &[Topic::Series, Topic::Own]).await;
    hub.publish(|| own(0.5));
    assert!(quiet(&mut viewer).await, "it waits for the second's samples");
    environment.tick(1, Tick::default());
    let frame = next(&mut viewer).await;
    assert_eq!((frame.t, frame.parts), (vec![1e3], vec![own(0.5)]), "one frame for both");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_ends_with_the_engine_wherever_it_waits() {
    for (what, published) in [("for news", false), ("between two frames", true)] {
        let ((hub, stop), environment) = (hub(), Environment::new());
        let mut viewer = viewer(&hub, &environment, Topic::ALL).await;
        if published {
            hub.publish(|| bench(1));
        }
        stop.cancel();
        assert!(timeout(SOON, viewer.next()).await.expect("at once").is_none(), "it waits {what}");
    }
}
