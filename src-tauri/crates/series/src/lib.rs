//! Series of samples: fifteen minutes in memory, older ones in compressed blocks, down-sampling that keeps every spike.
//!
//! A missing value is a gap: never zero, never joined to its neighbours, never averaged over. Pure: where blocks are kept is
//! a [`BlockStore`]'s business.
#![forbid(unsafe_code)]

pub mod codec;
mod store;

pub use codec::{Block, CodecError, MAX_SAMPLES, decimals};
pub use store::*;
