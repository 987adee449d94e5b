//! `perfctl changes prove`, and a proof wherever a change is shown.
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::Engine;
use perfdeck_engine::database::ProveRequest;
use perfdeck_model::{Change, ChangeProof, ProofClass, ProofStatement, ProofVerdict};
use perfdeck_words as words;

use super::args::Prove;
use super::{figures, found};
use crate::args::Source;
use crate::output::{self, Done, plain};
use crate::{FINE, INCOMPLETE, VERDICT, ended_shown, files, result_of, unless_stopped};

/// Largest file of statements, in bytes.
const LARGEST: u64 = 4 << 20;

/// Proves a change and shows what came.
pub(super) async fn prove(engine: &Arc<Engine>, args: &Prove, source: &Source, json: bool) -> Done {
    let change = found(engine, &args.one, source).await?;
    let statements = match &args.queries {
        Some(path) => vec![files::read(path, LARGEST)?],
        None => Vec::new(),
    };
    if args.allow.unlock {
        engine.unlock_for_run(&change.environment_id, args.allow.confirm.as_deref()).await?;
    }
    let request = ProveRequest {
        change_id: change.id.clone(),
        statements,
        writes: args.writes,
        seconds: args.time.map(|time| time.as_secs_f64()),
        confirm: args.allow.confirm.clone(),
    };
    let job = unless_stopped(api::database::db_prove(engine.clone(), request)).await?;
    result_of(ended_shown(engine, &job).await?)?;
    let change = api::changes::get(engine.clone(), api::ById { id: change.id }).await?;
    figures(&change, json)?;
    let Some(proof) = &change.proof else { return Ok(INCOMPLETE) };
    let code = match proof.verdict {
        ProofVerdict::Proven => return Ok(FINE),
        ProofVerdict::Unclear => INCOMPLETE,
        _ => VERDICT,
    };
    if code == VERDICT && !json {
        output::note(&format!("hint: perfctl changes undo {}", change.id));
    }
    Ok(code)
}

/// The proof of a change: a line for each class of a statement, the verdict, and what else is to be known.
pub(super) fn show(change: &Change) -> Done<()> {
    let Some(proof) = &change.proof else { return Ok(()) };
    let lines: Vec<Vec<String>> = proof.statements.iter().flat_map(lines).collect();
    let head =
        ["statement", "values", "before", "after", "change (95 %)", "pages before", "after", "same rows", "uses it"];
    if !lines.is_empty() {
        output::table(&head, &lines)?;
    }
    output::line(&plain(&sentence(proof)))?;
    for (text, why) in proof.statements.iter().filter_map(|s| Some((short(&s.statement), s.not_measured.as_ref()?))) {
        output::note(&plain(&format!("  {text}: not measured: {why}")));
    }
    for note in &proof.notes {
        output::note(&plain(&format!("  {note}")));
    }
    Ok(())
}

fn sentence(proof: &ChangeProof) -> String {
    let saved = proof.saved.map(|saved| {
        format!(
            "; of the workload's time it saves {} ({} to {})",
            words::share(saved.value),
            words::share(saved.low),
            words::share(saved.high)
        )
    });
    let landed: Vec<bool> = proof.statements.iter().filter_map(|s| s.landed).collect();
    let within = (!landed.is_empty())
        .then(|| format!("; {} of {} as predicted", landed.iter().filter(|l| **l).count(), landed.len()));
    format!(
        "{}: {}{}{} ({}, {})",
        proof.verdict.as_str(),
        proof.why.replace('`', ""),
        saved.unwrap_or_default(),
        within.unwrap_or_default(),
        proof.method.as_str(),
        words::seconds(proof.took_s)
    )
}

/// A statement in a line.
fn short(statement: &str) -> String {
    let text = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() > 60 { format!("{}…", text.chars().take(59).collect::<String>()) } else { text }
}

/// A line for each class; the statement stands in the first.
fn lines(statement: &ProofStatement) -> Vec<Vec<String>> {
    let text = short(&statement.statement);
    let of = |(at, class)| line(if at == 0 { &text } else { "" }, class);
    statement.classes.iter().enumerate().map(of).collect()
}

fn line(statement: &str, class: &ProofClass) -> Vec<String> {
    let pages = |pages: Option<f64>| pages.map_or_else(|| "–".to_owned(), words::integer);
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    let later = match class.used_after_analyze {
        Some(after) if after != class.used => format!(", {} after ANALYZE", yes(after)),
        _ => String::new(),
    };
    vec![
        statement.to_owned(),
        class.class.as_str().to_owned(),
        words::ms(class.before_ms),
        words::ms(class.after_ms),
        format!("{} ({})", words::percent(class.change.value), words::interval(class.change.low, class.change.high)),
        pages(class.buffers_before),
        pages(class.buffers_after),
        class.same_rows.map_or("left open", yes).to_owned(),
        format!("{}{later}", yes(class.used)),
    ]
}
