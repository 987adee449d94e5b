//! Which index of MySQL or MariaDB is meant, and what rests on it, by the information schema and the table's own definition.
use perfdeck_model::{Address, ApiError, masking};
use perfdeck_sqltext::{Dialect, Kind, tokens};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::mysql_session::{no_alter, quoted, why};
use super::{no_index, refused};
use crate::indexes::{ForeignKey, Index, MysqlTable, mysql_table};
use crate::mysql::text;

/// An index with what belongs to it.
pub(super) struct Meant {
    pub(super) table: String,
    pub(super) engine: String,
    pub(super) index: Index,
    /// All indexes of the table.
    pub(super) all: Vec<Index>,
    keys: Vec<ForeignKey>,
    /// Its part of the table's definition.
    pub(super) definition: String,
}

/// A name without its quotes, if all of it is one name.
pub(super) fn unquoted(name: &str) -> Option<String> {
    let [only] = tokens(name, Dialect::Mysql)[..] else { return None };
    match only.kind {
        Kind::Name if only.closed => {
            let inner = name.strip_prefix('`')?.strip_suffix('`')?;
            Some(inner.replace("``", "`"))
        }
        Kind::Word => Some(name.to_owned()),
        _ => None,
    }
}

/// Parts of a name between its dots; dots within quotes are letters.
pub(super) fn parts(name: &str) -> Option<Vec<String>> {
    let (mut all, mut begin) = (Vec::new(), 0);
    for token in tokens(name, Dialect::Mysql) {
        if &name[token.start..token.end] == "." {
            all.push(unquoted(name[begin..token.start].trim())?);
            begin = token.end;
        }
    }
    all.push(unquoted(name[begin..].trim())?);
    Some(all)
}

/// Table and index that a name may mean, in the order in which they are tried: as findings write it, without quotes, at each of
/// its dots; then as a statement would have it.
fn readings(object: &str, database: &str) -> Vec<(String, String)> {
    let dots = object.match_indices('.').map(|(at, _)| (object[..at].to_owned(), object[at + 1..].to_owned()));
    let mut all: Vec<_> = dots.filter(|(table, index)| !table.is_empty() && !index.is_empty()).take(8).collect();
    match parts(object).as_deref() {
        Some([table, index]) => all.push((table.clone(), index.clone())),
        Some([schema, table, index]) if schema == database => all.push((table.clone(), index.clone())),
        _ => {}
    }
    all
}

/// Finds the index of a name.
pub(super) async fn find(address: &Address, c: &mut MySqlConnection, object: &str) -> Result<Meant, ApiError> {
    for (table, index) in readings(object, &address.path) {
        if let Some(meant) = at(address, c, &table, &index).await? {
            return Ok(meant);
        }
    }
    Err(no_index(object).hint("Write it with its table, as findings do: table.index"))
}

/// The index of a table and a name, if it is there. Names of indexes have no case there.
pub(super) async fn at(
    address: &Address,
    c: &mut MySqlConnection,
    table: &str,
    index: &str,
) -> Result<Option<Meant>, ApiError> {
    let failed = |e: sqlx::Error| why(address, table, &e);
    let Some(MysqlTable { name, engine, indexes, keys }) = mysql_table(c, table).await.map_err(failed)? else {
        return Ok(None);
    };
    let found = indexes.iter().find(|i| i.identity.name == index);
    let found = found.or_else(|| indexes.iter().find(|i| i.identity.name.to_lowercase() == index.to_lowercase()));
    let Some(found) = found.cloned() else { return Ok(None) };
    let sql = format!("SHOW CREATE TABLE {}", quoted(&name));
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *c).await.map_err(failed)?;
    let whole = text(&row, 1).unwrap_or_default();
    // That of a primary key is its table's.
    let definition = match found.identity.primary {
        true => String::new(),
        false => definition(&whole, &found.identity.name)
            .ok_or_else(|| refused(format!("The definition of '{}' is not understood", found.identity.name)))?,
    };
    Ok(Some(Meant { table: name, engine, index: found, all: indexes, keys, definition }))
}

