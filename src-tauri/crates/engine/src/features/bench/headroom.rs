//! Ends a run when the target's database runs out of connections: load must not lock others out.
use std::time::Duration;

use perfdeck_bench::AbortSwitch;
use perfdeck_database::OccupancyWatch;
use perfdeck_model::{ApiError, Environment, ErrorCode, TargetRole};
use tokio_util::task::AbortOnDropHandle;

use crate::Engine;

const PERIOD: Duration = Duration::from_secs(1);
/// A database that cannot be asked for this many times in a row is one whose head-room is not known any more.
const SILENT: u32 = 3;

/// Watches until it is dropped.
pub(crate) struct HeadRoom(#[allow(dead_code, reason = "dropping it ends the watch")] AbortOnDropHandle<()>);

async fn watch(mut watch: OccupancyWatch, keep: f64, abort: AbortSwitch) {
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut silent = 0;
    loop {
        tick.tick().await;
        match watch.read().await {
            Ok(now) if now.free() < keep => {
                return abort.pull(format!(
                    "{:.0} of {:.0} connections of the database are free; the guard keeps {} % for others",
                    (now.limit - now.connections).max(0.0),
                    now.limit,
                    keep * 100.0
                ));
            }
            Ok(_) => silent = 0,
            Err(error) => {
                silent += 1;
                if silent >= SILENT {
                    return abort.pull(format!("the database's free connections are not known: {}", error.message));
                }
            }
        }
    }
}

impl Engine {
    /// Watches the connections of an environment's database, where its guard asks for it. What cannot be watched is
    /// refused when it `must`, and goes unwatched otherwise.
    pub(crate) async fn head_room(
        &self,
        environment: &Environment,
        must: bool,
        abort: &AbortSwitch,
    ) -> Result<Option<HeadRoom>, ApiError> {
        let Some(keep) = environment.guards.min_free_connections else { return Ok(None) };
        let Some(target) = &environment.targets.database else { return Ok(None) };
        let open = async {
            let password = self.secret(environment, TargetRole::Database).await?;
            OccupancyWatch::open(&target.address, password.as_ref()).await
        };
        match open.await {
            Ok(None) => Ok(None),
            Ok(Some(open)) => {
                Ok(Some(HeadRoom(AbortOnDropHandle::new(tokio::spawn(watch(open, keep, abort.clone()))))))
            }
            Err(error) if must => Err(ApiError::new(
                ErrorCode::Guarded,
                format!("The free connections of '{}' cannot be watched: {}", environment.name, error.message),
            )
            .hint("Its guard ends a benchmark before it takes the last ones; make the database reachable first")),
            Err(error) => {
                tracing::warn!(%error, "the database's connections are not watched during the run");
                Ok(None)
            }
        }
    }
}
