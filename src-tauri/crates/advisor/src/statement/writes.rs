//! What a statement writes.
use perfdeck_sqltext::Dialect;
use sqlparser::ast::{AssignmentTarget, ObjectName, OnConflictAction, OnInsert};

use crate::scope::{Builder, Scope};

impl Builder<'_> {
    /// Notes whose rows are written: those of the first table, in MySQL's dialect of each.
    pub(super) fn writes_rows(&mut self, scope: &Scope<'_>) {
        let all = if self.catalogue.dialect == Dialect::Mysql { usize::MAX } else { 1 };
        for (_, source) in scope.names.iter().take(all) {
            self.reads_rows(source);
        }
    }

    pub(super) fn targets(&self, target: &AssignmentTarget) -> Vec<String> {
        let last = |name: &ObjectName| name.0.last().and_then(|p| p.as_ident()).map(|i| self.folded(i));
        match target {
            AssignmentTarget::ColumnName(name) => last(name).into_iter().collect(),
            AssignmentTarget::Tuple(all) => all.iter().filter_map(last).collect(),
        }
    }

    pub(super) fn upserted(&self, on: Option<&OnInsert>) -> Vec<String> {
        let assignments = match on {
            Some(OnInsert::DuplicateKeyUpdate(all)) => all.as_slice(),
            Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
                OnConflictAction::DoUpdate(update) => update.assignments.as_slice(),
                OnConflictAction::DoNothing => &[],
            },
            _ => &[],
        };
        assignments.iter().flat_map(|a| self.targets(&a.target)).collect()
    }
}
