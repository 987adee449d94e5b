//! The log, and what is told of panics: neither holds a user's text.
//!
//! Libraries log statements, headers and bodies, so of their events only the place is written. Perfdeck's own go through
//! the masker of messages.
use std::fmt::Write as _;
use std::io::Write as _;

use perfdeck_model::ApiError;
use perfdeck_model::masking::message;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What `PERFDECK_LOG` asks for: levels, and levels of parts of the program.
fn asked(text: &str) -> Result<EnvFilter, ApiError> {
    const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];
    // A word alone would be read as the name of a part that nobody has.
    let known = text.split(',').map(str::trim).filter(|part| !part.is_empty()).all(|part| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        LEVELS.iter().any(|known| level.eq_ignore_ascii_case(known))
    });
    known.then(|| EnvFilter::try_new(text).ok()).flatten().ok_or_else(|| {
        ApiError::bad_request("PERFDECK_LOG is not understood")
            .hint("Set it to error, warn, info, debug or trace, or to levels of parts: info,perfdeck_monitor=debug")
    })
}

/// Writes the log to stderr. `level` is the one without `PERFDECK_LOG`, and where that is not understood.
///
/// # Errors
/// [`perfdeck_model::ErrorCode::BadRequest`] when `PERFDECK_LOG` is not understood.
pub fn init(level: &str, colour: bool) -> Result<(), ApiError> {
    let given = std::env::var_os("PERFDECK_LOG").filter(|text| !text.is_empty());
    let asked = given.map(|text| asked(&text.to_string_lossy())).transpose();
    let filter = asked.as_ref().ok().cloned().flatten().unwrap_or_else(|| EnvFilter::new(level));
    // A second initialisation cannot happen: this is called once, first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .event_format(Masked)
        .try_init();
    asked.map(|_| ())
}

struct Masked;

/// Message and fields of one event.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // Without quotes, which would hide all of it.
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Whether an event is Perfdeck's own.
fn is_own(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    name == "perfctl" || name == "perfdeck" || name.starts_with("perfdeck_")
}

impl<S, N> FormatEvent<S, N> for Masked
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        let about = event.metadata();
        SystemTime.format_time(&mut writer)?;
        write!(writer, " {:>5} {}:", about.level(), about.target())?;
        if is_own(about.target()) {
            let mut words = Words::default();
            event.record(&mut words);
            let text = message(&format!("{}{}", words.message, words.fields), &|_| false);
            // One event is one line.
            writeln!(writer, " {}", text.replace(['\n', '\r'], " "))
        } else {
            match about.line() {
                Some(line) => writeln!(writer, " line {line}, its text is withheld"),
                None => writeln!(writer, " its text is withheld"),
            }
        }
    }
}

/// Words told of a panic: a text of the program itself, never one that was formatted.
pub(crate) fn panic_words(payload: &(dyn std::any::Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("its text is withheld")
}

/// Tells where a panic was, without what it formats: that may be anybody's data. `RUST_BACKTRACE=1` adds the calls.
pub fn quiet_panics(program: &'static str) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or_else(
            || "an unknown place".to_owned(),
            |at| {
                let file = at.file().rsplit_once("registry/src/").map_or(at.file(), |(_, file)| file);
                format!("{file}:{}:{}", at.line(), at.column())
            },
        );
        let words = panic_words(panic.payload());
        let mut out = std::io::stderr().lock();
        // Nobody reading stderr is no reason to panic again.
        let _ = writeln!(out, "{program}: a defect at {place}: {words}");
        let calls = std::backtrace::Backtrace::capture();
        if calls.status() == std::backtrace::BacktraceStatus::Captured {
            let _ = writeln!(out, "{calls}");
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_log_has_no_words_of_libraries_and_masks_its_own() {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer =
            tracing_subscriber::fmt::layer().event_format(Masked).with_ansi(false).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(target: "sqlx::query", statement = "select 'CANARY'", "slow CANARY");
            tracing::info!(error = "cannot reach http://u:CANARY@h/", "command \"CANARY\" refused");
            let span = tracing::info_span!("request", authorization = "CANARY");
            span.in_scope(|| tracing::info!(count = 3, "done"));
        });
        let text = String::from_utf8(kept.0.lock().expect("lock").clone()).expect("UTF-8");
        assert!(!text.contains("CANARY"), "{text}");
        assert!(text.contains("sqlx::query: line") && text.contains("done count=3"), "the rest is there: {text}");
        assert!(text.contains("http://•••@h/"), "{text}");
    }

    #[test]
    fn a_level_is_understood_or_refused() {
        for text in ["info", "WARN", "off", "perfdeck_engine=debug", "info,perfdeck_monitor::scheduler=trace,sqlx=off"]
        {
            assert!(asked(text).is_ok(), "{text}");
        }
        for text in ["verbose", "infos", "info,CANARY", "perfdeck=loud", "=", "info;debug", "7"] {
            let error = asked(text).expect_err(text);
            assert!(error.message.starts_with("PERFDECK_LOG") && !format!("{error:?}").contains("CANARY"), "{error:?}");
        }
    }

    #[test]
    fn panics_tell_only_words_of_the_program() {
        let secret = String::from("CANARY");
        let formatted = std::panic::catch_unwind(|| panic!("no {secret}")).expect_err("panics");
        assert_eq!(panic_words(&*formatted), "its text is withheld");
        let fixed = std::panic::catch_unwind(|| panic!("a clock went backwards")).expect_err("panics");
        assert_eq!(panic_words(&*fixed), "a clock went backwards");
    }
}
