//! Databases.
pub(crate) mod activity;
pub(crate) mod advice;
pub(crate) mod bloat;
pub mod commands;
pub(crate) mod create_index;
mod create_notes;
pub(crate) mod drop_index;
pub(crate) mod end_session;
pub(crate) mod growth;
pub(crate) mod hide_index;
pub(crate) mod indexes;
pub(crate) mod place;
pub(crate) mod pools;
pub(crate) mod prove;
pub(crate) mod schema;
pub(crate) mod statements;

/// What is kept of databases while Perfdeck runs.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) activity: activity::Watches,
    pub(crate) advice: advice::Unstored,
    pub(crate) bloat: bloat::Unstored,
    pub(crate) pools: pools::Readers,
    pub(crate) statements: statements::State,
}
