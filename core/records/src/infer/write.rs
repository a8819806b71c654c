//! Writes a draft as the text of a contract.

use super::{
    choose::{Choice, Fields},
    excerpt, field_names, hints,
    inferred_type::{InferredType, Reading, combined_list, infer_reading},
    profile::{DISTINCT_MAX, Profile},
    records,
    sample::Sample,
    toml_string,
};
use jiff::Timestamp;
use std::{collections::BTreeMap, fmt::Write as _};

/// Minimum mean number of occurrences per string for strings to be listed as allowed values.
const MIN_MEAN_OCCURRENCES: u64 = 10;
/// Minimum number of occurrences of each allowed value.
const MIN_OCCURRENCES: u64 = 2;
/// Smallest limit of length, in characters.
const SMALLEST_LIMIT: usize = 64;
/// Minimum factor between the longest text seen and the declared maximum length.
const LENGTH_FACTOR: usize = 4;
/// Column of comments.
const COMMENT_COLUMN: usize = 30;

/// Writes a contract that all sampled records conform to; `None` if no field can be named.
pub(super) fn draft(name: &str, sample: &Sample) -> Option<String> {
    let mut out = DraftWriter {
        text: String::new(),
        fields: 0,
        omitted: Vec::new(),
        is_partial: sample.is_partial,
    };
    let field_names = field_names(sample.names.iter().chain(sample.profiles.keys()));
    let readings = readings(sample, &field_names);
    let fields = Fields {
        sample,
        readings: &readings,
    };
    let field_name = |name: &String| field_names.get(name.as_str()).cloned().unwrap_or_default();
    out.write_line(&format!("title = {}", toml_string(&title(name))), "");
    out.write_line("description = \"\"", "decide: describe what a record is");
    let key = fields.key();
    if key.fields.is_empty() {
        let _ = writeln!(out.text, "# {}", key.reason);
    } else {
        let names: Vec<String> = key
            .fields
            .iter()
            .map(|name| toml_string(&field_name(name)))
            .collect();
        out.write_line(&format!("key = [{}]", names.join(", ")), &key.reason);
    }
    if let Some(time) = &key.latest {
        let line = format!("latest = {}", toml_string(&field_name(time)));
        out.write_line(
            &line,
            "decide: of versions of one record, the last update counts",
        );
    }
    match fields.time() {
        Some(Choice { fields, reason, .. }) => {
            let name = fields.first().map(field_name).unwrap_or_default();
            out.write_line(&format!("time = {}", toml_string(&name)), &reason);
        }
        None => {
            let none =
                "# no time: no timestamp or date between 1970 and 2099 that every record has";
            let _ = writeln!(out.text, "{none}");
        }
    }
    let mut names: Vec<&String> = sample.profiles.keys().collect();
    let position = |name: &str| sample.names.iter().position(|other| other == name);
    names.sort_by_key(|name| position(name).unwrap_or(usize::MAX));
    for name in names {
        let Some((profile, reading)) = sample.profiles.get(name).zip(readings.get(name.as_str()))
        else {
            out.omitted.push(format!(
                "{} ({})",
                excerpt(name),
                omission_reason(sample, name)
            ));
            continue;
        };
        let (total, table) = (
            sample.records,
            format!("field.{}", toml_key(&field_name(name))),
        );
        let present = sample.repeated.get(name).copied();
        let present = present.unwrap_or(profile.seen.saturating_sub(reading.missing));
        out.write_head(&table, name, &field_name(name), reading);
        out.write_presence(present, total);
        out.write_values(&table, name, profile, reading, key.fields.contains(name));
    }
    out.write_empty_columns(sample, &field_names);
    if !out.omitted.is_empty() {
        let omitted = out.omitted.join(", ");
        let _ = write!(out.text, "\n# Counted as unknown: {omitted}\n");
    }
    (out.fields > 0).then_some(out.text)
}

/// The readings of all fields that can be named.
fn readings<'s>(
    sample: &'s Sample,
    field_names: &BTreeMap<&str, String>,
) -> BTreeMap<&'s str, Reading> {
    let named_profiles = sample.profiles.iter().filter(|(name, profile)| {
        // The same name for several cells and for a value in JSON is ambiguous.
        let is_ambiguous = sample.repeated.contains_key(*name) && profile.cells < profile.seen;
        field_names.contains_key(name.as_str()) && !is_ambiguous
    });
    let readings = named_profiles.map(|(name, profile)| {
        let reading = if sample.repeated.contains_key(name) {
            combined_list(name, profile)
        } else {
            infer_reading(name, profile)
        };
        (name.as_str(), reading)
    });
    readings.collect()
}

