//! The journal: what was done to environments and which load was sent, so that nobody has to remember.
use perfdeck_model::{ApiError, Environment, JournalEntry, JournalKind, PartOf, Tag};

use crate::Engine;

impl Engine {
    /// Adds an entry.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub(crate) async fn journal(
        &self,
        kind: JournalKind,
        environment: Option<&Environment>,
        text: String,
        run_id: Option<&str>,
    ) -> Result<(), ApiError> {
        self.journal_part(kind, environment, text, run_id, None).await
    }

    /// Adds an entry about a run, with the comparison or search that it is a part of.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub(crate) async fn journal_part(
        &self,
        kind: JournalKind,
        environment: Option<&Environment>,
        text: String,
        run_id: Option<&str>,
        part_of: Option<&PartOf>,
    ) -> Result<(), ApiError> {
        let entry = JournalEntry {
            at_ms: self.core.clock.now_ms(),
            kind,
            environment_id: environment.map(|e| e.id.clone()),
            environment: environment.map(|e| e.name.clone()),
            text,
            run_id: run_id.map(str::to_owned),
            part_of: part_of.cloned(),
        };
        self.core.store.put_journal(&entry).await?;
        self.core.changed(&[Tag::Journal]);
        Ok(())
    }

    /// Adds an entry about something that happened already: failing would not undo it, so the log gets what the journal
    /// cannot take.
    pub(crate) async fn noted(&self, kind: JournalKind, environment: Option<&Environment>, text: String) {
        if let Err(error) = self.journal(kind, environment, text.clone(), None).await {
            tracing::error!(%error, %text, "the journal could not be written");
        }
    }
}
