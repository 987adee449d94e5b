//! Whether what is removed could be put back: asked before anything is.
use perfdeck_model::{ApiError, ErrorCode};
use redis::Value;

use super::nodes::{Call, Nodes, Refused};
use super::survey::{knows, needs};

/// Keys that are tried: one may end in the moment between two questions.
const TRIED: usize = 3;

/// Whether this account may RESTORE, and the server knows how. Some keys that are there are restored from nothing without REPLACE, which a
/// server refuses because they are there, and so alters none.
///
/// # Errors
/// Why it could not: the right that is missing, a command that was renamed, a server that takes no writes.
pub(super) async fn restorable(nodes: &mut Nodes, keys: &[&[u8]]) -> Result<(), ApiError> {
    if !knows(nodes, "RESTORE", true).await {
        return Err(unknown(nodes));
    }
    for key in keys.iter().take(TRIED) {
        let restore = [Call::words(key, &[b"RESTORE", key, b"0", b""])];
        let Some(Err(refused)) = nodes.send_steadily(&restore).await.pop() else { continue };
        if refused.code == "BUSYKEY" {
            return Ok(());
        }
        if refused.code != "ERR" {
            return if stands_in_the_way(&refused) { Err(needs(&refused, nodes.target())) } else { Ok(()) };
        }
        // Of a key that went meanwhile the emptiness is refused; of one that is there nothing but the command is.
        let there = [Call::words(key, &[b"EXISTS", key])];
        if let Some(Ok(Value::Int(1))) = nodes.send(&there).await.pop() {
            return Err(unknown(nodes));
        }
    }
    Ok(())
}

/// Memory and disks may have room again once keys are removed.
fn stands_in_the_way(refused: &Refused) -> bool {
    ["NOPERM", "READONLY"].contains(&refused.code.as_str())
}

fn unknown(nodes: &Nodes) -> ApiError {
    let at = nodes.target().address.short();
    ApiError::new(
        ErrorCode::Unsupported,
        format!("{at} does not know RESTORE, so that nothing that is removed could be put back"),
    )
    .hint("It was renamed there, or a proxy does not hand it on. Without undo it can be done all the same: --without-undo")
}
