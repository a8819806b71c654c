//! Reads a finding: source, subject, date and size.
//!
//! Stages name their numbers differently, so parsing is lenient: a value that is missing in one
//! field is searched for in the next.

use crate::truth::Truth;
use jiff::{ToSpan, civil::Date};
use retrocast_domain::{Finding, window::WEEKDAYS};
use serde_json::Value;

/// Maximum number of days that a key figure and its baseline look back.
const COMPARED_DAYS_MAX: i64 = 35;

/// The sources, names, dates and sizes in a finding.
pub(super) struct Claim<'a> {
    pub finding: &'a Finding,
    pub kind: &'a str,
    /// Sources that it may be about; a single source if it is unambiguous.
    pub sources: Vec<&'static str>,
    /// Names in its subject, such as components and services.
    pub names: Vec<String>,
    /// Column of the metrics table that it is about.
    pub measure: Option<&'static str>,
    pub weekday: Option<usize>,
    /// First and last day of its period.
    pub dates: Option<(Date, Date)>,
    /// Tolerance of its dates in days, for findings on weeks or months.
    pub coarseness: i64,
    /// Ticket type that it is about, if any.
    pub ticket_type: Option<String>,
    /// First day of the windows that a key figure is compared with, which may include a planted
    /// fault.
    pub compared_from: Option<Date>,
    pub until: Date,
}

impl<'a> Claim<'a> {
    /// Reads a finding.
    pub fn read(truth: &Truth, finding: &'a Finding) -> Self {
        let subject = format!("{} {}", finding.subject, finding.what);
        let sources = find_sources(finding);
        let mut names = Vec::new();
        let mut ticket_type = None;
        for (source, columns) in &truth.names {
            if !sources.contains(&source.as_str()) {
                continue;
            }
            for (column, values) in columns {
                for value in values {
                    if column == "type" {
                        if mentions(&subject, value) || mentions(&describe_data(finding), value) {
                            ticket_type = Some(value.clone());
                        }
                    } else if !names.contains(value) && mentions(&finding.subject, value) {
                        names.push(value.clone());
                    }
                }
            }
        }
        Self {
            kind: finding.kind.as_str(),
            measure: find_measure(finding),
            weekday: find_weekday(finding),
            dates: find_dates(finding),
            coarseness: find_coarseness(finding),
            compared_from: truth.until.checked_sub(COMPARED_DAYS_MAX.days()).ok(),
            until: truth.until,
            finding,
            sources,
            names,
            ticket_type,
        }
    }
}

/// Returns true if `text` contains `name` as a whole word, ignoring case.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    if name.is_empty() {
        return false;
    }
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '-');
    text.match_indices(&name).any(|(start, _)| {
        !is_word(text[..start].chars().next_back())
            && !is_word(text[start + name.len()..].chars().next())
    })
}

/// The parts of a finding that name its data: datasets, filters and stage.
fn describe_data(finding: &Finding) -> String {
    let mut text = finding.stage.replace('_', " ");
    for evidence in &finding.evidence {
        text.push(' ');
        text.push_str(&evidence.dataset.replace('_', " "));
        text.push(' ');
        text.push_str(evidence.filter.as_deref().unwrap_or(""));
    }
    // "failures" is the plural of a ticket type.
    text.replace("failures", "failure")
        .replace("questions", "question")
        .replace("requests", "request")
}

/// Words that identify a source, the most specific first.
const SOURCE_WORDS: [(&str, &str); 14] = [
    ("pipeline", "pipelines"),
    ("execution", "pipelines"),
    ("decision", "decisions"),
    ("metric", "metrics"),
    ("memory", "metrics"),
    ("cpu", "metrics"),
    ("latency_ms", "metrics"),
    ("error_rate", "metrics"),
    ("service", "metrics"),
    ("ticket", "tickets"),
    ("improvement", "tickets"),
    ("failure", "tickets"),
    ("question", "tickets"),
    ("files", "pipelines"),
];

/// Finds the sources of a finding: the sources that its datasets and stage name, or else the
/// sources that its words name. Without any such name, it may be about all sources.
fn find_sources(finding: &Finding) -> Vec<&'static str> {
    let texts = [
        describe_data(finding).to_lowercase(),
        format!("{} {}", finding.subject, finding.what).to_lowercase(),
        finding.sentence.to_lowercase(),
    ];
    for text in &texts {
        if let Some((_, source)) = SOURCE_WORDS.iter().find(|(word, _)| text.contains(word)) {
            return vec![source];
        }
    }
    vec!["tickets", "decisions", "metrics", "pipelines"]
}

