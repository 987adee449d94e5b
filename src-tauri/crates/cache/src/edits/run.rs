//! Edits are written, asked about and taken back. Each is one script, so that nothing comes between comparing and writing.
use perfdeck_model::{ApiError, CacheBytes, CacheTarget, EditState, ErrorCode, Sensitive};
use redis::{Cmd, Value};

use super::{EditPlan, Expiry, LONGEST, Part, SNAPSHOT, Step, changed, state};
use crate::connect::Purpose;
use crate::values::servers::{Script, Servers, bytes, elements, is, number, script, text};
use crate::values::{gone, key_length_command, now_ms};

static VALUE: Script = script!(include_str!("value.lua"));
static EXPIRY: Script = script!(include_str!("expiry.lua"));
static RENAME: Script = script!(include_str!("rename.lua"));
static DELETE: Script = script!(include_str!("delete.lua"));

/// What the scripts are asked to do.
#[derive(Clone, Copy, PartialEq)]
enum Go {
    Look,
    Do,
    /// Write the old value where the new one is.
    Back,
}

impl Go {
    fn word(self) -> Vec<u8> {
        if self == Self::Look { b"look".to_vec() } else { b"do".to_vec() }
    }
}

fn marked(value: Option<&CacheBytes>) -> Result<Vec<u8>, ApiError> {
    Ok(match value {
        Some(value) => [b"+".as_slice(), &value.bytes()?].concat(),
        None => b"-".to_vec(),
    })
}

fn word(text: impl ToString) -> Vec<u8> {
    text.to_string().into_bytes()
}

/// Name of a part as the script knows it, and its arguments.
fn part_words(
    part: &Part,
    (old, new): (bool, bool),
    expiry: i64,
    back: bool,
) -> Result<(&'static str, Vec<Vec<u8>>), ApiError> {
    Ok(match part {
        Part::String => ("string", Vec::new()),
        Part::Field(name) => ("field", vec![name.bytes()?, word(expiry)]),
        Part::Member(name) => ("member", vec![name.bytes()?]),
        Part::Score(name) => ("score", vec![name.bytes()?]),
        Part::Entry(id) => ("entry", vec![word(id)]),
        Part::Element { index, before, after, length } => {
            // The length when the list has the value that is looked for.
            let length = match (back, old, new) {
                (true, true, false) => length.saturating_sub(1),
                (true, false, true) => length + 1,
                _ => *length,
            };
            // A value that no list has stands for the place while it is found.
            let hole = format!("perfdeck-{:032x}", rand::random::<u128>());
            let words = vec![word(index), marked(before.as_ref())?, marked(after.as_ref())?, word(length), word(hole)];
            ("element", words)
        }
    })
}

struct Runner<'a> {
    servers: Servers<'a>,
    plan: &'a EditPlan,
    key: Vec<u8>,
}

/// What a script answered: what there was before, and which of the two it is.
struct Found {
    state: EditState,
    done: bool,
    now: Option<Vec<u8>>,
}

fn found(reply: &Value, back: bool) -> Result<Found, ApiError> {
    let [word, now] = elements(reply) else { return Err(ApiError::internal("The script answered something else")) };
    let word = text(word).unwrap_or_default();
    let seen = state(&word);
    let state = match (back, seen) {
        (true, EditState::AsOpened) => EditState::AsWritten,
        (true, EditState::AsWritten) => EditState::AsOpened,
        (_, other) => other,
    };
    let now = bytes(now).and_then(|b| b.strip_prefix(b"+")).map(<[u8]>::to_vec);
    Ok(Found { state, done: word == "done", now })
}

