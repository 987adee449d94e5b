//! Words of a POSIX shell command, enough for commands that people copy.
use std::collections::BTreeSet;

use super::Error;

/// Words of the first command, and what was met on the way. Words are bytes: `$'\xff'` names one that is no character.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) words: Vec<Vec<u8>>,
    /// Shell variables; they stand as `{{env:NAME}}` in the words.
    pub(super) variables: BTreeSet<String>,
    /// Whether something follows the first command, such as a pipe.
    pub(super) more: bool,
    /// Whether its output or input goes elsewhere.
    pub(super) redirected: bool,
}

fn unsupported<T>(message: &str, hint: &str) -> Result<T, Error> {
    Err(Error::Unsupported { message: message.to_owned(), hint: hint.to_owned() })
}

fn push(word: &mut Option<Vec<u8>>, c: char) {
    word.get_or_insert_default().extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

const COMMAND: (&str, &str) = ("a command in the command cannot be imported", "write out its result");

/// Splits a text into the words of its first command.
pub(super) fn words(text: &str) -> Result<Command, Error> {
    let mut out = Command::default();
    let mut word: Option<Vec<u8>> = None;
    let mut chars = text.chars().peekable();
    let open = || Error::Malformed { what: "command", message: "a quote is not closed".into() };
    while let Some(c) = chars.next() {
        match c {
            '\0' => return Err(Error::Malformed { what: "command", message: "it holds a NUL character".into() }),
            '\'' => {
                word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(open)? {
                        '\'' => break,
                        c => push(&mut word, c),
                    }
                }
            }
            '"' => double(&mut chars, &mut word, &mut out.variables)?,
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some('\r') if chars.peek() == Some(&'\n') => drop(chars.next()),
                Some(c) => push(&mut word, c),
            },
            '$' if chars.peek() == Some(&'\'') => {
                chars.next();
                ansi(&mut chars, word.get_or_insert_default())?;
            }
            // A text that a shell would translate; here it stays.
            '$' if chars.peek() == Some(&'"') => {}
            '$' => variable(&mut chars, word.get_or_insert_default(), &mut out.variables)?,
            '`' => return unsupported(COMMAND.0, COMMAND.1),
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            ' ' | '\t' | '\r' => out.words.extend(word.take()),
            '<' | '>' => {
                // `2>` is the number of a stream and no word.
                let number = word.take().filter(|w| !w.iter().all(u8::is_ascii_digit));
                out.words.extend(number);
                redirection(&mut chars, c)?;
                out.redirected = true;
            }
            '&' if chars.peek() == Some(&'>') => {
                out.words.extend(word.take());
                chars.next();
                redirection(&mut chars, '>')?;
                out.redirected = true;
            }
            '\n' | ';' | '|' | '&' | '(' | ')' => {
                out.words.extend(word.take());
                if !out.words.is_empty() {
                    out.more = chars.any(|c| !c.is_whitespace());
                    return Ok(out);
                }
            }
            '^' if matches!(chars.peek(), Some('\n' | '\r' | '"')) => {
                return unsupported("this is a command of cmd.exe", "copy it as cURL (bash)");
            }
            '{' if is_list(&chars) => {
                return unsupported("the shell makes several words of braces with commas", "quote them");
            }
            c => push(&mut word, c),
        }
    }
    out.words.extend(word);
    Ok(out)
}

/// Whether what follows an open brace that is not quoted is a list, such as `a,b}`.
fn is_list(chars: &Chars<'_>) -> bool {
    let inner: String = chars.clone().take_while(|c| !c.is_whitespace() && !"'\"\\".contains(*c)).collect();
    inner.split_once('}').is_some_and(|(list, _)| !list.contains('{') && (list.contains(',') || list.contains("..")))
}

