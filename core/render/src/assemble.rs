//! From the cells of a run to a [`Report`]: what matters is chosen, ordered and put into words.
//!
//! Nothing is computed here that a stage could have computed; choosing and counting is all there
//! is. Every sentence follows from the data alone, so the same run always reads the same.

use jiff::civil::Date;
use retrocast_domain::{
    Cell, CellStatus, Direction, Effect, Finding, Kpi, Report, ReportStatus, Severity, Verdict,
    Window, WindowSpec,
    finding::by_importance,
    number::{count, list, percent, plural, plural_of},
    report::{PlanNode, Provenance, SourceNote},
    window::long,
};
use std::collections::BTreeSet;

/// Version of the shape of `report.json`.
pub const SCHEMA: u32 = 1;
/// Findings kept as headlines; the first page prints the first three.
const HEADLINES_MAX: usize = 8;
/// Key figures on the first page.
const KPIS_MAX: usize = 6;
/// Requests to the reader; more than a handful is none.
const ASKS_MAX: usize = 5;
/// Reasons, fields and files named in one sentence; the rest is counted.
const NAMED_MAX: usize = 3;

/// Kinds of stage in the order in which a report tells of them; others come before `sql`, which
/// only prepares rows for others.
const READING_ORDER: &[&str] = &[
    "quality",
    "health",
    "kpi",
    "anomaly",
    "change_point",
    "trend",
    "temporal_pattern",
    "forecast",
    "capacity",
    "drift",
    "item_set",
    "sequence",
    "prediction",
    "alert",
    "correlation",
    "root_cause",
    "effectiveness",
    "recommendation",
];

/// Everything a report is made from.
#[derive(Debug, Clone)]
pub struct Assembly {
    /// Job's name (file name).
    pub job: String,
    /// Job's title.
    pub title: String,
    /// Who owns the report; empty for nobody.
    pub owner: String,
    /// The window that is reported on.
    pub window: Window,
    /// Date the run was made for.
    pub date: Date,
    /// One cell a stage, in the order of the job file.
    pub cells: Vec<Cell>,
    /// What became of the records.
    pub sources: Vec<SourceNote>,
    /// Nodes of the plan.
    pub plan: Vec<PlanNode>,
    /// Who made it from what.
    pub provenance: Provenance,
}

/// Chooses, orders and words the report of a run.
pub fn report(assembly: Assembly) -> Report {
    let Assembly {
        job,
        title,
        owner,
        window,
        date,
        mut cells,
        sources,
        plan,
        provenance,
    } = assembly;
    cells.sort_by_key(|cell| reading_rank(&cell.kind));
    let status = status(&cells, &plan);
    let kpis = strip(&cells);
    let effects: Vec<Effect> = cells.iter().flat_map(|cell| cell.effects.clone()).collect();
    Report {
        schema: SCHEMA,
        window: window.label(),
        period: window.words(),
        timezone: window.timezone.clone(),
        date: date.to_string(),
        verdict: verdict(window.spec, &cells, &sources, &kpis, &effects),
        headlines: headlines(&cells),
        asks: asks(&cells, &effects),
        notes: notes(&cells, &sources),
        title: if title.is_empty() { job.clone() } else { title },
        job,
        owner,
        status,
        kpis,
        effects,
        cells,
        sources,
        plan,
        provenance,
    }
}

fn reading_rank(kind: &str) -> usize {
    let unknown = READING_ORDER.len() + usize::from(kind == "sql");
    READING_ORDER
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(unknown)
}

/// Bad records and broken files do not make a report partial: they are counted and said.
fn status(cells: &[Cell], plan: &[PlanNode]) -> ReportStatus {
    let failed = cells
        .iter()
        .any(|cell| matches!(cell.status, CellStatus::Failed { .. }))
        || plan.iter().any(|node| node.status == "failed");
    if failed {
        ReportStatus::Partial
    } else {
        ReportStatus::Complete
    }
}

/// All findings, the most important first.
pub fn findings(cells: &[Cell]) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = cells.iter().flat_map(|cell| &cell.findings).collect();
    findings.sort_by(|a, b| by_importance(a, b));
    findings
}

/// The most important findings, first one of each stage and kind, so that one noisy stage cannot
/// fill the page; then the others.
fn headlines(cells: &[Cell]) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let (first, others): (Vec<&Finding>, Vec<&Finding>) = findings(cells)
        .into_iter()
        .filter(|finding| !finding.sentence.is_empty())
        .partition(|finding| seen.insert((finding.stage.clone(), finding.kind.clone())));
    first
        .into_iter()
        .chain(others)
        .take(HEADLINES_MAX)
        .cloned()
        .collect()
}

