//! The JSON Schema of a job file, shared by editors and the checker.
//!
//! The structs here describe the keys of every job; each kind of stage has a schema of its params.
//! They are merged into one document, in which a stage is one of the kinds, selected by `kind`.

// The structs only describe the schema; values are read from the tree, which has spans.
#![allow(dead_code)]

use super::{
    FALSE_CLAIMS, RESTATEMENT_CHANGE_MIN,
    delivery::{NotificationKind, RunResultKind, SendPolicy},
    document::SpannedValue,
    params::ParamKind,
    schedule::{DEFAULT_CATCH_UP_MAX, DEFAULT_RETRY, Missed},
};
use crate::kinds::Kinds;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The keyword that names the key whose value selects the variant of a `oneOf`.
pub const DISCRIMINATOR: &str = "x-discriminator";

/// A job, which turns records into reports.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct JobFile {
    /// Title of the reports.
    #[schemars(length(min = 1, max = 200))]
    title: String,
    /// Owner of the reports, such as a mail address.
    owner: Option<String>,
    /// Period to report on: "day", "week", "month", "quarter" or a number of days, such as
    /// "14 days". A run reports on the last complete window before its date.
    window: String,
    /// Periods to compare the window with: "previous", or a number of earlier windows, such as
    /// "4 weeks".
    compare: Option<Vec<String>>,
    /// IANA name of the time zone in which days begin, such as "Europe/London".
    #[serde(default = "default_timezone")]
    timezone: String,
    /// Probability that a report with nothing to find contains a false claim. It is shared among
    /// the stages that make claims: each has an equal part as its `alpha`, unless that is set.
    #[serde(default = "default_false_claims")]
    #[schemars(range(min = 1e-4, max = 0.5))]
    false_claims: f64,
    /// Schedule of the job.
    schedule: Option<ScheduleFile>,
    /// Reports that may be removed when the disk is full; by default none.
    retention: Option<RetentionFile>,
    /// Figures of earlier windows that changed after publication.
    restatement: Option<RestatementFile>,
    /// Runs to send as mail; `mail.toml` of the workspace names the mail server.
    mail: Option<MailFile>,
    /// Receivers of notifications, by name: a signed webhook, Slack or Microsoft Teams.
    notify: Option<BTreeMap<String, NotificationFile>>,
    /// Parameters of the job, used as `${params.NAME}`.
    params: Option<BTreeMap<String, ParamFile>>,
    /// Sources of records, by name of the dataset.
    source: Option<BTreeMap<String, SourceFile>>,
    /// Queries and analyses, by name.
    stage: Option<BTreeMap<String, StageFile>>,
    /// Reports, by reader.
    report: Option<ReportsFile>,
}

fn default_timezone() -> String {
    "UTC".to_string()
}

fn default_false_claims() -> f64 {
    FALSE_CLAIMS
}

/// Schedule of the job.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleFile {
    /// Cron expression (minute, hour, day of month, month, weekday) in the job's time zone, such as
    /// "0 9 * * SUN". A time that the clock skips is due as long after midnight as on other days; a
    /// time that occurs twice is due once, unless the job is due every hour.
    cron: String,
    /// Missed runs to catch up.
    #[serde(default)]
    missed: Missed,
    /// Maximum number of missed runs to catch up when `missed` is "all"; only the newest run.
    #[serde(default = "default_most")]
    #[schemars(range(min = 1, max = 1000))]
    most: i64,
    /// Waits before the retries of a failed run, in order. After the last retry, the run is given
    /// up until the next due time.
    #[serde(default = "default_retry")]
    #[schemars(length(max = 10))]
    retry: Vec<String>,
    /// Mail address for alerts about repeated failures; by default the job's owner.
    admin: Option<String>,
    /// Number of failures, of one due time or in a row, before an alert is sent; by default 3, or
    /// when the run is given up.
    #[schemars(range(min = 1, max = 100))]
    tell_after: Option<i64>,
    /// Conditions that must hold before a run starts; until then, the run waits.
    only_if: Option<OnlyIfFile>,
}

