//! Keys and values as a person looks at them: a page of keys, one key, its value in pages. Nothing here alters anything, and nothing is
//! fetched whole that is not known to be small.
mod cut;
mod decode;
mod glob;
mod json;
mod key;
mod list;
mod msgpack;
mod page;
pub(crate) mod servers;

pub use decode::{decoded, reads_as};
pub use glob::escaped;
pub(crate) use glob::matches;
pub use key::key;
pub(crate) use key::length_of as key_length_command;
pub use list::keys;
pub(crate) use list::understood;
pub use page::{ASKED, UNASKED, as_unknown, value};

use perfdeck_model::ApiError;

/// Why a key cannot be shown or edited.
pub(crate) fn gone() -> ApiError {
    ApiError::not_found("The key is not there").hint("It expired, was removed or evicted, or its name is another one")
}

/// A place in a value.
///
/// # Errors
/// For what is no whole number from 0.
pub(crate) fn place(index: f64) -> Result<u64, ApiError> {
    if (0.0..=9e15).contains(&index) && index.fract() == 0.0 {
        Ok(index as u64)
    } else {
        Err(ApiError::bad_request("A place in a value is a whole number from 0"))
    }
}

/// Time now, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64() * 1e3).floor()
}