/// Key figures over everything first, then those of single subjects.
fn strip(cells: &[Cell]) -> Vec<Kpi> {
    let all: Vec<&Kpi> = cells.iter().flat_map(|cell| &cell.kpis).collect();
    let mut seen = BTreeSet::new();
    let overall = |kpi: &Kpi| kpi.subject.is_empty() || kpi.subject.starts_with("all");
    all.iter()
        .filter(|kpi| overall(kpi))
        .chain(all.iter().filter(|kpi| !overall(kpi)))
        .filter(|kpi| seen.insert((kpi.name.clone(), kpi.subject.clone())))
        .take(KPIS_MAX)
        .map(|kpi| (*kpi).clone())
        .collect()
}

/// Whether the change of a key figure is good news; `None` when it is no news.
pub fn good_news(kpi: &Kpi) -> Option<bool> {
    match kpi.direction {
        _ if !kpi.significant => None,
        Direction::None => None,
        Direction::Up => Some(!kpi.lower_is_better),
        Direction::Down => Some(kpi.lower_is_better),
    }
}

/// Whether a key figure is on the wrong side of its target.
pub fn misses_target(kpi: &Kpi) -> bool {
    match (kpi.value, kpi.target) {
        (Some(value), Some(target)) if kpi.lower_is_better => value > target,
        (Some(value), Some(target)) => value < target,
        _ => false,
    }
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
fn verdict(
    spec: WindowSpec,
    cells: &[Cell],
    sources: &[SourceNote],
    kpis: &[Kpi],
    effects: &[Effect],
) -> String {
    let noun = window_noun(spec);
    if !sources.is_empty() && sources.iter().all(|source| source.accepted == 0) {
        return format!("No record was accepted for this {noun}, so nothing can be said about it.");
    }
    let of = |severity| {
        let all = cells.iter().flat_map(|cell| &cell.findings);
        all.filter(|finding| finding.severity == severity).count() as u64
    };
    let (critical, warning, notice) = (
        of(Severity::Critical),
        of(Severity::Warning),
        of(Severity::Notice),
    );
    let lead = match (critical, warning, notice) {
        (1.., ..) => format!("This {noun} needs attention now"),
        (0, 1.., _) => format!("This {noun} needs attention"),
        (0, 0, 1..) => format!("A largely steady {noun}"),
        _ => format!("A steady {noun}"),
    };
    let mut clauses = vec![alarm_clause(critical, warning)];
    clauses.extend(kpi_clause(kpis));
    clauses.extend(effect_clause(effects));
    clauses.extend(failure_clause(cells));
    format!("{lead}: {}.", clauses.join("; "))
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

fn alarm_clause(critical: u64, warning: u64) -> String {
    match (critical, warning) {
        (0, 0) => "no finding asks for action".to_string(),
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
    let mut text = match (better, worse, total) {
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

fn effect_clause(effects: &[Effect]) -> Option<String> {
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
        n => Some(format!("of {} {}", several(n, "improvement"), list(&parts))),
    }
}

fn failure_clause(cells: &[Cell]) -> Option<String> {
    let failed = cells
        .iter()
        .filter(|cell| matches!(cell.status, CellStatus::Failed { .. }));
    let failed = failed.count() as u64;
    (failed > 0).then(|| {
        format!(
            "{} failed, so the report is partial",
            several(failed, "stage")
        )
    })
}

/// "daily failures (component billing)".
fn about(finding: &Finding) -> String {
    let what = spelled(&finding.what);
    if finding.subject.is_empty() || finding.subject == "all" {
        what
    } else {
        format!("{what} ({})", finding.subject.replace(" = ", " "))
    }
}

/// What a finding is about, for people: names of kinds without underscores, dates in words.
fn spelled(what: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in what.split(' ') {
        if let Ok(date) = word.parse::<Date>() {
            if let Some(before) = words.last_mut().filter(|before| *before == "at") {
                *before = "on".to_string();
            }
            words.push(long(date));
        } else if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            words.push(word.replace('_', " "));
        } else {
            words.push(word.to_string());
        }
    }
    words.join(" ")
}

fn ask_for(finding: &Finding) -> String {
    let about = about(finding);
    match finding.kind.as_str() {
        "recommendation" => finding.sentence.clone(),
        "quality" | "drift" => format!("Have the data mended at its source: {about}."),
        "forecast" | "capacity" | "prediction" => format!("Plan ahead: {about}."),
        "anomaly" => format!("Name an owner to find the cause of the {about}."),
        "volume_threshold" => format!("Keep below the threshold, or lift it: {about}."),
        "kpi" => format!("Decide how to bring {about} back on course."),
        "trend" => format!("Decide whether this trend may go on: {about}."),
        "effect" => format!("Review the improvement: {about}."),
        _ => format!("Name an owner to find the cause: {about}."),
    }
}

fn asks(cells: &[Cell], effects: &[Effect]) -> Vec<String> {
    let mut asks: Vec<String> = Vec::new();
    for effect in effects
        .iter()
        .filter(|effect| effect.verdict == Verdict::Harmful)
    {
        asks.push(format!(
            "Decide whether to undo “{}” of {}: it made {} worse.",
            effect.title, effect.date, effect.metric
        ));
    }
    let alarms = findings(cells).into_iter().filter(|finding| {
        finding.severity >= Severity::Warning && (finding.kind != "effect" || effects.is_empty())
    });
    let mut seen = BTreeSet::new();
    for finding in alarms {
        if seen.insert((finding.kind.as_str(), finding.subject.as_str())) {
            asks.push(ask_for(finding));
        }
    }
    let unclear: Vec<String> = effects
        .iter()
        .filter(|effect| effect.verdict == Verdict::Unclear)
        .map(|effect| format!("“{}”", effect.title))
        .collect();
    // The unclear share one line, which must not fall off the end of a long list.
    let room = ASKS_MAX - usize::from(!unclear.is_empty());
    asks.truncate(room);
    if !unclear.is_empty() {
        let noun = if unclear.len() == 1 {
            "a success"
        } else {
            "successes"
        };
        asks.push(format!(
            "Do not count {} as {noun} yet: the data cannot tell.",
            named(&unclear, unclear.len() as u64, "improvement")
        ));
    }
    asks
}

/// The first few of a list in words, and how many there are besides.
fn named(items: &[String], total: u64, noun: &str) -> String {
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

fn notes(cells: &[Cell], sources: &[SourceNote]) -> Vec<String> {
    let mut notes: Vec<String> = sources.iter().flat_map(source_notes).collect();
    for cell in cells {
        let name = if cell.title.is_empty() {
            &cell.stage
        } else {
            &cell.title
        };
        match &cell.status {
            CellStatus::Done => {}
            CellStatus::NotEnough { message } => {
                notes.push(format!(
                    "{name} had too little data: {}.",
                    without_prefix(message)
                ));
            }
            CellStatus::Failed { message } => notes.push(format!("{name} failed: {message}.")),
        }
    }
    for note in &mut notes {
        while note.ends_with("..") {
            note.pop();
        }
    }
    notes
}

/// "not enough: have 9 days" without the words that a sentence around it says already.
pub fn without_prefix(message: &str) -> &str {
    message.strip_prefix("not enough: ").unwrap_or(message)
}

fn source_notes(source: &SourceNote) -> Vec<String> {
    let name = &source.name;
    let mut notes = Vec::new();
    if source.records == 0 {
        notes.push(format!(
            "{name}: no records in {}.",
            plural(source.files, "file")
        ));
    } else {
        let left_out = source.quarantined.iter().map(|(_, n)| n).sum::<u64>();
        let mut text = format!(
            "{name}: {} in {}, {} accepted",
            plural(source.records, "record"),
            plural(source.files, "file"),
            percent(source.accepted as f64 / source.records as f64),
        );
        if left_out > 0 {
            let reasons: Vec<String> = source
                .quarantined
                .iter()
                .map(|(reason, n)| format!("{} ({reason})", count(*n)))
                .collect();
            let named = named(&reasons, reasons.len() as u64, "reason");
            text.push_str(&format!("; left out: {named}"));
        }
        text.push('.');
        notes.push(text);
    }
    if source.duplicates > 0 {
        let verb = if source.duplicates == 1 {
            "was"
        } else {
            "were"
        };
        let records = plural(source.duplicates, "record");
        notes.push(format!(
            "{name}: {records} {verb} left out because the key had been seen."
        ));
    }
    let broken: Vec<String> = source
        .broken_files
        .iter()
        .map(|(file, reason)| format!("{file} ({reason})"))
        .collect();
    if !broken.is_empty() {
        let files = plural(broken.len() as u64, "file");
        let named = named(&broken, broken.len() as u64, "file");
        notes.push(format!(
            "{name}: {files} could not be read to the end: {named}."
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
        let named = named(&unknown, unknown.len() as u64, "field");
        notes.push(format!(
            "{name}: {fields} {verb} not in the contract: {named}."
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(['\u{a0}', '\u{202f}'], " ")
    }

    fn source(name: &str) -> SourceNote {
        SourceNote {
            name: name.to_string(),
            uri: String::new(),
            contract: String::new(),
            files: 1,
            records: 1,
            accepted: 1,
            quarantined: Vec::new(),
            duplicates: 0,
            broken_files: Vec::new(),
            unknown_fields: Vec::new(),
            first_time: String::new(),
            last_time: String::new(),
        }
    }

    fn finding(stage: &str, kind: &str, severity: Severity, what: &str) -> Finding {
        let mut finding = Finding::new(stage, kind, "all", what);
        finding.severity = severity;
        finding.sentence = format!("{what}.");
        finding
    }

    fn cell(stage: &str, kind: &str, findings: Vec<Finding>) -> Cell {
        Cell {
            findings,
            ..Cell::new(stage, kind)
        }
    }

    #[test]
    fn one_noisy_stage_cannot_fill_the_page() {
        let noisy = (0..9)
            .map(|i| finding("unusual", "anomaly", Severity::Warning, &format!("day {i}")))
            .collect();
        let quiet = vec![finding(
            "rhythm",
            "weekday_effect",
            Severity::Info,
            "Mondays",
        )];
        let chosen = headlines(&[
            cell("unusual", "anomaly", noisy),
            cell("rhythm", "temporal", quiet),
        ]);
        assert_eq!(chosen.len(), HEADLINES_MAX);
        assert_eq!(
            (chosen[0].what.as_str(), chosen[1].what.as_str()),
            ("day 0", "Mondays")
        );
    }

    #[test]
    fn verdict_counts_what_the_data_says() {
        let say = |cells: &[Cell]| {
            plain(&verdict(
                WindowSpec::Week,
                cells,
                &[source("tickets")],
                &[],
                &[],
            ))
        };
        assert_eq!(say(&[]), "A steady week: no finding asks for action.");
        let warn = finding("a", "anomaly", Severity::Warning, "x");
        let mut failed = cell("b", "trend", vec![]);
        failed.status = CellStatus::Failed {
            message: "no".to_string(),
        };
        assert_eq!(
            say(&[cell("a", "anomaly", vec![warn]), failed]),
            "This week needs attention: one warning; one stage failed, so the report is partial."
        );
        let empty = SourceNote {
            accepted: 0,
            ..source("tickets")
        };
        assert_eq!(
            verdict(WindowSpec::Month, &[], &[empty], &[], &[]),
            "No record was accepted for this month, so nothing can be said about it."
        );
    }

    #[test]
    fn verdict_tells_of_improvements() {
        let check = |verdicts: &[Verdict], want: &str| {
            let effect = crate::sample::sample().effects[0].clone();
            let effects: Vec<Effect> = verdicts
                .iter()
                .map(|verdict| Effect {
                    verdict: *verdict,
                    ..effect.clone()
                })
                .collect();
            assert_eq!(effect_clause(&effects).unwrap_or_default(), want);
        };
        check(&[], "");
        check(&[Verdict::Works], "the improvement works");
        check(&[Verdict::Unclear], "the improvement is unclear");
        check(
            &[Verdict::Works, Verdict::TooEarly, Verdict::Works],
            "of three improvements two work and one is too early to judge",
        );
    }

    #[test]
    fn source_notes_have_right_plurals() {
        let mut tickets = source("tickets");
        tickets.records = 12_345;
        tickets.accepted = 12_300;
        tickets.files = 14;
        tickets.quarantined = vec![("wrong type".to_string(), 30), ("late".to_string(), 15)];
        tickets.duplicates = 1;
        tickets.unknown_fields = vec![("colour".to_string(), 1)];
        tickets.broken_files = vec![("a.gz".to_string(), "cut off".to_string())];
        let notes: Vec<String> = source_notes(&tickets)
            .iter()
            .map(|note| plain(note))
            .collect();
        assert_eq!(
            notes,
            [
                "tickets: 12 345 records in 14 files, 99.6 % accepted; left out: 30 (wrong type) \
                 and 15 (late).",
                "tickets: 1 record was left out because the key had been seen.",
                "tickets: 1 file could not be read to the end: a.gz (cut off).",
                "tickets: 1 field is not in the contract: colour (1 record).",
            ]
        );
    }

    #[test]
    fn cells_come_in_reading_order() {
        let kinds = ["sql", "effectiveness", "command", "kpi", "quality"];
        let mut kinds = kinds.to_vec();
        kinds.sort_by_key(|kind| reading_rank(kind));
        assert_eq!(kinds, ["quality", "kpi", "effectiveness", "command", "sql"]);
    }
}
