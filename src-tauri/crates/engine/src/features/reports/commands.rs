//! Commands of reports.
use std::sync::Arc;

use perfdeck_model::{ApiError, JobStatus, ReportFile, ReportRequest};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::requests::{ById, Empty};
use crate::table::{Result, commands};

/// A report with its content.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ReportContent {
    /// The file.
    pub file: ReportFile,
    /// HTML of the report.
    pub html: String,
}

commands! {
    Write Json "report.create" (ReportRequest) -> JobStatus, changes [Jobs] => create;
    Read Json "report.list" (Empty) -> Vec<ReportFile>, changes [] => list;
    Read Json "report.get" (ById) -> ReportContent, changes [] => get;
}

/// Writes a report as a job.
pub async fn create(engine: Arc<Engine>, request: ReportRequest) -> Result<JobStatus> {
    engine.create_report(request).await
}

/// Written reports, newest first.
pub async fn list(engine: Arc<Engine>, _: Empty) -> Result<Vec<ReportFile>> {
    engine.core.store.reports().await
}

/// One written report.
pub async fn get(engine: Arc<Engine>, request: ById) -> Result<ReportContent> {
    let file = engine
        .core
        .store
        .reports()
        .await?
        .into_iter()
        .find(|r| r.id == request.id)
        .ok_or_else(|| ApiError::not_found("There is no such report"))?;
    let html = tokio::fs::read_to_string(&file.html_path).await.map_err(|e| {
        ApiError::not_found(format!("{} cannot be read: {e}", file.html_path))
            .hint("It was moved or deleted; export it again")
    })?;
    Ok(ReportContent { file, html })
}
