//! A value that is edited in the window while another client writes it.
use std::time::Duration;

use serde_json::json;

use super::journey::{id, open};
use super::webdriver::Session;

type Result<T = ()> = std::result::Result<T, String>;

/// Time for something that the UI does by itself.
const SOON: Duration = Duration::from_secs(15);

/// Looks for one key by its name, which shows it, and opens its value for editing.
pub(crate) fn edit(page: &Session, name: &str) -> Result {
    open(page, "/cache/keys")?;
    page.fill(&id("keys-pattern"), name)?;
    page.click(&id("keys-search"))?;
    page.wait_for(&id("keys-content"), SOON)?;
    page.click(&id("keys-value-edit"))
}

/// Plans this value; nothing is written.
pub(crate) fn plan(page: &Session, value: &str) -> Result {
    page.fill(&id("keys-edit-value"), value)?;
    page.click(&id("keys-edit-plan"))?;
    page.wait_for(&format!("{}[data-state=previewed]", id("keys-change")), SOON)
}

/// Writes what was planned, and waits until the server confirms it.
pub(crate) fn write(page: &Session) -> Result {
    press(page, "keys-change-apply")?;
    page.wait_for(&format!("{}[data-state=verified]", id("keys-change")), SOON)
}

/// Writes what was planned, which another client was quicker with; answers the three values that are shown: as it was, ours, theirs.
pub(crate) fn conflict(page: &Session) -> Result<Vec<String>> {
    press(page, "keys-change-apply")?;
    page.wait_for(&id("keys-conflict"), SOON)?;
    let cells = "return ['hollow', 'solid', 'theirs'].map((of) =>
        document.querySelector(`[data-testid=conflict-${of}]`)?.textContent.trim() ?? 'nothing')";
    let shown = page.run(cells, &[])?;
    Ok(shown.as_array().into_iter().flatten().filter_map(|cell| cell.as_str().map(str::to_owned)).collect())
}

/// Plans our value over theirs, which is previewed again.
pub(crate) fn over_theirs(page: &Session) -> Result {
    page.click(&id("conflict-write"))?;
    page.wait_for(&format!("{}[data-state=previewed]:not([data-clashes])", id("keys-change")), SOON)
}

/// Takes what was written back.
pub(crate) fn undo(page: &Session) -> Result {
    press(page, "keys-change-undo")?;
    page.wait_for(&format!("{}[data-state=undone]", id("keys-change")), SOON)
}

/// Presses a button once the guards were asked.
fn press(page: &Session, button: &str) -> Result {
    // Messages lie over the corner in which the buttons are.
    let dismiss = "document.querySelectorAll(arguments[0]).forEach((button) => button.click())";
    page.run(dismiss, &[json!(id("toast-dismiss"))])?;
    let allowed = format!("{}:not(:disabled)", id(button));
    page.wait_for(&allowed, SOON)?;
    page.click(&allowed)
}
