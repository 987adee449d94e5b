//! `perfctl cache invalidate` and `undo`.
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine::invalidation::{InvalidationPlan, invalidation, plan_invalidation};
use perfdeck_engine::{ById, Engine};
use perfdeck_model::{
    ApiError, CacheBytes, Change, ErrorCode, Invalidation, InvalidationOf, InvalidationSpec, TakenKeys, TemplateOf,
    UndoKept, Unit,
};

use super::args::Invalidate;
use super::keys::named;
use crate::answers::OneInvalidation;
use crate::args::Source;
use crate::changes::args::Altering;
use crate::output::{self, Done, plain, value};
use crate::{FINE, INCOMPLETE, changes, environments};

/// Longest file of names that is read, in bytes.
const LONGEST: u64 = 512 << 20;
/// Names that are shown on a terminal.
const SHOWN: usize = 10;

/// Names of a file, one a line.
fn names(path: &Path, hex: bool, base64: bool) -> Result<Vec<CacheBytes>, ApiError> {
    let fail = |e: std::io::Error| ApiError::bad_request(format!("The file of keys cannot be read: {e}"));
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(LONGEST).read_to_end(&mut bytes).map_err(fail)?;
    } else {
        std::fs::File::open(path).map_err(fail)?.take(LONGEST).read_to_end(&mut bytes).map_err(fail)?;
    }
    if bytes.len() as u64 == LONGEST {
        return Err(ApiError::bad_request("The file of keys is longer than 512 MB").hint("Split it"));
    }
    let lines = bytes.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines = (1..).zip(lines).filter(|(_, line)| !line.is_empty());
    if !hex && !base64 {
        return Ok(lines.map(|(_, line)| CacheBytes::new(line)).collect());
    }
    let name = |(number, line): (u64, &[u8])| {
        // What is no name in that writing is not repeated: it may be one.
        named(&String::from_utf8_lossy(line), hex, base64)
            .map_err(|e| ApiError::bad_request(format!("Line {number} of the file of keys: {}", e.message)))
    };
    lines.map(name).collect()
}

fn spec(asked: &Invalidate) -> Result<InvalidationSpec, ApiError> {
    let of = if let Some(path) = &asked.keys {
        InvalidationOf::Keys(names(path, asked.hex, asked.base64)?)
    } else if let Some(user) = &asked.user {
        InvalidationOf::User(user.clone())
    } else if let Some(tag) = &asked.tag {
        InvalidationOf::Tag(tag.clone())
    } else if let Some((name, value)) = &asked.template {
        InvalidationOf::Template(TemplateOf { name: name.clone(), value: value.clone() })
    } else {
        InvalidationOf::Pattern(CacheBytes::new(asked.pattern.as_deref().unwrap_or_default().as_bytes()))
    };
    Ok(InvalidationSpec {
        of,
        soft_s: asked.soft.map(|time| time.as_secs_f64()),
        oversized: asked.oversized,
        without_undo: asked.without_undo,
        paced: !asked.no_pace,
    })
}

/// Says what it would do, then does it unless it is only to be previewed.
pub(super) async fn invalidate(engine: &Arc<Engine>, asked: &Invalidate, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, asked.env.as_deref(), source).await?;
    let wanted = InvalidationPlan { environment_id: environment.id, spec: spec(asked)? };
    let planned = plan_invalidation(engine.clone(), wanted).await?;
    if asked.preview {
        return show(&planned, json);
    }
    if planned.preview.undo == UndoKept::ThisRun {
        return Err(ApiError::new(ErrorCode::SecretMissing, "It could not be undone once this command ends: nothing here keeps the key of its snapshot, so nothing was removed")
            .hint("Set PERFDECK_PASSPHRASE, so that it is kept in a file of secrets, or give --without-undo")
            .into());
    }
    if !json {
        tell(&planned);
    }
    let agreed = asked.agree.as_deref();
    let change = changes::alter(engine, &planned.detail.change, &asked.allow, agreed, false).await?;
    told(engine, &change, json).await
}

