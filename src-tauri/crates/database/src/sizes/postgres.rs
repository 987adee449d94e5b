//! Sizes from PostgreSQL: the catalogue first, which no lock of anybody keeps waiting, then what the size functions say of
//! those relations that nobody locks.
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::try_join_all;
use perfdeck_model::{Address, DatabaseSizes, IndexSize, Sensitive, SizeTold, TableKind, TableSize};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::pages::Pages;
use super::{Budget, MEASURING, not_measured, postgres_bloat, sum};
use crate::connect::{Database, close, connect};
use crate::own;
use crate::session::Session;

/// Tables that one statement asks about; beyond it a second connection takes a part.
const PAGE: usize = 400;
/// Longest time to open that one: without it everything comes, only later.
const SECOND: Duration = Duration::from_millis(500);

/// The largest tables by the catalogue, with what all of them are together: identifier, tables, indexes, indexes of this
/// one, pages of all. A table that was never vacuumed or analyzed has no pages there, so that its rows stand for them.
const LARGEST: &str = "
    WITH t AS (
        SELECT c.oid, greatest(c.relpages, CASE WHEN c.relpages = 0 THEN pg_stat_get_live_tuples(c.oid) / 50 ELSE 0 END)
               + coalesce(x.relpages, 0) AS pages
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class x ON x.oid = c.reltoastrelid
        WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'),
    i AS (
        SELECT i.indrelid, sum(c.relpages) AS pages, count(*) AS n
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relkind = 'i' GROUP BY i.indrelid)
    SELECT t.oid::int8, count(*) OVER (), (sum(coalesce(i.n, 0)) OVER ())::int8, coalesce(i.n, 0),
           (sum(t.pages + coalesce(i.pages, 0)) OVER ())::float8, (t.pages + coalesce(i.pages, 0))::float8,
           current_setting('block_size')::float8,
           (SELECT extract(epoch FROM coalesce(stats_reset, pg_postmaster_start_time()))::float8 * 1000
            FROM pg_stat_database WHERE datname = current_database()),
           pg_is_in_recovery()
    FROM t LEFT JOIN i ON i.indrelid = t.oid ORDER BY 6 DESC, t.oid LIMIT $LIMIT";

/// What the catalogue and the statistics say of some tables. When its own vacuum and analyze come is computed as
/// `src/backend/postmaster/autovacuum.c` does, with the settings of the table before those of the server.
const TABLES: &str = "
    SELECT c.oid::int8, format('%I.%I', n.nspname, c.relname), c.relkind::text,
           (SELECT format('%I.%I', pn.nspname, p.relname) FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent
            JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE h.inhrelid = c.oid ORDER BY h.inhseqno LIMIT 1),
           c.reltuples::float8, c.relpages::float8, c.reltoastrelid::int8, coalesce(x.relpages, 0)::float8,
           pg_stat_get_numscans(c.oid)::float8, pg_stat_get_tuples_returned(c.oid)::float8,
           pg_stat_get_live_tuples(c.oid)::float8, pg_stat_get_dead_tuples(c.oid)::float8,
           pg_stat_get_mod_since_analyze(c.oid)::float8,
           extract(epoch FROM greatest(pg_stat_get_last_vacuum_time(c.oid),
                                       pg_stat_get_last_autovacuum_time(c.oid)))::float8 * 1000,
           extract(epoch FROM greatest(pg_stat_get_last_analyze_time(c.oid),
                                       pg_stat_get_last_autoanalyze_time(c.oid)))::float8 * 1000,
           coalesce(o.enabled, current_setting('autovacuum')::bool),
           coalesce(o.vt, current_setting('autovacuum_vacuum_threshold')::float8)
               + coalesce(o.vs, current_setting('autovacuum_vacuum_scale_factor')::float8) * greatest(c.reltuples, 0),
           coalesce(o.at, current_setting('autovacuum_analyze_threshold')::float8)
               + coalesce(o.\"as\", current_setting('autovacuum_analyze_scale_factor')::float8) * greatest(c.reltuples, 0),
           coalesce(x.reltuples, 0)::float8
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class x ON x.oid = c.reltoastrelid
    LEFT JOIN LATERAL (
        SELECT bool_and(option_value::bool) FILTER (WHERE option_name = 'autovacuum_enabled') AS enabled,
               max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold') AS vt,
               max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor') AS vs,
               max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_analyze_threshold') AS at,
               max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_analyze_scale_factor') AS \"as\"
        FROM pg_options_to_table(c.reloptions) WHERE option_name LIKE 'autovacuum%') o ON true
    WHERE c.oid IN ($OIDS)";

/// What the catalogue says of the indexes of some tables.
const INDEXES: &str = "
    SELECT i.indrelid::int8, c.oid::int8, format('%I.%I', n.nspname, c.relname), a.amname::text, c.relpages::float8,
           i.indisunique, i.indisprimary, i.indisvalid, pg_stat_get_numscans(c.oid)::float8, i.indpred IS NOT NULL
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_am a ON a.oid = c.relam
    WHERE c.relkind = 'i' AND i.indrelid IN ($OIDS)";

/// Relations that somebody holds or awaits for himself: who asks for their size would wait.
const LOCKED: &str = "
    SELECT relation::int8 FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// As psql's `\\dt+` and `\\di+`: all forks, a table's with what is stored apart; then the rows alone, and their forks without
/// what is stored apart. One that is gone meanwhile has none. An index has nothing stored apart, and is asked for once.
const SIZES: &str = "
    SELECT oid::int8, pg_table_size(oid)::float8,
           CASE WHEN relkind = 'i' THEN 0 ELSE pg_relation_size(oid) END::float8,
           CASE WHEN relkind = 'i' THEN 0 ELSE pg_relation_size(oid) + pg_relation_size(oid, 'fsm')
               + pg_relation_size(oid, 'vm') + pg_relation_size(oid, 'init') END::float8
    FROM pg_class WHERE oid IN ($OIDS)";

/// A table with its places in the catalogue.
pub(super) struct Found {
    pub(super) oid: i64,
    toast: Option<i64>,
    /// Rows and pages at the last vacuum or analyze; no rows where there was none.
    pub(super) reltuples: f64,
    pub(super) relpages: f64,
    live: f64,
    pub(super) table: TableSize,
    /// Identifiers of its indexes, in the order of `table.indexes`.
    pub(super) indexes: Vec<i64>,
}

/// A list of identifiers for a statement: numbers only.
pub(super) fn list(oids: impl IntoIterator<Item = i64>) -> String {
    let list = oids.into_iter().map(|oid| oid.to_string()).collect::<Vec<_>>().join(",");
    // No relation has this number.
    if list.is_empty() { "0".to_owned() } else { list }
}

/// Asks for rows. The text is one of ours with numbers and quoted names in it.
pub(super) async fn ask(c: &mut Session, address: &Address, text: String) -> Result<Vec<PgRow>, sqlx::Error> {
    own::add(address, 1.0, 0);
    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).fetch_all(c).await
}

/// A second connection for what is much. Behind a pooler, or where the server has none left, there is none.
async fn second(c: &Session, (address, password): (&Address, Option<&Sensitive>), tables: usize) -> Option<Session> {
    if tables <= PAGE || c.is_shared() {
        return None;
    }
    match connect(address, password, SECOND).await.ok()? {
        Database::Postgres(second) if !second.is_shared() => {
            own::add(address, 1.0, 1);
            Some(second)
        }
        other => {
            close(other).await;
            None
        }
    }
}

pub(super) async fn sizes(
    c: &mut Session,
    target: (&Address, Option<&Sensitive>),
    limit: u32,
    budget: Budget,
) -> Result<DatabaseSizes, sqlx::Error> {
    let address = target.0;
    let largest = ask(c, address, LARGEST.replace("$LIMIT", &limit.to_string())).await?;
    let mut found = DatabaseSizes {
        source: "the server's size functions".to_owned(),
        bytes: Some(0.0),
        bytes_exact: true,
        ..DatabaseSizes::default()
    };
    let Some(first) = largest.first() else { return Ok(found) };
    let page: f64 = first.try_get(6)?;
    let (mut oids, mut indexes, mut all_pages) = (Vec::with_capacity(largest.len()), 0_i64, 0.0);
    for row in &largest {
        oids.push(row.try_get::<i64, _>(0)?);
        indexes += row.try_get::<i64, _>(3)?;
        all_pages += row.try_get::<f64, _>(5)?;
    }
    let whole = |n: i64| u32::try_from(n.max(0)).unwrap_or(u32::MAX);
    found.tables_left_out = whole(first.try_get::<i64, _>(1)? - i64::try_from(oids.len()).unwrap_or(0));
    found.indexes_left_out = whole(first.try_get::<i64, _>(2)? - indexes);
    found.counted_since_ms = first.try_get(7)?;
    let left_out = (first.try_get::<f64, _>(4)? - all_pages).max(0.0) * page;

    let mut second = second(c, target, oids.len()).await;
    let mut sessions: Vec<&mut Session> = std::iter::once(c).chain(second.as_mut()).collect();
    let version = sessions.first().and_then(|c| c.server_version_num());
    let pages = Pages::of(&mut oids, PAGE);
    let read = try_join_all(sessions.iter_mut().map(|c| catalogue(c, address, &pages, page))).await?;
    let mut all: Vec<Found> = read.into_iter().flatten().collect();
    let pages = Pages::of(&mut all, PAGE);
    try_join_all(sessions.iter_mut().map(|c| measure(c, address, &pages, page, budget))).await?;
    let pages = Pages::of(&mut all, PAGE);
    let hidden =
        try_join_all(sessions.iter_mut().map(|c| postgres_bloat::estimate(c, address, &pages, budget))).await?;
    if let Some(second) = second {
        close(Database::Postgres(second)).await;
    }
    found.tables = all.into_iter().map(|f| f.table).collect();
    for table in &mut found.tables {
        table.parts_told = table.told;
    }
    found.bytes_exact = found.tables_left_out == 0 && found.tables.iter().all(|t| t.told == SizeTold::Exact);
    found.bytes = sum(found.tables.iter().map(|t| t.bytes)).map(|bytes| bytes + left_out);
    if first.try_get(8)? {
        of_standby(&mut found);
    }
    missing(&mut found, address, hidden.into_iter().sum(), version);
    Ok(found)
}

/// A standby cleans nothing up itself and counts nothing of it: its own counters of that are 0 whatever the primary's are.
fn of_standby(found: &mut DatabaseSizes) {
    for table in &mut found.tables {
        (table.dead_rows, table.changed_rows, table.vacuumed_ms, table.analyzed_ms) = (None, None, None, None);
        (table.vacuum_at_rows, table.analyze_at_rows) = (None, None);
    }
    let told =
        "This server is a standby: scans are its own, and dead rows, vacuum and analyze are told by the primary only";
    found.missing.push(told.to_owned());
}

/// What could not be read, and what would let it be.
fn missing(found: &mut DatabaseSizes, address: &Address, hidden: usize, version: Option<u32>) {
    let locked = [
        "is locked exclusively: its size is the catalogue's, of the last vacuum or analyze",
        "are locked exclusively: their sizes are the catalogue's, of the last vacuum or analyze",
    ];
    let late = [
        "was not measured in time: its size is the catalogue's, of the last vacuum or analyze",
        "were not measured in time: their sizes are the catalogue's, of the last vacuum or analyze",
    ];
    let shown = if found.tables_left_out > 0 { " of those that are shown" } else { "" };
    let told = [
        not_measured(found, SizeTold::Locked, locked),
        not_measured(found, SizeTold::Estimate, late),
        match hidden {
            0 => None,
            1 => Some(format!("1 table{shown} hides its statistics from this user, and so its bloat")),
            n => Some(format!(
                "{} tables{shown} hide their statistics from this user, and so their bloat",
                perfdeck_words::count(n as i64)
            )),
        },
    ];
    found.missing.extend(told.into_iter().flatten());
    if hidden == 0 {
        return;
    }
    let user = quote_identifier(address.username.as_deref().unwrap_or("perfdeck"), Dialect::Postgres);
    found.grants = if version.is_some_and(|v| v >= 140_000) {
        vec![format!("GRANT pg_read_all_data TO {user};")]
    } else {
        let schemas: std::collections::BTreeSet<&str> =
            found.tables.iter().filter_map(|t| postgres_bloat::schema(&t.name)).collect();
        let grant =
            |s| format!("GRANT USAGE ON SCHEMA {s} TO {user}; GRANT SELECT ON ALL TABLES IN SCHEMA {s} TO {user};");
        schemas.into_iter().take(20).map(grant).collect()
    };
}

/// What the catalogue says of the pages that this connection takes.
async fn catalogue(
    c: &mut Session,
    address: &Address,
    pages: &Pages<'_, i64>,
    page: f64,
) -> Result<Vec<Found>, sqlx::Error> {
    let mut all = Vec::new();
    while let Some(oids) = pages.take() {
        all.extend(page_of(c, address, oids, page).await?);
    }
    Ok(all)
}

/// What the catalogue says of some tables, with their indexes.
async fn page_of(c: &mut Session, address: &Address, oids: &[i64], page: f64) -> Result<Vec<Found>, sqlx::Error> {
    let list = list(oids.iter().copied());
    let mut all = Vec::with_capacity(oids.len());
    for row in ask(c, address, TABLES.replace("$OIDS", &list)).await? {
        all.push(table(&row, page)?);
    }
    let places: HashMap<i64, usize> =
        all.iter().enumerate().map(|(at, found): (usize, &Found)| (found.oid, at)).collect();
    for row in ask(c, address, INDEXES.replace("$OIDS", &list)).await? {
        let Some(of) = places.get(&row.try_get(0)?).and_then(|at| all.get_mut(*at)) else { continue };
        let bytes = row.try_get::<f64, _>(4)? * page;
        of.indexes.push(row.try_get(1)?);
        of.table.indexes.push(IndexSize {
            name: row.try_get(2)?,
            kind: row.try_get(3)?,
            bytes: Some(bytes),
            told: SizeTold::Estimate,
            unique: row.try_get(5)?,
            primary: row.try_get(6)?,
            valid: row.try_get(7)?,
            scans: row.try_get(8)?,
            partial: row.try_get(9)?,
            ..IndexSize::default()
        });
    }
    for found in &mut all {
        add_up(found);
    }
    Ok(all)
}

fn table(row: &PgRow, page: f64) -> Result<Found, sqlx::Error> {
    let (kind, partition_of): (String, Option<String>) = (row.try_get(2)?, row.try_get(3)?);
    let n = |at: usize| row.try_get::<f64, _>(at);
    let toast = row.try_get::<i64, _>(6)?;
    let cared: bool = row.try_get(15)?;
    let at = |column: usize| n(column).map(|rows| cared.then_some(rows));
    Ok(Found {
        oid: row.try_get(0)?,
        toast: (toast != 0).then_some(toast),
        reltuples: n(4)?,
        relpages: n(5)?,
        live: n(10)?,
        table: TableSize {
            name: row.try_get(1)?,
            kind: match (kind.as_str(), &partition_of) {
                ("m", _) => TableKind::MaterializedView,
                (_, Some(_)) => TableKind::Partition,
                _ => TableKind::Table,
            },
            partition_of,
            told: SizeTold::Estimate,
            table_bytes: Some(n(5)? * page),
            toast_bytes: Some(n(7)? * page),
            toast_bloat: perfdeck_pages::stored_apart(n(18)?, n(7)?),
            scans: Some(n(8)?),
            scan_rows: Some(n(9)?),
            dead_rows: Some(n(11)?),
            changed_rows: Some(n(12)?),
            vacuumed_ms: row.try_get(13)?,
            analyzed_ms: row.try_get(14)?,
            vacuum_at_rows: at(16)?,
            analyze_at_rows: at(17)?,
            ..TableSize::default()
        },
        indexes: Vec::new(),
    })
}

/// The sums, and the rows as the planner reckons them: as many a page as at the last vacuum or analyze.
fn add_up(found: &mut Found) {
    let table = &mut found.table;
    table.index_bytes = sum(table.indexes.iter().map(|i| i.bytes));
    table.index_scans = sum(table.indexes.iter().map(|i| i.scans));
    table.bytes = sum([table.table_bytes, table.toast_bytes, table.index_bytes]);
    table.rows = match found.reltuples {
        // -1 from 14 on; before, an empty table and one of which nothing is known look alike.
        rows if rows > 0.0 || (rows == 0.0 && found.relpages > 0.0) => Some(rows),
        _ if found.live > 0.0 || table.analyzed_ms.is_some() || table.vacuumed_ms.is_some() => Some(found.live),
        _ => None,
    };
}

/// Replaces estimates by measured sizes, as far as nobody locks and time goes.
async fn measure(
    c: &mut Session,
    address: &Address,
    pages: &Pages<'_, Found>,
    page: f64,
    budget: Budget,
) -> Result<(), sqlx::Error> {
    while let Some(part) = pages.take().filter(|_| !budget.is_over(MEASURING)) {
        let mut locked = mark_locked(c, address, part).await?;
        let mut outcome = measure_free(c, address, part, &locked, page).await;
        if outcome.as_ref().is_err_and(in_the_way) {
            // Somebody locked one of them in between.
            locked = mark_locked(c, address, part).await?;
            outcome = measure_free(c, address, part, &locked, page).await;
        }
        match outcome {
            Err(error) if !in_the_way(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a lock or the statement's own limit kept sizes from being told.
fn in_the_way(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("55P03" | "57014")))
}

async fn mark_locked(c: &mut Session, address: &Address, part: &mut [Found]) -> Result<HashSet<i64>, sqlx::Error> {
    let rows = ask(c, address, LOCKED.to_owned()).await?;
    let locked = rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<i64>, _>>()?;
    for found in part {
        let own = locked.contains(&found.oid) || found.toast.is_some_and(|toast| locked.contains(&toast));
        found.table.told = if own { SizeTold::Locked } else { SizeTold::Estimate };
        for (oid, index) in found.indexes.iter().zip(&mut found.table.indexes) {
            index.told = if locked.contains(oid) { SizeTold::Locked } else { SizeTold::Estimate };
        }
    }
    Ok(locked)
}

async fn measure_free(
    c: &mut Session,
    address: &Address,
    part: &mut [Found],
    locked: &HashSet<i64>,
    page: f64,
) -> Result<(), sqlx::Error> {
    let free = |found: &Found| found.table.told != SizeTold::Locked;
    let relations = part
        .iter()
        .flat_map(|found| free(found).then_some(found.oid).into_iter().chain(found.indexes.iter().copied()))
        .filter(|oid| !locked.contains(oid));
    let text = SIZES.replace("$OIDS", &list(relations));
    let mut sizes: HashMap<i64, Measured> = HashMap::new();
    for row in ask(c, address, text).await? {
        if let (Some(all), Some(main), Some(own)) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?) {
            sizes.insert(row.try_get(0)?, Measured { all, main, own });
        }
    }
    for found in part {
        take(found, &sizes, page);
    }
    Ok(())
}

/// What the size functions say of a relation, in bytes.
struct Measured {
    all: f64,
    main: f64,
    own: f64,
}

/// Takes measured sizes over.
fn take(found: &mut Found, sizes: &HashMap<i64, Measured>, page: f64) {
    for (oid, index) in found.indexes.iter().zip(&mut found.table.indexes) {
        if let Some(size) = sizes.get(oid) {
            (index.bytes, index.told) = (Some(size.all), SizeTold::Exact);
        }
    }
    if let Some(size) = sizes.get(&found.oid) {
        found.table.table_bytes = Some(size.own);
        found.table.toast_bytes = Some(size.all - size.own);
        let indexes = found.table.indexes.iter().all(|i| i.told == SizeTold::Exact);
        found.table.told = if indexes { SizeTold::Exact } else { SizeTold::Estimate };
    }
    add_up(found);
    // As the planner reckons: as many rows a page as there were then, on the pages that there are now.
    if let Some(size) = sizes.get(&found.oid).filter(|_| found.reltuples > 0.0 && found.relpages > 0.0) {
        found.table.rows = Some((found.reltuples / found.relpages * size.main / page).round());
    }
}
