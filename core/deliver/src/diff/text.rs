//! A difference as text: a summary in a few lines, then the parts that differ.

mod setup;
mod summary;

use super::{
    ComparedRun, Difference, Pair,
    figures::Figure,
    findings::{Claim, ImprovementVerdicts, PersistingFinding},
};
use crate::{
    layout::{ENTRIES_MAX, Page, align},
    words::clean,
};
use retrocast_domain::{FindingDecision, Restatement};

/// Maximum width of lines, in columns.
const WIDTH_MAX: usize = 100;

pub(super) fn text(difference: &Difference) -> String {
    let mut page = Page::new(WIDTH_MAX);
    write_run_headings(&mut page, &difference.runs);
    for sentence in summary::summary(difference) {
        page.paragraph(&sentence);
    }
    let findings = &difference.findings;
    write_claims(&mut page, "New findings", &findings.new);
    write_claims(&mut page, "Resolved findings", &findings.resolved);
    write_changed_findings(&mut page, &findings.changed);
    write_figures(&mut page, &difference.metrics, &difference.runs);
    write_improvements(&mut page, &difference.effects);
    write_decisions(&mut page, &difference.decisions);
    write_restated_figures(&mut page, &difference.restated);
    setup::write_records(&mut page, &difference.inputs);
    setup::write_settings(&mut page, difference);
    setup::write_nodes(&mut page, difference);
    let unreadable = difference.unreadable.iter();
    page.list(
        "Left out",
        &entries(unreadable, |text| (String::new(), clean(text, 300))),
    );
    page.text
}

/// Adds the two runs, one per line, after the job if it is the same.
fn write_run_headings(page: &mut Page, runs: &Pair<ComparedRun>) {
    let same_job = runs.old.job == runs.new.job;
    if same_job {
        let (title, job) = (clean(&runs.new.title, 120), clean(&runs.new.job, 80));
        page.line(&if title.is_empty() {
            job
        } else {
            format!("{title} ({job})")
        });
    }
    let rows = [("from", &runs.old), ("to", &runs.new)].map(|(word, run)| {
        let job = if same_job {
            String::new()
        } else {
            clean(&run.job, 80)
        };
        let status = run.status.word();
        [
            word.to_string(),
            job,
            clean(&run.window, 60),
            clean(&run.period, 80),
            format!("run {}, {status}", clean(&run.run, 60)),
        ]
    });
    for row in align(&rows, &[]) {
        page.line(&row);
    }
    page.blank();
}

/// The entries of a list, each a label and its text.
fn entries<T>(
    items: impl Iterator<Item = T>,
    show: impl Fn(T) -> (String, String),
) -> Vec<(String, String)> {
    items.map(show).collect()
}

fn write_claims(page: &mut Page, title: &str, claims: &[Claim]) {
    let show = |claim: &Claim| {
        (
            claim.severity.word().to_string(),
            clean(&claim.sentence, 600),
        )
    };
    page.list(title, &entries(claims.iter(), show));
}

fn write_changed_findings(page: &mut Page, changed: &[PersistingFinding]) {
    let show = |persisting: &PersistingFinding| {
        let mut text = clean(&persisting.claim.sentence, 600);
        let mut was = clean(&persisting.was, 300);
        if !persisting.severities.is_same() {
            let severity = persisting.severities.old.word();
            was = if was.is_empty() {
                severity.to_string()
            } else {
                format!("{was} ({severity})")
            };
        }
        if !was.is_empty() {
            text = format!("{text}\nbefore: {was}");
        }
        (persisting.claim.severity.word().to_string(), text)
    };
    page.list("Changed findings", &entries(changed.iter(), show));
}

fn write_figures(page: &mut Page, figures: &[Figure], runs: &Pair<ComparedRun>) {
    let changed: Vec<&Figure> = figures
        .iter()
        .filter(|figure| figure.is_changed() && figure.compared)
        .collect();
    if changed.is_empty() {
        return;
    }
    let same_window = runs.old.window == runs.new.window;
    let names = runs.map(|run| clean(if same_window { &run.run } else { &run.window }, 30));
    let mut rows = vec![[
        "Figures".to_string(),
        names.old,
        names.new,
        String::new(),
        String::new(),
    ]];
    for figure in changed.iter().take(ENTRIES_MAX) {
        let name = clean(&figure.name, 60);
        let text = figure.text.map(|text| {
            if text.is_empty() {
                "–".to_string()
            } else {
                clean(text, 40)
            }
        });
        rows.push([
            match figure.subject.as_str() {
                "all" | "" => format!("  {name}"),
                subject => format!("  {name}, {}", clean(subject, 40)),
            },
            text.old,
            text.new,
            figure.change.clone(),
            notes(figure),
        ]);
    }
    page.blank();
    for row in align(&rows, &[1, 2, 3]) {
        page.line(&row);
    }
    page.note_hidden(changed.len());
}

/// Notes on a change besides its size.
fn notes(figure: &Figure) -> String {
    let mut notes = Vec::new();
    if figure.beyond_chance == Some(true) {
        notes.push(match figure.better {
            Some(true) => "proven better".to_string(),
            Some(false) => "proven worse".to_string(),
            None => "proven".to_string(),
        });
    }
    if figure.has_crossed_target() {
        let state = if figure.on_target.new == Some(true) {
            "met now"
        } else {
            "missed now"
        };
        notes.push(format!("target {} {state}", clean(&figure.target, 30)));
    }
    notes.join(", ")
}

/// Adds the decisions that only the second run has, and those that are no longer in force in it.
fn write_decisions(page: &mut Page, decisions: &Pair<Vec<FindingDecision>>) {
    let show = |decision: &FindingDecision| {
        (
            clean(&decision.finding, 20),
            clean(&decision.sentence(), 400),
        )
    };
    page.list("Decisions", &entries(decisions.new.iter(), show));
    let ended = |decision: &&FindingDecision| {
        let mut new = decisions.new.iter();
        !new.any(|other| other.finding == decision.finding)
    };
    let ended = decisions.old.iter().filter(ended);
    page.list("Decisions no longer in force", &entries(ended, show));
}

/// Adds the figures that only the second run restated.
fn write_restated_figures(page: &mut Page, restated: &Pair<Vec<Restatement>>) {
    let figures = restated
        .new
        .iter()
        .filter(|figure| !restated.old.contains(figure));
    let show = |figure: &Restatement| (clean(&figure.window, 60), clean(&figure.sentence(), 600));
    page.list("Restated figures", &entries(figures, show));
}

fn write_improvements(page: &mut Page, effects: &[ImprovementVerdicts]) {
    let shown = effects
        .iter()
        .filter(|effect| effect.compared && !effect.verdict.is_same());
    let show = |effect: &ImprovementVerdicts| {
        let verdict = match (effect.verdict.old, effect.verdict.new) {
            (Some(old), Some(_)) => format!("was {}", old.word()),
            (None, _) => "new".to_string(),
            (_, None) => "no longer judged".to_string(),
        };
        (verdict, clean(&effect.sentence, 600))
    };
    page.list("Improvements", &entries(shown, show));
}
