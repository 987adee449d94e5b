//! Tests of the larger parts, and across them.
mod extracting;
mod feed_files;
mod hostile;
mod imports;
mod plans;
mod problems;
mod spans;
mod templates;
mod thresholds;
