//! The plan of an edit: what is there is read, and held against what was seen. Nothing is altered.
use perfdeck_model::{ApiError, CacheBytes, CacheTarget, ErrorCode, KeyEdit, Sensitive};
use redis::{Cmd, Value};

use super::{EditPlan, Expiry, LONGEST, Part, REACH, SNAPSHOT, Snapshot, Step, changed};
use crate::connect::Purpose;
use crate::values::servers::{Servers, bytes, elements, number, slot, text};
use crate::values::{gone, key_length_command, place};

struct Planner<'a, 'b> {
    servers: &'b mut Servers<'a>,
    key: &'b [u8],
}

fn too_long(what: &str) -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        format!("{what} is longer than 1 MiB, and is not edited here: comparing it would block the server"),
    )
    .hint("Write it whole with the application that made it")
}

fn same() -> ApiError {
    ApiError::bad_request("Nothing would change: the server has just that")
}

/// Holds what is there against what was seen.
fn as_seen(there: Option<&CacheBytes>, seen: Option<&CacheBytes>) -> Result<(), ApiError> {
    match seen {
        Some(seen) if there.map(CacheBytes::bytes).transpose()? != Some(seen.bytes()?) => Err(changed()),
        _ => Ok(()),
    }
}

impl Planner<'_, '_> {
    async fn ask(&mut self, words: &[&[u8]]) -> Result<Value, ApiError> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        self.servers.one(self.key, &command).await
    }

    async fn count(&mut self, word: &str, more: &[&[u8]]) -> Result<i64, ApiError> {
        let key = self.key;
        let words: Vec<&[u8]> = [word.as_bytes(), key].into_iter().chain(more.iter().copied()).collect();
        Ok(number(&self.ask(&words).await?).unwrap_or(0))
    }

    /// What a command answers; `None` where there is nothing.
    async fn there(&mut self, words: &[&[u8]]) -> Result<Option<CacheBytes>, ApiError> {
        Ok(bytes(&self.ask(words).await?).map(CacheBytes::new))
    }

    /// Expiry by the server's clock, -1 for never.
    async fn expires(&mut self) -> Result<i64, ApiError> {
        if self.servers.knows("PEXPIRETIME").await? {
            return Ok(self.count("PEXPIRETIME", &[]).await?.max(-1));
        }
        let left = self.count("PTTL", &[]).await?;
        Ok(if left < 0 { -1 } else { self.clock().await? + left })
    }

    /// The server's clock, in milliseconds since the Unix epoch.
    async fn clock(&mut self) -> Result<i64, ApiError> {
        let time = self.ask(&[b"TIME"]).await?;
        let part = |n: usize| elements(&time).get(n).and_then(number).unwrap_or(0);
        Ok(part(0) * 1_000 + part(1) / 1_000)
    }

    /// Expiry of a field, -1 for never and where the server has no such times.
    async fn field_expires(&mut self, field: &[u8]) -> Result<i64, ApiError> {
        if !self.servers.knows("HPEXPIRETIME").await? {
            return Ok(-1);
        }
        let key = self.key;
        let times = self.ask(&[b"HPEXPIRETIME", key, b"FIELDS", b"1", field]).await?;
        Ok(elements(&times).first().and_then(number).unwrap_or(-1).max(-1))
    }

    async fn field(&mut self, field: &[u8]) -> Result<Option<CacheBytes>, ApiError> {
        if self.count("HSTRLEN", &[field]).await? > LONGEST as i64 {
            return Err(too_long("This field"));
        }
        let key = self.key;
        self.there(&[b"HGET", key, field]).await
    }

    async fn set(&mut self, value: CacheBytes, seen: Option<CacheBytes>) -> Result<Step, ApiError> {
        let key = self.key;
        if self.count("STRLEN", &[]).await? > LONGEST as i64 {
            return Err(too_long("This string"));
        }
        let old = self.there(&[b"GET", key]).await?;
        as_seen(old.as_ref(), seen.as_ref())?;
        Ok(Step::Value { part: Part::String, old, new: Some(value), expiry: -1 })
    }

    async fn element(
        &mut self,
        index: f64,
        removes: bool,
        value: Option<CacheBytes>,
        seen: Option<CacheBytes>,
    ) -> Result<Step, ApiError> {
        let index = place(index)?;
        let length = self.count("LLEN", &[]).await?.unsigned_abs();
        let inserts = !removes && seen.is_none() && value.is_some();
        self.within_reach(index, length, removes || inserts)?;
        let key = self.key;
        let at = |n: u64| n.to_string().into_bytes();
        let before = if index == 0 { None } else { self.there(&[b"LINDEX", key, &at(index - 1)]).await? };
        let here = self.there(&[b"LINDEX", key, &at(index)]).await?;
        Ok(if inserts {
            Step::Value {
                part: Part::Element { index, before, after: here, length },
                old: None,
                new: value,
                expiry: -1,
            }
        } else {
            as_seen(here.as_ref(), seen.as_ref())?;
            let after = self.there(&[b"LINDEX", key, &at(index + 1)]).await?;
            Step::Value { part: Part::Element { index, before, after, length }, old: here, new: value, expiry: -1 }
        })
    }

    fn within_reach(&self, index: u64, length: u64, moves: bool) -> Result<(), ApiError> {
        let from_end = length.saturating_sub(index) as f64;
        if moves && index as f64 > REACH && from_end > REACH {
            return Err(ApiError::new(
                ErrorCode::Unsupported,
                format!("Elements are put in and taken out within {REACH:.0} of a list's ends only: the server looks at all up to there"),
            )
            .hint("Give the element another value instead"));
        }
        Ok(())
    }

    async fn score(&mut self, member: CacheBytes, new: Option<String>, seen: Option<String>) -> Result<Step, ApiError> {
        let (key, name) = (self.key, member.bytes()?);
        let old = self.there(&[b"ZSCORE", key, &name]).await?;
        as_seen(old.as_ref(), seen.map(CacheBytes::Text).as_ref())?;
        if let Some(score) = &new
            && !score.parse::<f64>().is_ok_and(|n| !n.is_nan())
        {
            return Err(ApiError::bad_request("A score is a number, inf or -inf"));
        }
        if new.is_none() && old.is_none() {
            return Err(ApiError::not_found("The sorted set has no such member"));
        }
        Ok(Step::Value { part: Part::Score(member), old, new: new.map(CacheBytes::Text), expiry: -1 })
    }

    async fn rename(&mut self, to: CacheBytes) -> Result<Step, ApiError> {
        let (key, name) = (self.key, to.bytes()?);
        if key == name.as_slice() {
            return Err(same());
        }
        let (from_slot, to_slot) = (slot(key), slot(&name));
        if self.servers.is_cluster() && from_slot != to_slot {
            return Err(ApiError::new(
                ErrorCode::Unsupported,
                format!("The two names lie in different slots of the cluster ({from_slot} and {to_slot}): no server can rename one to the other"),
            )
            .hint("Names with the same text between braces lie in one slot, such as {user:118}:notes"));
        }
        let mut exists = redis::cmd("EXISTS");
        exists.arg(&name);
        if number(&self.servers.one(&name, &exists).await?).unwrap_or(0) > 0 {
            return Err(ApiError::new(ErrorCode::Conflict, "A key of the new name is there already")
                .hint("It would be lost: choose another name, or remove it first"));
        }
        Ok(Step::Rename { to })
    }

    async fn expire(&mut self, in_ms: Option<f64>, expires: i64) -> Result<Step, ApiError> {
        let old = if expires < 0 { Expiry::Never } else { Expiry::At(expires) };
        let new = match in_ms {
            None => Expiry::Never,
            Some(ms) if (1.0..=3.2e14).contains(&ms) => Expiry::In(ms.floor() as i64, self.clock().await?),
            Some(0.0) => {
                return Err(ApiError::bad_request("A time of 0 would remove the key at once")
                    .hint("Remove it, which can be undone, or let it never expire"));
            }
            Some(_) => return Err(ApiError::bad_request("A key expires after 1 ms to 10,000 years, or never")),
        };
        if old == new {
            return Err(same());
        }
        Ok(Step::Expiry { old, new })
    }

    async fn delete(&mut self, kind: String) -> Result<Step, ApiError> {
        let key = self.key;
        // Before anything that is a use of it.
        let frequency = self.ask(&[b"OBJECT", b"FREQ", key]).await.ok().as_ref().and_then(number);
        let idle_s = self.ask(&[b"OBJECT", b"IDLETIME", key]).await.ok().as_ref().and_then(number);
        let memory = number(&self.ask(&[b"MEMORY", b"USAGE", key, b"SAMPLES", b"5"]).await?).map(|n| n as f64);
        let length = match key_length_command(&kind) {
            Some(word) => self.count(word, &[]).await?,
            None => 0,
        };
        let snapshot = if memory.is_some_and(|bytes| bytes <= SNAPSHOT) {
            let dump = self.there(&[b"DUMP", key]).await?.ok_or_else(gone)?;
            Some(Snapshot { dump, frequency, idle_s })
        } else {
            None
        };
        Ok(Step::Delete { kind, length, bytes: memory, snapshot })
    }

    async fn step(&mut self, edit: KeyEdit, kind: String, expires: i64) -> Result<Step, ApiError> {
        let key = self.key;
        match edit {
            KeyEdit::Set { value, seen } => self.set(value, seen).await,
            KeyEdit::SetField { field, value, seen } => {
                let old = self.field(&field.bytes()?).await?;
                as_seen(old.as_ref(), seen.as_ref())?;
                Ok(Step::Value { part: Part::Field(field), old, new: Some(value), expiry: -1 })
            }
            KeyEdit::RemoveField { field, seen } => {
                let name = field.bytes()?;
                let old = self.field(&name).await?;
                as_seen(old.as_ref(), seen.as_ref())?;
                let old = Some(old.ok_or_else(|| ApiError::not_found("The hash has no such field"))?);
                let expiry = self.field_expires(&name).await?;
                Ok(Step::Value { part: Part::Field(field), old, new: None, expiry })
            }
            KeyEdit::RenameField { field, to } => {
                let value = self.field(&field.bytes()?).await?;
                let value = value.ok_or_else(|| ApiError::not_found("The hash has no such field"))?;
                if self.field(&to.bytes()?).await?.is_some() {
                    return Err(ApiError::new(ErrorCode::Conflict, "The hash has a field of the new name already"));
                }
                Ok(Step::RenameField { from: field, to, value })
            }
            KeyEdit::SetElement { index, value, seen } => {
                let index_bytes = place(index)?.to_string().into_bytes();
                let here = self.there(&[b"LINDEX", key, &index_bytes]).await?;
                let here = here.ok_or_else(|| ApiError::not_found("The list has no such place"))?;
                self.element(index, false, Some(value), Some(seen.unwrap_or(here))).await
            }
            KeyEdit::InsertElement { index, value } => {
                let length = self.count("LLEN", &[]).await? as f64;
                if index > length {
                    return Err(ApiError::bad_request(format!("The list has places up to {length:.0}")));
                }
                self.element(index, false, Some(value), None).await
            }
            KeyEdit::RemoveElement { index, seen } => {
                let step = self.element(index, true, None, seen).await?;
                match &step {
                    Step::Value { old: None, .. } => Err(ApiError::not_found("The list has no such place")),
                    _ => Ok(step),
                }
            }
            KeyEdit::AddMember { member } => {
                let name = member.bytes()?;
                if self.count("SISMEMBER", &[&name]).await? == 1 {
                    return Err(same());
                }
                let new = Some(CacheBytes::Text(String::new()));
                Ok(Step::Value { part: Part::Member(member), old: None, new, expiry: -1 })
            }
            KeyEdit::RemoveMember { member } => {
                let name = member.bytes()?;
                if self.count("SISMEMBER", &[&name]).await? == 0 {
                    return Err(ApiError::not_found("The set has no such member"));
                }
                let old = Some(CacheBytes::Text(String::new()));
                Ok(Step::Value { part: Part::Member(member), old, new: None, expiry: -1 })
            }
            KeyEdit::SetScore { member, score, seen } => self.score(member, Some(score), seen).await,
            KeyEdit::RemoveScored { member, seen } => self.score(member, None, seen).await,
            KeyEdit::RemoveEntry { id } => {
                let found = self.ask(&[b"XRANGE", key, id.as_bytes(), id.as_bytes()]).await?;
                let Some([exact, fields]) = elements(&found).first().map(elements) else {
                    return Err(ApiError::not_found("The stream has no such entry"));
                };
                let mut content = Vec::new();
                for part in elements(fields).iter().filter_map(bytes) {
                    content.extend_from_slice(format!("{}:", part.len()).as_bytes());
                    content.extend_from_slice(part);
                }
                let old = Some(CacheBytes::Text(sha1_smol::Sha1::from(&content).digest().to_string()));
                let id = text(exact).unwrap_or(id);
                Ok(Step::Value { part: Part::Entry(id), old, new: None, expiry: -1 })
            }
            KeyEdit::Expire { in_ms } => self.expire(in_ms, expires).await,
            KeyEdit::Rename { to } => self.rename(to).await,
            KeyEdit::Delete => self.delete(kind).await,
        }
    }
}

