//! Unusual steps as a reader sees them: findings, sentences, tables.

use super::{
    ANOMALY, METHOD, Params,
    detect::{Event, Examined, region},
};
use crate::{
    Context, StageError,
    series::{SeriesSet, words},
};
use polars::prelude::*;
use retrocast_domain::{Direction, Finding, Magnitude, Severity, Table, number, sentence::fill};
use retrocast_stats::anomaly::{Options, Score};

/// Words and pictures of what was found.
pub(super) struct Reporter<'a> {
    pub(super) context: &'a Context,
    pub(super) params: &'a Params,
    pub(super) lines: &'a SeriesSet,
    pub(super) name: &'a str,
}

impl Reporter<'_> {
    fn amount(&self, value: f64) -> String {
        number::with_unit(rounded(value), &self.params.unit)
    }

    pub(super) fn when(&self, event: &Event) -> String {
        let words = |i: usize| self.lines.period.words(self.lines.starts[i]);
        if event.first == event.last {
            format!("on {}", words(event.peak))
        } else {
            format!("from {} to {}", words(event.first), words(event.last))
        }
    }

    pub(super) fn severity(&self, event: &Event, relative: f64) -> Severity {
        if event.last < self.lines.index_of(self.context.window.start) {
            Severity::Info
        } else if !self.params.metric_type.is_bad(event.up) {
            Severity::Notice
        } else if relative.abs() >= 0.5 {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }

    pub(super) fn finding(&self, group: &Examined, event: &Event) -> Finding {
        let iso = |i: usize| self.lines.period.iso(self.lines.starts[i]);
        let kind = self.params.metric_type.event(event.up);
        let what = format!("{kind} of {} at {}", self.name, iso(event.first));
        let mut finding = Finding::new(
            &self.context.stage,
            ANOMALY.name,
            &group.line.subject,
            &what,
        );
        let Some(peak) = group.scores[event.peak] else {
            return finding;
        };
        let relative = peak.value / peak.expected - 1.0;
        finding.direction = if event.up {
            Direction::Up
        } else {
            Direction::Down
        };
        finding.magnitude = Some(Magnitude {
            value: peak.value - peak.expected,
            lower: Some(peak.value - peak.high),
            upper: Some(peak.value - peak.low),
            level: Some(0.95),
            unit: self.unit(),
        });
        finding.n = group.line.known() as u64;
        finding.p = Some(event.p);
        finding.p_adjusted = Some(event.p_adjusted);
        finding.method = METHOD.to_string();
        finding.period = format!("{} to {}", iso(event.first), iso(event.last));
        finding.baseline =
            Some("the level of the weeks before and after, with the weekly season".to_string());
        let mut evidence = self.lines.evidence.clone();
        evidence.filter = Some(format!("{}; {}", group.line.subject, finding.period));
        finding.evidence.push(evidence);
        finding.severity = self.severity(event, relative);
        finding.confidence = (1.0 - event.p_adjusted).clamp(0.5, 0.999);
        if event.last + 1 == self.lines.starts.len() {
            finding.caveats.push(format!(
                "It is the last {} of the window: whether it lasts is not known yet.",
                self.lines.period.noun()
            ));
        }
        finding.sentence = self.sentence(group, event, &peak, relative);
        finding
            .number("type", kind)
            .number("start", iso(event.first))
            .number("end", iso(event.last))
            .number("peak", iso(event.peak))
            .number("steps", (event.last - event.first + 1) as u64)
            .number("value", peak.value)
            .number("expected", peak.expected)
            .number("usual_low", peak.low)
            .number("usual_high", peak.high)
            .number("relative", relative)
            .number("z", peak.z)
            .number("forest_score", group.forest[event.peak])
            .number("forest_agrees", event.agreed)
    }

    pub(super) fn unit(&self) -> String {
        if self.params.unit.is_empty() {
            format!("{} per {}", self.name, self.lines.period.noun())
        } else {
            self.params.unit.clone()
        }
    }

    pub(super) fn sentence(
        &self,
        group: &Examined,
        event: &Event,
        peak: &Score,
        relative: f64,
    ) -> String {
        let noun = self.lines.period.noun();
        let length = event.last - event.first + 1;
        let at_peak = if length == 1 {
            String::new()
        } else {
            let peak = self.lines.period.words(self.lines.starts[event.peak]);
            format!(" at the extreme ({peak})")
        };
        let template = if peak.expected.abs() > 1e-9 {
            "{Name}{group} {were} unusually {side} {when}: {value} in the {noun}{at_peak} where \
             {expected} was expected ({change}); {votes}."
        } else {
            "{Name}{group} {were} unusually {side} {when}: {value} in the {noun}{at_peak} where \
             {expected} was expected; {votes}."
        };
        let votes = if event.agreed {
            format!(
                "residual and isolation forest agree ({} corrected)",
                number::p_value(event.p_adjusted)
            )
        } else {
            format!(
                "the residual alone is extreme ({} corrected)",
                number::p_value(event.p_adjusted)
            )
        };
        fill(
            template,
            &[
                ("Name", &words::capitalised(self.name)),
                ("group", &words::in_group(group.line)),
                (
                    "were",
                    if self.name.ends_with('s') {
                        "were"
                    } else {
                        "was"
                    },
                ),
                ("noun", noun),
                ("side", if event.up { "high" } else { "low" }),
                ("when", &self.when(event)),
                ("value", &self.amount(peak.value)),
                ("at_peak", &at_peak),
                ("expected", &self.amount(peak.expected)),
                ("change", &number::change(relative)),
                ("votes", &votes),
            ],
        )
    }

    pub(super) fn did(&self, examined: &[Examined], options: Options) -> String {
        let (from, window) = region(self.context, self.params, self.lines);
        let events: usize = examined.iter().map(|group| group.events.len()).sum();
        let noun = self.lines.period.noun();
        let days = self.lines.starts.len() - from;
        fill(
            "Looked at {values} of {name} in {groups} ({recent} of them in the window), against a \
             season of {period} {noun}s: {events}.",
            &[
                ("values", &number::plural(days as u64, noun)),
                ("name", self.name),
                ("groups", &number::plural(examined.len() as u64, "group")),
                (
                    "recent",
                    &number::count((self.lines.starts.len() - window) as u64),
                ),
                ("period", &options.period.to_string()),
                ("noun", noun),
                (
                    "events",
                    &match events {
                        0 => "nothing unusual".to_string(),
                        n => number::plural(n as u64, "unusual event"),
                    },
                ),
            ],
        )
    }

    pub(super) fn table(&self, examined: &[Examined]) -> Table {
        let mut table = Table::new(
            format!(
                "Unusual {}s of {}, {}.",
                self.lines.period.noun(),
                self.name,
                self.lines.dates()
            ),
            &[
                "<group",
                "<from",
                "<to",
                "<type",
                ">value",
                ">expected",
                ">change",
                ">p corrected",
            ],
        );
        let mut rows: Vec<(&Examined, &Event)> = examined
            .iter()
            .flat_map(|g| g.events.iter().map(move |e| (g, e)))
            .collect();
        rows.sort_by(|(a, x), (b, y)| {
            y.first
                .cmp(&x.first)
                .then_with(|| a.line.label.cmp(&b.line.label))
        });
        for (group, event) in rows {
            let Some(peak) = group.scores[event.peak] else {
                continue;
            };
            table.push([
                group.line.label.clone(),
                self.lines.period.iso(self.lines.starts[event.first]),
                self.lines.period.iso(self.lines.starts[event.last]),
                self.params.metric_type.event(event.up).replace('_', " "),
                self.amount(peak.value),
                self.amount(peak.expected),
                number::change(peak.value / peak.expected - 1.0),
                number::p_bare(event.p_adjusted),
            ]);
        }
        table.top(30)
    }
}

