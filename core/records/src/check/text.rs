//! Formats the result of a check.

use super::{CheckReport, Example};
use retrocast_domain::number::{NBSP, count, percent, plural};
use std::fmt;

/// Maximum number of listed names; further names are counted.
const NAMES_MAX: usize = 12;

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let refused: u64 = self.refused.iter().map(|refused| refused.records).sum();
        writeln!(
            f,
            "{} in {} of {} tested against {:?}: {} accepted, {} refused",
            plural(self.records, "record"),
            plural(self.files, "file"),
            self.uri,
            self.contract,
            count(self.accepted),
            count(refused),
        )?;
        if !self.complete {
            writeln!(f, "  not all records were checked")?;
        }
        for refused in &self.refused {
            writeln!(
                f,
                "{}: {}",
                refused.reason,
                plural(refused.records, "record")
            )?;
            for example in &refused.examples {
                writeln!(f, "  {example}")?;
            }
            let more = refused.records - refused.examples.len() as u64;
            if more > 0 {
                writeln!(f, "  and {} more", count(more))?;
            }
        }
        for (file, reason) in &self.broken_files {
            writeln!(f, "not read completely: {file:?}: {reason}")?;
        }
        if self.duplicates > 0 {
            let duplicates = plural(self.duplicates, "record");
            let counted = match &self.latest {
                Some(field) => format!("the one with the latest {field} counts"),
                None => "the last one counts".to_string(),
            };
            writeln!(
                f,
                "duplicates: {duplicates} with the key of an earlier record; {counted}"
            )?;
        }
        let names = |pairs: &[(String, u64)]| {
            let listed = pairs
                .iter()
                .map(|(name, n)| format!("{name} ({})", count(*n)));
            list_names(listed.collect())
        };
        if !self.unknown_fields.is_empty() {
            let fields = names(&self.unknown_fields);
            writeln!(f, "fields that the contract does not declare: {fields}")?;
        }
        if !self.missing_fields.is_empty() {
            let fields = list_names(self.missing_fields.clone());
            writeln!(f, "fields that no record had: {fields}")?;
        }
        if !self.retyped_fields.is_empty() {
            let fields = names(&self.retyped_fields);
            writeln!(f, "fields of another type: {fields}")?;
        }
        let partly_null = self
            .nulls
            .iter()
            .filter(|nulls| nulls.records > 0 && !self.missing_fields.contains(&nulls.field));
        let partly_null: Vec<String> = partly_null
            .map(|nulls| format!("{} {}", nulls.field, percent(nulls.share)))
            .collect();
        if !partly_null.is_empty() {
            writeln!(f, "null: {}", list_names(partly_null))?;
        }
        if let Some((first, last)) = self.times {
            let age = self.age_hours.unwrap_or_default();
            let newest = if age < 0.0 {
                format!("{} from now", hours(-age))
            } else {
                format!("{} ago", hours(age))
            };
            writeln!(f, "times: {first} to {last}, the newest {newest}")?;
        }
        for expected in &self.expected {
            let met = if expected.met { "met" } else { "not met" };
            writeln!(f, "expected, {met}: {}; {}", expected.what, expected.found)?;
        }
        Ok(())
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        if !self.field.is_empty() {
            write!(f, " {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

fn list_names(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    if more > 0 {
        names.push(format!("and {} more", count(more as u64)));
    }
    names.join(", ")
}

/// Formats a number of hours; as days from 72 hours on.
fn hours(hours: f64) -> String {
    if hours.abs() < 72.0 {
        format!("{hours:.1}{NBSP}hours")
    } else {
        format!("{:.0}{NBSP}days", hours / 24.0)
    }
}
