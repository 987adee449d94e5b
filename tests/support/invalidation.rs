//! What a user does about keys without expiry in the window, and what the servers themselves say of it.
use std::collections::BTreeMap;
use std::time::Duration;

use perfdeck_testkit::redis::{self, Value};
use serde_json::json;

use super::journey::{id, open};
use super::webdriver::Session;

type Result<T = ()> = std::result::Result<T, String>;

/// Time for something that the UI does by itself.
const SOON: Duration = Duration::from_secs(15);
/// Time for what walks through all keys.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time over which keys are let expire, in seconds: longer than the test takes.
const OVER_S: i64 = 600;
/// Keys of the namespace that never expires.
pub(crate) const SESSIONS: usize = 150;

/// When keys expire, in milliseconds since the Unix epoch; -1 for those that never do.
pub(crate) type Expiries = BTreeMap<String, i64>;

/// A cache of one server or of a cluster, asked by connections of the test's own.
pub(crate) struct Cache {
    nodes: Vec<redis::aio::MultiplexedConnection>,
    names: Vec<String>,
}

impl Cache {
    /// Fills it: 150 sessions that never expire, and 850 keys of two other namespaces that do.
    pub(crate) async fn filled(urls: &[String]) -> Self {
        let mut nodes = Vec::new();
        for url in urls {
            let client = redis::Client::open(url.as_str()).expect("an address");
            nodes.push(client.get_multiplexed_async_connection().await.expect("a connection of its own"));
        }
        let sessions = (0..SESSIONS).map(|i| (format!("session:{:024x}", i * 7919 + 1), None));
        let others = (0..850).map(|i| {
            let name = if i % 2 == 0 { format!("appt:{i}") } else { format!("http:bodies:{i}") };
            (name, Some(3_600 + i))
        });
        let keys: Vec<(String, Option<usize>)> = sessions.chain(others).collect();
        let mut all = redis::pipe();
        all.ignore_errors();
        for (name, expiry) in &keys {
            let set = all.cmd("SET").arg(name).arg(format!("value of {name}"));
            if let Some(seconds) = expiry {
                set.arg("EX").arg(*seconds);
            }
        }
        let cache = Self { nodes, names: keys.into_iter().map(|(name, _)| name).collect() };
        cache.each(&all).await;
        cache
    }

    /// What was answered to each command, by the server whose key it is.
    async fn each(&self, commands: &redis::Pipeline) -> Vec<Value> {
        let mut answers: Vec<Option<Value>> = vec![None; self.names.len()];
        for node in &self.nodes {
            let told: Vec<Value> = commands.query_async(&mut node.clone()).await.expect("an answer");
            for (kept, one) in answers.iter_mut().zip(told) {
                // A key of another server is refused with where it is.
                if !matches!(one, Value::ServerError(_)) {
                    *kept = Some(one);
                }
            }
        }
        answers.into_iter().map(|answer| answer.expect("each key is some server's")).collect()
    }

    fn asking(&self, command: &str) -> redis::Pipeline {
        let mut all = redis::pipe();
        all.ignore_errors();
        for name in &self.names {
            all.cmd(command).arg(name);
        }
        all
    }

    /// When each key expires, as its server says.
    pub(crate) async fn expiries(&self) -> Expiries {
        let answers = self.each(&self.asking("PEXPIRETIME")).await;
        self.names
            .iter()
            .zip(answers)
            .map(|(name, answer)| match answer {
                Value::Int(at) => (name.clone(), at),
                other => panic!("{name} expires at {other:?}"),
            })
            .collect()
    }

    /// Fails unless each key has its own value.
    pub(crate) async fn has_all_values(&self) {
        for (name, answer) in self.names.iter().zip(self.each(&self.asking("GET")).await) {
            assert_eq!(answer, Value::BulkString(format!("value of {name}").into_bytes()), "the value of {name}");
        }
    }
}

/// Fails unless the sessions expire within the time that was asked for, and nothing else was touched.
pub(crate) fn only_sessions_expire(before: &Expiries, now: &Expiries) {
    let ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
    let latest = i64::try_from(ms).expect("a time") + OVER_S * 1000;
    for (name, at) in now {
        if name.starts_with("session:") {
            assert!((1..=latest).contains(at), "{name} is let expire by {latest}, and says {at}");
        } else {
            assert_eq!(Some(at), before.get(name), "{name} is none of them");
        }
    }
}

