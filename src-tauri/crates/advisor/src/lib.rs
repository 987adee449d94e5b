//! Which indexes a workload wants, and why: what its statements ask of each table, the indexes that would answer that, how large
//! they would be, what they cost writes, and which of them are worth their bytes together. Pure: no I/O, no clock.
//!
//! What a statement costs with an index that is not there is asked of an [`Oracle`], which lies elsewhere: `HypoPG`, a sample in
//! temporary tables, a copy of a file. Where there is none, [`Estimate`] ranks by statistics alone, and says so.
#![forbid(unsafe_code)]

mod advice;
mod candidates;
mod catalogue;
mod concerns;
mod conditions;
mod covered;
mod earned;
mod estimate;
mod expressions;
mod functions;
mod hint;
mod index;
mod kept;
mod literals;
mod measured;
mod merged;
mod of_plan;
mod oracle;
mod parse;
mod partitions;
mod predicates;
mod quiet;
mod range;
mod readings;
mod scalar;
mod scope;
mod search;
mod semijoin;
mod shape;
mod size;
mod special;
mod statement;
#[cfg(test)]
mod tests;
mod vectors;
mod walk;
mod widths;
mod workload;
mod writes;
mod writing;

pub use advice::{Advice, Advised, Effect, Rejected, advise};
pub use candidates::{Candidate, Candidates, Kind, Limits, candidates};
pub use catalogue::{Beginning, Catalogue, Collating, Column, Table, TableKind, TypeClass, View, WritesADay};
pub use covered::covered_by;
pub use estimate::Estimate;
pub use functions::Function;
pub use hint::{Hinted, ignoring};
pub use index::{Existing, Index, Key, KeyOf, Method};
pub use literals::ParameterType;
pub use measured::{Lengths, Measured, expressions_of};
pub use of_plan::{OfPlan, predicate_of, scalar_of, shape_of_plan};
pub use oracle::{Cost, Oracle, Question, Used, Worth};
pub use parse::{LONGEST, NotAnalysed};
pub use perfdeck_sqltext::Dialect;
pub use predicates::{Asked, Predicate, Value};
pub use readings::{Condition, Reading, readings};
pub use scalar::Scalar;

pub use range::{range_of, together};
pub use search::{Budget, Found, Wanted};
pub use shape::{Scan, Shape, SortKey, Written};
pub use size::{rows_of, size};
pub use vectors::{Class, FarEnd, Parameters, far_ends, parameters, weight};
pub use workload::{Coverage, Left, Statement, Workload};
pub use writes::{WriteCost, write_cost};
pub use writing::{WriteEffect, Writing};
