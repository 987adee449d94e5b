//! Advice on indexes: how quick it is, and how good. The bench itself is `engine/benches/advisor`, which knows the engine.
use super::setup;
use crate::process::{cargo, run};
use crate::{Options, Outcome};

/// Runs it, or the part of it that is named: speed, skew, mixed, tpch.
pub(super) fn advisor(options: &Options) -> Outcome {
    let mut bench = cargo();
    bench.args(["bench", "--workspace", "--bench", "advisor", "--", "--machine"]).arg(setup::machine());
    run(bench.args(options.rest.iter().skip(1)))
}
