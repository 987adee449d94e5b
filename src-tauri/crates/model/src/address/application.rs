//! Addresses of an application's own configuration: parameters that are for its pool or its driver stand in them, and the
//! file cannot be edited for Perfdeck. Those that have no effect on what is connected to are left out, by name.
use super::pasted::named;
use super::table::{self, Use};
use super::{Address, Scheme};

/// What refuses a parameter that only the application's own pool or driver reads. The time-outs of a client's socket are
/// in rows with settings of a session, so that they are named here.
const SOCKET: &[&str] = &["socket_timeout", "read_timeout", "write_timeout"];
/// Parameters of such a row that may change a session or which server is reached.
const NOT: &[&str] = &["read_only", "timezone", "family", "force_connection_time_zone_to_session"];

/// Which engine reads the query of a text, as far as its beginning tells.
fn scheme(text: &str) -> Option<Scheme> {
    if text.contains("@tcp(") || text.contains("@unix(") {
        return Some(Scheme::Mysql);
    }
    let text = text.get(..5).filter(|p| p.eq_ignore_ascii_case("jdbc:")).map_or(text, |p| &text[p.len()..]);
    let base = text.split([':', '+']).next()?;
    named(&base.to_ascii_lowercase())
}

impl Address {
    /// The text of an address without the parameters that only the application's pool or driver reads, and their names.
    /// Everything else stays, to be honoured or refused.
    pub fn without_the_applications_own(text: &str) -> (String, Vec<&'static str>) {
        let mut left_out = Vec::new();
        let (Some((before, query)), Some(scheme)) = (text.split_once('?'), scheme(text)) else {
            return (text.to_owned(), left_out);
        };
        let kept: Vec<&str> = query
            .split('&')
            .filter(|pair| {
                let Some(name) = pair.split_once('=').and_then(|(name, _)| own(scheme, name)) else { return true };
                left_out.push(name);
                false
            })
            .collect();
        let text = if kept.is_empty() { before.to_owned() } else { format!("{before}?{}", kept.join("&")) };
        (text, left_out)
    }
}

/// The name of a parameter as it is written where the table has it so, when only the application reads it.
fn own(scheme: Scheme, name: &str) -> Option<&'static str> {
    let found = table::parameter(scheme, name)?;
    let Use::Refused(why) = found.used else { return None };
    let wanted = table::plain(name);
    let among = |names: &[&str]| names.iter().any(|n| table::plain(n) == wanted);
    let own = (table::is_applications_own(why) && !among(NOT)) || among(SOCKET);
    let names = || std::iter::once(&found.name).chain(found.others).filter(|n| own && table::plain(n) == wanted);
    names().find(|n| **n == name).or_else(|| names().next()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_application_reads_is_left_out_by_name() {
        for (text, want, names) in [
            ("postgres://u@h/d?pool=5&sslmode=require", "postgres://u@h/d?sslmode=require", &["pool"][..]),
            (
                "postgresql://h/d?schema=shop&connection_limit=5&pool_timeout=2&pgbouncer=true",
                "postgresql://h/d?schema=shop",
                &["connection_limit", "pool_timeout", "pgbouncer"],
            ),
            ("postgis://h/d?conn_max_age=600", "postgis://h/d", &["conn_max_age"]),
            ("jdbc:postgresql://h/d?prepareThreshold=0", "jdbc:postgresql://h/d", &["prepareThreshold"]),
            (
                "u:p@tcp(h:3306)/d?charset=utf8mb4&parseTime=True&loc=Local",
                "u:p@tcp(h:3306)/d?charset=utf8mb4",
                &["parseTime", "loc"],
            ),
            ("mysql2://h/d?encoding=utf8mb4&pool=5", "mysql2://h/d?encoding=utf8mb4&pool=5", &[]),
            ("mysql://h/d?socket_timeout=5&connectionLimit=3", "mysql://h/d", &["socket_timeout", "connectionLimit"]),
            ("redis://h/0?decode_responses=True&family=6", "redis://h/0?family=6", &["decode_responses"]),
            ("postgres://h/d?timezone=x&readOnly=true&nosuch=1&statement_timeout=1", "", &[]),
            ("postgres://h/d?sslcrl=f&application_name=a&pool", "", &[]),
            ("https://h/?pool=5", "", &[]),
            ("host=h pool=5", "", &[]),
        ] {
            let want = if want.is_empty() { text } else { want };
            let (kept, left_out) = Address::without_the_applications_own(text);
            if names.is_empty() && text.starts_with("mysql2") {
                // Whatever the table says of these, what is left out is named.
                assert_eq!(text.matches('=').count(), kept.matches('=').count() + left_out.len(), "{text}");
                continue;
            }
            assert_eq!((kept.as_str(), left_out.as_slice()), (want, names), "{text}");
        }
    }
}
