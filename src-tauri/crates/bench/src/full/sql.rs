//! The SQL steps of one worker: PostgreSQL over its own small client, MySQL and SQLite over sqlx.
use std::ops::Range;

use perfdeck_pgload::Client;
use perfdeck_sqltext::{Dialect, ends_transaction};
use sqlx::{Arguments as _, Connection as _, Executor as _};

use super::left::Executing;
use super::program::{Parameter, Program, SqlCall};
use crate::record::{Class, Failure};
use crate::resources::SqlConnection;
use crate::tries::{self, Tries};
use perfdeck_plan::{Builtins, Scope, SqlType};

/// Why a statement failed, and after how many such failures from its first try on another try is of no use.
pub(crate) type Trouble = (Failure, Tries);

/// A parameter with its value.
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

fn other(message: impl Into<String>) -> Trouble {
    ((Class::Other, message.into()), Tries::Few)
}

/// A value as MySQL and SQLite get it; `numbers` tells that what looks like a number is sent as one.
fn value(
    parameter: &Parameter,
    numbers: bool,
    scope: &Scope,
    builtins: &mut Builtins,
    buffer: &mut Vec<u8>,
) -> Result<Value, Trouble> {
    let (template, kind) = match parameter {
        Parameter::Bool(value) => return Ok(Value::Bool(*value)),
        Parameter::Int(value) => return Ok(Value::Int(*value)),
        Parameter::Float(value) => return Ok(Value::Float(*value)),
        Parameter::Template(_, SqlType::Null) => return Ok(Value::Null),
        Parameter::Template(template, kind) => (template, kind),
    };
    buffer.clear();
    template.render(scope, builtins, buffer).map_err(|e| other(e.to_string()))?;
    let text = std::str::from_utf8(buffer).map_err(|_| other("a parameter is no text"))?;
    // The value itself may be anybody's data.
    let wrong = |what: &str| other(format!("a parameter is no {what}"));
    Ok(match kind {
        SqlType::Inferred if numbers => match (text.parse(), text.parse()) {
            (Ok(int), _) => Value::Int(int),
            (_, Ok(float)) if f64::is_finite(float) => Value::Float(float),
            _ => Value::Text(text.to_owned()),
        },
        SqlType::Text | SqlType::Inferred => Value::Text(text.to_owned()),
        SqlType::Null => Value::Null,
        SqlType::Integer => Value::Int(text.trim().parse().map_err(|_| wrong("whole number"))?),
        SqlType::Float => Value::Float(text.trim().parse().map_err(|_| wrong("number"))?),
        SqlType::Boolean => Value::Bool(match text.trim() {
            "true" | "t" | "1" => true,
            "false" | "f" | "0" => false,
            _ => return Err(wrong("boolean")),
        }),
    })
}

fn failure(error: &sqlx::Error) -> Trouble {
    let class = match error {
        sqlx::Error::Io(_) => Class::Reset,
        sqlx::Error::Tls(_) => Class::Tls,
        sqlx::Error::Protocol(_) => Class::Protocol,
        _ => Class::Sql,
    };
    ((class, error.to_string()), tries::of_driver(error))
}

fn refused(error: &perfdeck_pgload::Error) -> Trouble {
    use perfdeck_pgload::Error as E;
    match error {
        E::Server(refusal) => {
            // Who ends the session leaves no connection behind.
            let class = if refusal.fatal { Class::Reset } else { Class::Sql };
            let message = format!("{} (SQLSTATE {})", refusal.message, refusal.code);
            ((class, message), tries::of_state(&refusal.code))
        }
        E::Io(e) => ((Class::Reset, e.to_string()), Tries::Endless),
        E::Handshake(_) => ((Class::Tls, "the TLS handshake failed".to_owned()), Tries::Few),
        E::Tls(message) => ((Class::Tls, message.clone()), Tries::Few),
        e => ((Class::Protocol, e.to_string()), Tries::Few),
    }
}

