//! A document with everything in it that a report can show, including gaps and text that would like to be markup.
use perfdeck_model::{
    CeilingKind, ErrorCount, Finding, FindingAction, FindingTarget, Footing, Header, Heatmap, HttpBenchSpec, Interval,
    Kind, LatencyMs, Load, Machine, Method, Percentile, PoolSettings, Proof, Run, RunSpec, RunState, RunSummary,
    StageResult, StatusCount, StepResult, TargetRole, ThresholdResult, Unit,
};
use perfdeck_report::{
    ReportComparison, ReportDocument, ReportEnvironment, ReportKnee, ReportSeries, ReportTarget, RunHeat, RunSeries,
    SCHEMA, SideCurve, Tool,
};
use perfdeck_stats::comparison::{ComparisonKind, ErrorDifference, Look};
use perfdeck_stats::figures::BenchMetric;
use perfdeck_stats::knee::{Knee, KneePhase, KneePoint, KneeState, KneeStep, StepFigures};
use perfdeck_stats::resource::{Evidence, Saturation};
use perfdeck_stats::usl::{Bounds, UslFit};
use perfdeck_stats::{Arm, Comparison, MetricComparison, Verdict};

const START: f64 = 1_700_000_000_000.0;

fn latency(n: u64, scale: f64) -> LatencyMs {
    LatencyMs {
        n,
        min: Some(0.4 * scale),
        mean: Some(4.1 * scale),
        p50: Some(3.2 * scale),
        p90: Some(7.9 * scale),
        p95: Some(11.4 * scale),
        p99: Some(31.0 * scale),
        p999: Some(88.0 * scale),
        max: Some(140.0 * scale),
        too_small: if n < 100_000 { vec!["p999".into()] } else { Vec::new() },
    }
}

/// A run of `seconds` seconds.
pub(crate) fn run(id: &str, name: &str, seconds: u32) -> Run {
    let intervals = (0..seconds)
        .map(|i| {
            let x = f64::from(i);
            // The target hangs for three seconds.
            let hung = (20..23).contains(&i);
            let p50 = 3.2 + (x / 5.0).sin();
            Interval {
                t_ms: START + x * 1e3,
                duration_s: 1.0,
                requests: if hung { 0 } else { 1_200 + u64::from(i * 7 % 90) },
                errors: if i % 13 == 0 { 9 } else { 0 },
                p50: (!hung).then_some(p50),
                p90: (!hung).then_some(p50 * 2.4),
                p99: (!hung).then_some(p50 * 9.0 + f64::from(i % 5) * 3.0),
                max: (!hung).then_some(p50 * 30.0),
            }
        })
        .collect();
    Run {
        schema: "perfdeck.run/1".into(),
        id: id.into(),
        name: name.into(),
        environment_id: Some("e1".into()),
        environment_name: Some("clinic".into()),
        part_of: None,
        engine: "perfdeck-bench 0.1.0".into(),
        spec: RunSpec::Http(HttpBenchSpec {
            url: "http://127.0.0.1:8080/api/appointments?day=2026-03-01&api_key=canary-in-url".into(),
            method: Method::Get,
            headers: vec![
                Header { name: "Accept".into(), value: "application/json".into() },
                Header { name: "Authorization".into(), value: "Bearer canary-in-header".into() },
            ],
            body: Some("password=canary-in-body".into()),
            body_base64: None,
            load: Load::Rate { rate_per_s: 1_250.0 },
            connections: 32,
            threads: Some(2),
            duration_s: f64::from(seconds),
            warmup_s: 1.0,
            timeout_s: 10.0,
            insecure_tls: false,
            thresholds: Vec::new(),
            client_certificate: None,
        }),
        resolved: vec!["127.0.0.1".into()],
        state: RunState::Completed,
        started_ms: START,
        finished_ms: START + f64::from(seconds) * 1e3,
        duration_s: f64::from(seconds),
        requests: 72_345,
        errors: 45,
        rate_per_s: 1_205.0,
        target_rate_per_s: Some(1_250.0),
        bytes_received: 123_456_789,
        response_ms: Some(latency(72_300, 1.0)),
        service_ms: latency(72_300, 0.8),
        judged_ms: None,
        schedule_lag_ms: Some(latency(72_300, 0.02)),
        client_cpu_s: Some(11.25),
        facts: std::collections::BTreeMap::new(),
        masked_tag: String::new(),
        steps: Vec::new(),
        stages: Vec::new(),
        iterations: None,
        thresholds: Vec::new(),
        footing: perfdeck_model::Footing::default(),
        valid: true,
        invalid_reasons: Vec::new(),
        notes: vec!["The load generator runs on the same machine as the target".into()],
        errors_by_class: vec![ErrorCount { class: "timeout".into(), count: 45, sample: "no answer in 10 s".into() }],
        statuses: vec![StatusCount { status: 200, count: 72_300 }],
        intervals,
        curve: [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999]
            .into_iter()
            .map(|q| Percentile { q, ms: 0.4 + 3.0 * (1.0_f64 / (1.0 - q)).powf(0.52) })
            .collect(),
        response_histogram: "HISTFAAAAA==".into(),
        service_histogram: "HISTFAAAAA==".into(),
        lag_histogram: "HISTFAAAAA==".into(),
        timeout_histogram: String::new(),
        machine: Machine {
            os: "Linux 6.1".into(),
            cpu: "Example CPU".into(),
            cores: 8,
            memory_bytes: 16.0 * 1024.0 * 1024.0 * 1024.0,
            perfdeck: "0.1.0".into(),
        },
    }
}

