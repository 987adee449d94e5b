//! Statements as they are stored: without their literals.
use super::MASK;

/// A statement with its texts and numbers masked; comments go. What stays are single digits (`SELECT 1`, `1 = 1`) and the
/// short numbers after `LIMIT`, `OFFSET` and `FETCH FIRST`, which say how much and not what. Where servers disagree on
/// where a text ends, everything after its beginning is masked.
///
/// It knows no dialect, so it masks what is a text in any of them. A double-quoted text is a name in most, and stays where
/// it reads as one.
pub fn statement(sql: &str) -> String {
    let chars: Vec<char> = sql.chars().collect();
    let mut out = String::with_capacity(sql.len());
    let mut i = 0;
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    while let Some(&c) = chars.get(i) {
        let next = chars.get(i + 1).copied();
        match c {
            '\'' | '"' | '`' => {
                let Some(end) = after_quoted(&chars, i, c) else {
                    out.push_str(&format!("{c}{MASK}"));
                    return out;
                };
                let inner: String = chars[i + 1..(end - 1).max(i + 1)].iter().collect();
                let name =
                    c != '\'' && inner.chars().count() <= 64 && inner.chars().all(|c| word(c) || "-. ".contains(c));
                let harmless = inner.is_empty() || inner == MASK || (name && (c == '`' || super::is_plain(&inner)));
                out.push(c);
                out.push_str(if harmless { &inner } else { MASK });
                out.push(c);
                i = end;
            }
            '-' if next == Some('-') => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            '#' if !matches!(next, Some('>' | '-' | '#' | '=')) => {
                i += chars[i..].iter().take_while(|c| **c != '\n').count();
            }
            '/' if next == Some('*') => {
                let end = (i + 2..chars.len()).find(|at| chars[*at] == '*' && chars.get(at + 1) == Some(&'/'));
                i = end.map_or(chars.len(), |end| end + 2);
                out.push(' ');
            }
            '$' if !out.ends_with(word) && next.is_some_and(|n| n == '$' || n.is_alphabetic() || n == '_') => {
                let end = (i + 1..chars.len()).find(|at| !(chars[*at].is_alphanumeric() || chars[*at] == '_'));
                match end.filter(|end| chars[*end] == '$') {
                    Some(end) => {
                        let tag = &chars[i..=end];
                        let close = chars[end + 1..].windows(tag.len()).position(|w| w == tag);
                        i = close.map_or(chars.len(), |at| end + 1 + at + tag.len());
                        out.push_str(&format!("$${MASK}$$"));
                    }
                    None => {
                        out.push(c);
                        i += 1;
                    }
                }
            }
            c if c.is_ascii_digit() && !out.ends_with(word) => {
                let end = (i..chars.len()).find(|at| !(word(chars[*at]) || chars[*at] == '.')).unwrap_or(chars.len());
                let number: String = chars[i..end].iter().collect();
                let digits = number.chars().all(|c| c.is_ascii_digit());
                // The digits on both sides of a point are one number.
                let single = number.len() == 1 && !out.ends_with('.');
                let harmless = digits && (single || number.len() <= 6 && says_how_many(&out));
                out.push_str(if harmless { &number } else { MASK });
                i = end;
            }
            c => {
                out.push(c);
                i += 1;
            }
        }
    }
    out
}

/// Whether a number at the end of this text is one of rows.
fn says_how_many(before: &str) -> bool {
    let last = before.trim_end().rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    before.ends_with(char::is_whitespace)
        && ["limit", "offset", "first", "next", "top"].iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// Index after the quoted text that begins at `start`; a doubled quote stays inside. `None` when it does not end, or when a
/// backslash makes it unclear where.
fn after_quoted(chars: &[char], start: usize, quote: char) -> Option<usize> {
    let mut i = start + 1;
    while i < chars.len() {
        if chars[i] == '\\' && quote != '`' && matches!(chars.get(i + 1), Some('\'' | '"' | '\\')) {
            return None;
        }
        if chars[i] == quote {
            if chars.get(i + 1) == Some(&quote) {
                i += 1;
            } else {
                return Some(i + 1);
            }
        }
        i += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_lose_their_literals_and_keep_their_names() {
        for (sql, want) in [
            ("update u set pw='SECRET' where id=$1", "update u set pw='•••' where id=$1"),
            ("select 'it''s SECRET', 42, 4111111111111111", "select '•••', •••, •••"),
            ("select -771199, 998877, 12345, 80, 1.25, .75, 1e5", "select -•••, •••, •••, •••, •••, .•••, •••"),
            (
                "select 1 from t where 1 = 1 and id=7 limit 100 OFFSET 2000",
                "select 1 from t where 1 = 1 and id=7 limit 100 OFFSET 2000",
            ),
            ("select a from t limit 4111111111111111", "select a from t limit •••"),
            ("select t2.a12, $12, :p3, ?4 from t2", "select t2.a12, $12, :p3, ?4 from t2"),
            ("select \"Name\", `b c`, \"SECRET@x\"", "select \"Name\", `b c`, \"•••\""),
            ("do $x$ SECRET $x$; select 1 -- SECRET", "do $$•••$$; select 1 "),
            ("select /* SECRET */ 1 # SECRET", "select   1 "),
            (r"select E'a\'SECRET', 'b'", "select E'•••"),
            ("select 'cut SECRET", "select '•••"),
            ("select data #> '{SECRET}' from t where a = ?", "select data #> '•••' from t where a = ?"),
            ("select 0xDEADBEEF, 1.5, t1.a", "select •••, •••, t1.a"),
        ] {
            assert_eq!(statement(sql), want);
            assert_eq!(statement(want), statement(want), "stable");
        }
    }
}
