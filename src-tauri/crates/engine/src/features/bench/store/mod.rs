//! Runs, what was found of them, what requests cost, plans and baselines in the store.
mod comparisons;
mod costs;
mod noise;
mod plans;
mod runs;
