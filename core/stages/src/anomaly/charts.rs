//! Charts of groups with unusual steps.

use super::{
    detect::{AnomalyScores, StepCounts},
    hours::GroupBursts,
    present::Reporter,
};
use crate::series::words;
use jiff::civil::DateTime;
use retrocast_domain::{
    Chart, ChartKind, Finding,
    chart::{Band, Marker, Role, Series},
    number,
};
use retrocast_stats::anomaly::Score;

impl Reporter<'_> {
    /// One chart per group with events, by steps or by hours, the latest first; without events, the
    /// largest group's.
    pub(super) fn charts(&self, scored: &[AnomalyScores], bursts: &[GroupBursts]) -> Vec<Chart> {
        let bursts_of = |group: &AnomalyScores| {
            let label = &group.series.label;
            bursts.iter().find(|bursts| bursts.group.label == *label)
        };
        let latest = |group: &AnomalyScores| {
            let events = group.events.iter().map(|event| event.last);
            let of_burst = |group_bursts: &GroupBursts| {
                let bursts = group_bursts.bursts.iter();
                bursts
                    .filter_map(|burst| group_bursts.step(self.set, burst))
                    .max()
            };
            let silent = group.silence.as_ref().map(|silence| silence.steps.end);
            let stuck = group.stuck.as_ref().map(|run| run.steps.end - 1);
            let event = events.max().max(silent).max(stuck);
            event.max(bursts_of(group).and_then(of_burst))
        };
        let mut shown: Vec<&AnomalyScores> = scored
            .iter()
            .filter(|group| latest(group).is_some())
            .collect();
        shown.sort_by_key(|group| std::cmp::Reverse(latest(group)));
        if shown.is_empty() {
            shown.extend(scored.iter().max_by_key(|group| group.series.records));
        }
        shown.truncate(4);
        shown
            .into_iter()
            .map(|group| self.chart(group, bursts_of(group)))
            .collect()
    }

    fn chart(&self, group: &AnomalyScores, bursts: Option<&GroupBursts>) -> Chart {
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
        let stuck =
            (group.stuck.as_ref()).map(|run| format!("did not change {}", self.stuck_when(run)));
        let burst =
            bursts.and_then(|group_bursts| Some((group_bursts, group_bursts.bursts.last()?)));
        let outcome = match (silent_since.or(stuck), group.events.last(), burst) {
            (Some(stopped), ..) => stopped,
            (None, Some(event), _) => {
                let side = if event.up { "high" } else { "low" };
                format!("unusually {side} {}", self.when(event))
            }
            (None, None, Some((group_bursts, burst))) => group_bursts.describe(burst),
            // A title has space for one note on the counts.
            (None, None, None) => self.none_proven(match group.step_counts {
                counts if counts.outside > 0 => StepCounts {
                    reach_zero: 0,
                    ..counts
                },
                counts => counts,
            }),
        };
        let title = format!("{}: {outcome}", words::capitalised(&name));
        let event_markers = group.events.iter().map(|event| Marker {
            time: self.set.starts[event.peak],
            value: group.series.values[event.peak],
            label: self.set.period.iso(self.set.starts[event.peak]),
        });
        let burst_markers = bursts.into_iter().flat_map(|group_bursts| {
            group_bursts.bursts.iter().filter_map(|burst| {
                let step = group_bursts.step(self.set, burst)?;
                let time = self.set.starts[step];
                Some(Marker {
                    time,
                    value: group.series.values[step],
                    label: self.set.period.iso(time),
                })
            })
        });
        let markers: Vec<Marker> = event_markers.chain(burst_markers).collect();
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
                number::plural(markers.len() as u64, "event")
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
                markers,
                levels: Vec::new(),
            },
            table: None,
        }
    }
}
