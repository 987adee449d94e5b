//! All tests of the crate from outside, as one program.
mod cancel;
mod documented;
mod http;
mod k6;
mod locust;
#[path = "support/plan.rs"]
mod plan;
mod plan_data;
mod plan_http;
mod plan_http2;
mod plan_sql;
mod support;
