//! What the threads of a run send to a cache, and where to.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::ApiError;

use super::command::{Command, streams};
use super::commands::Resp;
use super::greeting::Greeting;
use super::topology::{SlotMap, ask, ask_for_map};
use crate::raw::Workload;
use crate::record::{Class, Failure};
use crate::tries::patience;
use perfdeck_plan::{Action, Builtins, Compiler, Feed, FeedCursor, Names, Scope, Step};

/// Most commands that a connection carries.
const MAX_PIPELINE: usize = 10_000;

/// A cache. TLS is left to the other engine.
pub(crate) struct CacheTarget {
    /// Addresses of the one server, or of some nodes of the cluster.
    pub(crate) nodes: Vec<SocketAddr>,
    pub(crate) cluster: bool,
    /// A user of the access control list; the default one when absent.
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    /// A cluster has only 0.
    pub(crate) database: u32,
    /// How long opening a connection, and a reply, may take.
    pub(crate) timeout: Duration,
}

/// The commands of a plan, compiled, and the cache that they go to.
pub(crate) struct CacheLoad {
    pub(super) commands: Vec<Command>,
    /// Running sums of the weights.
    pub(super) weights: Vec<f64>,
    pub(super) names: Names,
    /// Values that are there before the first draw, by slot.
    pub(super) given: Vec<(usize, Vec<u8>)>,
    pub(super) feeds: Vec<Arc<Feed>>,
    pub(super) seed: u64,
    pub(super) pipeline: usize,
    pub(super) greeting: Greeting,
    /// In a cluster, once it was asked for.
    pub(super) map: Option<SlotMap>,
    target: CacheTarget,
}

impl CacheLoad {
    /// Compiles cache steps. `variables` are the values of those that the plan refers to as `env:NAME`.
    ///
    /// # Errors
    /// What is wrong, naming the step and the field.
    pub(crate) fn new(
        steps: &[Step],
        mut compiler: Compiler,
        feeds: Vec<Arc<Feed>>,
        variables: &BTreeMap<String, String>,
        seed: u64,
        target: CacheTarget,
        pipeline: usize,
    ) -> Result<Self, ApiError> {
        if !(1..=MAX_PIPELINE).contains(&pipeline) {
            return Err(ApiError::bad_request(format!("pipeline: {pipeline} is not between 1 and {MAX_PIPELINE}")));
        }
        let wrong = |step: &Step, field: &str, why: &dyn std::fmt::Display| {
            ApiError::bad_request(format!("step '{}', {field}: {why}", step.name))
        };
        let (mut commands, mut weights, mut sum) = (Vec::new(), Vec::new(), 0.0);
        for step in steps {
            let Action::Cache(cache) = &step.action else {
                return Err(wrong(step, "kind", &"it is no cache command"));
            };
            if streams(&cache.command) {
                return Err(wrong(step, "command", &"it has more than one reply, or none"));
            }
            let args = cache.args.iter().map(|arg| compiler.compile(arg).map_err(|e| wrong(step, "args", &e)));
            commands.push(Command::new(&cache.command, args.collect::<Result<_, _>>()?));
            sum += step.weight.max(0.0);
            weights.push(sum);
        }
        let names = compiler.names().clone();
        let value =
            |(name, value): (&String, &String)| Some((names.find(&format!("env:{name}"))?, value.clone().into()));
        let given = variables.iter().filter_map(value).collect();
        let database = if target.cluster { 0 } else { target.database };
        let greeting = Greeting::new(target.username.as_deref(), target.password.as_deref(), database);
        let load = Self { commands, weights, given, names, feeds, seed, pipeline, greeting, map: None, target };
        load.try_out(steps)?;
        Ok(load)
    }

    /// Renders each command once: afterwards no variable can be without a value.
    fn try_out(&self, steps: &[Step]) -> Result<(), ApiError> {
        let mut scope = self.scope();
        for feed in &self.feeds {
            FeedCursor::new(feed.clone(), &self.names, self.seed, 0, 1).draw(&mut scope);
        }
        let mut builtins = Builtins::new(self.seed, 0, 1);
        for (step, command) in steps.iter().zip(&self.commands) {
            command
                .render(&scope, &mut builtins, &mut Vec::new())
                .map_err(|e| ApiError::bad_request(format!("step '{}', args: {e}", step.name)))?;
        }
        Ok(())
    }

