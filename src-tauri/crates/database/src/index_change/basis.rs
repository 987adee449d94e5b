//! What dropping an index rests on: another one that serves instead, or that it enforces nothing. Pure, over all engines.
use perfdeck_model::ApiError;

use super::refused;
use crate::indexes::Index;
use crate::indexes::rules::alike::{relation, twin};

/// What is there beside an index that is to be dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Basis {
    /// One that serves and enforces all that it does, with the same keys and options.
    pub(super) repeats: Option<String>,
    /// Whether the two differ in fillfactor.
    pub(super) fillfactor: bool,
    /// One whose keys begin with its own.
    pub(super) covered_by: Option<String>,
    /// What tells it from another one with the same keys.
    pub(super) differs: Option<String>,
}

/// The settings of an index and of its keys, in words.
fn options(index: &Index) -> String {
    let own = index.identity.options.iter().chain(index.identity.keys.iter().filter_map(|key| key.options.as_ref()));
    let own = own.map(String::as_str).collect::<Vec<_>>().join(", ");
    if own.is_empty() { "none".to_owned() } else { own }
}

/// What an index can be dropped on.
///
/// # Errors
/// When it is unique and no other one enforces that.
pub(super) fn basis(index: &Index, all: &[Index]) -> Result<Basis, ApiError> {
    let (name, table) = (&index.identity.name, &index.identity.table);
    let mut basis = Basis::default();
    if let Some((other, found)) = twin(index, all) {
        let its = &other.identity.name;
        if found.options {
            basis.repeats = Some(its.clone());
            basis.fillfactor = index.compared.fillfactor != other.compared.fillfactor;
            return Ok(basis);
        }
        let (own, others) = (options(index), options(other));
        basis.differs = Some(format!("`{its}` has the same keys and other options ({others}; this one: {own})"));
    }
    if index.identity.unique {
        return Err(refused(format!(
            "'{name}' keeps rows of {table} from being alike, and no other valid index of it enforces that"
        ))
        .hint("What enforces something is dropped by whoever decides that it need not be so any more"));
    }
    let covers = |b: &&Index| relation(index, b).is_some_and(|found| found.options && !found.keys);
    basis.covered_by = all
        .iter()
        .filter(covers)
        .min_by_key(|b| (b.identity.keys.len(), &b.identity.name))
        .map(|b| b.identity.name.clone());
    Ok(basis)
}
