//! Formats unusual steps as findings, sentences and tables.

use super::{
    ANOMALY, METHOD, MetricType, Params, Sides,
    detect::{AnomalyScores, Event, SILENCE, STUCK, StepCounts, analysed_steps, first_in_window},
};
use crate::{
    Context, StageError,
    series::{SeriesSet, period::Period, words},
};
use polars::prelude::*;
use retrocast_domain::{
    ActionRequest, Direction, Estimate, Finding, Magnitude, Severity, Table,
    estimate::{level_with_interval, levels},
    number,
    sentence::fill,
};
use retrocast_stats::{
    anomaly::{Options, Score},
    describe::mean,
};

/// Number of consecutive days from which an event is lasting.
const LASTING_DAYS: usize = 3;
/// Number of days at the end in which an event is recent.
const RECENT_DAYS: usize = 2;
/// Relative deviation from which an event is large.
const LARGE: f64 = 0.5;

/// Observed and expected values of a step, formatted.
struct Amounts {
    value: String,
    expected: String,
    /// The band of 95 % of usual values.
    band: String,
}

/// Formats the results of the stage.
pub(super) struct Reporter<'a> {
    pub(super) context: &'a Context,
    pub(super) params: &'a Params,
    pub(super) set: &'a SeriesSet,
    pub(super) name: &'a str,
    pub(super) options: Options,
}