/// The type that an edit needs; any where it is about the key.
fn needs(edit: &KeyEdit) -> Option<&'static str> {
    Some(match edit {
        KeyEdit::Set { .. } => "string",
        KeyEdit::SetField { .. } | KeyEdit::RemoveField { .. } | KeyEdit::RenameField { .. } => "hash",
        KeyEdit::SetElement { .. } | KeyEdit::InsertElement { .. } | KeyEdit::RemoveElement { .. } => "list",
        KeyEdit::AddMember { .. } | KeyEdit::RemoveMember { .. } => "set",
        KeyEdit::SetScore { .. } | KeyEdit::RemoveScored { .. } => "zset",
        KeyEdit::RemoveEntry { .. } => "stream",
        KeyEdit::Expire { .. } | KeyEdit::Rename { .. } | KeyEdit::Delete => return None,
    })
}

/// Whether an edit may make a key that is not there.
fn makes(edit: &KeyEdit) -> bool {
    matches!(
        edit,
        KeyEdit::Set { seen: None, .. }
            | KeyEdit::SetField { seen: None, .. }
            | KeyEdit::InsertElement { .. }
            | KeyEdit::AddMember { .. }
            | KeyEdit::SetScore { seen: None, .. }
    )
}

/// Plans an edit of a key.
///
/// # Errors
/// [`ErrorCode::Conflict`] when the server has something else than what was seen; [`ErrorCode::NotFound`] for a key or a part that is not
/// there; [`ErrorCode::BadRequest`] for what changes nothing or means something else than it says; when the server cannot be asked.
pub async fn plan(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    key: &[u8],
    edit: KeyEdit,
) -> Result<EditPlan, ApiError> {
    let mut servers = Servers::to(target, password, Purpose::Keys).await?;
    let mut planner = Planner { servers: &mut servers, key };
    let kind = text(&planner.ask(&[b"TYPE", key]).await?).unwrap_or_default();
    match needs(&edit) {
        _ if kind == "none" && makes(&edit) => {}
        _ if kind == "none" => return Err(gone()),
        Some(needed) if needed != kind => {
            return Err(ApiError::bad_request(format!("The key is a {kind}, and this edits a {needed}")));
        }
        _ => {}
    }
    let expires = planner.expires().await?;
    let step = planner.step(edit, kind, expires).await?;
    if let Step::Value { old, new, .. } = &step {
        let of = |v: &Option<CacheBytes>| v.as_ref().map(CacheBytes::bytes).transpose();
        let (old, new) = (of(old)?, of(new)?);
        if old == new {
            return Err(same());
        }
        if new.is_some_and(|n| n.len() > LONGEST) {
            return Err(too_long("The new value"));
        }
    }
    Ok(EditPlan { key: CacheBytes::new(key), step, expires })
}
