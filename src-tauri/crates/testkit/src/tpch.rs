//! TPC-H in small: its eight tables with primary keys only, and its 22 statements with the values by which answers are validated (TPC-H
//! specification 3.0.1, clause 2.4). Those of Q15 stand in a `WITH` in place of a view; Q11's share is that of scale 1.
use std::fmt::{Display, Write as _};

use sqlx::{Connection as _, PgConnection};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};

use crate::{Postgres, Result};

const SCHEMA: &str = include_str!("tpch/schema.sql");
const KEYS: &str = include_str!("tpch/keys.sql");
const QUERIES: &str = include_str!("tpch/queries.sql");
/// Bytes of rows that are sent at once.
const TOGETHER: usize = 1 << 20;

/// The statements with their names, `Q1` to `Q22`.
pub fn queries() -> Vec<(&'static str, &'static str)> {
    let parts = QUERIES.split("-- ").filter_map(|part| part.split_once('\n'));
    parts.map(|(name, text)| (name.trim(), text.trim().trim_end_matches(';'))).collect()
}

/// Fills the database with tables of that scale; 1 is six million rows in the largest. Statistics are made, and pages marked visible.
///
/// # Errors
/// When the server refuses something.
pub async fn load(server: &Postgres, scale: f64) -> Result<()> {
    server.execute(SCHEMA).await?;
    let mut c = server.connect().await?;
    copy(&mut c, "region", RegionGenerator::new(scale, 1, 1).iter()).await?;
    copy(&mut c, "nation", NationGenerator::new(scale, 1, 1).iter()).await?;
    copy(&mut c, "part", PartGenerator::new(scale, 1, 1).iter()).await?;
    copy(&mut c, "supplier", SupplierGenerator::new(scale, 1, 1).iter()).await?;
    copy(&mut c, "partsupp", PartSuppGenerator::new(scale, 1, 1).iter()).await?;
    copy(&mut c, "customer", CustomerGenerator::new(scale, 1, 1).iter()).await?;
    copy(&mut c, "orders", OrderGenerator::new(scale, 1, 1).iter()).await?;
    copy(&mut c, "lineitem", LineItemGenerator::new(scale, 1, 1).iter()).await?;
    c.close().await?;
    server.execute(KEYS).await?;
    server.execute("VACUUM ANALYZE").await
}

async fn copy(c: &mut PgConnection, table: &str, rows: impl Iterator<Item = impl Display>) -> Result<()> {
    let mut copy = c.copy_in_raw(&format!("COPY {table} FROM STDIN (DELIMITER '|')")).await?;
    let mut text = String::with_capacity(TOGETHER + 4096);
    for row in rows {
        let _ = write!(text, "{row}");
        // A row ends with the separator.
        text.truncate(text.trim_end_matches('|').len());
        text.push('\n');
        if text.len() >= TOGETHER {
            copy.send(std::mem::replace(&mut text, String::with_capacity(TOGETHER + 4096)).into_bytes()).await?;
        }
    }
    copy.send(text.into_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_are_all_22_of_them() {
        let all = super::queries();
        let names: Vec<String> = (1..=22).map(|n| format!("Q{n}")).collect();
        assert_eq!(all.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
        assert!(all.iter().all(|(_, text)| text.len() > 100 && !text.contains(';')), "one statement each");
    }
}
