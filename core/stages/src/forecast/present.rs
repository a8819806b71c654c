//! Formats findings and sentences on forecasts.

use super::{
    FORECAST, METHOD, Params,
    predict::{GroupForecast, need},
};
use crate::{
    Context,
    series::{Group, SeriesSet, words},
};
use jiff::civil::DateTime;
use retrocast_domain::{
    Estimate, Evidence, Finding, Magnitude,
    estimate::{level_with_interval, levels},
    number,
    sentence::fill,
};
use retrocast_stats::forecast::{Outlook, RecentLine};

/// Minimum relative difference of mean errors for calling a forecast more accurate.
const GAIN_MIN: f64 = 0.05;
pub(super) const LINE_METHOD: &str = "Line since the last bend or step, tested by simulation (Hudson \
                                      1966; Feder 1975), standard errors for autocorrelated residuals";

pub(super) const PRESENT_METHOD: &str = "Last value, or mean of the last day or week, above the limit; \
                                         so is the whole interval of the line or of the forecast";

/// Formats the results of the stage.
pub(super) struct Reporter<'a> {
    pub(super) context: &'a Context,
    pub(super) params: &'a Params,
    pub(super) set: &'a SeriesSet,
    pub(super) name: &'a str,
}

impl Reporter<'_> {
    pub(super) fn ahead(&self, step: usize) -> DateTime {
        let last = self.set.starts.last().copied().unwrap_or(DateTime::MIN);
        self.set.period.after(last, step + 1)
    }

    /// Formats a level without an interval, such as a limit.
    pub(super) fn amount(&self, value: f64) -> String {
        levels([value], None, &self.params.unit).concat()
    }

    /// Formats the expected value and its interval.
    pub(super) fn expected(
        &self,
        group: &GroupForecast,
        value: f64,
        interval: [f64; 2],
    ) -> [String; 2] {
        let is_whole = |value: &f64| value.fract() == 0.0;
        let whole = self.adds_up() && group.series.values.iter().flatten().all(is_whole);
        level_with_interval(value, interval, &self.params.unit, whole)
    }

    /// Formats the expected value of a step ahead.
    pub(super) fn step(&self, group: &GroupForecast, step: usize) -> String {
        let outlook = &group.outlook;
        let interval = outlook
            .bands
            .last()
            .map_or([outlook.mean[step]; 2], |band| {
                [band.lower[step], band.upper[step]]
            });
        let [expected, _] = self.expected(group, outlook.mean[step], interval);
        expected
    }

    /// Describes the accuracy: "on 24 past dates the forecast was 28 % more accurate than repeating
    /// last week".
    fn accuracy(group: &GroupForecast) -> String {
        let outlook = &group.outlook;
        let season = group.season;
        let dates = number::plural(outlook.origins as u64, "past date");
        let Some(ratio) = outlook.error_ratio() else {
            return format!("on {dates} repeating {season} was exact");
        };
        let gain = gain_words(1.0 - ratio);
        format!("on {dates} the forecast was {gain} repeating {season}")
    }

    /// Describes the influence of exceptional values on the forecast.
    fn exceptional(&self, group: &GroupForecast) -> Option<String> {
        let outlook = &group.outlook;
        let noun = self.set.period.noun();
        let times: Vec<String> = outlook
            .outliers
            .iter()
            .filter_map(|i| self.set.starts.get(group.first + i))
            .map(|start| self.set.period.words(*start))
            .collect();
        let last = times.last()?;
        let what = match times.len() {
            1 => format!("{last} is exceptional and is not extrapolated"),
            2 | 3 => format!(
                "{} are exceptional and not extrapolated",
                number::list(&times)
            ),
            n => format!(
                "{}, the last {last}, are not extrapolated",
                number::plural(n as u64, &format!("exceptional {noun}"))
            ),
        };
        Some(if outlook.open_deviation == 0.0 {
            format!("{what}; the interval allows for such {noun}s.")
        } else {
            format!("{what}; whether it lasts is not known yet, and the interval allows for both.")
        })
    }

    fn adds_up(&self) -> bool {
        self.params.aggregate().adds_up()
    }

    pub(super) fn unit(&self) -> String {
        if self.params.unit.is_empty() {
            format!("{} per {}", self.name, self.set.period.noun())
        } else {
            self.params.unit.clone()
        }
    }

    pub(super) fn axis(&self) -> String {
        match self.params.unit.as_str() {
            "" => self.unit(),
            unit => words::axis(self.name, unit),
        }
    }

    pub(super) fn not_enough(&self) -> String {
        let known = self.set.groups.iter().map(Group::known).max().unwrap_or(0);
        let need = need(self.context, self.params, self.set.period, known);
        self.set
            .not_enough(need)
            .unwrap_or_else(|| "no forecaster could work on the series".to_string())
    }

    /// End of the next window, or of the horizon if that is shorter, in steps ahead.
    pub(super) fn next_steps(&self, outlook: &Outlook) -> usize {
        self.window_steps().min(outlook.mean.len())
    }

    /// Length of the window, in steps.
    fn window_steps(&self) -> usize {
        let days = self.context.window.days() as usize;
        self.set.period.count_in(days)
    }

    pub(super) fn finding(&self, group: &GroupForecast, what: &str) -> Finding {
        let mut finding = Finding::new(
            &self.context.stage,
            FORECAST.name,
            &group.series.subject,
            what,
        );
        finding.n = group.series.known() as u64;
        let is_line = group.followed().is_some();
        finding.method = if is_line { LINE_METHOD } else { METHOD }.to_string();
        finding.baseline = Some(format!("history, {}", self.history(group)));
        let first = group.series.values.iter().position(Option::is_some);
        finding
            .evidence
            .push(self.evidence(group, first.unwrap_or(0)));
        finding.caveats.extend(self.exceptional(group));
        if is_line {
            return finding;
        }
        if let Some(ratio) = group.outlook.error_ratio() {
            finding = finding.number("error_ratio", ratio);
        }
        finding
            .number("mase", group.outlook.mase)
            .number("smape", group.outlook.smape)
            .number("origins", group.outlook.origins as u64)
            .number("coverage", group.outlook.bands[0].coverage)
            .number("coverage_nominal", group.outlook.bands[0].level)
    }

    /// Describes the expectation for the next window.
    pub(super) fn next_window(&self, group: &GroupForecast) -> Option<Finding> {
        let outlook = &group.outlook;
        let level = *self.params.level.last()?;
        let steps = self.next_steps(outlook);
        let share = if self.adds_up() {
            1.0
        } else {
            1.0 / steps as f64
        };
        let value = outlook.total * share;
        let [low, high] = outlook.total_intervals.last()?.map(|end| end * share);
        let mut finding = self.finding(group, &format!("{} in the next window", self.name));
        finding.magnitude = Some(Magnitude {
            value,
            lower: (!outlook.constant).then_some(low),
            upper: (!outlook.constant).then_some(high),
            level: (!outlook.constant).then_some(level),
            unit: if self.adds_up() {
                self.name.to_string()
            } else {
                self.unit()
            },
        });
        let (from, to) = (self.ahead(0), self.ahead(steps - 1));
        let period = self.set.period;
        finding.period = format!("{} to {}", from.date(), period.last_day(to));
        finding.confidence = level * 0.9;
        if group.followed().is_some() {
            finding.caveats.push(
                "The movement is too young for a test on past dates. The interval allows for its end, not for a \
                 return to the level before it."
                    .to_string(),
            );
        }
        if steps < self.window_steps() {
            finding.caveats.push(format!(
                "The forecast covers {}; the window reported on has {}.",
                number::plural(steps as u64, period.noun()),
                self.window_steps()
            ));
        }
        if period.after(from, 1) <= self.context.window.end.at(0, 0, 0, 0) {
            finding.caveats.push(format!(
                "Records end before the window does: the forecast begins {}.",
                period.when(from)
            ));
        }
        let [expected, range] = self.expected(group, value, [low, high]);
        let known = if outlook.constant {
            let known = group.series.values[group.first..].iter().flatten().count();
            let before = number::plural(known as u64, self.set.period.noun());
            format!(": each of the {before} before had {}", self.step(group, 0))
        } else {
            let after = match group.followed() {
                Some(line) => format!(", if it keeps {}", self.movement(group, line)),
                None => format!("; {}", Self::accuracy(group)),
            };
            format!(" ({} interval {range}){after}", words::share(level))
        };
        finding.sentence = fill(
            "{Name}{group}: {expected} expected {how}{dates}{known}.",
            &[
                ("Name", &words::capitalised(self.name)),
                ("group", &words::in_group(group.series)),
                ("expected", &expected),
                (
                    "how",
                    match (steps, self.adds_up()) {
                        (1, _) => "",
                        (_, true) => "in total ",
                        (_, false) => "on average ",
                    },
                ),
                ("dates", &period.of_dates().during(from.date(), to.date())),
                ("known", &known),
            ],
        );
        Some(
            finding
                .number("expected", value)
                .number("lower", low)
                .number("upper", high),
        )
    }

    /// The date of a step ahead with its preposition: "on 15 December 2026", "in December 2026".
    pub(super) fn when(&self, step: usize) -> String {
        let dates = self.set.period.of_dates();
        dates.when(self.ahead(step).date())
    }

    /// Describes the movement along a line: "rising by 0.251 percentage points a day, as it has
    /// since around 26 October 2026".
    pub(super) fn movement(&self, group: &GroupForecast, line: &RecentLine) -> String {
        let level = self.params.level.last().copied().unwrap_or(0.95);
        let (noun, rise, interval) = self.slope(line, level);
        let size = Estimate::amount(rise, Some(interval), &self.params.unit, true).bare_size();
        let moves = if rise < 0.0 { "falling" } else { "rising" };
        let start = self.line_start_words(group, line);
        format!("{moves} by {size} a {noun}, as it has since around {start}")
    }

    /// The slope of a line over a readable time, with the noun of that time and its interval.
    pub(super) fn slope(&self, line: &RecentLine, level: f64) -> (&'static str, f64, [f64; 2]) {
        let slope = line.slope();
        let (noun, periods) = words::readable_time(self.set.period, slope);
        let half = line.slope_half_width(level);
        let interval = [slope - half, slope + half].map(|end| end * periods);
        (noun, slope * periods, interval)
    }

    /// First and last day of the training history: "2026-08-03 to 2026-11-15".
    fn history(&self, group: &GroupForecast) -> String {
        let first = group.series.values.iter().position(Option::is_some);
        self.set.dates_from(first.unwrap_or(0))
    }

    /// Start of the first period of a line.
    pub(super) fn line_start(&self, group: &GroupForecast, line: &RecentLine) -> DateTime {
        self.set.starts[group.series.values.len() - line.length()]
    }

    /// The same in words: "26 October 2026".
    pub(super) fn line_start_words(&self, group: &GroupForecast, line: &RecentLine) -> String {
        let dates = self.set.period.of_dates();
        dates.words(self.line_start(group, line).date())
    }

    /// The rows from a step of the history on.
    pub(super) fn evidence(&self, group: &GroupForecast, first: usize) -> Evidence {
        let last = self.set.starts.len().saturating_sub(1);
        self.set.evidence_on(group.series, first, last)
    }

    /// The summary of the stage.
    pub(super) fn summarise(&self, forecasts: &[GroupForecast]) -> String {
        let steps = forecasts
            .iter()
            .map(|group| group.outlook.mean.len())
            .max()
            .unwrap_or(0);
        let groups = if self.params.by.is_empty() {
            String::new()
        } else {
            format!(" in {}", number::plural(forecasts.len() as u64, "group"))
        };
        let mut summary = format!(
            "Forecast {}{groups} for the next {}.",
            self.name,
            number::plural(steps as u64, self.set.period.noun())
        );
        if forecasts.iter().all(|group| group.outlook.constant) {
            return summary + " All values before were the same.";
        }
        let tested = || forecasts.iter().filter(|group| group.followed().is_none());
        let followed = forecasts.len() - tested().count();
        if followed > 0 {
            summary += &format!(
                " {} of the last {}s {} extrapolated.",
                words::capitalised(&number::plural(followed as u64, "movement")),
                self.set.period.noun(),
                if followed == 1 { "is" } else { "are" }
            );
        }
        let outlooks = || tested().map(|group| &group.outlook);
        let ratios: Vec<f64> = outlooks().filter_map(Outlook::error_ratio).collect();
        let season = tested().next().map_or("last week", |group| group.season);
        let accuracy = match mean_of(&ratios) {
            Some(ratio) => format!(
                "the forecasts were {} repeating {season}",
                gain_words(1.0 - ratio)
            ),
            None => format!("repeating {season} was exact"),
        };
        let bands = || outlooks().filter_map(|outlook| outlook.bands.first());
        let coverages: Vec<f64> = bands().map(|band| band.coverage).collect();
        if let (Some(coverage), Some(band)) = (mean_of(&coverages), bands().next()) {
            summary += &format!(
                " On past dates {accuracy}, and {} intervals held {} of the values.",
                words::share(band.level),
                number::percent(coverage)
            );
        }
        summary
    }
}

/// Describes a mean error that is smaller by the share `gain`: "28 % more accurate than". Small
/// differences between errors on the same past dates do not predict future ones.
pub(super) fn gain_words(gain: f64) -> String {
    if gain >= 0.995 {
        format!("more than 99{}% more accurate than", number::NBSP)
    } else if gain >= GAIN_MIN {
        let share = number::fixed(100.0 * gain, 0);
        format!("{share}{}% more accurate than", number::NBSP)
    } else if gain.abs() < 0.005 {
        "as accurate as".to_string()
    } else if gain > -GAIN_MIN {
        "about as accurate as".to_string()
    } else {
        "less accurate than".to_string()
    }
}

fn mean_of(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