/// The environment's series during [`run`]; `down` is a span of seconds without samples.
pub(crate) fn series(run_id: &str, seconds: u32, down: std::ops::Range<u32>) -> RunSeries {
    let make = |id: &str, unit, target, f: &dyn Fn(f64) -> f64| ReportSeries {
        id: id.into(),
        unit,
        target,
        values: (0..seconds).map(|i| (!down.contains(&i)).then(|| f(f64::from(i)))).collect(),
    };
    use TargetRole::{Api, Cache, Database, Host};
    RunSeries {
        run_id: run_id.into(),
        t_ms: (0..seconds).map(|i| START + f64::from(i) * 1e3).collect(),
        series: vec![
            make("system.cpu.utilization{cpu.mode=user}", Unit::Ratio, Host, &|x| 0.4 + 0.2 * (x / 9.0).sin()),
            make("system.cpu.utilization{cpu.mode=system}", Unit::Ratio, Host, &|x| 0.1 + 0.05 * (x / 4.0).cos()),
            make("system.memory.usage", Unit::Bytes, Host, &|x| 6.2e9 + x * 1e6),
            make("database.connections{state=active}", Unit::Count, Database, &|x| {
                (6.0 + 4.0 * (x / 6.0).sin()).round()
            }),
            make("database.connections{state=idle}", Unit::Count, Database, &|_| 10.0),
            make("database.transactions", Unit::PerSecond, Database, &|x| 2_400.0 + 100.0 * (x / 3.0).sin()),
            make("cache.operations", Unit::PerSecond, Cache, &|x| 12_400.0 + x * 9.0),
            make("cache.hit_ratio", Unit::Ratio, Cache, &|x| 0.91 + 0.03 * (x / 20.0).sin()),
            make("cache.evictions", Unit::PerSecond, Cache, &|x| {
                if (x as u32).is_multiple_of(17) { 40.0 } else { 0.0 }
            }),
            make("api.probe.total", Unit::Seconds, Api, &|x| 0.004 + 0.001 * (x / 7.0).sin()),
        ],
    }
}