/// The part of `SHOW CREATE TABLE` that makes one index, as it is written there.
fn definition(whole: &str, index: &str) -> Option<String> {
    let (mut depth, mut begin, mut items) = (0, 0, Vec::new());
    for token in tokens(whole, Dialect::Mysql) {
        match &whole[token.start..token.end] {
            "(" => {
                depth += 1;
                if depth == 1 {
                    begin = token.end;
                }
            }
            ")" if depth == 1 => {
                items.push(&whole[begin..token.start]);
                break;
            }
            ")" => depth -= 1,
            "," if depth == 1 => {
                items.push(&whole[begin..token.start]);
                begin = token.end;
            }
            _ => {}
        }
    }
    let wanted = quoted(index);
    let is_it = |item: &&str| {
        let mut words = tokens(item, Dialect::Mysql).into_iter().filter(|t| t.kind != Kind::Space);
        let mut next = || words.next().map(|t| &item[t.start..t.end]);
        let mut word = next();
        if matches!(word, Some("UNIQUE" | "FULLTEXT" | "SPATIAL")) {
            word = next();
        }
        word == Some("KEY") && next() == Some(wanted.as_str())
    };
    items.into_iter().find(is_it).map(|item| item.trim().to_owned())
}

impl Meant {
    /// Its name as findings write it.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.table, self.index.identity.name)
    }

    /// Refuses what something rests on, and what could not be made again without a lock.
    pub(super) fn rests(&self) -> Result<(), ApiError> {
        let name = self.name();
        if self.index.identity.primary {
            return Err(refused(format!("'{name}' is the primary key, by which InnoDB keeps the rows themselves")));
        }
        if !self.engine.eq_ignore_ascii_case("InnoDB") {
            let engine = masking::shown(&self.engine);
            return Err(refused(format!(
                "'{}' is a table of {engine}, which is locked while its indexes change",
                self.table
            ))
            .hint("Do it by hand when nobody writes, or change the engine: ENGINE=InnoDB"));
        }
        if self.index.identity.method != "btree" {
            return Err(refused(format!(
                "'{name}' is an index of the kind {}, and writes would be blocked while it is made again",
                masking::shown(&self.index.identity.method)
            )));
        }
        match self.keys.iter().find(|key| self.needed_by(key)) {
            Some(key) => Err(refused(format!(
                "The foreign key '{}' of '{}' needs '{name}': no other index of '{}' begins with ({})",
                masking::shown(&key.name),
                key.table,
                self.table,
                self.columns(key).join(", ")
            ))),
            None => Ok(()),
        }
    }

    /// Columns of this table by which a foreign key finds rows.
    fn columns<'a>(&self, key: &'a ForeignKey) -> Vec<&'a str> {
        if key.table == self.table && begins(&self.index, &own(key)) { own(key) } else { referenced(key) }
    }

    /// Whether a foreign key has this index alone to find rows by, in its own table or in the one that it refers to.
    fn needed_by(&self, key: &ForeignKey) -> bool {
        let alone = |columns: &[&str]| {
            let other = |i: &&Index| i.identity.name != self.index.identity.name && begins(i, columns);
            begins(&self.index, columns) && !self.all.iter().any(|i| other(&i))
        };
        key.table == self.table && alone(&own(key)) || key.references == self.table && alone(&referenced(key))
    }

    /// Foreign keys of its table that find rows by it and could do so by another one too.
    pub(super) fn foreign_keys(&self) -> Vec<String> {
        let of = |key: &&ForeignKey| key.table == self.table && begins(&self.index, &own(key));
        self.keys.iter().filter(of).map(|key| key.name.clone()).collect()
    }
}

fn own(key: &ForeignKey) -> Vec<&str> {
    key.columns.iter().map(|(name, _)| name.as_str()).collect()
}

