//! Keys of a cache: a page of them, one of them, its value in pages, and edits of it.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ApiError, CacheBytes, Change, ChangeDetail};

/// Time after which a key, or a field of a hash, expires.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheTtl {
    /// It never expires.
    Never,
    /// It expires after this time, in milliseconds, as of the reading.
    InMs(f64),
    /// The server did not say.
    Unknown,
}

/// Keys by the time after which they expire.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TtlFilter {
    /// Keys that never expire.
    Never,
    /// Keys that expire within a range of times from now.
    Within(TtlRange),
}

/// Times from now, in milliseconds, both ends among them; `null` is no end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TtlRange {
    /// Shortest time.
    #[serde(default)]
    pub from_ms: Option<f64>,
    /// Longest time.
    #[serde(default)]
    pub to_ms: Option<f64>,
}

/// Which keys are looked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySearch {
    /// Pattern of the server's (`* ? [ ] \`); `null` is every key. At most 4,096 bytes.
    #[serde(default)]
    pub pattern: Option<CacheBytes>,
    /// Type as the server names it, such as `hash`.
    #[serde(default)]
    pub kind: Option<String>,
    /// By expiry.
    #[serde(default)]
    pub ttl: Option<TtlFilter>,
    /// Smallest memory, in bytes.
    #[serde(default)]
    pub min_bytes: Option<f64>,
    /// Largest memory, in bytes.
    #[serde(default)]
    pub max_bytes: Option<f64>,
}

/// One key in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct KeyRow {
    /// Its name.
    pub name: CacheBytes,
    /// Its type as the server names it; `null` where the server did not say.
    pub kind: Option<String>,
    /// Its expiry.
    pub ttl: CacheTtl,
    /// Memory that it takes, estimated by the server from 5 of its elements; `null` where the server did not say.
    pub bytes: Option<f64>,
}

/// A server, or a part of an answer, that is missing, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct KeysMissing {
    /// Server, `host:port`.
    pub node: String,
    /// Keys that are missing or incomplete for it; `null` where that cannot be told.
    pub keys: Option<f64>,
    /// Why, and what helps.
    pub error: ApiError,
}

/// A page of keys. It is as long as what the server looked through for it: a page without rows is no end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct KeyPage {
    /// Keys that match, in the server's order. A key that is there all the time comes at least once; while the server resizes its
    /// table one may come on two pages.
    pub rows: Vec<KeyRow>,
    /// Opaque mark to go on from; `null` at the end.
    pub next: Option<String>,
    /// Share of the key space that was looked through so far, 0 to 1; `null` where it cannot be told.
    pub progress: Option<f64>,
    /// Keys in the database, of all servers that answered.
    pub database_keys: f64,
    /// What is missing.
    pub missing: Vec<KeysMissing>,
}

/// How a key was used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// Logarithmic counter of its accesses, 0 to 255, which a server keeps under an LFU policy.
    Frequency(f64),
    /// Time since its last access, in seconds, which a server keeps under any other policy.
    IdleS(f64),
    /// The server did not say.
    Unknown,
}

/// One key without its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheKey {
    /// Its name.
    pub name: CacheBytes,
    /// Its type as the server names it.
    pub kind: String,
    /// How the server keeps it, such as `listpack`; `null` where it did not say.
    pub encoding: Option<String>,
    /// Its expiry.
    pub ttl: CacheTtl,
    /// Time at which it expires, in milliseconds since the Unix epoch by the server's clock; `null` where it does not, or the server
    /// did not say.
    pub expires_at_ms: Option<f64>,
    /// Memory that it takes, estimated by the server from 5 of its elements; `null` where the server did not say.
    pub bytes: Option<f64>,
    /// Bytes of a string; fields, elements, members or entries of another one; `null` of an unknown type.
    pub length: Option<f64>,
    /// How it was used.
    pub used: KeyUse,
    /// Server that has it, `host:port`.
    pub node: String,
    /// Time of the reading, in milliseconds since the Unix epoch.
    pub read_ms: f64,
}

/// Bytes of a value, perhaps not all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ValueBytes {
    /// The bytes from the start, or from where they were asked for.
    pub bytes: CacheBytes,
    /// Length of the whole, in bytes. What is longer than `bytes` was cut.
    pub length: f64,
    /// What it reads as: `number`, `text`, `JSON`, `MessagePack`, `gzip`, `zstd`, `binary`.
    pub reads_as: String,
}

