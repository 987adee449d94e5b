//! What holds for every text.
use perfdeck_sqltext::{Dialect, Kind, only_reads, parameters, pieces, statements, tokens, without_literals};
use proptest::prelude::*;

/// Texts with what matters in SQL more often than chance would have it.
fn sql() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("'"),
        Just("\""),
        Just("`"),
        Just("$$"),
        Just("$t$"),
        Just("$1"),
        Just("?"),
        Just("/*"),
        Just("*/"),
        Just("/*!"),
        Just("--"),
        Just("-- "),
        Just("#"),
        Just("\n"),
        Just(";"),
        Just("\\"),
        Just("E'"),
        Just("U&'"),
        Just("("),
        Just(")"),
        Just("["),
        Just("]"),
        Just("begin "),
        Just("end "),
        Just("create trigger "),
        Just("case "),
        Just("select "),
        Just("1.5e-3"),
        Just("ü"),
        Just("😀"),
        Just(" "),
        Just("x"),
        Just(":a"),
        Just("\u{feff}"),
    ];
    prop_oneof![prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat()), any::<String>(),]
}

proptest! {
    #[test]
    fn tokens_are_the_whole_text(text in sql()) {
        for dialect in Dialect::ALL {
            let mut at = 0;
            for token in tokens(&text, dialect) {
                prop_assert_eq!(token.start, at, "no byte is left out");
                prop_assert!(token.end > token.start, "always forward");
                prop_assert!(text.is_char_boundary(token.end), "never inside a character");
                at = token.end;
            }
            prop_assert_eq!(at, text.len());
        }
    }

    #[test]
    fn pieces_and_separators_are_the_whole_text(text in sql()) {
        for dialect in Dialect::ALL {
            let parts: Vec<&str> = pieces(&text, dialect).into_iter().map(|range| &text[range]).collect();
            prop_assert_eq!(parts.join(";"), text.clone());
        }
    }

    #[test]
    fn a_statement_alone_is_that_statement_again(text in sql()) {
        for dialect in Dialect::ALL {
            let Ok(all) = statements(&text, dialect) else { continue };
            for statement in all {
                // On a line of its own: a byte-order mark at the very beginning would be the file's.
                let own = format!("\n{}", statement.text);
                let again = statements(&own, dialect).expect("what was split can be split");
                prop_assert_eq!(again.len(), 1, "{:?}", statement.text);
                prop_assert_eq!(again[0].text, statement.text);
            }
        }
    }

    #[test]
    fn nothing_panics(text in sql()) {
        for dialect in Dialect::ALL {
            let _ = (only_reads(&text, Some(dialect)), parameters(&text, dialect));
            let shown = without_literals(&text, dialect);
            prop_assert!(shown.len() <= 2_010, "{} bytes", shown.len());
        }
    }

    #[test]
    fn a_secret_in_a_string_is_never_shown(before in sql(), secret in "[a-z]{4}SECRET[a-z]{4}") {
        for dialect in Dialect::ALL {
            // Only where the text before leaves no quote open and hides nothing.
            if tokens(&before, dialect).iter().any(|t| !t.closed || t.unclear || t.kind == Kind::ClientCommand) {
                continue;
            }
            let text = format!("{before}\n, '{secret}'");
            let shown = without_literals(&text, dialect);
            prop_assert!(!shown.contains("SECRET"), "{} of {}", shown, text);
        }
    }
}