/// One run on a staging environment.
/// Gives a run the parts of a plan's: two steps, two stages, thresholds and a footing.
pub(crate) fn with_parts(run: &mut Run) {
    let step = |name: &str, n: u64| StepResult {
        name: name.into(),
        kind: "http".into(),
        request: format!("GET /{name}"),
        requests: n,
        errors: 0,
        rate_per_s: 600.0,
        response_ms: Some(latency(n, 1.0)),
        service_ms: latency(n, 0.8),
        judged_ms: None,
        misses: None,
        errors_by_class: Vec::new(),
        response_histogram: String::new(),
        service_histogram: String::new(),
        timeout_histogram: String::new(),
    };
    let stage = |kind: &str, start_s: f64, from: f64, to: f64, invalid_reason: Option<&str>| StageResult {
        kind: kind.into(),
        start_s,
        duration_s: 30.0,
        from,
        to,
        requests: 30_000,
        errors: 0,
        rate_per_s: 1_000.0,
        response_ms: latency(30_000, 1.0),
        rate_share: Some(if invalid_reason.is_some() { 0.91 } else { 1.0 }),
        lag_p99_ms: Some(0.2),
        invalid_reason: invalid_reason.map(Into::into),
    };
    let threshold = |text: &str, ok: bool| ThresholdResult {
        text: text.into(),
        step: None,
        metric: "p99".into(),
        unit: "ms".into(),
        limit: 50.0,
        actual: Some(if ok { 31.0 } else { 77.7 }),
        at_least: false,
        ok,
        unjudged: false,
        note: None,
    };
    run.steps = vec![step("search", 40_000), step("book", 20_000)];
    run.stages = vec![
        stage("hold", 0.0, 500.0, 500.0, None),
        stage("ramp", 30.0, 500.0, 1_500.0, Some("91.0 % of its rate was sent in time")),
    ];
    run.thresholds = vec![threshold("p99 < 50ms", true), threshold("book: p99 < 50ms", false)];
    run.footing = Footing {
        rate_share: Some(0.955),
        lag_p99_ms: Some(0.2),
        lag_limit_ms: Some(1.0),
        generator_cpu_share: Some(0.41),
        ceiling_per_s: Some(12_000.0),
        ceiling_kind: Some(CeilingKind::Measured),
        ceiling_share: Some(0.1),
        co_located: Some(true),
        autocorrelation: Some(0.12),
        steady: Some(true),
        ..Footing::default()
    };
}

/// The response times of [`run`], second by second.
pub(crate) fn heat(run_id: &str, seconds: u32) -> RunHeat {
    let column = |i: u32| -> Vec<(u16, u32)> {
        if (20..23).contains(&i) {
            return Vec::new();
        }
        let middle = 46 + u16::try_from(i % 5).unwrap_or(0) / 2;
        (0..14_u16)
            .map(|b| (middle + b - 3, [3, 90, 500, 380, 150, 60, 30, 12, 9, 6, 4, 2, 1, 1][usize::from(b)]))
            .collect()
    };
    let columns = (0..seconds).map(column).collect();
    RunHeat { run_id: run_id.into(), heatmap: Heatmap { started_ms: START, column_s: 1.0, columns } }
}

