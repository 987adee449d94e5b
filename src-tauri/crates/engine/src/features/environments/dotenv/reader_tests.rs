//! The table of cases that decides: what node's dotenv 17, python-dotenv 1.2 and Ruby's dotenv 3 make of a line.
use super::*;

/// The values of a text, all of them readable.
fn values(text: &str) -> Vec<(String, String)> {
    let variables = read(text, &|_| None).unwrap_or_else(|e| panic!("{text:?}: {e:?}"));
    variables.into_iter().map(|v| (v.name, v.value.unwrap_or_else(|e| panic!("{text:?}: {e:?}")))).collect()
}

fn value(text: &str) -> String {
    values(text).pop().unwrap_or_else(|| panic!("{text:?} has no variable")).1
}

#[test]
fn what_the_reference_parsers_agree_on_is_read_so() {
    for (text, right) in [
        ("A=b", "b"),
        ("A = b", "b"),
        ("  A=b  ", "b"),
        ("A=", ""),
        ("A=\"\"", ""),
        ("A=b c", "b c"),
        ("A=b  c # d", "b  c"),
        ("A=b\t# d", "b"),
        ("A='b c' # d", "b c"),
        ("A=\"b # c\"", "b # c"),
        ("A='b#c'#d", "b#c"),
        ("A=it's", "it's"),
        ("A={\"k\": \"v\"}", "{\"k\": \"v\"}"),
        ("A=b=c==", "b=c=="),
        ("export A=b", "b"),
        ("export\tA=b", "b"),
        ("export   A = 'b'", "b"),
        ("\u{feff}A=b", "b"),
        ("\u{feff}export A=b", "b"),
        ("A=b\r\n", "b"),
        ("X=1\r\nA=\"b\"\r\nY=2\r\nA=b\r\n", "b"),
        ("X=1\rA=b", "b"),
        ("\n\n  # A=c\n\tA=b", "b"),
        ("A.b-c_1=b", "b"),
        ("A=\"b\\nc\"", "b\nc"),
        ("A='b\\nc'", "b\\nc"),
        ("A=\"b\nc\"", "b\nc"),
        ("A='b\r\nc'", "b\nc"),
        ("A=\"-----BEGIN\nx==\n-----END\"\nB=1\nA=b", "b"),
        ("A=\"it's\"", "it's"),
        ("A='say \"b\"'", "say \"b\""),
        ("A=c\nA=b", "b"),
        ("A=b$", "b$"),
        ("A=a$%b", "a$%b"),
        ("A=\" b \"", " b "),
        ("A=\u{e4}\u{1f600}", "\u{e4}\u{1f600}"),
        ("export=b", "b"),
        ("export B\nA=b", "b"),
        ("A=postgres://u:p@h:5432/d?a=b&c=d", "postgres://u:p@h:5432/d?a=b&c=d"),
        ("A='$B'", "$B"),
        // Found in public trackers: nodejs/node 53461 and 51508, python-dotenv 277, dotenvy 11, phpdotenv 588.
        ("FOO= \"BAR\"", "BAR"),
        ("KEY=\"VALUE1\" # or \"VALUE2\" or \"VALUE3\"", "VALUE1"),
        ("KEY=\"VALUE1\" # or 'VALUE2'", "VALUE1"),
        ("a=b  c", "b  c"),
        ("ABC=foo bar", "foo bar"),
        ("APP_NAME = tinat app", "tinat app"),
    ] {
        assert_eq!(value(text), right, "{text:?}");
    }
}

#[test]
fn where_one_of_them_is_the_odd_one_out_the_others_are_followed() {
    for (text, right, who) in [
        ("export = b", "b", "python takes `export` for the shell's word"),
        ("B=1\nA=${B}", "1", "node alone leaves this to dotenv-expand"),
        ("B=1\nA=x${B}y", "x1y", "in the middle"),
        ("B=1\nA=\"x${B}y\"", "x1y", "in double quotes"),
        ("A=${B:-c}", "c", "Ruby alone knows no default"),
        ("A=\"x${B:-}y\"", "xy", "an empty default"),
        ("A=${B:-c/d?e=f}", "c/d?e=f", "a default of several characters"),
        ("B=1\nB=2\nA=${B}", "2", "the last one above"),
        ("B='a b'\nA=${B}-${B}", "a b-a b", "twice"),
    ] {
        assert_eq!(value(text), right, "{text:?}: {who}");
    }
}

