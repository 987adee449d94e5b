//! Results of other engines as figures.
