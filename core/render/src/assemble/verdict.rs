//! One sentence on how things are, from counts of what was found.

use super::{good_news, misses_target, notes::NOT_RUN};
use retrocast_domain::{
    Cell, CellStatus, Effect, Kpi, Severity, Verdict, WindowSpec,
    number::{count, list, percent, plural_of},
    report::SourceNote,
    window::long,
};

/// Share of accepted records below which the data is poor.
pub const POOR_SHARE: f64 = 0.95;

/// What the verdict counts.
pub(super) struct Facts<'a> {
    pub cells: &'a [Cell],
    pub sources: &'a [SourceNote],
    pub kpis: &'a [Kpi],
    pub effects: &'a [Effect],
    /// How much is asked of the reader.
    pub asks: usize,
}

fn window_noun(spec: WindowSpec) -> &'static str {
    match spec {
        WindowSpec::Week => "week",
        WindowSpec::Month => "month",
        WindowSpec::Quarter => "quarter",
        WindowSpec::Day => "day",
        WindowSpec::Days(_) => "period",
    }
}

/// One sentence: how are we?
pub(super) fn verdict(spec: WindowSpec, facts: &Facts) -> String {
    let noun = window_noun(spec);
    let sources = facts.sources;
    if !sources.is_empty() && sources.iter().all(|source| source.accepted == 0) {
        return format!("No record was accepted for this {noun}, so nothing can be said about it.");
    }
    let mut known = facts
        .cells
        .iter()
        .filter_map(|cell| cell.records)
        .peekable();
    if known.peek().is_some() && known.all(|records| records == 0) {
        let reason = where_records_are(sources);
        return format!("No record falls in this {noun}, so nothing can be said about it{reason}.");
    }
    let of = |severity| {
        let all = facts.cells.iter().flat_map(|cell| &cell.findings);
        all.filter(|finding| finding.severity == severity).count() as u64
    };
    let (critical, warning, notice) = (
        of(Severity::Critical),
        of(Severity::Warning),
        of(Severity::Notice),
    );
    let lead = match (critical, warning) {
        (1.., _) => format!("This {noun} needs attention now"),
        (0, 1..) => format!("This {noun} needs attention"),
        (0, 0) => calm(noun, notice, facts.cells),
    };
    let mut clauses = vec![alarm_clause(critical, warning, facts.asks)];
    clauses.extend(kpi_clause(facts.kpis));
    clauses.extend(effect_clause(facts.effects));
    clauses.extend(failure_clause(facts.cells));
    clauses.extend(refused_clause(sources));
    if facts.cells.iter().any(|cell| !cell.notices.is_empty()) {
        clauses.push("read it with care, as the first of the notes says".to_string());
    }
    format!("{lead}: {}.", clauses.join("; "))
}

/// Why there is nothing to report on: where the records are that there are.
fn where_records_are(sources: &[SourceNote]) -> String {
    let day = |time: &str| time.get(..10)?.parse::<jiff::civil::Date>().ok();
    let days = |time: fn(&SourceNote) -> &str| sources.iter().filter_map(move |s| day(time(s)));
    let first = days(|source| &source.first_time).min();
    let last = days(|source| &source.last_time).max();
    match (first, last) {
        (Some(first), Some(last)) if first == last => {
            format!(": those there are, are of {}", long(first))
        }
        (Some(first), Some(last)) => {
            format!(
                ": those there are lie from {} to {}",
                long(first),
                long(last)
            )
        }
        _ if sources.is_empty() => String::new(),
        _ => ": none has a time".to_string(),
    }
}

/// The beginning when nothing alarms: silence is good news only where somebody could look.
fn calm(noun: &str, notice: u64, cells: &[Cell]) -> String {
    let failed = |cell: &Cell| matches!(cell.status, CellStatus::Failed { .. });
    let mut judges = cells
        .iter()
        .filter(|cell| cell.kind != "sql")
        .filter(|cell| cell.kind != "source" || failed(cell))
        .peekable();
    let steady = if notice > 0 {
        "a largely steady"
    } else {
        "a steady"
    };
    if judges.peek().is_some() && judges.all(|cell| cell.status != CellStatus::Done) {
        format!("This {noun} cannot be judged")
    } else if cells.iter().any(failed) {
        format!("As far as could be looked, {steady} {noun}")
    } else {
        format!("A{} {noun}", &steady[1..])
    }
}

/// Small numbers as words, which read better in a sentence.
fn word(n: u64) -> String {
    const WORDS: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    WORDS
        .get(n as usize)
        .map_or_else(|| count(n), |word| (*word).to_string())
}

fn be(n: u64) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

/// "one warning", "three warnings".
fn several(n: u64, noun: &str) -> String {
    format!(
        "{} {}",
        word(n),
        if n == 1 {
            noun.to_string()
        } else {
            plural_of(noun)
        }
    )
}