#[test]
fn what_is_read_differently_is_a_mistake_of_its_variable_with_its_line() {
    for (text, line, mistake) in [
        ("A=b#c", 1, Mistake::Hash),
        ("A=#c", 1, Mistake::Hash),
        ("\nA=p#w # c", 2, Mistake::Hash),
        ("A=\"b\\\"c\"", 1, Mistake::Backslash),
        ("A=\"b\\\\c\"", 1, Mistake::Backslash),
        ("A=\"b\\'c\"", 1, Mistake::Backslash),
        ("A=`b \"c\" 'd'`", 1, Mistake::Backtick),
        ("A=`${B}`", 1, Mistake::Backtick),
        ("A=`b", 1, Mistake::Backtick),
        ("A=`b` c", 1, Mistake::Backtick),
        ("A= # d", 1, Mistake::OnlyComment),
        ("X=1\nA =\t# d", 2, Mistake::OnlyComment),
        ("A: b", 1, Mistake::Colon),
        ("B=\nA=${B:-c}", 2, Mistake::EmptyReference),
        ("A=\"b\"c", 1, Mistake::AfterQuote),
        ("A=\"b\" c", 1, Mistake::AfterQuote),
        ("A='b''c'", 1, Mistake::AfterQuote),
        ("A=\"a\":\"b\"", 1, Mistake::AfterQuote),
        ("A=\"a\":\"b", 1, Mistake::AfterQuote),
        ("A='I'\"'\"'m'", 1, Mistake::AfterQuote),
        ("A=\"b\\tc\"", 1, Mistake::Backslash),
        ("A=\"b\\xc\"", 1, Mistake::Backslash),
        ("A=\"b\\$c\"", 1, Mistake::Backslash),
        ("A='it\\'s'", 1, Mistake::Backslash),
        ("A='b\\\\c'", 1, Mistake::Backslash),
        ("A=b\\c", 1, Mistake::Backslash),
        ("A=C:\\dir\\", 1, Mistake::Backslash),
        ("X=1\n\nA=$B", 3, Mistake::BareReference),
        ("A=pa$word", 1, Mistake::BareReference),
        ("A=\"pa$1\"", 1, Mistake::BareReference),
        ("A='${B}'", 1, Mistake::QuotedReference),
        ("A=${B}", 1, Mistake::Undefined),
        ("A=${B}\nB=1", 1, Mistake::Undefined),
        ("A=${A}", 1, Mistake::Undefined),
        ("A=${B?x}", 1, Mistake::Reference),
        ("A=${B:?x}", 1, Mistake::Reference),
        ("A=${B:-${C}}", 1, Mistake::Reference),
        ("A=${}", 1, Mistake::Reference),
        ("A=${B", 1, Mistake::Reference),
        ("A=\"x\ny${B}\"", 2, Mistake::Undefined),
        ("A=$(cat x)", 1, Mistake::Command),
        ("B=x#y\nA=${B}", 1, Mistake::Hash),
    ] {
        let variables = read(text, &|_| None).unwrap_or_else(|e| panic!("{text:?}: {e:?}"));
        let found = variables.iter().find(|v| v.name == "A").map(|v| v.value.clone());
        assert_eq!(found, Some(Err(Refused { line, mistake })), "{text:?}");
        let after = read(&format!("{text}\nZ=1"), &|_| None).expect("the file goes on");
        assert_eq!(after.last().map(|v| v.value.clone()), Some(Ok("1".to_owned())), "{text:?} does not swallow a line");
    }
}

#[test]
fn what_makes_the_rest_uncertain_refuses_the_file_with_its_line() {
    for (text, line, mistake) in [
        ("A=\"b", 1, Mistake::NeverClosed),
        ("X=1\nA='b\nB=1\n", 2, Mistake::NeverClosed),
        ("A=\"b\\\"", 1, Mistake::NeverClosed),
        ("A='b\\'", 1, Mistake::NeverClosed),
        ("A=\"b\nB=\"c\"", 1, Mistake::AfterQuote),
        ("A=`b\nc`", 1, Mistake::Backtick),
        ("A=postgres://u:p@h/\nd", 2, Mistake::NotAVariable),
        ("A=b\n   continued here", 2, Mistake::NotAVariable),
        ("A=\n'b'", 2, Mistake::NotAVariable),
        ("just text", 1, Mistake::NotAVariable),
        // nodejs/node 56775 makes keys of these, motdotla/dotenv 1043 takes the quote for the value of A.
        ("      foo\n\n\nbar\nbaz=whatever", 1, Mistake::NotAVariable),
        ("A=\n\n\"hello\nworld\"", 3, Mistake::NotAVariable),
        ("A=1\r\n<<<<<<< HEAD\r\nA=2", 2, Mistake::NotAVariable),
        ("{\n\"A\": \"b\"\n}", 1, Mistake::NotAVariable),
        ("=b", 1, Mistake::NotAVariable),
        ("'A'=b", 1, Mistake::NotAVariable),
        ("export A B", 1, Mistake::NotAVariable),
        ("A:b", 1, Mistake::NotAVariable),
        ("\u{fc}=b", 1, Mistake::NotAVariable),
        ("A=1\nB=\0", 2, Mistake::NotText),
    ] {
        assert_eq!(read(text, &|_| None), Err(Refused { line, mistake }), "{text:?}");
    }
    assert_eq!(text(b"\xff\xfeA\0=\0"), Err(Refused { line: 1, mistake: Mistake::Utf16 }), "as PowerShell writes it");
    assert_eq!(text(b"A=1\r\nB=\xe4\n"), Err(Refused { line: 2, mistake: Mistake::NotText }), "Latin-1");
}

#[test]
fn references_find_the_file_before_the_process() {
    let outside = |name: &str| (name == "HOME_HOST").then(|| "outside".to_owned());
    let read = |text: &str| read(text, &outside).expect("readable").pop().expect("a variable").value;
    assert_eq!(read("A=${HOME_HOST}"), Ok("outside".into()), "the process is asked");
    assert_eq!(read("HOME_HOST=file\nA=${HOME_HOST}"), Ok("file".into()), "after the file");
    assert!(read("A=${NOT_THERE}").is_err(), "and nothing is made up");
}

#[test]
fn no_words_about_a_mistake_hold_text_of_the_file() {
    for mistake in [
        Mistake::NotText,
        Mistake::Utf16,
        Mistake::NotAVariable,
        Mistake::NeverClosed,
        Mistake::AfterQuote,
        Mistake::Backtick,
        Mistake::OnlyComment,
        Mistake::Colon,
        Mistake::EmptyReference,
        Mistake::Hash,
        Mistake::Backslash,
        Mistake::BareReference,
        Mistake::QuotedReference,
        Mistake::Reference,
        Mistake::Undefined,
        Mistake::Command,
    ] {
        let (what, hint) = mistake.words();
        assert!(!what.is_empty() && !hint.is_empty() && !what.ends_with('.'), "{mistake:?} says what and what to do");
    }
}
