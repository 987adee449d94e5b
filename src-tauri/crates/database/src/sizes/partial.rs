//! What the statistics of a table tell of the rows of a partial index. Pure.
use perfdeck_pages::Column;

/// Whose statistics a column of a partial index has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Those of all rows of the table.
    OfTable,
    /// Those of the table, and the predicate leaves out its nulls and nothing else.
    NotNull,
    /// Those of the index's own rows.
    OfIndex,
}

/// What is known of the columns of a partial index from the statistics of all rows of its table; `None` where that is not
/// enough.
///
/// Its rows may be any of the table's. So lengths are known where all values have the same one, nulls where there are none
/// at all, and how often keys come where each comes once in the whole table, or no entry has more than one row. Of a column
/// that is not null by the predicate, which is nothing else, everything is known; so it is of an expression, whose statistics
/// are of the index's own rows.
pub(super) fn of_part(columns: Vec<Column>, known: &[Known], shares_entries: bool) -> Option<Vec<Column>> {
    let single = columns.len() == 1;
    let mut once = !shares_entries || (single && known != [Known::OfTable]);
    let mut all = Vec::with_capacity(columns.len());
    for (column, known) in columns.into_iter().zip(known) {
        let column = match known {
            Known::OfIndex => column,
            Known::NotNull if column.nulls >= 1.0 => return None,
            Known::NotNull => {
                let there = 1.0 - column.nulls;
                let distinct = if column.distinct < 0.0 { column.distinct / there } else { column.distinct };
                let common = (column.common.0 / there, column.common.1);
                Column { nulls: 0.0, distinct, common, ..column }
            }
            Known::OfTable if column.fixed.is_some() && column.nulls <= 0.0 => column,
            Known::OfTable => return None,
        };
        once |= column.distinct <= -0.99;
        all.push(column);
    }
    once.then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer() -> Column {
        Column { fixed: Some(4.0), align: 4, width: 4.0, distinct: -1.0, ..Column::default() }
    }

    #[test]
    fn of_a_partial_index_is_known_what_hangs_on_no_selection() {
        let (id, text) = (integer(), Column { width: 20.0, align: 4, distinct: -1.0, ..Column::default() });
        let some = Column { nulls: 0.75, distinct: -0.25, ..integer() };
        let of = |columns: &[&Column], known: &[Known], shares| {
            of_part(columns.iter().map(|c| (*c).clone()).collect(), known, shares)
        };
        use Known::{NotNull, OfIndex, OfTable};
        assert_eq!(of(&[&id], &[OfTable], true), Some(vec![id.clone()]), "each key once, of one length");
        assert_eq!(of(&[&text], &[OfTable], false), None, "its texts may be longer ones");
        assert_eq!(of(&[&some], &[OfTable], false), None, "it may have all the nulls or none");
        let there = of(&[&some], &[NotNull], true).expect("all is known");
        assert_eq!((there[0].nulls, there[0].distinct), (0.0, -1.0), "without its nulls each comes once");
        assert_eq!(of(&[&text], &[OfIndex], true), Some(vec![text.clone()]), "an expression");
        let few = Column { distinct: 10.0, ..integer() };
        assert_eq!(of(&[&few], &[OfTable], true), None, "how often its keys come is not known");
        assert!(of(&[&few], &[OfTable], false).is_some() && of(&[&few, &id], &[OfTable; 2], true).is_some());
    }
}
