//! The verdict of a report: one sentence from counts of the findings.

use super::{findings, is_improvement};
use crate::words::capitalise;
use jiff::civil::DateTime;
use retrocast_domain::{
    Cell, CellStatus, Chapter, Effect, Kpi, Severity, Verdict, WindowSpec,
    number::{count, list, percent, plural_of},
    report::SourceNote,
    window::{date_in_words, range},
};
use std::collections::BTreeSet;

/// Share of accepted records below which the data is poor.
pub const POOR_SHARE: f64 = 0.95;

/// The inputs of the verdict.
#[derive(Default)]
pub(super) struct VerdictInputs<'a> {
    pub cells: &'a [Cell],
    pub sources: &'a [SourceNote],
    /// The printed key figures.
    pub kpis: &'a [Kpi],
    /// True if the report has more key figures than it prints.
    pub has_more_kpis: bool,
    pub effects: &'a [Effect],
    /// Number of requests to the reader.
    pub asks: usize,
    /// Notices of the first page about missing records.
    pub notices: &'a [String],
    /// Time zone for the days of records.
    pub timezone: &'a str,
}

/// The verdict, as one sentence.
pub(super) fn verdict(spec: WindowSpec, inputs: &VerdictInputs) -> String {
    let noun = spec.noun();
    let sources = inputs.sources;
    if !sources.is_empty() && sources.iter().all(|source| source.accepted == 0) {
        return format!("No record was accepted for this {noun}, so it cannot be judged.");
    }
    if has_no_records(inputs.cells, sources) {
        let reason = period_of_records(sources, inputs.timezone);
        let no_records = capitalise(&spec.without_records());
        return format!("{no_records}, so it cannot be judged{reason}.");
    }
    let count_of = |severity| {
        let considered = findings(inputs.cells).into_iter();
        let considered = considered.filter(|finding| !finding.is_set_aside());
        considered
            .filter(|finding| finding.severity == severity)
            .count() as u64
    };
    let (critical, warning) = (count_of(Severity::Critical), count_of(Severity::Warning));
    let lead = match (critical, warning) {
        (1.., _) => format!("This {noun} needs attention now"),
        (0, 1..) => format!("This {noun} needs attention"),
        (0, 0) => lead_without_alarms(noun, inputs),
    };
    let mut clauses: Vec<String> = alarm_clause(critical, warning).into_iter().collect();
    clauses.extend(kpi_clause(inputs, noun));
    let not_measured = count_not_measured(inputs.cells, inputs.effects) as u64;
    clauses.extend(effect_clause(inputs.effects, not_measured));
    clauses.extend(failure_clause(inputs.cells));
    clauses.extend(refused_clause(sources));
    if clauses.is_empty() {
        format!("{lead}.")
    } else {
        format!("{lead}: {}.", clauses.join("; "))
    }
}

/// Returns true if no stage found a record in the window, unless the absence of records means that
/// nothing happened.
pub fn has_no_records(cells: &[Cell], sources: &[SourceNote]) -> bool {
    let mut counts = cells.iter().filter_map(|cell| cell.records).peekable();
    let is_silence_zero = sources.iter().any(counts_silence_as_zero);
    counts.peek().is_some() && !is_silence_zero && counts.all(|records| records == 0)
}

/// Returns true if the absence of records of a source means that nothing happened.
fn counts_silence_as_zero(source: &SourceNote) -> bool {
    let expectation = &source.expectation;
    let (last, later) = (DateTime::default(), DateTime::MAX);
    expectation.complete_until(last, later).is_some()
}

/// The reason for an empty report: the period of the existing records.
fn period_of_records(sources: &[SourceNote], timezone: &str) -> String {
    let days = || sources.iter().map(|source| source.days(timezone));
    let first = days().filter_map(|[first, _]| first).min();
    let last = days().filter_map(|[_, last]| last).max();
    match (first, last) {
        (Some(first), Some(last)) if first == last => {
            format!(": all records are dated {}", date_in_words(first))
        }
        (Some(first), Some(last)) => {
            format!(": the records are from {}", range(first, last))
        }
        _ if sources.is_empty() => String::new(),
        _ => ": no record has a time".to_string(),
    }
}

