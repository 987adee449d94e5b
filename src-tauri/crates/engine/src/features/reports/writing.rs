//! Exporting reports: runs, their environment and its series during them, as one HTML file and one JSON file.
use std::path::PathBuf;
use std::sync::Arc;

use perfdeck_model::{ApiError, ErrorCode, JobResult, JobStatus, ReportFile, ReportRequest, Tag};
use uuid::Uuid;

use crate::Engine;
use crate::core::vault::write_atomically;

/// Runs in one report.
const MAX_RUNS: usize = 20;

impl Engine {
    /// Starts an export as a job whose result is the report's id.
    pub(crate) async fn create_report(self: &Arc<Self>, request: ReportRequest) -> Result<JobStatus, ApiError> {
        let environment = self.environment(&request.environment_id).await?;
        let run_ids = if request.run_ids.is_empty() {
            let newest = self.core.store.runs(Some(&environment.id)).await?.into_iter().next();
            vec![newest.map(|r| r.id).ok_or_else(|| {
                ApiError::not_found(format!("'{}' has no stored run to report", environment.name))
                    .hint("Run a benchmark first")
            })?]
        } else {
            request.run_ids.clone()
        };
        if run_ids.len() > MAX_RUNS {
            return Err(ApiError::bad_request(format!("A report holds at most {MAX_RUNS} runs")));
        }
        let engine = self.clone();
        let title = request
            .title
            .as_deref()
            .map_or_else(|| format!("Performance report: {}", environment.name), perfdeck_model::masking::title);
        Ok(self.core.jobs.spawn("report", title.clone(), Some(environment.id.clone()), move |job| async move {
            job.progress(Some(0.1), "reading runs");
            let mut runs = Vec::new();
            let mut series = Vec::new();
            for id in &run_ids {
                if job.cancel.is_cancelled() {
                    break;
                }
                let run = engine.run(id).await?;
                let columns = engine.run_series(id, None).await?;
                series.push(engine.report_series(&run.id, &environment.id, &columns).await);
                runs.push(run);
            }
            let now = engine.core.clock.now_ms();
            let (findings, versions) = match engine.monitoring.get(&environment.id).await {
                Some(m) => (m.findings(), m.targets()),
                None => (Vec::new(), Vec::new()),
            };
            let document = perfdeck_report::ReportDocument {
                schema: perfdeck_report::SCHEMA.to_owned(),
                title: title.clone(),
                generated_at: rfc3339(now),
                generated_ms: now,
                tool: perfdeck_report::Tool {
                    name: "Perfdeck".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                },
                environment: perfdeck_report::ReportEnvironment {
                    id: environment.id.clone(),
                    name: environment.name.clone(),
                    kind: environment.kind,
                    targets: environment
                        .targets
                        .addresses()
                        .into_iter()
                        .map(|(role, address)| perfdeck_report::ReportTarget {
                            version: versions.iter().find(|v| v.role == role).and_then(|v| v.version.clone()),
                            role,
                            address,
                        })
                        .collect(),
                    pool: environment.pool.clone(),
                },
                runs,
                series,
                findings,
                notes: Vec::new(),
                redactions: vec!["Passwords and secret header values are never part of a report".to_owned()],
            };
            if job.cancel.is_cancelled() {
                return Err(ApiError::new(ErrorCode::Cancelled, "The export was stopped; no file was written"));
            }
            job.progress(Some(0.4), "drawing charts");
            let drawing = tokio::task::spawn_blocking(move || {
                let html = perfdeck_report::render_html(&document).map_err(|e| ApiError::internal(e.to_string()))?;
                let json = perfdeck_report::to_json(&document).map_err(|e| ApiError::internal(e.to_string()))?;
                Ok::<_, ApiError>((html, json))
            });
            let (html, json) =
                job.unless_cancelled(drawing).await?.map_err(|e| ApiError::internal(e.to_string()))??;
            // Two files and an entry in the store belong together.
            job.cancellable(false);
            job.progress(Some(0.9), "writing files");
            let id = Uuid::now_v7().to_string();
            let html_path = match &request.out {
                Some(out) => absolute(out),
                None => engine.core.data_dir.join("reports").join(format!(
                    "{}-{}.html",
                    slug(&environment.name),
                    stamp(now)
                )),
            };
            let json_path = request.json_out.as_deref().map_or_else(|| html_path.with_extension("json"), absolute);
            write_atomically(&html_path, html.as_bytes())?;
            write_atomically(&json_path, json.as_bytes())?;
            let file = ReportFile {
                id: id.clone(),
                title,
                environment_name: environment.name,
                html_path: html_path.display().to_string(),
                json_path: json_path.display().to_string(),
                html_bytes: html.len() as u64,
                created_ms: now,
                run_ids,
            };
            engine.core.store.put_report(&file).await?;
            engine.core.changed(&[Tag::Reports]);
            Ok(Some(JobResult::Report(id)))
        }))
    }

    async fn report_series(
        &self,
        run_id: &str,
        environment_id: &str,
        columns: &perfdeck_model::Columns,
    ) -> perfdeck_report::RunSeries {
        let known = match self.monitoring.get(environment_id).await {
            Some(monitor) => monitor.series(),
            None => Vec::new(),
        };
        let t_ms = columns.get("t").unwrap_or_default().to_vec();
        let series = columns
            .names()
            .iter()
            .filter(|n| *n != "t" && !n.ends_with(":min") && !n.ends_with(":mean"))
            .map(|name| {
                let id = name.strip_suffix(":max").unwrap_or(name);
                let info = known.iter().find(|s| s.id == id);
                perfdeck_report::ReportSeries {
                    id: id.to_owned(),
                    unit: info.map_or_else(|| perfdeck_model::unit_of(id), |s| s.unit),
                    target: info.map_or_else(|| perfdeck_model::target_of(id), |s| s.target),
                    values: columns.get(name).unwrap_or_default().iter().map(|v| v.is_finite().then_some(*v)).collect(),
                }
            })
            .collect();
        perfdeck_report::RunSeries { run_id: run_id.to_owned(), t_ms, series }
    }
}

fn absolute(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}

fn slug(name: &str) -> String {
    let text: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    let text = text.trim_matches('-').to_owned();
    if text.is_empty() { "report".to_owned() } else { text }
}

fn date(ms: f64) -> time::OffsetDateTime {
    #[allow(clippy::cast_possible_truncation)]
    let nanos = (ms * 1e6) as i128;
    time::OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

fn rfc3339(ms: f64) -> String {
    date(ms).format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

fn stamp(ms: f64) -> String {
    let d = date(ms);
    format!("{:04}{:02}{:02}-{:02}{:02}{:02}", d.year(), u8::from(d.month()), d.day(), d.hour(), d.minute(), d.second())
}
