//! How many connections a sweep and the pools may have.
use perfdeck_database::{Occupancy, OccupancyWatch};
use perfdeck_model::{ApiError, Environment};
use perfdeck_stats::pool_size::SIZES;

use super::answer::{ConnectionRoom, SizeLeftOut};
use crate::Engine;

/// Connections that Perfdeck may open beside those that it has: one that looks at what the load waits for, and one for a tab of
/// the window.
const SPARE: u32 = 2;

/// Connections of the database, and whether they are those of a pooler's clients.
#[derive(Default)]
pub(super) struct Room {
    /// `None` where the database has no limit.
    pub(super) connections: Option<ConnectionRoom>,
    pub(super) shared: bool,
}

/// The sizes that are tried.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) tried: Vec<u32>,
    pub(super) left_out: Vec<SizeLeftOut>,
    /// Some that were asked for do not fit.
    pub(super) cut: bool,
}

fn room(now: &Occupancy, keep_free: Option<f64>) -> ConnectionRoom {
    let whole = |n: f64| n.max(0.0).round() as u32;
    let (max, reserved) = (whole(now.limit + now.reserved), whole(now.reserved));
    let kept = (now.limit * keep_free.unwrap_or(0.0)).ceil() as u32;
    let (others, own) = (whole(now.others), whole(now.connections - now.others));
    let free = whole(now.limit).saturating_sub(others).saturating_sub(kept);
    ConnectionRoom { max, reserved, others, own, kept, free }
}

/// The sizes up to `most` that fit beside everything else.
pub(super) fn sizes(most: u32, room: Option<&ConnectionRoom>) -> Sizes {
    let fit = room.map(|room| room.free.saturating_sub(room.own + SPARE));
    let why = |n: u32| {
        if n > most {
            return Some(format!("more than the {most} that were asked for"));
        }
        let (fit, room) = (fit.filter(|fit| n > *fit)?, room?);
        Some(format!(
            "{fit} connections are free: of {} are {} reserved, {} used by others, {} Perfdeck's own, {} kept free by the guard",
            room.max,
            room.reserved,
            room.others,
            room.own + SPARE,
            room.kept
        ))
    };
    let mut sizes = Sizes { tried: Vec::new(), left_out: Vec::new(), cut: false };
    for n in SIZES {
        match why(n) {
            None => sizes.tried.push(n),
            Some(why) => {
                sizes.cut |= n <= most;
                sizes.left_out.push(SizeLeftOut { connections: n, why });
            }
        }
    }
    sizes
}

impl Engine {
    /// Reads how many connections an environment's database has, uses and keeps.
    ///
    /// # Errors
    /// When it cannot be asked within its deadlines.
    pub(super) async fn connection_room(&self, environment: &Environment) -> Result<Room, ApiError> {
        let (address, password) = self.door(environment).await?;
        let Some(mut watch) = OccupancyWatch::open(&address, password.as_ref()).await? else {
            return Ok(Room::default());
        };
        let (read, shared) = (watch.read().await, watch.is_shared());
        watch.close().await;
        let connections = room(&read?, environment.guards.min_free_connections);
        Ok(Room { connections: Some(connections), shared })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_used_and_kept_is_left_alone() {
        let now = Occupancy { bytes: 0.0, connections: 33.0, others: 31.0, limit: 97.0, reserved: 3.0 };
        let room = room(&now, Some(0.2));
        assert_eq!(room, ConnectionRoom { max: 100, reserved: 3, others: 31, own: 2, kept: 20, free: 46 });
        let sizes = sizes(48, Some(&room));
        assert_eq!(sizes.tried, [1, 2, 3, 4, 6, 8, 12, 16, 24, 32], "46 less Perfdeck's own 4 are 42");
        let left: Vec<u32> = sizes.left_out.iter().map(|left| left.connections).collect();
        assert_eq!((left, sizes.cut), (vec![48, 64], true));
        assert!(
            sizes.left_out[0].why.starts_with("42 connections are free: of 100 are 3 reserved, 31 used"),
            "{sizes:?}"
        );
        assert_eq!(sizes.left_out[1].why, "more than the 48 that were asked for");
        let all = super::sizes(64, None);
        assert_eq!((all.tried.len(), all.left_out.len(), all.cut), (12, 0, false), "a file has no limit");
    }
}