/// A duet of ten pairs in which B is faster.
pub(crate) fn comparison(id: &str) -> ReportComparison {
    let metric = |metric: BenchMetric, primary: bool, effect: f64, half: f64, verdict: Verdict| {
        let base = if metric == BenchMetric::Throughput { 1_205.0 } else { 31.0 };
        let enough = metric != BenchMetric::P999;
        MetricComparison {
            metric,
            name: metric.name().into(),
            unit: metric.unit().into(),
            primary,
            effect: Some(effect),
            low: enough.then_some(effect - half),
            high: enough.then_some(effect + half),
            p: Some(0.002),
            p_holm: primary.then_some(0.004),
            pairs: 10,
            verdict,
            a_median: Some(base),
            b_median: Some(base * (1.0 + effect)),
            delta: metric.default_delta(),
            band_low: 1.0 / (1.0 + metric.default_delta()) - 1.0,
            ratios: Vec::new(),
            note: (!enough).then(|| "n too small".into()),
        }
    };
    let name = |side: &str, i: u32| format!("{id}-{side}{i}");
    let runs_a: Vec<String> = (0..10).map(|i| name("a", i)).collect();
    let runs_b: Vec<String> = (0..10).map(|i| name("b", i)).collect();
    let summary = |i: u32, id: &String, scale: f64| {
        let mut one = run(id, &format!("{} of pair {}", if scale < 1.0 { "after" } else { "before" }, i + 1), 15);
        one.started_ms = START + f64::from(i) * 40_000.0 + if scale < 1.0 { 20_000.0 } else { 0.0 };
        let scale = scale * (1.0 + 0.02 * f64::from(i % 4));
        one.response_ms = Some(latency(72_300, scale));
        RunSummary::from(&one)
    };
    let mut runs: Vec<RunSummary> = runs_a.iter().zip(0..).map(|(id, i)| summary(i, id, 1.0)).collect();
    runs.extend(runs_b.iter().zip(0..).map(|(id, i)| summary(i, id, 0.69)));
    let curve = |id: &String, scale: f64| SideCurve {
        run_id: id.clone(),
        n: 72_300,
        points: run(id, "", 1).curve.iter().map(|p| Percentile { q: p.q, ms: p.ms * scale }).collect(),
    };
    ReportComparison {
        id: id.into(),
        name: "after against before".into(),
        created_ms: START + 420_000.0,
        label_a: "http://127.0.0.1:8080/api/appointments?api_key=canary-in-label".into(),
        label_b: "after the index".into(),
        curve_a: Some(curve(&runs_a[4], 1.0)),
        curve_b: Some(curve(&runs_b[4], 0.69)),
        runs,
        comparison: Comparison {
            schema: "perfdeck.comparison/1".into(),
            kind: ComparisonKind::Duet,
            verdict: Verdict::Faster,
            sentence: "Faster: p99 −31 % (95 % interval −36 % to −25 %), 10 interleaved pairs, errors equal.".into(),
            level: 0.95,
            registration_hash: "6f1d2c".into(),
            metrics: vec![
                metric(BenchMetric::P99, true, -0.31, 0.05, Verdict::Faster),
                metric(BenchMetric::P50, true, -0.29, 0.04, Verdict::Faster),
                metric(BenchMetric::Throughput, false, 0.012, 0.02, Verdict::Equivalent),
                metric(BenchMetric::P95, false, -0.22, 0.2, Verdict::Inconclusive),
                metric(BenchMetric::P999, false, -0.4, 0.9, Verdict::Inconclusive),
            ],
            shift: Vec::new(),
            looks: vec![Look { pairs: 10, alpha: 0.05, verdict: Some(Verdict::Faster) }],
            more_pairs: None,
            differences: Vec::new(),
            invalid_reasons: Vec::new(),
            exclusions: vec!["pair 4 ran again: the generator was saturated".into()],
            errors_a: 0.0006,
            errors_b: 0.0006,
            errors: ErrorDifference { mean: 0.0, low: Some(-0.0002), high: Some(0.0002), suppresses: false },
            order: vec![Arm::A; 10],
            runs_a,
            runs_b,
            drift: Vec::new(),
            notes: vec!["the change: setting.database.work_mem 4MB, then 16MB".into()],
        },
    }
}

