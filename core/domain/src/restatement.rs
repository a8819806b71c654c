//! Restated figures: figures of earlier windows that differ from what earlier reports published.

use crate::{
    estimate::levels,
    number::{self, list, plural},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Relative difference below which two values are equal: sums depend on the order of records.
const ROUNDING: f64 = 1e-9;

/// The value of a figure in a whole earlier window, from the current records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowValue {
    /// Label of the window.
    pub window: String,
    /// The value; `None` without records to compute it from.
    pub value: Option<f64>,
}

/// The reason why a figure changed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// The stage, its queries, sources or contracts changed.
    ChangedJob,
    /// The program changed.
    ChangedBuild,
    /// Records that were read after the figure was published.
    LateRecords,
    /// Records whose values changed.
    CorrectedRecords,
    /// Records that no longer exist.
    DeletedRecords,
    /// The records at the time of publication are unknown.
    Unknown,
}

impl CauseKind {
    /// The cause in words: "late records".
    pub fn words(self) -> &'static str {
        match self {
            Self::ChangedJob => "changed job",
            Self::ChangedBuild => "changed build",
            Self::LateRecords => "late records",
            Self::CorrectedRecords => "corrected records",
            Self::DeletedRecords => "deleted records",
            Self::Unknown => "unknown cause",
        }
    }

    /// The adjective of its records; `None` for causes without records.
    pub(crate) fn adjective(self) -> Option<&'static str> {
        match self {
            Self::LateRecords => Some("late"),
            Self::CorrectedRecords => Some("corrected"),
            Self::DeletedRecords => Some("deleted"),
            _ => None,
        }
    }
}

/// A reason why a figure changed, with its share of the change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The reason.
    pub kind: CauseKind,
    /// Part of the change that is due to it, in the unit of the figure; the parts of all causes add
    /// up. `None` if unknown, or if the figure had no value before or after.
    pub change: Option<f64>,
    /// Number of late, corrected or deleted records in the window; `None` for other causes.
    pub records: Option<u64>,
}

impl Cause {
    /// Describes the cause: "12 late records", "changed job".
    pub fn words(&self) -> String {
        match (self.kind.adjective(), self.records) {
            (Some(adjective), Some(n)) => plural(n, &format!("{adjective} record")),
            _ => self.kind.words().to_string(),
        }
    }
}

/// A figure of an earlier window that differs from the published figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Restatement {
    /// Label of the earlier window.
    pub window: String,
    /// Name of the figure.
    pub metric: String,
    /// Unit of the values.
    pub unit: String,
    /// The published value.
    pub from: Option<f64>,
    /// The present value.
    pub to: Option<f64>,
    /// Both values formatted.
    pub texts: [String; 2],
    /// The run that published the value: "2026-W45/1a2b3c4d".
    pub run: String,
    /// Causes, in the order in which they were applied.
    pub causes: Vec<Cause>,
}

impl Restatement {
    /// A restatement without causes.
    pub fn new(window: &str, metric: &str, unit: &str, values: [Option<f64>; 2]) -> Self {
        let [from, to] = values;
        let texts = match (from, to) {
            (Some(from), Some(to)) if unit != "min" || from.abs().max(to.abs()) < 120.0 => {
                // Whole numbers are counts.
                let is_whole = from.fract() == 0.0 && to.fract() == 0.0;
                let width = (!is_whole).then(|| (to - from).abs());
                levels([from, to], width, unit)
            }
            _ => values.map(|value| {
                value.map_or_else(
                    || "none".to_string(),
                    |value| number::with_unit(value, unit),
                )
            }),
        };
        Self {
            window: window.to_string(),
            metric: metric.to_string(),
            unit: unit.to_string(),
            from,
            to,
            texts,
            run: String::new(),
            causes: Vec::new(),
        }
    }

    /// Returns true if the value changed by more than the order of records can explain.
    pub fn is_movement(from: Option<f64>, to: Option<f64>) -> bool {
        match (from, to) {
            (Some(from), Some(to)) => (to - from).abs() > ROUNDING * from.abs().max(to.abs()),
            (from, to) => from.is_some() != to.is_some(),
        }
    }

    /// Size of the change relative to the published value; for shares, relative to the smaller of
    /// the share and its complement. Infinite if the published value is missing or zero.
    pub fn relative_size(&self) -> f64 {
        let (Some(from), Some(to)) = (self.from, self.to) else {
            return f64::INFINITY;
        };
        let base = match self.unit.as_str() {
            "share" => from.abs().min((1.0 - from).abs()),
            _ => from.abs(),
        };
        if base > 0.0 {
            (to - from).abs() / base
        } else {
            f64::INFINITY
        }
    }

