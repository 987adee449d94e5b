//! The recommended size as settings of pools. Pure.
use perfdeck_model::{PoolSettings, Scheme};
use perfdeck_stats::pool_size::Recommended;

use super::answer::PoolSetting;

/// For one instance, but PgBouncer, of which there is one before all. What is not measured is the environment's own.
pub(super) fn settings(size: &Recommended, pool: &PoolSettings, scheme: Scheme) -> Vec<PoolSetting> {
    let (n, overflow, timeout_s, recycle_s) = (size.per_instance, size.overflow, pool.timeout_s, pool.recycle_s);
    let setting =
        |kind: &str, title: &str, text: String| PoolSetting { kind: kind.to_owned(), title: title.to_owned(), text };
    let mut all = vec![
        setting(
            "environment",
            "Environment variables",
            format!(
                "DB_POOL_SIZE={n}\nDB_MAX_OVERFLOW={overflow}\nDB_POOL_TIMEOUT={timeout_s}\nDB_POOL_RECYCLE={recycle_s}\n"
            ),
        ),
        setting("sqlx", "sqlx", sqlx(n + overflow, pool, scheme)),
        setting(
            "sqlalchemy",
            "SQLAlchemy",
            format!(
                "import os\n\nfrom sqlalchemy import create_engine\n\nengine = create_engine(\n    os.environ[\"DATABASE_URL\"],\n    \
                 pool_size={n},\n    max_overflow={overflow},\n    pool_timeout={timeout_s},\n    pool_recycle={},\n    \
                 pool_pre_ping=True,\n)\n",
                recycle_s.round()
            ),
        ),
        setting("hikaricp", "HikariCP", hikari(n, pool)),
    ];
    if scheme == Scheme::Postgres {
        all.push(setting("pgbouncer", "PgBouncer", pgbouncer(size, pool)));
    }
    all
}

fn sqlx(most: u32, pool: &PoolSettings, scheme: Scheme) -> String {
    let options = match scheme {
        Scheme::Mysql | Scheme::Mariadb => "mysql::MySqlPoolOptions",
        Scheme::Sqlite => "sqlite::SqlitePoolOptions",
        _ => "postgres::PgPoolOptions",
    };
    let seconds = |s: f64| format!("std::time::Duration::from_secs_f64({s:?})");
    format!(
        "let pool = sqlx::{options}::new()\n    .max_connections({most})\n    .acquire_timeout({})\n    .max_lifetime({})\n    \
         .connect(&std::env::var(\"DATABASE_URL\")?)\n    .await?;\n",
        seconds(pool.timeout_s),
        seconds(pool.recycle_s)
    )
}

/// In milliseconds, at least what HikariCP takes: 250 ms to wait, 30 s of life.
fn hikari(n: u32, pool: &PoolSettings) -> String {
    let ms = |s: f64, least: f64| (s * 1000.0).max(least).round();
    format!(
        "maximumPoolSize={n}\nminimumIdle={n}\nconnectionTimeout={}\nmaxLifetime={}\n",
        ms(pool.timeout_s, 250.0),
        ms(pool.recycle_s, 30_000.0)
    )
}

fn pgbouncer(size: &Recommended, pool: &PoolSettings) -> String {
    let all = size.connections.min(size.total).max(1);
    format!(
        "; of one PgBouncer before all instances: the connections of all of them\n[pgbouncer]\ndefault_pool_size = {all}\n\
         reserve_pool_size = 0\nquery_wait_timeout = {}\nserver_lifetime = {}\n",
        pool.timeout_s.ceil(),
        pool.recycle_s.ceil()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::Kind;

    fn of(scheme: Scheme) -> Vec<PoolSetting> {
        let size = Recommended { connections: 8, low: 8, high: 8, share: 0.97, per_instance: 3, total: 9, overflow: 0 };
        settings(&size, &PoolSettings::for_kind(Kind::Staging), scheme)
    }

    fn text(of: &[PoolSetting], kind: &str) -> String {
        of.iter().find(|setting| setting.kind == kind).unwrap_or_else(|| panic!("{kind}: {of:?}")).text.clone()
    }

    #[test]
    fn each_pool_has_its_own_words_for_the_size_of_one_instance() {
        let all = of(Scheme::Postgres);
        assert_eq!(
            text(&all, "environment"),
            "DB_POOL_SIZE=3\nDB_MAX_OVERFLOW=0\nDB_POOL_TIMEOUT=30\nDB_POOL_RECYCLE=3600\n"
        );
        assert!(text(&all, "sqlx").contains("PgPoolOptions::new()\n    .max_connections(3)\n"), "{all:?}");
        assert!(text(&all, "hikaricp").starts_with("maximumPoolSize=3\nminimumIdle=3\nconnectionTimeout=30000\n"));
        assert!(text(&all, "pgbouncer").contains("\ndefault_pool_size = 8\n"), "one for all instances: {all:?}");
        assert!(text(&of(Scheme::Mariadb), "sqlx").contains("mysql::MySqlPoolOptions"));
        assert_eq!(of(Scheme::Sqlite).len(), 4, "PgBouncer is PostgreSQL's");
    }

    #[test]
    fn sqlalchemy_s_is_python() {
        let python = std::process::Command::new("python3")
            .args(["-c", "import ast, sys; ast.parse(sys.argv[1])", &text(&of(Scheme::Postgres), "sqlalchemy")])
            .output();
        // A machine without Python cannot tell.
        if let Ok(parsed) = python {
            assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
        }
    }

    #[test]
    fn sqlx_s_is_rust() {
        use sqlx::postgres::PgPoolOptions;
        // As it is told, with the numbers in place: a renamed method does not compile.
        let options = PgPoolOptions::new()
            .max_connections(3)
            .acquire_timeout(std::time::Duration::from_secs_f64(30.0))
            .max_lifetime(std::time::Duration::from_secs_f64(3600.0));
        assert_eq!(options.get_max_connections(), 3);
        let told = text(&of(Scheme::Postgres), "sqlx");
        for call in
            [".acquire_timeout(std::time::Duration::from_secs_f64(30.0))", ".max_lifetime(", ".max_connections(3)"]
        {
            assert!(told.contains(call), "{call}: {told}");
        }
    }
}
