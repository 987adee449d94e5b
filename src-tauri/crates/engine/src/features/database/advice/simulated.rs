//! The advisor's questions, answered by a database.
use std::collections::BTreeSet;

use perfdeck_advisor::{
    Advice, Candidates, Catalogue, Condition, Cost, KeyOf, Method, Oracle, Parameters, Question, Reading, Used,
    Workload, Worth, readings, rows_of,
};
use perfdeck_database::what_if::{
    Costs, Failure, HypoPg, Lab, PlanIndex, Proposed, Schema, Sought, TableReading, WhatIf,
};
use perfdeck_model::{ApiError, BoxFuture, PlanNode};
use perfdeck_sqltext::quote_identifier;

use super::PlanPair;

/// Statements whose plans are shown.
const MOST_PLANS: usize = 30;

/// A way that was opened.
pub(super) enum Way {
    /// With `HypoPG`.
    HypoPg(HypoPg),
    /// On samples.
    Lab(Lab),
    /// With `HypoPG`, and these statements on samples: an index could be theirs that it cannot simulate. Each statement is asked one way
    /// only, because costs of the two are not of one measure.
    Both(HypoPg, Lab, BTreeSet<usize>),
    /// On an empty schema of SQLite.
    Schema(Schema),
}

/// The candidates as the database is asked about them.
pub(super) fn proposed(catalogue: &Catalogue, made: &Candidates) -> Vec<Proposed> {
    let dialect = catalogue.dialect;
    made.all
        .iter()
        .map(|candidate| {
            let (index, table) = (&candidate.index, &catalogue.tables[candidate.index.table]);
            let columns: Option<Vec<String>> = index
                .keys
                .iter()
                .map(|key| match &key.of {
                    KeyOf::Column(name) => Some(name.clone()),
                    _ => None,
                })
                .collect();
            Proposed {
                schema: table.schema.clone(),
                table: table.name.clone(),
                definition: index.definition(dialect, |name| quote_identifier(name, dialect)),
                partial_or_expression: index.predicate.is_some() || columns.is_none(),
                columns: columns.unwrap_or_default(),
                keys: index.keys.iter().map(|key| key.compared(dialect)).collect(),
                rows: rows_of(catalogue, index),
            }
        })
        .collect()
}

impl Way {
    /// Places of candidates that it cannot simulate, with the reason.
    pub(super) fn left_out(&self) -> Vec<(usize, &'static str)> {
        match self {
            Self::HypoPg(hypopg) => hypopg.left_out(),
            Self::Lab(_) | Self::Both(..) | Self::Schema(_) => Vec::new(),
        }
    }

    /// Tables that it does not have, with the reason.
    pub(super) fn missing(&self) -> Vec<(String, String)> {
        match self {
            Self::Lab(lab) | Self::Both(_, lab, _) => lab.left_out().to_vec(),
            Self::HypoPg(_) | Self::Schema(_) => Vec::new(),
        }
    }

    /// Bytes of the inverted indexes among the candidates, where the way can build them.
    pub(super) async fn sizes(&mut self, made: &mut Candidates) -> Result<(), Failure> {
        let (Self::Lab(lab) | Self::Both(_, lab, _)) = self else { return Ok(()) };
        let inverted = |at: &usize| made.all[*at].index.method == Method::Gin;
        let places: Vec<usize> = (0..made.all.len()).filter(inverted).collect();
        for (place, bytes) in places.iter().zip(lab.sizes(&places).await?) {
            made.all[*place].bytes = bytes;
        }
        Ok(())
    }

    fn keep_nodes(&mut self) {
        match self {
            Self::HypoPg(way) => way.keep_nodes(),
            Self::Lab(way) => way.keep_nodes(),
            Self::Schema(way) => way.keep_nodes(),
            Self::Both(hypopg, lab, _) => {
                hypopg.keep_nodes();
                lab.keep_nodes();
            }
        }
    }

    pub(super) async fn close(self) {
        match self {
            Self::HypoPg(way) => way.close().await,
            Self::Lab(way) => way.close().await,
            Self::Both(hypopg, lab, _) => {
                hypopg.close().await;
                lab.close().await;
            }
            Self::Schema(way) => way.close().await,
        }
    }

    /// Answers questions, of which each is about the statement at its place in `statements`.
    async fn costs(&mut self, questions: &[WhatIf<'_>], statements: &[usize]) -> Result<Costs, Failure> {
        match self {
            Self::Both(hypopg, lab, sampled) => {
                let (mut here, mut there) = (Vec::new(), Vec::new());
                for (question, statement) in questions.iter().zip(statements) {
                    if sampled.contains(statement) { &mut there } else { &mut here }.push(question.clone());
                }
                let mut here = hypopg.costs(&here).await?.into_iter();
                let mut there = lab.costs(&there).await?.into_iter();
                let next = |of: &usize| if sampled.contains(of) { there.next() } else { here.next() };
                Ok(statements.iter().filter_map(next).collect())
            }
            Self::HypoPg(way) => way.costs(questions).await,
            Self::Lab(way) => way.costs(questions).await,
            Self::Schema(way) => way.costs(questions).await,
        }
    }
}

/// An oracle that asks a database.
pub(super) struct Simulated<'a> {
    way: Way,
    catalogue: &'a Catalogue,
    workload: &'a Workload,
    parameters: &'a [Vec<Parameters>],
    /// The place that each candidate has where the way knows it.
    places: Vec<usize>,
    died: bool,
}

impl<'a> Simulated<'a> {
    pub(super) fn new(
        way: Way,
        catalogue: &'a Catalogue,
        workload: &'a Workload,
        parameters: &'a [Vec<Parameters>],
        places: Vec<usize>,
    ) -> Self {
        Self { way, catalogue, workload, parameters, places, died: false }
    }

