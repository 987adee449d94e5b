//! Commands of reports.
use std::sync::Arc;

use perfdeck_model::{ApiError, JobStatus, ReportFile, ReportRequest};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::core::store::UNDO_MS;
use crate::requests::{ById, Deleted, Empty};
use crate::table::{Result, commands};

/// A report with its content.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ReportContent {
    /// The file.
    pub file: ReportFile,
    /// HTML of the report.
    pub html: String,
}

/// A report that is not written.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ReportPreview {
    /// Title that it would have.
    pub title: String,
    /// HTML of the report.
    pub html: String,
}

/// Gives a report another title.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ReportRename {
    /// The report.
    pub id: String,
    /// New title, in the list and in its files.
    pub title: String,
}

commands! {
    Write Json "report.create" (ReportRequest) -> JobStatus, changes [Jobs] => create;
    Read Json "report.preview" (ReportRequest) -> ReportPreview, changes [] => preview;
    Read Json "report.list" (Empty) -> Vec<ReportFile>, changes [] => list;
    Read Json "report.get" (ById) -> ReportContent, changes [] => get;
    Write Json "report.rename" (ReportRename) -> ReportFile, changes [Reports] => rename;
    Write Json "report.delete" (ById) -> Deleted, changes [Reports] => delete;
    Write Json "report.restore" (ById) -> ReportFile, changes [Reports] => restore;
}

/// Writes a report as a job.
pub async fn create(engine: Arc<Engine>, request: ReportRequest) -> Result<JobStatus> {
    engine.create_report(request).await
}

/// A report as it would be written; nothing is.
pub async fn preview(engine: Arc<Engine>, request: ReportRequest) -> Result<ReportPreview> {
    engine.preview_report(&request).await
}

/// Written reports, newest first.
pub async fn list(engine: Arc<Engine>, _: Empty) -> Result<Vec<ReportFile>> {
    engine.core.store.reports().await
}

/// One written report.
pub async fn get(engine: Arc<Engine>, request: ById) -> Result<ReportContent> {
    let file = engine.written_report(&request.id).await?;
    let html = tokio::fs::read_to_string(&file.html_path).await.map_err(|e| {
        ApiError::not_found(format!("{} cannot be read: {e}", file.html_path))
            .hint("It was moved or deleted; export it again")
    })?;
    Ok(ReportContent { file, html })
}

/// Gives a written report another title.
pub async fn rename(engine: Arc<Engine>, request: ReportRename) -> Result<ReportFile> {
    engine.rename_report(&request.id, &request.title).await
}

/// Takes a report off the list; it can be restored for a week, and its files stay that long.
pub async fn delete(engine: Arc<Engine>, request: ById) -> Result<Deleted> {
    let file = engine.written_report(&request.id).await?;
    let now = engine.core.clock.now_ms();
    engine.core.store.set_report_deleted(&file.id, Some(now)).await?;
    Ok(Deleted { id: file.id, undo_until_ms: now + UNDO_MS })
}

/// Brings a deleted report back.
pub async fn restore(engine: Arc<Engine>, request: ById) -> Result<ReportFile> {
    engine.core.store.set_report_deleted(&request.id, None).await?;
    engine.written_report(&request.id).await
}
