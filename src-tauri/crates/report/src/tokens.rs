//! The colours of the window, from its own tokens: `ui/src/tokens.css` is read here too, so that the two cannot part.
use std::fmt::Write as _;

const TOKENS: &str = include_str!("../../../../ui/src/tokens.css");

/// Names and values of the custom properties in the block of `selector`.
fn block(selector: &str) -> Vec<(&'static str, &'static str)> {
    let Some((_, rest)) = TOKENS.split_once(selector) else { return Vec::new() };
    let Some((_, rest)) = rest.split_once('{') else { return Vec::new() };
    let inside = rest.split_once('}').map_or(rest, |(inside, _)| inside);
    let mut found = Vec::new();
    for part in inside.split(';') {
        // A comment may stand before a declaration.
        let part = part.rsplit_once("*/").map_or(part, |(_, after)| after).trim();
        if let Some((name, value)) = part.strip_prefix("--").and_then(|p| p.split_once(':')) {
            found.push((name.trim(), value.trim()));
        }
    }
    found
}

/// The light theme's.
pub(crate) fn light() -> Vec<(&'static str, &'static str)> {
    block("[data-theme=\"light\"]")
}

/// The dark theme's.
pub(crate) fn dark() -> Vec<(&'static str, &'static str)> {
    block("[data-theme=\"dark\"]")
}

/// Declarations of those tokens that `css` uses.
fn declared(tokens: &[(&str, &str)], used: &[&str]) -> String {
    let mut out = String::new();
    for (name, value) in tokens.iter().filter(|(name, _)| used.contains(name)) {
        let _ = write!(out, "--{name}:{value};");
    }
    out
}

/// Names that a text takes with `var(--name)`.
pub(crate) fn used(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = text
        .split("var(--")
        .skip(1)
        .map(|rest| rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next().unwrap_or(""))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The style sheet's head for a page: the tokens that the page uses, for both themes. Print is light.
pub(crate) fn sheet(page: &str) -> String {
    let used = used(page);
    format!(
        ":root{{color-scheme:light dark;{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        declared(&light(), &used),
        declared(&dark(), &used)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokens_are_read() {
        let (light, dark) = (light(), dark());
        let of = |all: &[(&str, &str)], name: &str| all.iter().find(|t| t.0 == name).map(|t| t.1.to_owned());
        assert_eq!(of(&light, "q99").as_deref(), Some("#0c2b50"), "a tail in light");
        assert_eq!(of(&dark, "q99").as_deref(), Some("#d6e9fb"), "and in dark");
        let names = |all: &[(&'static str, &str)]| all.iter().map(|t| t.0).collect::<Vec<_>>();
        assert_eq!(names(&light), names(&dark), "both themes have the same");
    }

    #[test]
    fn only_what_is_used_is_declared() {
        let sheet = sheet("a{color:var(--text-1)}");
        assert!(sheet.contains("--text-1:#1d1c18;") && sheet.contains("--text-1:#ebe9e5;"), "{sheet}");
        assert!(!sheet.contains("--q99"), "and no other: {sheet}");
    }
}
