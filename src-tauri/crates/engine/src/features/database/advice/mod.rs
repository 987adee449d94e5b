//! Advice on indexes: what the database knows of its tables and of plans joined with what the advisor makes of it.
//!
//! The ways to simulate an index are tried in the order that the environment's kind allows. One that dies is told apart
//! ([`AdviceFailure::Died`]): whoever calls never tries it again by itself.
mod catalogue;
mod kept;
mod measured;
pub(crate) mod run;
mod simulated;
mod wire;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use perfdeck_advisor::{
    Advice, Budget, Candidates, Catalogue, Estimate, FarEnd, Limits, ParameterType, Parameters, Workload, advise,
    candidates, far_ends, parameters,
};
use perfdeck_database::what_if::{
    self, DatabaseFacts, Failure, HypoPg, Lab, LabTable, Place, Rung, Schema, TableSort, TypeFacts, database_facts,
    far_values, parameter_types,
};
use perfdeck_model::{Address, ApiError, Kind, PlanNode, Scheme, Sensitive, SimulationMethod};
use perfdeck_sqltext::names;
use perfdeck_words as words;

pub(crate) use self::kept::Unstored;
use self::simulated::{Simulated, Way, proposed};

/// A statement with what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadStatement {
    /// Its text; values may be parameters.
    pub text: String,
    /// How often it was run.
    pub calls: f64,
    /// What that took, in milliseconds.
    pub total_ms: f64,
}

/// What advice is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct AdviceWanted {
    /// Statements.
    pub statements: Vec<WorkloadStatement>,
    /// Days in which they were run.
    pub days: f64,
    /// Bytes of all new indexes, where there is a bound.
    pub bytes: Option<f64>,
    /// What the environment is for.
    pub kind: Kind,
    /// Whether somebody agreed to the use of `HypoPG` there.
    pub agreed: bool,
    /// Whether it died there before.
    pub quarantined: bool,
}

/// Advice, and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct AdviceGiven {
    /// The advice.
    pub advice: Advice,
    /// The workload that its statements are places of.
    pub workload: Workload,
    /// What would let this user see more, as it is run.
    pub grants: Vec<String>,
    /// Product and version of the server.
    pub server: String,
    /// Its engine.
    pub scheme: Scheme,
    /// How indexes were simulated.
    pub method: SimulationMethod,
    /// Whether `HypoPG` is in the database.
    pub has_hypopg: bool,
    /// Tables that the statements read.
    pub catalogue: Catalogue,
    /// Plans of the statements that gain the most.
    pub plans: Vec<PlanPair>,
}

/// The plan of a statement without the advised indexes and with them. Empty where there is none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanPair {
    /// Place of the statement in the workload.
    pub statement: usize,
    /// Without.
    pub before: Vec<PlanNode>,
    /// With.
    pub after: Vec<PlanNode>,
}

/// Why there is no advice.
#[derive(Debug, Clone, PartialEq)]
pub enum AdviceFailure {
    /// A way to simulate indexes died: it is not to be tried again there by itself.
    Died(Rung, ApiError),
    /// Something else.
    Told(ApiError),
}

impl From<ApiError> for AdviceFailure {
    fn from(error: ApiError) -> Self {
        Self::Told(error)
    }
}

/// What is known before a way to simulate is opened.
struct Prepared {
    facts: DatabaseFacts,
    catalogue: Catalogue,
    workload: Workload,
    parameters: Vec<Vec<Parameters>>,
    made: Candidates,
}

/// What a way to simulate came to.
struct Reached {
    advice: Advice,
    plans: Vec<PlanPair>,
    method: SimulationMethod,
}

