//! Writes a report made of invented figures: `cargo run -p perfdeck-report --example sample -- report.html`.
#[path = "../tests/sample/mod.rs"]
mod sample;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name the file to write")?;
    let mut document = sample::document();
    document.runs.iter_mut().take(1).for_each(sample::with_parts);
    document.comparisons.push(sample::comparison("c1"));
    document.knees.push(sample::knee("k1"));
    std::fs::write(path, perfdeck_report::render_html(&document)?)?;
    Ok(())
}