/// A value in another form than its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Decoded {
    /// What it was unpacked and read as, outermost first, such as `["gzip", "JSON"]`.
    pub forms: Vec<String>,
    /// Text to read. Of JSON it is the same tokens over several lines: numbers keep their text, and names that are repeated stay.
    pub text: String,
    /// What was left out, or could not be read, in words.
    pub note: Option<String>,
}

/// Field of a hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct HashField {
    /// Its name.
    pub name: ValueBytes,
    /// Its value.
    pub value: ValueBytes,
    /// Time at which it expires, in milliseconds since the Unix epoch; `null` where it does not, or the server has no such times.
    pub expires_at_ms: Option<f64>,
}

/// Element of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ListElement {
    /// Its place, from 0.
    pub index: f64,
    /// Its value.
    pub value: ValueBytes,
}

/// Member of a sorted set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ScoredMember {
    /// Its name.
    pub name: ValueBytes,
    /// Its score, in the server's text.
    pub score: String,
}

/// Entry of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StreamEntry {
    /// Its identifier.
    pub id: String,
    /// Names and values, in their order.
    pub fields: Vec<(ValueBytes, ValueBytes)>,
}

/// Consumer of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StreamConsumer {
    /// Its name.
    pub name: CacheBytes,
    /// Entries that were delivered to it and are not acknowledged.
    pub pending: f64,
    /// Time since it last asked, in milliseconds.
    pub idle_ms: f64,
}

/// Group of consumers of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StreamGroup {
    /// Its name.
    pub name: CacheBytes,
    /// Entries that were delivered and are not acknowledged.
    pub pending: f64,
    /// Identifier of the entry that was delivered last.
    pub last_delivered: String,
    /// Entries that wait to be delivered; `null` where the server cannot tell.
    pub lag: Option<f64>,
    /// Its consumers; at most 50.
    pub consumers: Vec<StreamConsumer>,
    /// How many it has.
    pub consumer_count: f64,
}

/// A page of a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ValuePart {
    /// Bytes of a string.
    String {
        /// Place of the first of them, from 0.
        from: f64,
        /// The bytes.
        value: ValueBytes,
        /// The same in another form, where all of it is here and reads as something.
        decoded: Option<Decoded>,
    },
    /// Fields of a hash, in no order.
    Hash {
        /// The fields.
        fields: Vec<HashField>,
        /// Whether the server knows fields that expire.
        field_ttls: bool,
    },
    /// Elements of a list, in their order.
    List {
        /// The elements.
        elements: Vec<ListElement>,
    },
    /// Members of a set, in no order.
    Set {
        /// The members.
        members: Vec<ValueBytes>,
    },
    /// Members of a sorted set, by score.
    Zset {
        /// The members.
        members: Vec<ScoredMember>,
    },
    /// Entries of a stream, oldest first.
    Stream {
        /// The entries.
        entries: Vec<StreamEntry>,
        /// Its groups, with the first page only; at most 50.
        groups: Vec<StreamGroup>,
        /// How many groups it has.
        group_count: f64,
    },
    /// One field, element or member that was asked for.
    One {
        /// Place of the first of its bytes, from 0.
        from: f64,
        /// Its bytes.
        value: ValueBytes,
        /// The same in another form, where all of it is here and reads as something.
        decoded: Option<Decoded>,
    },
    /// A type that Perfdeck does not know.
    Unknown {
        /// The server's dump of it; `null` where it is larger than may be read unasked, or too large at all.
        dump: Option<CacheBytes>,
    },
}

/// A page of a key's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ValuePage {
    /// The key's type as the server names it.
    pub kind: String,
    /// The page.
    pub part: ValuePart,
    /// Opaque mark of the next page; `null` at the end.
    pub next: Option<String>,
    /// Time of the reading, in milliseconds since the Unix epoch.
    pub read_ms: f64,
}

/// What of a value is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ValueAt {
    /// The page after another one, by that one's `next`.
    Next(String),
    /// Bytes of a string from a place on.
    Bytes(f64),
    /// A page of a list or a sorted set from a place on.
    Index(f64),
    /// One field of a hash.
    Field(CacheBytes),
    /// One element of a list.
    Element(f64),
}

