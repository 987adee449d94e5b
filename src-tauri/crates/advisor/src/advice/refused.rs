//! Rows that a key does not take.
use perfdeck_sqltext::Dialect;

use crate::index::{Key, KeyOf};
use crate::scalar::Scalar;

/// Of which values SQLite makes nothing that an index may hold.
fn refused_by_sqlite(of: &Scalar) -> Option<&'static str> {
    match of {
        Scalar::Call("date" | "datetime" | "time" | "julianday" | "strftime", _) => {
            Some("a value such as 'now', which is another time at each look,")
        }
        Scalar::Call("json_extract", _) | Scalar::Operator(_, "->" | "->>", _) => Some("a text that is no JSON"),
        Scalar::Call(_, all) => all.iter().find_map(refused_by_sqlite),
        Scalar::Cast(inner, _) => refused_by_sqlite(inner),
        Scalar::Operator(a, _, b) => refused_by_sqlite(a).or_else(|| refused_by_sqlite(b)),
        _ => None,
    }
}

/// What a key makes of rows that are no such value.
pub(super) fn refuses(dialect: Dialect, key: &Key) -> Option<String> {
    let KeyOf::Expression(of) = &key.of else { return None };
    if let Some(what) = refused_by_sqlite(of).filter(|_| dialect == Dialect::Sqlite) {
        return Some(format!(
            "It cannot be made while a row has {what} there, and such a row cannot be written any more"
        ));
    }
    let Scalar::Cast(_, to) = of else { return None };
    // SQLite makes a number of any text.
    (dialect != Dialect::Sqlite && !to.eq_ignore_ascii_case("text")).then(|| {
        format!(
            "It cannot be made while a row has a text there that is no {to}, and such a row cannot be written any more"
        )
    })
}
