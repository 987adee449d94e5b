//! Pools of applications as series: the sessions of those that have a pool, second after second.
use perfdeck_model::{SeriesInfo, Unit};

use crate::reading::{Application, series};

/// Applications that are told in the life of a collector at most: a series stays for good, and there are names that hold a number.
const MOST: usize = 8;
/// Sessions that make a pool of an application.
const POOL: u32 = 2;
/// Applications that a reading tells at most; of more, one that is missing may be among the others.
const READ: usize = 33;

/// The applications that are told.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<String>);

impl Told {
    /// The series of a reading, `None` where applications were not told in it: those are gaps. One that has no session any more
    /// has none in use and none idle, for as long as the reading has room for all.
    pub(crate) fn values(&mut self, found: Option<&[Application]>) -> Vec<(SeriesInfo, f64)> {
        let Some(found) = found else { return Vec::new() };
        for (name, used, idle) in found {
            if self.0.len() < MOST && used + idle >= POOL && !self.0.contains(name) {
                self.0.push(name.clone());
            }
        }
        let all = found.len() < READ;
        let states = |name: &String| {
            let of = found.iter().find(|(other, ..)| other == name).map(|(_, used, idle)| (*used, *idle));
            let (used, idle) = of.or(all.then_some((0, 0)))?;
            Some([("in_use", used), ("idle", idle)].map(|(state, n)| {
                let attributes = [("application", name.as_str()), ("state", state)];
                (series("database.pool.sessions", &attributes, Unit::Count), f64::from(n))
            }))
        };
        self.0.iter().filter_map(states).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[(SeriesInfo, f64)]) -> Vec<(&str, f64)> {
        values.iter().map(|(s, n)| (s.id.as_str(), *n)).collect()
    }

    #[test]
    fn a_pool_that_was_seen_is_told_until_it_is_not_known() {
        let mut told = Told::default();
        let found = [("api".to_owned(), 2, 1), ("psql".to_owned(), 1, 0)];
        let used = "database.pool.sessions{application=api,state=in_use}";
        let idle = "database.pool.sessions{application=api,state=idle}";
        assert_eq!(shown(&told.values(Some(&found))), [(used, 2.0), (idle, 1.0)], "one session is no pool");
        assert_eq!(shown(&told.values(Some(&[]))), [(used, 0.0), (idle, 0.0)], "it has none any more");
        assert_eq!(told.values(None), [], "what is not told is a gap");
        let many: Vec<Application> = (0..33).map(|i| (format!("worker {i}"), 3, 0)).collect();
        let values = told.values(Some(&many));
        assert!(!values.iter().any(|(s, _)| s.id == used), "it may be among those that were cut off");
        assert_eq!(values.len(), 14, "eight names in all, however many come");
    }
}
