//! What is told of a command line that is wrong: which argument and why, never what was given for it.
use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use perfdeck_model::masking::reading_failed;

use crate::USAGE;
use crate::output::{self, plain};

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        ContextValue::StyledStrs(texts) => Some(texts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ContextValue::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

/// An argument that nobody knows: by its name where it has the form of an option, and by its place.
fn unknown(given: &str, arguments: &[OsString]) -> String {
    let name = given.split('=').next().unwrap_or_default();
    let option = name.len() <= 40
        && name.strip_prefix("--").is_some_and(|n| {
            n.starts_with(|c: char| c.is_ascii_lowercase()) && n.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        });
    let place = arguments.iter().position(|a| {
        let a = a.to_string_lossy();
        a == given || a.split('=').next() == Some(name)
    });
    let place = place.map_or_else(String::new, |at| format!("argument {at}"));
    match (option, place.is_empty()) {
        (true, true) => format!("'{name}'"),
        (true, false) => format!("'{name}' ({place})"),
        (false, true) => "an argument".to_owned(),
        (false, false) => place,
    }
}

/// Why a value was refused, without it.
fn reason(error: &clap::Error) -> Option<String> {
    let why = std::error::Error::source(error)?.to_string();
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    if value.is_empty() {
        return Some(why);
    }
    // clap says `7 is not in 1..=5`; own parsers say nothing of the value.
    let rest = why.strip_prefix(&value).map_or_else(|| why.clone(), |rest| format!("it{rest}"));
    let known = [
        "it is not",
        "write a header as",
        "invalid digit found",
        "number too",
        "invalid float",
        "cannot parse",
        "invalid socket address",
        "threshold",
        "it ",
    ];
    (known.iter().any(|k| rest.starts_with(k)) && !(value.len() > 2 && rest.contains(&value)))
        .then_some(rest)
        .or_else(|| Some(reading_failed(&why)))
}

/// The line about an error, and the line that helps.
fn words(error: &clap::Error, arguments: &[OsString]) -> (String, Option<String>) {
    let argument = text(error, ContextKind::InvalidArg);
    let possible = text(error, ContextKind::ValidValue).filter(|v| !v.is_empty());
    let suggested = text(error, ContextKind::SuggestedArg)
        .or_else(|| text(error, ContextKind::SuggestedSubcommand))
        .or_else(|| text(error, ContextKind::SuggestedValue));
    let statement = error.kind() == ErrorKind::MissingRequiredArgument
        && argument.as_deref().is_some_and(|missing| missing.contains("--sql"));
    let mut hint = if statement {
        Some("give a statement with --sql, or a file of statements with --script".to_owned())
    } else {
        suggested.map(|s| format!("did you mean '{s}'?"))
    };
    let named = argument.clone().unwrap_or_else(|| "an argument".to_owned());
    let line = match error.kind() {
        ErrorKind::InvalidValue => {
            hint = possible.map(|values| format!("possible values: {values}")).or(hint);
            let empty = text(error, ContextKind::InvalidValue).is_some_and(|v| v.is_empty());
            if empty {
                format!("'{named}' needs a value")
            } else {
                format!("what was given for '{named}' is not known")
            }
        }
        ErrorKind::ValueValidation => {
            let why = reason(error).map_or_else(String::new, |why| format!(": {why}"));
            format!("what was given for '{named}' cannot be used{why}")
        }
        ErrorKind::UnknownArgument => {
            format!("{} is not known here", unknown(&argument.unwrap_or_default(), arguments))
        }
        ErrorKind::InvalidSubcommand => {
            let given = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("{} is not a command", unknown(&given, arguments))
        }
        ErrorKind::NoEquals => format!("'{named}' takes its value after an ="),
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("'{named}' was given another number of values than it takes")
        }
        ErrorKind::ArgumentConflict => match text(error, ContextKind::PriorArg) {
            Some(prior) if Some(&prior) == argument.as_ref() => format!("'{named}' was given twice"),
            Some(prior) => format!("'{named}' cannot be used with '{prior}'"),
            None => format!("'{named}' cannot be used with the others"),
        },
        ErrorKind::MissingRequiredArgument => format!("these are missing: {named}"),
        ErrorKind::MissingSubcommand => "a command is missing".to_owned(),
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        _ => "the command line is not understood".to_owned(),
    };
    (line, hint)
}

