//! Meaning of every parameter of an address here: honoured, or refused by its name. A parameter is never dropped.
//!
//! The lists hold what the engines' own clients know (libpq, `mariadb`, `redis-cli`, SQLite's URIs) and what the common
//! drivers add (JDBC, Go, SQLAlchemy, Prisma, redis-py). Names are compared without case, `-`, `_` and `.`, because each
//! driver spells them its own way.
mod mysql;
mod postgres;
mod redis;
mod sqlite;

use super::Scheme;

/// Treatment of a parameter by Perfdeck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Applied; the text says to what.
    Honoured(&'static str),
    /// Values, in lower case, that ask for what happens anyway; any other one is refused. The text says why.
    Only(&'static [&'static str], &'static str),
    /// Refused; the text says what to do instead.
    Refused(&'static str),
    /// Secret value, taken out of the address; the text says where it goes.
    Secret(&'static str),
    /// Secret value that Perfdeck cannot use, so that the parameter is refused.
    SecretRefused(&'static str),
}

impl Use {
    /// The word of the table in the documentation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Honoured(_) => "honoured",
            Self::Only(..) => "only",
            Self::Refused(_) | Self::SecretRefused(_) => "refused",
            Self::Secret(_) => "secret",
        }
    }
}

/// One parameter of an engine's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// The name under which it is stored and shown.
    pub name: &'static str,
    /// Other names of the same thing.
    pub others: &'static [&'static str],
    /// Treatment of the parameter by Perfdeck.
    pub used: Use,
}

/// The parameters of a scheme's addresses, in the order of the documentation. Empty where a scheme has none; an HTTP
/// query belongs to the server and has no table.
pub fn parameters(scheme: Scheme) -> &'static [Parameter] {
    match scheme {
        Scheme::Postgres => postgres::PARAMETERS,
        Scheme::Mysql | Scheme::Mariadb => mysql::PARAMETERS,
        Scheme::Sqlite => sqlite::PARAMETERS,
        Scheme::Redis => redis::PARAMETERS,
        Scheme::Memory | Scheme::Http | Scheme::Https | Scheme::Ssh | Scheme::Prometheus => &[],
    }
}

/// The parameter with this name, in any spelling.
pub fn parameter(scheme: Scheme, name: &str) -> Option<&'static Parameter> {
    let wanted = plain(name);
    parameters(scheme).iter().find(|p| std::iter::once(&p.name).chain(p.others).any(|n| plain(n) == wanted))
}

/// A name without case and separators.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).map(|c| c.to_ascii_lowercase()).collect()
}

const fn honoured(name: &'static str, others: &'static [&'static str], what: &'static str) -> Parameter {
    Parameter { name, others, used: Use::Honoured(what) }
}

const fn only(
    name: &'static str,
    others: &'static [&'static str],
    values: &'static [&'static str],
    why: &'static str,
) -> Parameter {
    Parameter { name, others, used: Use::Only(values, why) }
}

const fn refused(name: &'static str, others: &'static [&'static str], why: &'static str) -> Parameter {
    Parameter { name, others, used: Use::Refused(why) }
}

const fn secret(name: &'static str, others: &'static [&'static str], what: &'static str) -> Parameter {
    Parameter { name, others, used: Use::Secret(what) }
}

const fn secret_refused(name: &'static str, others: &'static [&'static str], why: &'static str) -> Parameter {
    Parameter { name, others, used: Use::SecretRefused(why) }
}

/// For what belongs to an application's own pool.
const POOL: &str = "Pool settings are fields of the environment; leave it out";
/// For what only an application's driver does.
const DRIVER: &str = "It is about an application's driver and not about the server; leave it out";
/// For what an application says about a pooler.
const POOLER: &str = "Perfdeck finds out about poolers by itself; leave it out";

/// Whether a refusal is of something that only an application's own pool or driver reads.
pub(super) fn is_applications_own(why: &str) -> bool {
    [POOL, DRIVER, POOLER].contains(&why)
}

/// For what a client program does at the terminal.
const PROGRAM: &str = "It is about the client program at the terminal; leave it out";

/// The table of all parameters in Markdown, as `docs/environments.md` shows it.
pub fn documentation() -> String {
    let mut text = String::new();
    for (title, scheme) in [
        ("PostgreSQL", Scheme::Postgres),
        ("MySQL and MariaDB", Scheme::Mysql),
        ("SQLite", Scheme::Sqlite),
        ("Redis and Valkey", Scheme::Redis),
    ] {
        text.push_str(&format!(
            "### {title}\n\n| parameter | | what it does, or what to do instead |\n| --- | --- | --- |\n"
        ));
        for p in parameters(scheme) {
            let names: Vec<String> = std::iter::once(&p.name).chain(p.others).map(|n| format!("`{n}`")).collect();
            let what = match p.used {
                Use::Honoured(what) | Use::Refused(what) | Use::Secret(what) | Use::SecretRefused(what) => {
                    what.to_owned()
                }
                Use::Only(values, why) => {
                    let values: Vec<String> = values.iter().map(|v| format!("`{v}`")).collect();
                    format!("Accepted as {}: {why}", values.join(", "))
                }
            };
            text.push_str(&format!("| {} | {} | {what} |\n", names.join(", "), p.used.word()));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_one_row_only() {
        for scheme in [Scheme::Postgres, Scheme::Mysql, Scheme::Sqlite, Scheme::Redis] {
            let mut seen = std::collections::BTreeSet::new();
            for p in parameters(scheme) {
                let names: std::collections::BTreeSet<String> =
                    std::iter::once(&p.name).chain(p.others).map(|n| plain(n)).collect();
                for name in names {
                    assert!(seen.insert(name.clone()), "{scheme:?}: {name} is in two rows");
                }
            }
        }
    }

    #[test]
    fn the_documentation_has_every_parameter() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/environments.md");
        let text = std::fs::read_to_string(file).expect("the documentation");
        let (begin, end) = ("<!-- parameters: begin -->\n", "<!-- parameters: end -->");
        let (before, rest) = text.split_once(begin).expect("the table's beginning");
        let (table, after) = rest.split_once(end).expect("the table's end");
        let wanted = format!("\n{}", documentation());
        if std::env::var_os("PERFDECK_UPDATE_DOCS").is_some() {
            std::fs::write(file, format!("{before}{begin}{wanted}{end}{after}")).expect("written");
        } else {
            assert!(table == wanted, "stale; run PERFDECK_UPDATE_DOCS=1 cargo test -p perfdeck-model documentation");
        }
    }
}
