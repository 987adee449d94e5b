//! Secrets: how they are entered, where they are kept, and a wrapper that never prints them.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::masking::MASK;

/// A value that must not be printed, logged or serialised. `Debug` and `Display` show [`MASK`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sensitive(String);

impl Sensitive {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself; call this only where it goes to the target.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the secret is the empty string.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

impl std::fmt::Display for Sensitive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

/// Place where a secret of a target is kept. Never the secret itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SecretSource {
    /// The target needs none.
    #[default]
    None,
    /// In the operating system's keychain.
    Keychain,
    /// In the passphrase-encrypted secrets file.
    File,
    /// In memory, for this run of Perfdeck only.
    Session,
    /// In an environment variable of the process, read each time it is needed.
    Env {
        /// Name of the variable.
        name: String,
    },
}

/// Input of a form for a secret: write-only, the present value is never sent back.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretInput {
    /// Leave what is stored as it is.
    #[default]
    Keep,
    /// Forget what is stored.
    Clear,
    /// Store this value.
    Set {
        /// The secret.
        value: String,
    },
    /// Read this environment variable each time.
    Env {
        /// Name of the variable.
        name: String,
    },
    /// Store what Perfdeck read from a file and holds in memory; the secret itself was not sent to the form.
    Held {
        /// Identifier under which it is held.
        id: String,
    },
}

impl std::fmt::Debug for SecretInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keep => f.write_str("Keep"),
            Self::Clear => f.write_str("Clear"),
            Self::Set { .. } => write!(f, "Set({MASK})"),
            Self::Env { name } => write!(f, "Env({name})"),
            Self::Held { .. } => f.write_str("Held"),
        }
    }
}
