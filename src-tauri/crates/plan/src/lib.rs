//! Benchmark plans: what a run does, written as TOML by a person or an importer.
//!
//! A plan is read ([`from_toml`]), checked ([`validate`]) and compiled into parts that cost nothing per request:
//! [`Template`] renders into a buffer, [`FeedCursor`] draws rows, [`Schedule`] says when the k-th request starts,
//! [`Inspector`] looks into a response and [`Threshold`] judges the figures at the end. Nothing in here sends or waits;
//! the same seed gives the same plan, row by row and start by start.
#![forbid(unsafe_code)]

mod check_steps;
pub mod csv;
mod extract;
mod feed;
mod feed_spec;
pub mod import;
mod locate;
mod masked;
mod model;
mod parse;
mod problem;
mod profile;
mod rows;
mod schedule;
mod scope;
mod step;
mod template;
#[cfg(test)]
mod tests;
mod threshold;
mod validate;
mod values;
mod variables;
mod zipf;

pub use extract::{Failure, Inspector, Response, StepRules};
pub use feed::{Feed, FeedCursor, FeedError, feed_columns, open_feed};
pub use feed_spec::{FeedMode, FeedSource, FeedSpec};
pub use locate::line_of;
pub use masked::{hidden_values, literal_secret, mask_step, masked};
pub use model::{Arrivals, Auth, Plan, PlanLoad, Stage, StageKind, Warmup};
pub use parse::{Error, from_toml, schema, to_toml};
pub use problem::{Problem, Severity};
pub use profile::{Profile, ProfileError};
pub use rows::{Files, Folder, Rows, RowsError};
pub use schedule::{Schedule, Starts};
pub use scope::{Builtins, Names, Scope};
pub use step::{
    Action, CacheStep, Check, Extract, HttpStep, SqlParameter, SqlStep, SqlType, StatusMatch, StatusRule, Step,
    TypedParameter,
};
pub use template::{Builtin, Filter, Part, Template, TemplateError, UnsetVariable, escape};
pub use threshold::{Figures, Metric, StepFigures, Threshold, ThresholdError, Timing};
pub use validate::{OpenFeed, validate, validate_with};
pub use values::{JsonBody, Scalar, Secret, Span};
pub use variables::{Compiler, VariableError};
pub use zipf::Zipf;
