//! What is asked about sets of candidates, each question once, and what was answered.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_model::ApiError;

use super::Search;
use crate::oracle::{Cost, Question, Worth};

/// What a plan of PostgreSQL costs that finds one row by an index: two pages out of order and what compares. Below it plans differ by pages
/// that are in memory, and not by their time.
const PROBE: f64 = 9.0;

impl Search<'_, '_> {
    /// The question about a statement where these candidates are there: those that do not concern it are left out of it.
    fn question(&self, statement: usize, parameters: usize, set: &BTreeSet<usize>) -> Question {
        let concerns = |c: &usize| self.wanted.candidates[*c].concerns.contains(&statement);
        let candidates = set.iter().copied().filter(concerns).collect();
        Question { statement, parameters, candidates }
    }

    fn questions(&self, set: &BTreeSet<usize>) -> Vec<Question> {
        let mut all = Vec::new();
        for (statement, parameters) in self.wanted.parameters.iter().enumerate() {
            all.extend((0..parameters.len()).map(|p| self.question(statement, p, set)));
        }
        all
    }

    pub(super) fn is_known(&self, set: &BTreeSet<usize>) -> bool {
        self.questions(set).iter().all(|q| self.known.contains_key(q))
    }

    /// Asks what is not known of these sets, in one go. Where the bound does not let all of it, the first sets are asked.
    pub(super) async fn ask(&mut self, sets: &[BTreeSet<usize>]) -> Result<(), ApiError> {
        let (mut open, mut seen) = (Vec::new(), BTreeSet::new());
        for set in sets {
            let new: Vec<Question> = self.questions(set).into_iter().filter(|q| !self.known.contains_key(q)).collect();
            if self.asked + open.len() + new.len() > self.wanted.budget.questions {
                self.cut = true;
                break;
            }
            for question in new {
                if seen.insert((question.statement, question.parameters, question.candidates.clone())) {
                    open.push(question);
                }
            }
        }
        // What is not planned as it is will not be with an index.
        let base = |q: &Question| Question { candidates: BTreeSet::new(), ..q.clone() };
        let refused = |q: &Question| self.known.get(&base(q)).and_then(|a| a.as_ref().err().cloned());
        let settled: Vec<(Question, String)> =
            open.iter().filter_map(|q| refused(q).map(|why| (q.clone(), why))).collect();
        open.retain(|q| refused(q).is_none());
        self.known.extend(settled.into_iter().map(|(question, why)| (question, Err(why))));
        if open.is_empty() {
            return Ok(());
        }
        self.asked += open.len();
        let answers = self.oracle.costs(&open).await?;
        if answers.len() != open.len() {
            return Err(ApiError::internal("not every question about a plan was answered"));
        }
        let least = if self.oracle.worth() == Worth::Steps { 0.0 } else { PROBE };
        let bounded = |cost: Cost| Cost { total: cost.total.max(least), ..cost };
        let answers = answers.into_iter().map(|answer| answer.map(bounded));
        self.known.extend(open.into_iter().zip(answers));
        Ok(())
    }

    pub(super) fn cost(&self, statement: usize, parameters: usize, set: &BTreeSet<usize>) -> Option<&Cost> {
        self.known.get(&self.question(statement, parameters, set)).and_then(|a| a.as_ref().ok())
    }

    pub(super) fn not_planned(&self) -> BTreeMap<usize, String> {
        let nothing = BTreeSet::new();
        let mut all = BTreeMap::new();
        for (statement, parameters) in self.wanted.parameters.iter().enumerate() {
            let answers = (0..parameters.len()).map(|p| self.known.get(&self.question(statement, p, &nothing)));
            let refused: Vec<&String> = answers.filter_map(|a| a.and_then(|a| a.as_ref().err())).collect();
            if let [first, ..] = refused.as_slice()
                && refused.len() == parameters.len()
            {
                all.insert(statement, (*first).clone());
            }
        }
        all
    }

    /// Why a statement that is planned as it is has no cost with these.
    pub(super) fn unknown(&self, set: &BTreeSet<usize>) -> Option<String> {
        let nothing = BTreeSet::new();
        self.questions(set).iter().find_map(|question| {
            self.cost(question.statement, question.parameters, &nothing)?;
            self.known.get(question)?.as_ref().err().cloned()
        })
    }
}
