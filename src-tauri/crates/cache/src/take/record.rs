//! What is kept of a key that is about to be removed, and what became of it.
use perfdeck_model::ApiError;
use redis::Value;

use super::file::{got, got_number, put};

/// A key as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: Vec<u8>,
    /// When it expires, in milliseconds since the Unix epoch; -1 for never.
    pub(super) expires_ms: i64,
    /// How often it was used (LFU) or how long ago, in seconds, as `by_frequency` says; -1 when not known.
    pub(super) used: i64,
    pub(super) by_frequency: bool,
    /// The expiry that it is given, in milliseconds since the Unix epoch (soft); 0 when it is removed.
    pub(super) soft_ms: i64,
    /// The server's dump of it; empty when only its expiry is kept.
    pub(super) dump: Vec<u8>,
}

impl Record {
    /// What a script answers about a key.
    pub(super) fn of(key: &[u8], answer: Vec<Value>, by_frequency: bool) -> Option<Self> {
        let [dump, expires, used] = <[Value; 3]>::try_from(answer).ok()?;
        let (Value::BulkString(dump), Value::BulkString(expires), Value::Int(used)) = (dump, expires, used) else {
            return None;
        };
        let expires_ms = std::str::from_utf8(&expires).ok()?.parse().ok()?;
        Some(Self { key: key.to_vec(), expires_ms, used, by_frequency, soft_ms: 0, dump })
    }

    pub(super) fn digest(&self) -> String {
        sha1_smol::Sha1::from(&self.dump).digest().to_string()
    }
}

/// Records as a chunk has them.
pub(super) fn packed(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::with_capacity(records.iter().map(|r| r.key.len() + r.dump.len() + 40).sum());
    for record in records {
        put(&mut out, &record.key);
        for number in [record.expires_ms, record.used, i64::from(record.by_frequency), record.soft_ms] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put(&mut out, &record.dump);
    }
    out
}

/// Records of a chunk.
pub(super) fn unpacked(plain: &[u8]) -> Result<Vec<Record>, ApiError> {
    let mut rest = plain;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let record = (|| {
            Some(Record {
                key: got(&mut rest)?.to_vec(),
                expires_ms: got_number(&mut rest)?,
                used: got_number(&mut rest)?,
                by_frequency: got_number(&mut rest)? == 1,
                soft_ms: got_number(&mut rest)?,
                dump: got(&mut rest)?.to_vec(),
            })
        })();
        records.push(record.ok_or_else(|| ApiError::internal("A record of a snapshot cannot be read"))?);
    }
    Ok(records)
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Outcome {
    /// Gone before.
    Gone = 0,
    /// Removed, or given its new expiry.
    Done = 1,
    /// Another one by now, and left.
    Changed = 2,
    /// The server refused.
    Refused = 3,
    /// The answer was lost, and the key is gone: by us, as far as can be told.
    Unsure = 4,
}

impl Outcome {
    /// Whether undoing brings it back.
    pub(super) fn is_ours(byte: u8) -> bool {
        byte == Self::Done as u8 || byte == Self::Unsure as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were_and_torn_ones_are_refused() {
        let record = Record {
            key: b"\xff\x00k".to_vec(),
            expires_ms: 9_007_199_254_740_993,
            used: 255,
            by_frequency: true,
            soft_ms: 7,
            dump: vec![0, 1, 2],
        };
        let all = [record.clone(), Record { key: Vec::new(), expires_ms: -1, dump: Vec::new(), ..record }];
        let plain = packed(&all);
        assert_eq!(unpacked(&plain).expect("read"), all);
        assert!(unpacked(&plain[..plain.len() - 1]).is_err(), "torn");
    }
}
