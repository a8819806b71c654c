//! `retrocast kinds` and `retrocast schema`: the reference of job files, and of the files of a run.

use super::{print, print_json};
use crate::{
    Exit,
    arguments::SchemaKind,
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
        let nearest = retrocast_domain::suggest::nearest(name, names.iter().copied());
        let help = nearest.map_or_else(
            || format!("kinds: {}", names.join(", ")),
            |nearest| format!("did you mean {nearest}?"),
        );
        return Err(WrongUsage(format!("no stage kind {name:?}; {help}")).into());
    };
    let mut text = format!("# {}\n\n{}\n# Params\n\n", kind.name, kind.manual_page());
    append_params(&mut text, &(kind.schema)().to_value());
    text.push_str("\n# Keys of every stage\n\n");
    append_params(&mut text, &retrocast_engine::job::common_stage_schema());
    print(&text)?;
    Ok(Exit::Done)
}

/// Appends the keys of a table: whether they are required, their meaning and their values.
fn append_params(text: &mut String, schema: &Value) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(|name| name.as_str()).collect())
        .unwrap_or_default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let requirement = if required.contains(&name.as_str()) {
            "required".to_string()
        } else {
            match &property["default"] {
                Value::Null => "optional".to_string(),
                default => format!("default {default}"),
            }
        };
        let description = property["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ");
        let _ = writeln!(text, "{name} ({requirement})\n    {description}");
        let mut choices = Vec::new();
        collect_choices(schema, property, &mut choices);
        if !choices.is_empty() {
            let _ = writeln!(text, "    One of: {}.", choices.join(", "));
        }
        let mut fields = Vec::new();
        collect_fields(schema, property, &mut fields);
        for (name, field) in fields {
            let description = field["description"].as_str().unwrap_or_default();
            let _ = writeln!(text, "    - {name}: {}", description.replace('\n', " "));
            let mut choices = Vec::new();
            collect_choices(schema, field, &mut choices);
            if !choices.is_empty() {
                let _ = writeln!(text, "      One of: {}.", choices.join(", "));
            }
        }
    }
}

/// Resolves a part of a schema: itself, or the target of its reference.
fn dereference<'a>(root: &'a Value, part: &'a Value) -> &'a Value {
    let reference = part["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next());
    reference.map_or(part, |name| &root["$defs"][name])
}

/// The alternatives of a value, or the items of a list.
fn subschemas(part: &Value) -> impl Iterator<Item = &Value> {
    let alternatives = ["anyOf", "oneOf", "allOf"].map(|key| part[key].as_array());
    let alternatives = alternatives.into_iter().flatten().flatten();
    alternatives.chain(part.get("items"))
}

/// Collects the allowed strings of a value, if they are enumerated.
fn collect_choices(root: &Value, part: &Value, choices: &mut Vec<String>) {
    let part = dereference(root, part);
    let texts = part["enum"].as_array().into_iter().flatten();
    let texts = texts.chain(part.get("const")).filter_map(Value::as_str);
    choices.extend(texts.map(|text| format!("{text:?}")));
    subschemas(part).for_each(|part| collect_choices(root, part, choices));
}

/// Collects the fields of a value that may be a table.
fn collect_fields<'a>(root: &'a Value, part: &'a Value, fields: &mut Vec<(&'a String, &'a Value)>) {
    let part = dereference(root, part);
    fields.extend(part["properties"].as_object().into_iter().flatten());
    subschemas(part).for_each(|part| collect_fields(root, part, fields));
}

/// Prints the JSON Schema of job files, or of a file of a run.
pub fn schema(workspace: &Workspace, kind: SchemaKind) -> anyhow::Result<Exit> {
    let schema = match kind {
        SchemaKind::Job => {
            let templates = executor::templates(None)?;
            let catalogue = Catalogue::new(&workspace.jobs, &templates);
            retrocast_engine::job::job_schema(&catalogue)
        }
        SchemaKind::Report => retrocast_domain::schema::report().to_value(),
        SchemaKind::Findings => retrocast_domain::schema::findings().to_value(),
    };
    print_json(&schema)?;
    Ok(Exit::Done)
}
