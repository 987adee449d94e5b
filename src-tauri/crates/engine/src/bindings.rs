//! Files around the generated TypeScript types: the index and the table of commands.
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

const NOTE: &str = "// Generated from the commands' tables; do not edit. `cargo xtask bindings` renews it.\n";

/// Writes `index.ts` and `commands.ts` beside the types that are in `dir` already.
pub(crate) fn write_commands(
    dir: &Path,
    signatures: &[(&str, String, String)],
) -> Result<(), Box<dyn std::error::Error>> {
    let mut types: BTreeSet<String> = BTreeSet::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".ts").filter(|s| !["index", "commands"].contains(s)) {
            types.insert(stem.to_owned());
        }
    }
    let mut index = NOTE.to_owned();
    for name in &types {
        writeln!(index, "export type {{ {name} }} from \"./{name}\";")?;
    }
    index.push_str("export type { Commands } from \"./commands\";\n");
    std::fs::write(dir.join("index.ts"), index)?;

    let mut body = String::new();
    let mut used = BTreeSet::new();
    for (command, request, response) in signatures {
        for word in format!("{request} {response}").split(|c: char| !c.is_ascii_alphanumeric()) {
            if types.contains(word) {
                used.insert(word.to_owned());
            }
        }
        writeln!(body, "  \"{command}\": {{ req: {request}; res: {response} }};")?;
    }
    let mut commands = NOTE.to_owned();
    commands.push_str("import type { Columns } from \"../columns\";\n");
    writeln!(commands, "import type {{ {} }} from \"./index\";\n", used.into_iter().collect::<Vec<_>>().join(", "))?;
    writeln!(commands, "export interface Commands {{\n{body}}}")?;
    std::fs::write(dir.join("commands.ts"), commands)?;
    Ok(())
}
