//! Charts of groups with unusual steps.

use super::{detect::AnomalyScores, present::Reporter};
use crate::series::words;
use jiff::civil::DateTime;
use retrocast_domain::{
    Chart, ChartKind, Finding,
    chart::{Band, Marker, Role, Series},
    number,
};
use retrocast_stats::anomaly::Score;

impl Reporter<'_> {
    /// One chart per group with events, the latest first; without events, the largest group's.
    pub(super) fn charts(&self, scored: &[AnomalyScores]) -> Vec<Chart> {
        let mut shown: Vec<&AnomalyScores> = scored
            .iter()
            .filter(|group| !group.events.is_empty() || group.silence.is_some())
            .collect();
        shown.sort_by_key(|group| {
            let silent = group.silence.as_ref().map(|silence| silence.steps.end);
            std::cmp::Reverse(silent.max(group.events.iter().map(|event| event.last).max()))
        });
        if shown.is_empty() {
            shown.extend(scored.iter().max_by_key(|group| group.series.records));
        }
        shown.truncate(4);
        shown.into_iter().map(|group| self.chart(group)).collect()
    }

    fn chart(&self, group: &AnomalyScores) -> Chart {
        let n = self.set.starts.len();
        let shown = 120 * self.set.period.per_day().min(4);
        let earliest = group
            .events
            .iter()
            .map(|event| event.first.saturating_sub(28))
            .min();
        let from = n.saturating_sub(shown).min(earliest.unwrap_or(n));
        let times: Vec<DateTime> = self.set.starts[from..].to_vec();
        let scores = &group.scores[from..];
        let known: Vec<(DateTime, &Score)> = times
            .iter()
            .zip(scores)
            .filter_map(|(time, score)| score.as_ref().map(|score| (*time, score)))
            .collect();
        let (lower, upper) = known
            .iter()
            .map(|(_, score)| {
                let [low, high] = group.band(score);
                (low, high)
            })
            .unzip();
        let name = format!("{}{}", self.name, words::in_group(group.series));
        let silent_since = group.silence.as_ref().map(|silence| {
            let first = self.set.starts[silence.steps.start];
            format!("no record since {}", self.set.period.words(first))
        });
        let title = match (silent_since, group.events.last()) {
            (Some(silent_since), _) => format!("{}: {silent_since}", words::capitalised(&name)),
            (None, None) => format!(
                "{}: {}",
                words::capitalised(&name),
                self.none_proven(group.step_counts)
            ),
            (None, Some(event)) => {
                let side = if event.up { "high" } else { "low" };
                format!(
                    "{}: unusually {side} {}",
                    words::capitalised(&name),
                    self.when(event)
                )
            }
        };
        Chart {
            id: format!(
                "{}-{}",
                self.context.stage,
                Finding::identity("chart", &group.series.subject, "anomaly")
            ),
            alt: format!(
                "{title}. {}, {}, with the expected values and the 95\u{a0}% band; {} marked.",
                words::capitalised(&name),
                self.set.dates_in_words(from),
                number::plural(group.events.len() as u64, "event")
            ),
            title,
            unit: self.axis(),
            kind: ChartKind::Line {
                series: vec![
                    Series {
                        name: self.name.to_string(),
                        times: times.clone(),
                        values: group.series.values[from..].to_vec(),
                        role: Role::Observed,
                    },
                    Series {
                        name: "expected".to_string(),
                        times,
                        values: scores.iter().map(|s| s.map(|s| s.expected)).collect(),
                        role: Role::Expected,
                    },
                ],
                bands: vec![Band {
                    name: "expected range (95 %)".to_string(),
                    times: known.iter().map(|(time, _)| *time).collect(),
                    lower,
                    upper,
                }],
                markers: group
                    .events
                    .iter()
                    .map(|event| Marker {
                        time: self.set.starts[event.peak],
                        value: group.series.values[event.peak],
                        label: self.set.period.iso(self.set.starts[event.peak]),
                    })
                    .collect(),
                levels: Vec::new(),
            },
            table: None,
        }
    }
}
