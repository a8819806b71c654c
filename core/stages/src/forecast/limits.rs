//! Formats findings and sentences on the limit that a metric reaches.

use super::{
    Capacity,
    predict::{BREACH_PROBABILITY_MIN, Breach, GroupForecast},
    present::{LINE_METHOD, PRESENT_METHOD, Reporter},
};
use crate::series::words;
use retrocast_domain::{
    ActionRequest, Direction, Finding, Magnitude, Severity, number, sentence::fill,
};

impl Reporter<'_> {
    /// Claims when the limit would be reached, or that the present value is above it: "Memory in
    /// api would reach 80 % of its limit of 100 % on 15 December 2026". The line is extrapolated;
    /// the forecast may expect a smaller rise.
    fn breach_claim(&self, group: &GroupForecast) -> Option<String> {
        let capacity = self.params.capacity?;
        let (breach, _) = group.reached()?;
        let name = words::capitalised(self.name) + &words::in_group(group.series);
        let limit = format!("{} of {}", of_limit(capacity), self.amount(capacity.limit));
        Some(match breach {
            Breach::Now => {
                let (value, periods, limit) = self.present(group)?;
                let value = self.amount(value);
                let when = match periods {
                    1 => self.set.period.when(*self.set.starts.last()?),
                    periods => format!(
                        "on average over the last {}",
                        number::plural(periods as u64, self.set.period.noun())
                    ),
                };
                let amount = self.amount(capacity.limit);
                format!("{name} was at {value} {when}, above {limit} of {amount} already")
            }
            Breach::Ahead { likely, .. } => {
                format!("{name} would reach {limit} {}", self.when(likely))
            }
        })
    }

    /// The present value, the number of periods that it is the mean of, and what it is above: "its
    /// limit", or the share at which to warn.
    fn present(&self, group: &GroupForecast) -> Option<(f64, usize, String)> {
        let capacity = self.params.capacity?;
        let above = |limit: f64, name: String| {
            let (value, periods) = group.present(self.set.period, limit)?;
            Some((value, periods, name))
        };
        above(capacity.limit, "its limit".to_string())
            .or_else(|| above(capacity.line(), of_limit(capacity)))
    }

    /// The claim with its interval and condition, as a title.
    pub(super) fn breach_title(&self, group: &GroupForecast) -> Option<String> {
        let claim = self.breach_claim(group)?;
        Some(match group.breach? {
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

    /// The interval of the date on which the limit would be reached.
    fn breach_dates(&self, earliest: usize, latest: Option<usize>) -> String {
        let dates = self.set.period.of_dates();
        let earliest = self.ahead(earliest).date();
        match latest {
            Some(latest) => dates.range(earliest, self.ahead(latest).date()),
            None => format!("{} or later", dates.words(earliest)),
        }
    }

    /// The finding on when the limit is reached; `None` if it is not reached.
    pub(super) fn breach(&self, group: &GroupForecast) -> Option<Finding> {
        let capacity = self.params.capacity?;
        let (breach, recent) = group.reached()?;
        let line = capacity.line();
        let of_limit = of_limit(capacity);
        let what = format!("{} reaches {of_limit}", self.name);
        let mut finding = self.finding(group, &what);
        finding.direction = Direction::Up;
        finding.confidence = BREACH_PROBABILITY_MIN;
        let start = self.line_start(group, recent).date();
        let be = words::is_or_are(self.name);
        let action = "add capacity or stop the rise";
        let request = |event| Some(ActionRequest::new(self.name, event, action));
        let claim = self.breach_claim(group)?;
        match breach {
            Breach::Now => {
                let (present, periods, above) = self.present(group)?;
                finding.request = request(format!("{be} above {above}"));
                finding.severity = Severity::Critical;
                finding.magnitude = Some(Magnitude::point(0.0, "days"));
                finding.n = periods as u64;
                let begin = group.series.values.len() - periods;
                finding.evidence = vec![self.evidence(group, begin)];
                finding.method = PRESENT_METHOD.to_string();
                finding.baseline = Some(of_limit);
                let last = self.set.starts.last()?;
                finding.period = format!("{} to {}", last.date(), last.date());
                finding.sentence = format!("{claim}.");
                finding = finding
                    .number("breach_date", last.date().to_string())
                    .number("present", present);
            }
            Breach::Ahead {
                earliest,
                likely,
                latest,
            } => {
                finding.request = request(format!("{be} heading for {of_limit}"));
                finding.p = Some(recent.p);
                finding.n = recent.length() as u64;
                let begin = group.series.values.len() - recent.length();
                finding.evidence = vec![self.evidence(group, begin)];
                finding.method = LINE_METHOD.to_string();
                finding.baseline = Some(format!("no rise since around {start}"));
                finding.caveats.push(
                    "The line is extrapolated; a restart or a release would end it.".to_string(),
                );
                finding.caveats.extend(self.band_at_limit(group, line));
                let period = self.set.period;
                let days =
                    |step: usize| ((step + 1) * period.days()) as f64 / period.per_day() as f64;
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
                let horizon = self.params.horizon(period);
                let end = latest.unwrap_or(horizon.min(recent.length()) - 1);
                finding.period = format!(
                    "{} to {}",
                    self.ahead(earliest).date(),
                    period.last_day(self.ahead(end))
                );
                let dates = self.breach_dates(earliest, latest);
                let level = *self.params.level.last()?;
                finding.sentence = fill(
                    "{claim} ({level} interval {dates}) if it keeps {movement}{forecast}.",
                    &[
                        ("claim", &claim),
                        ("level", &words::share(level)),
                        ("dates", &dates),
                        ("movement", &self.movement(group, recent)),
                        ("forecast", &self.forecast_at_limit(group, line)),
                    ],
                );
                let (noun, rise, _) = self.slope(recent, level);
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
                .number("slope", recent.slope())
                .number("since", start.to_string()),
        )
    }

    /// Describes when the forecast reaches a limit, if it does not follow the line: it then allows
    /// for an end of the rise.
    fn forecast_at_limit(&self, group: &GroupForecast, limit: f64) -> String {
        if group.followed().is_some() {
            return String::new();
        }
        let expected = &group.outlook.mean;
        let reached = match expected.iter().position(|value| *value >= limit) {
            Some(step) => format!("reaches it {}", self.when(step)),
            None => format!(
                "does not reach it within {}",
                number::plural(expected.len() as u64, self.set.period.noun())
            ),
        };
        format!("; the forecast, which allows for the rise to slow or stop, {reached}")
    }

    /// Describes when the forecast's band reaches a limit. The band is wider than that of the line,
    /// because past errors do not assume that the rise continues.
    fn band_at_limit(&self, group: &GroupForecast, limit: f64) -> Option<String> {
        let band = group.outlook.bands.last()?;
        let level = words::share(*self.params.level.last()?);
        let from = |edge: &[f64]| {
            let step = edge.iter().position(|value| *value >= limit)?;
            Some(self.set.period.when(self.ahead(step)))
        };
        let horizon = number::plural(band.upper.len() as u64, self.set.period.noun());
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
             interval of the forecast for a single {} reaches the limit {reached}.",
            self.set.period.noun()
        ))
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
