//! One connection of the full engine: it draws data, runs the steps of an iteration and looks into the responses.
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use hyper::header::HeaderMap;
use tokio::time::Sleep;

use super::http::{Answer, Client};
use super::program::{Call, Compiled, Order, Program, build};
use super::{cache, left, rehearse, sql};
use crate::record::{Class, Failure};
use crate::resources::{CacheConnection, SqlConnection};
use crate::tries::Tries;
use perfdeck_model::SplitMix64;
use perfdeck_plan::{Builtins, FeedCursor, Inspector, Response, Scope};

/// How a step ended.
pub(crate) enum Done {
    /// An HTTP response that its step takes for a success.
    Http { status: u16, bytes: u64 },
    /// A statement, or a command that found something.
    Fine,
    /// A command that found nothing.
    Nothing,
}

/// Why a step failed, and the response when there was one.
pub(crate) struct Failed {
    pub(crate) response: Option<(u16, u64)>,
    pub(crate) failure: Failure,
    /// Whether the connection can be used again.
    pub(crate) broken: bool,
    /// Of a statement: when another try is of no use.
    pub(crate) tries: Option<Tries>,
}

/// What one connection has.
pub(crate) struct Worker {
    program: Arc<Program>,
    scope: Scope,
    cursors: Vec<FeedCursor>,
    builtins: Builtins,
    choice: SplitMix64,
    inspector: Inspector,
    client: Client,
    sql: Option<SqlConnection>,
    cache: Option<CacheConnection>,
    buffer: Vec<u8>,
    /// Taken while a step runs.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Worker {
    /// Worker `number` of all of a run.
    pub(crate) fn new(program: Arc<Program>, number: usize) -> Self {
        // Plans have at most 10,000 connections.
        let (worker, workers) = (narrow(number), narrow(program.connections));
        let mut scope = program.names.scope();
        for (slot, value) in &program.given {
            scope.set(*slot, value);
        }
        let cursors =
            program.feeds.iter().map(|f| FeedCursor::new(f.clone(), &program.names, program.seed, worker, workers));
        Self {
            scope,
            cursors: cursors.filter(FeedCursor::is_used).collect(),
            builtins: Builtins::new(program.seed, worker, workers),
            choice: SplitMix64::new(program.seed, &[b"steps", &worker.to_le_bytes()]),
            inspector: Inspector::default(),
            client: Client::new(program.origins.len()),
            sql: None,
            cache: None,
            buffer: Vec::new(),
            timer: None,
            program,
        }
    }

    /// Opens what the steps need, and logs in where the plan says so.
    ///
    /// # Errors
    /// What could not be opened, or why the login failed.
    pub(crate) async fn prepare(&mut self) -> Result<(), Failure> {
        let program = self.program.clone();
        for origin in 0..program.origins.len() {
            self.client.connect(&program, origin).await?;
        }
        let (needs_sql, needs_cache) = program.needs();
        if needs_sql {
            sql::connect(&program, &mut self.sql).await?;
        }
        if needs_cache {
            cache::connect(&program, &mut self.cache).await?;
        }
        Ok(())
    }

    /// Has the database read the statements, without executing any.
    ///
    /// # Errors
    /// What is wrong with one, naming its step.
    pub(crate) async fn rehearse(&mut self) -> Result<(), String> {
        let program = self.program.clone();
        match &mut self.sql {
            Some(connection) => rehearse::rehearse(&program, connection).await,
            None => Ok(()),
        }
    }

    /// Runs the login step, when the plan has one.
    ///
    /// # Errors
    /// Why it failed, naming the step.
    pub(crate) async fn log_in(&mut self) -> Result<(), String> {
        let program = self.program.clone();
        let Some(login) = &program.login else { return Ok(()) };
        self.draw().map_err(|e| e.1)?;
        let name = program.steps.get(login.step).map_or("", |s| s.name.as_str());
        self.run(login.step, Instant::now())
            .await
            .map(drop)
            .map_err(|f| format!("step '{name}', the login: {}", f.failure.1))
    }

