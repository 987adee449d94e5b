//! Facts about a command.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Extent of what a command may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Reads only.
    Read,
    /// Changes Perfdeck's own data.
    Write,
    /// Sends load or changes to a target.
    Target,
}

/// One list makes the enum and [`Tag::ALL`], so that no tag is forgotten where all are meant.
macro_rules! tags {
    ($($(#[doc = $doc:literal])+ $tag:ident,)+) => {
        /// A group of data that a screen lists; a command that changes one names it, a viewer that shows one re-reads it.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Tag {
            $($(#[doc = $doc])+ $tag,)+
        }

        impl Tag {
            /// Every tag.
            pub const ALL: &'static [Self] = &[$(Self::$tag),+];
        }
    };
}

tags! {
    /// Environments, their targets and how many runs they have.
    Environments,
    /// Stored benchmark runs.
    Runs,
    /// Stored comparisons.
    Comparisons,
    /// Stored searches for the knee.
    Knees,
    /// Stored costs of requests.
    Costs,
    /// Stored sizings of pools.
    PoolSizings,
    /// Saved plans.
    Plans,
    /// Runs that others are held against.
    Baselines,
    /// Written reports.
    Reports,
    /// Journal of what was done.
    Journal,
    /// Places where secrets go, and whether they can be read.
    Secrets,
    /// Jobs.
    Jobs,
    /// Findings.
    Findings,
    /// Changes of targets, and what the targets say about them.
    Changes,
    /// Advice on indexes.
    Advice,
    /// The map of a cache, which is in memory only.
    CacheMap,
    /// The set of series of the watched environment.
    Series,
}

impl Tag {
    /// The table of the local store that holds what it stands for; `None` where it is no table.
    pub fn table(self) -> Option<&'static str> {
        match self {
            Self::Environments => Some("environments"),
            Self::Runs => Some("runs"),
            Self::Comparisons => Some("comparisons"),
            Self::Knees => Some("knees"),
            Self::Costs => Some("costs"),
            Self::PoolSizings => Some("pool_sizings"),
            Self::Plans => Some("plans"),
            Self::Baselines => Some("baselines"),
            Self::Reports => Some("reports"),
            Self::Journal => Some("journal"),
            Self::Changes => Some("changes"),
            Self::Advice => Some("advice"),
            Self::Secrets | Self::Jobs | Self::Findings | Self::Series | Self::CacheMap => None,
        }
    }
}

/// One command of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct CommandInfo {
    /// Dotted name, such as `env.list`.
    pub name: &'static str,
    /// Extent of what it may do.
    pub access: Access,
    /// Groups of data that it changes.
    pub changes: &'static [Tag],
    /// Whether the answer is binary columns instead of JSON.
    pub binary: bool,
}