/// A search that found the knee at 24 connections.
pub(crate) fn knee(id: &str) -> ReportKnee {
    let law =
        UslFit { gamma: 120.0, alpha: 0.03, beta: 0.0004, scatter: 0.02, peak_n: Some(49.0), capacity: Some(1_560.0) };
    let point = |concurrency: u32, phase: KneePhase, ms: f64| KneePoint {
        step: KneeStep { concurrency, phase, duration_s: 15.0 },
        figures: StepFigures {
            rate_per_s: law.at(f64::from(concurrency)) * 0.99,
            n: 12_000,
            latency_ms: Some(ms),
            at_least: false,
            enough: true,
            within: Some(ms < 50.0),
            error_share: 0.0,
            invalid_reasons: Vec::new(),
            utilisation: [("host CPU".to_owned(), 0.5 + f64::from(concurrency) / 80.0)].into(),
        },
        holds: ms < 50.0,
        unjudged: false,
    };
    use KneePhase::{Bisecting, Confirming, Doubling};
    let steps = [(1, 4.0), (2, 4.4), (4, 5.9), (8, 9.2), (16, 21.0), (32, 88.0)].map(|(n, ms)| point(n, Doubling, ms));
    let rest = [point(24, Bisecting, 44.0), point(28, Bisecting, 61.0), point(24, Confirming, 46.0)];
    let points: Vec<KneePoint> = steps.into_iter().chain(rest).collect();
    ReportKnee {
        id: id.into(),
        name: "GET http://127.0.0.1:8080/api/appointments?api_key=canary-in-knee".into(),
        created_ms: START + 900_000.0,
        slo: "p99<50ms".into(),
        knee: Knee {
            schema: "perfdeck.knee/1".into(),
            state: KneeState::Found,
            concurrency: Some(24),
            failing: Some(28),
            rate_per_s: Some(1_460.0),
            capacity: Some(Bounds { low: 1_410.0, high: Some(1_520.0) }),
            capacity_measured: false,
            usl: Some(law),
            usl_interval: None,
            saturation: Some(Saturation {
                resource: "host CPU".into(),
                utilisation: 0.85,
                concurrency: 28,
                evidence: Evidence::Busiest,
                text: "host CPU is the limit: 85 % busy at 28 connections".into(),
            }),
            points,
            sentence:
                "24 connections hold p99 within 50 ms, 28 do not: 1 460 requests/s (95 % interval 1 410 to 1 520)."
                    .into(),
            notes: vec!["the peak of the scalability law, at 49, lies beyond what was measured (32)".into()],
        },
    }
}

pub(crate) fn document() -> ReportDocument {
    ReportDocument {
        schema: SCHEMA.into(),
        title: "Performance report: clinic".into(),
        tool: Tool { name: "Perfdeck".into(), version: "0.1.0".into() },
        environment: ReportEnvironment {
            id: "e1".into(),
            name: "clinic".into(),
            kind: Kind::Staging,
            targets: vec![
                ReportTarget { role: TargetRole::Api, address: "http://127.0.0.1:8080".into(), version: None },
                ReportTarget {
                    role: TargetRole::Database,
                    address: "app@db.example:5432/clinic".into(),
                    version: Some("PostgreSQL 15.14".into()),
                },
                ReportTarget {
                    role: TargetRole::Cache,
                    address: "cache.example:6379/0".into(),
                    version: Some("Valkey 8.1".into()),
                },
            ],
            pool: PoolSettings { size: 20, max_overflow: 10, timeout_s: 30.0, recycle_s: 3600.0 },
        },
        comparisons: Vec::new(),
        knees: Vec::new(),
        runs: vec![run("r1", "GET /api/appointments at 1250/s", 60)],
        series: vec![series("r1", 60, 34..46)],
        heatmaps: vec![heat("r1", 60)],
        findings_ms: Some(START + 61_000.0),
        findings: vec![Finding {
            id: "seq:appointments".into(),
            kind: "sequential_scan".into(),
            target: TargetRole::Database,
            title: "Sequential scans of `appointments`".into(),
            evidence: "38 % of database time, n = 12 400 statements; no index on `starts_at`".into(),
            cost: 0.38,
            action: FindingAction { label: "Review index".into(), opens: FindingTarget::Database },
            proof: Proof::default(),
        }],
        notes: Vec::new(),
        redactions: vec!["Passwords are never part of a report".into()],
    }
}

/// A plan's work with this text.
#[allow(dead_code, reason = "the example has none")]
pub(crate) fn plan(toml: &str) -> perfdeck_model::PlanSpec {
    serde_json::from_value(serde_json::json!({
        "request": "2 steps", "toml": toml, "load": {"kind": "closed"}, "varies": false, "connections": 8,
        "duration_s": 30.0, "warmup_s": 1.0, "timeout_s": 10.0,
    }))
    .expect("a plan")
}
