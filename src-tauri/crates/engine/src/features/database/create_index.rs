//! The change `create_index`: an index that serves queries is built, and dropped again when it is undone. Its object, as it is
//! asked for, is an [`IndexSpec`] as JSON.
use std::sync::Arc;
use std::time::{Duration, Instant};

use perfdeck_database::index_change::{self, Built, CreatePlan, Watch};
use perfdeck_model::{
    ApiError, BoxFuture, BuildLock, ChangeDetail, Environment, ErrorCode, IndexSpec, IndexSpecKey, IndexSpecKeyOf,
    PreviewFigure, PreviewRow, Says, Scheme, TargetRole, TargetSays, masking,
};
use perfdeck_sqltext::index_key;
use perfdeck_words as words;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::create_notes::notes;
use super::drop_index::{in_work, invalid, read};
use crate::Engine;
use crate::core::changes::{At, Came, ChangeKind, Planned, Preview};
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;
use crate::table::Result;

/// Plans an index.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct CreateIndexRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Index that is to be created.
    pub index: IndexSpec,
    /// Advice that it was taken from: what that predicted is kept with the change.
    #[serde(default)]
    pub advice_id: Option<String>,
}

/// Plans the change that creates an index, and says what it costs. Nothing is altered.
pub async fn db_plan_index(engine: Arc<Engine>, request: CreateIndexRequest) -> Result<ChangeDetail> {
    let object = serde_json::to_string(&request.index).map_err(|e| ApiError::internal(e.to_string()))?;
    let id = &request.environment_id;
    let prediction = match &request.advice_id {
        Some(advice) => Some(engine.prediction(id, advice, &request.index).await?),
        None => None,
    };
    let change = engine.plan_change(index_change::CREATE_INDEX, id, &object, prediction).await?;
    engine.change_detail(change).await
}

/// An index as a person writes it on a command line.
#[derive(Debug, Clone, Default)]
pub struct IndexText {
    /// Name of its table.
    pub table: String,
    /// Keys: `column`, `column desc nulls last`, `lower(note) text_pattern_ops`, `(a + b)`, `note(20)` of MySQL and MariaDB.
    pub keys: Vec<String>,
    /// Names of further columns.
    pub include: Vec<String>,
    /// Condition of its rows.
    pub predicate: Option<String>,
    /// Access method.
    pub method: Option<String>,
    /// Its own name.
    pub name: Option<String>,
}

/// Reads an index as the database of an environment would read its names.
///
/// # Errors
/// When the environment has no database, or a key is not understood.
pub fn index_spec(environment: &Environment, text: IndexText) -> Result<IndexSpec> {
    let target = environment
        .targets
        .database
        .as_ref()
        .ok_or_else(|| ApiError::bad_request(format!("The environment '{}' has no database", environment.name)))?;
    let dialect = perfdeck_database::dialect(target.address.scheme);
    let read = |text: &str| {
        index_key(text, dialect).map_err(|why| {
            ApiError::bad_request(format!("A key of the index is not understood: {}", masking::shown(&why)))
                .hint("Keys are like: customer_id, 'created desc', 'lower(note) text_pattern_ops', '(a + b)', of MySQL and MariaDB 'note(20)'")
        })
    };
    let key = |text: &String| {
        let key = read(text)?;
        let prefix = key.prefix;
        let of = match (key.column, key.expression) {
            (Some(name), _) => IndexSpecKeyOf::Column(name),
            (None, sql) => IndexSpecKeyOf::Expression(sql.unwrap_or_default()),
        };
        let (operator_class, descending, nulls_first) = (key.operator_class, key.descending, key.nulls_first);
        Ok(IndexSpecKey { of, prefix, operator_class, descending, nulls_first })
    };
    let column = |text: &String| {
        let key = read(text)?;
        let plain =
            key.prefix.is_none() && key.operator_class.is_none() && !key.descending && key.nulls_first.is_none();
        key.column
            .filter(|_| plain)
            .ok_or_else(|| ApiError::bad_request("A further column is the name of a column alone"))
    };
    Ok(IndexSpec {
        keys: text.keys.iter().map(key).collect::<Result<_>>()?,
        include: text.include.iter().map(column).collect::<Result<_>>()?,
        table: text.table,
        name: text.name,
        method: text.method,
        predicate: text.predicate,
    })
}

/// Creates an index.
pub(crate) struct CreateIndex;

fn answer(plan: &CreatePlan, built: &Built) -> TargetSays {
    match built {
        Built::Valid => TargetSays::new(Says::AsApplied, "present and valid"),
        Built::Absent => TargetSays::new(Says::AsBefore, "absent"),
        Built::Invalid { bytes, maintained, session } => {
            TargetSays::new(Says::HalfDone, invalid(*bytes, *maintained, *session))
        }
        Built::Partial { done, of, session } => {
            let busy = session.map(|s| format!("; session {s} of the server still works on it")).unwrap_or_default();
            let parts = words::plural(*of as i64, "partition");
            TargetSays::new(
                Says::HalfDone,
                format!("not valid: {} of {parts} have it{busy}", words::count(*done as i64)),
            )
        }
        Built::InWork(session) => TargetSays::new(Says::HalfDone, in_work(*session)),
        Built::Differs => TargetSays::new(Says::Differs, format!("something else is called {} now", plan.name)),
    }
}