/// The reason why a field is not in the draft.
fn omission_reason(sample: &Sample, name: &str) -> &'static str {
    if sample.repeated.contains_key(name) {
        "several columns in one file, one field in others"
    } else {
        "invalid field name"
    }
}

/// Derives a title from a name: `incident_report` -> `Incident report`.
fn title(name: &str) -> String {
    let text = hints::words(name).join(" ");
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => "Records".to_string(),
    }
}

/// Writes the fields of a draft.
struct DraftWriter {
    text: String,
    /// Number of fields in the draft.
    fields: usize,
    /// Fields that are not in the draft, with the reasons.
    omitted: Vec<String>,
    /// True if the records that were not read may have further values.
    is_partial: bool,
}

impl DraftWriter {
    /// Adds a line with a comment, which may be empty.
    fn write_line(&mut self, line: &str, comment: &str) {
        let comment = if comment.is_empty() {
            String::new()
        } else {
            let width = COMMENT_COLUMN.saturating_sub(line.chars().count()).max(2);
            format!("{:width$}# {comment}", "")
        };
        let _ = writeln!(self.text, "{line}{comment}");
    }

    /// Adds the start of a field's table: name, type and notation.
    fn write_head(&mut self, table: &str, name: &str, field_name: &str, reading: &Reading) {
        self.fields += 1;
        let _ = writeln!(self.text, "\n[{table}]");
        let type_line = format!(
            "type = {}",
            toml_string(&reading.field_type.contract_type())
        );
        self.write_line(&type_line, reading.reason.as_deref().unwrap_or_default());
        if name != field_name {
            self.write_line(&format!("from = {}", toml_string(name)), "name in records");
        }
        for (line, reason) in &reading.lines {
            self.write_line(line, reason);
        }
        for note in &reading.notes {
            let _ = writeln!(self.text, "# {note}");
        }
    }

    /// Adds the limits of a field's values, and the tables of its nested fields.
    fn write_values(
        &mut self,
        table: &str,
        name: &str,
        profile: &Profile,
        reading: &Reading,
        is_key: bool,
    ) {
        let field_type = &reading.field_type;
        let inner = innermost(profile);
        let personal = !matches!(field_type.innermost(), InferredType::Struct)
            && Sample::is_personal(name, profile)
            && inner.booleans == 0;
        match field_type.innermost() {
            InferredType::Text => {
                self.write_texts(
                    inner,
                    *field_type == InferredType::Text && !is_key,
                    personal,
                );
            }
            InferredType::Integer | InferredType::Number => {
                self.write_numbers(name, inner, personal || reading.marked);
            }
            InferredType::Timestamp | InferredType::Date => self.write_times(reading),
            InferredType::Struct => {
                let names = field_names(inner.fields.keys());
                for (name, field) in &inner.fields {
                    let Some(field_name) = names.get(name.as_str()) else {
                        self.omitted
                            .push(format!("{} (invalid field name)", excerpt(name)));
                        continue;
                    };
                    let (table, reading) = (
                        format!("{table}.field.{}", toml_key(field_name)),
                        infer_reading(name, field),
                    );
                    self.write_head(&table, name, field_name, &reading);
                    self.write_presence(field.seen.saturating_sub(reading.missing), inner.objects);
                    self.write_values(&table, name, field, &reading, false);
                }
            }
            InferredType::Boolean | InferredType::Json | InferredType::List(_) => {}
        }
        if personal && !matches!(field_type.innermost(), InferredType::Text) {
            let line = "# decide: is it personal data? Then: personal = \"drop\"";
            let _ = writeln!(self.text, "{line}");
        }
    }

    /// Adds the number of records that have the field.
    fn write_presence(&mut self, present: u64, total: u64) {
        if present == total && total > 0 {
            self.write_line("required = true", &format!("in all {total}"));
        } else {
            let _ = writeln!(self.text, "# in {present} of {total}");
        }
    }

    fn write_texts(&mut self, profile: &Profile, can_be_enumerated: bool, personal: bool) {
        if personal {
            let reason = "decide: \"hash\", \"drop\", or \"keep\" if it is not personal data";
            self.write_line("personal = \"hash\"", reason);
        }
        let is_enumerated = can_be_enumerated && !personal && has_few_distinct_texts(profile);
        let words = profile.words.keys().map(|word| toml_string(word));
        let allowed = format!("allowed = [{}]", words.collect::<Vec<_>>().join(", "));
        let seen = times(profile.texts);
        if is_enumerated && !self.is_partial {
            let _ = writeln!(
                self.text,
                "# decide: any other text will be refused; these were seen {seen} in all\n{allowed}"
            );
        } else {
            if is_enumerated {
                let _ = writeln!(
                    self.text,
                    "# decide: if these, seen {seen} in the sample, are all: {allowed}"
                );
            }
            let max_length = profile
                .longest
                .saturating_mul(LENGTH_FACTOR)
                .max(SMALLEST_LIMIT);
            let max_length = max_length.checked_next_power_of_two().unwrap_or(max_length);
            let line = format!("max_length = {max_length}");
            self.write_line(&line, &format!("longest seen: {}", profile.longest));
        }
    }

