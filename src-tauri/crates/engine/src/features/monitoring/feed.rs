//! View that viewers have of a watched environment.
use std::sync::Arc;

use perfdeck_model::{ApiError, Watching};

use crate::Engine;
use crate::core::access::READS_ONLY;
use crate::core::hub::{Feed, OpenFeed, Viewer};

impl Engine {
    /// A viewer of the event stream; starts watching the environment when one is named and something of it is wanted.
    ///
    /// # Errors
    /// When the environment does not exist or its demo cannot be opened.
    pub async fn watch(self: &Arc<Self>, watching: Watching) -> Result<Viewer, ApiError> {
        self.viewer(watching, false).await
    }

    /// A viewer for a caller that may only read: the environment must be watched already.
    ///
    /// # Errors
    /// As [`Engine::watch`]; [`perfdeck_model::ErrorCode::Guarded`] when it is not watched.
    pub async fn watch_reading(self: &Arc<Self>, watching: Watching) -> Result<Viewer, ApiError> {
        self.viewer(watching, true).await
    }

    async fn viewer(self: &Arc<Self>, mut watching: Watching, reads_only: bool) -> Result<Viewer, ApiError> {
        let mut open = None;
        if let Some(id) = &watching.environment_id {
            let id = self.environment(id).await?.id;
            open = Some(self.feed(id.clone(), reads_only));
            watching.environment_id = Some(id);
        }
        Viewer::new(self.core.hub.clone(), watching, open).await
    }

    /// How an environment is watched, now and whenever it was edited. For a caller that only reads no watch is started.
    fn feed(self: &Arc<Self>, id: String, reads_only: bool) -> OpenFeed {
        let engine = self.clone();
        Box::new(move || {
            let (engine, id) = (engine.clone(), id.clone());
            Box::pin(READS_ONLY.scope(reads_only, async move {
                let watch = engine.monitor(&id).await?;
                Ok(Feed { ticks: watch.subscribe(), targets: Box::new(move || watch.targets()) })
            }))
        })
    }
}
