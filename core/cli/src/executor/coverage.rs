//! Compares the period of the records with the window of a run.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use retrocast_domain::{Window, report::SourceNote, window::date_in_words};

/// Returns a message if a window is before or after all records; `None` otherwise, or if no source
/// has times.
pub fn outside_message(sources: &[SourceNote], window: &Window) -> Option<String> {
    let (first, last) = record_period(sources, window)?;
    (window.end <= first || window.start > last).then(|| message(window, first, last))
}

/// Returns a sentence if a window is before all records. A window after the last record may be empty
/// for a good reason, which the stages check.
pub fn early_window_notice(sources: &[SourceNote], window: &Window) -> Option<String> {
    let (first, last) = record_period(sources, window)?;
    let sentence = || format!("{}.", capitalize(&message(window, first, last)));
    (window.end <= first).then(sentence)
}

fn message(window: &Window, first: Date, last: Date) -> String {
    let (label, period) = (window.label(), window.words());
    let (first, last) = (date_in_words(first), date_in_words(last));
    format!("no records in {label} ({period}): the records cover {first} to {last}")
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// First and last day of all records with times, in the window's zone.
fn record_period(sources: &[SourceNote], window: &Window) -> Option<(Date, Date)> {
    let zone = TimeZone::get(&window.timezone).ok()?;
    let day = |time: &str| Some(zone.to_datetime(time.parse::<Timestamp>().ok()?).date());
    let first = sources.iter().filter_map(|source| day(&source.first_time));
    let last = sources.iter().filter_map(|source| day(&source.last_time));
    Some((first.min()?, last.max()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(first: &str, last: &str) -> SourceNote {
        let note = serde_json::json!({
            "name": "tickets", "uri": "", "contract": "ticket", "files": 1, "records": 2,
            "accepted": 2, "quarantined": [], "duplicates": 0, "broken_files": [],
            "unknown_fields": [], "first_time": first, "last_time": last,
        });
        serde_json::from_value(note).unwrap()
    }

    #[test]
    fn windows_outside_of_the_records_are_reported() {
        let sources = [
            source("2026-01-01T00:00:00Z", "2026-11-08T23:30:00Z"),
            source("2025-07-03T09:00:00Z", "2026-10-01T09:00:00Z"),
            source("", ""),
        ];
        let record_period = "the records cover 3 July 2025 to 9 November 2026";
        for (label, is_outside, is_early) in [
            ("1850-W01", true, true),
            ("2025-W26", true, true),
            ("2025-W27", false, false),
            ("2026-W45", false, false),
            // In Berlin the last record is on 9 November.
            ("2026-W46", false, false),
            ("2026-W47", true, false),
        ] {
            let window = Window::parse(label, "Europe/Berlin").unwrap();
            let period = window.words();
            let message = format!("no records in {label} ({period}): {record_period}");
            assert_eq!(
                outside_message(&sources, &window),
                is_outside.then_some(message.clone()),
                "{label}"
            );
            let notice = format!("N{}.", &message[1..]);
            assert_eq!(
                early_window_notice(&sources, &window),
                is_early.then_some(notice),
                "{label}"
            );
        }
        let window = Window::parse("1850-W01", "UTC").unwrap();
        assert_eq!(outside_message(&[source("", "")], &window), None);
    }
}
