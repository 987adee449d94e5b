//! Handing a plan over to a distributed engine, and reading its results back. Nothing in here opens a file, a socket or
//! a clock: the exporter takes a plan and gives files, the importer takes files and gives figures.
mod export;
mod import;

pub use export::{Export, ExportError, ExportFile, export};
pub use import::{ImportError, Imported, ImportedSecond, ImportedStep, import};

/// A load generator that runs on several machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// k6, or the k6 operator on Kubernetes.
    K6,
    /// Locust.
    Locust,
}

impl Tool {
    /// Its name for a person.
    pub fn name(self) -> &'static str {
        match self {
            Self::K6 => "k6",
            Self::Locust => "Locust",
        }
    }
}
