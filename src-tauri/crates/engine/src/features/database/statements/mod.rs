//! Statements by what they cost, over seven days.
//!
//! While an environment is watched, the counters of its database are read every ten seconds ([`follow`]) and what happened in
//! between is added to a window of five minutes ([`window`]), which goes to the store ([`kept`], [`pack`]). Answers are made
//! from windows ([`built`]). Counters are never reset; what could not be seen is a gap. Beside that the plans of the heaviest
//! statements are read, slowly ([`plans`]).
pub mod answer;
mod built;
mod follow;
mod kept;
mod pack;
mod plans;
mod watching;
mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perfdeck_model::ApiError;

use self::answer::{StatementDetail, Statements, StatementsState};
use self::built::{HOUR_MS, Means, WEEK_MS};
use self::follow::Live;
use self::kept::{KeptText, Texts};
use self::window::{Piece, WINDOW_MS, Window};
use super::place::{Place, place_of};
use crate::Engine;
use crate::core::statement_source::StatementSource;

pub(crate) use self::follow::keep;

/// Longest time that may be asked for, in milliseconds.
const LONGEST_MS: f64 = WEEK_MS + HOUR_MS;
/// Longest single look.
const LONGEST_LOOK: Duration = Duration::from_secs(600);

/// What is known of the databases that are watched, and what was worked out of the store.
#[derive(Default)]
pub(crate) struct State {
    /// By environment.
    live: Mutex<HashMap<String, Arc<Mutex<Live>>>>,
    /// Mean times of the hours of a week: they change with each window, and reading all of them takes a moment.
    hourly: Mutex<HashMap<String, Hourly>>,
    followers: tokio::sync::Mutex<follow::Followers>,
}

struct Hourly {
    place: Place,
    /// The last window that is in it.
    number: i64,
    from_ms: f64,
    means: Arc<Means>,
}

impl State {
    fn live(&self, environment_id: &str) -> Option<Arc<Mutex<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).get(environment_id).cloned()
    }

    /// Ends the readings; what was seen so far is kept.
    pub(crate) async fn stop(&self) {
        self.followers.lock().await.stop_all().await;
    }
}

/// A range that may be asked for.
fn checked(from_ms: f64, to_ms: f64) -> Result<(), ApiError> {
    if from_ms.is_finite() && to_ms.is_finite() && to_ms > from_ms && to_ms - from_ms <= LONGEST_MS {
        return Ok(());
    }
    Err(ApiError::bad_request("The range ends after it starts and spans at most seven days"))
}

impl Engine {
    /// Statements of an environment's database from `from_ms` to `to_ms`: what was seen, from the store and of the window that is
    /// not over yet. Nothing is asked of the database.
    ///
    /// # Errors
    /// When the environment is not there or has no database, and when the store cannot be read.
    pub(crate) async fn statements(
        &self,
        environment_id: &str,
        from_ms: f64,
        to_ms: f64,
    ) -> Result<Statements, ApiError> {
        checked(from_ms, to_ms)?;
        let environment = self.environment(environment_id).await?;
        let place = place_of(&environment)?;
        let live = self.database.statements.live(&environment.id);
        let pieces = self.pieces(&place, &built::needed(from_ms, to_ms), live.as_ref()).await?;
        let (means_from_ms, means) = self.hourly(&place, live.as_ref()).await?;
        let mut answer = built::built(&pieces, from_ms, to_ms, &means);
        answer.means_from_ms = means_from_ms;
        let keys: Vec<Arc<str>> = answer.rows.iter().map(|row| built::of_name(&row.key).0).collect();
        built::with_texts(&mut answer, &self.texts(&place, &keys, live.as_ref()).await?);
        let changed = self.core.store.plan_changes(&place, from_ms, to_ms).await?;
        for row in &mut answer.rows {
            row.plan_changed_ms = changed.get(&*built::of_name(&row.key).0).copied();
        }
        let kept = self.core.store.statements_seen(&place).await?.map(|(from, _)| from);
        answer.since_ms = pieces.iter().map(|piece| piece.from_ms).chain(kept).min_by(f64::total_cmp);
        let elsewhere = live.is_none() && watching::by_somebody(&self.core.data_dir, &environment.id);
        answer.state = Some(if elsewhere { StatementsState::WatchedElsewhere } else { StatementsState::NotWatched });
        if let Some(live) = live {
            let live = live.lock().unwrap_or_else(PoisonError::into_inner);
            live.tell(&mut answer);
        }
        Ok(answer)
    }

