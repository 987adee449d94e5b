//! The SQL steps of one worker, over sqlx.
use sqlx::{Arguments as _, Connection as _, Executor as _};

use super::program::{Parameter, Program, SqlCall};
use crate::plan::{Builtins, Scope, SqlType};
use crate::record::{Class, Failure};
use crate::resources::SqlConnection;

/// A parameter with its value.
enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

fn value(
    parameter: &Parameter,
    scope: &Scope,
    builtins: &mut Builtins,
    buffer: &mut Vec<u8>,
) -> Result<Value, Failure> {
    let (template, kind) = match parameter {
        Parameter::Bool(value) => return Ok(Value::Bool(*value)),
        Parameter::Int(value) => return Ok(Value::Int(*value)),
        Parameter::Float(value) => return Ok(Value::Float(*value)),
        Parameter::Template(template, kind) => (template, kind),
    };
    buffer.clear();
    template.render(scope, builtins, buffer).map_err(|e| (Class::Other, e.to_string()))?;
    let text = std::str::from_utf8(buffer).map_err(|_| (Class::Other, "a parameter is no text".to_owned()))?;
    // The value itself may be anybody's data.
    let wrong = |what: &str| (Class::Other, format!("a parameter is no {what}"));
    Ok(match kind {
        SqlType::Text => Value::Text(text.to_owned()),
        SqlType::Integer => Value::Int(text.trim().parse().map_err(|_| wrong("whole number"))?),
        SqlType::Float => Value::Float(text.trim().parse().map_err(|_| wrong("number"))?),
        SqlType::Boolean => Value::Bool(match text.trim() {
            "true" | "t" | "1" => true,
            "false" | "f" | "0" => false,
            _ => return Err(wrong("boolean")),
        }),
    })
}

fn failure(error: &sqlx::Error) -> Failure {
    let class = match error {
        sqlx::Error::Io(_) => Class::Reset,
        sqlx::Error::Tls(_) => Class::Tls,
        sqlx::Error::Protocol(_) => Class::Protocol,
        _ => Class::Sql,
    };
    (class, error.to_string())
}

/// Runs a statement on a connection of one engine, in a transaction of its own where the step asks for it.
macro_rules! run {
    ($connection:expr, $call:expr, $values:expr, $arguments:ty) => {{
        let mut arguments = <$arguments>::default();
        for value in $values {
            match value {
                Value::Bool(v) => arguments.add(v),
                Value::Int(v) => arguments.add(v),
                Value::Float(v) => arguments.add(v),
                Value::Text(v) => arguments.add(v),
            }
            .map_err(|e| (Class::Other, format!("a parameter cannot be sent: {e}")))?;
        }
        let statement = $call.statement.clone();
        // Statements without parameters that are not prepared go by the simple protocol.
        if !$call.prepared && $call.parameters.is_empty() && !$call.transaction {
            sqlx::raw_sql(statement).execute($connection).await.map(drop)
        } else if $call.transaction {
            // Apart, so that the others do not carry its size with them.
            let work = async {
                let mut transaction = $connection.begin().await?;
                let query = sqlx::query_with(statement, arguments).persistent($call.prepared);
                transaction.execute(query).await?;
                transaction.commit().await
            };
            Box::pin(work).await
        } else {
            let query = sqlx::query_with(statement, arguments).persistent($call.prepared);
            $connection.execute(query).await.map(drop)
        }
        .map_err(|e| failure(&e))
    }};
}

/// Runs a step; its connection is opened when it is not open. All rows are read.
pub(crate) async fn call(
    program: &Program,
    slot: &mut Option<SqlConnection>,
    call: &SqlCall,
    scope: &Scope,
    builtins: &mut Builtins,
    buffer: &mut Vec<u8>,
) -> Result<(), Failure> {
    let mut values = Vec::with_capacity(call.parameters.len());
    for parameter in &call.parameters {
        values.push(value(parameter, scope, builtins, buffer)?);
    }
    let connection = match slot {
        Some(open) => open,
        None => Box::pin(connect(program, slot)).await?,
    };
    match connection {
        SqlConnection::Postgres(c) => run!(c, call, values, sqlx::postgres::PgArguments),
        SqlConnection::Mysql(c) => run!(c, call, values, sqlx::mysql::MySqlArguments),
        SqlConnection::Sqlite(c) => run!(c, call, values, sqlx::sqlite::SqliteArguments),
    }
}

/// The connection, opened when it is not open.
pub(crate) async fn connect<'a>(
    program: &Program,
    slot: &'a mut Option<SqlConnection>,
) -> Result<&'a mut SqlConnection, Failure> {
    if slot.is_none() {
        let targets = program.targets.as_ref();
        let targets = targets.ok_or_else(|| (Class::Connect, "there is no environment with a database".to_owned()))?;
        *slot = Some(targets.sql().await.map_err(|e| (Class::Connect, e.message))?);
    }
    slot.as_mut().ok_or_else(|| (Class::Connect, "no connection".to_owned()))
}

/// Ends a transaction that may be open; a connection that cannot is closed.
pub(crate) async fn roll_back(slot: &mut Option<SqlConnection>) {
    let done = match slot {
        Some(SqlConnection::Postgres(c)) => c.execute("ROLLBACK").await.is_ok(),
        Some(SqlConnection::Mysql(c)) => c.execute("ROLLBACK").await.is_ok(),
        // SQLite refuses it outside a transaction, and then there was none.
        Some(SqlConnection::Sqlite(c)) => {
            let _ = c.execute("ROLLBACK").await;
            true
        }
        None => true,
    };
    if !done {
        *slot = None;
    }
}
