//! What a run says of a quota, with the system's files of a folder: it must not depend on what this machine lets a test set.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use perfdeck_model::{BenchPhase, HttpBenchSpec, Machine, Run, SystemClock};
use perfdeck_testkit::{Answer, ScriptedHttp};
use tokio_util::sync::CancellationToken;

use super::Quotas;
use crate::abort::AbortSwitch;
use crate::run::{drive_under, setup_of};
use crate::setup::RunContext;

/// What a version of cgroups shows of a process in the group `limited`.
struct Version {
    cgroup: &'static str,
    mountinfo: &'static str,
    stat: &'static str,
    /// Periods with a quota, those that were held back, and for how many milliseconds, as `cpu.stat` says it.
    told: fn(u64, u64) -> String,
}

const ONE: Version = Version {
    cgroup: "4:cpu,cpuacct:/limited\n3:cpuset:/\n0::/\n",
    mountinfo: "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
    stat: "sys/fs/cgroup/cpu,cpuacct/limited/cpu.stat",
    told: |periods, ms| format!("nr_periods 400\nnr_throttled {periods}\nthrottled_time {}\n", ms * 1_000_000),
};

const TWO: Version = Version {
    cgroup: "0::/limited\n",
    mountinfo: "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    stat: "sys/fs/cgroup/limited/cpu.stat",
    told: |periods, ms| {
        format!("usage_usec 9\nnr_periods 400\nnr_throttled {periods}\nthrottled_usec {}\n", ms * 1_000)
    },
};

fn write(root: &Path, path: &str, text: &str) -> PathBuf {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    std::fs::write(&file, text).expect("written");
    file
}

/// A run during which the files change: before it 7 periods and 100 ms, in its warm-up 9 and 300 ms, then what is `added`.
async fn throttled(version: &Version, (periods, ms): (u64, u64)) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "proc/self/cgroup", version.cgroup);
    write(folder.path(), "proc/self/mountinfo", version.mountinfo);
    let stat = write(folder.path(), version.stat, &(version.told)(7, 100));
    let server = ScriptedHttp::start_now(|_| Answer::ok("ok")).expect("a server");
    let spec: HttpBenchSpec = serde_json::from_value(serde_json::json!({
        "url": server.url(), "load": { "kind": "closed" }, "connections": 2, "duration_s": 0.6, "warmup_s": 0.3
    }))
    .expect("a spec");
    let context = RunContext {
        run_id: "r".into(),
        name: "n".into(),
        environment_id: None,
        environment_name: None,
        machine: Machine::default(),
        clock: Arc::new(SystemClock),
        max_error_share: None,
        abort: AbortSwitch::default(),
        addresses: None,
    };
    let told = version.told;
    // A frame is shown after the quota was looked at for its phase.
    let progress = move |live: perfdeck_model::BenchLive| {
        let text = match live.phase {
            BenchPhase::WarmUp => told(9, 300),
            BenchPhase::Measuring => told(9 + periods, 300 + ms),
            BenchPhase::Connecting | BenchPhase::Draining | BenchPhase::Finished => return,
        };
        std::fs::write(&stat, text).expect("written");
    };
    let setup = setup_of(spec).await.expect("a plan");
    let quotas = Quotas::below(folder.path());
    drive_under(&quotas, setup, context, progress, CancellationToken::new()).await.expect("a run").run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_names_the_quota_that_held_its_generator_back() {
    for (name, version) in [("version 1", ONE), ("version 2", TWO)] {
        let run = throttled(&version, (4, 250)).await;
        let c = &run.footing;
        assert_eq!(c.throttled_periods, Some(4), "{name}: those of the measured time alone");
        assert!(c.throttled_s.is_some_and(|s| (s - 0.25).abs() < 1e-9), "{name}: {:?}", c.throttled_s);
        let words = "client-limited: times of up to a period (usually 100 ms) are the quota's and not the target's: the CPU \
                     quota of the load generator's cgroup held it back 4 times, 0.25 s in 0.6 s";
        assert!(run.notes.iter().any(|note| note == words), "{name}: {:?}", run.notes);
        assert!(run.valid, "{name}: a note and no reason against it: {:?}", run.invalid_reasons);

        let free = throttled(&version, (0, 0)).await;
        let c = &free.footing;
        assert_eq!(
            (c.throttled_periods, c.throttled_s),
            (Some(0), Some(0.0)),
            "{name}: what came before is not the run's"
        );
        assert!(!free.notes.iter().any(|note| note.contains("quota")), "{name}: {:?}", free.notes);
    }
    let unknown = Version { cgroup: "", mountinfo: "", ..TWO };
    let c = throttled(&unknown, (4, 250)).await.footing;
    assert_eq!((c.throttled_periods, c.throttled_s), (None, None), "where the system does not tell, nothing is said");
}
