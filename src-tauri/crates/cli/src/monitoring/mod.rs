//! `perfctl monitor`: one line per sample.
pub(crate) mod args;

use perfdeck_engine as api;
use perfdeck_engine::{ByEnvironment, Engine};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{ApiError, OwnCost, Part, SeriesInfo, TargetState, TargetStatus, Topic, Unit, Watching};

use crate::answers::Sample;
use crate::args::Source;
use crate::monitoring::args::MonitorArgs;
use crate::output::{self, Done, plain, value};
use crate::{FINE, INCOMPLETE, environments, stop_requested};

pub(crate) async fn monitor(engine: &Arc<Engine>, args: &MonitorArgs, source: &Source, json: bool) -> Done {
    if args.interval < Duration::from_secs(1) {
        return Err(ApiError::bad_request("Samples are taken once a second").hint("Use --interval 1s or more").into());
    }
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    let watching = Watching::only(Some(&environment.id), &[Topic::Series, Topic::Own]);
    let mut viewer = engine.watch(watching).await?;
    let asked = || ByEnvironment { environment_id: environment.id.clone() };
    let mut end = std::pin::pin!(async {
        match args.time {
            Some(time) => tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = stop_requested() => {}
            },
            None => stop_requested().await,
        }
    });
    // Sample times are whole seconds; half a second of tolerance keeps `--interval 2s` from becoming 3 s.
    let spacing = args.interval.as_secs_f64() * 1e3 - 500.0;
    let mut last = f64::NEG_INFINITY;
    let mut targets: Vec<TargetStatus> = Vec::new();
    let mut own = OwnCost::default();
    let mut samples = 0_u64;
    let mut units: HashMap<String, Unit> = HashMap::new();
    loop {
        let frame = tokio::select! {
            () = &mut end => break,
            frame = viewer.next() => match frame {
                Some(frame) => frame,
                None => break,
            },
        };
        for part in &frame.parts {
            if let Part::Own(now) = part {
                own = *now;
            }
        }
        if !frame.t.is_empty() {
            // Asked for, because the stream tells of targets only when something that a screen shows has changed.
            targets = api::monitoring::targets(engine.clone(), asked()).await?;
        }
        for (i, &t_ms) in frame.t.iter().enumerate() {
            // A clock that was set back begins anew: waiting for the old time could take hours.
            if (0.0..spacing).contains(&(t_ms - last)) {
                continue;
            }
            last = t_ms;
            samples += 1;
            let series: BTreeMap<&str, Option<f64>> =
                frame.series.iter().map(|(id, v)| (id.as_str(), v.get(i).copied().flatten())).collect();
            if json {
                let environment = &environment.name;
                output::json_line(&Sample {
                    schema: "perfdeck.sample/1",
                    t_ms,
                    environment,
                    series,
                    targets: &targets,
                    own,
                })?;
            } else {
                if series.keys().any(|id| !units.contains_key(*id)) {
                    let known: Vec<SeriesInfo> = api::monitoring::series(engine.clone(), asked()).await?;
                    units.extend(known.into_iter().map(|s| (s.id, s.unit)));
                }
                print(samples, t_ms, &series, &units, &targets)?;
            }
        }
    }
    // Those that never answered have had no sample to be told with.
    if let Ok(now) = api::monitoring::targets(engine.clone(), asked()).await {
        targets = now;
    }
    let down: Vec<&TargetStatus> = targets.iter().filter(|t| t.state == TargetState::Down).collect();
    for target in &down {
        if let Some(error) = &target.error {
            output::error(error);
        }
    }
    if samples == 0 {
        output::note("No sample was taken; measure for 2s or longer");
    }
    Ok(if down.is_empty() && samples > 0 { FINE } else { INCOMPLETE })
}

fn print(
    n: u64,
    t_ms: f64,
    series: &BTreeMap<&str, Option<f64>>,
    units: &HashMap<String, Unit>,
    targets: &[TargetStatus],
) -> Done<()> {
    let time = time::OffsetDateTime::from_unix_timestamp((t_ms / 1e3) as i64)
        .map_or_else(|_| String::new(), |t| format!("{:02}:{:02}:{:02} UTC", t.hour(), t.minute(), t.second()));
    if n > 1 {
        output::line("")?;
    }
    let states: Vec<String> = targets
        .iter()
        .map(|t| {
            let state = match t.state {
                TargetState::Unknown => "not tried yet",
                TargetState::Up => "up",
                TargetState::Down => "down",
                TargetState::Idle => "idle",
            };
            format!("{} {state}", t.role.as_str())
        })
        .collect();
    output::line(&plain(&format!("{time}  {}", states.join(" · "))))?;
    let rows: Vec<Vec<String>> = series
        .iter()
        .map(|(id, v)| {
            let unit = units.get(*id).copied().unwrap_or(Unit::Count);
            vec![format!("  {id}"), v.map_or_else(|| "-".to_owned(), |v| value(v, unit))]
        })
        .collect();
    output::table(&["", ""], &rows)
}