/// The start of the verdict without alarms. Because the absence of findings proves nothing, it
/// states only that nothing was found, and only if stages had enough data.
fn lead_without_alarms(noun: &str, inputs: &VerdictInputs) -> String {
    let cells = inputs.cells;
    let has_failed = |cell: &Cell| cell.status.is_failed();
    let mut judging_cells = cells
        .iter()
        .filter(|cell| cell.chapter != Chapter::Rows)
        .peekable();
    let statement = if inputs.asks == 0 {
        "nothing was found that needs a decision"
    } else {
        "nothing was found that needs attention"
    };
    if judging_cells.peek().is_some() && judging_cells.all(|cell| cell.status != CellStatus::Done) {
        format!("This {noun} cannot be judged")
    } else if cells.iter().any(has_failed) {
        format!("In the part of this {noun} that could be analysed, {statement}")
    } else if !inputs.notices.is_empty() {
        format!("As far as the records of this {noun} go, {statement}")
    } else {
        format!("This {noun} {statement}")
    }
}

/// Formats small numbers as words.
fn number_word(n: u64) -> String {
    const WORDS: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    WORDS
        .get(n as usize)
        .map_or_else(|| count(n), |word| (*word).to_string())
}

fn is_or_are(n: u64) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

/// Formats a count, such as "one warning" or "three warnings".
fn count_in_words(n: u64, noun: &str) -> String {
    format!(
        "{} {}",
        number_word(n),
        if n == 1 {
            noun.to_string()
        } else {
            plural_of(noun)
        }
    )
}

fn alarm_clause(critical: u64, warning: u64) -> Option<String> {
    match (critical, warning) {
        (0, 0) => None,
        (0, n) => Some(count_in_words(n, "warning")),
        (n, 0) => Some(count_in_words(n, "critical finding")),
        (c, w) => Some(format!(
            "{} and {}",
            count_in_words(c, "critical finding"),
            count_in_words(w, "warning")
        )),
    }
}

/// Summarises the key figures of the first page.
fn kpi_clause(inputs: &VerdictInputs, noun: &str) -> Option<String> {
    let kpis = inputs.kpis;
    let total = kpis.len() as u64;
    if total == 0 {
        return None;
    }
    let shown = if inputs.has_more_kpis {
        "main key figures"
    } else {
        "key figures"
    };
    let count_where =
        |test: &dyn Fn(&Kpi) -> bool| kpis.iter().filter(|kpi| test(kpi)).count() as u64;
    let of_all = |n: u64| match total {
        1 => "the key figure".to_string(),
        _ => format!("{} of the {} {shown}", number_word(n), number_word(total)),
    };
    let no_figure = match total {
        2 => format!("neither of the two {shown}"),
        _ => format!("none of the {} {shown}", number_word(total)),
    };
    let better =
        count_where(&|kpi| is_improvement(kpi) == Some(true) && !kpi.is_far_outside_history());
    let worse = count_where(&|kpi| is_improvement(kpi) == Some(false));
    let missed = count_where(&|kpi| kpi.misses_target() && kpi.is_target_proven());
    // A figure without a previous value was not tested for a change.
    let compared = count_where(&|kpi| kpi.value.is_some() && kpi.previous.is_some());
    // A figure of a single group may have changed.
    let mut group_kpis = inputs.cells.iter().flat_map(|cell| &cell.group_kpis);
    let overall = if group_kpis.any(|kpi| kpi.significant) {
        " for all records together"
    } else {
        ""
    };
    let mut text = match (better, worse, total) {
        (0, 0, 1) if compared == 0 => {
            format!("the key figure has no value in the {noun} before to compare with")
        }
        (0, 0, _) if compared == 0 => {
            format!("{no_figure} has a value in the {noun} before to compare with")
        }
        (0, 0, 1) => format!("the key figure shows no proven change{overall}"),
        (0, 0, _) => format!("{no_figure} shows a proven change{overall}"),
        (n, 0, _) => format!("{} {} better than before", of_all(n), is_or_are(n)),
        (0, n, _) => format!("{} {} worse than before", of_all(n), is_or_are(n)),
        (b, w, _) => format!(
            "{} {} better and {} {} worse than before",
            of_all(b),
            is_or_are(b),
            number_word(w),
            is_or_are(w)
        ),
    };
    match missed {
        0 => {}
        _ if total == 1 => text.push_str(" and misses its target"),
        1 => text.push_str(", and one misses its target"),
        n => text.push_str(&format!(", and {} miss their targets", number_word(n))),
    }
    Some(text)
}

