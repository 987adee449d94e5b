//! Whether a server goes through the rows of a subquery behind `IN` as through those of a table that is joined, so that an index finds what is
//! compared with them; otherwise it compares each row with the subquery's.
use perfdeck_sqltext::Dialect;
use sqlparser::ast::{GroupByExpr, Query, SetExpr};

use crate::scope::Builder;
use crate::statement::aggregate;

/// Versions from which on an `UPDATE` or `DELETE` of one table has such joins: MariaDB 11.1, MySQL 8.0.21.
const WRITES: (u32, u32) = (110_100, 80_021);

impl Builder<'_> {
    /// See above. PostgreSQL and SQLite are asked themselves. MariaDB puts rows that are grouped into a table of their own, MySQL does not;
    /// neither does it with a `UNION` (MariaDB Knowledge Base, *Semi-join Subquery Optimizations*; MySQL manual, section 10.2.2.1).
    pub(crate) fn is_gone_through(&self, query: &Query) -> bool {
        if self.catalogue.dialect != Dialect::Mysql {
            return true;
        }
        let mariadb = self.catalogue.mariadb;
        let writes = self.shape.written.iter().any(|w| w.deletes || w.columns.is_some()) && self.shape.scans.len() == 1;
        let since = if mariadb { WRITES.0 } else { WRITES.1 };
        if writes && self.catalogue.version < since {
            return false;
        }
        match &*query.body {
            SetExpr::SetOperation { .. } => false,
            SetExpr::Query(inner) => self.is_gone_through(inner),
            SetExpr::Select(select) => {
                let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(all, _) if all.is_empty());
                let whole =
                    grouped || select.having.is_some() || select.projection.iter().any(|i| aggregate(i).is_some());
                mariadb || !whole && query.limit_clause.is_none()
            }
            _ => mariadb,
        }
    }
}