/// The column of the metrics table that a finding is about.
fn find_measure(finding: &Finding) -> Option<&'static str> {
    let text = format!(
        "{} {} {} {}",
        finding.what,
        finding.subject,
        describe_data(finding),
        finding.sentence
    )
    .to_lowercase();
    [
        ("memory", "memory_percent"),
        ("cpu", "cpu_percent"),
        ("latency", "latency_ms"),
        ("error rate", "error_rate"),
        ("error_rate", "error_rate"),
    ]
    .into_iter()
    .find(|(word, _)| text.contains(word))
    .map(|(_, measure)| measure)
}

fn find_weekday(finding: &Finding) -> Option<usize> {
    let texts = [&finding.what, &finding.subject, &finding.sentence];
    if let Some(Value::String(day)) = finding.numbers.get("weekday")
        && let Some(index) = WEEKDAYS.iter().position(|weekday| weekday == day)
    {
        return Some(index);
    }
    // Saturdays and Sundays together count as a Saturday.
    if finding.what.to_lowercase().contains("weekend") {
        return Some(5);
    }
    texts.iter().find_map(|text| {
        WEEKDAYS
            .iter()
            .enumerate()
            .filter_map(|(index, weekday)| Some((text.find(weekday)?, index)))
            .min()
            .map(|(_, index)| index)
    })
}

/// Parses a day or month: "2026-10-12", "2026-10-12T00:00:00", "2026-10".
fn parse_day(value: &Value) -> Option<Date> {
    let text = value.as_str()?;
    let day = text.get(..10).and_then(|day| day.parse().ok());
    day.or_else(|| format!("{}-01", text.get(..7)?).parse().ok())
}

/// First and last day of a finding's period.
fn find_dates(finding: &Finding) -> Option<(Date, Date)> {
    let keys = [
        "date", "day", "time", "peak", "start", "end", "change", "at", "from", "to",
    ];
    let named = keys
        .iter()
        .filter_map(|key| finding.numbers.get(*key))
        .filter_map(parse_day);
    let mut dates: Vec<Date> = named.collect();
    if dates.is_empty() {
        dates = finding
            .period
            .split_whitespace()
            .chain(finding.what.split_whitespace())
            .filter_map(|word| word.trim_matches([',', '.', '(', ')']).parse().ok())
            .collect();
    }
    Some((*dates.iter().min()?, *dates.iter().max()?))
}

fn find_coarseness(finding: &Finding) -> i64 {
    match finding.numbers.get("period").and_then(Value::as_str) {
        Some("week") => 7,
        Some("month") => 31,
        _ => 0,
    }
}

/// Returns the numbers of a finding named by `keys`; lists of numbers are skipped.
pub(super) fn numbers_of(finding: &Finding, keys: &[&str]) -> Vec<f64> {
    keys.iter()
        .filter_map(|key| finding.numbers.get(*key)?.as_f64())
        .collect()
}

pub(super) fn text_numbers_of(finding: &Finding) -> impl Iterator<Item = &str> {
    finding.numbers.values().filter_map(Value::as_str)
}

/// All ratios in a finding: numbers named as ratios, its magnitude, and after divided by before.
pub(super) fn ratios_of(finding: &Finding) -> Vec<f64> {
    // A ratio is a single number or the first of estimate, lower and upper bound.
    let first_number = |value: &Value| {
        value
            .as_f64()
            .or_else(|| value.as_array()?.first()?.as_f64())
    };
    let is_bound = |key: &str| {
        ["lower", "upper", "low", "high"]
            .iter()
            .any(|suffix| key.ends_with(suffix))
    };
    let mut ratios: Vec<f64> = finding
        .numbers
        .iter()
        .filter(|(key, _)| key.starts_with("ratio") && !is_bound(key))
        .filter_map(|(_, value)| first_number(value))
        .collect();
    if let Some(magnitude) = &finding.magnitude
        && magnitude.unit == "ratio"
    {
        ratios.push(magnitude.value);
    }
    for (before, after) in [("before", "after"), ("mean_before", "mean_after")] {
        if let [before, after] = numbers_of(finding, &[before, after])[..]
            && before > 0.0
        {
            ratios.push(after / before);
        }
    }
    ratios
}