    /// The whole texts of the statements of an answer, at most 64 KiB each, by what names them; those that are not kept are not there.
    ///
    /// # Errors
    /// When the environment is not there or has no database, and when the store cannot be read.
    pub(crate) async fn whole_texts(
        &self,
        environment_id: &str,
        answer: &Statements,
    ) -> Result<HashMap<String, String>, ApiError> {
        let environment = self.environment(environment_id).await?;
        let place = place_of(&environment)?;
        let live = self.database.statements.live(&environment.id);
        let keys: Vec<Arc<str>> = answer.rows.iter().map(|row| built::of_name(&row.key).0).collect();
        let texts = self.texts(&place, &keys, live.as_ref()).await?;
        let of = |(row, key): (&answer::StatementRow, &Arc<str>)| {
            Some((row.key.clone(), texts.get(key)?.text.as_ref()?.text.clone()))
        };
        Ok(answer.rows.iter().zip(&keys).filter_map(of).collect())
    }

    /// One statement whole, with its windows.
    ///
    /// # Errors
    /// As [`Engine::statements`]; [`ErrorCode::NotFound`] for a statement of which nothing is known.
    pub(crate) async fn statement(
        &self,
        environment_id: &str,
        key: &str,
        from_ms: f64,
        to_ms: f64,
    ) -> Result<StatementDetail, ApiError> {
        checked(from_ms, to_ms)?;
        let environment = self.environment(environment_id).await?;
        let place = place_of(&environment)?;
        let live = self.database.statements.live(&environment.id);
        let texts = self.texts(&place, &[built::of_name(key).0], live.as_ref()).await?;
        let ranges = [(from_ms - WINDOW_MS, to_ms + WINDOW_MS)];
        let pieces = self.pieces(&place, &ranges, live.as_ref()).await?;
        let mut found = built::detail(&pieces, key, from_ms, to_ms, &texts);
        let id = built::of_name(key).0;
        found.plans = self.core.store.plans_seen(&place, &id, from_ms, to_ms).await?;
        found.no_plan = live.as_ref().and_then(|live| follow::lock(live).no_plan(&place, &id));
        if texts.is_empty() && found.windows.iter().all(|window| window.calls.is_none_or(|calls| calls == 0)) {
            return Err(ApiError::not_found("There is no such statement in what is kept of this database"));
        }
        Ok(found)
    }

    /// Statements of an environment's database within a time that begins now: two readings, and nothing is kept.
    ///
    /// # Errors
    /// When the database cannot be reached; what it does not count is said in the answer.
    pub(crate) async fn statements_look(&self, environment_id: &str, lasts: Duration) -> Result<Statements, ApiError> {
        if lasts.is_zero() || lasts > LONGEST_LOOK {
            return Err(ApiError::bad_request("A look at statements takes from 1 s to 10 min"));
        }
        let environment = self.environment(environment_id).await?;
        place_of(&environment)?;
        let mut source = self.statement_source(&environment).await?;
        let answer = self.look(&mut source, lasts).await;
        source.close().await;
        answer
    }

