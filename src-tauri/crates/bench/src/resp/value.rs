//! A whole RESP value in memory: for the few answers that are read and not only counted.
use super::reply::{Line, line};

/// Deepest nesting.
const MAX_DEPTH: usize = 8;

/// What an answer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Nil,
    Text(Vec<u8>),
    Integer(i64),
    List(Vec<Self>),
    Error(Vec<u8>),
}

impl Value {
    /// The value that `data` begins with, and its length; `None` while it is not complete.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub(super) fn parse(data: &[u8]) -> Result<Option<(Self, usize)>, String> {
        let mut rest = data;
        Ok(parse(&mut rest, 0)?.map(|value| (value, data.len() - rest.len())))
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        if let Self::Integer(n) = self { Some(*n) } else { None }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { std::str::from_utf8(text).ok() } else { None }
    }
}

fn parse(rest: &mut &[u8], depth: usize) -> Result<Option<Value>, String> {
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let (text, after) = rest.split_at(end);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let after = after.get(1..).unwrap_or_default();
    let bulk = |bytes: u64| {
        let bytes = usize::try_from(bytes).ok()?;
        Some((after.get(..bytes)?.to_vec(), after.get(bytes.checked_add(2)?..)?))
    };
    let (value, after) = match line(text)? {
        Line::Nil => (Value::Nil, after),
        Line::Error(words) => (Value::Error(words.to_vec()), after),
        Line::Value => {
            let words = String::from_utf8_lossy(text.get(1..).unwrap_or_default());
            let integer = if text.starts_with(b":") { words.parse().ok() } else { None };
            (integer.map_or_else(|| Value::Text(words.into_owned().into_bytes()), Value::Integer), after)
        }
        Line::Bulk(bytes) => match bulk(bytes) {
            Some((text, after)) => (Value::Text(text), after),
            None => return Ok(None),
        },
        Line::BulkError(bytes) => match bulk(bytes) {
            Some((words, after)) => (Value::Error(words), after),
            None => return Ok(None),
        },
        Line::Items(_) | Line::Aside(_) if depth >= MAX_DEPTH => {
            return Err(format!("an answer that is nested deeper than {MAX_DEPTH}"));
        }
        Line::Items(items) | Line::Aside(items) => {
            // Grows with what is there, not with what is announced.
            let (mut list, mut inner) = (Vec::new(), after);
            for _ in 0..items {
                match parse(&mut inner, depth + 1)? {
                    Some(value) => list.push(value),
                    None => return Ok(None),
                }
            }
            (Value::List(list), inner)
        }
    };
    *rest = after;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_read_whole() {
        let data = b"*3\r\n:7\r\n*2\r\n$2\r\nab\r\n$-1\r\n+OK\r\nrest";
        let (value, used) = Value::parse(data).expect("well-formed").expect("complete");
        assert_eq!(used, data.len() - 4, "what follows is left");
        let items = value.list().expect("a list");
        assert_eq!(items[0].integer(), Some(7), "an integer");
        assert_eq!(items[1], Value::List(vec![Value::Text(b"ab".to_vec()), Value::Nil]), "a list in a list");
        assert_eq!(items[2].text(), Some("OK"), "a simple string");
        for end in 0..used {
            assert_eq!(Value::parse(&data[..end]), Ok(None), "{end} bytes are not all of it");
        }
        assert!(Value::parse("*1\r\n".repeat(9).as_bytes()).is_err(), "nesting has a bound");
        assert_eq!(Value::parse(b"*4294967295\r\n"), Ok(None), "nothing is reserved for what is only announced");
    }

    proptest! {
        #[test]
        fn anything_is_survived(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Some((_, used))) = Value::parse(&data) {
                prop_assert!(used <= data.len(), "never more than there was");
            }
        }
    }
}
