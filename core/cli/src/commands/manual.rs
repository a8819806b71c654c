//! `retrocast kinds` and `retrocast schema`: the reference of job files.

use super::{print, print_json};
use crate::{
    Exit,
    diagnose::WrongUsage,
    executor::{self, Catalogue},
    workspace::Workspace,
};
use serde_json::Value;
use std::fmt::Write as _;

/// Prints the list of stage kinds, or the manual page of one with its params.
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
        let near = retrocast_domain::suggest::nearest(name, names.iter().copied());
        let help = near.map_or_else(
            || format!("there are {}", names.join(", ")),
            |near| format!("did you mean {near}?"),
        );
        return Err(WrongUsage(format!("no stage kind {name:?}; {help}")).into());
    };
    let mut text = format!("# {}\n\n{}\n# Params\n\n", kind.name, kind.manual_page());
    params(&mut text, &(kind.schema)().to_value());
    text.push_str("\n# Keys of every stage\n\n");
    params(&mut text, &retrocast_engine::job::common_stage_schema());
    print(&text)?;
    Ok(Exit::Done)
}

/// Adds the keys of a table: whether they are required, their meaning and their values.
fn params(text: &mut String, schema: &Value) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(|name| name.as_str()).collect())
        .unwrap_or_default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let state = if required.contains(&name.as_str()) {
            "required".to_string()
        } else {
            match &property["default"] {
                Value::Null => "optional".to_string(),
                default => format!("default {default}"),
            }
        };
        let words = property["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ");
        let _ = writeln!(text, "{name} ({state})\n    {words}");
        let mut choices = Vec::new();
        choices_of(schema, property, &mut choices);
        if !choices.is_empty() {
            let _ = writeln!(text, "    One of: {}.", choices.join(", "));
        }
        let mut fields = Vec::new();
        fields_of(schema, property, &mut fields);
        for (name, field) in fields {
            let words = field["description"].as_str().unwrap_or_default();
            let _ = writeln!(text, "    - {name}: {}", words.replace('\n', " "));
            let mut choices = Vec::new();
            choices_of(schema, field, &mut choices);
            if !choices.is_empty() {
                let _ = writeln!(text, "      One of: {}.", choices.join(", "));
            }
        }
    }
}

/// Resolves a part of a schema: itself, or the target of its reference.
fn dereference<'a>(root: &'a Value, part: &'a Value) -> &'a Value {
    let named = part["$ref"]
        .as_str()
        .and_then(|name| name.rsplit('/').next());
    named.map_or(part, |name| &root["$defs"][name])
}

/// The alternatives of a value, or the items of a list.
fn parts(part: &Value) -> impl Iterator<Item = &Value> {
    let several = ["anyOf", "oneOf", "allOf"].map(|key| part[key].as_array());
    let several = several.into_iter().flatten().flatten();
    several.chain(part.get("items"))
}

/// Collects the texts that a value may be, if they are enumerated.
fn choices_of(root: &Value, part: &Value, found: &mut Vec<String>) {
    let part = dereference(root, part);
    let named = part["enum"].as_array().into_iter().flatten();
    let named = named.chain(part.get("const")).filter_map(Value::as_str);
    found.extend(named.map(|name| format!("{name:?}")));
    parts(part).for_each(|part| choices_of(root, part, found));
}

/// Collects the fields of the tables that a value may be.
fn fields_of<'a>(root: &'a Value, part: &'a Value, found: &mut Vec<(&'a String, &'a Value)>) {
    let part = dereference(root, part);
    found.extend(part["properties"].as_object().into_iter().flatten());
    parts(part).for_each(|part| fields_of(root, part, found));
}

/// Prints the JSON Schema of job files.
pub fn schema(workspace: &Workspace) -> anyhow::Result<Exit> {
    let templates = executor::templates(None)?;
    let catalogue = Catalogue::new(&workspace.jobs, &templates);
    let schema = retrocast_engine::job::job_schema(&catalogue);
    print_json(&schema)?;
    Ok(Exit::Done)
}
