//! Later.
use crate::Outcome;
pub(crate) async fn run(_rows: u32) -> Outcome { Ok(()) }