/// Puts back what an invalidation removed.
pub(super) async fn undo(engine: &Arc<Engine>, asked: &Altering, source: &Source, json: bool) -> Done {
    let change = changes::found(engine, &asked.one, source).await?;
    let change = changes::alter(engine, &change, &asked.allow, None, true).await?;
    told(engine, &change, json).await
}

async fn told(engine: &Arc<Engine>, change: &Change, json: bool) -> Done {
    let now = invalidation(engine.clone(), ById { id: change.id.clone() }).await?;
    if json {
        return show(&now, true);
    }
    figures(&now)?;
    Ok(code(&now))
}

/// Whether every key that matched was dealt with.
fn code(of: &Invalidation) -> u8 {
    let refused = of.taken.iter().any(|t| !t.failed.is_empty()) || of.restored.iter().any(|r| !r.failed.is_empty());
    // Undone, nothing is to be gone any more; what is too large was said to stay beforehand.
    let left = of.restored.is_none() && of.taken.as_ref().is_some_and(|t| t.left() > t.oversized_left);
    if refused || left { INCOMPLETE } else { FINE }
}

fn show(of: &Invalidation, json: bool) -> Done {
    if json {
        output::json(&OneInvalidation {
            schema: "perfdeck.invalidation/1",
            undo_id: of.detail.change.undo_statement.is_some().then(|| of.detail.change.id.clone()),
            matched: keys(of).map_or(of.preview.matched.value(), |t| t.matched),
            epochs: of.taken.as_ref().and_then(|t| t.epochs),
            removed: keys(of).map(|t| t.removed),
            invalidation: of.clone(),
        })?;
        return Ok(code(of));
    }
    tell(of);
    figures(of)?;
    Ok(code(of))
}

/// What became of keys; nothing where an epoch was changed.
fn keys(of: &Invalidation) -> Option<&TakenKeys> {
    of.taken.as_ref().filter(|taken| taken.epochs.is_none())
}

/// What a person should know before.
fn tell(of: &Invalidation) {
    let change = &of.detail.change;
    output::note(&plain(&change.title.replace('`', "")));
    for note in &change.notes {
        output::note(&plain(&format!("  {}", note.replace('`', ""))));
    }
    let preview = &of.preview;
    for name in preview.examples.iter().flatten().take(SHOWN) {
        output::note(&format!("  such as {}", plain(&shown(name))));
    }
    for key in preview.oversized_keys.iter().flatten().take(SHOWN) {
        let size = value(key.bytes, Unit::Bytes);
        output::note(&format!("  too large: {} ({}, {size})", plain(&shown(&key.key)), key.kind));
    }
}

fn shown(name: &CacheBytes) -> String {
    match name {
        CacheBytes::Text(text) => text.clone(),
        CacheBytes::Base64(text) => format!("base64:{text}"),
    }
}

fn figures(of: &Invalidation) -> Done<()> {
    let change = &of.detail.change;
    let mut rows = vec![
        vec!["change".to_owned(), change.id.clone()],
        vec!["state".to_owned(), change.state.as_str().to_owned()],
        vec!["statement".to_owned(), change.statement.clone()],
    ];
    rows.extend(change.target_says.as_ref().map(|t| vec!["target says".to_owned(), t.text.clone()]));
    let next = if of.taken.is_none() {
        Some(("next", format!("perfctl changes apply {}", change.id)))
    } else if change.state.is_past() || of.preview.undo == UndoKept::Not {
        None
    } else if change.undo_statement.is_some() && !of.undo_over {
        let until = of.undo_until_ms.map(|ms| format!(" (until {})", output::moment(ms))).unwrap_or_default();
        Some(("undo", format!("perfctl cache undo {}{until}", change.id)))
    } else {
        Some(("undo", "expired: its snapshot was kept for 24 h".to_owned()))
    };
    rows.extend(next.map(|(what, text)| vec![what.to_owned(), text]));
    output::table(&["", ""], &rows)?;
    let figure = |x: Option<f64>, unit| x.map_or_else(|| "–".to_owned(), |x| value(x, unit));
    let figures: Vec<Vec<String>> = change
        .preview
        .iter()
        .map(|row| vec![row.what.clone(), figure(row.predicted, row.unit), figure(row.came, row.unit)])
        .collect();
    output::table(&["", "predicted", "came"], &figures)?;
    Ok(())
}
