//! Forecasts as a reader sees them: findings, sentences, tables.

use super::{
    FORECAST, METHOD, Params,
    foretell::{Breach, Foretold, SURE, need},
};
use crate::{
    Context,
    series::{Group, SeriesSet, words},
};
use jiff::civil::DateTime;
use retrocast_domain::{
    Direction, Finding, Magnitude, Severity, Table, number, sentence::fill, window::long,
};
use retrocast_stats::forecast::Outlook;

const LINE_METHOD: &str = "Line with one bend, averaged over its place (Schwarz's criterion), standard \
                           errors for AR(1) residuals";

/// Words and pictures of what was foretold.
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

    pub(super) fn amount(&self, value: f64) -> String {
        let value = if value.abs() >= 10.0 && self.adds_up() {
            value.round()
        } else {
            value
        };
        number::with_unit(value, &self.params.unit)
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

    /// The step after the last of the next window, or of the horizon when that is shorter.
    fn next_steps(&self, outlook: &Outlook) -> usize {
        let days = self.context.window.days() as usize * self.lines.period.per_day();
        days.clamp(1, outlook.mean.len())
    }

    pub(super) fn finding(&self, group: &Foretold, what: &str) -> Finding {
        let mut finding = Finding::new(
            &self.context.stage,
            FORECAST.name,
            &group.line.subject,
            what,
        );
        finding.n = group.line.known() as u64;
        finding.method = METHOD.to_string();
        finding.baseline = Some(format!("history, {}", self.lines.dates()));
        let mut evidence = self.lines.evidence.clone();
        evidence.filter = Some(group.line.subject.clone());
        finding.evidence.push(evidence);
        finding
            .number("mase", group.outlook.mase)
            .number("smape", group.outlook.smape)
            .number("origins", group.outlook.origins as u64)
            .number("coverage", group.outlook.bands[0].coverage)
            .number("coverage_nominal", group.outlook.bands[0].level)
    }

    /// What the next window is expected to bring.
    pub(super) fn next_window(&self, group: &Foretold) -> Option<Finding> {
        let outlook = &group.outlook;
        let level = *self.params.level.last()?;
        let steps = self.next_steps(outlook);
        let shown = self.params.level.len() - 1;
        let share = if self.adds_up() {
            1.0
        } else {
            1.0 / steps as f64
        };
        let value = outlook.total * share;
        let [low, high] = outlook.total_intervals[shown].map(|end| end * share);
        let mut finding = self.finding(group, &format!("{} in the next window", self.name));
        finding.magnitude = Some(Magnitude {
            value,
            lower: Some(low),
            upper: Some(high),
            level: Some(level),
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
            finding
                .caveats
                .push("The horizon is shorter than a window.".to_string());
        }
        finding.sentence = fill(
            "{Name}{group}: {value} expected {how}from {from} to {to} ({level} interval {low} to \
             {high}; on {origins} past dates the error was {mase} of that of repeating the last \
             season).",
            &[
                ("Name", &words::capitalised(self.name)),
                ("group", &words::in_group(group.line)),
                ("value", &self.amount(value)),
                (
                    "how",
                    if self.adds_up() {
                        "altogether "
                    } else {
                        "on average "
                    },
                ),
                ("from", &long(from.date())),
                ("to", &long(to.date())),
                ("level", &words::share(level)),
                ("low", &self.amount(low)),
                ("high", &self.amount(high)),
                ("origins", &outlook.origins.to_string()),
                ("mase", &number::percent(outlook.mase)),
            ],
        );
        Some(
            finding
                .number("expected", value)
                .number("lower", low)
                .number("upper", high),
        )
    }

    /// When the limit is reached, if it is.
    pub(super) fn breach(&self, group: &Foretold) -> Option<Finding> {
        let capacity = self.params.capacity?;
        let (breach, stretch) = group.breach.as_ref()?;
        let line = capacity.limit * capacity.share;
        let of_limit = if capacity.share < 1.0 {
            format!("{} of its limit", words::share(capacity.share))
        } else {
            "its limit".to_string()
        };
        let what = format!("{} reaches {of_limit}", self.name);
        let mut finding = self.finding(group, &what);
        finding.direction = Direction::Up;
        finding.confidence = SURE;
        finding.p = Some(stretch.p);
        finding.method = LINE_METHOD.to_string();
        let began = group.line.values.len() - stretch.length;
        let began = self.lines.starts[began].date();
        finding.baseline = Some(format!("the line that it has followed since about {began}"));
        finding
            .caveats
            .push("The line is carried on; a restart or a release ends it.".to_string());
        let name = format!(
            "{}{}",
            words::capitalised(self.name),
            words::in_group(group.line)
        );
        let limit = self.amount(capacity.limit);
        let day = |step: usize| long(self.ahead(step).date());
        match *breach {
            Breach::Now => {
                finding.severity = Severity::Critical;
                finding.magnitude = Some(Magnitude::point(0.0, "days"));
                let last = self.lines.starts.last()?;
                finding.period = format!("{} to {}", last.date(), last.date());
                finding.sentence = fill(
                    "{name} is above {of_limit} of {limit} already.",
                    &[("name", &name), ("of_limit", &of_limit), ("limit", &limit)],
                );
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
                let range = match latest {
                    Some(latest) => format!("{} to {}", day(earliest), day(latest)),
                    None => format!("{} at the earliest, the latest date is open", day(earliest)),
                };
                finding.sentence = fill(
                    "{name} is expected to reach {of_limit} of {limit} on {likely} \
                     ({level} interval: {range}) if it keeps rising by {slope} a {noun} as it has \
                     since about {began}.",
                    &[
                        ("name", &name),
                        ("of_limit", &of_limit),
                        ("limit", &limit),
                        ("likely", &day(likely)),
                        ("level", &words::share(*self.params.level.last()?)),
                        ("range", &range),
                        (
                            "slope",
                            &number::difference(stretch.slope, &self.params.unit),
                        ),
                        ("noun", self.lines.period.noun()),
                        ("began", &long(began)),
                    ],
                );
                finding = finding
                    .number("breach_date", self.ahead(likely).date().to_string())
                    .number("breach_earliest", self.ahead(earliest).date().to_string())
                    .number("breach_days", days(likely));
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

    pub(super) fn did(&self, foretold: &[Foretold]) -> String {
        let average = |value: &dyn Fn(&Outlook) -> f64| {
            foretold
                .iter()
                .map(|group| value(&group.outlook))
                .sum::<f64>()
                / foretold.len() as f64
        };
        let steps = foretold
            .iter()
            .map(|group| group.outlook.mean.len())
            .max()
            .unwrap_or(0);
        fill(
            "Forecast {name} of {groups} for {steps}. On past dates the error was {mase} of that \
             of repeating the last season, and {nominal} intervals held {coverage} of the values.",
            &[
                ("name", self.name),
                ("groups", &number::plural(foretold.len() as u64, "group")),
                (
                    "steps",
                    &number::plural(steps as u64, self.lines.period.noun()),
                ),
                ("mase", &number::percent(average(&|outlook| outlook.mase))),
                ("nominal", &words::share(foretold[0].outlook.bands[0].level)),
                (
                    "coverage",
                    &number::percent(average(&|outlook| outlook.bands[0].coverage)),
                ),
            ],
        )
    }

    pub(super) fn table(&self, foretold: &[Foretold]) -> Table {
        let mut table = Table::new(
            format!("Expected {} in the next window.", self.name),
            &[
                "<group",
                ">expected",
                ">interval",
                ">limit reached",
                ">MASE",
                ">coverage",
            ],
        );
        for group in foretold {
            let Some(finding) = self.next_window(group) else {
                continue;
            };
            let Some(magnitude) = finding.magnitude else {
                continue;
            };
            let band = &group.outlook.bands[0];
            let reached = match group.breach.as_ref().map(|(breach, _)| *breach) {
                None => "–".to_string(),
                Some(Breach::Now) => "now".to_string(),
                Some(Breach::Ahead { likely, .. }) => self.ahead(likely).date().to_string(),
            };
            table.push([
                group.line.label.clone(),
                self.amount(magnitude.value),
                number::interval(
                    magnitude.lower.unwrap_or(0.0),
                    magnitude.upper.unwrap_or(0.0),
                ),
                reached,
                number::sensible(group.outlook.mase),
                format!(
                    "{} of {}",
                    number::percent(band.coverage),
                    words::share(band.level)
                ),
            ]);
        }
        table.top(40)
    }

    /// The forecasters' record in the backtest, for the largest group.
    pub(super) fn record(&self, foretold: &[Foretold]) -> Table {
        let mut table = Table::new(
            "Backtest of the forecasters",
            &["<group", "<forecaster", ">MASE", ">sMAPE", ">weight"],
        );
        if let Some(group) = foretold.iter().max_by_key(|group| group.line.records) {
            table.caption = format!(
                "Errors from {} past dates over {}.",
                group.outlook.origins,
                number::plural(group.outlook.mean.len() as u64, self.lines.period.noun())
            );
            for member in &group.outlook.members {
                table.push([
                    group.line.label.clone(),
                    member.name.to_string(),
                    number::fixed(member.mase, 3),
                    number::percent(member.smape),
                    number::percent(member.weight),
                ]);
            }
        }
        table
    }
}
