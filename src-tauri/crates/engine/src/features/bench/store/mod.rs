//! Runs, what was found of them, plans and baselines in the store.
mod comparisons;
mod noise;
mod plans;
mod runs;
