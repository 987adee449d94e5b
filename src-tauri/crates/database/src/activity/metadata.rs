//! Who waits for whom at the metadata locks of MySQL and MariaDB: tables, schemas, routines, user locks, backups. Pure.
//!
//! `performance_schema.metadata_locks` lists what is held and what is asked for; which of them stand in each other's way is the
//! server's own table (`sql/mdl.cc`, `m_granted_incompatible`). One whom nobody's held lock stops waits for those in the queue
//! before it.
use std::collections::HashMap;

/// A lock that somebody holds or asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MetadataLock {
    /// Session.
    pub(super) pid: i64,
    /// Kind and name of what it is on.
    pub(super) on: (String, Option<String>),
    /// Its strength, as the server names it.
    pub(super) strength: String,
    /// Whether it is held.
    pub(super) granted: bool,
}

/// Kinds of objects that are locked as a whole scope: with intentions.
const SCOPES: [&str; 7] = ["GLOBAL", "SCHEMA", "TABLESPACE", "COMMIT", "BACKUP LOCK", "RESOURCE GROUPS", "ACL CACHE"];

/// Whether a scope's held lock stops what is asked for.
fn stops_in_scope(held: &str, asked: &str) -> bool {
    !matches!(
        (asked, held),
        ("INTENTION_EXCLUSIVE", "INTENTION_EXCLUSIVE" | "INTENTION_SHARED") | ("SHARED", "SHARED" | "INTENTION_SHARED")
    ) && asked != "INTENTION_SHARED"
}

/// Whether a backup's lock of MariaDB stops what is asked for: its stages stop work, each more of it, and work stops them.
fn stops_in_backup(held: &str, asked: &str) -> bool {
    let stage = |s: &str| {
        s.contains("FTWRL")
            || s.contains("WAIT")
            || s.ends_with("FLUSH")
            || s.ends_with("START")
            || s.contains("BLOCK_DDL")
    };
    let alters =
        |s: &str| s.ends_with("DDL") && !s.contains("BLOCK") && !s.contains("WAIT") || s.ends_with("ALTER_COPY");
    match (stage(held), stage(asked)) {
        (false, false) => false,
        (true, true) => true,
        (one, _) => {
            let (stage, work) = if one { (held, asked) } else { (asked, held) };
            match work {
                w if w.ends_with("COMMIT") => stage.contains("FTWRL2") || stage.contains("WAIT_COMMIT"),
                w if alters(w) => !stage.ends_with("START") && !stage.ends_with("BACKUP_FLUSH"),
                _ => stage.contains("FTWRL") || stage.contains("WAIT"),
            }
        }
    }
}

/// Whether a held lock of a single object stops what is asked for.
fn stops_at_object(held: &str, asked: &str) -> bool {
    let stopped_by: &[&str] = match asked {
        "SHARED" | "SHARED_HIGH_PRIO" => &["EXCLUSIVE"],
        "SHARED_READ" => &["SHARED_NO_READ_WRITE", "EXCLUSIVE"],
        "SHARED_WRITE" | "SHARED_WRITE_LOW_PRIO" => {
            &["SHARED_READ_ONLY", "SHARED_NO_WRITE", "SHARED_NO_READ_WRITE", "EXCLUSIVE"]
        }
        "SHARED_UPGRADABLE" => &["SHARED_UPGRADABLE", "SHARED_NO_WRITE", "SHARED_NO_READ_WRITE", "EXCLUSIVE"],
        "SHARED_READ_ONLY" => &["SHARED_WRITE", "SHARED_WRITE_LOW_PRIO", "SHARED_NO_READ_WRITE", "EXCLUSIVE"],
        "SHARED_NO_WRITE" => &[
            "SHARED_WRITE",
            "SHARED_WRITE_LOW_PRIO",
            "SHARED_UPGRADABLE",
            "SHARED_NO_WRITE",
            "SHARED_NO_READ_WRITE",
            "EXCLUSIVE",
        ],
        "SHARED_NO_READ_WRITE" => return !matches!(held, "SHARED" | "SHARED_HIGH_PRIO"),
        // Exclusive, and what a later version may bring.
        _ => return true,
    };
    stopped_by.contains(&held)
}

fn stops(kind: &str, held: &str, asked: &str) -> bool {
    match kind {
        "BACKUP" => stops_in_backup(held, asked),
        kind if SCOPES.contains(&kind) => stops_in_scope(held, asked),
        _ => stops_at_object(held, asked),
    }
}

/// What is waited for, in words.
fn words(on: &(String, Option<String>)) -> String {
    match (on.0.as_str(), &on.1) {
        ("TABLE", Some(name)) => name.clone(),
        ("USER LEVEL LOCK", Some(name)) => format!("user lock {name}"),
        ("GLOBAL", _) => "the global read lock".to_owned(),
        ("BACKUP" | "BACKUP LOCK", _) => "the backup lock".to_owned(),
        ("COMMIT", _) => "the commit lock".to_owned(),
        (kind, Some(name)) => format!("{} {name}", kind.to_lowercase()),
        (kind, None) => format!("the {} lock", kind.to_lowercase()),
    }
}

