//! Questions about PostgreSQL's indexes. None of them waits for a lock of anybody: the catalogue and the counters only.
//!
//! They have no parameters, so that they are asked through poolers too; numbers are put in their places.

/// Indexes after a number, in an order. Which columns `$VERSION` adds depends on the server.
pub(super) const INDEXES: &str = "
    SELECT i.indexrelid::int8, format('%I.%I', n.nspname, c.relname), format('%I.%I', tn.nspname, t.relname), a.amname::text,
        c.relkind::text, i.indnkeyatts::int4, i.indclass::text, i.indcollation::text, i.indoption::text,
        left(i.indexprs::text, 16385), left(i.indpred::text, 16385), i.indisunique, i.indisprimary, i.indimmediate, i.indisvalid AND i.indislive,
        i.indisready AND i.indislive, i.indisreplident, i.indisclustered,
        (SELECT json_agg(k.attname ORDER BY u.at)::text FROM unnest(i.indkey) WITH ORDINALITY u(number, at)
         LEFT JOIN pg_catalog.pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = u.number AND u.number <> 0),
        i.indkey::text, array_to_json(c.reloptions)::text,
        (SELECT json_agg(array_to_string(o.attoptions, ', ') ORDER BY o.attnum)::text FROM pg_catalog.pg_attribute o
         WHERE o.attrelid = c.oid AND o.attnum > 0),
        (SELECT format('%I.%I', pn.nspname, p.relname) FROM pg_catalog.pg_inherits h
         JOIN pg_catalog.pg_class p ON p.oid = h.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
         WHERE h.inhrelid = c.oid LIMIT 1),
        EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                AND d.objid IN (c.oid, t.oid) AND d.deptype = 'e'),
        c.relpages::float8 * current_setting('block_size')::float8, pg_catalog.pg_stat_get_numscans(c.oid)::float8,
        pg_catalog.pg_stat_get_tuples_returned(c.oid)::float8, t.oid::int8 $VERSION, $COLLATED
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_catalog.pg_am a ON a.oid = c.relam
    WHERE i.indexrelid > $AFTER $FILTER ORDER BY $ORDER LIMIT $PAGE";

/// How many there are.
pub(super) const COUNT: &str = "
    SELECT count(*) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Letters of an expression or a condition that are read; one that has more is like no other.
pub(super) const LONGEST_TREE: usize = 16_384;

/// Nulls that are alike (15), and the last scan (16).
pub(super) const NULLS: [&str; 2] = [", false", ", i.indnullsnotdistinct"];
pub(super) const LAST_SCAN: [&str; 2] =
    [", NULL::float8", ", extract(epoch FROM clock_timestamp() - pg_catalog.pg_stat_get_lastscan(c.oid))::float8"];