/// Expectations of counts are not whole; three digits are enough to read.
fn rounded(value: f64) -> f64 {
    if value.abs() >= 10.0 {
        value.round()
    } else {
        value
    }
}

/// One row a step and group with its score, for stages that come after.
pub(super) fn frame_of(lines: &SeriesSet, examined: &[Examined]) -> Result<DataFrame, StageError> {
    let mut columns: (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut numbers: [Vec<f64>; 4] = Default::default();
    let mut claimed = Vec::new();
    for group in examined {
        for (i, score) in group.scores.iter().enumerate() {
            let Some(score) = score else { continue };
            columns.0.push(group.line.label.clone());
            columns.1.push(lines.period.iso(lines.starts[i]));
            let row = [score.value, score.expected, score.z, group.forest[i]];
            numbers
                .iter_mut()
                .zip(row)
                .for_each(|(column, value)| column.push(value));
            claimed.push(group.events.iter().any(|e| (e.first..=e.last).contains(&i)));
        }
    }
    let [value, expected, z, forest] = numbers;
    Ok(DataFrame::new_infer_height(vec![
        Column::new("group".into(), columns.0),
        Column::new(lines.period.noun().into(), columns.1),
        Column::new("value".into(), value),
        Column::new("expected".into(), expected),
        Column::new("z".into(), z),
        Column::new("forest_score".into(), forest),
        Column::new("anomalous".into(), claimed),
    ])?)
}
