//! Formats a failure as plain text, for the body of a mail.

use super::{earlier_runs::EarlierRun, facts::Failure};
use crate::layout::Page;
use retrocast_domain::number::{NBSP, THIN, list};

/// Maximum width of lines, in columns.
const WIDTH_MAX: usize = 76;
/// Maximum number of journal lines, from the end; the page has more.
const EVENTS_MAX: usize = 8;

pub(super) fn text(failure: &Failure) -> String {
    let mut page = Page::new(WIDTH_MAX);
    page.paragraph(&format!("{}: {}", failure.headline, failure.title));
    page.blank();
    let mut facts = vec![
        ("job", failure.job.clone()),
        ("window", failure.window.clone()),
    ];
    if !failure.owner.is_empty() {
        facts.push(("owner", failure.owner.clone()));
    }
    let run = [failure.run.as_str(), failure.ended.as_str()];
    facts.push(("run", run.join(", ").trim_end_matches(", ").to_string()));
    facts.push(("last report", describe_run(failure.last.as_ref())));
    if failure.earlier.is_some() {
        facts.push(("this window", describe_run(failure.earlier.as_ref())));
    }
    page.entries(&label_entries(facts));
    page.blank();
    page.line("What failed");
    for failed in &failure.faults {
        let facts = match failed.facts.as_str() {
            "" => String::new(),
            facts => format!(" ({facts})"),
        };
        page.indented("  ", &format!("{}{facts}", failed.node));
        page.indented("    ", &failed.message);
        for line in &failed.advice {
            page.indented("    ", line);
        }
    }
    if failure.faults.is_empty() {
        page.line("  The journal names no node that failed.");
    }
    page.blank();
    page.line("What to do");
    page.paragraph(&failure.todo);
    page.blank();
    page.line(&format!("  {}", failure.command));
    let mut missing = Vec::new();
    for (label, names) in [("reports", &failure.reports), ("not run", &failure.skipped)] {
        if !names.is_empty() {
            missing.push((label, list(names)));
        }
    }
    page.list("What is missing", &label_entries(missing));
    if !failure.finished.is_empty() {
        page.blank();
        page.line("Finished nodes");
        let heading = failure.finished_text.trim_end_matches('.');
        page.paragraph(&format!("{heading}: {}.", list(&failure.finished)));
    }
    let events = &failure.events[failure.events.len().saturating_sub(EVENTS_MAX)..];
    let lines = events.iter().map(|event| {
        let message = match (event.node.as_str(), event.message.as_str()) {
            (node, "") => node.to_string(),
            (node, message) => format!("{node}: {message}"),
        };
        (format!("{}  {}", event.time, event.event), message)
    });
    page.list("The end of the journal", &lines.collect::<Vec<_>>());
    // Plain spaces are enough in a mail.
    page.text.replace([NBSP, THIN], " ")
}

fn label_entries(pairs: Vec<(&str, String)>) -> Vec<(String, String)> {
    pairs
        .into_iter()
        .map(|(label, text)| (label.to_string(), text))
        .collect()
}

fn describe_run(run: Option<&EarlierRun>) -> String {
    run.map_or_else(
        || "none".to_string(),
        |run| format!("{} ({}), created {}", run.window, run.period, run.created),
    )
}
