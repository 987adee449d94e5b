//! Tests of the larger parts, and across them.
mod extracting;
mod feed_files;
mod hostile;
mod import_curl;
mod import_har;
mod import_logs;
mod import_openapi;
mod imports;
mod plans;
mod problems;
mod spans;
mod templates;
mod thresholds;
