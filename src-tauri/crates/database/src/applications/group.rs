//! Sessions grouped into pools. Pure.
use std::collections::BTreeMap;

use perfdeck_model::{ApplicationPool, SessionStates};

/// Applications that are shown; of more, those with the fewest sessions in use are left out.
const MOST: usize = 100;
/// Users of one application that are named.
const USERS: usize = 8;

/// What a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    LockWait,
    Active,
    IdleInTransaction,
    Idle,
    Unknown,
}

/// What tells two sessions apart, for as long as a server runs: a number that may be given again, and when it began.
pub(super) type Key = (i64, i64);

/// What tells two pools apart.
pub(super) type Name = (Option<String>, Option<String>);

/// A session of others.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) key: Key,
    pub(super) application: Option<String>,
    pub(super) address: Option<String>,
    pub(super) user: Option<String>,
    pub(super) state: State,
    /// Time since it began, in seconds.
    pub(super) age_s: Option<f64>,
    /// Time that it has been in its state, in seconds.
    pub(super) state_s: Option<f64>,
}

impl Seen {
    pub(super) fn name(&self) -> Name {
        (self.application.clone(), self.address.clone())
    }
}

fn add(states: &mut SessionStates, state: State) {
    let count = match state {
        State::LockWait => &mut states.lock_wait,
        State::Active => &mut states.active,
        State::IdleInTransaction => &mut states.idle_in_transaction,
        State::Idle => &mut states.idle,
        State::Unknown => &mut states.unknown,
    };
    *count += 1;
}

fn longest(all: &[&Seen], state: State) -> Option<f64> {
    all.iter().filter(|s| s.state == state).filter_map(|s| s.state_s).reduce(f64::max)
}

fn pool((application, address): Name, all: &[&Seen]) -> ApplicationPool {
    let mut states = SessionStates::default();
    for session in all {
        add(&mut states, session.state);
    }
    let mut users: Vec<String> = all.iter().filter_map(|s| s.user.clone()).collect();
    users.sort();
    users.dedup();
    users.truncate(USERS);
    let ages: Vec<f64> = all.iter().filter_map(|s| s.age_s).collect();
    // Known of all or of none: a part would be a count that is too small.
    let aged = ages.len() == all.len();
    let young = ages.iter().filter(|age| **age < 60.0).count();
    ApplicationPool {
        application,
        address,
        users,
        sessions: states.total(),
        states,
        oldest_s: ages.iter().copied().reduce(f64::max),
        newest_s: ages.iter().copied().reduce(f64::min),
        longest_idle_s: longest(all, State::Idle),
        longest_idle_in_transaction_s: longest(all, State::IdleInTransaction),
        begun_last_minute: aged.then(|| u32::try_from(young).unwrap_or(u32::MAX)),
        churn: None,
    }
}

/// The pools that sessions make, those with the most sessions in use first, and how many were left out.
pub(super) fn grouped(seen: &[Seen]) -> (Vec<ApplicationPool>, u32) {
    let mut groups: BTreeMap<Name, Vec<&Seen>> = BTreeMap::new();
    for session in seen {
        groups.entry(session.name()).or_default().push(session);
    }
    let mut pools: Vec<ApplicationPool> = groups.into_iter().map(|(name, all)| pool(name, &all)).collect();
    // Stable: those that are alike stay in the order of their names.
    pools.sort_by_key(|p| std::cmp::Reverse((p.states.in_use(), p.sessions)));
    let left_out = u32::try_from(pools.len().saturating_sub(MOST)).unwrap_or(u32::MAX);
    pools.truncate(MOST);
    (pools, left_out)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::applications) fn session(id: i64, application: &str, state: State) -> Seen {
        Seen {
            key: (id, id * 1_000_000),
            application: Some(application.to_owned()),
            address: Some("10.0.0.7".to_owned()),
            user: Some("clinic".to_owned()),
            state,
            age_s: Some(id as f64),
            state_s: Some(id as f64 / 2.0),
        }
    }

    #[test]
    fn a_pool_is_an_application_at_an_address() {
        let mut all = vec![
            session(10, "api", State::LockWait),
            session(20, "api", State::Active),
            session(30, "api", State::IdleInTransaction),
            session(90, "api", State::Idle),
            session(70, "worker", State::Idle),
        ];
        all.push(Seen { address: Some("10.0.0.8".to_owned()), ..session(5, "api", State::Active) });
        all.push(Seen { age_s: None, state_s: None, address: None, ..session(6, "api", State::Unknown) });
        let (pools, left_out) = grouped(&all);
        assert_eq!((pools.len(), left_out), (4, 0), "three addresses of one application, and another one: {pools:#?}");
        let first = &pools[0];
        assert_eq!(first.sessions, 4, "the one with the most in use comes first");
        assert_eq!(first.states.in_use(), 3, "idle is not in use");
        assert_eq!((first.oldest_s, first.newest_s), (Some(90.0), Some(10.0)), "its ages");
        assert_eq!(first.longest_idle_s, Some(45.0), "how long the idle one has been idle");
        assert_eq!(first.longest_idle_in_transaction_s, Some(15.0), "and the one in a transaction");
        assert_eq!(first.begun_last_minute, Some(3), "three are younger than a minute");
        let hidden = pools.iter().find(|p| p.states.unknown == 1).expect("the hidden one");
        assert_eq!((hidden.oldest_s, hidden.begun_last_minute), (None, None), "what is hidden is not 0");
    }

    #[test]
    fn a_bound_says_what_it_leaves_out() {
        let many: Vec<Seen> = (0..150).map(|i| session(i, &format!("a{i}"), State::Idle)).collect();
        let (pools, left_out) = grouped(&many);
        assert_eq!((pools.len(), left_out), (100, 50), "fifty are left out and counted");
    }
}
