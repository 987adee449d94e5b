//! What a user does about indexes in the window: follows a finding to advice, plans what is advised, applies it, has it proven, and
//! keeps it or takes it back.
use std::time::Duration;

use serde_json::json;

use super::journey::{id, open};
use super::webdriver::Session;

type Result<T = ()> = std::result::Result<T, String>;

/// Time for something that the UI does by itself.
const SOON: Duration = Duration::from_secs(15);
/// Time for what a target is asked for, or is measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// A change in the tray.
pub(crate) struct Row(String);

impl Row {
    /// Selector of something in it.
    fn part(&self, name: &str) -> String {
        format!("{} {}", self.0, id(name))
    }

    /// Waits until it is in this state.
    fn comes_to(&self, page: &Session, state: &str) -> Result {
        page.wait_for(&format!("{}[data-state=\"{state}\"]", self.0), PATIENCE)
    }

    /// Presses one of its buttons once that is allowed.
    fn press(&self, page: &Session, button: &str) -> Result {
        let allowed = format!("{}:not(:disabled)", self.part(button));
        page.wait_for(&allowed, PATIENCE)?;
        page.click(&allowed)
    }
}

/// Waits until statements of the demo are counted, as its tab shows them.
pub(crate) fn statements_are_counted(page: &Session, table: &str) -> Result {
    open(page, "/database/statements")?;
    page.wait_until(
        "a statement that was counted",
        PATIENCE,
        "const all = [...document.querySelectorAll('[data-testid=top-statement]')];
         return all.some((row) => row.textContent.includes(arguments[0]))",
        &[json!(table)],
    )
    .map(drop)
}

/// From the finding about sequential scans on a table to advice on indexes.
pub(crate) fn advice_from_a_finding(page: &Session, table: &str) -> Result {
    open(page, "/overview")?;
    page.wait_until(
        "the finding about sequential scans",
        PATIENCE,
        "const all = document.querySelector('[data-testid=findings-all]');
         if (all && /^Show all/.test(all.textContent.trim())) all.click();
         const found = [...document.querySelectorAll('[data-testid=finding]')];
         const scan = found.find((finding) => /Sequential scans? on/.test(finding.textContent) && finding.textContent.includes(arguments[0]));
         scan?.querySelector('[data-testid=finding-action]').click();
         return scan !== undefined",
        &[json!(table)],
    )?;
    page.click(&id("finding-step"))?;
    page.wait_until(
        "what led here",
        SOON,
        "return document.querySelector(arguments[0])?.textContent.includes(arguments[1])",
        &[json!(id("advice-led")), json!(table)],
    )
    .map(drop)
}

/// Advice on what was counted.
pub(crate) fn advise(page: &Session) -> Result {
    page.click(&id("advice-start-do"))?;
    page.wait_for(&id("advised"), PATIENCE)
}

/// Advice on queries that are pasted.
pub(crate) fn advise_on(page: &Session, queries: &str) -> Result {
    page.click(&id("advice-start-queries"))?;
    page.fill(&id("queries-text"), queries)?;
    page.click(&id("queries-send"))?;
    page.wait_for(&id("advised"), PATIENCE)
}

/// Plans the index that is advised first; answers its change and the statement that would be sent.
pub(crate) fn plan_what_is_advised(page: &Session, table: &str) -> Result<(Row, String)> {
    let choose = "const all = [...document.querySelectorAll('[data-testid=advice-item]')];
        const item = all.find((item) => /^index:/.test(item.dataset.key) && item.textContent.includes(arguments[0]));
        item?.click();
        return item !== undefined";
    page.wait_until("the advised index in the list", SOON, choose, &[json!(table)])?;
    plan(page, "advised-plan")
}

/// Plans the index that a foreign key lacks.
pub(crate) fn plan_for_a_foreign_key(page: &Session, table: &str) -> Result<(Row, String)> {
    let choose = "const all = [...document.querySelectorAll('[data-testid=advice-item]')];
        const item = all.find((item) => /Foreign key without index/.test(item.textContent) && item.textContent.includes(arguments[0]));
        item?.click();
        return item !== undefined";
    page.wait_until("the foreign key in the list", SOON, choose, &[json!(table)])?;
    plan(page, "found-plan")
}

/// Plans what is chosen, and looks at the preview of it.
fn plan(page: &Session, button: &str) -> Result<(Row, String)> {
    page.click(&id(button))?;
    let planned = format!("{}[data-state=previewed]", id("tray-row"));
    let change = page.wait_until(
        "the change in the tray",
        PATIENCE,
        "return document.querySelector(arguments[0])?.dataset.change",
        &[json!(planned)],
    )?;
    let row = Row(format!("{}[data-change=\"{}\"]", id("tray-row"), change.as_str().unwrap_or_default()));
    row.press(page, "tray-preview")?;
    page.wait_for(&id("change-preview"), SOON)?;
    let shown = "return document.querySelector(arguments[0] + ' pre')?.textContent";
    let statement = page.wait_until("the exact statement", SOON, shown, &[json!(id("advice-change"))])?;
    Ok((row, statement.as_str().unwrap_or_default().to_owned()))
}

/// Applies it, and waits until the target confirms it.
pub(crate) fn apply(page: &Session, row: &Row) -> Result {
    row.press(page, "tray-apply")?;
    row.comes_to(page, "verified")
}

/// Has it proven with these statements beside those that it was advised for; answers the verdict.
pub(crate) fn prove(page: &Session, row: &Row, statements: Option<&str>) -> Result<String> {
    row.press(page, "tray-prove")?;
    if let Some(statements) = statements {
        page.fill(&id("proving-statements"), statements)?;
    }
    page.click(&format!("{} option[value=\"10\"]", id("proving-seconds")))?;
    page.click(&id("proving-do"))?;
    let verdict = "return document.querySelector(arguments[0])?.dataset.verdict";
    let verdict = page.wait_until("the verdict", PATIENCE, verdict, &[json!(id("proof"))])?;
    Ok(verdict.as_str().unwrap_or_default().to_owned())
}

/// Keeps it.
pub(crate) fn keep(page: &Session, row: &Row) -> Result {
    row.press(page, "tray-keep")?;
    row.comes_to(page, "kept")
}

/// Takes it back, in one click.
pub(crate) fn undo(page: &Session, row: &Row) -> Result {
    row.press(page, "tray-undo")?;
    row.comes_to(page, "undone")
}