    /// Whether the way died while it was asked.
    pub(super) fn died(&self) -> bool {
        self.died
    }

    pub(super) async fn close(self) {
        self.way.close().await;
    }

    /// What a statement asks of each table, where the way reckons by that.
    fn readings(&self, question: &Question) -> Vec<TableReading> {
        if !matches!(self.way, Way::Schema(_)) {
            return Vec::new();
        }
        let values = &self.parameters[question.statement][question.parameters].values;
        let all = readings(self.catalogue, &self.workload.statements[question.statement].shape, values);
        let sought = |c: Condition| Sought { of: c.of, column: c.column, text: c.text, equal: c.equal, value: c.value };
        let reading = |r: Reading| TableReading {
            table: r.table,
            name: r.name,
            sought: r.conditions.into_iter().map(sought).collect(),
            branches: r.branches,
        };
        all.into_iter().map(reading).collect()
    }

    async fn asked(&mut self, questions: &[Question]) -> Result<Costs, ApiError> {
        let place = |candidate: &usize| self.places.get(*candidate).copied();
        let indexes: Vec<Vec<usize>> =
            questions.iter().map(|q| q.candidates.iter().filter_map(place).collect()).collect();
        let readings: Vec<Vec<TableReading>> = questions.iter().map(|q| self.readings(q)).collect();
        let asked: Vec<WhatIf<'_>> = questions
            .iter()
            .zip(&indexes)
            .zip(&readings)
            .map(|((question, indexes), readings)| WhatIf {
                statement: &self.workload.statements[question.statement].text,
                values: &self.parameters[question.statement][question.parameters].values,
                indexes,
                readings,
            })
            .collect();
        let statements: Vec<usize> = questions.iter().map(|q| q.statement).collect();
        self.way.costs(&asked, &statements).await.map_err(|failure| {
            self.died |= matches!(failure, Failure::Died(_));
            ApiError::from(failure)
        })
    }

    /// Plans of the statements that gain the most, for their most common values: without the advised indexes, and with them.
    pub(super) async fn plans(&mut self, advice: &Advice, made: &Candidates) -> Result<Vec<PlanPair>, ApiError> {
        self.way.keep_nodes();
        let place = |one: &perfdeck_advisor::Candidate| made.all.iter().position(|c| c == one);
        // Those of partitions are parts of what is advised on the table above.
        let all_of =
            |a: &perfdeck_advisor::Advised| std::iter::once(&a.candidate).chain(&a.parts).filter_map(place).collect();
        let of = |a| {
            let all: Vec<usize> = all_of(a);
            all.into_iter().map(|place| (place, a.name.as_str()))
        };
        let advised: Vec<(usize, &str)> = advice.advised.iter().flat_map(of).collect();
        let mut effects: Vec<&perfdeck_advisor::Effect> = advice.effects.iter().collect();
        effects.sort_by(|a, b| b.saved_ms.total_cmp(&a.saved_ms));
        effects.truncate(MOST_PLANS);
        let question = |statement: usize, with: bool| Question {
            statement,
            parameters: 0,
            candidates: if with { advised.iter().map(|(place, _)| *place).collect() } else { BTreeSet::new() },
        };
        let all: Vec<Question> =
            effects.iter().flat_map(|e| [question(e.statement, false), question(e.statement, true)]).collect();
        let mut answers = self.asked(&all).await?.into_iter();
        let named = |answer: Option<Result<perfdeck_database::what_if::PlanCost, String>>| {
            let nodes = answer.and_then(Result::ok).map(|cost| cost.nodes).unwrap_or_default();
            let node = |(node, index): (PlanNode, Option<PlanIndex>)| {
                let index = index.map(|index| match index {
                    PlanIndex::Existing(name) => name,
                    PlanIndex::Proposed(at) => {
                        let candidate = self.places.iter().position(|place| *place == at);
                        let name = advised.iter().find(|(place, _)| Some(*place) == candidate);
                        name.map_or_else(String::new, |(_, name)| (*name).to_owned())
                    }
                });
                PlanNode { index, ..node }
            };
            nodes.into_iter().map(node).collect::<Vec<_>>()
        };
        let pair = |effect: &&perfdeck_advisor::Effect| PlanPair {
            statement: effect.statement,
            before: named(answers.next()),
            after: named(answers.next()),
        };
        Ok(effects.iter().map(pair).collect())
    }

    async fn answered(&mut self, questions: &[Question]) -> Result<Vec<Result<Cost, String>>, ApiError> {
        let costs = self.asked(questions).await?;
        let used = |index: PlanIndex| match index {
            PlanIndex::Existing(name) => Used::Existing(name),
            PlanIndex::Proposed(at) => match self.places.iter().position(|place| *place == at) {
                Some(candidate) => Used::Candidate(candidate),
                None => Used::Existing(String::new()),
            },
        };
        let cost = |cost: perfdeck_database::what_if::PlanCost| Cost {
            total: cost.total,
            unstopped: cost.unstopped,
            used: cost.indexes.into_iter().map(used).collect(),
        };
        Ok(costs.into_iter().map(|answer| answer.map(cost)).collect())
    }
}

impl Oracle for Simulated<'_> {
    fn costs<'a>(
        &'a mut self,
        questions: &'a [Question],
    ) -> BoxFuture<'a, Result<Vec<Result<Cost, String>>, ApiError>> {
        Box::pin(self.answered(questions))
    }

    fn worth(&self) -> Worth {
        match &self.way {
            Way::HypoPg(_) => Worth::Planner,
            Way::Lab(lab) | Way::Both(_, lab, _) if lab.is_whole() => Worth::Planner,
            Way::Lab(_) | Way::Both(..) => Worth::Sample,
            Way::Schema(_) => Worth::Steps,
        }
    }
}
