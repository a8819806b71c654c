//! Bursts and gaps of a few hours within days, which the totals of days hide.

use super::{ANOMALY, Params, Sides, detect::AnomalyScores, history_max, present::Reporter};
use crate::{
    Context, Input, StageError, frame,
    series::{self, Aggregate, Group, PartPeriods, Request, SeriesSet, period::Period, words},
    times::Resolution,
};
use jiff::civil::{Date, DateTime};
use rayon::prelude::*;
use retrocast_domain::{
    ActionRequest, Direction, Estimate, Finding, Magnitude, Severity, Table, number, sentence::fill,
};
use retrocast_stats::burst::{Burst, Hour, scan};

/// The method, for findings.
const METHOD: &str = "Scan of all runs of 1 to 24 hours, negative binomial tail, corrected by the largest scores of \
                      earlier weeks (Naus, 1965; Gumbel, 1958); Bonferroni over groups";

/// The bursts of a group.
pub(super) struct GroupBursts<'a> {
    /// The series of hours.
    hours: &'a SeriesSet,
    pub(super) group: &'a Group,
    pub(super) bursts: Vec<Burst>,
}

impl GroupBursts<'_> {
    /// The direction and time of a burst: "unusually high from 14:00 to 19:00 on 11 November 2026".
    pub(super) fn describe(&self, burst: &Burst) -> String {
        let side = if burst.is_up() { "high" } else { "low" };
        format!("unusually {side} {}", when(self.hours, burst))
    }

    /// The day on which a burst begins.
    pub(super) fn day(&self, burst: &Burst) -> Date {
        self.hours.day(burst.first)
    }
}

/// Counts per hour, if the records have times of day and are counted; `None` otherwise.
pub(super) fn collect_hours(
    context: &Context,
    params: &Params,
    input: &Input,
) -> Result<Option<SeriesSet>, StageError> {
    if params.aggregate() != Aggregate::Count {
        return Ok(None);
    }
    let time = frame::time_column(input, params.time.as_deref())?;
    if input.times(time, &context.window.timezone)?.resolution != Resolution::Moment {
        return Ok(None);
    }
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        aggregate: Aggregate::Count,
        period: Period::Hour,
        part_periods: PartPeriods::LeaveOut,
        periods_max: history_max(Period::Hour),
        without_year: false,
        groups_max: super::GROUPS_MAX,
        measure: params.measure.as_deref(),
        filter: None,
    };
    let set = series::collect(context, input, &request)?;
    Ok(set.empty_reason.is_none().then_some(set))
}

/// Finds the bursts of every group in the window, but for those on days that are themselves unusual
/// in the same direction.
pub(super) fn find_bursts<'a>(
    context: &Context,
    params: &Params,
    hours: &'a SeriesSet,
    days: &SeriesSet,
    scored: &[AnomalyScores],
) -> Vec<GroupBursts<'a>> {
    let from = hours.index_of(context.window.start);
    let directions = if params.direction == Sides::Both {
        2
    } else {
        1
    };
    let p_max = params.alpha / (hours.groups.len().max(1) * directions) as f64;
    let is_reported = |group: &Group, burst: &Burst| {
        let span = [burst.first, burst.end - 1].map(|hour| hours.day(hour));
        let of_group = || {
            scored
                .iter()
                .filter(|scores| scores.series.label == group.label)
        };
        let mut events = of_group()
            .flat_map(|scores| &scores.events)
            .filter(|event| event.up == burst.is_up());
        let mut silences = of_group().filter_map(|scores| scores.silence.as_ref());
        events.any(|event| days.day(event.first) <= span[1] && span[0] <= days.day(event.last))
            || (!burst.is_up() && silences.any(|silence| days.day(silence.steps.start) <= span[1]))
    };
    let find = |group: &'a Group| {
        context.stop.check();
        let counts: Vec<Hour> = hours
            .starts
            .iter()
            .zip(&group.values)
            .map(|(start, count)| hour(*start, *count))
            .collect();
        let bursts = scan(&counts, from, p_max)
            .into_iter()
            .filter(|burst| match params.direction {
                Sides::Both => true,
                Sides::Up => burst.is_up(),
                Sides::Down => !burst.is_up(),
            })
            .filter(|burst| {
                relative(burst).abs() >= params.change_min && !is_reported(group, burst)
            })
            .collect();
        GroupBursts {
            hours,
            group,
            bursts,
        }
    };
    let mut bursts: Vec<GroupBursts> = hours.groups.par_iter().map(find).collect();
    bursts.retain(|group| !group.bursts.is_empty());
    bursts
}