impl Runner<'_> {
    async fn value(&mut self, go: Go) -> Result<Found, ApiError> {
        let Step::Value { part, old, new, expiry } = &self.plan.step else {
            return Err(ApiError::internal("This edit is none of a value"));
        };
        let back = go == Go::Back;
        let (part, more) = part_words(part, (old.is_some(), new.is_some()), *expiry, back)?;
        let (from, to) = if back { (new, old) } else { (old, new) };
        let mut arguments = vec![
            word(part),
            go.word(),
            marked(from.as_ref())?,
            marked(to.as_ref())?,
            word(if back { self.plan.expires } else { -1 }),
            word(LONGEST),
        ];
        arguments.extend(more);
        match self.servers.script(&VALUE, &[&self.key], &arguments).await {
            Ok(reply) => found(&reply, back),
            Err(error) if matches!(error.code, ErrorCode::Privilege | ErrorCode::Unsupported) && part == "string" => {
                self.string_without_scripts(go, from.as_ref(), to.as_ref(), error).await
            }
            Err(error) => Err(error),
        }
    }

    /// A string where scripts are not allowed: the server's own comparison, where it has one.
    async fn string_without_scripts(
        &mut self,
        go: Go,
        from: Option<&CacheBytes>,
        to: Option<&CacheBytes>,
        refused: ApiError,
    ) -> Result<Found, ApiError> {
        let (Some(from), Some(to)) = (from, to) else { return Err(refused) };
        let (from, to, back) = (from.bytes()?, to.bytes()?, go == Go::Back);
        let mut length = redis::cmd("STRLEN");
        length.arg(&self.key);
        if number(&self.servers.one(&self.key, &length).await?).unwrap_or(0) > LONGEST as i64 {
            return Ok(Found { state: EditState::Changed, done: false, now: None });
        }
        if go != Go::Look {
            let mut set = redis::cmd("SET");
            set.arg(&self.key).arg(&to).arg("IFEQ").arg(&from).arg("KEEPTTL");
            let (_, mut replies) = self.servers.about(&self.key, std::slice::from_ref(&set)).await?;
            match replies.pop() {
                Some(Ok(Value::Nil)) => {}
                Some(Ok(_)) => return Ok(Found { state: EditState::AsOpened, done: true, now: Some(from) }),
                _ => return Err(refused),
            }
        }
        let mut get = redis::cmd("GET");
        get.arg(&self.key);
        let now = bytes(&self.servers.one(&self.key, &get).await?).map(<[u8]>::to_vec);
        let state = match &now {
            Some(now) if *now == from && !back || *now == to && back => EditState::AsOpened,
            Some(now) if *now == to && !back || *now == from && back => EditState::AsWritten,
            _ => EditState::Changed,
        };
        Ok(Found { state, done: false, now })
    }

    async fn rename_field(&mut self, go: Go) -> Result<Found, ApiError> {
        let Step::RenameField { from, to, value } = &self.plan.step else {
            return Err(ApiError::internal("This edit is none of a field's name"));
        };
        let back = go == Go::Back;
        let (from, to) = if back { (to, from) } else { (from, to) };
        let value = marked(Some(value))?;
        let arguments =
            [word("name"), go.word(), value.clone(), value, word(-1), word(LONGEST), from.bytes()?, to.bytes()?];
        let mut found = found(&self.servers.script(&VALUE, &[&self.key], &arguments).await?, back)?;
        found.now = None;
        Ok(found)
    }

    async fn expiry(&mut self, go: Go, old: Expiry, new: Expiry) -> Result<Found, ApiError> {
        let back = go == Go::Back;
        if let (true, Expiry::At(ms)) = (back, old)
            && ms as f64 <= now_ms()
        {
            return Err(ApiError::new(ErrorCode::Unsupported, "By its former expiry the key would be gone by now")
                .hint("Remove it, or leave it as it is"));
        }
        let (from, to) = if back { (new, old) } else { (old, new) };
        let arguments = [go.word(), word(from.text()), word(to.text())];
        let reply = self.servers.script(&EXPIRY, &[&self.key], &arguments).await?;
        let mut all = found(&reply, back)?;
        match (go, elements(&reply).get(1).and_then(text).as_deref()) {
            // It did what it was to do.
            (Go::Look, Some("expired")) => return Ok(Found { state: EditState::AsWritten, done: false, now: None }),
            (Go::Back, Some("expired")) => {
                return Err(ApiError::new(
                    ErrorCode::Unsupported,
                    "The key expired, as this edit asked for: no snapshot of it was taken, so nothing brings it back",
                )
                .hint("It comes back as it is asked for, where its source has it"));
            }
            (Go::Do | Go::Back, Some("expired" | "gone")) => return Err(gone()),
            _ => {}
        }
        all.now = elements(&reply).get(1).and_then(bytes).map(<[u8]>::to_vec);
        Ok(all)
    }

    async fn rename(&mut self, go: Go, to: &CacheBytes) -> Result<Found, ApiError> {
        let (back, to) = (go == Go::Back, to.bytes()?);
        let (from, to) = if back { (to.as_slice(), self.key.as_slice()) } else { (self.key.as_slice(), to.as_slice()) };
        let reply = self.servers.script(&RENAME, &[from, to], &[go.word()]).await?;
        found(&reply, back)
    }

    async fn delete(&mut self, go: Go) -> Result<Found, ApiError> {
        let Step::Delete { kind, length, snapshot, .. } = &self.plan.step else {
            return Err(ApiError::internal("This edit removes no key"));
        };
        let digest = match snapshot {
            Some(snapshot) => sha1_smol::Sha1::from(snapshot.dump.bytes()?).digest().to_string(),
            None => String::new(),
        };
        let arguments = [
            go.word(),
            word(kind),
            word(digest),
            word(key_length_command(kind).unwrap_or_default()),
            word(length),
            word(self.plan.expires),
            word(SNAPSHOT),
        ];
        found(&self.servers.script(&DELETE, &[&self.key], &arguments).await?, false)
    }

    /// Restores a key that was removed.
    async fn restore(&mut self) -> Result<(), ApiError> {
        let Step::Delete { snapshot: Some(snapshot), .. } = &self.plan.step else {
            return Err(ApiError::new(ErrorCode::Unsupported, "There is no snapshot of this key"));
        };
        let expires = self.plan.expires;
        if expires >= 0 && expires as f64 <= now_ms() {
            return Err(ApiError::new(
                ErrorCode::Unsupported,
                "The key would have expired by now, so it is not restored",
            ));
        }
        let mut restore: Cmd = redis::cmd("RESTORE");
        restore.arg(&self.key).arg(expires.max(0)).arg(snapshot.dump.bytes()?).arg("ABSTTL");
        if let Some(frequency) = snapshot.frequency {
            restore.arg("FREQ").arg(frequency);
        } else if let Some(idle) = snapshot.idle_s {
            restore.arg("IDLETIME").arg(idle);
        }
        let (host, mut replies) = self.servers.about(&self.key, std::slice::from_ref(&restore)).await?;
        match replies.pop() {
            Some(Err(e)) if is(&e, "BUSYKEY") => Err(changed()),
            Some(Err(e)) => Err(self.servers.refused(&host, &restore, &e)),
            _ => Ok(()),
        }
    }

    async fn go(&mut self, go: Go) -> Result<Found, ApiError> {
        match &self.plan.step {
            Step::Value { .. } => self.value(go).await,
            Step::RenameField { .. } => self.rename_field(go).await,
            Step::Expiry { old, new } => self.expiry(go, *old, *new).await,
            Step::Rename { to } => {
                let to = to.clone();
                self.rename(go, &to).await
            }
            Step::Delete { .. } => self.delete(go).await,
        }
    }
}

