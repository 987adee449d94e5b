//! Names that say that a value is a secret, values that are secrets whatever their name, and what is harmless.

/// Parts of names whose values are secrets.
const WORDS: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "api_key",
    "apikey",
    "authorization",
    "authentication",
    "credential",
    "cookie",
    "signature",
    "access_key",
    "private_key",
    "session",
    "jwt",
    "bearer",
    "otp",
    "passcode",
    "nonce",
    "csrf",
    "xsrf",
];

/// Whole names whose values are secrets.
const NAMES: &[&str] = &[
    "key",
    "auth",
    "sid",
    "pass",
    "pw",
    "sig",
    "pin",
    "cvv",
    "cvc",
    "ssn",
    "card_number",
    "iban",
    "code",
    "hmac",
    "hash",
    "salt",
    "tan",
    "sas",
    "se",
    "sslpassword",
];

/// Names that only sound like secrets: counts of words, as language models take them.
const COUNTS: &[&str] = &["max_tokens", "min_tokens", "tokens", "completion_tokens", "prompt_tokens", "total_tokens"];

/// Beginnings of well-known tokens.
const PREFIXES: &[&str] = &[
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "npm_",
    "pypi-",
    "dop_v1_",
    "SG.",
    "hvs.",
];

/// Query parameters that say how much of a list is wanted; their values are numbers.
const NUMBERS: &[&str] = &[
    "page",
    "per_page",
    "page_size",
    "pagesize",
    "page_no",
    "size",
    "limit",
    "offset",
    "skip",
    "start",
    "top",
    "count",
    "first",
    "last",
    "rows",
    "width",
    "height",
    "w",
    "h",
    "depth",
    "days",
    "hours",
    "minutes",
    "year",
    "month",
    "day",
    "v",
    "version",
    "max_tokens",
    "timeout",
];

/// Query parameters that say from when to when.
const DATES: &[&str] = &["day", "date", "from", "to", "since", "until", "start", "end", "start_date", "end_date"];

/// Query parameters that say in which form a list is wanted; their values are words of a program.
const CHOICES: &[&str] = &[
    "sort",
    "sort_by",
    "order",
    "order_by",
    "orderby",
    "dir",
    "direction",
    "format",
    "fields",
    "include",
    "expand",
    "embed",
    "lang",
    "language",
    "locale",
    "view",
    "pretty",
    "verbose",
    "sslmode",
    "mode",
    "alt",
    "type",
    "status",
    "group_by",
];

/// Request headers that hold no secret: how the answer is wanted, not who asks.
const HEADERS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-type",
    "dnt",
    "expect",
    "host",
    "if-modified-since",
    "if-unmodified-since",
    "keep-alive",
    "pragma",
    "priority",
    "range",
    "te",
    "transfer-encoding",
    "upgrade-insecure-requests",
    "user-agent",
    "x-requested-with",
];

/// A name in small letters, its words joined by `_`: `accessToken` and `access-token` are one name.
fn plain_name(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut lower = false;
    for c in name.chars().take(200) {
        if c.is_ascii_uppercase() && lower {
            plain.push('_');
        }
        lower = c.is_ascii_lowercase();
        plain.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    plain.trim_matches('_').to_owned()
}

/// Whether a header, parameter, field or variable of this name holds a secret.
pub fn is_secret_name(name: &str) -> bool {
    let plain = plain_name(name);
    if COUNTS.contains(&plain.as_str()) {
        return false;
    }
    NAMES.contains(&plain.as_str()) || WORDS.iter().any(|word| plain.contains(word))
}

/// Whether a value is a secret whatever its name: a well-known token, a key, an address with a password.
pub fn is_secret_value(value: &str) -> bool {
    let value = value.trim();
    let jwt = value.starts_with("eyJ") && value.matches('.').count() == 2 && value.len() > 30;
    let key = value.contains("-----BEGIN") && value.contains("PRIVATE KEY");
    let word = !value.contains(char::is_whitespace) && value.len() >= 16;
    let login = value.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':') && !user.ends_with(':'))
    });
    jwt || key || login || (word && PREFIXES.iter().any(|p| value.starts_with(p)))
}

/// Whether a text that cannot be taken apart may hold secrets.
pub fn may_hold_secrets(text: &str) -> bool {
    let lower = text.to_ascii_lowercase().replace('-', "_");
    WORDS.iter().any(|word| lower.contains(word))
        || text.split(|c: char| !c.is_ascii_graphic() || "\"'<>=,;".contains(c)).any(is_secret_value)
}

/// Whether a word reads as one that a person wrote into a program: letters, or a number of at most nine digits, or both
/// in this order as in `page2`; several of them joined by `-`, `_`, `.`, `~`, `,` or a space.
///
/// Identifiers that nobody can guess, such as a UUID or a token, are none.
pub fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !is_secret_value(text)
        && text.split(['-', '_', '.', '~', ',', ' ']).filter(|word| !word.is_empty()).all(is_plain_word)
}

