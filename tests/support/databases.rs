//! What a user does about a database in the window: frees who waits, and follows a slow route down to its plan.
use std::time::Duration;

use serde_json::json;

use super::journey::{id, open};
use super::webdriver::Session;

type Result<T = ()> = std::result::Result<T, String>;

/// Time for something that the UI does by itself.
const SOON: Duration = Duration::from_secs(15);
/// Time for what a target is asked for, or is measured.
const PATIENCE: Duration = Duration::from_secs(90);

/// Adds a production environment with this database and shows it.
pub(crate) fn add_production(page: &Session, name: &str, database: &str) -> Result {
    open(page, "/environments/new")?;
    page.fill(&id("env-name"), name)?;
    page.click(&id("env-kind-production"))?;
    page.fill(&id("env-database"), database)?;
    page.click(&id("env-save"))?;
    page.wait_for(&id("overview-lanes"), SOON)
}

/// Ends the session that holds the others up, as the tree proposes it: unlocked, named, and confirmed by the target.
pub(crate) fn free_who_waits(page: &Session, name: &str) -> Result {
    open(page, "/database")?;
    page.wait_until(
        "a tree of two sessions",
        PATIENCE,
        "return document.querySelectorAll(arguments[0]).length === 2",
        &[json!(id("blocking-session"))],
    )?;
    page.click(&id("env-unlock"))?;
    page.fill(&id("unlock-name"), name)?;
    page.click(&id("unlock-confirm"))?;
    page.wait_until("the unlocked environment", SOON, "return !!document.querySelector('[data-unlocked=true]')", &[])?;
    page.wait_until(
        "the way to end the session",
        SOON,
        "const all = [...document.querySelectorAll('[data-testid=blocking-actions] label')];
         const end = all.find((label) => /^Terminate/.test(label.textContent.trim()));
         end?.querySelector('input').click();
         return end !== undefined",
        &[],
    )?;
    page.click(&id("blocking-do"))?;
    page.wait_for(&id("change-confirm-name"), SOON)?;
    let off = "return document.querySelector(arguments[0]).disabled";
    if page.run(off, &[json!(id("change-confirmed"))])? != json!(true) {
        return Err("the session could be ended before its environment was named".to_owned());
    }
    // What is said about passwords without a keychain lies over the corner in which the buttons are.
    let dismiss = "document.querySelectorAll(arguments[0]).forEach((button) => button.click())";
    page.run(dismiss, &[json!(id("toast-dismiss"))])?;
    page.fill(&id("change-confirm-name"), name)?;
    page.click(&id("change-confirmed"))?;
    page.wait_for(&id("ending-done"), SOON)?;
    page.wait_until(
        "nobody who waits",
        SOON,
        "return document.querySelectorAll(arguments[0]).length === 0",
        &[json!(id("blocking-session"))],
    )
    .map(drop)
}

/// From the finding about the demo's slow route to what one request of it costs.
pub(crate) fn cost_of_the_slow_route(page: &Session) -> Result {
    open(page, "/overview")?;
    page.wait_until(
        "the finding about a route that runs many statements",
        PATIENCE,
        "const all = document.querySelector('[data-testid=findings-all]');
         if (all && /^Show all/.test(all.textContent.trim())) all.click();
         const found = [...document.querySelectorAll('[data-testid=finding]')];
         const route = found.find((finding) => /statements per request/.test(finding.textContent));
         route?.querySelector('[data-testid=finding-action]').click();
         return route !== undefined",
        &[],
    )?;
    page.click(&id("finding-cost"))?;
    page.wait_for(&id("cost-form"), SOON)?;
    page.fill(&id("cost-pairs"), "6")?;
    page.fill(&id("cost-block"), "0.5")?;
    page.click(&id("cost-start"))?;
    page.wait_for(&id("cost-live"), SOON)?;
    // What is measured goes on while the window is read anew.
    page.reload()?;
    page.wait_until(
        "what a request costs",
        PATIENCE,
        "return /statements of a request are one/.test(document.querySelector(arguments[0])?.textContent ?? '')",
        &[json!(id("cost-sentence"))],
    )
    .map(drop)
}

/// From there to the statement that repeats, and its plan.
pub(crate) fn plan_of_what_repeats(page: &Session) -> Result {
    let repeated = "tr[data-repeated=true]";
    page.wait_for(repeated, SOON)?;
    // A row of a table has no box of its own for the driver.
    page.run("document.querySelector(arguments[0] + ' td').click()", &[json!(repeated)])?;
    page.wait_until(
        "the statement",
        SOON,
        "return /FROM appointments/.test(document.querySelector(arguments[0])?.textContent ?? '')",
        &[json!(id("chosen-statement-text"))],
    )?;
    page.wait_for(&id("plan-node"), SOON)
}