    /// Adds the unit of numbers, and their range unless it is hidden.
    fn write_numbers(&mut self, name: &str, profile: &Profile, hidden: bool) {
        let unit = hints::unit(name, profile.range);
        if let Some(unit) = &unit {
            self.write_line(&format!("unit = {}", toml_string(unit)), "");
        }
        let Some((min, max)) = profile.range.filter(|_| !hidden) else {
            return;
        };
        let seen = format!("seen: {} to {}", number(min), number(max));
        if min >= 0.0 && hints::is_non_negative(name, unit.as_deref()) {
            self.write_line("min = 0", &seen);
        } else {
            let _ = writeln!(self.text, "# {seen}");
        }
    }

    fn write_times(&mut self, reading: &Reading) {
        if let Some((first, last)) = reading.span {
            let format_time =
                |micros| Timestamp::from_microsecond(micros).map(|time| time.to_string());
            if let (Ok(first), Ok(last)) = (format_time(first), format_time(last)) {
                let _ = writeln!(self.text, "# seen: {first} to {last}");
            }
        }
    }

    /// Lists columns of CSV files that are always empty.
    fn write_empty_columns(&mut self, sample: &Sample, field_names: &BTreeMap<&str, String>) {
        let cells = sample.profiles.values().any(|profile| profile.cells > 0);
        for name in sample.names.iter().filter(|_| cells) {
            if sample.profiles.contains_key(name) || name.ends_with('…') {
                continue;
            }
            let field_name = field_names
                .get(name.as_str())
                .filter(|_| !name.starts_with("(column "));
            let Some(field_name) = field_name else {
                self.omitted
                    .push(format!("{} (always empty)", excerpt(name)));
                continue;
            };
            let reading = if sample.repeated.contains_key(name) {
                Reading::empty().into_list()
            } else {
                Reading::empty()
            };
            self.write_head(
                &format!("field.{}", toml_key(field_name)),
                name,
                field_name,
                &reading,
            );
        }
    }
}

/// The profile of the innermost items of nested lists.
fn innermost(profile: &Profile) -> &Profile {
    let lists = profile.seen > 0 && profile.arrays == profile.seen;
    match profile.items.as_deref().filter(|_| lists) {
        Some(items) => innermost(items),
        None => profile,
    }
}

fn has_few_distinct_texts(profile: &Profile) -> bool {
    let distinct = profile.words.len() as u64;
    distinct > 1
        && profile.words.len() <= DISTINCT_MAX
        && profile.texts == profile.seen
        && !profile.words.contains_key("")
        && profile.texts >= distinct * MIN_MEAN_OCCURRENCES
        && profile
            .words
            .values()
            .all(|times| *times >= MIN_OCCURRENCES)
}

fn times(n: u64) -> String {
    retrocast_domain::number::plural(n, "time").replace('\u{a0}', " ")
}

fn number(value: f64) -> String {
    let is_whole = value.fract() == 0.0 && value.abs() < 1e15;
    if is_whole {
        format!("{value:.0}")
    } else {
        serde_json::Value::from(value).to_string()
    }
}

/// Formats a TOML key.
fn toml_key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.chars().all(is_bare) {
        name.to_string()
    } else {
        toml_string(name)
    }
}

/// The header of the draft.
pub(super) fn header(sample: &Sample, refusals: &[String]) -> String {
    let files = retrocast_domain::number::plural(sample.files.len() as u64, "file");
    let mut text = format!(
        "# A draft, inferred from {} of {}. It describes these records, not what records must\n\
         # be: review it, resolve the comments with \"decide\", and write descriptions.\n",
        records(sample.records),
        files.replace('\u{a0}', " "),
    );
    if sample.is_partial {
        text.push_str(
            "# They are a sample: the other records may have values that this draft refuses. A higher --records reads\n\
             # more of them.\n",
        );
    }
    if sample.broken > 0 {
        let _ = writeln!(
            text,
            "# In addition, {} could not be parsed.",
            records(sample.broken)
        );
    }
    for (file, reason) in sample.damaged.iter().take(3) {
        let _ = writeln!(
            text,
            "# Not read completely: {}: {}",
            excerpt(file),
            excerpt(reason)
        );
    }
    for sentence in refusals {
        let _ = writeln!(text, "# {sentence}");
    }
    text.push('\n');
    text
}