fn is_plain_word(word: &str) -> bool {
    let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
    let digits = word.len() - letters;
    if !word.bytes().skip(letters).all(|b| b.is_ascii_digit()) {
        return false;
    }
    let upper = word.bytes().filter(u8::is_ascii_uppercase).count();
    // Words are small, capital or have a few humps; what changes from letter to letter was drawn.
    let written = upper <= 3 || upper == letters;
    match (letters, digits) {
        (0, n) => n <= 9,
        (n, 0) => n <= 20 && written,
        (n, d) => n <= 12 && d <= 3 && written,
    }
}

/// Whether a value can say nothing about anybody: empty, a switch, or a number below a thousand.
pub(super) fn is_small(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "" | "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "none")
        || (value.len() <= 3 && value.bytes().all(|b| b.is_ascii_digit()))
}

/// `2026-03-01`, perhaps with a time of day.
fn is_date(value: &str) -> bool {
    let form: String = value.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    ["9999-99-99", "9999-99-99T99:99", "9999-99-99T99:99:99", "9999-99-99T99:99:99Z"].contains(&form.as_str())
}

/// Whether a query parameter or the field of a form may be shown with its value (both decoded).
///
/// The name must be known (how much of a list is wanted, and in which form) and the value be of its form; a switch or a
/// small number is harmless under every name that is not a secret's. A search text `q` is not: people search for people.
pub fn is_harmless_parameter(name: &str, value: &str) -> bool {
    if is_secret_name(name) || is_secret_value(value) {
        return false;
    }
    let plain = plain_name(name);
    let number = !value.is_empty() && value.len() <= 9 && value.bytes().all(|b| b.is_ascii_digit());
    let choice = value.len() <= 32 && is_plain(value.trim_start_matches(['-', '+']));
    is_small(value)
        || (NUMBERS.contains(&plain.as_str()) && number)
        || (CHOICES.contains(&plain.as_str()) && choice)
        || (DATES.contains(&plain.as_str()) && is_date(value))
}

/// Whether a request header may be shown with its value.
pub fn is_harmless_header(name: &str, value: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let known = HEADERS.contains(&name.as_str()) || name.starts_with("sec-ch-ua") || name.starts_with("sec-fetch-");
    (known && value.len() <= 300 && !is_secret_value(value)) || (!is_secret_name(&name) && is_small(value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name_and_by_value() {
        for name in [
            "Authorization",
            "X-Api-Key",
            "accessToken",
            "client_secret",
            "PHPSESSIONID",
            "key",
            "X-CSRF-Token",
            "sslpassword",
            "sig",
            "X-Amz-Signature",
            "code",
            "tokens",
        ] {
            assert!(is_secret_name(name) || COUNTS.contains(&name), "'{name}' names a secret");
        }
        for name in ["Accept", "keyword", "max_tokens", "passenger", "monkey", "id", "author", "signal"] {
            assert!(!is_secret_name(name), "'{name}' does not");
        }
        assert!(is_secret_value("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"), "a JSON web token");
        assert!(is_secret_value("ghp_0123456789abcdef") && !is_secret_value("sk-short"), "well-known beginnings");
        assert!(is_secret_value("postgres://u:p@h/d") && !is_secret_value("http://h/@a:b"), "a password in an address");
    }

    #[test]
    fn only_what_reads_as_a_word_is_plain() {
        for text in ["users", "42", "page2", "v1", "getUserById", "how-to-start", "index.html", "API", "OAuth2"] {
            assert!(is_plain(text), "'{text}' is a word");
        }
        for text in [
            "",
            "123e4567-e89b-12d3-a456-426614174000",
            "XyZaBcDeFgHiJ",
            "4111111111111111",
            "a@b.example",
            "ghp_0123456789abcdef",
            "hunter2hunter2",
            "p%40ss",
            "bot123456:ABC",
            "ünïcode",
        ] {
            assert!(!is_plain(text), "'{text}' may be somebody's");
        }
    }

    #[test]
    fn parameters_and_headers_are_shown_by_a_short_list() {
        for (name, value) in [
            ("page", "2"),
            ("limit", "1000"),
            ("sort", "-created_at"),
            ("format", "json"),
            ("deep", "true"),
            ("x", ""),
            ("from", "2026-03-01"),
        ] {
            assert!(is_harmless_parameter(name, value), "{name}={value} is shown");
        }
        for (name, value) in [
            ("q", "alice"),
            ("id", "123456"),
            ("page", "two"),
            ("token", "1"),
            ("pin", "123"),
            ("sort", "a@b"),
            ("user", "alice"),
            ("code", "123"),
            ("birthday", "2001-03-01"),
            ("X-Amz-Signature", "0"),
        ] {
            assert!(!is_harmless_parameter(name, value), "{name}={value} is not");
        }
        for (name, value) in [("Accept", "text/html"), ("User-Agent", "me/1.0"), ("DNT", "1"), ("X-Debug", "true")] {
            assert!(is_harmless_header(name, value), "{name}: {value} is shown");
        }
        for (name, value) in [
            ("X-Tenant", "clinic"),
            ("Cookie", "a=1"),
            ("Authorization", "x"),
            ("X-Auth-Token", "1"),
            ("Referer", "http://h/"),
        ] {
            assert!(!is_harmless_header(name, value), "{name}: {value} is not");
        }
    }
}