/// Advises on the indexes of a database.
///
/// # Errors
/// When the database cannot be asked, or a way to simulate died.
pub async fn index_advice(
    address: &Address,
    password: Option<&Sensitive>,
    wanted: &AdviceWanted,
) -> Result<AdviceGiven, AdviceFailure> {
    let prepared = prepare(address, password, wanted).await?;
    let budget = Budget { bytes: wanted.bytes, ..Budget::default() };
    let Reached { mut advice, plans, method } = match address.scheme {
        Scheme::Postgres => on_postgres(address, password, wanted, &prepared, budget).await?,
        Scheme::Sqlite => {
            let schema = Schema::open(address, &prepared.facts, proposed(&prepared.catalogue, &prepared.made)).await;
            let schema = schema.map_err(ApiError::from)?;
            simulate(Way::Schema(schema), &prepared, budget, None).await?
        }
        _ => {
            let mut advice = by_statistics(&prepared, budget).await?;
            let why = what_if::no_simulation(&prepared.facts.server);
            advice.notes.push(match why.hint {
                Some(hint) => format!("{}. {hint}", why.message),
                None => why.message,
            });
            Reached { advice, plans: Vec::new(), method: SimulationMethod::None }
        }
    };
    let Prepared { facts, workload, catalogue, .. } = prepared;
    advice.notes.extend(unread(&facts));
    let has_hypopg = facts.extensions.contains("hypopg");
    Ok(AdviceGiven {
        advice,
        workload,
        grants: facts.grants,
        server: facts.server,
        scheme: address.scheme,
        method,
        has_hypopg,
        catalogue,
        plans,
    })
}

/// Tables of a note by name, at most.
const NAMED: usize = 10;

/// What is to be said of tables whose values could not be looked at: those of one reason together.
fn unread(facts: &DatabaseFacts) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (table, why) in &facts.unread {
        by_reason.entry(why).or_default().push(table);
    }
    let note = |(why, tables): (&str, Vec<&str>)| {
        let more = tables.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "Values were not looked at, so that how many rows have one and how large indexes of texts are is not known, of {}{more}: {why}",
            tables[..tables.len().min(NAMED)].join(", ")
        )
    };
    by_reason.into_iter().map(note).collect()
}

async fn prepare(address: &Address, password: Option<&Sensitive>, wanted: &AdviceWanted) -> Result<Prepared, ApiError> {
    let Known { facts, mut catalogue, workload, parameters } =
        known(address, password, &wanted.statements, wanted.days).await?;
    let mut made = candidates(&catalogue, &workload, Limits::default());
    measured::measure(address, password, &mut catalogue, &mut made).await?;
    Ok(Prepared { facts, catalogue, workload, parameters, made })
}

/// Statements as far as they are understood, what the database knows of their tables, and values for their parameters by class. The
/// values are the database's own, and stay in memory.
pub(in crate::features::database) struct Known {
    pub(in crate::features::database) facts: DatabaseFacts,
    pub(in crate::features::database) catalogue: Catalogue,
    pub(in crate::features::database) workload: Workload,
    /// Of each statement of the workload.
    pub(in crate::features::database) parameters: Vec<Vec<Parameters>>,
}

/// Asks the database about statements.
///
/// # Errors
/// When it cannot be asked.
pub(in crate::features::database) async fn known(
    address: &Address,
    password: Option<&Sensitive>,
    statements: &[WorkloadStatement],
    days: f64,
) -> Result<Known, ApiError> {
    let dialect = perfdeck_database::dialect(address.scheme);
    let mut named = BTreeSet::new();
    for statement in statements {
        named.extend(names(&statement.text, dialect).unwrap_or_default().into_iter().map(|n| n.name));
    }
    let facts = database_facts(address, password, &named).await?;
    let catalogue = catalogue::of(&facts, dialect);
    let mut workload = Workload::new(days);
    for statement in statements {
        workload.add(&catalogue, &statement.text, statement.calls, statement.total_ms, None);
    }
    let far = far(address, password, &catalogue, &workload).await?;
    let texts: Vec<&str> = workload.statements.iter().map(|s| s.text.as_str()).collect();
    let types = parameter_types(address, password, facts.version, &texts).await?;
    let values = |(statement, types): (&perfdeck_advisor::Statement, &Vec<TypeFacts>)| {
        let count = perfdeck_sqltext::parameters(&statement.text, dialect);
        let types: Vec<ParameterType> = types.iter().map(catalogue::parameter).collect();
        let tables: Vec<usize> = statement.shape.scans.iter().map(|s| s.table).collect();
        let own: Vec<FarEnd> = far.iter().filter(|f| tables.contains(&f.table)).cloned().collect();
        parameters(&statement.shape, count, &types, &catalogue, &own)
    };
    let parameters = workload.statements.iter().zip(&types).map(values).collect();
    Ok(Known { facts, catalogue, workload, parameters })
}

