//! The planted facts of a company, for `truth.json`.

use crate::{
    company::{
        COMPONENTS, Company, DECISION_KINDS, Drift, Improvement, MEMORY_LIMIT, PIPELINES, SERVICES,
        Shift, TICKET_TYPES,
    },
    truth::{AllowedPattern, Fact, FactKind, Subject},
};
use std::collections::BTreeMap;

impl Company {
    /// Names in records, by source and column.
    pub(crate) fn names() -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
        let to_strings = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_string())
                .collect::<Vec<_>>()
        };
        let components = to_strings(&COMPONENTS);
        let columns = |pairs: Vec<(&str, Vec<String>)>| {
            pairs
                .into_iter()
                .map(|(column, names)| (column.to_string(), names))
                .collect()
        };
        let kinds = to_strings(&DECISION_KINDS.map(|(kind, _)| kind));
        BTreeMap::from([
            (
                "tickets".to_string(),
                columns(vec![
                    ("component", components.clone()),
                    ("type", to_strings(&TICKET_TYPES)),
                ]),
            ),
            ("decisions".to_string(), columns(vec![("kind", kinds)])),
            (
                "pipelines".to_string(),
                columns(vec![
                    ("pipeline", to_strings(&PIPELINES)),
                    ("component", components),
                ]),
            ),
            (
                "metrics".to_string(),
                columns(vec![("service", to_strings(&SERVICES))]),
            ),
        ])
    }

    /// Patterns that exist by design.
    pub(crate) fn allowed() -> Vec<AllowedPattern> {
        let pattern = |source: &str, kind: &str, sentence: &str| AllowedPattern {
            source: source.to_string(),
            kind: kind.to_string(),
            what: sentence.to_string(),
        };
        let weekend = "volume on Saturdays and Sundays is 40 % of that on working days";
        vec![
            pattern("pipelines", "weekday_effect", weekend),
            pattern("decisions", "weekday_effect", weekend),
            pattern(
                "pipelines",
                "correlation",
                "executions take longer the more files they read",
            ),
        ]
    }

    /// The planted facts, with sizes.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let mut facts = vec![self.monday_fact(), self.threshold_fact()];
        facts.extend(self.shift.map(|shift| self.shift_fact(shift)));
        if let Some(day) = self.outage {
            facts.push(self.outage_fact("outage-pipelines", "pipelines", day, self.outage_volume));
            facts.push(self.outage_fact("outage-decisions", "decisions", day, self.outage_volume));
        }
        if let Some(day) = self.dip {
            facts.push(self.outage_fact("dip-pipelines", "pipelines", day, self.dip_volume));
        }
        facts.extend(self.drift.map(|drift| self.drift_fact(drift)));
        facts.extend(
            self.improvements
                .iter()
                .map(|improvement| self.effect_fact(improvement)),
        );
        facts
    }

    fn monday_fact(&self) -> Fact {
        let ratio = self.monday_factor;
        let all_days = ratio / ((ratio + 6.0) / 7.0);
        let working_days = ratio / ((ratio + 4.0) / 5.0);
        Fact {
            id: "monday".into(),
            kind: FactKind::WeekdayEffect,
            source: "tickets".into(),
            subject: Some(Subject {
                column: "type".into(),
                value: "failure".into(),
            }),
            measure: "failure tickets per day".into(),
            what: format!(
                "failure tickets are {ratio:.2} times as many on Mondays as on other days"
            ),
            date: None,
            end: None,
            size: round_size(ratio),
            unit: "ratio".into(),
            // Any of the three baselines may be used, each with its sampling error.
            size_range: [working_days * 0.9, ratio * 1.1],
            date_tolerance_days: 0,
            numbers: BTreeMap::from([
                ("ratio_all_days".into(), all_days),
                ("ratio_working_days".into(), working_days),
                ("ratio_other_days".into(), ratio),
            ]),
        }
    }

    fn threshold_fact(&self) -> Fact {
        let files = self.threshold_files as f64;
        let [below, above] = self.failure_share;
        Fact {
            id: "threshold".into(),
            kind: FactKind::VolumeThreshold,
            source: "pipelines".into(),
            subject: None,
            measure: "share of failed executions".into(),
            what: format!(
                "{:.0} % of executions fail with up to {files} files, {:.0} % with more",
                below * 100.0,
                above * 100.0
            ),
            date: None,
            end: None,
            size: files,
            unit: "files".into(),
            size_range: [files * 0.85, files * 1.15],
            date_tolerance_days: 0,
            numbers: BTreeMap::from([
                ("share_below".into(), below),
                ("share_above".into(), above),
                ("ratio".into(), above / below),
            ]),
        }
    }

    fn component(&self, index: usize) -> Subject {
        let value = self.components[index].name.to_string();
        Subject {
            column: "component".into(),
            value,
        }
    }

    fn shift_fact(&self, shift: Shift) -> Fact {
        let date = self.days[shift.from].date;
        let name = self.components[shift.component].name;
        Fact {
            id: "shift".into(),
            kind: FactKind::ChangePoint,
            source: "tickets".into(),
            subject: Some(self.component(shift.component)),
            measure: "tickets per day".into(),
            what: format!(
                "daily tickets of {name} are {:.2} times as many from {date}",
                shift.factor
            ),
            date: Some(date),
            end: None,
            size: round_size(shift.factor),
            unit: "ratio".into(),
            size_range: [shift.factor * 0.8, shift.factor * 1.2],
            date_tolerance_days: 7,
            numbers: BTreeMap::new(),
        }
    }

    fn outage_fact(&self, id: &str, source: &str, day: usize, volume: f64) -> Fact {
        let date = self.days[day].date;
        Fact {
            id: id.into(),
            kind: FactKind::Outage,
            source: source.into(),
            subject: None,
            measure: "records per day".into(),
            what: format!(
                "{source} drop to {:.0} % of their volume on {date}",
                volume * 100.0
            ),
            date: Some(date),
            end: date.tomorrow().ok(),
            size: volume,
            unit: "ratio".into(),
            size_range: [0.0, (volume * 1.8).min(0.8)],
            date_tolerance_days: 0,
            numbers: BTreeMap::new(),
        }
    }

    fn drift_fact(&self, drift: Drift) -> Fact {
        let name = self.services[drift.service].name;
        let date = self.days[drift.from].date;
        let base = self.services[drift.service].memory_percent;
        let at_end = base + drift.points_per_day * (self.days.len() - drift.from) as f64;
        Fact {
            id: "drift".into(),
            kind: FactKind::Drift,
            source: "metrics".into(),
            subject: Some(Subject {
                column: "service".into(),
                value: name.to_string(),
            }),
            measure: "memory_percent".into(),
            what: format!(
                "memory of {name} rises by {:.2} points a day from {date} towards {MEMORY_LIMIT}",
                drift.points_per_day
            ),
            date: Some(date),
            end: None,
            size: round_size(drift.points_per_day),
            unit: "points per day".into(),
            size_range: [0.0, drift.points_per_day * 1.5],
            date_tolerance_days: 28,
            numbers: BTreeMap::from([
                ("limit".into(), MEMORY_LIMIT),
                ("base".into(), base),
                ("at_end".into(), at_end),
                (
                    "days_to_limit".into(),
                    (MEMORY_LIMIT - at_end) / drift.points_per_day,
                ),
            ]),
        }
    }

    fn effect_fact(&self, improvement: &Improvement) -> Fact {
        let size = round_size(improvement.effect);
        let name = self.components[improvement.component].name;
        let sentence = if size == 0.0 {
            format!(
                "{} has no effect on failure tickets of {name}",
                improvement.id
            )
        } else {
            format!(
                "{} changes failure tickets of {name} by {:.0} %",
                improvement.id,
                size * 100.0
            )
        };
        Fact {
            id: improvement.id.to_string(),
            kind: match size {
                size if size < 0.0 => FactKind::Effect,
                size if size > 0.0 => FactKind::Harm,
                _ => FactKind::NoEffect,
            },
            source: "tickets".into(),
            subject: Some(self.component(improvement.component)),
            measure: "failure tickets per day".into(),
            what: sentence,
            date: Some(improvement.date),
            end: None,
            size,
            unit: "relative".into(),
            size_range: [size - 0.15, size + 0.15],
            date_tolerance_days: 7,
            numbers: BTreeMap::new(),
        }
    }
}

/// Removes rounding errors of sums: sizes are drawn in hundredths.
fn round_size(size: f64) -> f64 {
    (size * 100.0).round() / 100.0
}