fn referenced(key: &ForeignKey) -> Vec<&str> {
    key.referenced.iter().map(String::as_str).collect()
}

/// Whether an index begins with these columns in this order, as InnoDB's foreign keys need it. One that is hidden serves them too.
fn begins(index: &Index, columns: &[&str]) -> bool {
    let i = &index.identity;
    let same = |(key, name): (&perfdeck_model::IndexKey, &&str)| {
        key.prefix.is_none() && key.column.as_deref().is_some_and(|column| column.eq_ignore_ascii_case(name))
    };
    i.method == "btree" && i.keys.len() >= columns.len() && i.keys.iter().zip(columns).all(same)
}

/// Whether this user may alter a table, as far as the information schema tells: what a role gives is told by the server alone.
pub(super) async fn may_alter(address: &Address, c: &mut MySqlConnection, table: &str) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| why(address, table, &e);
    let role = sqlx::raw_sql("SELECT CURRENT_ROLE()").fetch_one(&mut *c).await;
    let role = role.ok().and_then(|row| text(&row, 0)).filter(|role| !role.is_empty() && role != "NONE");
    if role.is_some() {
        return Ok(());
    }
    let host = "SUBSTRING_INDEX(CURRENT_USER(), '@', -1)";
    let user = format!("LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER()) - CHAR_LENGTH({host}) - 1)");
    let me = format!("(grantee = CONCAT('''', {user}, '''@''', {host}, '''') OR grantee LIKE '%PUBLIC%')");
    let sql = format!(
        "SELECT CAST((SELECT COUNT(*) FROM information_schema.user_privileges WHERE {me} AND privilege_type = 'ALTER')
           + (SELECT COUNT(*) FROM information_schema.schema_privileges
              WHERE {me} AND privilege_type = 'ALTER' AND DATABASE() LIKE table_schema)
           + (SELECT COUNT(*) FROM information_schema.table_privileges
              WHERE {me} AND privilege_type = 'ALTER' AND table_schema = DATABASE() AND table_name = ?) AS SIGNED)"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).bind(table).fetch_one(c).await.map_err(failed)?;
    if row.try_get::<i64, _>(0).map_err(failed)? > 0 { Ok(()) } else { Err(no_alter(address, table)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_an_index_is_taken_as_it_is_written() {
        let whole = "CREATE TABLE `t``(` (\n  `a` int(11) DEFAULT NULL COMMENT 'KEY `i` (`x`),',\n  `b` varchar(20),\n  \
                     PRIMARY KEY (`a`),\n  UNIQUE KEY `u,` (`b`),\n  KEY `i` (`a`,`b`(5) DESC) COMMENT 'it''s, (one)' IGNORED,\n  \
                     CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`)\n) ENGINE=InnoDB";
        let of = |name: &str| definition(whole, name);
        assert_eq!(of("i").as_deref(), Some("KEY `i` (`a`,`b`(5) DESC) COMMENT 'it''s, (one)' IGNORED"));
        assert_eq!(of("u,").as_deref(), Some("UNIQUE KEY `u,` (`b`)"));
        assert_eq!((of("f"), of("PRIMARY"), of("x")), (None, None, None), "constraints and columns are none");
    }

    #[test]
    fn a_name_is_read_as_findings_write_it_and_as_statements_do() {
        let of = |object: &str| readings(object, "shop");
        let pair = |table: &str, index: &str| (table.to_owned(), index.to_owned());
        assert_eq!(of("t.i"), [pair("t", "i"), pair("t", "i")]);
        assert!(of("a.b.i").contains(&pair("a.b", "i")), "a dot within a name");
        assert!(of("`a.b`.`i``x`").contains(&pair("a.b", "i`x")), "quoted");
        assert!(of("shop.t.i").contains(&pair("t", "i")), "with its database");
        assert_eq!(of("i"), [], "an index is its table's");
    }
}