fn alarm_clause(critical: u64, warning: u64, asks: usize) -> String {
    match (critical, warning) {
        (0, 0) if asks == 0 => "no finding asks for action".to_string(),
        (0, 0) => "no warning".to_string(),
        (0, n) => several(n, "warning"),
        (n, 0) => several(n, "critical finding"),
        (c, w) => format!(
            "{} and {}",
            several(c, "critical finding"),
            several(w, "warning")
        ),
    }
}

fn kpi_clause(kpis: &[Kpi]) -> Option<String> {
    let total = kpis.iter().filter(|kpi| kpi.value.is_some()).count() as u64;
    if total == 0 {
        return None;
    }
    let of = |test: &dyn Fn(&Kpi) -> bool| kpis.iter().filter(|kpi| test(kpi)).count() as u64;
    let better = of(&|kpi| good_news(kpi) == Some(true));
    let worse = of(&|kpi| good_news(kpi) == Some(false));
    let missed = of(&misses_target);
    let figures = several(total, "key figure");
    // What has no value before it was not tested for a change.
    let compared = of(&|kpi| kpi.value.is_some() && kpi.previous.is_some());
    let mut text = match (better, worse, total) {
        (0, 0, 1) if compared == 0 => {
            "the key figure has none before it to be compared with".to_string()
        }
        (0, 0, _) if compared == 0 => {
            format!("none of {figures} has one before it to be compared with")
        }
        (0, 0, 1) => "the key figure changed no more than chance would".to_string(),
        (0, 0, _) => format!("none of {figures} changed more than chance would"),
        (n, 0, _) => format!("{} of {figures} {} better than before", word(n), be(n)),
        (0, n, _) => format!("{} of {figures} {} worse than before", word(n), be(n)),
        (b, w, _) => format!(
            "{} of {figures} {} better and {} {} worse than before",
            word(b),
            be(b),
            word(w),
            be(w)
        ),
    };
    match missed {
        0 => {}
        1 => text.push_str(", one missing its target"),
        n => text.push_str(&format!(", {} missing their targets", word(n))),
    }
    Some(text)
}

/// That much of what was read does not count: then all figures rest on the rest.
fn refused_clause(sources: &[SourceNote]) -> Option<String> {
    let records: u64 = sources.iter().map(|source| source.records).sum();
    let refused = sources.iter().flat_map(|source| &source.quarantined);
    let share = refused.map(|(_, n)| n).sum::<u64>() as f64 / records.max(1) as f64;
    (share > 1.0 - POOR_SHARE).then(|| {
        let refused = percent(share);
        format!("{refused} of the records were set aside, so all figures rest on the others")
    })
}

pub(super) fn effect_clause(effects: &[Effect]) -> Option<String> {
    let of = |verdict| {
        effects
            .iter()
            .filter(|effect| effect.verdict == verdict)
            .count() as u64
    };
    let say = |verdict, one: &str, many: &str| {
        let n = of(verdict);
        (n > 0).then(|| format!("{} {}", word(n), if n == 1 { one } else { many }))
    };
    let parts: Vec<String> = [
        say(Verdict::Works, "works", "work"),
        say(Verdict::Harmful, "does harm", "do harm"),
        say(Verdict::Unclear, "is unclear", "are unclear"),
        say(
            Verdict::TooEarly,
            "is too early to judge",
            "are too early to judge",
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    match effects.len() as u64 {
        0 => None,
        1 => Some(format!(
            "the {}",
            parts.concat().replacen("one", "improvement", 1)
        )),
        // All of them alike: "of two improvements two are unclear" says it twice.
        n if parts.len() == 1 => {
            let (_, what) = parts[0].split_once(' ')?;
            let all = if n == 2 {
                "both improvements".to_string()
            } else {
                format!("all {}", several(n, "improvement"))
            };
            Some(format!("{all} {what}"))
        }
        n => Some(format!("of {} {}", several(n, "improvement"), list(&parts))),
    }
}

fn failure_clause(cells: &[Cell]) -> Option<String> {
    let (mut failed, mut not_run) = (0, 0);
    for cell in cells {
        match &cell.status {
            CellStatus::Failed { message } if message.starts_with(NOT_RUN) => not_run += 1,
            CellStatus::Failed { .. } => failed += 1,
            CellStatus::Done | CellStatus::NotEnough { .. } => {}
        }
    }
    let be = if not_run == 1 { "was" } else { "were" };
    let what = match (failed, not_run) {
        (0, 0) => return None,
        (n, 0) => format!("{} failed", several(n, "stage")),
        (0, n) => format!("{} {be} not run", several(n, "stage")),
        (n, m) => format!(
            "{} failed and {} {be} not run",
            several(n, "stage"),
            word(m)
        ),
    };
    Some(format!("{what}, so the report is partial"))
}