/// Waiter, holder, and what is waited for.
pub(super) fn pairs(all: &[MetadataLock]) -> Vec<(i64, i64, Option<String>)> {
    let mut by: HashMap<&(String, Option<String>), Vec<&MetadataLock>> = HashMap::new();
    for lock in all {
        by.entry(&lock.on).or_default().push(lock);
    }
    let mut out = Vec::new();
    for (on, locks) in by {
        for asked in locks.iter().filter(|l| !l.granted) {
            let stands_in_the_way =
                |l: &&&MetadataLock| l.pid != asked.pid && stops(&on.0, &l.strength, &asked.strength);
            let mut holders: Vec<i64> =
                locks.iter().filter(|l| l.granted).filter(stands_in_the_way).map(|l| l.pid).collect();
            if holders.is_empty() {
                // Two that queue for the same stop each other; who was first is not told.
                let queue = locks.iter().filter(|l| !l.granted && l.strength != asked.strength);
                holders = queue.filter(stands_in_the_way).map(|l| l.pid).collect();
            }
            holders.sort_unstable();
            holders.dedup();
            out.extend(holders.into_iter().map(|holder| (asked.pid, holder, Some(words(on)))));
        }
    }
    out.sort();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(pid: i64, kind: &str, name: Option<&str>, strength: &str, granted: bool) -> MetadataLock {
        MetadataLock { pid, on: (kind.to_owned(), name.map(str::to_owned)), strength: strength.to_owned(), granted }
    }

    fn who(all: &[MetadataLock]) -> Vec<(i64, i64)> {
        pairs(all).into_iter().map(|(waiter, holder, _)| (waiter, holder)).collect()
    }

    #[test]
    fn a_table_that_is_locked_for_writing_stops_readers_and_writers() {
        let t = Some("app.t");
        let held = lock(1, "TABLE", t, "SHARED_NO_READ_WRITE", true);
        let all =
            [held, lock(2, "TABLE", t, "SHARED_READ", false), lock(3, "TABLE", Some("app.u"), "SHARED_READ", false)];
        assert_eq!(pairs(&all), [(2, 1, Some("app.t".to_owned()))], "LOCK TABLES t WRITE");
        let read = lock(1, "TABLE", t, "SHARED_READ_ONLY", true);
        let all = [read, lock(2, "TABLE", t, "SHARED_READ", false), lock(3, "TABLE", t, "SHARED_WRITE", false)];
        assert_eq!(who(&all), [(3, 1)], "LOCK TABLES t READ stops writers only");
    }

    #[test]
    fn who_is_stopped_by_nobody_waits_for_the_queue() {
        let t = Some("app.t");
        let all = [
            lock(1, "TABLE", t, "SHARED_READ", true),
            lock(2, "TABLE", t, "EXCLUSIVE", false),
            lock(3, "TABLE", t, "SHARED_READ", false),
        ];
        assert_eq!(who(&all), [(2, 1), (3, 2)], "a change of the table waits for a reader, and later readers for it");
        let twins = [lock(1, "TABLE", t, "EXCLUSIVE", true), lock(2, "TABLE", t, "SHARED_READ", false)];
        assert_eq!(who(&twins), [(2, 1)]);
    }

    #[test]
    fn user_locks_global_locks_and_backups_have_holders() {
        let user = [
            lock(1, "USER LEVEL LOCK", Some("job"), "EXCLUSIVE", true),
            lock(2, "USER LEVEL LOCK", Some("job"), "EXCLUSIVE", false),
        ];
        assert_eq!(pairs(&user), [(2, 1, Some("user lock job".to_owned()))]);
        let global = [lock(1, "GLOBAL", None, "SHARED", true), lock(2, "GLOBAL", None, "INTENTION_EXCLUSIVE", false)];
        assert_eq!(pairs(&global), [(2, 1, Some("the global read lock".to_owned()))], "FLUSH TABLES WITH READ LOCK");
        let intentions =
            [lock(1, "GLOBAL", None, "INTENTION_EXCLUSIVE", true), lock(2, "GLOBAL", None, "SHARED", false)];
        assert_eq!(who(&intentions), [(2, 1)], "and it waits for those that write");
        let backup = [
            lock(1, "BACKUP", None, "MDL_BACKUP_FTWRL2", true),
            lock(2, "BACKUP", None, "MDL_BACKUP_DML", false),
            lock(3, "BACKUP", None, "MDL_BACKUP_DML", true),
        ];
        assert_eq!(who(&backup), [(2, 1)], "MariaDB has them among backups");
    }
}
