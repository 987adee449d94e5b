//! Files of feeds.
use std::collections::BTreeMap;

use crate::rows::*;
use proptest::prelude::*;

fn all(rows: &Rows) -> Vec<Vec<&str>> {
    (0..rows.len()).map(|r| (0..rows.columns().len()).map(|c| rows.cell(r, c).expect("a cell")).collect()).collect()
}

#[test]
fn csv_is_read_as_rfc_4180_says() {
    let rows = Rows::csv("\u{feff}id,full name\r\n1,\"a, \"\"b\"\"\nc\"\r\n\n2,\n".as_bytes()).expect("rows");
    assert_eq!(rows.columns(), ["id", "full_name"], "a name that a template cannot write is changed");
    assert_eq!(all(&rows), [["1", "a, \"b\"\nc"], ["2", ""]], "quotes, commas, line ends and empty fields");
    assert_eq!(rows.cell(2, 0), None, "there is no third row");
    assert_eq!(rows.cell(0, 2), None, "nor a third column");
    assert_eq!(all(&Rows::csv(b"a\nx\r").expect("rows")), [["x"]], "a last line may end in a CR");
}

#[test]
fn mistakes_in_csv_name_their_line() {
    for (text, message) in [
        ("", "line 1: no rows below a header"),
        ("a,b\n", "line 2: no rows below a header"),
        ("a,b\n1,2\n3\n", "line 3: 1 fields where the header has 2"),
        ("a\n\"x\ny\"\n1,2\n", "line 4: more fields than the header's 1"),
        ("a,a\n1,2\n", "line 1: column 2 has the name of an earlier one"),
        ("a,\n1,2\n", "line 1: a column without a name"),
        ("a\n1\n\"x\n\n", "line 3: a quote that is not closed"),
        ("a\nx\"y\n", "line 2: a quote within a field; quote the whole field and write it twice"),
        ("a\n\"x\"y\n", "line 2: text after a closing quote"),
        ("a\n1\n\0\n", "line 3: a NUL byte; this is no text"),
    ] {
        assert_eq!(Rows::csv(text.as_bytes()).expect_err(text).to_string(), message, "{text:?} says where");
    }
    let error = Rows::csv(b"a\n\xff\n").expect_err("Latin-1").to_string();
    assert_eq!(error, "line 2: not UTF-8; convert the file", "bytes that are no text");
}

#[test]
fn json_lines_are_flattened() {
    let text = "{\"id\":1,\"u\":{\"n\":\"x\"},\"l\":[1]}\n\n{\"l\":[],\"id\":null,\"u\":{\"n\":\"y\",\"m\":1}}\n";
    let rows = Rows::jsonl(text.as_bytes()).expect("rows");
    assert_eq!(rows.columns(), ["id", "l", "u.n"], "the first line names the columns");
    assert_eq!(all(&rows), [["1", "[1]", "x"], ["", "[]", "y"]], "null is empty, further fields are left out");
    for (text, message) in [
        ("\n", "line 1: no rows"),
        ("{\"a\":1}\n[]\n", "line 2: no JSON object"),
        ("{\"a\":1}\n\n{\"b\":1}\n", "line 3: field 1 of the first line is missing"),
        ("{\"a\":\n", "line 1: no JSON at column 5"),
    ] {
        assert_eq!(Rows::jsonl(text.as_bytes()).expect_err(text).to_string(), message, "{text:?} says where");
    }
}

#[test]
fn hostile_files_end_in_errors() {
    let deep = "[".repeat(1_000_000);
    assert!(Rows::jsonl(deep.as_bytes()).is_err(), "nesting does not reach the stack");
    let wide = "a,".repeat(5_000_000);
    assert!(Rows::csv(wide.as_bytes()).is_err(), "nor does a header of millions of columns fill memory");
    let many = format!("a\n{}", "1\n".repeat(MAX_ROWS + 1));
    let error = Rows::csv(many.as_bytes()).expect_err("too many").to_string();
    assert!(error.contains("more than 1000000 rows"), "rows are bounded: {error}");
}

#[test]
fn a_folder_keeps_to_itself() {
    let folder = Folder(std::env::temp_dir());
    for name in ["", "../etc/passwd", "/etc/passwd", "a/../../b", "x\0y", "."] {
        assert!(folder.read(name, 10).is_err(), "{name:?} is not read");
    }
    let files = BTreeMap::from([("a".to_owned(), b"12345".to_vec())]);
    assert_eq!(files.read("a", 5), Ok(b"12345".to_vec()), "as large as is allowed");
    assert!(files.read("a", 4).is_err() && files.read("b", 4).is_err(), "too large, or missing");
}

proptest! {
    #[test]
    fn csv_gives_back_what_was_quoted(cells in prop::collection::vec("[^\\x00]{0,12}", 3..30)) {
        let cells = &cells[..cells.len() / 3 * 3];
        let quote = |t: &String| format!("\"{}\"", t.replace('"', "\"\""));
        let lines: Vec<String> = cells.chunks(3).map(|r| r.iter().map(quote).collect::<Vec<_>>().join(",")).collect();
        let rows = Rows::csv(format!("a,b,c\n{}\n", lines.join("\r\n")).as_bytes()).expect("rows");
        let expected: Vec<Vec<&str>> = cells.chunks(3).map(|r| r.iter().map(String::as_str).collect()).collect();
        prop_assert_eq!(all(&rows), expected, "nothing is lost in quotes");
    }

    #[test]
    fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(prop::sample::select(b"a1,\"\r\n\xff{}: ".to_vec()), 0..60)) {
        let _ = Rows::csv(&bytes);
        let _ = Rows::jsonl(&bytes);
    }
}