    /// The causes in words: "12 late records"; if there are several, each with its part of the
    /// change: "12 late records (+3 min) and changed job (−1 min)".
    pub fn causes_in_words(&self) -> String {
        let causes = self.causes.iter().map(|cause| match cause.change {
            Some(change) if self.causes.len() > 1 => {
                let text = number::difference(change, &self.unit);
                let is_unsigned = change > 0.0 && !text.starts_with('+');
                let sign = if is_unsigned { "+" } else { "" };
                format!("{} ({sign}{text})", cause.words())
            }
            _ => cause.words(),
        });
        list(&causes.collect::<Vec<_>>())
    }

    /// The restatement in one sentence: "Success rate of 2026-W45 is 96.1 %, published as 97.2 %:
    /// 12 late records."
    pub fn sentence(&self) -> String {
        let [from, to] = &self.texts;
        format!(
            "{} of {} is {to}, published as {from}: {}.",
            self.metric,
            self.window,
            self.causes_in_words()
        )
    }
}

/// The figures of earlier windows that changed after publication.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Restatements {
    /// Relative change below which figures are only counted.
    pub change_min: f64,
    /// Number of windows that were compared with the published figures.
    pub windows: u64,
    /// Figures that changed by at least `change_min`, the newest window first.
    pub figures: Vec<Restatement>,
    /// Number of figures that changed by less.
    pub smaller: u64,
}

impl Restatements {
    /// One line on the figures that changed by less than `change_min`; `None` if there are none.
    pub fn smaller_in_words(&self) -> Option<String> {
        let further = if self.figures.is_empty() {
            "figure"
        } else {
            "further figure"
        };
        let limit = format!("{}\u{a0}%", number::recorded(self.change_min * 100.0));
        (self.smaller > 0).then(|| {
            format!(
                "{} of earlier windows changed by less than {limit}.",
                plural(self.smaller, further)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restatement(unit: &str, from: Option<f64>, to: Option<f64>) -> Restatement {
        Restatement::new("2026-W45", "Figure", unit, [from, to])
    }

    #[test]
    fn movements_are_relative_to_the_published_value() {
        let check = |unit: &str, from: f64, to: f64, size: f64| {
            let relative = restatement(unit, Some(from), Some(to)).relative_size();
            assert!(
                (relative - size).abs() < 1e-9,
                "{unit} {from} {to}: {relative}"
            );
        };
        check("min", 200.0, 201.0, 0.005);
        check("records", -4.0, -5.0, 0.25);
        // 99 % and its complement, 1 %, change alike.
        check("share", 0.99, 0.985, 0.5);
        check("share", 0.01, 0.015, 0.5);
        for (from, to) in [(Some(0.0), Some(1.0)), (None, Some(1.0)), (Some(1.0), None)] {
            assert_eq!(restatement("min", from, to).relative_size(), f64::INFINITY);
        }
    }

    #[test]
    fn the_order_of_records_is_not_a_movement() {
        let is_movement = Restatement::is_movement;
        assert!(!is_movement(Some(0.1 + 0.2), Some(0.3)));
        assert!(!is_movement(None, None) && !is_movement(Some(0.0), Some(0.0)));
        assert!(is_movement(Some(0.0), Some(1e-12)) && is_movement(None, Some(0.0)));
        assert!(is_movement(Some(1000.0), Some(1000.1)));
    }

    #[test]
    fn sentences_name_values_and_causes() {
        let mut share = restatement("share", Some(0.972), Some(0.961));
        let cause = |kind, records, change| Cause {
            kind,
            change: Some(change),
            records,
        };
        share.causes = vec![cause(CauseKind::LateRecords, Some(1), -0.011)];
        let plain = |share: &Restatement| share.sentence().replace('\u{a0}', " ");
        let expected = "Figure of 2026-W45 is 96.1 %, published as 97.2 %: 1 late record.";
        assert_eq!(plain(&share), expected);
        let counts = restatement("records", Some(80.0), Some(77.0)).texts;
        assert_eq!(
            counts.map(|text| text.replace('\u{a0}', " ")),
            ["80 records", "77 records"]
        );
        share.causes = vec![
            cause(CauseKind::ChangedJob, None, 0.01),
            cause(CauseKind::CorrectedRecords, Some(12), -0.021),
        ];
        let sentence = plain(&share);
        let end = "changed job (+1.0 percentage points) and 12 corrected records (−2.1 percentage points).";
        let expected = format!("Figure of 2026-W45 is 96.1 %, published as 97.2 %: {end}");
        assert_eq!(sentence, expected);
        let texts = restatement("min", None, Some(12.0)).texts;
        assert_eq!(
            texts.map(|text| text.replace('\u{a0}', " ")),
            ["none", "12 min"]
        );
    }

    #[test]
    fn small_movements_are_one_line() {
        let mut all = Restatements {
            change_min: 0.005,
            ..Restatements::default()
        };
        assert_eq!(all.smaller_in_words(), None);
        all.smaller = 3;
        let line = all.smaller_in_words().unwrap().replace('\u{a0}', " ");
        assert_eq!(
            line,
            "3 figures of earlier windows changed by less than 0.5 %."
        );
    }
}
