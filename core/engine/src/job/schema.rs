//! The shape of a job file as JSON Schema: the one truth that editors and the checker share.
//!
//! The structs here describe what every job has; each kind of stage brings the schema of its params.
//! They are merged into one document, in which a stage is one of the kinds, told apart by `kind`.

// The structs are described, not built: values are read from the tree that knows its places.
#![allow(dead_code)]

use super::{
    document::Item,
    mail::SendMail,
    params::ParamKind,
    schedule::{MOST, Missed, RETRY},
};
use crate::kinds::Kinds;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Names the key whose value tells the variants of a `oneOf` apart.
pub const DISCRIMINATOR: &str = "x-discriminator";

/// A job: records in, reports out.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct JobFile {
    /// Title of the reports.
    #[schemars(length(min = 1, max = 200))]
    title: String,
    /// Who owns the reports, such as a mail address.
    owner: Option<String>,
    /// What is reported on: "week", "month", "quarter", "day" or "14 days"; the last complete one
    /// before the run's date.
    window: String,
    /// What the window is compared with: "previous" or such as "4 weeks".
    compare: Option<Vec<String>>,
    /// IANA name of the time zone in which days begin, such as "Europe/London".
    #[serde(default = "utc")]
    timezone: String,
    /// When the job is run.
    schedule: Option<ScheduleFile>,
    /// Which reports may be removed when the disk is full; by default none.
    retention: Option<RetentionFile>,
    /// Which runs are sent as mail; `mail.toml` of the workspace says through which server.
    mail: Option<MailFile>,
    /// Values that the job may be run with, as `${params.NAME}`.
    params: Option<BTreeMap<String, ParamFile>>,
    /// Records, by the name of the dataset they become.
    source: Option<BTreeMap<String, SourceFile>>,
    /// Analyses, by name.
    stage: Option<BTreeMap<String, StageFile>>,
    /// Reports, by reader.
    report: Option<ReportsFile>,
}

fn utc() -> String {
    "UTC".to_string()
}

/// When a job is run.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleFile {
    /// Minute, hour, day of month, month, weekday, in the job's time zone: "0 9 * * SUN". When
    /// clocks go forward, a time that is skipped is due as long after midnight as on other days;
    /// when they go back, a time that comes twice is due once, unless the job is due every hour.
    cron: String,
    /// What to do about runs that were missed.
    #[serde(default)]
    missed: Missed,
    /// As many missed runs as are caught up when `missed` is "all": the newest.
    #[serde(default = "most")]
    #[schemars(range(min = 1, max = 1000))]
    most: i64,
    /// How long to wait after a failure before the run is tried again, one after the other; then it
    /// is given up until it is due again.
    #[serde(default = "retry")]
    #[schemars(length(max = 10))]
    retry: Vec<String>,
    /// Mail address of who is told when a run keeps failing; by default the job's owner.
    admin: Option<String>,
    /// After how many failures, of one due time or in a row, somebody is told; by default after 3,
    /// or when it is given up.
    #[schemars(range(min = 1, max = 100))]
    tell_after: Option<i64>,
    /// What must hold before a run is begun; until it does, the run waits.
    only_if: Option<OnlyIfFile>,
}

fn most() -> i64 {
    i64::from(MOST)
}

fn retry() -> Vec<String> {
    RETRY.map(str::to_string).into()
}

/// What must hold before a run is begun.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct OnlyIfFile {
    /// Load of the last minute divided by the number of processors, such as 0.8.
    #[schemars(range(min = 0.01, max = 1000.0))]
    load_below: Option<f64>,
    /// Space on the disks of lake and archive, such as "2 GiB".
    free_disk: Option<String>,
    /// Memory that a new program could have, such as "2 GiB".
    free_memory: Option<String>,
    /// How long before the due time the newest file of every required source may have been written,
    /// such as "26 hours".
    fresh_within: Option<String>,
}

/// Which reports may be removed when the disk is full: a run that finds no room removes the oldest of
/// them and goes on, and the next report says so.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct RetentionFile {
    /// Reports on windows that ended longer ago may be removed, such as "26 weeks" or "2 years".
    keep: String,
    /// As many of the newest windows stay in any case; by default 4.
    #[schemars(range(min = 1, max = 100_000))]
    at_least: Option<i64>,
}

/// Which runs are sent as mail to those that reports name.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct MailFile {
    /// Those that were due, all, or none.
    #[serde(default)]
    send: SendMail,
}

/// A value that the job may be run with.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct ParamFile {
    /// Its type.
    #[serde(rename = "type")]
    kind: ParamKind,
    /// Its value when none is given.
    default: Option<Value>,
    /// What it is for.
    description: Option<String>,
    /// The only values it may have.
    allowed: Option<Vec<Value>>,
}

