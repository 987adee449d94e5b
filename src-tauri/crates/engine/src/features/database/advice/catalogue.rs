//! The database's facts in the advisor's words. Pure.
use std::collections::BTreeMap;

use perfdeck_advisor::{
    Beginning, Catalogue, Collating, Column, Dialect, Existing, Function, Index, Key, KeyOf, Method, ParameterType,
    Table, TableKind, TypeClass, View, WritesADay, predicate_of, scalar_of,
};
use perfdeck_database::what_if::{
    ColumnFacts, DatabaseFacts, FunctionFacts, IndexFacts, KeyFacts, TableFacts, TypeFacts,
};

/// The catalogue that facts are.
pub(super) fn of(facts: &DatabaseFacts, dialect: Dialect) -> Catalogue {
    let mut catalogue = Catalogue {
        dialect,
        version: if dialect == Dialect::Mysql { number(&facts.server) } else { facts.version },
        mariadb: facts.server.starts_with("MariaDB"),
        page: facts.page,
        search_path: facts.search_path.clone(),
        extensions: facts.extensions.clone(),
        available: facts.available.clone(),
        classes: facts.classes.iter().filter_map(|c| Some((c.rsplit_once('.')?.1.to_owned(), c.clone()))).collect(),
        functions: facts.functions.iter().map(function).collect(),
        tables: facts.tables.iter().map(table).collect(),
        views: facts
            .views
            .iter()
            .map(|v| View { schema: v.schema.clone(), name: v.name.clone(), definition: v.definition.clone() })
            .collect(),
    };
    // Keys that are expressions are read by the columns of their table.
    for (at, table) in facts.tables.iter().enumerate() {
        let indexes = table.indexes.iter().map(|index| existing(index, at, &catalogue)).collect();
        catalogue.tables[at].indexes = indexes;
    }
    catalogue
}

fn function(facts: &FunctionFacts) -> Function {
    Function {
        schema: facts.schema.clone(),
        name: facts.name.clone(),
        arguments: facts.arguments,
        is_key: facts.immutable && facts.plain,
        immutable: facts.immutable,
        visible: facts.visible,
    }
}

/// The version in the words of a server of MySQL or MariaDB, as one number: 101119 of `MariaDB 10.11.19`.
fn number(server: &str) -> u32 {
    let version = server.rsplit(' ').next().unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0).min(99));
    let mut next = || parts.next().unwrap_or(0);
    next() * 10_000 + next() * 100 + next()
}

fn table(facts: &TableFacts) -> Table {
    let writes = facts.writes.filter(|w| w.days > 0.0).map(|w| WritesADay {
        inserts: w.inserts / w.days,
        updates: w.updates / w.days,
        deletes: w.deletes / w.days,
        hot: w.hot.map(|hot| if w.updates > 0.0 { hot / w.updates } else { 0.0 }),
    });
    Table {
        schema: facts.schema.clone(),
        name: facts.name.clone(),
        kind: match facts {
            _ if facts.partitioned => TableKind::Partitioned,
            _ if facts.materialized => TableKind::Materialized,
            _ if facts.parent => TableKind::Parent,
            _ => TableKind::Plain,
        },
        partition_of: facts.partition_of.clone(),
        toasted: facts.toasted,
        locked_by: facts.locked_by.clone(),
        longest_key: facts.longest_key.clone(),
        rows: facts.rows,
        pages: facts.pages,
        all_visible: facts.all_visible,
        writes,
        hot: facts.hot,
        columns: facts.columns.iter().map(column).collect(),
        indexes: Vec::new(),
        measured: BTreeMap::new(),
    }
}

fn column(facts: &ColumnFacts) -> Column {
    Column {
        name: facts.name.clone(),
        type_name: facts.type_name.clone(),
        class: match facts.class {
            "text" => TypeClass::Text,
            "boolean" => TypeClass::Boolean,
            "json" => TypeClass::Json,
            "array" => TypeClass::Array,
            "unordered" => TypeClass::Unordered,
            _ => TypeClass::Ordered,
        },
        collating: match facts {
            _ if !facts.deterministic => Collating::Nondeterministic,
            _ if facts.no_case => Collating::NoCase,
            _ if facts.by_bytes => Collating::Bytes,
            _ => Collating::Language,
        },
        collation: facts.collation.clone(),
        not_null: facts.not_null,
        fixed: facts.fixed,
        align: facts.align,
        width: facts.width,
        most: facts.most,
        longest: facts.longest,
        nulls: facts.nulls,
        distinct: facts.distinct,
        common: facts.common.clone(),
        bounds: facts.bounds.clone(),
        elements: facts.elements.clone(),
        correlation: facts.correlation,
        remainders: facts.remainders,
        beginning: facts.beginning.map(|b| Beginning {
            length: b.length,
            distinct: b.distinct,
            of_whole: b.of_whole,
            width: b.width,
        }),
    }
}