impl Reporter<'_> {
    /// Formats value, expected value and band of a step.
    fn amounts(&self, group: &AnomalyScores, score: &Score) -> Amounts {
        let unit = self.params.unit.as_str();
        let [low, high] = group.band(score);
        let is_whole = |value: &f64| value.fract() == 0.0;
        let is_count =
            self.params.aggregate().adds_up() && group.series.values.iter().flatten().all(is_whole);
        // Rounded to the integers within the band: the same values are outside.
        let (lowest, highest) = ((low - 1e-9).ceil(), (high + 1e-9).floor());
        let is_whole = is_count && lowest <= highest;
        let bounds = if is_whole {
            [lowest, highest]
        } else {
            [low, high]
        };
        let width = bounds[1] - bounds[0];
        // From ten on, a count has decimals only if its change needs them.
        let width = match score.expected {
            expected if is_whole && expected >= 10.0 => width.max(10.0),
            _ if is_whole => width.max(1.0),
            _ => width,
        };
        let pair = [score.expected, score.value];
        let [expected, value] = self
            .difference(group, score)
            .levels(pair, Some(width), unit);
        let [_, band] = level_with_interval(score.expected, bounds, unit, is_whole);
        Amounts {
            value: if is_whole {
                levels([score.value], None, unit).concat()
            } else {
                value
            },
            expected,
            band: if is_whole && lowest == highest {
                levels([lowest], None, unit).concat()
            } else {
                band
            },
        }
    }

    /// The deviation of a step from its expected value.
    fn difference(&self, group: &AnomalyScores, score: &Score) -> Estimate<'_> {
        let [low, high] = group.band(score);
        let unit = self.params.unit.as_str();
        if matches!(unit, "%" | "share") || score.expected <= 1e-9 || score.value < 0.0 {
            let difference = score.value - score.expected;
            let interval = [score.value - high, score.value - low];
            return Estimate::amount(difference, Some(interval), unit, true);
        }
        let relative = |expected: f64| score.value / expected - 1.0;
        let interval = (low > 0.0).then(|| [relative(high), relative(low)]);
        Estimate::relative(relative(score.expected), interval, true)
    }

    /// The time of an event with its preposition: "on 12 November 2026".
    pub(super) fn when(&self, event: &Event) -> String {
        if event.first == event.last {
            self.set.period.when(self.set.starts[event.first])
        } else {
            let [first, last] = [event.first, event.last].map(|i| self.set.starts[i]);
            self.set.period.during(first, last)
        }
    }

    /// The steps of an event: "12 November 2026", "10 to 12 November 2026".
    fn dates(&self, event: &Event) -> String {
        let [first, last] = [event.first, event.last].map(|i| self.set.starts[i]);
        if first == last {
            self.set.period.words(first)
        } else {
            self.set.period.range(first, last)
        }
    }

    /// The baseline of an event; it includes later steps only if there are enough.
    fn baseline(&self, event: &Event) -> String {
        let after = self.set.starts.len() - 1 - event.peak;
        let when = if after >= self.options.short / 2 {
            "before and after"
        } else {
            "before"
        };
        match self.set.period {
            Period::Hour | Period::Day => {
                format!("the level of the weeks {when}, with the usual rhythm")
            }
            longer => format!("the level of the {}s {when}", longer.noun()),
        }
    }

    /// Severity of an event. A single step is critical only if users notice the deviation, and if
    /// it is large and recent, so that readers can still act. An event without a bad direction is
    /// never critical.
    pub(super) fn severity(&self, event: &Event, relative: f64) -> Severity {
        let per_day = self.set.period.per_day();
        let lasts = event.last - event.first + 1 >= LASTING_DAYS * per_day;
        let is_recent = event.last + RECENT_DAYS * per_day >= self.set.starts.len();
        let is_large = relative.abs() >= LARGE;
        let metric_type = self.params.metric_type;
        if event.last < first_in_window(self.context, self.set) {
            Severity::Info
        } else if metric_type == MetricType::Other {
            // A complete stop is harmful for any metric.
            if is_large && (lasts || relative <= -1.0) {
                Severity::Warning
            } else {
                Severity::Notice
            }
        } else if !metric_type.is_bad(event.up) {
            Severity::Notice
        } else if is_large && (lasts || (is_recent && metric_type.is_noticed())) {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }

    pub(super) fn finding(&self, group: &AnomalyScores, event: &Event) -> Finding {
        let iso = |i: usize| self.set.period.iso(self.set.starts[i]);
        let kind = self.params.metric_type.event(event.up);
        let what = format!("{kind} of {} at {}", self.name, iso(event.first));
        let mut finding = Finding::new(
            &self.context.stage,
            ANOMALY.name,
            &group.series.subject,
            &what,
        );
        let when = self.set.period.when(self.set.starts[event.first]);
        let were = if words::is_or_are(self.name) == "is" {
            "was"
        } else {
            "were"
        };
        let high = if event.up { "high" } else { "low" };
        let text = format!("{were} unusually {high} {when}");
        finding.request = Some(ActionRequest::new(self.name, text, "find the cause"));
        let Some(peak) = group.scores[event.peak] else {
            return finding;
        };
        let relative = (peak.value - peak.expected) / peak.expected.abs();
        finding.direction = if event.up {
            Direction::Up
        } else {
            Direction::Down
        };
        let [low, high] = group.band(&peak);
        finding.magnitude = Some(Magnitude {
            value: peak.value - peak.expected,
            lower: Some(peak.value - high),
            upper: Some(peak.value - low),
            level: Some(0.95),
            unit: self.unit(),
        });
        finding.n = group.series.known() as u64;
        finding.p = Some(event.p);
        finding.p_adjusted = Some(event.p_adjusted);
        finding.method = format!(
            "{METHOD}; {}",
            if event.agreed {
                "residual and isolation forest agree"
            } else {
                "the residual alone is extreme"
            }
        );
        finding.period = format!("{} to {}", iso(event.first), iso(event.last));
        finding.baseline = Some(self.baseline(event));
        let evidence = self.set.evidence_on(group.series, event.first, event.last);
        finding.evidence.push(evidence);
        finding.severity = self.severity(event, relative);
        finding.confidence = (1.0 - event.p_adjusted).clamp(0.5, 0.999);
        if event.last + 1 == self.set.starts.len() {
            finding.caveats.push(format!(
                "It is the last {} of the window: whether it lasts is not known yet.",
                self.set.period.noun()
            ));
        }
        finding.sentence = self.sentence(group, event, &peak);
        finding
            .number("type", kind)
            .number("start", iso(event.first))
            .number("end", iso(event.last))
            .number("peak", iso(event.peak))
            .number("steps", (event.last - event.first + 1) as u64)
            .number("value", peak.value)
            .number("expected", peak.expected)
            .number("usual_low", low)
            .number("usual_high", high)
            .number("relative", relative)
            .number("z", peak.z)
            .number("forest_score", group.forest[event.peak])
            .number("forest_agrees", event.agreed)
    }

    pub(super) fn unit(&self) -> String {
        if self.params.unit.is_empty() {
            format!("{} per {}", self.name, self.set.period.noun())
        } else {
            self.params.unit.clone()
        }
    }

    /// Label of the axis of values.
    pub(super) fn axis(&self) -> String {
        match self.params.unit.as_str() {
            "" => self.unit(),
            unit => words::axis(self.name, unit),
        }
    }

    pub(super) fn sentence(&self, group: &AnomalyScores, event: &Event, peak: &Score) -> String {
        let noun = self.set.period.noun();
        let at_peak = if event.first == event.last {
            String::new()
        } else {
            let peak = self.set.period.when(self.set.starts[event.peak]);
            format!(" {peak}, the most unusual {noun}")
        };
        let amounts = self.amounts(group, peak);
        let were = if words::is_or_are(self.name) == "is" {
            "was"
        } else {
            "were"
        };
        let difference = self.difference(group, peak);
        fill(
            "{Name}{group} {were} unusually {side} {when}: {value}{at_peak}, {difference} (expected \
             range, 95\u{a0}%: {band}).",
            &[
                ("Name", &words::capitalised(self.name)),
                ("group", &words::in_group(group.series)),
                ("were", were),
                ("side", if event.up { "high" } else { "low" }),
                ("when", &self.when(event)),
                ("value", &amounts.value),
                ("at_peak", &at_peak),
                ("band", &amounts.band),
                (
                    "difference",
                    &difference.compared(&format!("than the {} expected", amounts.expected)),
                ),
            ],
        )
    }

    /// States that no step is proven unusual, and how many are outside the band: "no day in the
    /// window is proven unusual (2 of 7 lie outside the 95 % band; chance alone gives about 0.4)".
    pub(super) fn none_proven(&self, step_counts: StepCounts) -> String {
        let noun = self.set.period.noun();
        let (from, window) = analysed_steps(self.context, self.params, self.set);
        let when = if from < window {
            format!("since {}", self.set.period.words(self.set.starts[from]))
        } else if self.set.index_of(self.context.window.start) > window {
            // The window contains no whole step.
            "before the end of the window".to_string()
        } else {
            "in the window".to_string()
        };
        let StepCounts {
            steps,
            outside,
            small,
            reach_zero,
        } = step_counts;
        if steps == 0 {
            return format!("no {noun} {when} could be judged");
        }
        let mut unusual = match self.params.direction {
            Sides::Both => "unusual",
            Sides::Up => "unusually high",
            Sides::Down => "unusually low",
        }
        .to_string();
        if small > 0 {
            unusual += &format!(" by {} or more", words::share(self.params.change_min));
        }
        let count = |n: usize| number::count(n as u64);
        let band = words::share(0.95);
        let outside_text = match outside {
            0 => format!("none of {} lies outside the {band} band", count(steps)),
            n => format!(
                "{} of {} {} outside the {band} band; chance alone gives about {}",
                count(n),
                count(steps),
                if n == 1 { "lies" } else { "lie" },
                number::fixed(0.05 * steps as f64, usize::from(steps < 200))
            ),
        };
        // If zero is usual, a step without records cannot be unusual, and the text says so.
        let is_silence_judged =
            self.params.aggregate().adds_up() && self.params.direction != Sides::Up;
        let zero = match reach_zero {
            n if n == 0 || !is_silence_judged => String::new(),
            n if n == steps => format!(
                "; it includes zero, so a {noun} without {} cannot stand out",
                self.name
            ),
            n => format!(
                "; on {} of them it includes zero, so a {noun} without {} cannot stand out",
                count(n),
                self.name
            ),
        };
        format!("no {noun} {when} is proven {unusual} ({outside_text}{zero})")
    }

    /// Describes in a sentence what was tested, with the outcome and the number of bursts of hours.
    pub(super) fn summarise(&self, scored: &[AnomalyScores], bursts: usize) -> String {
        let (from, window) = analysed_steps(self.context, self.params, self.set);
        let events: usize = scored.iter().map(AnomalyScores::event_count).sum();
        let noun = self.set.period.noun();
        let steps = self.set.starts.len();
        let outcome = match events {
            0 => {
                let mut totals = StepCounts::default();
                for group in scored {
                    totals.steps += group.step_counts.steps;
                    totals.outside += group.step_counts.outside;
                    totals.small += group.step_counts.small;
                    totals.reach_zero += group.step_counts.reach_zero;
                }
                self.none_proven(totals)
            }
            1 => "1 unusual event is proven".to_string(),
            n => format!("{} are proven", number::plural(n as u64, "unusual event")),
        };
        let hours = match self.set.period {
            Period::Hour => "in runs of hours",
            _ => "by hours",
        };
        let by_hours = match bursts {
            0 => String::new(),
            1 => format!("; {hours}, 1 unusual event is proven"),
            n => format!(
                "; {hours}, {} are proven",
                number::plural(n as u64, "unusual event")
            ),
        };
        let groups = if self.params.by.is_empty() {
            String::new()
        } else {
            format!(" in {}", number::plural(scored.len() as u64, "group"))
        };
        let recent = if window > from {
            let recent = number::count((steps - window) as u64);
            format!(" ({recent} of them in the window)")
        } else {
            String::new()
        };
        fill(
            "Tested {values} of {name}{groups}, {dates}{recent}, compared with {usual}: \
             {outcome}{by_hours}.",
            &[
                ("values", &number::plural((steps - from) as u64, noun)),
                ("name", self.name),
                ("groups", &groups),
                ("dates", &self.set.dates_in_words(from)),
                ("recent", &recent),
                ("usual", self.usual(scored)),
                ("outcome", &outcome),
                ("by_hours", &by_hours),
            ],
        )
    }

    /// The pattern that steps are compared with.
    fn usual(&self, scored: &[AnomalyScores]) -> &'static str {
        match self.set.period {
            Period::Week | Period::Month if scored.iter().any(|group| group.has_year) => {
                "the usual level and the season of the year"
            }
            Period::Week | Period::Month => "the usual level",
            Period::Hour if self.options.period == 24 => "the daily pattern",
            Period::Hour | Period::Day => "the weekly pattern",
        }
    }

    /// The table of events, the latest first; `None` without events.
    pub(super) fn table(&self, scored: &[AnomalyScores]) -> Option<Table> {
        let (from, _) = analysed_steps(self.context, self.params, self.set);
        let noun = self.set.period.noun();
        let steps = self.set.starts.len() - from;
        let mut table = Table::new(
            format!(
                "Unusual {noun}s of {} among the {} tested, {}.",
                self.name,
                number::plural(steps as u64, noun),
                self.set.dates_in_words(from)
            ),
            &[
                "<group",
                "<when",
                "<type",
                ">value",
                ">expected",
                ">expected range (95\u{a0}%)",
                ">change",
                ">adjusted p",
            ],
        );
        let mut rows: Vec<(&AnomalyScores, &Event)> = scored
            .iter()
            .flat_map(|g| g.events.iter().map(move |e| (g, e)))
            .collect();
        rows.sort_by(|(a, x), (b, y)| {
            y.first
                .cmp(&x.first)
                .then_with(|| a.series.label.cmp(&b.series.label))
        });
        for group in scored {
            let Some(silence) = &group.silence else {
                continue;
            };
            let first = self.set.period.words(self.set.starts[silence.steps.start]);
            table.push([
                group.series.label.clone(),
                format!("since {first}"),
                SILENCE.to_string(),
                "no record".to_string(),
                number::sensible(mean(&silence.usual).round()),
                String::new(),
                String::new(),
                number::p_bare((silence.chance * scored.len() as f64).min(1.0)),
            ]);
        }
        for group in scored {
            let Some(run) = &group.stuck else { continue };
            table.push([
                group.series.label.clone(),
                self.stuck_when(run),
                STUCK.to_string(),
                self.stuck_value(run),
                String::new(),
                String::new(),
                String::new(),
                number::p_bare((run.chance * scored.len() as f64).min(1.0)),
            ]);
        }
        for (group, event) in rows {
            let Some(peak) = group.scores[event.peak] else {
                continue;
            };
            let amounts = self.amounts(group, &peak);
            table.push([
                group.series.label.clone(),
                self.dates(event),
                self.params.metric_type.event(event.up).replace('_', " "),
                amounts.value,
                amounts.expected,
                amounts.band,
                self.difference(group, &peak).signed(),
                number::p_bare(event.p_adjusted),
            ]);
        }
        (!table.rows.is_empty()).then(|| table.top(30))
    }
}