    /// The values that are there before the first draw.
    pub(super) fn scope(&self) -> Scope {
        let mut scope = self.names.scope();
        self.given.iter().for_each(|(slot, value)| scope.set(*slot, value));
        scope
    }

    /// The same commands against one server at `address` that wants no greeting.
    pub(crate) fn against(&self, address: SocketAddr, timeout: Duration) -> Self {
        let target =
            CacheTarget { nodes: vec![address], cluster: false, username: None, password: None, database: 0, timeout };
        Self {
            commands: self.commands.clone(),
            weights: self.weights.clone(),
            names: self.names.clone(),
            given: self.given.clone(),
            feeds: self.feeds.clone(),
            seed: self.seed,
            pipeline: self.pipeline,
            greeting: Greeting::default(),
            map: None,
            target,
        }
    }

    /// Asks the cache whether it takes connections, and a cluster who owns which slots, which a run needs to know. Blocks
    /// until the deadline.
    ///
    /// # Errors
    /// Why no connection can be used, such as a password that is refused.
    pub(crate) fn reach(&mut self) -> Result<(), Failure> {
        if self.target.cluster {
            self.map = Some(ask_for_map(&self.target.nodes, &self.greeting, patience(self.target.timeout))?);
            return Ok(());
        }
        let mut outcome = Ok(());
        // Without a greeting nothing would be answered: a listener that never does would not be noticed.
        let question: &[u8] = if self.greeting.names.is_empty() { b"*1\r\n$4\r\nPING\r\n" } else { &[] };
        for node in &self.target.nodes {
            outcome = match ask(*node, &self.greeting, question, patience(self.target.timeout)) {
                // Who may not ask may still do what the plan does.
                Err((Class::Cache, message)) if message.contains("NOPERM") => Ok(()),
                other => other.map(drop),
            };
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

impl Workload for CacheLoad {
    type Protocol<'a> = Resp<'a>;

    fn protocol(&self, index: usize, threads: usize) -> Resp<'_> {
        Resp::new(self, index, threads)
    }

    fn nodes(&self) -> Vec<Vec<SocketAddr>> {
        match &self.map {
            Some(map) => map.nodes.iter().map(|node| vec![*node]).collect(),
            None => vec![self.target.nodes.clone()],
        }
    }

    fn timeout(&self) -> Duration {
        self.target.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(command: &str, arg: &str, pipeline: usize) -> Result<CacheLoad, ApiError> {
        let step = serde_json::json!({"name": "s", "kind": "cache", "command": command, "args": [arg]});
        let steps = [serde_json::from_value(step).expect("a step")];
        let target = CacheTarget {
            nodes: Vec::new(),
            cluster: false,
            username: None,
            password: None,
            database: 0,
            timeout: Duration::from_secs(1),
        };
        let variables = BTreeMap::from([("TOKEN".to_owned(), "canary".to_owned())]);
        let compiler = Compiler::new(&BTreeMap::new()).expect("no variables");
        CacheLoad::new(&steps, compiler, Vec::new(), &variables, 1, target, pipeline)
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_name() {
        assert!(compile("GET", "{{env:TOKEN}}", 1).is_ok(), "a variable of the environment has its value");
        for (command, arg, pipeline, word) in [
            ("GET", "{{nothing}}", 1, "'{{nothing}}' has no value yet"),
            ("GET", "{{", 1, "is not closed"),
            ("subscribe", "channel", 1, "more than one reply"),
            ("GET", "k", 0, "pipeline: 0"),
            ("GET", "k", MAX_PIPELINE + 1, "pipeline"),
        ] {
            let error = compile(command, arg, pipeline).err().expect("it is refused");
            assert!(error.message.contains(word), "it names {word}: {}", error.message);
        }
    }
}
