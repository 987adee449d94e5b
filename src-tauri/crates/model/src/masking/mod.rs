//! Parts of a user's text that may be shown, stored and logged: one list of secret names and one masker for the whole
//! program.
//!
//! Deny by default. A part of an address, a header, a body or a message is shown where its place and its form say that it
//! is harmless ([`names`]); everything else is [`MASK`]. What is masked cannot be sent: whoever runs it again is asked for it.
mod message;
mod names;
mod request;
mod serde_words;
mod sql;

pub use message::{Known, message, shown, title};
pub use names::{
    is_harmless_header, is_harmless_parameter, is_plain, is_secret_name, is_secret_value, may_hold_secrets,
};
pub use request::{Masker, has_mask};
pub use serde_words::reading_failed;
pub use sql::statement;

/// Text in the place of one that may be a secret.
pub const MASK: &str = "•••";