fn default_most() -> i64 {
    i64::from(DEFAULT_CATCH_UP_MAX)
}

fn default_retry() -> Vec<String> {
    DEFAULT_RETRY.map(str::to_string).into()
}

/// Conditions that must hold before a run starts.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct OnlyIfFile {
    /// Maximum load of the last minute per processor, such as 0.8.
    #[schemars(range(min = 0.01, max = 1000.0))]
    load_below: Option<f64>,
    /// Free space on the disks of lake and archive, such as "2 GiB".
    free_disk: Option<String>,
    /// Free memory, such as "2 GiB".
    free_memory: Option<String>,
    /// Maximum age at the due time of the newest file of each required source, such as "26 hours".
    fresh_within: Option<String>,
}

/// Reports that may be removed when the disk is full: a run removes the oldest of them, continues,
/// and the next report mentions it.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct RetentionFile {
    /// Age of windows above which reports may be removed, such as "26 weeks" or "2 years".
    keep: String,
    /// Number of newest windows that are always kept; by default 4.
    #[schemars(range(min = 1, max = 100_000))]
    at_least: Option<i64>,
}

/// Figures of earlier windows that changed after publication.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct RestatementFile {
    /// Minimum relative change for a figure to be listed; smaller changes are only counted. For
    /// shares, relative to the smaller of the share and its complement.
    #[serde(default = "default_restatement")]
    #[schemars(range(min = 0.0, max = 10.0))]
    change_min: f64,
}

fn default_restatement() -> f64 {
    RESTATEMENT_CHANGE_MIN
}

/// Runs to send as mail to the recipients of the reports.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct MailFile {
    /// Scheduled runs, all runs, or none.
    #[serde(default)]
    send: SendPolicy,
}

/// A receiver of notifications about runs.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct NotificationFile {
    /// Service that receives them.
    kind: NotificationKind,
    /// Address, as a reference to a secret: "${secret.NAME}".
    url: String,
    /// Key of the signatures of a webhook, as a reference to a secret. The variable holds whsec_
    /// and the key in base64.
    secret: Option<String>,
    /// Results of runs to send notifications about; by default all.
    #[schemars(length(min = 1))]
    on: Option<Vec<RunResultKind>>,
    /// Scheduled runs, all runs, or none.
    #[serde(default)]
    send: SendPolicy,
    /// Base address of the archive for links; by default that of `mail.toml`.
    link: Option<String>,
}

/// A parameter of the job.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct ParamFile {
    /// Type.
    #[serde(rename = "type")]
    kind: ParamKind,
    /// Default value; without one, the parameter must be set.
    default: Option<Value>,
    /// Description.
    description: Option<String>,
    /// The allowed values; by default any.
    allowed: Option<Vec<Value>>,
}

/// Records to read.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    /// Location of the records: a path or URL. *, **, ? and [..] match files; {year}, {month},
    /// {day} and {date} match dates; only files dated in the window are read.
    #[schemars(length(min = 1))]
    uri: String,
    /// Contract of the records: a file in contracts/.
    contract: String,
    /// Format of the records; by default from the file name.
    format: Option<Format>,
    /// Delimiter of CSV; by default detected.
    #[schemars(length(min = 1, max = 1))]
    delimiter: Option<String>,
    /// Quote character of CSV; by default ".
    #[schemars(length(min = 1, max = 1))]
    quote: Option<String>,
    /// Character at the start of comment lines in CSV.
    #[schemars(length(min = 1, max = 1))]
    comment: Option<String>,
    /// True if CSV has a header line with column names.
    header: Option<bool>,
    /// Column names of CSV, instead of those in the file.
    columns: Option<Vec<String>>,
    /// Encoding of text without a byte-order mark, such as "windows-1252"; by default UTF-8.
    encoding: Option<String>,
    /// Time before the window for which daily files are read, such as "60 weeks"; by default all.
    history: Option<String>,
    /// True if the run fails when there are no files.
    #[serde(default = "default_true")]
    required: bool,
    /// Timeout, such as "10 minutes".
    timeout: Option<String>,
    /// Number of retries after a transient failure.
    #[schemars(range(min = 0, max = 10))]
    retries: Option<i64>,
}