fn hour(start: DateTime, count: Option<f64>) -> Hour {
    let since = Date::constant(1970, 1, 1).until(start.date());
    Hour {
        count,
        day: since.map_or(0, |span| span.get_days()),
        hour: usize::try_from(start.hour()).unwrap_or_default(),
        weekday: usize::try_from(start.weekday().to_monday_zero_offset()).unwrap_or_default(),
    }
}

/// Deviation relative to the expected number.
fn relative(burst: &Burst) -> f64 {
    burst.observed / burst.expected - 1.0
}

/// "from 14:00 to 19:00 on 11 November 2026".
fn when(hours: &SeriesSet, burst: &Burst) -> String {
    let [first, last] = [burst.first, burst.end - 1].map(|hour| hours.starts[hour]);
    format!("from {}", Period::Hour.range(first, last))
}

impl Reporter<'_> {
    /// The finding of a burst.
    pub(super) fn burst_finding(&self, hours: &SeriesSet, group: &Group, burst: &Burst) -> Finding {
        let iso = |hour: usize| Period::Hour.iso(hours.starts[hour]);
        let kind = self.params.metric_type.event(burst.is_up());
        let what = format!("{kind} of {} in hours from {}", self.name, iso(burst.first));
        let mut finding = Finding::new(&self.context.stage, ANOMALY.name, &group.subject, &what);
        let high = if burst.is_up() { "high" } else { "low" };
        let were = if words::is_or_are(self.name) == "is" {
            "was"
        } else {
            "were"
        };
        let day = Period::Day.words(hours.starts[burst.first]);
        let event = format!("{were} unusually {high} for hours on {day}");
        finding.request = Some(ActionRequest::new(self.name, event, "find the cause"));
        finding.direction = if burst.is_up() {
            Direction::Up
        } else {
            Direction::Down
        };
        finding.magnitude = Some(Magnitude {
            value: burst.observed - burst.expected,
            lower: None,
            upper: None,
            level: None,
            unit: self.name.to_string(),
        });
        finding.n = burst.observed as u64;
        finding.p = Some(burst.p);
        let tests = hours.groups.len() as f64;
        finding.p_adjusted = Some((burst.p * tests).min(1.0));
        finding.method = METHOD.to_string();
        finding.period = format!("{} to {}", iso(burst.first), iso(burst.end - 1));
        finding.baseline = Some(
            "the level of the four weeks before, with the usual hours and weekdays".to_string(),
        );
        finding
            .evidence
            .push(hours.evidence_on(group, burst.first, burst.end - 1));
        let is_bad = self.params.metric_type.is_bad(burst.is_up());
        finding.severity = if is_bad {
            Severity::Warning
        } else {
            Severity::Notice
        };
        finding.confidence = (1.0 - burst.p * tests).clamp(0.5, 0.999);
        let expected = number::sensible(burst.expected);
        let difference = Estimate::relative(relative(burst), None, true).of_counts();
        finding.sentence = fill(
            "{Name}{group} {were} unusually {high} {when}: {observed} in {hours}, {expected} expected ({difference}).",
            &[
                ("Name", &words::capitalised(self.name)),
                ("group", &words::in_group(group)),
                ("were", were),
                ("high", high),
                ("when", &when(hours, burst)),
                ("observed", &number::count(burst.observed as u64)),
                (
                    "hours",
                    &number::plural((burst.end - burst.first) as u64, "hour"),
                ),
                ("expected", &expected),
                ("difference", &difference.signed()),
            ],
        );
        finding
            .number("type", kind)
            .number("start", iso(burst.first))
            .number("end", iso(burst.end - 1))
            .number("steps", (burst.end - burst.first) as u64)
            .number("value", burst.observed)
            .number("expected", burst.expected)
            .number("relative", relative(burst))
    }

    /// The table of all bursts; `None` without any.
    pub(super) fn burst_table(&self, hours: &SeriesSet, groups: &[GroupBursts]) -> Option<Table> {
        let mut table = Table::new(
            format!("Runs of hours with an unusual number of {}.", self.name),
            &["<group", "<from", "<to", ">number", ">expected", ">p"],
        );
        for GroupBursts { group, bursts, .. } in groups {
            for burst in bursts {
                let iso = |hour: usize| hours.starts[hour].strftime("%Y-%m-%d %H:%M").to_string();
                let end = Period::Hour.after(hours.starts[burst.end - 1], 1);
                table.push([
                    group.label.clone(),
                    iso(burst.first),
                    end.strftime("%Y-%m-%d %H:%M").to_string(),
                    number::count(burst.observed as u64),
                    number::sensible(burst.expected),
                    number::p_bare(burst.p),
                ]);
            }
        }
        (!table.rows.is_empty()).then(|| table.top(40))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inputs, series::test_data};
    use jiff::ToSpan;
    use polars::prelude::{Column, DataFrame};
    use serde_json::json;

    /// Failures of two services over 120 days, 40 a day each; in billing four times as many from
    /// 14:00 to 19:00 on 11 November, if `outage` is set.
    fn failures(seed: u64, outage: bool) -> Input {
        let mut noise = test_data::Noise(seed);
        let first = Date::constant(2026, 7, 19);
        let bad_day = Date::constant(2026, 11, 11);
        let (mut at, mut component) = (Vec::new(), Vec::new());
        for day in 0..120_i64 {
            let date = first + day.days();
            for (hour, name) in (0..24_i8).flat_map(|hour| [(hour, "billing"), (hour, "search")]) {
                let is_bad =
                    outage && date == bad_day && (14..19).contains(&hour) && name == "billing";
                let mean = if is_bad { 4.0 } else { 1.0 } * 40.0 / 24.0;
                for _ in 0..noise.poisson(mean) {
                    let minute = (noise.uniform() * 60.0) as i8;
                    at.push(date.at(hour, minute, 0, 0));
                    component.push(name.to_string());
                }
            }
        }
        let component = Column::new("component".into(), component);
        let frame = DataFrame::new(at.len(), vec![test_data::times("at", &at), component]);
        test_data::input("tickets", frame.expect("a frame"))
    }

    /// The findings and the titles of the charts.
    fn findings(seed: u64, outage: bool) -> (Vec<Finding>, Vec<String>) {
        let params = json!({
            "input": "tickets", "by": ["component"], "measure": "failures", "metric_type": "error_rate",
        });
        let inputs = Inputs::from([("tickets".to_string(), failures(seed, outage))]);
        let context = test_data::context("2026-11-16");
        let analysis = super::super::run(&context, &params, &inputs).expect("an analysis");
        let table = analysis.cell.tables.last();
        assert_eq!(
            analysis
                .cell
                .findings
                .iter()
                .any(|finding| finding.period.contains('T')),
            table.is_some_and(|table| table.caption.starts_with("Runs of hours")),
        );
        let titles = analysis.cell.charts.iter();
        let titles = titles.map(|chart| chart.title.replace('\u{a0}', " "));
        (analysis.cell.findings, titles.collect())
    }

    #[test]
    fn an_outage_of_five_hours_is_found_in_counts_of_days() {
        let (outages, titles): (Vec<Vec<Finding>>, Vec<Vec<String>>) =
            (0..20).map(|seed| findings(seed, true)).unzip();
        let is_found = |found: &&Vec<Finding>| {
            found
                .iter()
                .any(|finding| finding.subject == "component = billing")
        };
        let found = outages.iter().filter(is_found).count();
        assert!(found >= 17, "{found} of 20");
        let false_claims: usize = (100..120).map(|seed| findings(seed, false).0.len()).sum();
        assert!(false_claims <= 2, "{false_claims} in 20 weeks");
        let start = "Failures in billing were unusually high from 11 November 2026, 1";
        let sentences = outages.iter().flatten().map(|finding| &finding.sentence);
        let hours = sentences.filter(|sentence| sentence.replace('\u{a0}', " ").starts_with(start));
        assert!(hours.count() >= 1, "{outages:#?}");
        assert!(
            titles.iter().flatten().any(|title| title
                .starts_with("Failures in billing: unusually high from 11 November 2026, 1")),
            "{titles:?}"
        );
        let bursts = outages
            .iter()
            .flatten()
            .filter(|finding| finding.period.contains('T'));
        for burst in bursts {
            let observed = burst.numbers["value"].as_f64().map(|value| value as u64);
            assert_eq!(Some(burst.n), observed, "{burst:#?}");
            let filter = burst.evidence[0].filter.as_deref().expect("a filter");
            assert_eq!(filter, format!("{}; {}", burst.subject, burst.period));
        }
    }
}
