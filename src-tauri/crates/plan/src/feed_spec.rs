//! Feeds as they are written in a plan.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A source of data. One row is drawn per iteration; `{{feed.column}}` or, with a single column, `{{feed}}` inserts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct FeedSpec {
    /// Name in templates.
    pub name: String,
    /// Order of the rows. Sequential when absent; always random for generated values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FeedMode>,
    /// Where the rows come from.
    #[serde(flatten)]
    pub source: FeedSource,
}

/// Order in which rows are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedMode {
    /// In order over all connections, from the start again after the last.
    #[default]
    Sequential,
    /// Any, with repetitions.
    Random,
    /// In order, each at most once; the run ends when they are used up.
    Unique,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FeedSource {
    /// A CSV file (RFC 4180) with a header row.
    Csv {
        /// Path below the plan's folder.
        file: String,
    },
    /// A file with one JSON object per line; nested fields are `a.b`.
    Jsonl {
        /// Path below the plan's folder.
        file: String,
    },
    /// Texts in the plan.
    List {
        /// The texts.
        values: Vec<String>,
    },
    /// Whole numbers.
    Sequence {
        /// First.
        from: i64,
        /// Last, if the step hits it.
        to: i64,
        /// Difference of two neighbours; 1 when absent.
        #[serde(default = "step_one")]
        step: i64,
    },
    /// `prefix` and a number from 0 to `items` − 1, of which number k has a share ∝ 1 / (k + 1)^exponent.
    Zipf {
        /// How many different ones.
        items: u64,
        /// 0 is uniform, about 1 is common for caches.
        #[serde(default = "zipf_exponent")]
        exponent: f64,
        /// Text before the number.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
    },
    /// `prefix` and a whole number, each as likely.
    Uniform {
        /// Smallest.
        from: i64,
        /// Largest.
        to: i64,
        /// Text before the number.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
    },
    /// Random letters and digits.
    RandomString {
        /// How many, 1 to 1 048 576.
        length: u32,
    },
}

fn step_one() -> i64 {
    1
}

fn zipf_exponent() -> f64 {
    1.0
}