/// Records to read.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    /// Where the records are; *, **, ? and [..] stand for many files, {year}, {month}, {day} and
    /// {date} for days, of which only those of the window are read.
    #[schemars(length(min = 1))]
    uri: String,
    /// What a record must be like: a file in contracts/.
    contract: String,
    /// How records are written; by default what the file name says.
    format: Option<Format>,
    /// What stands between the cells of CSV; by default what the file shows.
    #[schemars(length(min = 1, max = 1))]
    delimiter: Option<String>,
    /// What stands around cells of CSV that hold a delimiter; by default ".
    #[schemars(length(min = 1, max = 1))]
    quote: Option<String>,
    /// With what lines of CSV begin that are no records.
    #[schemars(length(min = 1, max = 1))]
    comment: Option<String>,
    /// Whether CSV begins with the names of its columns.
    header: Option<bool>,
    /// Names of the columns of CSV, in place of those in the file.
    columns: Option<Vec<String>>,
    /// How far before the window days in the uri go back, such as "60 weeks"; by default all.
    history: Option<String>,
    /// Whether the run fails when there are no files.
    #[serde(default = "yes")]
    required: bool,
    /// Longest time to take, such as "10 minutes".
    timeout: Option<String>,
    /// How often to try again after a failure that may pass.
    #[schemars(range(min = 0, max = 10))]
    retries: Option<i64>,
}

fn yes() -> bool {
    true
}

/// How records are written.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Arrays of JSON objects, or objects one after another.
    Json,
    /// Comma-separated values under a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// What every stage has besides the params of its kind.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct StageFile {
    /// Kind of stage.
    kind: String,
    /// Title in the reports.
    title: Option<String>,
    /// Whether the reports are made without it when it fails.
    #[serde(default)]
    optional: bool,
    /// Longest time to take, such as "10 minutes".
    timeout: Option<String>,
    /// How often to try again after a failure that may pass.
    #[schemars(range(min = 0, max = 10))]
    retries: Option<i64>,
}

/// The JSON Schema of the keys that every stage has, whatever its kind.
pub fn common_stage_schema() -> Value {
    schemars::schema_for!(StageFile).to_value()
}

/// Keys that every stage has, whatever its kind.
pub const COMMON_STAGE_KEYS: [&str; 5] = ["kind", "title", "optional", "timeout", "retries"];

/// Reports, by reader.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReportsFile {
    /// Few pages for somebody who decides.
    executive: Option<ReportFile>,
    /// Every stage, for somebody who checks.
    technical: Option<ReportFile>,
}

/// A report.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReportFile {
    /// Mail addresses it is sent to.
    to: Option<Vec<String>>,
    /// Its title; by default the job's.
    title: Option<String>,
    /// The stages in it; by default all.
    stages: Option<Vec<String>>,
}

/// The JSON Schema of a job file, for these kinds of stage.
pub fn job_schema(kinds: &dyn Kinds) -> Value {
    schema_with(kinds, &kinds.names())
}

/// The same with only the kinds that a document names, as long as all of them are known: most jobs use
/// few, and a check makes the schema anew.
pub(super) fn schema_for(kinds: &dyn Kinds, document: &Item) -> Value {
    let known = kinds.names();
    let stages = document.get("stage").map_or(&[][..], Item::entries);
    let named = stages
        .iter()
        .map(|stage| stage.item.get("kind").and_then(Item::text));
    match named.collect::<Option<BTreeSet<&str>>>() {
        Some(named)
            if named
                .iter()
                .all(|kind| known.iter().any(|name| name == kind)) =>
        {
            let used: Vec<String> = named.into_iter().map(str::to_string).collect();
            schema_with(kinds, &used)
        }
        _ => schema_with(kinds, &known),
    }
}

fn schema_with(kinds: &dyn Kinds, names: &[String]) -> Value {
    let mut schema = schemars::schema_for!(JobFile).to_value();
    schema["title"] = "Retrocast job".into();
    let common = schema["$defs"]["StageFile"].clone();
    let mut variants = Vec::new();
    let mut definitions = Map::new();
    for kind in names {
        let Some(mut params) = kinds.schema(kind) else {
            continue;
        };
        rename_definitions(&mut params, kind);
        if let Some(Value::Object(own)) = params
            .as_object_mut()
            .and_then(|params| params.remove("$defs"))
        {
            for (name, definition) in own {
                definitions.insert(format!("{kind}.{name}"), definition);
            }
        }
        let name = format!("stage.{kind}");
        definitions.insert(name.clone(), stage_schema(kind, &common, &params));
        variants.push(json!({ "$ref": format!("#/$defs/{name}") }));
    }
    if let Some(all) = schema["$defs"].as_object_mut() {
        all.remove("StageFile");
        all.extend(definitions);
    }
    schema["properties"]["stage"]["additionalProperties"] = if variants.is_empty() {
        common
    } else {
        json!({ "oneOf": variants, DISCRIMINATOR: "kind" })
    };
    schema
}

fn stage_schema(kind: &str, common: &Value, params: &Value) -> Value {
    let mut properties = params["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for (key, value) in common["properties"].as_object().into_iter().flatten() {
        properties.insert(key.clone(), value.clone());
    }
    properties.insert(
        "kind".to_string(),
        json!({ "const": kind, "description": "Kind of stage." }),
    );
    let mut required = vec![Value::from("kind")];
    required.extend(params["required"].as_array().cloned().unwrap_or_default());
    let mut schema = json!({
        "title": kind,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    for key in ["description", "allOf"] {
        if let Some(value) = params.get(key) {
            schema[key] = value.clone();
        }
    }
    schema
}

/// Prefixes the names of a kind's own definitions, so that those of two kinds cannot collide.
fn rename_definitions(schema: &mut Value, kind: &str) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(name) = target.strip_prefix("#/$defs/") {
                            *target = format!("#/$defs/{kind}.{name}");
                        }
                    }
                    other => rename_definitions(other, kind),
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| rename_definitions(item, kind)),
        _ => {}
    }
}
