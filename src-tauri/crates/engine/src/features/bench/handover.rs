//! Plans that run elsewhere: what another engine needs to run one, and its results as a run.
use std::path::Path;

use perfdeck_bench::transfer::{self, Export, Imported};
use perfdeck_model::{ApiError, Environment, Machine, Run, Tag};
use perfdeck_plan::{Folder, from_toml};
use uuid::Uuid;

use crate::Engine;
use crate::features::bench::masked::mask_imported;

/// Export of a plan with what another engine needs to run it. `folder` holds the files of its feeds, `api` is added to
/// its paths where it has no base URL of its own.
///
/// # Errors
/// A text that is no plan, or a plan that the engine cannot run at all.
pub fn export_plan(toml: &str, to: transfer::Tool, api: Option<&str>, folder: &Path) -> Result<Export, ApiError> {
    let plan = from_toml(toml).map_err(|e| ApiError::bad_request(e.to_string()))?;
    transfer::export(&plan, to, api, &Folder(folder.to_owned())).map_err(|e| ApiError::bad_request(e.to_string()))
}

impl Engine {
    /// Keeps what another engine measured as a run.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn keep_imported(
        &self,
        imported: Imported,
        name: &str,
        environment: Option<&Environment>,
    ) -> Result<Run, ApiError> {
        let id = Uuid::now_v7().to_string();
        let environment = environment.map(|e| (e.id.clone(), e.name.clone()));
        // Where the load came from is not told; it was not necessarily here.
        let machine = Machine { perfdeck: self.core.machine.perfdeck.clone(), ..Machine::default() };
        let mut run = imported.into_run(id, name.to_owned(), environment, machine);
        mask_imported(&mut run);
        self.core.store.put_run(&run, None, None).await?;
        self.core.changed(&[Tag::Runs]);
        Ok(run)
    }
}
