//! Runs, what was found of them, what requests cost, sizes of pools, plans and baselines in the store.
mod comparisons;
mod costs;
mod noise;
mod plans;
mod pool_sizings;
mod runs;