/// What follows `"`.
fn double(chars: &mut Chars<'_>, word: &mut Option<Vec<u8>>, variables: &mut BTreeSet<String>) -> Result<(), Error> {
    let open = || Error::Malformed { what: "command", message: "a quote is not closed".into() };
    word.get_or_insert_default();
    loop {
        match chars.next().ok_or_else(open)? {
            '"' => return Ok(()),
            '\\' => match chars.next().ok_or_else(open)? {
                '\n' => {}
                c @ ('$' | '`' | '"' | '\\') => push(word, c),
                c => {
                    push(word, '\\');
                    push(word, c);
                }
            },
            '$' => variable(chars, word.get_or_insert_default(), variables)?,
            '`' => return unsupported(COMMAND.0, COMMAND.1),
            c => push(word, c),
        }
    }
}

/// Takes off where a stream goes: what follows `<` or `>`.
fn redirection(chars: &mut Chars<'_>, first: char) -> Result<(), Error> {
    if first == '<' && chars.peek() == Some(&'<') {
        return unsupported("a here-document cannot be imported", "write its text as the option's value");
    }
    if chars.peek() == Some(&'(') {
        return unsupported(COMMAND.0, COMMAND.1);
    }
    while chars.next_if(|c| ">&|".contains(*c)).is_some() {}
    while chars.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
    // The name of the file, which does not matter here.
    let mut quote = None;
    while let Some(c) = chars.peek().copied() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c.is_whitespace() || ";|&<>()".contains(c) => break,
            None => {}
        }
        chars.next();
    }
    Ok(())
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// `$NAME` and `${NAME}`.
fn variable(chars: &mut Chars<'_>, word: &mut Vec<u8>, variables: &mut BTreeSet<String>) -> Result<(), Error> {
    let braces = chars.next_if_eq(&'{').is_some();
    if chars.peek() == Some(&'(') {
        return unsupported(COMMAND.0, COMMAND.1);
    }
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(c);
    }
    if braces && chars.next() != Some('}') {
        return unsupported("a shell expansion with operators cannot be imported", "write ${NAME} or its value");
    }
    if super::super::values::is_env_name(&name) {
        word.extend_from_slice(format!("{{{{env:{name}}}}}").as_bytes());
        variables.insert(name);
    } else {
        word.push(b'$');
        word.extend_from_slice(name.as_bytes());
    }
    Ok(())
}

/// What follows `$'`.
fn ansi(chars: &mut Chars<'_>, word: &mut Vec<u8>) -> Result<(), Error> {
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
            'c' => u8::try_from(u32::from(chars.next().ok_or_else(open)?) & 0x1f).unwrap_or(b'?'),
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
    word.extend_from_slice(&bytes);
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
            ("a $'\\xff' 2>/dev/null >> 'o u' b &>x c", vec!["a", "\u{fffd}", "b", "c"]),
            ("a $\"b\" {c,d", vec!["a", "b", "{c,d"]),
            ("a $TOKEN \"${X}y\" '$Z' $ 5$", vec!["a", "{{env:TOKEN}}", "{{env:X}}y", "$Z", "$", "5$"]),
            ("  \n\n a b | c", vec!["a", "b"]),
            ("a&&b", vec!["a"]),
        ] {
            let found = words(text).expect(text).words;
            let found: Vec<_> = found.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect();
            assert_eq!(found, expected, "{text:?} has these words");
        }
        assert!(words("a | b").expect("read").more && !words("a \n\n").expect("read").more, "what follows is known");
    }

    #[test]
    fn what_cannot_be_known_is_refused() {
        for text in [
            "a 'b",
            "a \"b",
            "a $'b",
            "a $(b)",
            "a `b`",
            "a \"`b`\"",
            "a ${b:-c}",
            "a ^\n b",
            "a \0",
            "$'\\x00'",
            "a {b,c}",
            "a <<E",
            "a <(b)",
        ] {
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
            let found = words(&quoted.join(" ")).expect("words").words;
            let found: Vec<_> = found.into_iter().map(|w| String::from_utf8(w).expect("text")).collect();
            prop_assert_eq!(found, list, "single quotes keep everything");
        }
    }
}
