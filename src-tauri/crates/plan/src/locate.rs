//! Where in a plan's text a problem is.
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// The line of a problem, from 1: that of its field, else of its step. `None` when the text has neither.
pub fn line_of(text: &str, problem: &Problem) -> Option<u32> {
    let table = DeTable::parse(text).ok()?;
    let (mut at, root) = match &problem.step {
        None => (None, table.get_ref()),
        Some(name) => {
            let steps = table.get_ref().get("steps")?.get_ref().as_array()?;
            let named = |step: &&toml::Spanned<DeValue<'_>>| {
                step.get_ref().get("name").and_then(|n| n.get_ref().as_str()) == Some(name)
            };
            let step = steps.iter().find(named)?;
            let DeValue::Table(inner) = step.get_ref() else { return None };
            // The step begins where its name is: its own span may be that of the whole list.
            (inner.get_key_value("name").map(|(key, _)| key.span().start), inner)
        }
    };
    at = field(root, &problem.field).or(at);
    let before = text.as_bytes().get(..at?)?;
    u32::try_from(before.iter().filter(|b| **b == b'\n').count() + 1).ok()
}

/// Where a field such as `headers.Accept` or `checks[2]` stands; where its beginning does when it is not there.
fn field(table: &DeTable<'_>, name: &str) -> Option<usize> {
    let (mut table, mut at, mut rest) = (table, None, name);
    while !rest.is_empty() {
        // Names of headers and variables may have dots.
        if let Some((key, _)) = table.get_key_value(rest) {
            return Some(key.span().start);
        }
        let (first, after) = rest.split_once('.').unwrap_or((rest, ""));
        let (key, index) = match first.split_once('[') {
            Some((key, index)) => (key, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (first, None),
        };
        let Some((key, value)) = table.get_key_value(key) else { return at };
        at = Some(key.span().start);
        rest = after;
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::Array(items) => {
                let named = || {
                    let name = first_word(rest);
                    items.iter().find(|i| i.get_ref().get("name").and_then(|n| n.get_ref().as_str()) == Some(name))
                };
                return match index.and_then(|i| items.get(i.checked_sub(1)?)).or_else(named) {
                    Some(item) => Some(item.span().start),
                    None => at,
                };
            }
            _ => return at,
        }
    }
    at
}

fn first_word(rest: &str) -> &str {
    rest.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{from_toml, validate};

    #[test]
    fn problems_have_the_line_of_their_field() {
        let text = "name = \"p\"\ntimeout = \"0s\"\n\n[variables]\ntoken = \"x\"\n\n[[steps]]\nname = \"a\"\nkind = \"http\"\n\
                    path = \"/a b\"\n\n[[steps]]\nname = \"b\"\nkind = \"http\"\npath = \"/{{nothing}}\"\n\
                    checks = [\n  { status = 200 },\n  { status = 99 },\n]\n[steps.headers]\nX-Api-Key = \"k\"\n";
        let problems = validate(&from_toml(text).expect("a plan"), &BTreeMap::new());
        let line = |field: &str| {
            let found = problems.iter().find(|p| p.field == field).unwrap_or_else(|| panic!("{field} in {problems:?}"));
            line_of(text, found)
        };
        assert_eq!(line("timeout"), Some(2), "a field of the plan");
        assert_eq!(line("variables.token"), Some(5), "a variable");
        assert_eq!(line("path"), Some(10), "the field of the step");
        assert_eq!(line("checks[2]"), Some(18), "one of a list");
        assert_eq!(line("headers.X-Api-Key"), Some(21), "a header");
        let second = problems.iter().find(|p| p.step.as_deref() == Some("b") && p.field == "path").expect("unknown");
        assert_eq!(line_of(text, second), Some(15), "of the second step");
        let gone = Problem { field: "nothing".into(), ..second.clone() };
        assert_eq!(line_of(text, &gone), Some(13), "the step where the field is not written");
    }

    #[test]
    fn a_space_in_a_path_is_said() {
        for (path, word) in [
            ("/a b", "a space cannot be sent"),
            ("/a<b", "'<' cannot"),
            ("/a\\tb", "a control"),
            ("/a|b", "write %7C"),
            ("/ü", "write %C3%BC"),
            ("/{id}", "write %7B"),
        ] {
            for key in [
                format!("path = \"{path}\""),
                format!("url = \"http://h{path}\""),
                format!("url = \"http://h{path}/{{{{$seq}}}}\""),
            ] {
                let text = format!("name='p'\n[[steps]]\nname='a'\nkind='http'\n{key}\n");
                let problems = validate(&from_toml(&text).expect("a plan"), &BTreeMap::new());
                let found = problems.iter().find(|p| p.message.contains(word));
                let found = found.unwrap_or_else(|| panic!("{key}: {problems:?}"));
                assert_eq!(line_of(&text, found), Some(5), "with its line");
            }
        }
        let fine = "name='p'\n[[steps]]\nname='a'\nkind='http'\npath='/a-b_c~d/%20;x=1,2:@!$&()*+?q[]=1&r=a/b'\n";
        assert_eq!(validate(&from_toml(fine).expect("a plan"), &BTreeMap::new()), [], "all of a URL's characters");
    }
}
