//! The desktop program.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]
#![forbid(unsafe_code)]

fn main() {
    // WebKitGTK's renderer is chosen before any thread starts; see `platform`.
    if perfdeck_lib::platform::restarted_with_settings() {
        return;
    }
    perfdeck_lib::run();
}
