//! `retrocast kinds` and `retrocast schema`: what a job file may say.

use super::{print, print_json};
use crate::{
    Exit,
    diagnose::WrongUsage,
    executor::{self, Catalogue},
    workspace::Workspace,
};
use std::fmt::Write as _;

/// The list of stage kinds, or the manual page of one with its params.
pub fn kinds(name: Option<&str>) -> anyhow::Result<Exit> {
    let Some(name) = name else {
        let mut text = String::new();
        for kind in retrocast_stages::KINDS {
            let _ = writeln!(text, "{:<18} {}", kind.name, kind.summary);
        }
        print(&text)?;
        return Ok(Exit::Done);
    };
    let Some(kind) = retrocast_stages::kind(name) else {
        let names: Vec<_> = retrocast_stages::KINDS
            .iter()
            .map(|kind| kind.name)
            .collect();
        let near = retrocast_engine::job::suggest::nearest(name, names.iter().copied());
        let help = near.map_or_else(
            || format!("there are {}", names.join(", ")),
            |near| format!("did you mean {near}?"),
        );
        return Err(WrongUsage(format!("no stage kind {name:?}; {help}")).into());
    };
    let mut text = format!("# {}\n\n{}\n# Params\n\n", kind.name, kind.manual_page());
    let schema = (kind.schema)().to_value();
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(|name| name.as_str()).collect())
        .unwrap_or_default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let state = if required.contains(&name.as_str()) {
            "required".to_string()
        } else {
            match &property["default"] {
                serde_json::Value::Null => "optional".to_string(),
                default => format!("default {default}"),
            }
        };
        let words = property["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ");
        let _ = writeln!(text, "{name} ({state})\n    {words}");
    }
    print(&text)?;
    Ok(Exit::Done)
}

/// The JSON Schema of job files.
pub fn schema(workspace: &Workspace) -> anyhow::Result<Exit> {
    let templates = executor::templates(None)?;
    let catalogue = Catalogue::new(&workspace.jobs, &templates);
    let schema = retrocast_engine::job::job_schema(&catalogue);
    print_json(&schema)?;
    Ok(Exit::Done)
}
