//! XA transactions that were prepared on MySQL and MariaDB: they have no session, keep their locks, and are ended by name.
use sqlx::mysql::MySqlConnection;

use super::mysql::Server;
use crate::mysql::text;

/// Those that are listed.
const LISTED: usize = 20;

/// The statements that roll them back. None where the user may not list them (`XA_RECOVER_ADMIN` on MySQL 8).
pub(super) async fn rollbacks(c: &mut MySqlConnection, server: Server) -> Result<Vec<String>, sqlx::Error> {
    let sql = if server.mariadb { "XA RECOVER FORMAT='SQL'" } else { "XA RECOVER CONVERT XID" };
    let rows = match sqlx::raw_sql(sql).fetch_all(c).await {
        Err(sqlx::Error::Database(_)) => return Ok(Vec::new()),
        rows => rows?,
    };
    let id = |row: &sqlx::mysql::MySqlRow| {
        let data = text(row, 3)?;
        if server.mariadb {
            return Some(data);
        }
        let n = |i: usize| text(row, i).and_then(|n| n.parse::<usize>().ok());
        hex(&data, n(1)?, n(0)?)
    };
    Ok(rows.iter().filter_map(id).map(|id| format!("XA ROLLBACK {id}")).take(LISTED).collect())
}

/// An identifier from MySQL's hexadecimal form: both parts in one, and the length of the first.
fn hex(data: &str, first: usize, format: usize) -> Option<String> {
    let digits = data.strip_prefix("0x")?;
    let known = digits.len().is_multiple_of(2) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let (global, branch) = digits.split_at_checked(first * 2).filter(|_| known)?;
    Some(format!("X'{global}',X'{branch}',{format}"))
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn an_identifier_is_written_as_its_end_takes_it() {
        assert_eq!(hex("0x677862", 2, 1).as_deref(), Some("X'6778',X'62',1"));
        assert_eq!(hex("0x6778", 2, 1).as_deref(), Some("X'6778',X'',1"));
        for wrong in ["6778", "0x677", "0xzz", "0x67"] {
            assert_eq!(hex(wrong, 2, 1), None, "{wrong}");
        }
    }
}
