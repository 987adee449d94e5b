//! Hosts of an import besides the one of the base URL: each becomes a variable.
use std::collections::BTreeMap;

use super::super::model::Plan;
use super::super::step::HttpStep;
use super::variable_name;

/// The variables of hosts, by `scheme://host:port`.
#[derive(Debug, Default)]
pub(super) struct Hosts(BTreeMap<String, String>);

impl Hosts {
    /// The variable of a host; a new one is added to the plan.
    pub(super) fn variable(&mut self, plan: &mut Plan, base: &str) -> String {
        if let Some(name) = self.0.get(base) {
            return name.clone();
        }
        let wanted = variable_name(&format!("host {}", base.split_once("://").map_or(base, |(_, h)| h)));
        let mut name = wanted.clone();
        let mut number = 1;
        while plan.variables.contains_key(&name) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        plan.variables.insert(name.clone(), base.to_owned());
        self.0.insert(base.to_owned(), name.clone());
        name
    }

    /// Sends a step to `base` where that is not the plan's own.
    pub(super) fn place(&mut self, plan: &mut Plan, base: &str, http: &mut HttpStep) {
        if plan.base_url.as_deref() != Some(base) {
            let variable = self.variable(plan, base);
            http.url = http.path.take().map(|path| format!("{{{{{variable}}}}}{path}"));
        }
    }
}
