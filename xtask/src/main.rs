//! Set-up, run, test, bench and screenshots of this repository: `cargo xtask help`.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

mod apt;
mod bench;
mod bundle;
#[path = "../../tests/support/desktop.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod desktop;
mod process;
mod run;
mod setup;
#[path = "../../tests/support/start.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod start;
mod test;
mod ui;
#[path = "../../tests/support/webdriver.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod webdriver;

use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
Tasks of the Perfdeck repository

cargo xtask run [--no-install] [--debug]       install what is missing, build, open the window on the demo environment;
                                               without a display: the main job in the terminal, then the UI on loopback
cargo xtask test [--no-install] [FILTER]       install what is missing, then everything from format to the real window
cargo xtask bench AREA [--no-install]          startup, monitor, ui, ui-load, ui-lists, http, pacing, sql, database,
                                               cache-load, cache-aside, cache-map [speed|bars|blocks|large], cache-take,
                                               advisor [speed|skew|mixed|tpch]
cargo xtask screenshots [--no-install]         drive the real window through every screen into docs/screenshots/
cargo xtask bindings                           write the TypeScript types of the commands into ui/src/backend/gen
cargo xtask bundle [--no-install]              build the package of this platform with both programs: the Debian
                                               package on Linux

--no-install   print the command that installs what is missing, and exit with 2, instead of running it
--debug        build without optimisation: quicker to build, slower to use
";

/// What went wrong, and how the process should end.
#[derive(Debug)]
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    fn with_code(code: u8, message: impl Into<String>) -> Self {
        Self { message: message.into(), code }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

type Outcome<T = ()> = Result<T, Failure>;

/// Options that several tasks share.
#[derive(Debug, Default)]
struct Options {
    no_install: bool,
    debug: bool,
    rest: Vec<String>,
}

/// The repository's top folder.
fn root() -> PathBuf {
    // Set by `cargo run`; the compiled-in value would be wrong in a copied target folder.
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.parent().map(PathBuf::from).unwrap_or(xtask)
}

fn main() -> ExitCode {
    let mut options = Options::default();
    let mut task = None;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--no-install" => options.no_install = true,
            "--debug" => options.debug = true,
            "-h" | "--help" => task = Some("help".to_owned()),
            _ if task.is_none() => task = Some(argument),
            flag if flag.starts_with('-') => {
                eprintln!("error: unknown option {flag}\n\n{HELP}");
                return ExitCode::from(2);
            }
            _ => options.rest.push(argument),
        }
    }
    let outcome = match task.as_deref() {
        Some("run") => run::run(&options),
        Some("test") => test::test(&options),
        Some("bench") => bench::bench(&options),
        Some("screenshots") => test::screenshots(&options),
        Some("bindings") => test::bindings(),
        Some("bundle") => bundle::bundle(&options),
        Some("help") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(Failure::with_code(2, format!("unknown task '{other}'\n\n{HELP}"))),
        None => Err(Failure::with_code(2, HELP)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // The last line of `test` is its count; it has said everything before that.
            if !failure.message.is_empty() {
                eprintln!("error: {}", failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}
