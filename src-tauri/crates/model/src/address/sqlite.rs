//! SQLite: SQLAlchemy's URLs, SQLite's own URIs, and what sqlx and Prisma write.
use super::hosts::decode_shown;
use super::parameters::{Given, pairs};
use super::pasted::{ParseAddressError, Pasted, fail, plain};
use super::{Address, Scheme};

const WRITE: &str = "Write sqlite:/path/to/file.db";

/// Reads what follows the scheme `base`. `sqlite:///x` is relative, as SQLAlchemy means it; `file:///x` is absolute, as
/// SQLite means it.
pub(super) fn read(base: &str, rest: &str) -> Result<Pasted, ParseAddressError> {
    if rest.contains('#') {
        return fail(
            "The SQLite address has a raw #",
            "Percent-encode it as %23, or give the file's path without sqlite:",
        );
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match path.strip_prefix("//") {
        None => path,
        Some(after) if base == "file" => match after.strip_prefix("localhost/") {
            Some(_) => &after["localhost".len()..],
            None if after.starts_with('/') => after,
            None => return fail("The host of a file: address is not this machine", "Write file:///path/to/file.db"),
        },
        Some(after) => after.strip_prefix('/').unwrap_or(after),
    };
    // SQLAlchemy's way to SQLite's own URIs: the file that the inner one names, with the same query.
    if base != "file"
        && let Some(inner) = inner(path, query)?
    {
        return read("file", &inner);
    }
    let path = decode_shown("The file's path", path)?;
    if path.is_empty() || path == ":memory:" || path.starts_with("file:") {
        return fail("The SQLite address names no file; a database in memory belongs to its own process", WRITE);
    }
    let mut address = Address::at(Scheme::Sqlite, Vec::new());
    address.path = path;
    with_query(address, query)
}

/// The URI of SQLite's own within a URL, with its query; refused where `uri=true` does not say that it is one.
fn inner(path: &str, query: &str) -> Result<Option<String>, ParseAddressError> {
    let Some(rest) = path.strip_prefix("file:") else { return Ok(None) };
    let uri = pairs(Scheme::Sqlite, query)?;
    if !uri
        .iter()
        .any(|p| p.name.eq_ignore_ascii_case("uri") && ["1", "true"].contains(&&*p.value.to_ascii_lowercase()))
    {
        return fail(
            "The SQLite address names a file: URI without uri=true, so that it could also be a file of that name",
            "Write file:/path/to/file.db, or add uri=true",
        );
    }
    Ok(Some(if query.is_empty() { rest.to_owned() } else { format!("{rest}?{query}") }))
}

/// Reads a path that is not decoded, and a query.
pub(super) fn raw(path: &str, query: &str) -> Result<Pasted, ParseAddressError> {
    // Java's driver reads SQLite's own URIs too.
    if let Some(rest) = path.strip_prefix("file:") {
        return read("file", &if query.is_empty() { rest.to_owned() } else { format!("{rest}?{query}") });
    }
    if path.is_empty() || path == ":memory:" {
        return fail("The SQLite address names no file; a database in memory belongs to its own process", WRITE);
    }
    let mut address = Address::at(Scheme::Sqlite, Vec::new());
    path.clone_into(&mut address.path);
    with_query(address, query)
}

fn with_query(mut address: Address, query: &str) -> Result<Pasted, ParseAddressError> {
    let mut given = Given::new(Scheme::Sqlite);
    for pair in pairs(Scheme::Sqlite, query)? {
        let Some(p) = given.take(&pair)? else { continue };
        let value = pair.value.to_ascii_lowercase();
        let stored = match p.name {
            "mode" => match value.as_str() {
                "ro" | "rw" | "rwc" => value,
                "memory" => return fail("mode=memory is a database of its own process", WRITE),
                _ => return p.bad("ro, rw or rwc"),
            },
            "immutable" => match value.as_str() {
                "1" | "true" | "on" | "yes" => "1".to_owned(),
                "0" | "false" | "off" | "no" => continue,
                _ => return p.bad("0 or 1"),
            },
            "cache" => match value.as_str() {
                "private" | "shared" => value,
                _ => return p.bad("private or shared"),
            },
            _ => match pair.value.as_str() {
                "" => return p.bad("a name"),
                name if name.chars().any(|c| !c.is_ascii_graphic()) => return p.bad("a name"),
                name => name.to_owned(),
            },
        };
        address.params.insert(p.name.to_owned(), stored);
    }
    Ok(plain(address))
}
