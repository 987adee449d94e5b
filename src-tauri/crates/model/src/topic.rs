//! Topics that a viewer can watch, and the parts of a frame that tell of them.
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ApiError, BenchLive, JobStatus, OwnCost, Tag, TargetStatus, masking};

/// One list makes the enum, [`Topic::ALL`] and the names, so that no topic is without a name.
macro_rules! topics {
    ($($(#[doc = $doc:literal])+ $topic:ident = $name:literal,)+) => {
        /// Something that a viewer watches.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
        pub enum Topic {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $topic,)+
        }

        impl Topic {
            /// Every topic.
            pub const ALL: &'static [Self] = &[$(Self::$topic),+];

            /// The name it has on every wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$topic => $name),+
                }
            }
        }
    };
}

topics! {
    /// Samples of the environment, once a second.
    Series = "series",
    /// The state of the environment's targets.
    Targets = "targets",
    /// Jobs of this process.
    Jobs = "jobs",
    /// Figures of the benchmark that runs.
    Bench = "bench",
    /// Cost of Perfdeck itself.
    Own = "own",
    /// Stored data that changed.
    Changed = "changed",
}

impl Topic {
    /// Reads names of topics.
    ///
    /// # Errors
    /// [`crate::ErrorCode::BadRequest`] when one is unknown, or none is named.
    pub fn read<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<BTreeSet<Self>, ApiError> {
        let all = || format!("Topics are {}", Self::ALL.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(", "));
        let mut topics = BTreeSet::new();
        for name in names {
            let known = Self::ALL.iter().find(|topic| topic.as_str() == name);
            let unknown = || ApiError::bad_request(format!("There is no topic '{}'", masking::shown(name))).hint(all());
            topics.insert(*known.ok_or_else(unknown)?);
        }
        if topics.is_empty() {
            return Err(ApiError::bad_request("No topic is named, so there is nothing to watch").hint(all()));
        }
        Ok(topics)
    }
}

/// News of one topic. Samples are no part: they are the frame's rows.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(tag = "topic", content = "value", rename_all = "snake_case")]
pub enum Part {
    /// All targets, when something that is shown of one changed.
    Targets(Vec<TargetStatus>),
    /// All jobs, newest first, when one changed.
    Jobs(Vec<JobStatus>),
    /// The newest figures of the benchmark that runs, or of the last one.
    Bench(BenchLive),
    /// Perfdeck's own cost.
    Own(OwnCost),
    /// Groups of stored data that changed. In a snapshot everything: what came before is not known.
    Changed(Vec<Tag>),
}

impl Part {
    /// The topic it is about.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Targets(_) => Topic::Targets,
            Self::Jobs(_) => Topic::Jobs,
            Self::Bench(_) => Topic::Bench,
            Self::Own(_) => Topic::Own,
            Self::Changed(_) => Topic::Changed,
        }
    }
}

/// Environment, topics and series that a viewer watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watching {
    /// Environment by id or name; `None` watches none.
    pub environment_id: Option<String>,
    /// Topics it gets; no frame has a part of another one.
    pub topics: BTreeSet<Topic>,
    /// Ids of the series it gets, whether they exist yet or not; `None` is all.
    pub series: Option<BTreeSet<String>>,
}

impl Watching {
    /// Everything there is, of an environment if one is named.
    pub fn everything(environment_id: Option<&str>) -> Self {
        Self::only(environment_id, Topic::ALL)
    }

    /// These topics only.
    pub fn only(environment_id: Option<&str>, topics: &[Topic]) -> Self {
        Self {
            environment_id: environment_id.map(str::to_owned),
            topics: topics.iter().copied().collect(),
            series: None,
        }
    }

    /// The same with these series only.
    #[must_use]
    pub fn of_series<'a>(self, ids: impl IntoIterator<Item = &'a str>) -> Self {
        Self { series: Some(ids.into_iter().map(str::to_owned).collect()), ..self }
    }

    /// Whether a topic is among what is watched.
    pub fn has(&self, topic: Topic) -> bool {
        self.topics.contains(&topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn topics_are_read_by_name_and_others_refused_by_theirs() {
        let all: Vec<&str> = Topic::ALL.iter().map(|topic| topic.as_str()).collect();
        assert_eq!(Topic::read(all).expect("all are known").len(), Topic::ALL.len(), "each by its name");
        let refused = Topic::read(["jobs", "weather"]).expect_err("unknown");
        assert_eq!(refused.code, ErrorCode::BadRequest, "{refused}");
        assert!(refused.message.contains("'weather'"), "it is named: {refused}");
        assert!(refused.hint.is_some_and(|hint| hint.contains("jobs")), "and the known ones are told");
        assert_eq!(Topic::read([]).expect_err("none").code, ErrorCode::BadRequest, "who watches nothing is told");
    }

    #[test]
    fn a_part_names_its_topic_on_the_wire() {
        let part = Part::Changed(vec![Tag::Runs]);
        let json = serde_json::to_value(&part).expect("JSON");
        assert_eq!(json, serde_json::json!({"topic": "changed", "value": ["runs"]}), "as the UI reads it");
        assert_eq!(json["topic"], part.topic().as_str(), "by the name of the topic");
    }
}