/// Values at the far end of an order, where a statement's plan could hope for an early end.
async fn far(
    address: &Address,
    password: Option<&Sensitive>,
    catalogue: &Catalogue,
    workload: &Workload,
) -> Result<Vec<FarEnd>, ApiError> {
    let mut wanted: Vec<FarEnd> = Vec::new();
    for far in workload.statements.iter().flat_map(|s| far_ends(&s.shape)) {
        if !wanted.contains(&far) {
            wanted.push(far);
        }
    }
    // The heaviest statements come first.
    wanted.truncate(20);
    let sorts: Vec<TableSort> = wanted
        .iter()
        .map(|far| {
            let table = &catalogue.tables[far.table];
            TableSort {
                schema: table.schema.clone(),
                table: table.name.clone(),
                column: far.column.clone(),
                sort: far.sort.clone(),
                descending: far.descending,
                rows: table.rows,
            }
        })
        .collect();
    if sorts.is_empty() {
        return Ok(Vec::new());
    }
    let values = far_values(address, password, &sorts).await?;
    let found = wanted.into_iter().zip(values);
    Ok(found.filter_map(|(far, value)| Some(FarEnd { value: value?, ..far })).collect())
}

async fn on_postgres(
    address: &Address,
    password: Option<&Sensitive>,
    wanted: &AdviceWanted,
    prepared: &Prepared,
    budget: Budget,
) -> Result<Reached, AdviceFailure> {
    let place = Place {
        kind: wanted.kind,
        has_hypopg: prepared.facts.extensions.contains("hypopg"),
        agreed: wanted.agreed,
        quarantined: wanted.quarantined,
        standby: prepared.facts.standby,
        pooled: false,
    };
    let mut failed: Option<ApiError> = None;
    let rungs = what_if::rungs(place);
    for rung in rungs.iter().copied() {
        let opened = match rung {
            Rung::HypoPg => {
                let all = proposed(&prepared.catalogue, &prepared.made);
                HypoPg::open(address, password, all).await.map(Way::HypoPg)
            }
            Rung::Shadow => {
                let all = proposed(&prepared.catalogue, &prepared.made);
                let tables = lab_tables(prepared, &|_| true);
                Lab::open(address, password, &tables, &prepared.facts.views, all).await.map(Way::Lab)
            }
        };
        match opened {
            Ok(Way::HypoPg(hypopg)) if rungs.contains(&Rung::Shadow) && !hypopg.left_out().is_empty() => {
                let (way, note) = with_samples(address, password, prepared, hypopg).await?;
                let mut reached = simulate(way, prepared, budget, Some(rung)).await?;
                reached.advice.notes.push(note);
                return Ok(reached);
            }
            Ok(way) => return simulate(way, prepared, budget, Some(rung)).await,
            Err(Failure::Died(error)) => return Err(AdviceFailure::Died(rung, error)),
            Err(Failure::Told(error)) => failed = failed.or(Some(error)),
        }
    }
    let mut advice = by_statistics(prepared, budget).await?;
    if let Some(error) = failed {
        let hint = error.hint.map(|hint| format!(". {hint}")).unwrap_or_default();
        advice.notes.push(format!("{}{hint}", error.message));
    }
    Ok(Reached { advice, plans: Vec::new(), method: SimulationMethod::None })
}

/// Samples beside `HypoPG`, for the statements that an index could be for which it cannot simulate; and what to say of that.
async fn with_samples(
    address: &Address,
    password: Option<&Sensitive>,
    prepared: &Prepared,
    hypopg: HypoPg,
) -> Result<(Way, String), AdviceFailure> {
    let unfit = hypopg.left_out();
    let why: BTreeSet<&str> = unfit.iter().map(|(_, why)| *why).collect();
    let why: Vec<&str> = why.into_iter().collect();
    let candidates = unfit.iter().filter_map(|(place, _)| prepared.made.all.get(*place));
    let statements: BTreeSet<usize> = candidates.flat_map(|c| &c.from).copied().collect();
    let all = proposed(&prepared.catalogue, &prepared.made);
    let tables = lab_tables(prepared, &|at| statements.contains(&at));
    match Lab::open(address, password, &tables, &prepared.facts.views, all).await {
        Ok(lab) => {
            let count = words::plural(statements.len(), "statement");
            let note = format!("{count} asked about on samples of the tables: {}", why.join("; "));
            Ok((Way::Both(hypopg, lab, statements), note))
        }
        Err(Failure::Died(error)) => {
            hypopg.close().await;
            Err(AdviceFailure::Died(Rung::Shadow, error))
        }
        Err(Failure::Told(error)) => {
            let hint = error.hint.map(|hint| format!(". {hint}")).unwrap_or_default();
            Ok((
                Way::HypoPg(hypopg),
                format!("{}, and no samples could be made: {}{hint}", why.join("; "), error.message),
            ))
        }
    }
}

