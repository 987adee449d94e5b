//! `perfctl changes`: what was altered on targets, what they say about it, and undoing it.
pub(crate) mod args;
mod prove;

use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::changes::{ChangeConfirm, ChangeList, ChangePlan};
use perfdeck_engine::{ById, Engine};
use perfdeck_model::{ApiError, Change, ChangeState, DEMO_ENVIRONMENT_ID, Says};

use self::args::{Allow, Altering, Applying, ChangesCommand, One};
use crate::answers::{Changes, OneChange};
use crate::args::Source;
use crate::output::{self, Done, plain, value};
use crate::{FINE, INCOMPLETE, environments, finish, prepare};

/// Runs one of the commands.
pub(crate) async fn run(engine: &Arc<Engine>, command: &ChangesCommand, source: &Source, json: bool) -> Done {
    match command {
        ChangesCommand::List { env } => list(engine, env.as_deref(), source, json).await,
        ChangesCommand::Show(one) => {
            let change = found(engine, one, source).await?;
            let detail = api::changes::check(engine.clone(), ById { id: change.id }).await?;
            show(&detail.change, json)
        }
        ChangesCommand::DropIndex { index, preview, env, allow } => {
            plan(engine, ("drop_index", index), *preview, env.as_deref(), allow, source, json).await
        }
        ChangesCommand::Apply(Applying { altering: Altering { one, allow }, agree }) => {
            let change = found(engine, one, source).await?;
            show(&alter(engine, &change, allow, agree.as_deref(), false).await?, json)
        }
        ChangesCommand::Keep(one) => {
            let change = found(engine, one, source).await?;
            show(&api::changes::keep(engine.clone(), ById { id: change.id }).await?, json)
        }
        ChangesCommand::Discard(one) => {
            let change = found(engine, one, source).await?;
            show(&api::changes::discard(engine.clone(), ById { id: change.id }).await?, json)
        }
        ChangesCommand::Prove(args) => prove::prove(engine, args, source, json).await,
        ChangesCommand::Undo(Altering { one, allow }) => {
            let change = found(engine, one, source).await?;
            show(&alter(engine, &change, allow, None, true).await?, json)
        }
    }
}

/// Plans a change of this kind and object, and applies it unless it is only to be previewed.
pub(crate) async fn plan(
    engine: &Arc<Engine>,
    (kind, object): (&str, &str),
    preview: bool,
    env: Option<&str>,
    allow: &Allow,
    source: &Source,
    json: bool,
) -> Done {
    let environment = environments::require(engine, env, source).await?;
    let asked = ChangePlan { kind: kind.to_owned(), environment_id: environment.id, object: object.to_owned() };
    let change = api::changes::plan(engine.clone(), asked).await?.change;
    planned(engine, &change, preview, (allow, None), json).await
}

/// Applies a change that was planned, unless it is only to be previewed.
pub(crate) async fn planned(
    engine: &Arc<Engine>,
    change: &Change,
    preview: bool,
    (allow, agreed): (&Allow, Option<&str>),
    json: bool,
) -> Done {
    if preview {
        return show(change, json);
    }
    if !json {
        tell(change);
    }
    // What it is and costs stands above already.
    figures(&alter(engine, change, allow, agreed, false).await?, json)
}

/// The change that is meant. An environment of this process only is there once it was resolved, and the demo once it is open.
pub(crate) async fn found(engine: &Arc<Engine>, one: &One, source: &Source) -> Result<Change, ApiError> {
    let environment = environments::resolve(engine, one.env.as_deref(), source).await?;
    let change = api::changes::get(engine.clone(), ById { id: one.id.clone() }).await?;
    match environment {
        Some(e) if e.id != change.environment_id => Err(ApiError::bad_request(format!(
            "This change belongs to the environment '{}', not to '{}'",
            change.environment, e.name
        ))),
        Some(_) => Ok(change),
        None => {
            prepare(engine, &change.environment_id).await?;
            Ok(change)
        }
    }
}

/// Applies or undoes a change to its end; `agreed` is what was typed because the change itself asks for it.
pub(crate) async fn alter(
    engine: &Arc<Engine>,
    change: &Change,
    allow: &Allow,
    agreed: Option<&str>,
    undo: bool,
) -> Done<Change> {
    if allow.unlock {
        engine.unlock_for_run(&change.environment_id, allow.confirm.as_deref()).await?;
    }
    let asked =
        ChangeConfirm { id: change.id.clone(), confirm: allow.confirm.clone(), agree: agreed.map(str::to_owned) };
    let job = if undo {
        api::changes::undo(engine.clone(), asked).await?
    } else {
        api::changes::apply(engine.clone(), asked).await?
    };
    let end = finish(engine, &job).await;
    let change = api::changes::get(engine.clone(), ById { id: change.id.clone() }).await?;
    if let Err(error) = end {
        // Where it ended is what the next step rests on.
        let said = change.target_says.as_ref().map(|t| format!("; the target says: {}", t.text)).unwrap_or_default();
        output::note(&plain(&format!("change {} is {}{said}", change.id, change.state.as_str())));
        if change.state == ChangeState::CutOff {
            output::note(&format!(
                "hint: perfctl changes undo {0} takes back what was done; perfctl changes apply {0} goes on",
                change.id
            ));
        }
        return Err(error.into());
    }
    Ok(change)
}