fn default_true() -> bool {
    true
}

/// Format of the records.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// One JSON object per line.
    Jsonl,
    /// Arrays of JSON objects, or concatenated objects.
    Json,
    /// Comma-separated values with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// The keys of every stage besides the params of its kind.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct StageFile {
    /// Kind of stage.
    kind: String,
    /// Title in the reports.
    title: Option<String>,
    /// True if reports are written without this stage when it fails.
    #[serde(default)]
    optional: bool,
    /// Timeout, such as "10 minutes".
    timeout: Option<String>,
    /// Number of retries after a transient failure.
    #[schemars(range(min = 0, max = 10))]
    retries: Option<i64>,
}

/// The JSON Schema of the keys that every stage has, whatever its kind.
pub fn common_stage_schema() -> Value {
    schemars::schema_for!(StageFile).to_value()
}

/// Keys of every stage, whatever its kind.
pub const COMMON_STAGE_KEYS: [&str; 5] = ["kind", "title", "optional", "timeout", "retries"];

/// Reports, by reader.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReportsFile {
    /// A summary of a few pages, for decisions.
    executive: Option<ReportFile>,
    /// One chapter per stage, with methods and tables, for review.
    technical: Option<ReportFile>,
}

/// A report.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReportFile {
    /// Mail addresses of the recipients.
    to: Option<Vec<String>>,
    /// Title of the report; by default the job's.
    title: Option<String>,
    /// Stages in the report; by default all.
    stages: Option<Vec<String>>,
    /// Column, such as "component", with one additional report for each of its values, without
    /// anything about the others.
    each: Option<String>,
    /// Recipients of the reports of `each`; only values with a recipient get a report.
    recipients: Option<RecipientsFile>,
    /// True if the reports of `each` also contain results about all records; by default false.
    shared: Option<bool>,
    /// Language of headings, labels, numbers and dates.
    language: Option<LanguageFile>,
    /// Text of the author, printed as written; an empty line starts a paragraph.
    note: Option<String>,
}

/// A dataset with one recipient per row.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct RecipientsFile {
    /// Source or stage with the recipients.
    dataset: String,
    /// Column with the value of `each`; by default the column of that name.
    key: Option<String>,
    /// Column with the mail address.
    to: String,
}

/// A language of reports.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum LanguageFile {
    /// English.
    En,
    /// German.
    De,
}

/// The JSON Schema of a job file with the given kinds of stage.
pub fn job_schema(kinds: &dyn Kinds) -> Value {
    schema_with(kinds, &kinds.names())
}

/// The schema with only the kinds that a document names, if all of them are known: most jobs use
/// few, and every check builds the schema again.
pub(super) fn schema_for(kinds: &dyn Kinds, document: &SpannedValue) -> Value {
    let names = kinds.names();
    let stages = document.get("stage").map_or(&[][..], SpannedValue::entries);
    let named = stages
        .iter()
        .map(|stage| stage.item.get("kind").and_then(SpannedValue::text));
    match named.collect::<Option<BTreeSet<&str>>>() {
        Some(named)
            if named
                .iter()
                .all(|kind| names.iter().any(|name| name == kind)) =>
        {
            let used: Vec<String> = named.into_iter().map(str::to_string).collect();
            schema_with(kinds, &used)
        }
        _ => schema_with(kinds, &names),
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
        if let Some(Value::Object(kind_definitions)) = params
            .as_object_mut()
            .and_then(|params| params.remove("$defs"))
        {
            for (name, definition) in kind_definitions {
                definitions.insert(format!("{kind}.{name}"), definition);
            }
        }
        let name = format!("stage.{kind}");
        definitions.insert(name.clone(), stage_schema(kind, &common, &params));
        variants.push(json!({ "$ref": format!("#/$defs/{name}") }));
    }
    if let Some(all_definitions) = schema["$defs"].as_object_mut() {
        all_definitions.remove("StageFile");
        all_definitions.extend(definitions);
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

/// Prefixes the names of a kind's definitions, so that those of two kinds cannot collide.
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