/// Adds an environment with this cache alone, and shows it.
pub(crate) fn add(page: &Session, name: &str, kind: &str, cache: &str) -> Result {
    open(page, "/environments/new")?;
    page.fill(&id("env-name"), name)?;
    page.click(&id(&format!("env-kind-{kind}")))?;
    page.fill(&id("env-cache"), cache)?;
    page.click(&id("env-save"))?;
    page.wait_for(&id("overview-lanes"), SOON)
}

/// Allows changes of a production environment for a time.
pub(crate) fn unlock(page: &Session, name: &str) -> Result {
    page.click(&id("env-unlock"))?;
    page.fill(&id("unlock-name"), name)?;
    page.click(&id("unlock-confirm"))?;
    page.wait_until("the unlocked environment", SOON, "return !!document.querySelector('[data-unlocked=true]')", &[])
        .map(drop)
}

/// Maps the keys by the old address of the map, and chooses the namespace of which no key expires.
pub(crate) fn find_what_never_expires(page: &Session) -> Result {
    open(page, "/cache/map")?;
    page.wait_until(
        "the map at its address",
        SOON,
        "return /[/]cache$/.test(location.hash.split('?')[0]) && !!document.querySelector(arguments[0])",
        &[json!(id("map-begin"))],
    )?;
    page.click(&id("map-begin"))?;
    page.wait_for(&format!("{}[data-state=finished]", id("map-scan")), PATIENCE)?;
    page.wait_until(
        "the one namespace that never expires",
        SOON,
        "const rows = [...document.querySelectorAll(arguments[0])].filter((row) => row.textContent.includes('▲'));
         if (rows.length !== 1 || rows[0].dataset.name !== 'session:*') return false;
         rows[0].click();
         return true",
        &[json!(id("map-namespace"))],
    )?;
    page.wait_for(&id("map-chosen"), SOON)
}

/// Looks at what letting it expire would do; answers what the preview says.
pub(crate) fn preview(page: &Session) -> Result<String> {
    page.click(&id("map-invalidate"))?;
    page.fill(&id("invalidate-over"), &OVER_S.to_string())?;
    page.click(&id("invalidate-preview"))?;
    let said = "return document.querySelector(arguments[0])?.textContent";
    let rows = page.wait_until("the preview", PATIENCE, said, &[json!(id("invalidate-rows"))])?;
    Ok(rows.as_str().unwrap_or_default().to_owned())
}

/// Lets the keys expire, and waits until the servers confirm it.
pub(crate) fn expire_softly(page: &Session, named: Option<&str>) -> Result {
    press(page, "invalidate-apply", named)?;
    comes_to(page, "taken", "verified")
}

/// Takes it back, and waits until that is done.
pub(crate) fn undo(page: &Session, named: Option<&str>) -> Result {
    press(page, "invalidate-undo", named)?;
    comes_to(page, "undone", "undone")
}

/// Presses a button once the guards were asked; where they ask for the environment's name, not before that is typed.
fn press(page: &Session, button: &str, named: Option<&str>) -> Result {
    // What is said about passwords without a keychain lies over the corner in which the buttons are.
    let dismiss = "document.querySelectorAll(arguments[0]).forEach((button) => button.click())";
    page.run(dismiss, &[json!(id("toast-dismiss"))])?;
    let allowed = format!("{}:not(:disabled)", id(button));
    page.wait_for(&allowed, SOON)?;
    page.click(&allowed)?;
    let Some(name) = named else { return Ok(()) };
    page.wait_for(&id("change-confirm-name"), SOON)?;
    let off = "return document.querySelector(arguments[0]).disabled";
    if page.run(off, &[json!(id("change-confirmed"))])? != json!(true) {
        return Err("production could be changed before it was named".to_owned());
    }
    page.fill(&id("change-confirm-name"), name)?;
    page.click(&id("change-confirmed"))
}

fn comes_to(page: &Session, stage: &str, state: &str) -> Result {
    page.wait_for(&format!("{}[data-stage={stage}][data-state={state}]", id("invalidate")), PATIENCE)
}
