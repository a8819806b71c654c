//! Notes on data and method for the reader, as sentences.

use super::title;
use crate::words::{capitalise, describe_violation};
use jiff::civil::Date;
use retrocast_domain::{
    Cell, CellStatus, Window,
    number::{count, list, percent, plural},
    report::{PlanNode, SourceNote},
    window::{date_in_words, range},
};
use std::collections::BTreeSet;

/// Maximum number of reasons, fields or files named in one sentence; the others are counted.
const NAMED_MAX: usize = 3;

/// Lists the first few items in words, and counts the others.
pub(super) fn list_first(items: &[String], total: u64, noun: &str) -> String {
    let shown: Vec<String> = items.iter().take(NAMED_MAX).cloned().collect();
    let hidden = total.saturating_sub(shown.len() as u64);
    if hidden == 0 {
        return list(&shown);
    }
    format!(
        "{} and {}",
        shown.join(", "),
        plural(hidden, &format!("further {noun}"))
    )
}

/// Notices about the data behind all figures: those of the stages or, if no stage has any, a notice
/// if records are missing at the window's end.
pub(super) fn notices(cells: &[Cell], window: &Window) -> Vec<String> {
    let mut notices: Vec<String> = Vec::new();
    for notice in cells.iter().flat_map(|cell| &cell.notices) {
        if !notices.contains(notice) {
            notices.push(notice.clone());
        }
    }
    if notices.is_empty() {
        notices.extend(missing_at_end(cells, window));
    }
    notices
}

/// "Records are missing from 19 to 22 November 2026: ...", as stages judged it from the rhythm of the
/// records: a weekly source has none after its day.
fn missing_at_end(cells: &[Cell], window: &Window) -> Option<String> {
    let first = cells.iter().filter_map(|cell| cell.missing_from).min()?;
    let last = window.end.yesterday().ok()?;
    (window.start < first && first <= last).then(|| {
        let days = if first == last {
            format!("on {}", date_in_words(first))
        } else {
            format!("from {}", range(first, last))
        };
        let noun = window.spec.noun();
        format!("Records are missing {days}: figures of the {noun} do not cover those days.")
    })
}

/// Notes on sources with records dated after the report; their clocks may be wrong.
pub(super) fn later_records(sources: &[SourceNote], timezone: &str, date: Date) -> Vec<String> {
    let later = sources.iter().filter_map(|source| {
        let [_, last] = source.days(timezone);
        Some((source, last.filter(|last| *last > date)?))
    });
    let note = |(source, last): (&SourceNote, Date)| {
        format!(
            "{}: the newest record is dated {}, which is after the date of this report, {}; records \
             dated after the period are not counted.",
            source.name,
            date_in_words(last),
            date_in_words(date)
        )
    };
    later.map(note).collect()
}

/// Notes on the sources, on missing records, and on stages without a result.
pub(super) fn notes(
    cells: &[Cell],
    sources: &[SourceNote],
    plan: &[PlanNode],
    window: &Window,
) -> Vec<String> {
    let mut notes: Vec<String> = sources.iter().flat_map(source_notes).collect();
    notes.extend(missing_record_notes(cells, sources, plan, window));
    for cell in cells {
        let name = title(cell);
        match &cell.status {
            CellStatus::Done => {}
            CellStatus::NotEnough { message } => {
                notes.push(format!(
                    "“{name}” had too little data: {}.",
                    without_advice(without_prefix(message))
                ));
            }
            CellStatus::Failed { message } => {
                notes.push(format!("“{name}” failed: {}.", without_name(cell, message)));
            }
            CellStatus::NotRun { reason } => notes.push(format!("“{name}” was not run: {reason}.")),
        }
    }
    for note in &mut notes {
        while note.ends_with("..") {
            note.pop();
        }
    }
    notes
}

/// Collects the nodes that a node of the plan reads, directly or through other nodes.
fn collect_inputs<'a>(plan: &'a [PlanNode], name: &str, seen: &mut BTreeSet<&'a str>) {
    let node = plan.iter().find(|node| node.name == name);
    for input in node.iter().flat_map(|node| &node.inputs) {
        if seen.insert(input) {
            collect_inputs(plan, input, seen);
        }
    }
}

