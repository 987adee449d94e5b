//! Answers about keys and about their server, as they come in during a scan.
use perfdeck_model::{ApiError, ErrorCode};

use super::facts::Facts;
use super::lost::demoted;
use super::node::{Step, Walk};
use super::wire::Reply;
use crate::map::stats::{Expiry, Told, kind};

/// What was refused of the questions about a key.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Denied {
    pub(super) kind: bool,
    pub(super) expiry: bool,
    pub(super) bytes: bool,
}

/// Whether an account may not see a key, while it may run the command.
pub(super) fn hides(text: &str) -> bool {
    text.starts_with("NOPERM") && !text.to_ascii_lowercase().contains("permissions to run")
}

impl Walk<'_> {
    /// Reads the answers about keys, and those about the server, that are on their way. When it fails, none of those about keys counts.
    pub(super) async fn answers(&self, at: &mut Step<'_>) -> Result<(), ApiError> {
        let asked = std::mem::take(&mut at.asked);
        let told = self.read_answers(at, asked.len()).await;
        at.asked = asked;
        let (told, refused) = told?;
        if !told.is_empty() {
            let mut inside = self.run.inside();
            for (name, one) in at.asked.iter().zip(&told) {
                if let Some(one) = one {
                    inside.map.tell(name, one);
                }
            }
            inside.nodes[self.place].told.refused += refused as f64;
        }
        at.asked.clear();
        self.facts(at).await
    }

    /// Puts questions about the server into the queue; while there are writes also whether some of the keys that were read are still there.
    pub(super) fn ask_facts(&self, at: &mut Step<'_>) {
        at.facts_asked = true;
        Facts::queue(&mut at.wire);
        let written = at.through || self.run.inside().nodes[self.place].writes != Some(0);
        if written && !at.denied.kind {
            at.survivors.iter().for_each(|name| at.wire.queue(&[b"TYPE", name]));
            at.survivors.asked = at.survivors.iter().count();
        }
    }

    /// Reads the answers to those, where they were asked.
    pub(super) async fn facts(&self, at: &mut Step<'_>) -> Result<(), ApiError> {
        let broken = |broken| self.door.told(&self.host, broken);
        if !std::mem::take(&mut at.facts_asked) {
            return Ok(());
        }
        let facts = Facts::read(&mut at.wire).await.map_err(broken)?;
        let (mut gone, mut asked) = (0, 0);
        for _ in 0..std::mem::take(&mut at.survivors.asked) {
            // One that moved, or that this account may not see, says nothing.
            if let Reply::Bytes(kind) = at.wire.reply().await.map_err(broken)? {
                (gone, asked) = (gone + u32::from(kind == b"none"), asked + 1);
            }
        }
        if asked > 0 {
            self.run.inside().nodes[self.place].gone = (gone, asked);
        }
        self.learnt(at, &facts)
    }

    /// What was answered of so many keys, and of how many something was refused.
    async fn read_answers(&self, at: &mut Step<'_>, keys: usize) -> Result<(Vec<Option<Told>>, u64), ApiError> {
        let broken = |broken| self.door.told(&self.host, broken);
        let denied = at.denied;
        let (mut told, mut refused) = (Vec::with_capacity(keys), 0);
        for _ in 0..keys {
            let mut one = Told { kind: None, expiry: Expiry::Unknown, bytes: None, hidden: false };
            let (mut gone, mut no) = (false, false);
            if !denied.kind {
                match at.wire.reply().await.map_err(broken)? {
                    Reply::Bytes(name) if name == b"none" => gone = true,
                    Reply::Bytes(name) => one.kind = Some(kind(&name)),
                    Reply::Error(text) => {
                        (no, at.denied.kind) = (true, self.refused(&text)? || at.denied.kind);
                        one.hidden |= hides(&text);
                    }
                    _ => {}
                }
            }
            if !denied.expiry {
                match at.wire.reply().await.map_err(broken)? {
                    Reply::Number(-2) => gone = true,
                    Reply::Number(-1) => one.expiry = Expiry::Never,
                    Reply::Number(ms) => one.expiry = u64::try_from(ms).map_or(Expiry::Unknown, Expiry::In),
                    Reply::Error(text) => {
                        (no, at.denied.expiry) = (true, self.refused(&text)? || at.denied.expiry);
                        one.hidden |= hides(&text);
                    }
                    _ => {}
                }
            }
            if !denied.bytes {
                match at.wire.reply().await.map_err(broken)? {
                    Reply::Number(bytes) => one.bytes = u64::try_from(bytes).ok(),
                    Reply::Error(text) => {
                        (no, at.denied.bytes) = (true, self.refused(&text)? || at.denied.bytes);
                        one.hidden |= hides(&text);
                    }
                    _ => {}
                }
            }
            refused += u64::from(no);
            told.push((!gone).then_some(one));
        }
        Ok((told, refused))
    }

    /// Takes a refusal of a question about a key into account; answers whether all such questions are refused.
    ///
    /// # Errors
    /// When the server refuses everything at the moment.
    fn refused(&self, text: &str) -> Result<bool, ApiError> {
        let error = self.door.refused(&self.host, text);
        let code = text.split(' ').next().unwrap_or_default();
        if matches!(code, "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "NOAUTH") {
            return Err(error);
        }
        let elsewhere = matches!(code, "MOVED" | "ASK" | "TRYAGAIN");
        let mut inside = self.run.inside();
        let inside = &mut *inside;
        let node = &mut inside.nodes[self.place];
        if node.told.problem.is_none() {
            node.told.problem = Some(if elsewhere {
                format!("Keys of {} moved to another server while they were asked", self.host)
            } else {
                error.message
            });
            node.told.hint = if hides(text) {
                // Redis 6 has no rights to read alone.
                let old = inside.server.as_ref().is_some_and(|server| server.starts_with("Redis 6"));
                Some(crate::error::acl(self.door.user(), &[if old { "~*" } else { "%R~*" }]))
            } else {
                error.hint.filter(|_| !elsewhere)
            };
        }
        // One for a key alone may not be one for the next.
        let lower = text.to_ascii_lowercase();
        let command = code == "NOPERM" && !hides(text);
        Ok(command || lower.contains("unknown command") || lower.contains("unknown subcommand"))
    }

    /// Takes what the server tells of itself into account.
    pub(super) fn learnt(&self, at: &Step<'_>, facts: &Facts) -> Result<(), ApiError> {
        {
            let mut inside = self.run.inside();
            let node = &mut inside.nodes[self.place];
            node.keys = facts.keys.or(node.keys);
            node.churn = facts.churn_since(&at.first);
            node.writes = facts.writes_since(&at.first);
            if facts.told {
                (node.used, node.most) = (facts.used, facts.most);
            }
        }
        if facts.told && at.first.told && facts.run_id != at.first.run_id {
            return Err(crate::error::again(
                ErrorCode::Unreachable,
                format!("Another server answers at {}: it was restarted, or another one took its place", self.host),
            )
            .hint("Scan it again"));
        }
        if facts.replica && !at.first.replica {
            return Err(demoted(&self.host));
        }
        self.may_go_on(facts)
    }
}
