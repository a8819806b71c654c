//! The newest runs of all jobs as an Atom feed (RFC 4287), for feed readers and chat bots.
//!
//! Links are relative to the feed, so the archive can be moved. Entry ids follow from the names of
//! the runs and times from their journals, so a rebuild changes nothing.

use crate::{
    entries::{JobEntry, RunEntry},
    words::clean,
};
use jiff::{Timestamp, tz::TimeZone};
use retrocast_domain::canonical;
use retrocast_run::RunStatus;
use serde::Serialize;

/// Maximum number of entries; older runs are in the archive.
const ENTRIES_MAX: usize = 50;

/// The feed, with the field names of its template.
#[derive(Debug, Serialize)]
pub(crate) struct FeedView {
    id: String,
    updated: String,
    entries: Vec<EntryView>,
}

#[derive(Debug, Serialize)]
struct EntryView {
    id: String,
    title: String,
    updated: String,
    summary: String,
    job: String,
    status: &'static str,
    href: String,
    /// Report files: link, media type and title.
    files: Vec<[String; 3]>,
}

const FILES: [(&str, &str, &str); 2] = [
    ("executive.pdf", "application/pdf", "Executive report"),
    ("technical.pdf", "application/pdf", "Technical report"),
];

pub(crate) fn view(jobs: &[JobEntry]) -> FeedView {
    let mut runs: Vec<(Timestamp, &JobEntry, &RunEntry)> = jobs
        .iter()
        .flat_map(|job| job.runs.iter().map(move |run| (updated(run), job, run)))
        // An active run has nothing to read yet.
        .filter(|(_, _, run)| run.summary.status != RunStatus::Running)
        .collect();
    runs.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.2.names.cmp(&b.2.names)));
    runs.truncate(ENTRIES_MAX);
    FeedView {
        id: identity(&["archive"]),
        updated: runs
            .first()
            .map_or(Timestamp::UNIX_EPOCH, |(time, ..)| *time)
            .to_string(),
        entries: runs.into_iter().map(entry).collect(),
    }
}

fn entry((time, job, run): (Timestamp, &JobEntry, &RunEntry)) -> EntryView {
    let status = run.summary.status.word();
    let status_note = match run.summary.status {
        RunStatus::Complete => String::new(),
        _ => format!(" ({status})"),
    };
    let window = clean(&run.names[1], 60);
    let href = run.href();
    let files = FILES
        .iter()
        .filter(|(name, ..)| run.folder.join(name).is_file());
    EntryView {
        id: identity(&run.names.each_ref().map(String::as_str)),
        title: format!("{}, {window}{status_note}", job.display_title()),
        updated: time.to_string(),
        summary: run.headline(),
        job: clean(&job.folder_name, 120),
        status,
        files: files
            .map(|(name, kind, title)| {
                [
                    format!("{href}{name}"),
                    (*kind).to_string(),
                    (*title).to_string(),
                ]
            })
            .collect(),
        href,
    }
}

/// End time of a run or, if it is unknown, its start or its date; 1970 if none is known.
fn updated(run: &RunEntry) -> Timestamp {
    let summary = &run.summary;
    let run_date = || Some(summary.date?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    summary
        .finished
        .or(summary.started)
        .or_else(run_date)
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// An entry id that does not depend on the location of the archive: a UUID (version 8) from names.
fn identity(names: &[&str]) -> String {
    let hash = canonical::hash(&("retrocast feed", names));
    let digits: Vec<char> = hash.chars().collect();
    let part = |from: usize, to: usize| digits[from..to].iter().collect::<String>();
    let variant = match digits[16].to_digit(16).unwrap_or(0) % 4 {
        0 => '8',
        1 => '9',
        2 => 'a',
        _ => 'b',
    };
    format!(
        "urn:uuid:{}-{}-8{}-{variant}{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_stable_and_well_formed() {
        let id = identity(&["weekly", "2026-W46", "r1"]);
        assert_eq!(id, identity(&["weekly", "2026-W46", "r1"]));
        assert_ne!(id, identity(&["weekly", "2026-W46r", "1"]));
        let parts: Vec<usize> = id["urn:uuid:".len()..].split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()["urn:uuid:".len() + 14], b'8');
    }
}