/// The type of a parameter.
pub(super) fn parameter(facts: &TypeFacts) -> ParameterType {
    ParameterType {
        name: facts.name.clone(),
        category: facts.category,
        of: facts.of.as_deref().map(|of| Box::new(parameter(of))),
        label: facts.label.clone(),
    }
}

fn existing(facts: &IndexFacts, table: usize, catalogue: &Catalogue) -> Existing {
    let predicate = facts.predicate.as_ref().map(|text| (predicate_of(text, table, catalogue), text));
    Existing {
        name: facts.name.clone(),
        index: Index {
            table,
            method: match facts.method.as_str() {
                "btree" => Method::Btree,
                "gin" => Method::Gin,
                "brin" => Method::Brin,
                _ => Method::Other,
            },
            keys: facts.keys.iter().map(|k| key(k, table, catalogue)).collect(),
            include: facts.include.clone(),
            predicate: predicate.as_ref().and_then(|(read, _)| read.clone()),
        },
        unknown_predicate: predicate.filter(|(read, _)| read.is_none()).map(|(_, text)| text.clone()),
        unique: facts.unique,
        valid: facts.valid,
        bytes: facts.bytes,
    }
}

fn key(facts: &KeyFacts, table: usize, catalogue: &Catalogue) -> Key {
    let of = match (&facts.column, &facts.expression) {
        (Some(name), _) => KeyOf::Column(name.clone()),
        (None, Some(text)) => scalar_of(text, table, catalogue).map_or_else(
            || KeyOf::Unknown(text.clone()),
            // Its collation is told beside it.
            |scalar| Key::scalar(&scalar).of,
        ),
        (None, None) => KeyOf::Unknown(String::new()),
    };
    // An expression has the collation of its columns unless it names one.
    let own = |of: &KeyOf| match of {
        KeyOf::Expression(scalar) => {
            let columns = scalar.columns();
            let mut all =
                columns.iter().filter_map(|c| catalogue.tables[table].column(c)).map(|c| c.collation.as_deref());
            all.next().flatten()
        }
        _ => None,
    };
    Key {
        prefix: facts.prefix,
        descending: facts.descending,
        nulls_first: facts.nulls_first,
        // A pattern's class of varchar is that of text.
        class: facts
            .class
            .as_ref()
            .map(|c| if c == "varchar_pattern_ops" { "text_pattern_ops".to_owned() } else { c.clone() }),
        collation: facts.collation.clone().filter(|told| own(&of) != Some(told.as_str())),
        of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_and_conditions_of_indexes_are_read_as_the_server_writes_them() {
        let name =
            |name: &str, class| ColumnFacts { name: name.into(), class, deterministic: true, ..Default::default() };
        let index = |expression: &str, predicate: Option<&str>| IndexFacts {
            name: "i".into(),
            method: "btree".into(),
            keys: vec![KeyFacts { expression: Some(expression.into()), ..KeyFacts::default() }],
            predicate: predicate.map(str::to_owned),
            valid: true,
            ..IndexFacts::default()
        };
        let facts = DatabaseFacts {
            tables: vec![TableFacts {
                schema: "public".into(),
                name: "t".into(),
                columns: vec![name("note", "text"), name("status", "text"), name("n", "ordered")],
                indexes: vec![
                    index("lower(note)", Some("(status = 'new'::text)")),
                    index("lower((note)::text)", Some("(n > 5)")),
                    index("odd(note)", Some("((status = 'a'::text) OR (n = 1))")),
                ],
                ..TableFacts::default()
            }],
            ..DatabaseFacts::default()
        };
        let catalogue = of(&facts, Dialect::Postgres);
        let all = &catalogue.tables[0].indexes;
        let shown: Vec<String> = all.iter().map(|e| e.index.shown(Dialect::Postgres)).collect();
        assert_eq!(shown[0], "((lower(note))) WHERE status = 'new'");
        assert!(shown[1].starts_with("((lower(note))) WHERE n >"), "{shown:?}");
        assert!(matches!(all[2].index.keys[0].of, KeyOf::Unknown(_)), "like no other: {all:?}");
        assert!(all[2].unknown_predicate.is_some(), "and neither is its condition");
    }
}
