//! The few arguments of the desktop program.
use std::ffi::OsString;

const HELP: &str = "\
Performance console for databases, caches, HTTP APIs and the hosts they run on

Usage: perfdeck [--demo]

Options:
      --demo     Open on the demo environment
  -h, --help     Print help
  -V, --version  Print version

The command line is another program: see perfctl(1).
";

/// What the program was started for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Open the window, with `--demo` on the demo environment.
    Window,
    /// Print this and end.
    Print(String),
    /// End as a wrong usage, with this reason.
    Refuse(String),
}

/// Reads the arguments that follow the program's name.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Wish {
    for argument in arguments {
        match argument.to_str() {
            Some("-h" | "--help") => return Wish::Print(HELP.to_owned()),
            Some("-V" | "--version") => return Wish::Print(format!("perfdeck {}\n", env!("CARGO_PKG_VERSION"))),
            Some("--demo") => {}
            // Given by older macOS to every program that is opened from the Finder.
            Some(text) if text.starts_with("-psn_") => {}
            _ => {
                return Wish::Refuse(format!(
                    "error: perfdeck does not know the argument {argument:?}\nhint: perfdeck --help lists what it knows; \
                     the command line is perfctl\n"
                ));
            }
        }
    }
    Wish::Window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(arguments: &[&str]) -> Wish {
        read(arguments.iter().map(OsString::from))
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        assert_eq!(wish(&[]), Wish::Window, "a window without arguments");
        assert_eq!(wish(&["--demo"]), Wish::Window, "on the demo");
        assert_eq!(wish(&["-psn_0_12345"]), Wish::Window, "opened from the Finder");
        assert!(matches!(wish(&["--version"]), Wish::Print(text) if text.starts_with("perfdeck ")), "its version");
        assert!(matches!(wish(&["--demo", "-h"]), Wish::Print(text) if text.contains("--demo")), "its help");
        assert!(matches!(wish(&["monitor"]), Wish::Refuse(text) if text.contains("\"monitor\"")), "named");
    }
}