/// Runs a statement on a connection of one engine, in a transaction of its own where the step asks for it.
macro_rules! run {
    ($connection:expr, $call:expr, $values:expr, $arguments:ty, $plain:expr) => {{
        let mut arguments = <$arguments>::default();
        for value in $values {
            match value {
                Value::Null => arguments.add(None::<String>),
                Value::Bool(v) => arguments.add(v),
                Value::Int(v) => arguments.add(v),
                Value::Float(v) => arguments.add(v),
                Value::Text(v) => arguments.add(v),
            }
            .map_err(|e| other(format!("a parameter cannot be sent: {e}")))?;
        }
        let statement = $call.statement.clone();
        // Statements without parameters that are not prepared go by the simple protocol.
        if ($plain || !$call.prepared) && $call.parameters.is_empty() && !$call.transaction {
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

/// The parameters as texts in one buffer; `None` is NULL.
fn texts(
    call: &SqlCall,
    scope: &Scope,
    builtins: &mut Builtins,
    buffer: &mut Vec<u8>,
) -> Result<Vec<Option<Range<usize>>>, Trouble> {
    use std::io::Write as _;
    buffer.clear();
    let mut ranges = Vec::with_capacity(call.parameters.len());
    for parameter in &call.parameters {
        let from = buffer.len();
        // Writing into a vector does not fail.
        match parameter {
            Parameter::Template(_, SqlType::Null) => {
                ranges.push(None);
                continue;
            }
            Parameter::Template(template, _) => {
                template.render(scope, builtins, buffer).map_err(|e| other(e.to_string()))?;
            }
            Parameter::Bool(value) => drop(write!(buffer, "{value}")),
            Parameter::Int(value) => drop(write!(buffer, "{value}")),
            Parameter::Float(value) => drop(write!(buffer, "{value}")),
        }
        ranges.push(Some(from..buffer.len()));
    }
    Ok(ranges)
}

async fn postgres(
    client: &mut Client,
    call: &SqlCall,
    ranges: &[Option<Range<usize>>],
    buffer: &[u8],
) -> Result<(), perfdeck_pgload::Error> {
    let values = || ranges.iter().map(|range| range.clone().and_then(|range| buffer.get(range)));
    if call.transaction {
        client.simple("BEGIN").await?;
        client.execute(&call.wire, values(), call.prepared).await?;
        client.simple("COMMIT").await
    } else if !call.prepared && call.parameters.is_empty() {
        client.simple(call.wire.text()).await
    } else {
        client.execute(&call.wire, values(), call.prepared).await
    }
}

/// Runs a step; its connection is opened when it is not open. All rows are read.
pub(crate) async fn call(
    program: &Program,
    slot: &mut Option<SqlConnection>,
    call: &SqlCall,
    scope: &Scope,
    builtins: &mut Builtins,
    buffer: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let connection = match slot {
        Some(open) => open,
        None => Box::pin(connect(program, slot)).await.map_err(|failure| (failure, Tries::Few))?,
    };
    if let SqlConnection::Postgres(client) = connection {
        let ranges = texts(call, scope, builtins, buffer)?;
        let executing = Executing::new(client.cancel());
        let outcome = postgres(client, call, &ranges, buffer).await;
        executing.ended();
        let lost = outcome.as_ref().is_err_and(|e| e.refusal().is_none_or(|r| r.fatal));
        if outcome.is_err() && !lost && call.transaction && client.in_transaction() {
            let _ = client.simple("ROLLBACK").await;
        }
        return outcome.map_err(|e| refused(&e));
    }
    let numbers = matches!(connection, SqlConnection::Sqlite(_));
    let mut values = Vec::with_capacity(call.parameters.len());
    for parameter in &call.parameters {
        values.push(value(parameter, numbers, scope, builtins, buffer)?);
    }
    match connection {
        SqlConnection::Mysql(c) => {
            // MySQL prepares no statement that begins or ends a transaction.
            let plain = ends_transaction(call.wire.text(), Dialect::Mysql);
            run!(c, call, values, sqlx::mysql::MySqlArguments, plain)
        }
        SqlConnection::Sqlite(c) => run!(c, call, values, sqlx::sqlite::SqliteArguments, false),
        SqlConnection::Postgres(_) => Ok(()),
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
        let words = |e: perfdeck_model::ApiError| match e.hint {
            Some(hint) => format!("{}. {hint}", e.message),
            None => e.message,
        };
        *slot = Some(targets.sql().await.map_err(|e| (Class::Connect, words(e)))?);
    }
    slot.as_mut().ok_or_else(|| (Class::Connect, "no connection".to_owned()))
}

/// Ends a transaction that may be open; a connection that cannot is closed.
pub(crate) async fn roll_back(slot: &mut Option<SqlConnection>) {
    let done = match slot {
        Some(SqlConnection::Postgres(c)) => !c.in_transaction() || c.simple("ROLLBACK").await.is_ok(),
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