/// States the share of refused records, which no figure includes.
fn refused_clause(sources: &[SourceNote]) -> Option<String> {
    many_refused(sources).map(|share| {
        let refused = percent(share);
        format!("{refused} of the records were left out, so figures are based on the others")
    })
}

/// The share of refused records, if the data is poor because of them.
pub fn many_refused(sources: &[SourceNote]) -> Option<f64> {
    let records: u64 = sources.iter().map(|source| source.records).sum();
    let refused = sources.iter().flat_map(|source| &source.quarantined);
    let share = refused.map(|(_, n)| n).sum::<u64>() as f64 / records.max(1) as f64;
    (share > 1.0 - POOR_SHARE).then_some(share)
}

/// Printed instead of "uncontrolled", which only a later table explains.
const OTHER_CAUSES: &str = "other causes not ruled out";

/// The number of improvements of the register that no stage measured.
pub fn count_not_measured(cells: &[Cell], effects: &[Effect]) -> usize {
    let missing = cells.iter().flat_map(|cell| &cell.not_measured);
    let is_measured = |id: &&String| effects.iter().any(|effect| effect.improvement == **id);
    let missing: BTreeSet<&String> = missing.filter(|id| !is_measured(id)).collect();
    missing.len()
}

pub(super) fn effect_clause(effects: &[Effect], not_measured: u64) -> Option<String> {
    let count_of = |verdict| {
        effects
            .iter()
            .filter(|effect| effect.verdict == verdict)
            .count() as u64
    };
    let clause = |verdict, one: &str, many: &str| {
        let n = count_of(verdict);
        (n > 0).then(|| format!("{} {}", number_word(n), if n == 1 { one } else { many }))
    };
    let works = effects.iter().filter(|e| e.verdict == Verdict::Works);
    let uncontrolled = works.filter(|effect| effect.controls.is_empty()).count() as u64;
    let works = clause(Verdict::Works, "works", "work").map(|works| match uncontrolled {
        0 => works,
        n if n == count_of(Verdict::Works) => format!("{works} ({OTHER_CAUSES})"),
        n => format!("{works} (for {}, {OTHER_CAUSES})", number_word(n)),
    });
    let parts: Vec<String> = [
        works,
        clause(
            Verdict::Harmful,
            "was followed by a change for the worse",
            "were followed by a change for the worse",
        ),
        clause(
            Verdict::Unclear,
            "has no proven effect",
            "have no proven effect",
        ),
        clause(
            Verdict::TooEarly,
            "is too recent to judge",
            "are too recent to judge",
        ),
        (not_measured > 0).then(|| {
            let are = if not_measured == 1 { "is" } else { "are" };
            format!("{} {are} not measured", number_word(not_measured))
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    match effects.len() as u64 + not_measured {
        0 => None,
        1 => Some(format!(
            "the {}",
            parts.concat().replacen("one", "improvement", 1)
        )),
        // With one verdict for all, "of two improvements two are unclear" would be redundant.
        n if parts.len() == 1 => {
            let (_, predicate) = parts[0].split_once(' ')?;
            let subject = if n == 2 {
                "both improvements".to_string()
            } else {
                format!("all {}", count_in_words(n, "improvement"))
            };
            Some(format!("{subject} {predicate}"))
        }
        n => Some(format!(
            "of {} {}",
            count_in_words(n, "improvement"),
            list(&parts)
        )),
    }
}

fn failure_clause(cells: &[Cell]) -> Option<String> {
    let [failed, not_run] = count_failures(cells).map(|n| n as u64);
    let verb = if not_run == 1 { "was" } else { "were" };
    let clause = match (failed, not_run) {
        (0, 0) => return None,
        (n, 0) => format!("{} failed", count_in_words(n, "stage")),
        (0, n) => format!("{} {verb} not run", count_in_words(n, "stage")),
        (n, m) => format!(
            "{} failed and {} {verb} not run",
            count_in_words(n, "stage"),
            number_word(m)
        ),
    };
    Some(format!("{clause}, so the report is partial"))
}

/// Numbers of stages that failed, and of those that were not run because of that.
pub fn count_failures(cells: &[Cell]) -> [usize; 2] {
    let mut counts = [0, 0];
    for cell in cells {
        match &cell.status {
            CellStatus::Failed { .. } => counts[0] += 1,
            CellStatus::NotRun { .. } => counts[1] += 1,
            CellStatus::Done | CellStatus::NotEnough { .. } => {}
        }
    }
    counts
}
