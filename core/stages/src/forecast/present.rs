//! Formats findings and sentences on forecasts.

use super::{
    Capacity, FORECAST, METHOD, Params,
    predict::{Breach, GroupForecast, SURE, need},
};
use crate::{
    Context,
    series::{Group, SeriesSet, words},
};
use jiff::civil::{Date, DateTime};
use retrocast_domain::{
    Ask, Direction, Estimate, Evidence, Finding, Magnitude, Severity,
    estimate::{level_with_interval, levels},
    number,
    sentence::fill,
    window::{long, range},
};
use retrocast_stats::forecast::{Outlook, Stretch};

/// Minimum relative difference of mean errors for calling a forecast more accurate.
const GAIN_MIN: f64 = 0.05;
const LINE_METHOD: &str = "Line with one bend, averaged over its place (Schwarz's criterion), standard \
                           errors for AR(1) residuals";

/// Formats the results of the stage.
pub(super) struct Reporter<'a> {
    pub(super) context: &'a Context,
    pub(super) params: &'a Params,
    pub(super) lines: &'a SeriesSet,
    pub(super) name: &'a str,
}

impl Reporter<'_> {
    pub(super) fn ahead(&self, step: usize) -> DateTime {
        let last = self.lines.starts.last().copied().unwrap_or(DateTime::MIN);
        self.lines.period.after(last, step + 1)
    }

    /// Formats a level without an interval, such as a limit.
    fn amount(&self, value: f64) -> String {
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
        let whole = self.adds_up() && group.line.values.iter().flatten().all(is_whole);
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
        let noun = self.lines.period.noun();
        let times: Vec<String> = outlook
            .outliers
            .iter()
            .filter_map(|i| self.lines.starts.get(group.first + i))
            .map(|start| self.lines.period.words(*start))
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
        Some(if outlook.open == 0.0 {
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
            format!("{} per {}", self.name, self.lines.period.noun())
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
        let known = self
            .lines
            .groups
            .iter()
            .map(Group::known)
            .max()
            .unwrap_or(0);
        let need = need(self.context, self.params, known);
        self.lines
            .not_enough(need)
            .unwrap_or_else(|| "no forecaster could work on the series".to_string())
    }

    /// End of the next window, or of the horizon if that is shorter, in steps ahead.
    pub(super) fn next_steps(&self, outlook: &Outlook) -> usize {
        let days = self.context.window.days() as usize * self.lines.period.per_day();
        days.clamp(1, outlook.mean.len())
    }

    pub(super) fn finding(&self, group: &GroupForecast, what: &str) -> Finding {
        let mut finding = Finding::new(
            &self.context.stage,
            FORECAST.name,
            &group.line.subject,
            what,
        );
        finding.n = group.line.known() as u64;
        finding.method = METHOD.to_string();
        finding.baseline = Some(format!("history, {}", self.history(group)));
        let first = group.line.values.iter().position(Option::is_some);
        finding
            .evidence
            .push(self.evidence(group, first.unwrap_or(0)));
        finding.caveats.extend(self.exceptional(group));
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
        finding.period = format!("{} to {}", from.date(), to.date());
        finding.confidence = level * 0.9;
        if steps < self.context.window.days() as usize * self.lines.period.per_day() {
            let days = self.context.window.days();
            finding.caveats.push(format!(
                "The forecast covers {}; the window reported on has {days}.",
                number::plural(steps as u64, self.lines.period.noun())
            ));
        }
        if from < self.context.window.end.at(0, 0, 0, 0) {
            finding.caveats.push(format!(
                "Records end before the window does: the forecast begins on {}.",
                self.lines.period.words(from)
            ));
        }
        let [expected, range] = self.expected(group, value, [low, high]);
        let known = if outlook.constant {
            let known = group.line.values[group.first..].iter().flatten().count();
            let before = number::plural(known as u64, self.lines.period.noun());
            format!(": each of the {before} before had {}", self.step(group, 0))
        } else {
            let level = words::share(level);
            format!(" ({level} interval {range}); {}", Self::accuracy(group))
        };
        finding.sentence = fill(
            "{Name}{group}: {expected} expected {how}{dates}{known}.",
            &[
                ("Name", &words::capitalised(self.name)),
                ("group", &words::in_group(group.line)),
                ("expected", &expected),
                (
                    "how",
                    if self.adds_up() {
                        "in total "
                    } else {
                        "on average "
                    },
                ),
                ("dates", &during(from.date(), to.date())),
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

    /// Claims when the limit would be reached: "Memory in api would reach 80 % of its limit of 100
    /// % on 15 December 2026". The line is extrapolated; the forecast may expect a smaller rise.
    fn breach_claim(&self, group: &GroupForecast) -> Option<String> {
        let capacity = self.params.capacity?;
        let (breach, stretch) = group.breach.as_ref()?;
        let name = words::capitalised(self.name) + &words::in_group(group.line);
        let limit = format!("{} of {}", of_limit(capacity), self.amount(capacity.limit));
        Some(match *breach {
            Breach::Now => {
                let (level, half) = (stretch.line(0), stretch.half_width(0, 0.95));
                let interval = [level - half, level + half];
                let [level, _] = level_with_interval(level, interval, &self.params.unit, false);
                format!("{name} is at about {level}, above {limit} already")
            }
            Breach::Ahead { likely, .. } => {
                let day = long(self.ahead(likely).date());
                format!("{name} would reach {limit} on {day}")
            }
        })
    }

    /// The claim with its interval and condition, as a title.
    pub(super) fn breach_title(&self, group: &GroupForecast) -> Option<String> {
        let claim = self.breach_claim(group)?;
        Some(match group.breach.as_ref()?.0 {
            Breach::Now => claim,
            Breach::Ahead {
                earliest, latest, ..
            } => {
                let dates = self.breach_dates(earliest, latest);
                format!(
                    "{claim} (95{NBSP}% interval {dates}) if it keeps rising",
                    NBSP = number::NBSP
                )
            }
        })
    }

    /// The interval of the day on which the limit would be reached.
    fn breach_dates(&self, earliest: usize, latest: Option<usize>) -> String {
        let earliest = self.ahead(earliest).date();
        match latest {
            Some(latest) => range(earliest, self.ahead(latest).date()),
            None => format!("{} or later", long(earliest)),
        }
    }

    /// The finding on when the limit is reached; `None` if it is not reached.
    pub(super) fn breach(&self, group: &GroupForecast) -> Option<Finding> {
        let capacity = self.params.capacity?;
        let (breach, stretch) = group.breach.as_ref()?;
        let line = capacity.limit * capacity.share;
        let of_limit = of_limit(capacity);
        let what = format!("{} reaches {of_limit}", self.name);
        let mut finding = self.finding(group, &what);
        finding.direction = Direction::Up;
        finding.confidence = SURE;
        finding.p = Some(stretch.p);
        finding.n = stretch.length as u64;
        finding.evidence = vec![self.evidence(group, self.begin(group, stretch))];
        finding.method = LINE_METHOD.to_string();
        let began = self.began(group, stretch);
        finding.baseline = Some(format!("no rise since around {began}"));
        finding
            .caveats
            .push("The line is extrapolated; a restart or a release would end it.".to_string());
        finding.caveats.extend(self.band_at_limit(group, line));
        let be = words::be(self.name);
        let heads = match breach {
            Breach::Now => "above",
            Breach::Ahead { .. } => "heading for",
        };
        let happened = format!("{be} {heads} {of_limit}");
        let todo = "add capacity or stop the rise";
        finding.ask = Some(Ask::new(self.name, happened, todo));
        let claim = self.breach_claim(group)?;
        match *breach {
            Breach::Now => {
                finding.severity = Severity::Critical;
                finding.magnitude = Some(Magnitude::point(0.0, "days"));
                let last = self.lines.starts.last()?;
                finding.period = format!("{} to {}", last.date(), last.date());
                finding.sentence = format!("{claim}.");
                finding = finding.number("breach_date", last.date().to_string());
            }
            Breach::Ahead {
                earliest,
                likely,
                latest,
            } => {
                let per_day = self.lines.period.per_day() as f64;
                let days = |step: usize| (step + 1) as f64 / per_day;
                let soon = 2.0 * f64::from(self.context.window.days());
                finding.severity = if days(likely) <= soon {
                    Severity::Critical
                } else {
                    Severity::Warning
                };
                finding.magnitude = Some(Magnitude {
                    value: days(likely),
                    lower: Some(days(earliest)),
                    upper: latest.map(days),
                    level: self.params.level.last().copied(),
                    unit: "days".to_string(),
                });
                let horizon = self.params.horizon as usize * self.lines.period.per_day();
                let end = latest.unwrap_or(horizon.min(stretch.length) - 1);
                finding.period = format!(
                    "{} to {}",
                    self.ahead(earliest).date(),
                    self.ahead(end).date()
                );
                let dates = self.breach_dates(earliest, latest);
                let level = *self.params.level.last()?;
                let half = stretch.slope_half_width(level);
                let (noun, periods) = words::readable_time(self.lines.period, stretch.slope);
                let over = |slope: f64| slope * periods;
                let slopes = [stretch.slope - half, stretch.slope + half].map(over);
                let rise = over(stretch.slope);
                let slope = Estimate::amount(rise, Some(slopes), &self.params.unit, true);
                finding.sentence = fill(
                    "{claim} ({level} interval {dates}) if it keeps rising by {slope} a {noun}, as it has \
                     since around {began}; the forecast, which allows for the rise to slow or stop, \
                     {forecast}.",
                    &[
                        ("claim", &claim),
                        ("level", &words::share(level)),
                        ("dates", &dates),
                        ("slope", &slope.bare_size()),
                        ("noun", noun),
                        ("began", &long(began)),
                        ("forecast", &self.forecast_at_limit(group, line)),
                    ],
                );
                finding = finding
                    .number("breach_date", self.ahead(likely).date().to_string())
                    .number("breach_earliest", self.ahead(earliest).date().to_string())
                    .number("breach_days", days(likely))
                    .number(&format!("slope_per_{noun}"), rise);
                if let Some(latest) = latest {
                    finding =
                        finding.number("breach_latest", self.ahead(latest).date().to_string());
                }
            }
        }
        Some(
            finding
                .number("line", line)
                .number("limit", capacity.limit)
                .number("slope", stretch.slope)
                .number("since", began.to_string()),
        )
    }

    /// First and last day of the training history: "2026-08-03 to 2026-11-15".
    fn history(&self, group: &GroupForecast) -> String {
        let first = group.line.values.iter().position(Option::is_some);
        self.lines.dates_from(first.unwrap_or(0))
    }

    /// First day of the extrapolated line.
    pub(super) fn began(&self, group: &GroupForecast, stretch: &Stretch) -> Date {
        self.lines.starts[self.begin(group, stretch)].date()
    }

    /// Index of the first step of the extrapolated line.
    fn begin(&self, group: &GroupForecast, stretch: &Stretch) -> usize {
        group.line.values.len() - stretch.length
    }

    /// The rows from a step of the history on.
    fn evidence(&self, group: &GroupForecast, first: usize) -> Evidence {
        let last = self.lines.starts.len().saturating_sub(1);
        self.lines.evidence_on(group.line, first, last)
    }

    /// Describes when the forecast reaches a limit; it allows for an end of the rise.
    fn forecast_at_limit(&self, group: &GroupForecast, limit: f64) -> String {
        let expected = &group.outlook.mean;
        match expected.iter().position(|value| *value >= limit) {
            Some(step) => format!("reaches it on {}", long(self.ahead(step).date())),
            None => format!(
                "does not reach it within {}",
                number::plural(expected.len() as u64, self.lines.period.noun())
            ),
        }
    }

    /// Describes when the forecast's band reaches a limit. The band is wider than that of the line,
    /// because past errors do not assume that the rise continues.
    fn band_at_limit(&self, group: &GroupForecast, limit: f64) -> Option<String> {
        let band = group.outlook.bands.last()?;
        let level = words::share(*self.params.level.last()?);
        let from = |edge: &[f64]| {
            let step = edge.iter().position(|value| *value >= limit)?;
            Some(self.lines.period.words(self.ahead(step)))
        };
        let horizon = number::plural(band.upper.len() as u64, self.lines.period.noun());
        let reached = match (from(&band.upper), from(&band.lower)) {
            (Some(upper), Some(lower)) => {
                format!("{upper} at its upper and {lower} at its lower end")
            }
            (Some(upper), None) => {
                format!("{upper} at its upper end, not within {horizon} at its lower end")
            }
            (None, _) => return None,
        };
        Some(format!(
            "The line extrapolates the whole rise; the forecast also allows for its end, and the {level} \
             interval of the forecast for a single {} reaches the limit on {reached}.",
            self.lines.period.noun()
        ))
    }

    pub(super) fn did(&self, forecasts: &[GroupForecast]) -> String {
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
        let mut did = format!(
            "Forecast {}{groups} for the next {}.",
            self.name,
            number::plural(steps as u64, self.lines.period.noun())
        );
        let outlooks = || forecasts.iter().map(|group| &group.outlook);
        if outlooks().all(|outlook| outlook.constant) {
            return did + " All values before were the same.";
        }
        let ratios: Vec<f64> = outlooks().filter_map(Outlook::error_ratio).collect();
        let season = forecasts.first().map_or("last week", |group| group.season);
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
            did += &format!(
                " On past dates {accuracy}, and {} intervals held {} of the values.",
                words::share(band.level),
                number::percent(coverage)
            );
        }
        did
    }
}

/// "80 % of its limit".
fn of_limit(capacity: Capacity) -> String {
    if capacity.share < 1.0 {
        format!("{} of its limit", words::share(capacity.share))
    } else {
        "its limit".to_string()
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

/// Describes a period: "from 23 to 29 November 2026", or "on 23 November 2026".
pub(super) fn during(from: Date, to: Date) -> String {
    let preposition = if from == to { "on" } else { "from" };
    format!("{preposition} {}", range(from, to))
}
