//! What the server's catalogue alone does not tell: how often values of expressions come, how long texts outside of rows are, which functions are
//! immutable, and what belongs together or has one name in several schemas. Each on samples and with `HypoPG`.
use perfdeck_model::Kind;
use perfdeck_testkit::sqlx::{AssertSqlSafe, Row as _, raw_sql};
use perfdeck_testkit::{Postgres, sqlx};

use super::{AdviceGiven, AdviceWanted, ddl, given, wanted};

const TABLES: &str = "
    CREATE EXTENSION hstore; CREATE EXTENSION hypopg;
    CREATE TABLE states (id serial PRIMARY KEY, st text, a int, pad text);
    INSERT INTO states (st, a, pad) SELECT CASE WHEN g % 500 = 0 THEN 'bad' ELSE 'ok' END, CASE WHEN g % 500 = 0 THEN g END, repeat('z', 80)
    FROM generate_series(1, 30000) g;
    CREATE TABLE pairs (id int, key text, value text);
    INSERT INTO pairs SELECT g, 'k' || g % 50, CASE WHEN g % 100 = 0 THEN
        (SELECT string_agg(chr(33 + (random() * 90)::int), '') FROM generate_series(1, 4000) i WHERE g > 0) ELSE 'v' || g END
    FROM generate_series(1, 20000) g;
    CREATE TABLE docs (id int, a int, h hstore, nm text);
    INSERT INTO docs SELECT g, g, hstore('k', 'v' || g % 3000), 'N' || g FROM generate_series(1, 20000) g;
    CREATE FUNCTION next_of(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 + 1; END';
    CREATE FUNCTION by_setting(int) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 + 1; END';
    CREATE TABLE whole (id int, k int, d date) PARTITION BY RANGE (d);
    CREATE TABLE part_a PARTITION OF whole FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE part_b PARTITION OF whole FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
    INSERT INTO whole SELECT g, g % 5000, date '2020-01-01' + g % 700 FROM generate_series(1, 40000) g;
    CREATE SCHEMA t1; CREATE SCHEMA t2; CREATE TABLE t1.same (id int, k int); CREATE TABLE t2.same (id int, k int);
    INSERT INTO t1.same SELECT g, g FROM generate_series(1, 20000) g; INSERT INTO t2.same SELECT * FROM t1.same;
    CREATE VIEW seen AS SELECT id, k FROM t2.same";

fn keys(given: &AdviceGiven) -> Vec<String> {
    let mut all: Vec<String> = ddl(given).iter().map(|d| d[d.find('(').unwrap_or(0)..].to_owned()).collect();
    all.sort();
    all
}

fn whys(given: &AdviceGiven) -> String {
    given.advice.rejected.iter().map(|r| format!("{} {}\n", r.index, r.why)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalogue_does_not_tell_is_looked_at() {
    let server = Postgres::start_with(&[("autovacuum", "off"), ("jit", "off")]).await.expect("PostgreSQL");
    server.execute(TABLES).await.expect("tables");
    server.execute("VACUUM ANALYZE").await.expect("statistics");
    let url = server.url();
    for kind in [Kind::Production, Kind::Development] {
        let of = async |texts: &[&str]| {
            let all: Vec<(&str, f64)> = texts.iter().map(|text| (*text, 60_000.0)).collect();
            given(&url, &AdviceWanted { kind, ..wanted(&all) }).await
        };
        for (text, want) in [
            ("SELECT * FROM states WHERE lower(st) = 'ok'", &[][..]),
            ("SELECT * FROM states WHERE lower(st) = 'bad'", &["((lower(st)))"]),
            ("SELECT id FROM pairs WHERE key = $1 AND value = $2", &["(key)"]),
            ("SELECT * FROM docs WHERE h -> 'k' = 'v77'", &["((h -> 'k'))"]),
            ("SELECT * FROM docs WHERE next_of(a) = 77", &["((public.next_of(a)))"]),
            ("SELECT * FROM docs WHERE public.next_of(a) = $1", &["((public.next_of(a)))"]),
            ("SELECT * FROM docs WHERE initcap(nm) = 'N77'", &["((initcap(nm)))"]),
            ("SELECT * FROM docs WHERE by_setting(a) = 77", &[]),
            ("SELECT * FROM states WHERE a IS DISTINCT FROM NULL", &["(a) WHERE a IS NOT NULL"]),
            ("PREPARE p1 (int) AS SELECT * FROM docs WHERE a = $1", &["(a)"]),
            ("SELECT id FROM seen WHERE k = 5", &["(k)"]),
        ] {
            let found = of(&[text]).await;
            assert_eq!(keys(&found), want, "{kind:?} {text}: {}\n{:?}", whys(&found), found.advice.left);
            for advised in &found.advice.advised {
                server.execute(&advised.ddl).await.unwrap_or_else(|e| panic!("{text}: as it is: {e}"));
            }
            let schema =
                found.advice.advised.first().map(|a| found.catalogue.tables[a.candidate.index.table].schema.clone());
            for advised in &found.advice.advised {
                let again = of(&[text]).await;
                assert_eq!(keys(&again), [""; 0], "{text}: it is there");
                let name = format!("{}.{}", schema.as_deref().unwrap_or("public"), advised.name);
                server.execute(&format!("DROP INDEX {name}")).await.expect("gone again");
            }
        }
        let found = of(&["SELECT * FROM docs WHERE by_setting(a) = 77"]).await;
        assert!(whys(&found).contains("`by_setting` is not declared IMMUTABLE"), "{}", whys(&found));
        let found = of(&["SELECT id FROM pairs WHERE key = $1 AND value = $2"]).await;
        assert!(whys(&found).contains("values of `value` may be longer than the 2,704 B"), "{}", whys(&found));

        let found = of(&["SELECT * FROM part_a WHERE k = 77", "SELECT * FROM whole WHERE k = 78"]).await;
        let [one] = found.advice.advised.as_slice() else { panic!("{kind:?}: {:?}\n{}", ddl(&found), whys(&found)) };
        assert!(one.ddl.contains("ON \"public\".\"whole\" (\"k\")") && one.used_by.len() == 2, "{one:?}");
        assert_eq!((one.effects.len(), found.advice.effects.len()), (2, 2), "{:?}", found.advice.effects);
        assert!(whys(&found).contains("each partition of public.whole gets (k) of that table"), "{}", whys(&found));
        let named = |nodes: &[perfdeck_model::PlanNode]| nodes.iter().any(|n| n.index.as_ref() == Some(&one.name));
        assert!(found.plans.len() == 2 && found.plans.iter().all(|p| named(&p.after)), "{:?}", found.plans);

        let both = ["SELECT * FROM t1.same WHERE k = $1", "SELECT * FROM t2.same WHERE same.k = $1"];
        let found = of(&both).await;
        let all: Vec<String> = ddl(&found).iter().map(|d| d[d.find(" ON ").unwrap_or(0)..].to_owned()).collect();
        assert!(all.len() == 2 && found.advice.left.is_empty(), "{kind:?}: {all:?} {:?}", found.advice.left);
        assert!(all.contains(&" ON t1.same (k)".to_owned()) && all.contains(&" ON t2.same (k)".to_owned()), "{all:?}");
        assert!(found.advice.effects.iter().all(|e| e.mean < 0.3), "each on its own: {:?}", found.advice.effects);
        if kind == Kind::Production {
            let found = of(&["SELECT 1 FROM t1.same a JOIN t2.same b ON a.id = b.id WHERE a.k = 5"]).await;
            let left: Vec<String> = found.advice.left.iter().map(|l| l.why.to_string()).collect();
            assert!(left.len() == 1 && left[0].contains("two tables of one name in two schemas"), "{left:?}");
        }
    }
    let mut c = server.connect().await.expect("connects");
    let left = raw_sql(AssertSqlSafe("SELECT count(*) FROM pg_class WHERE relname LIKE 'pdk%'"));
    let left: i64 = left.fetch_one(&mut c).await.expect("the catalogue").get(0);
    assert_eq!(left, 0, "nothing stays");
    let _ = sqlx::Connection::close(c).await;
}