fn undo_cost(scheme: Scheme, plan: &CreatePlan) -> Option<String> {
    let cost = match scheme {
        Scheme::Postgres if plan.partitioned => "reads and writes of all partitions wait for a moment",
        Scheme::Postgres => "waits for transactions that use the table",
        Scheme::Mysql | Scheme::Mariadb => "a moment, for which the table's lock is taken",
        _ => return None,
    };
    Some(cost.to_owned())
}

impl ChangeKind for CreateIndex {
    fn name(&self) -> &'static str {
        index_change::CREATE_INDEX
    }

    fn target(&self) -> TargetRole {
        TargetRole::Database
    }

    fn limit(&self) -> Duration {
        // Taking a left-over away, building, and gathering statistics are statements of ten minutes each.
        Duration::from_secs(35 * 60)
    }

    fn winding_up(&self) -> Duration {
        index_change::WINDING_UP
    }

    fn plan<'a>(&'a self, at: At<'a>, object: &'a str) -> BoxFuture<'a, Result<Planned>> {
        Box::pin(async move {
            let spec: IndexSpec = serde_json::from_str(object).map_err(|_| {
                ApiError::new(ErrorCode::BadRequest, "The index is not described as `db.plan_index` takes it")
                    .hint("perfctl db index create TABLE KEY")
            })?;
            let (address, password) = at.engine.door(at.environment).await?;
            let plan = index_change::plan_create(&address, password.as_ref(), &spec).await?;
            Ok(Planned {
                object: plan.name.clone(),
                title: format!("Create `{}` on `{}`", plan.name, plan.table),
                statement: plan.statement(address.scheme),
                undo_statement: Some(plan.undo_statement(address.scheme)),
                undo_cost: undo_cost(address.scheme, &plan),
                plan: serde_json::to_value(&plan).map_err(|e| ApiError::internal(e.to_string()))?,
                lease_ms: None,
            })
        })
    }

    fn preview<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<Preview>> {
        Box::pin(async move {
            let plan: CreatePlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let figures = index_change::create_figures(&address, password.as_ref(), &plan).await?;
            let bytes = at.prediction.and_then(|p| p.bytes);
            let mut rows = vec![PreviewRow::new(PreviewFigure::TableRead, figures.table_bytes)];
            if address.scheme != Scheme::Sqlite {
                rows.push(PreviewRow::new(PreviewFigure::TableRows, figures.rows));
            }
            if address.scheme == Scheme::Postgres {
                rows.push(PreviewRow::new(PreviewFigure::WritesAdded, figures.writes_per_s));
                rows.push(PreviewRow::new(PreviewFigure::HotUpdates, figures.hot));
            }
            rows.push(PreviewRow::new(PreviewFigure::Size, bytes));
            // How long it takes depends on the machine and on who else uses the table.
            rows.push(PreviewRow::new(PreviewFigure::Time, None));
            let notes = notes(address.scheme, &plan, &figures, bytes);
            Ok(Preview { rows, notes, waits: figures.waits, lock: BuildLock::of(address.scheme) })
        })
    }

    fn apply<'a>(
        &'a self,
        _permit: Permit,
        at: At<'a>,
        plan: &'a Value,
        job: &'a JobContext,
    ) -> BoxFuture<'a, Result<Came>> {
        Box::pin(async move {
            let plan: CreatePlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let started = Instant::now();
            let progress = |share: Option<f64>, step: &str| job.progress(share, step);
            let watch = Watch { stop: Box::pin(job.cancel.cancelled()), progress: &progress };
            index_change::build(&address, password.as_ref(), &plan, watch).await?;
            let mut came = vec![(PreviewFigure::Time, started.elapsed().as_secs_f64())];
            // It is there: that its size is not told fails nothing.
            let size = index_change::index_bytes(&address, password.as_ref(), &plan.name).await;
            came.extend(size.ok().flatten().map(|bytes| (PreviewFigure::Size, bytes)));
            Ok(came)
        })
    }

    fn made<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Option<Value>> {
        Box::pin(async move {
            let plan: CreatePlan = read(plan).ok()?;
            let (address, password) = at.engine.door(at.environment).await.ok()?;
            let made = index_change::made(&address, password.as_ref(), &plan).await.ok()?;
            serde_json::to_value(&made).ok()
        })
    }

    fn verify<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<TargetSays>> {
        Box::pin(async move {
            let plan: CreatePlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let built = index_change::built(&address, password.as_ref(), &plan).await?;
            Ok(answer(&plan, &built))
        })
    }

    fn undo<'a>(
        &'a self,
        _permit: Permit,
        at: At<'a>,
        plan: &'a Value,
        job: &'a JobContext,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let plan: CreatePlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let progress = |share: Option<f64>, step: &str| job.progress(share, step);
            let watch = Watch { stop: Box::pin(job.cancel.cancelled()), progress: &progress };
            index_change::unbuild(&address, password.as_ref(), &plan, watch).await
        })
    }
}
