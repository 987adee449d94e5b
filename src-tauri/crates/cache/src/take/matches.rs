//! The keys that are meant, page by page. A small walk of its own: whatever else yields pages can take its place.
use perfdeck_model::ApiError;
use redis::Value;

use super::names::Meant;
use super::nodes::Nodes;
use crate::scan::cursor_share;

/// Elements that a server looks at for one page: more gives a third more speed at most, and keeps others waiting for long.
const COUNT: usize = 1_000;
/// Times that a server may be lost before the walk gives up.
const LOSSES: u32 = 5;

/// Names of keys, as one server had them in one go. Some may come again, as SCAN has it.
pub(super) struct Page {
    pub(super) keys: Vec<Vec<u8>>,
    /// Share of the key space that was looked through, 0 to 1.
    pub(super) through: f64,
}

/// Where the walk is.
pub(super) struct Matches {
    meant: Meant,
    /// Servers, and the cursor at each: nothing before its first page.
    left: Vec<usize>,
    cursor: Option<Vec<u8>>,
    all: usize,
    place: usize,
    losses: u32,
}

/// Begins a walk over the keys that are meant.
pub(super) fn matches(nodes: &Nodes, meant: &Meant) -> Matches {
    let mut left = nodes.owners();
    left.reverse();
    Matches { meant: meant.clone(), all: left.len(), left, cursor: None, place: 0, losses: 0 }
}

impl Matches {
    /// The next page; none at the end. After a server was lost its key space is walked anew, so that keys may come twice.
    ///
    /// # Errors
    /// When a server refuses, or stays lost.
    pub(super) async fn next(&mut self, nodes: &mut Nodes) -> Result<Option<Page>, ApiError> {
        if let Meant::Keys(keys) = &self.meant {
            let page: Vec<Vec<u8>> = keys.iter().skip(self.place).take(COUNT).cloned().collect();
            self.place += page.len();
            let through = self.place as f64 / keys.len().max(1) as f64;
            return Ok((!page.is_empty()).then_some(Page { keys: page, through }));
        }
        loop {
            let Some(node) = self.left.last().copied() else { return Ok(None) };
            match self.page(nodes, node).await {
                Ok(page) => return Ok(Some(page)),
                Err(error) if !error.retryable && error.code != perfdeck_model::ErrorCode::Timeout => {
                    return Err(error);
                }
                Err(error) => {
                    self.losses += 1;
                    if self.losses > LOSSES * 10 {
                        return Err(error);
                    }
                    nodes.settle().await;
                    // Who owns what may be otherwise; a cursor of another server means nothing.
                    self.left = nodes.owners();
                    self.left.reverse();
                    (self.all, self.cursor) = (self.left.len(), None);
                }
            }
        }
    }

    async fn page(&mut self, nodes: &mut Nodes, node: usize) -> Result<Page, ApiError> {
        let mut command = redis::cmd("SCAN");
        command.arg(self.cursor.as_deref().unwrap_or(b"0"));
        command.arg("MATCH").arg(self.meant.pattern().unwrap_or(b"*")).arg("COUNT").arg(COUNT);
        let reply = nodes.ask(node, &command).await?;
        let odd = || ApiError::internal("A server answers SCAN in another way than servers do");
        let Value::Array(parts) = reply else { return Err(odd()) };
        let Ok([cursor, keys]) = <[Value; 2]>::try_from(parts) else { return Err(odd()) };
        // Opaque: some servers give more than 63 bits.
        let cursor = match cursor {
            Value::BulkString(bytes) => bytes,
            Value::SimpleString(text) => text.into_bytes(),
            _ => return Err(odd()),
        };
        let Value::Array(keys) = keys else { return Err(odd()) };
        let keys = keys.into_iter().filter_map(|key| match key {
            Value::BulkString(key) => Some(key),
            Value::SimpleString(text) => Some(text.into_bytes()),
            _ => None,
        });
        let keys: Vec<Vec<u8>> = keys.filter(|key| self.meant.is_meant(key)).collect();
        let done = cursor == b"0";
        let at = if done { 0.0 } else { cursor_share(&cursor, false).unwrap_or(0.0) };
        self.cursor = if done { None } else { Some(cursor) };
        if done {
            self.left.pop();
        }
        let past = (self.all - self.left.len()) as f64;
        Ok(Page { keys, through: ((past + at) / self.all.max(1) as f64).min(1.0) })
    }
}
