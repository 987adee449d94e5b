//! Whether what is removed could be put back: asked before anything is.
use perfdeck_model::{ApiError, ErrorCode};
use redis::Value;

use super::nodes::{Call, Nodes, Refused};
use super::survey::{knows, needs};

/// Keys that are tried: one may end in the moment between two questions.
const TRIED: usize = 3;

/// Whether a server that is failing over is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    Steadily,
    Never,
}

/// Whether this account may RESTORE, and the server knows how. Some keys that are there are restored from nothing without REPLACE, which a
/// server refuses because they are there, and so alters none.
///
/// # Errors
/// Why it could not: the right that is missing, a command that was renamed, a server that takes no writes.
pub(super) async fn restorable(nodes: &mut Nodes, keys: &[&[u8]], waits: Waits) -> Result<(), ApiError> {
    if !knows(nodes, "RESTORE", true).await {
        return Err(unknown(nodes));
    }
    for key in keys.iter().take(TRIED) {
        let restore = [Call::words(key, &[b"RESTORE", key, b"0", b""])];
        let answer = match waits {
            Waits::Steadily => nodes.send_steadily(&restore).await,
            Waits::Never => nodes.send(&restore).await,
        };
        let Some(Err(refused)) = answer.into_iter().next() else { continue };
        match refused.code.as_str() {
            "NOPERM" => return Err(not_allowed(&refused, nodes)),
            "READONLY" => return Err(refused.error),
            "ERR" => {}
            // Memory and disks may have room again once keys are removed.
            _ => return Ok(()),
        }
        // Of a key that went meanwhile the emptiness is refused; of one that is there nothing but the command is.
        let there = [Call::words(key, &[b"EXISTS", key])];
        if let Some(Ok(Value::Int(1))) = nodes.send(&there).await.pop() {
            return Err(unknown(nodes));
        }
    }
    Ok(())
}

fn not_allowed(refused: &Refused, nodes: &Nodes) -> ApiError {
    let text = format!("RESTORE is not allowed on {}, so that nothing that is removed could be put back", refused.node);
    ApiError { hint: needs(refused, nodes.target()).hint, ..ApiError::new(ErrorCode::Privilege, text) }
}

fn unknown(nodes: &Nodes) -> ApiError {
    let at = nodes.target().address.short();
    ApiError::new(
        ErrorCode::Unsupported,
        format!("{at} does not know RESTORE, so that nothing that is removed could be put back"),
    )
    .hint("It was renamed there, or a proxy does not hand it on. Without undo it can be done all the same: --without-undo")
}
