//! `perfctl bench export` and `import`: plans for k6 and Locust, and their results as runs.
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine::{Engine, export_plan, transfer};
use perfdeck_model::ApiError;

use crate::args::Source;
use crate::bench::args::{BenchExport, BenchImport, Other};
use crate::bench::measuring::show;
use crate::bench::plans::{LIMIT, folder};
use crate::files::{read, read_bytes};
use crate::output::{self, Done, plain};
use crate::{FINE, INCOMPLETE, environments};

/// Samples of a long run are large; they are read line by line, but held in memory.
const RESULTS: u64 = 4 << 30;

fn tool_of(other: Other) -> transfer::Tool {
    match other {
        Other::K6 => transfer::Tool::K6,
        Other::Locust => transfer::Tool::Locust,
    }
}

fn write(folder: &Path, name: &str, contents: &[u8]) -> Result<(), ApiError> {
    let path = folder.join(name);
    let failed = |e: std::io::Error| ApiError::bad_request(format!("{} cannot be written: {e}", path.display()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(&path, contents).map_err(failed)
}

pub(crate) async fn export(engine: &Arc<Engine>, args: &BenchExport, source: &Source) -> Done {
    let environment = environments::resolve(engine, args.env.as_deref(), source).await?;
    let api = environment.as_ref().and_then(|e| e.targets.api.as_ref()).map(|api| api.url.as_str());
    let files = folder(&args.plan).0.unwrap_or_default();
    let made = export_plan(&read(&args.plan, LIMIT)?, tool_of(args.to), api, &files)?;
    for file in &made.files {
        write(&args.out, &file.name, &file.contents)?;
        output::line(&plain(&args.out.join(&file.name).display().to_string()))?;
    }
    for note in &made.notes {
        output::note(&plain(&format!("note: {note}")));
    }
    output::note("run it with:");
    made.run.lines().for_each(|line| output::note(&plain(&format!("  {line}"))));
    Ok(FINE)
}

pub(crate) async fn import(engine: &Arc<Engine>, args: &BenchImport, source: &Source, json: bool) -> Done {
    let environment = environments::resolve(engine, args.env.as_deref(), source).await?;
    let mut files = Vec::new();
    for path in &args.files {
        files.push((path.display().to_string(), read_bytes(path, RESULTS)?));
    }
    let other = tool_of(args.from);
    let imported = transfer::import(other, &files).map_err(|e| ApiError::bad_request(e.to_string()))?;
    let name = args.name.clone().unwrap_or_else(|| format!("{} import", other.name()));
    let run = engine.keep_imported(imported, &name, environment.as_ref()).await?;
    show(&run, json)?;
    Ok(if run.valid { FINE } else { INCOMPLETE })
}
