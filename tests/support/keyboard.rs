//! What a user does without a pointer; the same in the real window and in a browser.
use std::time::Duration;

use serde_json::{Value, json};

use super::journey::id;
use super::webdriver::Session;

type Result<T = ()> = std::result::Result<T, String>;

/// Keys, as WebDriver names them.
const TAB: &str = "\u{E004}";
pub(crate) const ENTER: &str = "\u{E007}";
const RIGHT: &str = "\u{E014}";
const CONTROL: char = '\u{E009}';
/// More stops than any screen has.
const STOPS: usize = 200;
const SOON: Duration = Duration::from_secs(20);

/// What has the focus, in words.
fn focused(page: &Session) -> Result<Value> {
    page.run(
        "const e = document.activeElement;
         return e && `${e.tagName} ${e.dataset.testid ?? ''} ${(e.getAttribute('aria-label') ?? e.innerText ?? '').slice(0, 40)}`",
        &[],
    )
}

/// The focus is on something, and not lost on the page itself.
pub(crate) fn focus_is_kept(page: &Session, after: &str) -> Result {
    page.wait_until(
        &format!("a focus after {after}"),
        SOON,
        "return document.activeElement !== null && document.activeElement !== document.body",
        &[],
    )
    .map(drop)
}

/// Waits until a heading that says this has the focus.
pub(crate) fn heading_has_focus(page: &Session, what: &str) -> Result {
    page.wait_until(
        &format!("the heading of {what} to have the focus"),
        SOON,
        "return /^H[1-4]$/.test(document.activeElement?.tagName ?? '')",
        &[],
    )
    .map(drop)
}

/// Presses Tab until what matches has the focus.
pub(crate) fn tab_to(page: &Session, css: &str) -> Result {
    page.wait_for(css, SOON)?;
    let mut passed = Vec::new();
    for _ in 0..STOPS {
        let there = page.run("return document.activeElement?.matches(arguments[0]) === true", &[json!(css)])?;
        if there == json!(true) {
            return Ok(());
        }
        page.keys(TAB)?;
        passed.push(focused(page)?.to_string());
    }
    Err(format!("{css} is not reached by Tab; it passes {passed:#?}"))
}

/// Goes to a button or a link by Tab and presses Enter, once it is on.
pub(crate) fn press(page: &Session, css: &str) -> Result {
    page.wait_for(&format!("{css}:not(:disabled)"), SOON)?;
    tab_to(page, css)?;
    page.keys(ENTER)
}

/// Replaces the text of a field.
pub(crate) fn write(page: &Session, css: &str, text: &str) -> Result {
    tab_to(page, css)?;
    page.chord(CONTROL, 'a')?;
    page.keys(text)?;
    let now = page.run("return document.activeElement.value", &[])?;
    if now == json!(text) { Ok(()) } else { Err(format!("{css} holds {now} after {text:?} was written")) }
}

/// Chooses one of several, to which the arrows lead.
pub(crate) fn choose(page: &Session, css: &str) -> Result {
    tab_to(page, &format!("[role=radiogroup]:has({css}) [role=radio][tabindex=\"0\"]"))?;
    for _ in 0..8 {
        let on = page.run("return document.querySelector(arguments[0])?.ariaChecked === 'true'", &[json!(css)])?;
        if on == json!(true) {
            return Ok(());
        }
        page.keys(RIGHT)?;
    }
    Err(format!("{css} is not reached by the arrows"))
}

/// From the start screen to a proven difference between two targets and a written report, by keyboard alone. `quick` and `slow` are
/// the addresses of the same API, one slower than the other.
pub(crate) fn from_start_to_a_report(page: &Session, quick: &str, slow: &str) -> Result {
    page.wait_for(&id("start"), SOON)?;
    focus_is_kept(page, "the start")?;
    write(page, &id("paste-address"), quick)?;
    press(page, &id("paste-connect"))?;
    press(page, &id("env-save"))?;
    page.wait_for(&id("overview-lanes"), SOON)?;
    heading_has_focus(page, "the overview")?;

    page.keys("gb")?;
    press(page, &id("bench-new"))?;
    page.wait_for(&id("bench-form"), SOON)?;
    focus_is_kept(page, "the form was opened")?;
    choose(page, &id("bench-against"))?;
    for (field, text) in [("bench-url", quick), ("bench-url-b", slow)] {
        write(page, &id(field), text)?;
    }
    for (field, text) in [("bench-pairs", "6"), ("bench-duration", "1s"), ("bench-warmup", "0s")] {
        write(page, &id(field), text)?;
    }
    press(page, &id("bench-start"))?;
    page.wait_for(&id("bench-live"), SOON)?;
    heading_has_focus(page, "the running benchmark")?;
    page.wait_for("[data-testid=comparison][data-verdict=slower]", Duration::from_secs(90))?;
    heading_has_focus(page, "the comparison")?;

    page.keys("gr")?;
    page.wait_for("[data-testid=report-new], [data-testid=report-create]", SOON)?;
    if page.run("return !document.querySelector('[data-testid=report-create]')", &[])? == json!(true) {
        press(page, &id("report-new"))?;
    }
    press(page, &id("report-create"))?;
    page.wait_for("[data-testid=report-row], [data-testid=report-view]", Duration::from_secs(60))?;
    focus_is_kept(page, "the report was written")
}