/// Whether the target could be asked about everything that may be in force.
fn code(changes: &[Change]) -> u8 {
    let unasked = |c: &Change| {
        let said = c.target_says.as_ref().map(|t| t.says);
        c.state.is_in_force() && !c.held && matches!(said, None | Some(Says::Unreachable | Says::NotAllowed))
    };
    if changes.iter().any(unasked) { INCOMPLETE } else { FINE }
}

async fn list(engine: &Arc<Engine>, env: Option<&str>, source: &Source, json: bool) -> Done {
    let environment_id = environments::resolve(engine, env, source).await?.map(|e| e.id);
    // The demo's targets are known once it runs; it is opened for changes of it that are in force.
    let all = engine.changes_in_force(environment_id.as_deref()).await?;
    if all.iter().any(|id| id == DEMO_ENVIRONMENT_ID) {
        prepare(engine, DEMO_ENVIRONMENT_ID).await?;
    }
    let changes = api::changes::list(engine.clone(), ChangeList { environment_id }).await?;
    let code = code(&changes);
    if json {
        output::json(&Changes { schema: "perfdeck.changes/1", changes })?;
        return Ok(code);
    }
    if changes.is_empty() {
        output::note("Nothing was altered yet");
        return Ok(code);
    }
    let row = |c: &Change| {
        let says = c.target_says.as_ref().map_or("–", |t| t.text.as_str());
        let proof = c.proof.as_ref().map_or("–", |p| p.verdict.as_str()).to_owned();
        vec![c.id.clone(), c.environment.clone(), state(c), says.to_owned(), proof, c.title.replace('`', "")]
    };
    output::table(
        &["id", "environment", "state", "the target says", "proof", "change"],
        &changes.iter().map(row).collect::<Vec<_>>(),
    )?;
    Ok(code)
}

fn state(change: &Change) -> String {
    let held = if change.held { ", at work" } else { "" };
    format!("{}{held}", change.state.as_str())
}

/// What a person should know before it is applied.
fn tell(change: &Change) {
    output::note(&plain(&change.title.replace('`', "")));
    let known = change.lock.map(|lock| perfdeck_words::build_lock(lock).to_owned()).into_iter();
    let waits = change.waits.iter().flat_map(perfdeck_words::waits);
    for note in known.chain(waits).chain(change.notes.iter().cloned()) {
        output::note(&plain(&format!("  {}", note.replace('`', ""))));
    }
}

fn show(change: &Change, json: bool) -> Done {
    if !json {
        tell(change);
    }
    figures(change, json)
}

/// Its statements, its state, and what was predicted beside what came.
fn figures(change: &Change, json: bool) -> Done {
    let code = code(std::slice::from_ref(change));
    if json {
        output::json(&OneChange { schema: "perfdeck.change/1", change: change.clone() })?;
        return Ok(code);
    }
    let mut rows = vec![
        ("change", change.id.clone()),
        ("environment", change.environment.clone()),
        ("state", state(change)),
        ("statement", change.statement.clone()),
        ("undo", change.undo_statement.clone().unwrap_or_else(|| "cannot be undone".to_owned())),
    ];
    rows.extend(change.undo_cost.clone().map(|cost| ("undo costs", cost)));
    rows.extend(change.target_says.as_ref().map(|t| ("target says", t.text.clone())));
    if change.state == ChangeState::Previewed {
        rows.push(("next", format!("perfctl changes apply {}", change.id)));
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(what, text)| vec![what.to_owned(), text]).collect();
    output::table(&["", ""], &rows)?;
    let figure = |x: Option<f64>, unit| x.map_or_else(|| "–".to_owned(), |x| value(x, unit));
    let figures: Vec<Vec<String>> = change
        .preview
        .iter()
        .map(|row| vec![row.what.clone(), figure(row.predicted, row.unit), figure(row.came, row.unit)])
        .collect();
    if !figures.is_empty() {
        output::table(&["", "predicted", "came"], &figures)?;
    }
    prove::show(change)?;
    Ok(code)
}