/// What is edited, with what was seen of it. `seen` is the value as it was when a person opened it: another one by now is a
/// conflict, and nothing is written. Without `seen` it is what the server has when the edit is planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyEdit {
    /// Gives a string another value, or makes one that is not there.
    Set {
        /// The new value.
        value: CacheBytes,
        /// The value as it was seen.
        #[serde(default)]
        seen: Option<CacheBytes>,
    },
    /// Gives a field of a hash another value, or adds one.
    SetField {
        /// The field.
        field: CacheBytes,
        /// The new value.
        value: CacheBytes,
        /// The value as it was seen.
        #[serde(default)]
        seen: Option<CacheBytes>,
    },
    /// Takes a field out of a hash.
    RemoveField {
        /// The field.
        field: CacheBytes,
        /// The value as it was seen.
        #[serde(default)]
        seen: Option<CacheBytes>,
    },
    /// Gives a field of a hash another name, which no other one has.
    RenameField {
        /// The field.
        field: CacheBytes,
        /// Its new name.
        to: CacheBytes,
    },
    /// Gives an element of a list another value.
    SetElement {
        /// Its place, from 0.
        index: f64,
        /// The new value.
        value: CacheBytes,
        /// The value as it was seen.
        #[serde(default)]
        seen: Option<CacheBytes>,
    },
    /// Puts an element into a list.
    InsertElement {
        /// Place that it comes to, from 0 to the list's length.
        index: f64,
        /// Its value.
        value: CacheBytes,
    },
    /// Takes an element out of a list.
    RemoveElement {
        /// Its place, from 0.
        index: f64,
        /// The value as it was seen.
        #[serde(default)]
        seen: Option<CacheBytes>,
    },
    /// Adds a member to a set.
    AddMember {
        /// The member.
        member: CacheBytes,
    },
    /// Takes a member out of a set.
    RemoveMember {
        /// The member.
        member: CacheBytes,
    },
    /// Gives a member of a sorted set another score, or adds one.
    SetScore {
        /// The member.
        member: CacheBytes,
        /// The new score, such as `1.5` or `-inf`.
        score: String,
        /// The score as it was seen, in the server's text.
        #[serde(default)]
        seen: Option<String>,
    },
    /// Takes a member out of a sorted set.
    RemoveScored {
        /// The member.
        member: CacheBytes,
        /// The score as it was seen, in the server's text.
        #[serde(default)]
        seen: Option<String>,
    },
    /// Takes an entry out of a stream, which nothing undoes.
    RemoveEntry {
        /// Its identifier.
        id: String,
    },
    /// Changes when the key expires: after a time in milliseconds, or never.
    Expire {
        /// Time from when it is applied; `null` never.
        in_ms: Option<f64>,
    },
    /// Gives the key another name, which no other one has.
    Rename {
        /// The new name.
        to: CacheBytes,
    },
    /// Removes the key.
    Delete,
}

/// An edit that was planned. Names and values are in this answer only: the change keeps them encrypted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PlannedEdit {
    /// The change, with what the guards say.
    pub detail: ChangeDetail,
    /// What it edits, with what was seen and what is there.
    pub edit: EditView,
}

/// What the target has of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EditState {
    /// What was seen: it can be written.
    AsOpened,
    /// What was written.
    AsWritten,
    /// Something else: another client wrote it. Nothing is overwritten.
    Changed,
    /// Unknown: the server could not be asked.
    Unknown,
}

/// Names and values of an edit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct EditView {
    /// Name of the key.
    pub key: CacheBytes,
    /// What of it is edited, in words, such as `field`.
    pub part: String,
    /// Name of the field or member, or place of the element; `null` of the whole key.
    pub name: Option<CacheBytes>,
    /// Value when it was opened; `null` where there was none.
    pub opened: Option<CacheBytes>,
    /// Value that is written; `null` where it is removed.
    pub yours: Option<CacheBytes>,
    /// Value on the server now, at most 64 kB of it; `null` where there is none, or it was not asked.
    pub theirs: Option<CacheBytes>,
    /// Which of them is on the server now.
    pub state: EditState,
    /// Whether it can be undone in this run of Perfdeck only, because no key can be kept.
    pub this_run_only: bool,
}

/// A change of a key with its names and values, where they can still be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct EditOfChange {
    /// The change.
    pub change: Change,
    /// Its names and values; `null` where the key that they are encrypted with is gone.
    pub edit: Option<EditView>,
}
