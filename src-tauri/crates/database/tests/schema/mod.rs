//! Sizes, bloat and plans on real servers.
mod bloat;
mod mariadb;
mod plans;
mod postgres_sizes;
mod sqlite;

use perfdeck_database::{sizes, statement_plan};
use perfdeck_model::{Address, ApiError, DatabaseSizes, Sensitive, StatementPlan, TableSize};

fn parsed(url: &str) -> (Address, Option<Sensitive>) {
    Address::parse(url).expect("a URL")
}

async fn read(url: &str, limit: u32) -> DatabaseSizes {
    let (address, password) = parsed(url);
    sizes(&address, password.as_ref(), limit).await.expect("sizes")
}

async fn plan(url: &str, statement: &str, measure: bool) -> Result<StatementPlan, ApiError> {
    let (address, password) = parsed(url);
    statement_plan(&address, password.as_ref(), statement, measure).await
}

fn table<'a>(sizes: &'a DatabaseSizes, name: &str) -> &'a TableSize {
    sizes
        .tables
        .iter()
        .find(|t| t.name == name)
        .unwrap_or_else(|| panic!("{name} is among {:?}", sizes.tables.iter().map(|t| &t.name).collect::<Vec<_>>()))
}
