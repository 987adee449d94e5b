//! Hiding an index from the planner, which writes go on to maintain: what needs it is seen before it is gone, and it is there
//! again at once. MariaDB calls it ignored (from 10.6 on), MySQL invisible (from 8.0 on, by its documentation).
use perfdeck_model::{Address, ApiError, ErrorCode, Scheme, Sensitive};
use serde::{Deserialize, Serialize};
use sqlx::Connection as _;

use super::basis::basis;
use super::mysql::{in_work, ready, shown};
use super::mysql_check::{at, find, may_alter};
use super::mysql_run::{at_work, run};
use super::mysql_session::{open, quoted, takes_changes, why};
use super::postgres_session::Mode;
use super::{Watch, refused};

/// The kind of change that comes before a drop where the engine can do it.
pub const HIDE_INDEX: &str = "hide_index";

/// What hiding one index rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HidePlan {
    /// Its name, `table.index`.
    pub name: String,
    /// An index that repeats it, by its name.
    pub repeats: Option<String>,
    /// An index whose keys begin with its own, likewise.
    pub covered_by: Option<String>,
    table: String,
    index: String,
    /// Its part of the table's definition, without what hides it.
    definition: String,
    mariadb: bool,
}

/// What is there of an index that was planned to be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// The planner looks at it.
    Visible,
    /// It does not.
    Hidden,
    /// A session of the server changes it at this moment.
    InWork(i64),
    /// It is not there, or another one has its name.
    Differs,
}

impl HidePlan {
    fn alters(&self, word: &str) -> String {
        format!("ALTER TABLE {} ALTER INDEX {} {word}", quoted(&self.table), quoted(&self.index))
    }

    /// What hides it.
    pub fn statement(&self) -> String {
        self.alters(if self.mariadb { "IGNORED" } else { "INVISIBLE" })
    }

    /// What shows it again.
    pub fn undo_statement(&self) -> String {
        self.alters(if self.mariadb { "NOT IGNORED" } else { "VISIBLE" })
    }
}

fn cannot(scheme: Scheme) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("{} cannot hide an index from its planner", scheme.product()))
        .hint("Drop it as a change: it is created again exactly when that is undone")
}

/// Asks whether an index can be hidden. Alters nothing.
///
/// # Errors
/// As [`super::plan_drop`]: what would not be dropped is not hidden; when the engine or its version has no such thing, or the
/// index is hidden already.
pub async fn plan_hide(address: &Address, password: Option<&Sensitive>, object: &str) -> Result<HidePlan, ApiError> {
    if !matches!(address.scheme, Scheme::Mysql | Scheme::Mariadb) {
        return Err(cannot(address.scheme));
    }
    let (mut c, server) = open(address, password, Mode::Read).await?;
    takes_changes(address, &mut c).await?;
    if !server.hides() {
        let (major, minor, _) = server.version;
        return Err(ApiError::new(
            ErrorCode::Unsupported,
            format!("{} {major}.{minor} cannot hide an index from its planner", server.product()),
        )
        .hint("MariaDB can from 10.6 on, MySQL from 8.0 on"));
    }
    let meant = find(address, &mut c, object).await?;
    meant.rests()?;
    let found = basis(&meant.index, &meant.all)?;
    if !meant.index.identity.visible {
        return Err(refused(format!("'{}' is hidden already", meant.name())));
    }
    may_alter(address, &mut c, &meant.table).await?;
    let _ = c.close().await;
    Ok(HidePlan {
        name: meant.name(),
        repeats: found.repeats,
        covered_by: found.covered_by,
        definition: shown(&meant.definition).to_owned(),
        index: meant.index.identity.name,
        table: meant.table,
        mariadb: server.mariadb,
    })
}

/// What is there of it.
///
/// # Errors
/// When the database cannot be asked.
pub async fn hidden(address: &Address, password: Option<&Sensitive>, plan: &HidePlan) -> Result<Hidden, ApiError> {
    let (mut c, _) = open(address, password, Mode::Read).await?;
    let found = hidden_in(address, &mut c, plan).await;
    let _ = c.close().await;
    found
}

async fn hidden_in(
    address: &Address,
    c: &mut sqlx::mysql::MySqlConnection,
    plan: &HidePlan,
) -> Result<Hidden, ApiError> {
    for sql in [plan.statement(), plan.undo_statement()] {
        if let Some(session) = at_work(c, &sql).await.map_err(|e| why(address, &plan.table, &e))? {
            return Ok(Hidden::InWork(session));
        }
    }
    let meant = at(address, c, &plan.table, &plan.index).await?;
    Ok(match meant.filter(|meant| shown(&meant.definition) == plan.definition) {
        Some(meant) if meant.index.identity.visible => Hidden::Visible,
        Some(_) => Hidden::Hidden,
        None => Hidden::Differs,
    })
}

async fn alter(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &HidePlan,
    (hide, mut watch): (bool, Watch<'_>),
) -> Result<(), ApiError> {
    let mut c = ready(address, password, (&plan.table, None)).await?;
    match hidden_in(address, &mut c, plan).await? {
        Hidden::Differs => return Err(refused(format!("'{}' is another one than was planned, or gone", plan.name))),
        Hidden::InWork(session) => return Err(in_work(session)),
        Hidden::Hidden if hide => return Ok(()),
        Hidden::Visible if !hide => return Ok(()),
        Hidden::Hidden | Hidden::Visible => {}
    }
    let sql = if hide { plan.statement() } else { plan.undo_statement() };
    run(address, password, &mut c, (&plan.table, &sql), &mut watch).await?;
    let _ = c.close().await;
    Ok(())
}

/// Hides it.
///
/// # Errors
/// When it is another one than was planned; when the lock of its table is not free.
pub async fn hide_index(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &HidePlan,
    watch: Watch<'_>,
) -> Result<(), ApiError> {
    alter(address, password, plan, (true, watch)).await
}

/// Shows it again.
///
/// # Errors
/// As [`hide_index`].
pub async fn show_index(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &HidePlan,
    watch: Watch<'_>,
) -> Result<(), ApiError> {
    alter(address, password, plan, (false, watch)).await
}