/// Those of users; of the server's own only what a rebuild left.
pub(super) const OF_USERS: &str = "
    AND (n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' OR n.nspname = 'pg_toast' AND NOT i.indisvalid)";

/// Of tables whose indexes may be alike: another one begins with the same column or an expression. And what is invalid.
pub(super) const MAYBE_ALIKE: &str = "
    AND (NOT i.indisvalid OR (i.indrelid, split_part(i.indkey::text, ' ', 1)) IN (
        SELECT x.indrelid, split_part(x.indkey::text, ' ', 1) FROM pg_catalog.pg_index x GROUP BY 1, 2 HAVING count(*) > 1))";

/// Of the table of one index.
pub(super) const OF_ONE_TABLE: &str =
    "AND i.indrelid = (SELECT x.indrelid FROM pg_catalog.pg_index x WHERE x.indexrelid = $OID)";

/// Constraints that rest on some indexes: what they are, the foreign keys that refer to them among them.
pub(super) const CONSTRAINTS: &str = "
    SELECT x.conindid::int8, x.conname::text, x.contype::text, x.condeferrable, format('%I.%I', n.nspname, t.relname)
    FROM pg_catalog.pg_constraint x JOIN pg_catalog.pg_class t ON t.oid = x.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE x.conindid IN ($OIDS) ORDER BY x.contype, x.conname";

/// Of one table.
pub(super) const OF_TABLE: &str = "AND i.indrelid = $OID";

/// Collations of the columns of an index, where they are asked for: none for an expression.
pub(super) const COLLATED: &str = "
        (SELECT json_agg(coalesce(k.attcollation, 0)::int8 ORDER BY u.at)::text FROM unnest(i.indkey) WITH ORDINALITY u(number, at)
         LEFT JOIN pg_catalog.pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = u.number AND u.number <> 0)";

/// Names of operator classes, which are few, and which of them are the usual ones of their types.
pub(super) const CLASSES: &str = "
    SELECT o.oid::int8, CASE WHEN n.nspname = 'pg_catalog' THEN o.opcname::text ELSE format('%I.%I', n.nspname, o.opcname) END,
        o.opcdefault
    FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace";

/// Names of some collations.
pub(super) const COLLATIONS: &str = "
    SELECT o.oid::int8, CASE WHEN n.nspname = 'pg_catalog' THEN o.collname::text ELSE format('%I.%I', n.nspname, o.collname) END
    FROM pg_catalog.pg_collation o JOIN pg_catalog.pg_namespace n ON n.oid = o.collnamespace WHERE o.oid IN ($OIDS)";

/// Builds of indexes in this database; without the right to see them their tables are null.
pub(super) const BUILDS: &str = "
    SELECT p.relid::int8, p.index_relid::int8, p.command::text FROM pg_catalog.pg_stat_progress_create_index p
    WHERE p.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";

/// Relations that somebody works on, or awaits to: concurrent builds and drops hold a lock of their own kind.
pub(super) const WORKED_ON: &str = "
    SELECT DISTINCT relation::int8, mode = 'AccessExclusiveLock' FROM pg_catalog.pg_locks
    WHERE locktype = 'relation' AND mode IN ('ShareUpdateExclusiveLock', 'AccessExclusiveLock')
      AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";

/// Tables after a number, in its order, with what was written to them.
pub(super) const TABLES: &str = "
    SELECT c.oid::int8, format('%I.%I', n.nspname, c.relname), c.relkind = 'p', c.reltuples::float8,
        pg_catalog.pg_stat_get_tuples_inserted(c.oid)::float8, pg_catalog.pg_stat_get_tuples_updated(c.oid)::float8,
        pg_catalog.pg_stat_get_tuples_deleted(c.oid)::float8, pg_catalog.pg_stat_get_tuples_hot_updated(c.oid)::float8,
        (SELECT format('%I.%I', pn.nspname, p.relname) FROM pg_catalog.pg_inherits h
         JOIN pg_catalog.pg_class p ON p.oid = h.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
         WHERE h.inhrelid = c.oid AND c.relispartition LIMIT 1)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND c.oid > $AFTER AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY c.oid LIMIT $PAGE";

/// Foreign keys after a number, in its order; those that partitions have from their parent are the parent's. A key of periods (18) is
/// looked for by another kind of index, and is left out.
pub(super) const FOREIGN_KEYS: &str = "
    SELECT x.oid::int8, x.conname::text, format('%I.%I', n.nspname, t.relname), format('%I.%I', rn.nspname, r.relname),
        (SELECT json_agg(json_build_array(a.attname, a.attcollation::int8) ORDER BY u.at)::text
         FROM unnest(x.conkey) WITH ORDINALITY u(number, at)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = x.conrelid AND a.attnum = u.number),
        (SELECT json_agg(a.attname ORDER BY u.at)::text FROM unnest(x.confkey) WITH ORDINALITY u(number, at)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = x.confrelid AND a.attnum = u.number)
    FROM pg_catalog.pg_constraint x
    JOIN pg_catalog.pg_class t ON t.oid = x.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_catalog.pg_class r ON r.oid = x.confrelid JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
    WHERE x.contype = 'f' AND x.conparentid = 0 AND x.oid > $AFTER $PERIOD AND n.nspname !~ '^pg_'
    ORDER BY x.oid LIMIT $PAGE";

/// For how many seconds the counters count, since when, whether it is a standby, how many follow it, and whether anything is
/// counted. Counters outlive an orderly restart; a crash loses them, which from 15 on only the counters of the background
/// writer tell.
pub(super) const WINDOW: &str = "
    SELECT extract(epoch FROM clock_timestamp() - w.since)::float8, extract(epoch FROM w.since)::float8 * 1000,
        pg_catalog.pg_is_in_recovery(), (SELECT count(*) FROM pg_catalog.pg_stat_get_wal_senders()),
        current_setting('track_counts')::bool
    FROM (SELECT coalesce((SELECT d.stats_reset FROM pg_catalog.pg_stat_database d WHERE d.datname = current_database()),
                          pg_catalog.pg_stat_get_bgwriter_stat_reset_time(), pg_catalog.pg_postmaster_start_time()) AS since) w";

/// What is written of keys and conditions, for those of some indexes that nobody locks: the functions would wait otherwise.
pub(super) const TEXTS: &str = "
    SELECT i.indexrelid::int8,
        (SELECT json_agg(CASE WHEN i.indkey[k - 1] = 0 THEN pg_catalog.pg_get_indexdef(i.indexrelid, k, true) END ORDER BY k)::text
         FROM generate_series(1, i.indnkeyatts::int4) k),
        pg_catalog.pg_get_expr(i.indpred, i.indrelid, true)
    FROM pg_catalog.pg_index i WHERE i.indexrelid IN ($OIDS)";
