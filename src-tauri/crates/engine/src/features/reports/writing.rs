//! Writing reports: one HTML file and one JSON file, as a job; previews, other titles, and files of what was deleted.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use perfdeck_model::{ApiError, ErrorCode, JobResult, JobStatus, ReportFile, ReportRequest, Tag, masking};
use perfdeck_report::ReportDocument;
use uuid::Uuid;

use crate::Engine;
use crate::core::store::UNDO_MS;
use crate::core::vault::write_atomically;
use crate::features::reports::commands::ReportPreview;
use crate::features::reports::gathering::title;

/// Both renderings of a document.
async fn drawn(document: ReportDocument) -> Result<(String, String), ApiError> {
    let drawing = tokio::task::spawn_blocking(move || {
        Ok::<_, perfdeck_report::Error>((
            perfdeck_report::render_html(&document)?,
            perfdeck_report::to_json(&document)?,
        ))
    });
    drawing.await.map_err(|e| ApiError::internal(e.to_string()))?.map_err(ApiError::from)
}

impl Engine {
    /// Starts an export as a job whose result is the report's id.
    pub(crate) async fn create_report(self: &Arc<Self>, request: ReportRequest) -> Result<JobStatus, ApiError> {
        let environment = self.environment(&request.environment_id).await?;
        let request = self.reported(&request, &environment).await?;
        let engine = self.clone();
        let title = title(&request, &environment);
        Ok(self.core.jobs.spawn("report", title.clone(), Some(environment.id.clone()), move |job| async move {
            job.progress(Some(0.1), "reading runs");
            let document = engine.report_document(&request, &environment, || job.cancel.is_cancelled()).await?;
            if job.cancel.is_cancelled() {
                return Err(ApiError::new(ErrorCode::Cancelled, "The export was stopped; no file was written"));
            }
            job.progress(Some(0.4), "drawing charts");
            let (html, json) = job.unless_cancelled(drawn(document)).await??;
            // Two files and an entry in the store belong together.
            job.cancellable(false);
            job.progress(Some(0.9), "writing files");
            let now = engine.core.clock.now_ms();
            let html_path = match &request.out {
                Some(out) => absolute(out),
                None => {
                    free(&engine.core.data_dir.join("reports"), &format!("{}-{}", slug(&environment.name), stamp(now)))
                }
            };
            let json_path = request.json_out.as_deref().map_or_else(|| html_path.with_extension("json"), absolute);
            write_atomically(&html_path, html.as_bytes())?;
            write_atomically(&json_path, json.as_bytes())?;
            let file = ReportFile {
                id: Uuid::now_v7().to_string(),
                title,
                environment_name: environment.name,
                html_path: html_path.display().to_string(),
                json_path: json_path.display().to_string(),
                html_bytes: html.len() as u64,
                created_ms: now,
                run_ids: request.run_ids,
                comparison_ids: request.comparison_ids,
                knee_ids: request.knee_ids,
            };
            engine.core.store.put_report(&file).await?;
            engine.core.changed(&[Tag::Reports]);
            Ok(Some(JobResult::Report(file.id)))
        }))
    }

    /// A report as it would be written.
    pub(crate) async fn preview_report(&self, request: &ReportRequest) -> Result<ReportPreview, ApiError> {
        let environment = self.environment(&request.environment_id).await?;
        let request = self.reported(request, &environment).await?;
        let document = self.report_document(&request, &environment, || false).await?;
        let title = document.title.clone();
        Ok(ReportPreview { title, html: drawn(document).await?.0 })
    }

    /// An entry of the list.
    pub(crate) async fn written_report(&self, id: &str) -> Result<ReportFile, ApiError> {
        let found = self.core.store.report(id).await?;
        found.ok_or_else(|| ApiError::not_found(format!("There is no report '{}'", masking::shown(id))))
    }

    /// Gives a report another title, in the list and in its files.
    pub(crate) async fn rename_report(&self, id: &str, title: &str) -> Result<ReportFile, ApiError> {
        let title = title.trim();
        if title.is_empty() || title.chars().count() > 120 {
            return Err(ApiError::bad_request("A report's title has 1 to 120 characters"));
        }
        let mut file = self.written_report(id).await?;
        let json = tokio::fs::read(&file.json_path).await.map_err(|e| {
            ApiError::not_found(format!("{} cannot be read: {e}", file.json_path))
                .hint("The title is in the report's files, and they were moved or deleted; export it again")
        })?;
        let mut document: ReportDocument = serde_json::from_slice(&json).map_err(|_| {
            ApiError::new(ErrorCode::Conflict, "The report was written by another version of Perfdeck")
                .hint("Export it again with the other title")
        })?;
        document.title = masking::title(title);
        file.title.clone_from(&document.title);
        let (html, json) = drawn(document).await?;
        write_atomically(Path::new(&file.html_path), html.as_bytes())?;
        write_atomically(Path::new(&file.json_path), json.as_bytes())?;
        file.html_bytes = html.len() as u64;
        self.core.store.put_report(&file).await?;
        Ok(file)
    }

    /// Removes reports whose deletion can no longer be undone, with their files where those are in the reports folder; what
    /// was written elsewhere is its owner's.
    pub(crate) async fn forget_reports(&self) -> Result<(), ApiError> {
        let folder = self.core.data_dir.join("reports");
        for file in self.core.store.forget_reports(self.core.clock.now_ms() - UNDO_MS).await? {
            for path in [&file.html_path, &file.json_path] {
                let path = Path::new(path);
                if path.parent() == Some(&folder)
                    && let Err(error) = tokio::fs::remove_file(path).await
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    tracing::warn!(%error, "the file of a deleted report could not be removed");
                }
            }
        }
        Ok(())
    }
}

fn absolute(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}

/// A file of this name that is not there yet: two reports may be written in one second.
fn free(folder: &Path, name: &str) -> PathBuf {
    let first = folder.join(format!("{name}.html"));
    let others = (2..10_000).map(|i| folder.join(format!("{name}-{i}.html")));
    std::iter::once(first.clone()).chain(others).find(|path| !path.exists()).unwrap_or(first)
}

fn slug(name: &str) -> String {
    let text: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    let text = text.trim_matches('-').to_owned();
    if text.is_empty() { "report".to_owned() } else { text }
}

fn stamp(ms: f64) -> String {
    let seconds = (ms / 1e3).floor() as i64;
    let d = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!("{:04}{:02}{:02}-{:02}{:02}{:02}", d.year(), u8::from(d.month()), d.day(), d.hour(), d.minute(), d.second())
}