    async fn look(&self, source: &mut StatementSource, lasts: Duration) -> Result<Statements, ApiError> {
        use perfdeck_database::statements::{Found, delta};
        let unavailable =
            |why| Statements { state: Some(StatementsState::Unavailable { why }), ..Statements::default() };
        let before = match source.read(self.core.clock.now_ms(), true).await? {
            Found::Counters(reading) => reading,
            Found::Unavailable(why) => return Ok(unavailable(why)),
        };
        tokio::time::sleep(lasts).await;
        let now = match source.read(self.core.clock.now_ms(), true).await? {
            Found::Counters(reading) => reading,
            Found::Unavailable(why) => return Ok(unavailable(why)),
        };
        let piece = Window::of(&delta(&before, &now)).piece();
        let (from_ms, to_ms) = (piece.from_ms, piece.to_ms);
        let ids: Vec<String> = piece.rows.iter().map(|row| row.key.to_string()).collect();
        let texts = source.texts(&ids).await?;
        let texts: Texts = texts
            .into_iter()
            .map(|(key, text)| (Arc::from(key), KeptText { text: Some(text), first_ms: from_ms }))
            .collect();
        let mut answer = built::built(&[piece], from_ms, to_ms + 1.0, &Means::new());
        built::with_texts(&mut answer, &texts);
        for row in &mut answer.rows {
            row.first_seen_ms = None;
        }
        answer.say(&source.said());
        Ok(answer)
    }

    /// What was seen within these times, in the order of time: what the store has, and of what is seen now what it has not yet.
    async fn pieces(
        &self,
        place: &Place,
        ranges: &[(f64, f64)],
        live: Option<&Arc<Mutex<Live>>>,
    ) -> Result<Vec<Piece>, ApiError> {
        let mut pieces = self.core.store.statements(place, ranges).await?;
        if let Some(live) = live {
            for own in live.lock().unwrap_or_else(PoisonError::into_inner).seen(place) {
                let inside = |(from, to): &(f64, f64)| own.to_ms > *from && own.from_ms < *to;
                let overlap = |kept: &Piece| kept.from_ms < own.to_ms && kept.to_ms > own.from_ms;
                let kept: f64 = pieces.iter().filter(|p| overlap(p)).map(|p| p.to_ms - p.from_ms).sum();
                if ranges.iter().any(inside) && own.to_ms - own.from_ms > kept {
                    pieces.retain(|kept| !overlap(kept));
                    pieces.push(own);
                }
            }
        }
        pieces.sort_by(|a, b| a.from_ms.total_cmp(&b.from_ms));
        // Two ranges that overlap bring a window twice.
        pieces.dedup_by(|a, b| a.from_ms.to_bits() == b.from_ms.to_bits());
        Ok(pieces)
    }

    async fn texts(
        &self,
        place: &Place,
        keys: &[Arc<str>],
        live: Option<&Arc<Mutex<Live>>>,
    ) -> Result<Texts, ApiError> {
        let mut texts = self.core.store.statement_texts(place, keys).await?;
        if let Some(live) = live {
            live.lock().unwrap_or_else(PoisonError::into_inner).add_texts(place, keys, &mut texts);
        }
        Ok(texts)
    }

    /// Mean times of the hours of the last week, as of the last window.
    async fn hourly(&self, place: &Place, live: Option<&Arc<Mutex<Live>>>) -> Result<(f64, Arc<Means>), ApiError> {
        let now_ms = self.core.clock.now_ms();
        let number = window::number(now_ms);
        let known = |all: &HashMap<String, Hourly>| {
            let hourly = all.get(&place.environment_id)?;
            (hourly.place == *place && hourly.number == number).then(|| (hourly.from_ms, hourly.means.clone()))
        };
        let all = || self.database.statements.hourly.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known(&all()) {
            return Ok(known);
        }
        let pieces = self.pieces(place, &[(now_ms - WEEK_MS, now_ms + WINDOW_MS)], live).await?;
        let (from_ms, means) = built::hourly(&pieces, now_ms);
        let means = Arc::new(means);
        // Before the first window there is nothing yet that lasts.
        if !means.is_empty() {
            let hourly = Hourly { place: place.clone(), number, from_ms, means: means.clone() };
            all().insert(place.environment_id.clone(), hourly);
        }
        Ok((from_ms, means))
    }
}
