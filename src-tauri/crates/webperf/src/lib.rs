//! Web front end: bundle analysis and page timing.
#![forbid(unsafe_code)]
