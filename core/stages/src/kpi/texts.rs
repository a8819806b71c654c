//! The printed strings of a figure: its value, the compared values and both changes. Their digits
//! are consistent: a reader who computes a change from the printed levels must get the printed
//! change.

pub(super) use super::estimate::NONE;

use super::{Change, Figure, Measurement, metric::Metric};
use retrocast_domain::number::{MINUS, NBSP, THIN, fixed};

/// Maximum number of decimals of a value and a compared level beyond those that their interval
/// supports.
const EXTRA_DECIMALS_MAX: usize = 6;
const LEVEL_EXTRA_DECIMALS: usize = 6;

/// A level, the change from it, and the printed forms of the change.
type LevelChange<'a> = (Option<f64>, Option<&'a Change>, [&'a Option<String>; 2]);

/// The printed strings of a figure that has a value.
pub(super) struct Texts {
    pub(super) value: String,
    pub(super) interval: String,
    pub(super) before: Option<String>,
    pub(super) baseline: Option<String>,
    /// Signed; "none" for a count that fell to zero.
    pub(super) change: Option<String>,
    pub(super) baseline_change: Option<String>,
    /// True if the printed changes follow from the printed levels.
    pub(super) is_consistent: bool,
}

impl Texts {
    pub(super) fn from_figure(figure: &Figure<'_>) -> Option<Self> {
        let metric = figure.metric;
        let now = figure.current.value?;
        let width = figure.current.interval.map(|[low, high]| high - low);
        let [text, interval] = metric.format_with_interval(now, figure.current.interval);
        let change = figure.change.as_ref();
        let baseline_change = figure.baseline_change.as_ref();
        let signed_text = |difference: Option<&Change>, proven: bool| {
            difference.map(|difference| difference.signed(metric, proven, change))
        };
        let level =
            |measurement: &Option<Measurement>| measurement.as_ref().and_then(|known| known.value);
        let signed = [
            signed_text(change, figure.proven),
            signed_text(baseline_change, false),
        ];
        // The total of a longer or shorter window changes differently per day than in total.
        let before = level(&figure.previous);
        let has_equal_length = change
            .zip(before)
            .is_none_or(|(change, before)| (change.before - before).abs() <= 1e-9 * before.abs());
        let claim = change.map(|change| change.estimate(metric, figure.proven).size());
        let levels: [LevelChange<'_>; 2] = [
            (
                before,
                change.filter(|_| has_equal_length),
                [&signed[0], &claim],
            ),
            (
                level(&figure.baseline),
                baseline_change,
                [&signed[1], &None],
            ),
        ];
        // Hours and minutes have no finer format.
        let is_in_hours = |level: Option<f64>| level.is_some_and(|level| metric.is_in_hours(level));
        let has_hours =
            is_in_hours(Some(now)) || levels.iter().any(|(level, ..)| is_in_hours(*level));
        let level_text = |value: &str, (level, change, claims): LevelChange<'_>| {
            let Some(level) = level else {
                return Some(None);
            };
            let rough = metric.format(level, width);
            let Some(change) = change.filter(|_| !has_hours) else {
                return Some(Some(rough));
            };
            let supports_claims = |text: &String| {
                let mut claims = claims.into_iter().flatten();
                claims.all(|claim| follows(claim, change.is_relative(), value, text))
            };
            let mut candidates =
                (0..=LEVEL_EXTRA_DECIMALS).map(|more| add_decimals(metric, &rough, level, more));
            candidates.find(supports_claims).map(Some)
        };
        let consistent = (0..=EXTRA_DECIMALS_MAX).find_map(|more| {
            let value = add_decimals(metric, &text, now, more);
            let [before, baseline] = levels.map(|compared| level_text(&value, compared));
            Some((value, before?, baseline?))
        });
        let is_consistent = consistent.is_some() && !has_hours;
        let rough = |level: Option<f64>| level.map(|level| metric.format(level, width));
        let (value, before_text, baseline) = consistent.unwrap_or_else(|| {
            let [before, baseline] = levels.map(|(level, ..)| rough(level));
            (text, before, baseline)
        });
        let [change, baseline_change] = signed;
        Some(Self {
            value,
            interval,
            before: before_text,
            baseline,
            change,
            baseline_change,
            is_consistent,
        })
    }

    /// The change from the previous window for a card, which does not show that window's value: "−6
    /// %", "none instead of 12 builds".
    pub(super) fn delta(&self) -> Option<String> {
        let change = self.change.as_ref()?;
        Some(add_level(change, self.before.as_deref()))
    }

    /// The change from the baseline, in the same form.
    pub(super) fn baseline_delta(&self) -> Option<String> {
        let change = self.baseline_change.as_ref()?;
        Some(add_level(change, self.baseline.as_deref()))
    }
}

/// Adds the earlier level to the change of a count that fell to zero.
fn add_level(change: &str, level: Option<&str>) -> String {
    match level {
        Some(level) if change == NONE => format!("{NONE} instead of {level}"),
        _ => change.to_string(),
    }
}

/// The first word with digits, without its unit: "95.2", "3.4".
fn digits(text: &str) -> &str {
    let mut words = text.split([NBSP, '×', ' ']);
    let has_digit = |word: &&str| word.bytes().any(|byte| byte.is_ascii_digit());
    words.find(has_digit).unwrap_or_default()
}

/// Decimals of the number in a text.
fn decimals(text: &str) -> usize {
    digits(text)
        .split_once('.')
        .map_or(0, |(_, after)| after.len())
}

/// Returns true if a text is a power of ten, such as "1.2 × 10⁻⁷".
fn is_power(text: &str) -> bool {
    text.contains("×\u{a0}10")
}

/// The number at the start of a text; `None` for a power of ten or a bound such as "< 0.01 %".
fn number(text: &str) -> Option<f64> {
    let plain = digits(text).replace(THIN, "").replace(MINUS, "-");
    let is_exact = !is_power(text) && !text.starts_with(['<', '>']);
    plain.parse().ok().filter(|_| is_exact)
}

/// Formats a level with `more` additional decimals; a power of ten is unchanged.
fn add_decimals(metric: &Metric, text: &str, value: f64, more: usize) -> String {
    if more == 0 || is_power(text) {
        return text.to_string();
    }
    let scale = if metric.unit() == "share" { 100.0 } else { 1.0 };
    let fine = fixed(value * scale, decimals(text) + more);
    text.trim_start_matches(['<', '>', ' '])
        .replacen(digits(text), &fine, 1)
}

/// Returns true if a printed change follows from two printed levels, or is not a number: "−6 %",
/// "3.4 times as high".
fn follows(claim: &str, is_relative: bool, now: &str, before: &str) -> bool {
    let Some(printed) = number(claim) else {
        return true;
    };
    let (Some(now), Some(before)) = (number(now), number(before)) else {
        return false;
    };
    let computed = match is_relative {
        true if claim.contains(" times as ") => now / before,
        true => (now / before - 1.0) * 100.0,
        false => now - before,
    };
    let step = 0.1_f64.powi(decimals(claim) as i32);
    // A size in words has its direction in words, too.
    let has_sign = claim.starts_with(['+', MINUS]) || printed == 0.0;
    let computed = if has_sign { computed } else { computed.abs() };
    (computed - printed).abs() <= 0.5 * step + 1e-9
}
