//! The desktop program.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use perfdeck_lib::arguments::{self, Wish};

fn main() -> ExitCode {
    match arguments::read(std::env::args_os().skip(1)) {
        Wish::Window => {}
        // Where nobody reads it, there is nobody to tell.
        Wish::Print(text) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Wish::Refuse(text) => {
            let _ = std::io::stderr().write_all(text.as_bytes());
            return ExitCode::from(2);
        }
    }
    // WebKitGTK's renderer is chosen before any thread starts; see `platform`.
    if perfdeck_lib::platform::restarted_with_settings() {
        return ExitCode::SUCCESS;
    }
    if let Err(text) = perfdeck_lib::platform::screen() {
        let _ = std::io::stderr().write_all(text.as_bytes());
        return ExitCode::FAILURE;
    }
    perfdeck_lib::run();
    ExitCode::SUCCESS
}