/// Tables that those of the workload's statements read, for samples.
fn lab_tables(prepared: &Prepared, of_statement: &dyn Fn(usize) -> bool) -> Vec<LabTable> {
    let statements = prepared.workload.statements.iter().enumerate();
    let statements: Vec<_> = statements.filter(|(at, _)| of_statement(*at)).map(|(_, s)| s).collect();
    let scans = statements.iter().flat_map(|s| &s.shape.scans);
    let written = statements.iter().flat_map(|s| &s.shape.written);
    let read: BTreeSet<usize> = scans.map(|s| s.table).chain(written.map(|w| w.table)).collect();
    let of = |at: &usize| {
        let table = prepared.facts.tables.get(*at)?;
        let rows = table.rows.unwrap_or(0.0);
        let distinct = table.columns.iter().filter_map(|c| {
            let n = c.distinct?;
            Some((c.name.clone(), if n < 0.0 { (-n * rows).max(1.0) } else { n }))
        });
        Some(LabTable {
            schema: table.schema.clone(),
            name: table.name.clone(),
            visible: prepared.catalogue.find(None, &table.name) == Some(*at),
            rows: table.rows,
            pages: table.pages,
            all_visible: table.all_visible,
            distinct: distinct.collect(),
            indexes: table.indexes.iter().filter(|i| i.valid).map(|i| (i.name.clone(), i.definition.clone())).collect(),
        })
    };
    read.iter().filter_map(of).collect()
}

async fn by_statistics(prepared: &Prepared, budget: Budget) -> Result<Advice, ApiError> {
    let Prepared { catalogue, workload, parameters, made, .. } = prepared;
    let made = made.without_expressions();
    let mut oracle = Estimate::new(catalogue, workload, &made.all);
    advise(catalogue, workload, parameters, &made, budget, &mut oracle).await
}

async fn simulate(
    mut way: Way,
    prepared: &Prepared,
    budget: Budget,
    rung: Option<Rung>,
) -> Result<Reached, AdviceFailure> {
    let Prepared { catalogue, workload, parameters, .. } = prepared;
    let mut made = prepared.made.clone();
    if let Err(failure) = way.sizes(&mut made).await {
        way.close().await;
        return Err(match (failure, rung) {
            (Failure::Died(error), Some(rung)) => AdviceFailure::Died(rung, error),
            (Failure::Died(error) | Failure::Told(error), _) => AdviceFailure::Told(error),
        });
    }
    // What cannot be simulated is put aside with the reason.
    let unfit = way.left_out();
    let kept: Vec<usize> = (0..made.all.len()).filter(|at| !unfit.iter().any(|(place, _)| place == at)).collect();
    let mut can = Candidates {
        all: kept.iter().map(|at| made.all[*at].clone()).collect(),
        aside: made.aside.clone(),
        left_out: made.left_out,
    };
    can.aside.extend(unfit.iter().map(|(at, why)| (made.all[*at].index.clone(), (*why).to_owned())));
    let missing = way.missing();
    let mut oracle = Simulated::new(way, catalogue, workload, parameters, kept);
    let advice = advise(catalogue, workload, parameters, &can, budget, &mut oracle).await;
    let plans = match &advice {
        Ok(advice) => oracle.plans(advice, &can).await,
        Err(_) => Ok(Vec::new()),
    };
    let died = oracle.died();
    oracle.close().await;
    let (mut advice, plans) = match (advice, plans) {
        (Ok(advice), Ok(plans)) => (advice, plans),
        // A way that died while plans were asked for that are only shown died all the same.
        (Err(error), _) | (Ok(_), Err(error)) if died => {
            return Err(rung.map_or(AdviceFailure::Told(error.clone()), |rung| AdviceFailure::Died(rung, error)));
        }
        (Err(error), _) => return Err(AdviceFailure::Told(error)),
        (Ok(advice), Err(_)) => (advice, Vec::new()),
    };
    advice.notes.extend(missing.into_iter().map(|(table, why)| format!("{table} was not sampled: {why}")));
    let method = match rung {
        Some(Rung::HypoPg) => SimulationMethod::Hypopg,
        Some(Rung::Shadow) => SimulationMethod::Shadow,
        None => SimulationMethod::Schema,
    };
    Ok(Reached { advice, plans, method })
}
