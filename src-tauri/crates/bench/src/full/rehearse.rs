//! What can be said of SQL steps before the first of them is executed: each statement is read by the server, without
//! being executed, and its parameters are counted.
use perfdeck_sqltext::{Dialect, needs_session, parameters, pieces};
use perfdeck_words::plural;
use sqlx::Executor as _;

use super::program::{Call, Order, Program, SqlCall};
use crate::resources::SqlConnection;

/// # Errors
/// What is wrong with a step, naming it; the target has executed nothing.
pub(crate) async fn rehearse(program: &Program, connection: &mut SqlConnection) -> Result<(), String> {
    for (at, step) in program.steps.iter().enumerate() {
        let Call::Sql(call) = &step.action else { continue };
        // Later steps may build on earlier ones, such as on a table that one of them creates.
        let alone = at == 0 || matches!(program.order, Order::One(_));
        one(call, connection, alone).await.map_err(|why| format!("step '{}': {why}", step.name))?;
    }
    Ok(())
}

async fn one(call: &SqlCall, connection: &mut SqlConnection, alone: bool) -> Result<(), String> {
    let dialect = match connection {
        SqlConnection::Postgres(_) => Dialect::Postgres,
        SqlConnection::Mysql(_) => Dialect::Mysql,
        SqlConnection::Sqlite(_) => Dialect::Sqlite,
    };
    let text = call.wire.text();
    let (wants, given) = (parameters(text, dialect), call.parameters.len());
    let counted = |wants: usize| {
        if wants == given {
            return Ok(());
        }
        // The other way to write one is text here.
        let other = match dialect {
            Dialect::Mysql if text.contains("$1") => "; write ? for a parameter on MySQL and MariaDB",
            Dialect::Postgres if wants == 0 && text.contains('?') => "; write $1 for a parameter on PostgreSQL",
            _ => "",
        };
        let (wants, given) =
            (plural(wants, "parameter"), if given == 0 { "none".to_owned() } else { given.to_string() });
        Err(format!("the statement takes {wants}, and {given} is given{other}"))
    };
    match connection {
        SqlConnection::Postgres(client) => {
            if client.is_shared()
                && let Some(what) = needs_session(text, dialect)
            {
                return Err(format!(
                    "{what} needs a session of its own, and a pooler shares its server connections with other clients; \
                     use the server's own port"
                ));
            }
            counted(wants)?;
            // Several statements in one go by the simple protocol, which has no parameters.
            let several = pieces(text, dialect).len() > 1 && !call.prepared && given == 0;
            if several {
                return Ok(());
            }
            match client.describe(&call.wire).await {
                Ok(wants) => counted(wants),
                Err(error) => {
                    let code = error.refusal().map(|r| r.code.clone());
                    if alone || code.is_none() || code.as_deref() == Some("42601") {
                        let code = code.map_or_else(String::new, |code| format!(" (SQLSTATE {code})"));
                        Err(format!("{error}{code}"))
                    } else {
                        Ok(())
                    }
                }
            }
        }
        SqlConnection::Mysql(c) => {
            counted(wants)?;
            if !call.prepared || perfdeck_sqltext::ends_transaction(text, dialect) {
                return Ok(());
            }
            match c.prepare(call.statement.clone()).await {
                Ok(_) => Ok(()),
                Err(error) if alone || error.to_string().contains("1064") => Err(error.to_string()),
                Err(_) => Ok(()),
            }
        }
        SqlConnection::Sqlite(c) => {
            counted(wants)?;
            match c.prepare(call.statement.clone()).await {
                Ok(_) => Ok(()),
                Err(error) if alone || error.to_string().contains("syntax error") => Err(error.to_string()),
                Err(_) => Ok(()),
            }
        }
    }
}