/// One row per step and group with its score, for later stages.
pub(super) fn frame_of(set: &SeriesSet, scored: &[AnomalyScores]) -> Result<DataFrame, StageError> {
    let mut columns: (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut numbers: [Vec<f64>; 4] = Default::default();
    let mut claimed = Vec::new();
    for group in scored {
        for (i, score) in group.scores.iter().enumerate() {
            let Some(score) = score else { continue };
            columns.0.push(group.series.label.clone());
            columns.1.push(set.period.iso(set.starts[i]));
            let row = [score.value, score.expected, score.z, group.forest[i]];
            numbers
                .iter_mut()
                .zip(row)
                .for_each(|(column, value)| column.push(value));
            let is_silent = (group.silence.iter()).any(|silence| i >= silence.steps.start);
            let mut events = group.events.iter();
            let is_stuck = (group.stuck.iter()).any(|run| run.steps.contains(&i));
            claimed.push(is_silent || is_stuck || events.any(|e| (e.first..=e.last).contains(&i)));
        }
    }
    let [value, expected, z, forest] = numbers;
    Ok(DataFrame::new_infer_height(vec![
        Column::new("group".into(), columns.0),
        Column::new(set.period.noun().into(), columns.1),
        Column::new("value".into(), value),
        Column::new("expected".into(), expected),
        Column::new("z".into(), z),
        Column::new("forest_score".into(), forest),
        Column::new("anomalous".into(), claimed),
    ])?)
}