/// Notes on sources without a record in the window, and on stages that found no record for another
/// reason, such as a filter.
fn missing_record_notes(
    cells: &[Cell],
    sources: &[SourceNote],
    plan: &[PlanNode],
    window: &Window,
) -> Vec<String> {
    let is_empty = |cell: &&Cell| cell.status == CellStatus::Done && cell.records == Some(0);
    let is_outside = |source: &SourceNote| match source.days(&window.timezone) {
        [Some(first), Some(last)] => last < window.start || window.end <= first,
        _ => false,
    };
    let outside: Vec<&SourceNote> = sources.iter().filter(|source| is_outside(source)).collect();
    let mut named = BTreeSet::new();
    let mut titles = Vec::new();
    for cell in cells.iter().filter(is_empty) {
        let mut inputs = BTreeSet::new();
        collect_inputs(plan, &format!("stage.{}", cell.stage), &mut inputs);
        let empty = outside.iter().map(|source| source.name.as_str());
        let empty: Vec<&str> = empty
            .filter(|name| inputs.contains(format!("source.{name}").as_str()))
            .collect();
        if empty.is_empty() {
            titles.push(title(cell));
        }
        named.extend(empty);
    }
    let mut notes = Vec::new();
    for source in outside
        .iter()
        .filter(|source| named.contains(source.name.as_str()))
    {
        let no_records = capitalise(&window.spec.without_records_of(&source.name));
        let [_, last] = source.days(&window.timezone);
        let last = last.filter(|last| *last < window.start);
        let newest = last.map(|last| format!("; the last is dated {}", date_in_words(last)));
        notes.push(format!("{no_records}{}.", newest.unwrap_or_default()));
    }
    if !titles.is_empty() {
        let no_records = capitalise(&window.spec.without_records());
        let stages = list_first(&titles, titles.len() as u64, "stage");
        notes.push(format!("{no_records} for {stages}."));
    }
    notes
}

/// Removes the advice on the contract, which the section of the stage has.
fn without_advice(message: &str) -> &str {
    let advice = message.find("; if the absence of records means");
    advice.map_or(message, |start| &message[..start])
}

/// Removes the prefix "not enough: ", which the surrounding sentence already expresses.
pub fn without_prefix(message: &str) -> &str {
    message.strip_prefix("not enough: ").unwrap_or(message)
}

/// Removes the name of the stage from a failure message, because the surrounding text has it.
pub fn without_name<'a>(cell: &Cell, message: &'a str) -> &'a str {
    let name = format!("stage.{}: ", cell.stage);
    message.strip_prefix(&name).unwrap_or(message)
}

pub(super) fn source_notes(source: &SourceNote) -> Vec<String> {
    let name = &source.name;
    let mut notes = vec![read_note(source)];
    let broken: Vec<String> = source
        .broken_files
        .iter()
        .map(|(file, reason)| format!("{} ({reason})", file_name(file)))
        .collect();
    if !broken.is_empty() {
        let files = plural(broken.len() as u64, "file");
        let named = list_first(&broken, broken.len() as u64, "file");
        notes.push(format!(
            "{name}: {files} could not be read completely: {named}."
        ));
    }
    let unknown: Vec<String> = source
        .unknown_fields
        .iter()
        .map(|(field, n)| format!("{field} ({})", plural(*n, "record")))
        .collect();
    if !unknown.is_empty() {
        let fields = plural(unknown.len() as u64, "field");
        let verb = if unknown.len() == 1 { "is" } else { "are" };
        let named = list_first(&unknown, unknown.len() as u64, "field");
        notes.push(format!(
            "{name}: {fields} {verb} not in the contract: {named}."
        ));
    }
    notes.extend(source.warnings.iter().cloned());
    notes
}

/// Describes the number of records read and accepted, and why the others were not.
fn read_note(source: &SourceNote) -> String {
    let name = &source.name;
    let files = plural(source.files, "file");
    if source.records == 0 {
        return format!("{name}: no records in {files}.");
    }
    // A percentage of a few records would suggest more than there are.
    let share = match source.records {
        0..100 => count(source.accepted),
        // A record that another one with its key replaces was not refused.
        records => percent((source.accepted + source.duplicates) as f64 / records as f64),
    };
    let records = plural(source.records, "record");
    let mut text = format!("{name}: {records} in {files}, {share} accepted");
    let refused: u64 = source.quarantined.iter().map(|(_, n)| n).sum();
    if let [(reason, n)] = source.quarantined.as_slice() {
        text.push_str(&format!(
            "; {} left out ({})",
            count(*n),
            describe_violation(reason)
        ));
    } else if refused > 0 {
        let words: Vec<String> = source
            .quarantined
            .iter()
            .map(|(reason, n)| format!("{} ({})", count(*n), describe_violation(reason)))
            .collect();
        let named = list_first(&words, words.len() as u64, "reason");
        text.push_str(&format!("; {} left out: {named}", count(refused)));
    }
    if source.duplicates > 0 {
        text.push_str(&format!("; {}", plural(source.duplicates, "duplicate")));
    }
    text.push('.');
    text
}

/// The last part of an address; the chapter on data quality has the full address.
fn file_name(address: &str) -> &str {
    let name = address.rsplit('/').next();
    name.filter(|name| !name.is_empty()).unwrap_or(address)
}
