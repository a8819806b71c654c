//! Formats key figures.

use super::{ChartView, Drawings, SPARKLINE_WIDTH};
use crate::assemble::is_improvement;
use crate::words::{shorten, visible_name};
use retrocast_domain::{
    Chart, ChartKind, Direction, Kpi,
    number::{NBSP, count, plural, with_unit},
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct KpiView {
    name: String,
    subject: String,
    text: String,
    /// The unit, if it is a noun.
    noun: String,
    interval: String,
    delta: String,
    baseline_delta: String,
    /// Empty without a change.
    arrow: &'static str,
    /// "good", "bad" or "steady".
    tone: &'static str,
    /// "better", "worse", "not proven" or words of doubt; empty without a change.
    tone_word: &'static str,
    target: String,
    /// "met", "missed", or either with "not proven"; empty without a target or a value.
    target_word: &'static str,
    misses: bool,
    n: String,
    spark: Option<ChartView>,
    /// ID of the figure.
    figure: String,
}

pub(super) fn kpi(kpi: &Kpi, drawings: &mut Drawings, figure: String) -> KpiView {
    let values = kpi.history.iter().flatten().count();
    let spark = (values >= 3).then(|| {
        let chart = Chart {
            id: String::new(),
            title: format!("{}, recent windows", kpi.name),
            unit: kpi.unit.clone(),
            alt: spark_alt(kpi),
            kind: ChartKind::Sparkline {
                values: kpi.history.clone(),
            },
            table: None,
        };
        drawings.add(&chart, SPARKLINE_WIDTH, false, String::new())
    });
    let is_same = kpi.direction == Direction::None && kpi.value.is_some() && kpi.previous.is_some();
    // A change printed as "0 %" has no direction.
    let is_nearly_same = !kpi.significant
        && kpi.delta_text.contains('0')
        && !kpi
            .delta_text
            .contains(|letter| ('1'..='9').contains(&letter));
    let delta = match (is_same, is_nearly_same) {
        (true, _) => "the same as before",
        (false, true) => "about the same as before",
        (false, false) => kpi.delta_text.as_str(),
    };
    let (tone, tone_word) = match is_improvement(kpi) {
        Some(true) if kpi.is_far_outside_history() => {
            ("steady", "far outside its history: check the records")
        }
        Some(true) => ("good", "better"),
        Some(false) => ("bad", "worse"),
        None if is_nearly_same || kpi.direction == Direction::None => ("steady", ""),
        None => ("steady", "not proven"),
    };
    // A noun is set smaller than its number; units such as "%" and "ms" belong to the number.
    let noun = format!("{NBSP}{}", kpi.unit);
    let (number, noun) = match kpi.text.strip_suffix(&noun) {
        Some(number) if kpi.unit.chars().count() > 3 => (number, kpi.unit.as_str()),
        _ => (kpi.text.as_str(), ""),
    };
    KpiView {
        name: shorten(&kpi.name, 48),
        subject: match kpi.subject.as_str() {
            "all" | "" => String::new(),
            subject => visible_name(&shorten(subject, 40)),
        },
        text: shorten(number, 30),
        noun: shorten(noun, 30),
        interval: shorten(&kpi.interval_text, 50),
        delta: shorten(delta, 40),
        baseline_delta: kpi.baseline_delta_text.clone(),
        arrow: match kpi.direction {
            _ if is_nearly_same => "",
            Direction::Up => "▲",
            Direction::Down => "▼",
            Direction::None => "",
        },
        tone,
        tone_word,
        target: shorten(&kpi.target_text, 30),
        target_word: kpi.target_word(),
        misses: kpi.misses_target() && kpi.is_target_proven(),
        n: count(kpi.n),
        spark,
        figure,
    }
}

fn spark_alt(kpi: &Kpi) -> String {
    let values: Vec<f64> = kpi.history.iter().flatten().copied().collect();
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return String::new();
    };
    format!(
        "{} over the last {}: from {} to {}.",
        kpi.name,
        plural(values.len() as u64, "window"),
        with_unit(*first, &kpi.unit),
        with_unit(*last, &kpi.unit)
    )
}
