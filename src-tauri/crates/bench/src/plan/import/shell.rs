//! Words of a POSIX shell command, enough for commands that people copy.
use std::collections::BTreeSet;

use super::Error;

/// Words of the first command, and what was met on the way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) words: Vec<String>,
    /// Shell variables; they stand as `{{env:NAME}}` in the words.
    pub(super) variables: BTreeSet<String>,
    /// Whether something follows the first command, such as a pipe.
    pub(super) more: bool,
}

fn unsupported<T>(message: &str, hint: &str) -> Result<T, Error> {
    Err(Error::Unsupported { message: message.to_owned(), hint: hint.to_owned() })
}

/// Splits a text into the words of its first command.
pub(super) fn words(text: &str) -> Result<Command, Error> {
    let mut out = Command::default();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    let open = || Error::Malformed { what: "command", message: "a quote is not closed".into() };
    while let Some(c) = chars.next() {
        match c {
            '\0' => return Err(Error::Malformed { what: "command", message: "it holds a NUL character".into() }),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(open)? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                word.get_or_insert_default();
                loop {
                    let c = chars.next().ok_or_else(open)?;
                    match c {
                        '"' => break,
                        '\\' => match chars.next().ok_or_else(open)? {
                            '\n' => {}
                            c @ ('$' | '`' | '"' | '\\') => word.get_or_insert_default().push(c),
                            c => word.get_or_insert_default().extend(['\\', c]),
                        },
                        '$' => variable(&mut chars, word.get_or_insert_default(), &mut out.variables)?,
                        '`' => {
                            return unsupported("a command in the command cannot be imported", "write out its result");
                        }
                        c => word.get_or_insert_default().push(c),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some('\r') if chars.peek() == Some(&'\n') => drop(chars.next()),
                Some(c) => word.get_or_insert_default().push(c),
            },
            '$' if chars.peek() == Some(&'\'') => {
                chars.next();
                ansi(&mut chars, word.get_or_insert_default())?;
            }
            '$' => variable(&mut chars, word.get_or_insert_default(), &mut out.variables)?,
            '`' => return unsupported("a command in the command cannot be imported", "write out its result"),
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            ' ' | '\t' | '\r' => out.words.extend(word.take()),
            '\n' | ';' | '|' | '&' | '<' | '>' | '(' | ')' => {
                out.words.extend(word.take());
                if !out.words.is_empty() {
                    out.more = chars.any(|c| !c.is_whitespace());
                    return Ok(out);
                }
            }
            '^' if matches!(chars.peek(), Some('\n' | '\r' | '"')) => {
                return unsupported("this is a command of cmd.exe", "copy it as cURL (bash)");
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    out.words.extend(word);
    Ok(out)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// `$NAME` and `${NAME}`.
fn variable(chars: &mut Chars<'_>, word: &mut String, variables: &mut BTreeSet<String>) -> Result<(), Error> {
    let braces = chars.next_if_eq(&'{').is_some();
    if chars.peek() == Some(&'(') {
        return unsupported("a command in the command cannot be imported", "write out its result");
    }
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(c);
    }
    if braces && chars.next() != Some('}') {
        return unsupported("a shell expansion with operators cannot be imported", "write ${NAME} or its value");
    }
    if super::super::values::is_env_name(&name) {
        word.push_str(&format!("{{{{env:{name}}}}}"));
        variables.insert(name);
    } else {
        word.push('$');
        word.push_str(&name);
    }
    Ok(())
}

/// What follows `$'`.
fn ansi(chars: &mut Chars<'_>, word: &mut String) -> Result<(), Error> {
    let open = || Error::Malformed { what: "command", message: "a quote is not closed".into() };
    // Escapes name bytes, and several of them may be one character.
    let mut bytes = Vec::new();
    loop {
        let c = chars.next().ok_or_else(open)?;
        if c == '\'' {
            break;
        }
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let c = chars.next().ok_or_else(open)?;
        let plain = match c {
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'a' => 7,
            'b' => 8,
            'e' | 'E' => 27,
            'f' => 12,
            'v' => 11,
            'x' => u8::try_from(digits(chars, 16, 2)).unwrap_or(b'?'),
            'u' | 'U' => {
                let code = digits(chars, 16, if c == 'u' { 4 } else { 8 });
                let c = char::from_u32(code).unwrap_or('\u{fffd}');
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                continue;
            }
            '0'..='7' => {
                let first = c.to_digit(8).unwrap_or(0);
                let rest = chars.clone().take(2).take_while(|c| c.is_digit(8)).count();
                let value = first * 8u32.pow(u32::try_from(rest).unwrap_or(0)) + digits(chars, 8, rest);
                u8::try_from(value & 0xff).unwrap_or(b'?')
            }
            '\\' | '\'' | '"' | '?' => {
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                continue;
            }
            c => {
                bytes.push(b'\\');
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                continue;
            }
        };
        bytes.push(plain);
    }
    if bytes.contains(&0) {
        return Err(Error::Malformed { what: "command", message: "it holds a NUL character".into() });
    }
    word.push_str(&String::from_utf8_lossy(&bytes));
    Ok(())
}

fn digits(chars: &mut Chars<'_>, radix: u32, most: usize) -> u32 {
    let mut value = 0u32;
    for _ in 0..most {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
        value = value.wrapping_mul(radix).wrapping_add(digit);
        chars.next();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        for (text, expected) in [
            ("a 'b c' \"d\\\"e\" f\\ g", vec!["a", "b c", "d\"e", "f g"]),
            ("a \\\n  b \\\r\n c", vec!["a", "b", "c"]),
            ("a '' \"\"", vec!["a", "", ""]),
            ("a'b'\"c\"d", vec!["abcd"]),
            ("$'a\\'b\\n\\x41\\u00e9\\xc3\\xbc\\101\\\\'", vec!["a'b\nAéüA\\"]),
            ("\"a\\b\" 'a\\b'", vec!["a\\b", "a\\b"]),
            ("# no\n a # b\n", vec!["a"]),
            ("a $TOKEN \"${X}y\" '$Z' $ 5$", vec!["a", "{{env:TOKEN}}", "{{env:X}}y", "$Z", "$", "5$"]),
            ("  \n\n a b | c", vec!["a", "b"]),
            ("a&&b", vec!["a"]),
        ] {
            assert_eq!(words(text).expect(text).words, expected, "{text:?} has these words");
        }
        assert!(words("a | b").expect("read").more && !words("a \n\n").expect("read").more, "what follows is known");
    }

    #[test]
    fn what_cannot_be_known_is_refused() {
        for text in
            ["a 'b", "a \"b", "a $'b", "a $(b)", "a `b`", "a \"`b`\"", "a ${b:-c}", "a ^\n b", "a \0", "$'\\x00'"]
        {
            assert!(words(text).is_err(), "{text:?} is refused");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_words_or_an_error(text in r#"[a \\'"$^\n\r{}()#|;xu0-9é\x00]{0,40}"#) {
            let _ = words(&text);
        }

        #[test]
        fn quoted_words_come_back(list in prop::collection::vec("[^\\x00]{0,12}", 1..5)) {
            let quoted: Vec<String> = list.iter().map(|w| format!("'{}'", w.replace('\'', r"'\''"))).collect();
            prop_assert_eq!(words(&quoted.join(" ")).expect("words").words, list, "single quotes keep everything");
        }
    }
}
