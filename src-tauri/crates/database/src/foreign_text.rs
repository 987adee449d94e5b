//! Texts that a PostgreSQL server hands out as somebody else wrote them: statements, names of roles and of databases.
//!
//! All databases of a server share these, each writes them in its own encoding, and no reader converts or checks them: one
//! session of a database in LATIN1 puts bytes into `pg_stat_activity` that are no UTF-8, and a database in SQL_ASCII refuses to
//! send any that are not. So they are asked for as bytes, and what is not UTF-8 is shown as `�`. No function that counts letters
//! may touch them before.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

/// SQL for the text of an expression of type `text`, cut after `bytes` bytes; read it with [`read`].
pub(crate) fn ask(expression: &str, bytes: usize) -> String {
    // The cast reads backslashes as escapes. In other encodings than these two the server checks what it converts.
    format!(
        "encode(substring(CASE WHEN current_setting('server_encoding') IN ('UTF8', 'SQL_ASCII')
            THEN replace({expression}, chr(92), repeat(chr(92), 2))::bytea ELSE convert_to({expression}, 'UTF8') END
            FROM 1 FOR {bytes}), 'base64')"
    )
}

/// A text of [`ask`].
///
/// # Errors
/// When the column is another one.
pub(crate) fn read(row: &PgRow, column: usize) -> Result<Option<String>, sqlx::Error> {
    let Some(text) = row.try_get::<Option<&str>, _>(column)? else { return Ok(None) };
    let lines: Vec<u8> = text.bytes().filter(|b| *b != b'\n').collect();
    let bytes = STANDARD.decode(lines).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Some(whole_letters(&bytes)))
}

/// The bytes as text; a letter that the cut left unfinished is not in it.
fn whole_letters(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let unfinished =
            chunks.peek().is_none() && std::str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none());
        if !chunk.invalid().is_empty() && !unfinished {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf8_is_a_mark_and_a_letter_that_was_cut_is_gone() {
        assert_eq!(whole_letters("é ça €".as_bytes()), "é ça €");
        assert_eq!(whole_letters(b"select '\xe9\xff'"), "select '\u{fffd}\u{fffd}'");
        assert_eq!(whole_letters(&"ab€".as_bytes()[..4]), "ab", "the end of a cut");
        assert_eq!(whole_letters(b"caf\xe9 x"), "caf\u{fffd} x", "LATIN1 before a letter");
        assert_eq!(whole_letters(b""), "");
    }
}