async fn runner<'a>(
    target: &'a CacheTarget,
    password: Option<&'a Sensitive>,
    plan: &'a EditPlan,
    purpose: Purpose,
) -> Result<Runner<'a>, ApiError> {
    let servers = Servers::to(target, password, purpose).await?;
    Ok(Runner { servers, plan, key: plan.key.bytes()? })
}

/// What the server has of an edit: which of the two values, and the present one. Alters nothing.
///
/// # Errors
/// When the server cannot be asked.
pub async fn look(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    plan: &EditPlan,
) -> Result<(EditState, Option<CacheBytes>), ApiError> {
    let found = runner(target, password, plan, Purpose::Keys).await?.go(Go::Look).await?;
    Ok((found.state, found.now.map(|now| CacheBytes::new(&now))))
}

/// Writes an edit, if the server still has what was seen.
///
/// # Errors
/// [`ErrorCode::Conflict`] when it has something else: nothing is written then. When the server refuses it.
pub async fn apply(target: &CacheTarget, password: Option<&Sensitive>, plan: &EditPlan) -> Result<(), ApiError> {
    let found = runner(target, password, plan, Purpose::Change).await?.go(Go::Do).await?;
    if found.done { Ok(()) } else { Err(changed()) }
}

/// Takes an edit back, if the server still has what it wrote.
///
/// # Errors
/// As [`apply`]; [`ErrorCode::Unsupported`] for what cannot be taken back.
pub async fn undo(target: &CacheTarget, password: Option<&Sensitive>, plan: &EditPlan) -> Result<(), ApiError> {
    if !plan.undoes() {
        return Err(ApiError::new(ErrorCode::Unsupported, "This edit cannot be undone"));
    }
    let mut runner = runner(target, password, plan, Purpose::Change).await?;
    if matches!(plan.step, Step::Delete { .. }) {
        return runner.restore().await;
    }
    let found = runner.go(Go::Back).await?;
    if found.done { Ok(()) } else { Err(changed()) }
}
