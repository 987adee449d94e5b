//! How values become bytes.
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Makes bytes of values, and values of bytes.
pub trait Codec<V>: Send + Sync + 'static {
    /// The bytes of a value.
    ///
    /// # Errors
    /// For a value that has none; it is not stored then.
    fn encode(&self, value: &V) -> Result<Vec<u8>, String>;

    /// The value of bytes; `None` for those of none, which are then loaded anew.
    fn decode(&self, bytes: &[u8]) -> Option<V>;
}

/// JSON, which people can read in the store.
#[derive(Debug)]
pub struct Json<V>(PhantomData<fn() -> V>);

impl<V> Default for Json<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<V: Serialize + DeserializeOwned + 'static> Codec<V> for Json<V> {
    fn encode(&self, value: &V) -> Result<Vec<u8>, String> {
        serde_json::to_vec(value).map_err(|e| e.to_string())
    }

    fn decode(&self, bytes: &[u8]) -> Option<V> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Bytes as they are, for answers that are encoded already.
#[derive(Debug, Default, Clone, Copy)]
pub struct Bytes;

impl Codec<Vec<u8>> for Bytes {
    fn encode(&self, value: &Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(value.clone())
    }

    fn decode(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        Some(bytes.to_vec())
    }
}
