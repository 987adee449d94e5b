//! Alert rules as a pure function, and notification routing.
#![forbid(unsafe_code)]
