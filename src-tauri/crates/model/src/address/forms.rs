//! Forms of other worlds: JDBC's prefix, Go's data source names, libpq's keywords.
use super::hosts::{self, decode_shown};
use super::network::{self, Draft, Form};
use super::parameters::{Pair, pairs};
use super::pasted::{ParseAddressError, Pasted, fail};
use super::{Scheme, sqlite, table};
use crate::Sensitive;

type Read = Result<Pasted, ParseAddressError>;

/// What follows `jdbc:`.
pub(super) fn jdbc(text: &str) -> Read {
    const WRITE: &str =
        "Write jdbc:postgresql://host:5432/database, jdbc:mysql://…, jdbc:mariadb://… or jdbc:sqlite:path";
    let Some((base, rest)) = text.split_once(':') else { return fail("The JDBC address names no engine", WRITE) };
    let base = base.to_ascii_lowercase();
    let scheme = match base.as_str() {
        "postgresql" => Scheme::Postgres,
        "mysql" => Scheme::Mysql,
        "mariadb" => Scheme::Mariadb,
        "sqlite" => {
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            return sqlite::raw(path, query);
        }
        _ => return fail("The JDBC address is of an engine that Perfdeck does not know, or of several hosts", WRITE),
    };
    let form = Form { scheme, base: &base, suffix: "", jdbc: true };
    match rest.strip_prefix("//") {
        Some(rest) => network::read(form, rest),
        None if scheme == Scheme::Postgres => network::read(form, &format!("/{}", rest.trim_start_matches('/'))),
        None => fail("The JDBC address names several hosts or none", WRITE),
    }
}

/// Go's `user:password@tcp(host:port)/database?…`; `None` when the text is not of that form.
pub(super) fn go(text: &str) -> Option<Read> {
    let prefix = text.split("://").next().unwrap_or_default();
    let text = match prefix.to_ascii_lowercase().as_str() {
        // Some write Go's form behind a scheme.
        "mysql" | "mariadb" => text.get(prefix.len() + 3..)?,
        word if word.len() < text.len() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+') => return None,
        _ => text,
    };
    let (open, network) = [("@tcp(", "tcp"), ("@unix(", "unix")]
        .iter()
        .filter_map(|(mark, network)| text.rfind(mark).map(|at| (at, *network)))
        .max()
        .map(|(at, network)| (Some(at), network))
        .or_else(|| text.starts_with("tcp(").then_some((None, "tcp")))
        .or_else(|| text.starts_with("unix(").then_some((None, "unix")))?;
    Some(read_go(text, open, network))
}

fn read_go(text: &str, open: Option<usize>, kind: &str) -> Read {
    const WRITE: &str = "Write user:password@tcp(host:3306)/database";
    let mut draft = Draft::new(Form { scheme: Scheme::Mysql, base: "mysql", suffix: "", jdbc: false });
    if let Some(at) = open {
        // Go decodes neither the user nor the password.
        let (user, password) = text[..at].split_once(':').map_or((&text[..at], ""), |(u, p)| (u, p));
        draft.username = (!user.is_empty()).then(|| user.to_owned());
        draft.password = (!password.is_empty()).then(|| Sensitive::new(password));
    }
    let rest = &text[open.map_or(0, |at| at + 1) + kind.len() + 1..];
    let Some((place, rest)) = rest.split_once(")/") else {
        return fail("The data source name does not close its host with )/", WRITE);
    };
    if kind == "unix" {
        if !place.starts_with('/') {
            return fail("The socket of the data source name is not an absolute path", WRITE);
        }
        draft.hosts.push(hosts::Host { name: place.to_owned(), port: None });
    } else {
        draft.hosts.push(hosts::host(place, 1, Scheme::Mysql)?);
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    draft.path = decode_shown("The database's name", path)?;
    draft.query(&pairs(Scheme::Mysql, query)?)?;
    draft.finish()
}

/// libpq's `host=h dbname=d user=u`; `None` when the text does not begin with one of its keywords.
pub(super) fn keywords(text: &str) -> Option<Read> {
    let (name, _) = text.split_once('=')?;
    let name = name.trim_end();
    let word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    (word && table::parameter(Scheme::Postgres, name).is_some()).then(|| read_keywords(text))
}

fn read_keywords(text: &str) -> Read {
    const WRITE: &str = "Write host=h port=5432 dbname=d user=u; a value with spaces stands in single quotes";
    let mut all = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.peek().is_some_and(|c| c.is_whitespace()) {
            chars.next();
        }
        if chars.peek().is_none() {
            break;
        }
        let at = all.len() + 1;
        let mut name = String::new();
        loop {
            match chars.next() {
                Some('=') => break,
                Some(c) => name.push(c),
                None => return fail(format!("Keyword {at} has no value"), WRITE),
            }
        }
        let name = name.trim().to_owned();
        while chars.peek().is_some_and(|c| c.is_whitespace()) {
            chars.next();
        }
        let quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.next() {
                Some('\\') => value.extend(chars.next()),
                Some('\'') if quoted => break,
                None if quoted => return fail(format!("The value of keyword {at} has no closing quote"), WRITE),
                Some(c) if !quoted && c.is_whitespace() => break,
                None => break,
                Some(c) => value.push(c),
            }
        }
        all.push(Pair { at, name, value });
    }
    let mut draft = Draft::new(Form { scheme: Scheme::Postgres, base: "postgres", suffix: "", jdbc: false });
    draft.query(&all)?;
    draft.finish()
}
