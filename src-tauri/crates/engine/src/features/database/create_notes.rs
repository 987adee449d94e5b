//! What is to be known before an index is created: what the build takes of the disk, how long it has, and who pays for it.
use perfdeck_database::index_change::{CreateFigures, CreatePlan};
use perfdeck_model::Scheme;
use perfdeck_words as words;

/// What a preview says beside its figures; `bytes` is the index's size, where it was advised.
pub(super) fn notes(scheme: Scheme, plan: &CreatePlan, figures: &CreateFigures, bytes: Option<f64>) -> Vec<String> {
    let mut notes = match scheme {
        Scheme::Postgres => postgres(plan, figures, bytes),
        Scheme::Mysql | Scheme::Mariadb => mysql(bytes),
        _ => sqlite(figures, bytes),
    };
    if plan.unconditional {
        notes.push("The server keeps no condition of it: the one that is written is always true".to_owned());
    }
    if let Some(why) = &plan.unchecked {
        notes.push(format!("Whether the server takes it is known when it is built: {why}"));
    }
    if let Some(other) = &plan.covered_by {
        notes.push(format!("`{other}` begins with the same keys, and serves the same queries if it is wider"));
    }
    notes
}

/// What an index needs of a disk, where its own size is predicted: it has its keys twice while they are sorted.
fn needed(bytes: Option<f64>) -> String {
    bytes.map(|bytes| format!(", about {}", words::bytes(2.0 * bytes))).unwrap_or_default()
}

fn sqlite(figures: &CreateFigures, bytes: Option<f64>) -> Vec<String> {
    // A journal holds it again. Where it is not predicted, it is less than the table, unless it holds all of it.
    let most = match (bytes, figures.table_bytes) {
        (Some(bytes), _) => Some((2.0 * bytes, format!("it needs about {}", words::bytes(2.0 * bytes)))),
        (None, table) => table.map(|table| (2.0 * table, format!("the table has {}", words::bytes(table)))),
    };
    let free = match (figures.free_bytes, most) {
        (Some(free), Some((most, why))) if free < most => {
            format!("The file's disk has {} free, which may not be enough: {why}", words::bytes(free))
        }
        (Some(free), _) => format!("The file's disk has {} free", words::bytes(free)),
        (None, _) => "How much of the file's disk is free is not told here".to_owned(),
    };
    vec!["It has 10 min; stopping it rolls it back".to_owned(), free]
}

fn mysql(bytes: Option<f64>) -> Vec<String> {
    vec![
        "The table's lock is waited for 2 s at either end, since others wait behind that".to_owned(),
        "It has 10 min; stopping it ends it on the server too (KILL QUERY). What is cut off leaves nothing, and a statement that \
         nobody waits for any more goes on to its end"
            .to_owned(),
        "Replicas build it after that, one statement at a time, and lag as long as it takes there".to_owned(),
        format!(
            "How much of the server's disk is free is not told: it needs its own size, and as much in innodb_tmpdir while it is sorted{}",
            needed(bytes)
        ),
    ]
}

fn postgres(plan: &CreatePlan, figures: &CreateFigures, bytes: Option<f64>) -> Vec<String> {
    let mut notes = Vec::new();
    if plan.partitioned {
        notes.push(format!(
            "{} one after the other: built beside reads and writes, then attached. Making the parent's blocks writes to it for a \
             moment, attaching blocks queries of the partition for one; each lock is tried for 2 s, five times",
            words::plural(plan.partitions() as i64, "partition")
        ));
        notes.push(
            "Undoing drops it with those of all partitions, which blocks reads and writes of all of them for a moment"
                .to_owned(),
        );
    } else {
        notes.push(
            "Sent on a session of its own, outside a transaction: a lock is tried for 2 s first, then the statement has 10 min"
                .to_owned(),
        );
    }
    notes.push(format!(
        "The table is read twice, and the disk needs the index's size twice while it is sorted{}; how much is free there no server tells",
        needed(bytes)
    ));
    notes.extend(sorted(figures, bytes));
    if let Some((count @ 1.., lag)) = figures.standbys {
        let lag = lag.map(|s| format!(", {} behind at most", words::seconds(s))).unwrap_or_default();
        notes.push(format!(
            "{} all of it{lag}",
            if count == 1 {
                "1 standby replays".to_owned()
            } else {
                format!("{} standbys replay", words::count(count))
            }
        ));
    }
    notes
}

/// What the server's own limit says of it, where that is less than what sorting may take.
fn sorted(figures: &CreateFigures, bytes: Option<f64>) -> Option<String> {
    let limit = figures.sort_bytes?;
    let (most, of) = match (bytes, figures.table_bytes) {
        (Some(bytes), _) => (bytes, format!("it has about {}", words::bytes(bytes))),
        (None, table) => (table?, format!("the table has {}", words::bytes(table?))),
    };
    (limit < most).then(|| {
        format!(
            "temp_file_limit lets this user have {} of the disk while it is sorted, which may not be enough: {of}",
            words::bytes(limit)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(scheme: Scheme, figures: &CreateFigures, bytes: Option<f64>) -> String {
        notes(scheme, &CreatePlan::default(), figures, bytes).join("; ")
    }

    #[test]
    fn what_a_disk_needs_and_has_is_said_before() {
        let figures = CreateFigures { table_bytes: Some(50e6), free_bytes: Some(12e6), ..CreateFigures::default() };
        let b = words::bytes;
        for (scheme, bytes, part) in [
            (Scheme::Postgres, Some(5e6), format!("index's size twice while it is sorted, about {};", b(10e6))),
            (Scheme::Postgres, None, "twice while it is sorted; how much is free there no server tells".to_owned()),
            (Scheme::Mariadb, Some(5e6), format!("in innodb_tmpdir while it is sorted, about {}", b(10e6))),
            (Scheme::Sqlite, None, format!("{} free, which may not be enough: the table has {}", b(12e6), b(50e6))),
            (
                Scheme::Sqlite,
                Some(8e6),
                format!("{} free, which may not be enough: it needs about {}", b(12e6), b(16e6)),
            ),
        ] {
            let told = told(scheme, &figures, bytes);
            assert!(told.contains(&part), "{scheme:?}: {told}");
        }
        assert!(!told(Scheme::Sqlite, &figures, Some(5e6)).contains("not be enough"), "it is enough");
    }

    #[test]
    fn a_limit_of_the_server_is_said_where_sorting_may_come_to_it() {
        let figures = CreateFigures { table_bytes: Some(50e6), sort_bytes: Some(1e6), ..CreateFigures::default() };
        assert!(told(Scheme::Postgres, &figures, None).contains("which may not be enough: the table has"));
        assert!(told(Scheme::Postgres, &figures, Some(2e6)).contains("which may not be enough: it has about"));
        assert!(!told(Scheme::Postgres, &figures, Some(5e5)).contains("temp_file_limit"), "it is enough");
    }
}