    /// Draws the data of the next iteration.
    ///
    /// # Errors
    /// When a feed whose rows are used once has none left.
    pub(crate) fn draw(&mut self) -> Result<(), Failure> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.builtins.next(u64::try_from(now.as_millis()).unwrap_or(0));
        for cursor in &mut self.cursors {
            if !cursor.draw(&mut self.scope) {
                return Err((Class::Other, "a feed whose rows are used once has none left".to_owned()));
            }
        }
        Ok(())
    }

    /// The steps of the next iteration.
    pub(crate) fn steps(&mut self) -> std::ops::Range<usize> {
        let n = self.program.steps.len();
        match &self.program.order {
            Order::All => 0..n,
            Order::One(sums) => {
                let at = self.choice.unit() * sums.last().copied().unwrap_or(0.0);
                let i = sums.partition_point(|sum| *sum <= at).min(n.saturating_sub(1));
                i..i + 1
            }
        }
    }

    /// Whether a step is the login, which is no part of an iteration.
    pub(crate) fn is_login(&self, step: usize) -> bool {
        self.program.login.as_ref().is_some_and(|l| l.step == step)
    }

    /// Runs a step within its deadline, which counts from `sent`.
    pub(crate) async fn run(&mut self, step: usize, sent: Instant) -> Result<Done, Failed> {
        let program = self.program.clone();
        let timeout = program.dialer.timeout;
        let mut timer = self.timer.take().unwrap_or_else(|| Box::pin(tokio::time::sleep(timeout)));
        let outcome = match program.steps.get(step) {
            Some(step) => {
                // Pinned where it is made: it is large, and this is done for each request.
                let work = std::pin::pin!(self.execute(&program, step));
                within(timer.as_mut(), sent + timeout, work).await
            }
            None => Some(Err(plain((Class::Other, "no such step".to_owned()), false))),
        };
        self.timer = Some(timer);
        let outcome = outcome.unwrap_or_else(|| {
            let message = format!("no complete response within {} s", timeout.as_secs_f64());
            Err(plain((Class::Timeout, message), true))
        });
        if outcome.as_ref().is_err_and(|f| f.broken) {
            self.close();
            if outcome.as_ref().is_err_and(|f| f.failure.0 == Class::Timeout) {
                left::cancel_beside();
            }
        }
        outcome
    }

    /// What was on the wire is not known, so nothing of it can be used again.
    fn close(&mut self) {
        self.client.close();
        (self.sql, self.cache) = (None, None);
    }

    async fn execute(&mut self, program: &Program, step: &Compiled) -> Result<Done, Failed> {
        match &step.action {
            Call::Http(call) => {
                let request = match &call.fixed {
                    Some((parts, body)) => (parts.clone(), body.clone()),
                    None => self.request(program, call).map_err(|m| plain((Class::Other, m), false))?,
                };
                let answer = self.client.call(program, call, request).await.map_err(|f| plain(f, true))?;
                self.inspect(call, &answer)?;
                Ok(Done::Http { status: answer.status, bytes: answer.bytes })
            }
            Call::Sql(call) => {
                let Self { sql, scope, builtins, buffer, .. } = self;
                let done = sql::call(program, sql, call, scope, builtins, buffer).await;
                // Several statements may be one transaction, which a refused statement leaves open.
                if matches!(&done, Err(((Class::Sql, _), _))) && matches!(program.order, Order::All) {
                    Box::pin(sql::roll_back(sql)).await;
                }
                // A connection survives a statement that the server refused.
                done.map(|()| Done::Fine).map_err(|(f, tries)| Failed {
                    broken: f.0 != Class::Sql,
                    response: None,
                    failure: f,
                    tries: Some(tries),
                })
            }
            Call::Cache(call) => {
                let Self { cache, scope, builtins, buffer, .. } = self;
                let found = cache::call(program, cache, call, scope, builtins, buffer).await;
                let found = found.map_err(|f| {
                    let broken = f.0 != Class::Cache;
                    plain(f, broken)
                })?;
                Ok(if found { Done::Fine } else { Done::Nothing })
            }
        }
    }

    fn request(
        &mut self,
        program: &Program,
        call: &super::program::HttpCall,
    ) -> Result<(hyper::http::request::Parts, bytes::Bytes), String> {
        let origin = program.origins.get(call.origin).ok_or("no such host")?;
        let Self { scope, builtins, buffer, .. } = self;
        let (mut parts, body) = build(call, origin, program.auth.as_ref(), scope, builtins, buffer)?;
        // Before the login there is no value for its header.
        if let Some(login) = &program.login {
            buffer.clear();
            if login.value.render(scope, builtins, buffer).is_ok() {
                let value = hyper::header::HeaderValue::from_bytes(buffer);
                let value = value.map_err(|_| "what the login step extracted cannot be sent".to_owned())?;
                parts.headers.insert(login.header.clone(), value);
            }
        }
        Ok((parts, body))
    }

    fn inspect(&mut self, call: &super::program::HttpCall, answer: &Answer) -> Result<(), Failed> {
        let headers = pairs(&answer.headers);
        let response = Response { status: answer.status, headers: &headers, body: &answer.body };
        self.inspector.apply(&call.rules, &response, &mut self.scope, &mut self.builtins).map_err(|e| {
            let class = if e.rule == "status" { Class::Status } else { Class::Check };
            let message = if class == Class::Status { format!("HTTP status {}", answer.status) } else { e.to_string() };
            let response = Some((answer.status, answer.bytes));
            Failed { response, failure: (class, message), broken: false, tries: None }
        })
    }
}

fn pairs(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

fn plain(failure: Failure, broken: bool) -> Failed {
    Failed { response: None, failure, broken, tries: None }
}

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The outcome of `work`, or `None` when it is not there at `deadline`.
///
/// One timer per connection: it is moved when it fires, at most once per timeout, not for each request.
async fn within<F: Future>(mut timer: Pin<&mut Sleep>, deadline: Instant, mut work: Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        use std::task::Poll;
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(None);
            }
            timer.as_mut().reset(deadline.into());
        }
        Poll::Pending
    })
    .await
}
