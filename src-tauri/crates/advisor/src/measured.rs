//! What is known of the values of expressions. A server keeps statistics of an expression only once it is a key, so that they are measured on rows.
use std::collections::{BTreeMap, BTreeSet};

use crate::candidates::Candidates;
use crate::catalogue::Catalogue;
use crate::index::{Index, KeyOf};
use crate::scalar::Scalar;
use crate::size::size;

/// How long values are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lengths {
    /// Their mean as an index has them, in bytes.
    pub mean: f64,
    /// How many of them leave each remainder of their stored length by 8; `None` where that is not known.
    pub remainders: Option<[f64; 8]>,
}

/// The values of an expression, without any of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Bytes of a value where all have the same.
    pub fixed: Option<f64>,
    /// 1, 2, 4 or 8.
    pub align: usize,
    /// Lengths of all values, and of those that few rows have, where there are some.
    pub lengths: Lengths,
    /// See `lengths`.
    pub rare: Option<Lengths>,
    /// Share of rows in which it is null.
    pub nulls: f64,
    /// Different values of all rows.
    pub distinct: f64,
    /// Share of the rows that have one of the values which many rows have, and how many those are.
    pub common: (f64, f64),
    /// Whether values that are equal may look different, as 1.0 and 1.00 do: such keys share no entry.
    pub unlike: bool,
}

fn expressions(index: &Index) -> impl Iterator<Item = (usize, Scalar)> + '_ {
    index.keys.iter().filter_map(|key| match &key.of {
        KeyOf::Expression(scalar) => Some((index.table, scalar.clone())),
        KeyOf::Column(_) | KeyOf::Unknown(_) => None,
    })
}

/// Expressions that are keys of candidates, each once, with the place of its table. Those of the first candidates come first.
pub fn expressions_of(made: &Candidates) -> Vec<(usize, Scalar)> {
    let mut seen = BTreeSet::new();
    made.all.iter().flat_map(|candidate| expressions(&candidate.index)).filter(|one| seen.insert(one.clone())).collect()
}

impl Candidates {
    /// The same without those whose keys are expressions, which are put aside: how many rows have a value of one no statistics tell, and only
    /// who plans with such an index does.
    pub fn without_expressions(&self) -> Self {
        let (of, all): (Vec<_>, Vec<_>) =
            self.all.iter().cloned().partition(|candidate| expressions(&candidate.index).next().is_some());
        let why = "how many rows have a value of its expression is not known where indexes cannot be tried";
        let aside = of.into_iter().map(|candidate| (candidate.index, why.to_owned()));
        Self { all, aside: self.aside.iter().cloned().chain(aside).collect(), left_out: self.left_out }
    }

    /// Keeps what was measured of expressions in the catalogue, and reckons the sizes of the candidates that have them.
    pub fn measured(&mut self, catalogue: &mut Catalogue, all: BTreeMap<(usize, Scalar), Measured>) {
        for ((table, scalar), one) in all {
            if let Some(table) = catalogue.tables.get_mut(table) {
                table.measured.insert(scalar, one);
            }
        }
        for candidate in self.all.iter_mut().filter(|c| expressions(&c.index).next().is_some()) {
            candidate.bytes = size(catalogue, &candidate.index);
        }
    }
}