/// Says what is wrong, or writes the help that was asked for.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help and version.
        return match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(USAGE),
        };
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(USAGE);
    }
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let (line, hint) = words(error, &arguments);
    output::note(&format!("error: {}", plain(&line)));
    let usage = text(error, ContextKind::Usage).map(|u| u.trim().to_owned()).filter(|u| !u.is_empty());
    if let Some(hint) = hint.or_else(|| usage.map(|u| u.replace("Usage:", "usage:"))) {
        output::note(&format!("hint: {}", plain(&hint)));
    }
    output::note("For more information, try '--help'.");
    ExitCode::from(USAGE)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::command::Cli;

    #[test]
    fn a_wrong_command_line_is_told_without_what_was_given() {
        let cases: [(&[&str], &str); 16] = [
            (&["env", "add", "x", "--kind", "CANARY"], "'--kind <KIND>' cannot be used: it is not a kind"),
            (&["env", "add", "x", "--databas", "CANARY"], "'--databas' (argument 4) is not known here"),
            (&["env", "add", "x", "--pass=CANARY"], "'--pass' (argument 4) is not known here"),
            (&["env", "add", "x", "CANARY"], "argument 4 is not known here"),
            (&["CANARY"], "argument 1 is not a command"),
            (&["env", "CANARY"], "argument 2 is not a command"),
            (&["bench", "http", "http://h", "-d", "CANARY"], "it is not a duration"),
            (&["bench", "http", "http://h", "-H", "CANARY"], "write a header as"),
            (&["bench", "http", "http://h", "-c", "CANARY"], "invalid digit found in string"),
            (&["bench", "http", "http://h", "--method", "CANARY"], "it is not a method: use GET"),
            (&["bench", "plan", "import", "CANARY", "f"], "is not known"),
            (&["journal", "--limit", "4111111"], "it is not in 1..=10000"),
            (&["serve", "--listen", "u:CANARY@h"], "invalid socket address"),
            (
                &["bench", "http", "http://h", "--rate", "-5"],
                "'--rate <R>' cannot be used: it is not a number of starts per",
            ),
            (&["bench", "sql", "--rate", "CANARY", "--sql", "x"], "from 0.001 to 1000000"),
            (&["bench", "sql", "--env", "e"], "these are missing: --sql"),
        ];
        for (arguments, part) in cases {
            let all: Vec<OsString> = ["perfctl"].iter().chain(arguments).map(OsString::from).collect();
            let error = Cli::try_parse_from(&all).expect_err("refused");
            let (line, hint) = words(&error, &all);
            let said = format!("{line} {}", hint.unwrap_or_default());
            assert!(!said.contains("CANARY") && !said.contains("4111111"), "{arguments:?}: {said}");
            assert!(line.contains(part), "{arguments:?} says '{part}': {line}");
            if line.contains("--sql") {
                assert!(said.contains("--script"), "the other way is named: {said}");
            }
        }
    }

    /// Arguments of a command and of those below it that take a value, as `path | argument`.
    fn arguments(command: &clap::Command, path: &str, out: &mut Vec<String>) {
        for argument in command.get_arguments().filter(|a| a.get_action().takes_values()) {
            // Global arguments are rows of the program, not of each command.
            if argument.is_global_set() && path != "-" {
                continue;
            }
            out.push(format!("{path} | {}", argument.get_id()));
        }
        for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let path = if path == "-" { below.get_name().to_owned() } else { format!("{path} {}", below.get_name()) };
            arguments(below, &path, out);
        }
    }

    #[test]
    fn every_argument_has_a_row_in_the_canary_test() {
        use clap::CommandFactory;
        let rows = include_str!("../tests/canary/rows.txt").replace('-', "_");
        let mut all = Vec::new();
        arguments(&Cli::command(), "-", &mut all);
        assert!(all.len() > 100, "the command line is walked: {all:?}");
        let missing: Vec<&String> = all
            .iter()
            .filter(|a| !rows.lines().any(|row| row.starts_with(&format!("{} |", a.replace('-', "_")))))
            .collect();
        assert!(missing.is_empty(), "without a row in tests/canary/rows.txt: {missing:?}");
    }
}
