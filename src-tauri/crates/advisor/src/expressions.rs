//! Which value of one table's row an expression is: only what is the same at any time and for anybody (immutable, in PostgreSQL's word).
use perfdeck_sqltext::{Dialect, Kind, tokens};
use sqlparser::ast::{CastKind, CeilFloorKind, DataType, DateTimeField, Expr};

use crate::catalogue::{Collating, Column, TypeClass};
use crate::predicates::Value;
use crate::scalar::{FUNCTIONS, OPERATORS, Scalar};
use crate::scope::{Builder, Scope, arguments};

/// What a value is, as far as that decides on what is immutable of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Text,
    Integer,
    /// An exact number.
    Number,
    Boolean,
    /// A time without a zone.
    Timestamp,
    /// A moment: a time with a zone.
    Moment,
    Date,
    /// A time of day without a zone.
    Time,
    Other,
}

/// Whether a number is rounded to a whole one, and no time to a part of it.
fn is_plain(field: &CeilFloorKind) -> bool {
    matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime))
}

impl Builder<'_> {
    /// The value of one table's row that an expression is.
    pub(crate) fn scalar(&self, expr: &Expr, scope: &Scope<'_>) -> Option<(usize, Scalar)> {
        match expr {
            Expr::Nested(inner) => self.scalar(inner, scope),
            Expr::Identifier(name) => self.resolved(std::slice::from_ref(name), scope),
            Expr::CompoundIdentifier(parts) => self.resolved(parts, scope),
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, .. } => {
                self.cast(expr, data_type, scope)
            }
            Expr::Function(function) if function.over.is_none() && function.filter.is_none() => {
                // The server puts those of its words into quotes that are words of the grammar too.
                let name = function.name.to_string().trim_matches('"').to_ascii_lowercase();
                match FUNCTIONS.iter().find(|known| **known == name) {
                    Some(name) => self.call(name, &arguments(function), scope),
                    None => self.own_function(function, scope),
                }
            }
            Expr::Extract { field, expr, .. } if self.catalogue.dialect == Dialect::Postgres => {
                let (scan, of) = self.scalar(expr, scope)?;
                // Until version 13 one was written as the other.
                let old = (1..140_000).contains(&self.catalogue.version);
                let field = Scalar::Text(field.to_string().to_ascii_lowercase());
                let name = if old { "date_part" } else { "extract" };
                self.is_part_of_time(scan, &field, &of).then(|| (scan, Scalar::Call(name, vec![field, of])))
            }
            // What time a moment is in a zone that is named, or the moment of a time there.
            Expr::AtTimeZone { timestamp, time_zone } if self.catalogue.dialect == Dialect::Postgres => {
                self.call("timezone", &[time_zone, timestamp], scope)
            }
            Expr::Substring { expr, substring_from: Some(from), substring_for, shorthand, .. } => {
                let all: Vec<&Expr> = [&**expr, &**from].into_iter().chain(substring_for.as_deref()).collect();
                self.call(if *shorthand { "substr" } else { "substring" }, &all, scope)
            }
            Expr::Floor { expr, field } if is_plain(field) => self.call("floor", &[expr], scope),
            Expr::Ceil { expr, field } if is_plain(field) => self.call("ceil", &[expr], scope),
            Expr::Collate { expr: inner, .. } => {
                let to = self.collation(expr)?;
                let (scan, of) = self.scalar(inner, scope)?;
                Some((scan, self.collated(scan, of, &to)))
            }
            Expr::Trim { expr, trim_where: None, trim_what: None, .. } => self.call("trim", &[expr], scope),
            Expr::BinaryOp { left, op, right } => {
                let name = op.to_string();
                let name = OPERATORS.iter().find(|known| **known == name)?;
                let (scan, mut both) = self.of_one(&[left, right], scope)?;
                let b = both.pop()?;
                let a = both.pop()?;
                self.fits(scan, name, &a).then_some((scan, Scalar::Operator(Box::new(a), name, Box::new(b))))
            }
            _ => None,
        }
    }

    /// The collation that an expression names at its end: of those that every SQLite has, or one that PostgreSQL finds without a schema.
    pub(crate) fn collation(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Nested(inner) => self.collation(inner),
            Expr::Collate { collation, .. } => {
                let (schema, name) = self.named(collation)?;
                match self.catalogue.dialect {
                    Dialect::Sqlite => {
                        let known = ["BINARY", "NOCASE", "RTRIM"].into_iter();
                        known.map(str::to_owned).find(|known| known.eq_ignore_ascii_case(&name))
                    }
                    Dialect::Postgres => schema.is_none_or(|s| s == "pg_catalog").then_some(name),
                    Dialect::Mysql => None,
                }
            }
            _ => None,
        }
    }

    /// A value that compares by that collation; its own one makes no other of it.
    pub(crate) fn collated(&self, scan: usize, of: Scalar, to: &str) -> Scalar {
        let of = match of {
            Scalar::Collated(inner, _) => *inner,
            of => of,
        };
        let table = &self.catalogue.tables[self.shape.scans[scan].table];
        let column = of.as_column().and_then(|c| table.column(c));
        let own = match (self.catalogue.dialect, column) {
            (Dialect::Sqlite, Some(Column { collating: Collating::NoCase, .. })) => "NOCASE",
            (Dialect::Sqlite, _) => "BINARY",
            (_, column) => column.and_then(|c| c.collation.as_deref()).unwrap_or_default(),
        };
        if own == to { of } else { Scalar::Collated(Box::new(of), to.to_owned()) }
    }

    /// A value as another type, where neither a zone nor a setting has a say in it.
    fn cast(&self, expr: &Expr, to: &DataType, scope: &Scope<'_>) -> Option<(usize, Scalar)> {
        let (scan, scalar) = self.scalar(expr, scope)?;
        let is = self.sort_of(scan, &scalar);
        let to = to.to_string().to_ascii_lowercase();
        if self.catalogue.dialect == Dialect::Sqlite {
            return Some((scan, Scalar::Cast(Box::new(scalar), self.as_written(&to))));
        }
        // Plans write texts of all types as text, which changes nothing of them.
        if is == Sort::Text && ["text", "varchar", "character varying"].iter().any(|t| to.starts_with(t)) {
            return Some((scan, scalar));
        }
        if self.catalogue.dialect != Dialect::Postgres {
            return None;
        }
        let to = match to.as_str() {
            "date" => {
                let own = matches!(is, Sort::Timestamp).then(|| Scalar::Call("date", vec![scalar.clone()]));
                return own.map(|own| (scan, own));
            }
            "int" | "int4" | "integer" => "integer",
            "bigint" | "int8" => "bigint",
            "smallint" | "int2" => "smallint",
            "numeric" | "decimal" | "dec" => "numeric",
            "text" => "text",
            _ => return None,
        };
        let own = self.type_of(scan, &scalar);
        if own == Some(to) {
            return Some((scan, scalar));
        }
        let fits = match is {
            Sort::Text => to != "text",
            Sort::Integer | Sort::Number => true,
            Sort::Boolean => to == "integer",
            _ => false,
        };
        fits.then(|| (scan, Scalar::Cast(Box::new(scalar), to.to_owned())))
    }

    /// The name of a type as the statement writes it: SQLite compares that of an index letter by letter.
    fn as_written(&self, to: &str) -> String {
        let all: Vec<&str> = tokens(self.text, Dialect::Sqlite)
            .into_iter()
            .filter(|t| !matches!(t.kind, Kind::Space | Kind::Comment))
            .map(|t| &self.text[t.start..t.end])
            .collect();
        let found = all
            .windows(3)
            .find(|w| w[0].eq_ignore_ascii_case("as") && w[1].eq_ignore_ascii_case(to) && matches!(w[2], ")"));
        found.map_or_else(|| to.to_owned(), |w| w[1].to_owned())
    }

    fn call(&self, name: &'static str, arguments: &[&Expr], scope: &Scope<'_>) -> Option<(usize, Scalar)> {
        let (scan, all) = self.of_one(arguments, scope)?;
        let lite = self.catalogue.dialect == Dialect::Sqlite;
        let fits = match (name, all.as_slice()) {
            // What SQLite makes of a stored text hangs on nothing else, unless that is `now`.
            ("date" | "datetime" | "time" | "julianday", [_]) if lite => true,
            ("strftime", [Scalar::Text(_), _]) => lite,
            ("json_extract", _) => lite,
            ("date", [of]) => self.sort_of(scan, of) == Sort::Timestamp,
            ("date_part", [field, of]) => self.is_part_of_time(scan, field, of),
            ("date_trunc", [Scalar::Text(_), of]) => self.sort_of(scan, of) == Sort::Timestamp,
            ("timezone", [Scalar::Text(_), of]) => matches!(self.sort_of(scan, of), Sort::Moment | Sort::Timestamp),
            ("date" | "datetime" | "time" | "julianday" | "strftime" | "date_part" | "date_trunc" | "timezone", _) => {
                false
            }
            _ => true,
        };
        fits.then_some((scan, Scalar::Call(name, all)))
    }

    /// Whether a part of a time is the same for everybody: what hour a moment is hangs on the session's zone.
    fn is_part_of_time(&self, scan: usize, field: &Scalar, of: &Scalar) -> bool {
        self.catalogue.dialect == Dialect::Postgres
            && matches!(field, Scalar::Text(_))
            && matches!(self.sort_of(scan, of), Sort::Timestamp | Sort::Date | Sort::Time)
    }

    /// The type of a column, or what a cast made of a value.
    fn type_of<'s>(&'s self, scan: usize, of: &'s Scalar) -> Option<&'s str> {
        let table = &self.catalogue.tables[self.shape.scans[scan].table];
        match of {
            Scalar::Column(name) => table.column(name).map(|c| c.type_name.as_str()),
            Scalar::Cast(_, to) => Some(to),
            _ => None,
        }
    }

    fn sort_of(&self, scan: usize, of: &Scalar) -> Sort {
        match of {
            Scalar::Column(name) => {
                let table = &self.catalogue.tables[self.shape.scans[scan].table];
                table.column(name).map_or(Sort::Other, |c| self.sort_of_type(&c.type_name, c.class))
            }
            Scalar::Cast(_, to) => {
                self.sort_of_type(to, if to == "text" { TypeClass::Text } else { TypeClass::Ordered })
            }
            Scalar::Text(_) => Sort::Text,
            Scalar::Collated(inner, _) => self.sort_of(scan, inner),
            Scalar::Number(_) => Sort::Number,
            Scalar::Operator(a, operator, _) => match *operator {
                "->>" | "#>>" | "||" => Sort::Text,
                "+" | "-" | "*" | "/" | "%" => self.sort_of(scan, a),
                _ => Sort::Other,
            },
            Scalar::Function(..) => Sort::Other,
            Scalar::Call(name, all) => match (*name, all.as_slice()) {
                ("length" | "char_length" | "octet_length" | "jsonb_array_length", _) => Sort::Integer,
                ("coalesce" | "nullif" | "abs" | "sign" | "floor" | "ceil", [first, ..]) => self.sort_of(scan, first),
                ("date", _) => Sort::Date,
                ("date_trunc", _) => Sort::Timestamp,
                ("timezone", [_, of]) if self.sort_of(scan, of) == Sort::Moment => Sort::Timestamp,
                ("timezone", _) => Sort::Moment,
                ("extract" | "date_part" | "json_extract" | "julianday", _) => Sort::Other,
                _ => Sort::Text,
            },
        }
    }

    fn sort_of_type(&self, name: &str, class: TypeClass) -> Sort {
        let zone = name.contains("with time zone");
        match (class, name) {
            (TypeClass::Text, _) => Sort::Text,
            (TypeClass::Boolean, _) => Sort::Boolean,
            _ if self.catalogue.dialect != Dialect::Postgres => Sort::Other,
            (_, "smallint" | "integer" | "bigint") => Sort::Integer,
            (_, "date") => Sort::Date,
            (_, name) if name.starts_with("numeric") => Sort::Number,
            (_, name) if name.starts_with("timestamp") => {
                if zone {
                    Sort::Moment
                } else {
                    Sort::Timestamp
                }
            }
            (_, name) if name.starts_with("time") && !zone => Sort::Time,
            _ => Sort::Other,
        }
    }

    /// Whether an operator is immutable there: of dates and times it may hang on the session's time zone.
    fn fits(&self, scan: usize, operator: &str, a: &Scalar) -> bool {
        let table = &self.catalogue.tables[self.shape.scans[scan].table];
        let types: Vec<&str> =
            a.columns().iter().filter_map(|c| table.column(c)).map(|c| c.type_name.as_str()).collect();
        match operator {
            "+" | "-" | "*" | "/" | "%" => types.iter().all(|t| {
                ["int", "numeric", "decimal", "double", "real", "float", "bigint", "smallint", "INT", "REAL"]
                    .iter()
                    .any(|n| t.starts_with(n))
            }),
            _ => true,
        }
    }

    /// Values of which at least one is a column, and all columns are of one table.
    pub(crate) fn of_one(&self, all: &[&Expr], scope: &Scope<'_>) -> Option<(usize, Vec<Scalar>)> {
        let mut of = None;
        let mut found = Vec::new();
        for expr in all {
            if let Some((scan, scalar)) = self.scalar(expr, scope) {
                if *of.get_or_insert(scan) != scan {
                    return None;
                }
                found.push(scalar);
                continue;
            }
            match self.value(expr, scope)? {
                Value::Literal(text) => found.push(Scalar::Text(text)),
                Value::Number(text) => found.push(Scalar::Number(text)),
                _ => return None,
            }
        }
        of.map(|scan| (scan, found))
    }
}
