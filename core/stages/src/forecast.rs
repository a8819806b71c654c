//! What the next windows will bring, with intervals that have been tested on the past.
//!
//! # Method
//! Seven forecasters (recent mean, seasonal naive, seasonal mean, seasonal line, Theta, exponential
//! smoothing, STL with exponential smoothing) each forecast from up to 24 earlier dates. Their errors
//! (MASE; Hyndman and Koehler, 2006) choose and weight them. The combination's own errors at each
//! horizon give conformal intervals (Vovk, Gammerman and Shafer, 2005): nothing is assumed about
//! their distribution, and the coverage they had on the past is printed beside them.
//!
//! With a `capacity`, the stage says when the metric reaches the given share of its limit, and between
//! which dates. A drift that began weeks ago cannot be tested on earlier dates, so this rests on the
//! line that the metric has followed lately: a line with one bend, averaged over where the bend may
//! be, with standard errors that know of autocorrelation. The stage speaks up only when the slope is
//! clear, the line is carried on for no longer than it has lasted, and at least four in five of its
//! possible courses reach the limit within the horizon.
//!
//! # Caveats
//! A forecast carries the past on. What has not happened before (a launch, a migration) is in no
//! interval. Far horizons are tested on few past dates.

use crate::{
    Analysis, Context, Inputs, Kind, StageError, series,
    steps::{self, Gather, Line, Lines, Request, Step},
    with_findings,
};
use jiff::civil::DateTime;
use polars::prelude::*;
use rayon::prelude::*;
use retrocast_domain::{
    Cell, CellStatus, Chart, ChartKind, Direction, Finding, Magnitude, Severity, Table,
    chart::{Band, Level, Role, Series},
    number,
    sentence::fill,
    window::long,
};
use retrocast_stats::{
    forecast::{self as numerics, CLEAR, Options, Outlook, Stretch, current_stretch},
    seasonal::interpolate,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The kind, as it is registered.
pub const FORECAST: Kind = Kind {
    name: "forecast",
    code_version: 1,
    summary: "Forecasts a metric with intervals tested on the past, and says when a limit is reached.",
    manual: include_str!("forecast.rs"),
    schema: || schemars::schema_for!(Params),
    run,
};

/// A limit that the metric must not reach.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Capacity {
    /// The limit, in the metric's unit.
    limit: f64,
    /// Share of the limit at which to warn.
    #[serde(default = "default_share")]
    #[schemars(range(min = 0.01, max = 1.0))]
    share: f64,
}

fn default_share() -> f64 {
    0.8
}

fn default_horizon() -> u32 {
    28
}

fn default_level() -> Vec<f64> {
    vec![0.8, 0.95]
}

/// What a job file may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Dataset to read.
    #[schemars(extend("x-dataset" = true))]
    input: String,
    /// Column with the time of a record. Default: the one that the contract names.
    #[schemars(extend("x-column" = "input"))]
    time: Option<String>,
    /// Column with the value. Without it records are counted.
    #[schemars(extend("x-column" = "input"))]
    value: Option<String>,
    /// Columns whose values make groups. Default: one group of all records.
    #[serde(default)]
    #[schemars(extend("x-column" = "input"))]
    by: Vec<String>,
    /// What is made of the records of a step. Default: the sum of `value`, or the number of records.
    aggregate: Option<Gather>,
    /// Length of a step.
    #[serde(default)]
    period: Step,
    /// Days ahead.
    #[serde(default = "default_horizon")]
    #[schemars(range(min = 1, max = 365))]
    horizon: u32,
    /// Coverages of the intervals.
    #[serde(default = "default_level")]
    level: Vec<f64>,
    /// The metric in words, such as "memory". Default: the value column or the dataset.
    measure: Option<String>,
    /// Unit of the values, such as "ms"; empty for counts.
    #[serde(default)]
    unit: String,
    /// A limit, when there is one.
    capacity: Option<Capacity>,
}

/// The forecast of one group.
struct Foretold<'a> {
    line: &'a Line,
    outlook: Outlook,
    /// With a capacity only: when it is reached, on which line.
    breach: Option<(Breach, Stretch)>,
}

/// When the limit's share is reached; steps ahead, 0 for the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breach {
    /// The last value is already there.
    Now,
    /// Within the horizon: at the earliest, most likely, at the latest (`None`: after the horizon).
    Ahead {
        earliest: usize,
        likely: usize,
        latest: Option<usize>,
    },
}

const METHOD: &str = "Forecasters chosen and weighted by rolling-origin backtest (MASE; Hyndman and \
                      Koehler, 2006), conformal intervals (Vovk, Gammerman and Shafer, 2005)";

const LINE_METHOD: &str = "Line with one bend, averaged over its place (Schwarz's criterion), standard \
                           errors for AR(1) residuals";

/// Probability of reaching the limit within the horizon from which on it is said.
const SURE: f64 = 0.8;

/// Longest history that is learnt from and tested on, in steps: older records change nothing.
const HISTORY_MAX: usize = 560;

fn run(context: &Context, params: &Value, inputs: &Inputs) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    if let Some(level) = params
        .level
        .iter()
        .find(|level| !(0.01..=0.999).contains(*level))
    {
        return Err(StageError::Other(format!(
            "level {level} is not between 0.01 and 0.999"
        )));
    }
    let input = &inputs[&params.input];
    let request = Request {
        time: params.time.as_deref(),
        value: params.value.as_deref(),
        by: &params.by,
        gather: Gather::chosen(params.aggregate, params.value.as_deref()),
        step: params.period,
    };
    let lines = steps::collect(context, input, &request)?;
    let name = steps::measure(
        params.measure.as_deref(),
        params.value.as_deref(),
        &params.input,
    );
    let mut cell = Cell::new(&context.stage, FORECAST.name);
    cell.title = if context.title.is_empty() {
        format!("Forecast: {name}")
    } else {
        context.title.clone()
    };
    cell.method = METHOD.to_string();
    cell.caveats.clone_from(&lines.caveats);
    let foretold = foretell(context, &params, &lines);
    let reporter = Reporter {
        context,
        params: &params,
        lines: &lines,
        name: &name,
    };
    if foretold.is_empty() {
        cell.status = CellStatus::NotEnough {
            message: reporter.not_enough(),
        };
        return Ok(Analysis { cell, frame: None });
    }
    if foretold.len() < lines.groups.len() {
        let groups = number::plural((lines.groups.len() - foretold.len()) as u64, "group");
        cell.caveats
            .push(format!("{groups} had too little history for a forecast."));
    }
    let findings = foretold
        .iter()
        .flat_map(|group| [reporter.next_window(group), reporter.breach(group)])
        .flatten()
        .collect();
    cell.did = reporter.did(&foretold);
    cell.tables.push(reporter.table(&foretold));
    cell.tables.push(reporter.record(&foretold));
    cell.charts = reporter.charts(&foretold);
    let frame = reporter.frame(&foretold)?;
    Ok(Analysis {
        cell: with_findings(cell, findings),
        frame: Some(frame),
    })
}

/// Options for a series of this length: the horizon is cut to a third of it.
fn options(context: &Context, params: &Params, known: usize) -> Options {
    let per_day = params.period.per_day();
    let period = match params.period {
        Step::Day => 7,
        Step::Hour if known >= 24 * 7 * 4 => 168,
        Step::Hour => 24,
    };
    let asked = params.horizon as usize * per_day;
    Options {
        period,
        horizon: asked.min((known / 3).max(per_day)).max(1),
        levels: params.level.clone(),
        total: context.window.days() as usize * per_day,
        origins: 24,
    }
}

fn foretell<'a>(context: &Context, params: &Params, lines: &'a Lines) -> Vec<Foretold<'a>> {
    lines
        .groups
        .par_iter()
        .filter_map(|line| {
            let first = line.values.iter().position(Option::is_some)?;
            let first = first.max(line.values.len().saturating_sub(HISTORY_MAX));
            let values = interpolate(&line.values[first..]);
            let outlook =
                numerics::forecast(&values, &options(context, params, values.len())).ok()?;
            let breach = params.capacity.and_then(|capacity| {
                let options = options(context, params, values.len());
                let stretch = current_stretch(&values, options.period)?;
                let horizon = params.horizon as usize * params.period.per_day();
                let level = *params.level.last()?;
                Some((breach(&stretch, horizon, level, &capacity)?, stretch))
            });
            Some(Foretold {
                line,
                outlook,
                breach,
            })
        })
        .collect()
}

/// When the line reaches the limit's share.
fn breach(stretch: &Stretch, horizon: usize, level: f64, capacity: &Capacity) -> Option<Breach> {
    let limit = capacity.limit * capacity.share;
    if stretch.line(0) - stretch.half_width(0, level) >= limit {
        return Some(Breach::Now);
    }
    let steps = horizon.min(stretch.length);
    let reached = |value: &dyn Fn(usize) -> f64| (0..steps).find(|step| value(*step) >= limit);
    let upper = |step| stretch.line(step) + stretch.half_width(step, level);
    let lower = |step| stretch.line(step) - stretch.half_width(step, level);
    let sure = |step| stretch.line(step) - stretch.half_width(step, 2.0 * SURE - 1.0);
    if stretch.slope <= 0.0 || stretch.p >= CLEAR {
        return None;
    }
    reached(&sure)?;
    Some(Breach::Ahead {
        earliest: reached(&upper)?,
        likely: reached(&|step| stretch.line(step))?,
        latest: reached(&lower),
    })
}

/// Words and pictures of what was foretold.
struct Reporter<'a> {
    context: &'a Context,
    params: &'a Params,
    lines: &'a Lines,
    name: &'a str,
}

impl Reporter<'_> {
    fn ahead(&self, step: usize) -> DateTime {
        let last = self.lines.times.last().copied().unwrap_or(DateTime::MIN);
        self.lines.step.after(last, step + 1)
    }

    fn amount(&self, value: f64) -> String {
        let value = if value.abs() >= 10.0 && self.adds_up() {
            value.round()
        } else {
            value
        };
        number::with_unit(value, &self.params.unit)
    }

    fn adds_up(&self) -> bool {
        Gather::chosen(self.params.aggregate, self.params.value.as_deref()).adds_up()
    }

    fn unit(&self) -> String {
        if self.params.unit.is_empty() {
            format!("{} per {}", self.name, self.lines.step.noun())
        } else {
            self.params.unit.clone()
        }
    }

    fn not_enough(&self) -> String {
        let known = self.lines.groups.iter().map(Line::known).max().unwrap_or(0);
        let need = numerics::need(&options(self.context, self.params, known));
        let noun = self.lines.step.noun();
        format!(
            "not enough: have {}, need {need}; keep more history in the source or ask for a \
             shorter horizon than {}",
            number::plural(known as u64, noun),
            number::plural(u64::from(self.params.horizon), "day"),
        )
    }

    /// The step after the last of the next window, or of the horizon when that is shorter.
    fn next_steps(&self, outlook: &Outlook) -> usize {
        let days = self.context.window.days() as usize * self.lines.step.per_day();
        days.clamp(1, outlook.mean.len())
    }

    fn finding(&self, group: &Foretold, what: &str) -> Finding {
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
    fn next_window(&self, group: &Foretold) -> Option<Finding> {
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
        if steps < self.context.window.days() as usize * self.lines.step.per_day() {
            finding
                .caveats
                .push("The horizon is shorter than a window.".to_string());
        }
        finding.sentence = fill(
            "{Name}{group}: {value} expected {how}from {from} to {to} ({level} interval {low} to \
             {high}; on {origins} past dates the error was {mase} of that of repeating the last \
             season).",
            &[
                ("Name", &series::capitalised(self.name)),
                ("group", &steps::in_group(group.line)),
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
                ("level", &steps::share(level)),
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
    fn breach(&self, group: &Foretold) -> Option<Finding> {
        let capacity = self.params.capacity?;
        let (breach, stretch) = group.breach.as_ref()?;
        let line = capacity.limit * capacity.share;
        let of_limit = if capacity.share < 1.0 {
            format!("{} of its limit", steps::share(capacity.share))
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
        let began = self.lines.times[began].date();
        finding.baseline = Some(format!("the line that it has followed since about {began}"));
        finding
            .caveats
            .push("The line is carried on; a restart or a release ends it.".to_string());
        let name = format!(
            "{}{}",
            series::capitalised(self.name),
            steps::in_group(group.line)
        );
        let limit = self.amount(capacity.limit);
        let day = |step: usize| long(self.ahead(step).date());
        match *breach {
            Breach::Now => {
                finding.severity = Severity::Critical;
                finding.magnitude = Some(Magnitude::point(0.0, "days"));
                let last = self.lines.times.last()?;
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
                let per_day = self.lines.step.per_day() as f64;
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
                let horizon = self.params.horizon as usize * self.lines.step.per_day();
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
                        ("level", &steps::share(*self.params.level.last()?)),
                        ("range", &range),
                        (
                            "slope",
                            &number::with_unit(stretch.slope, &self.params.unit),
                        ),
                        ("noun", self.lines.step.noun()),
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

    fn did(&self, foretold: &[Foretold]) -> String {
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
                    &number::plural(steps as u64, self.lines.step.noun()),
                ),
                ("mase", &number::percent(average(&|outlook| outlook.mase))),
                ("nominal", &steps::share(foretold[0].outlook.bands[0].level)),
                (
                    "coverage",
                    &number::percent(average(&|outlook| outlook.bands[0].coverage)),
                ),
            ],
        )
    }

    fn table(&self, foretold: &[Foretold]) -> Table {
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
                    steps::share(band.level)
                ),
            ]);
        }
        table.top(40)
    }

    /// The forecasters' record in the backtest, for the largest group.
    fn record(&self, foretold: &[Foretold]) -> Table {
        let mut table = Table::new(
            "Backtest of the forecasters",
            &["<group", "<forecaster", ">MASE", ">sMAPE", ">weight"],
        );
        if let Some(group) = foretold.iter().max_by_key(|group| group.line.records) {
            table.caption = format!(
                "Errors from {} past dates over {}.",
                group.outlook.origins,
                number::plural(group.outlook.mean.len() as u64, self.lines.step.noun())
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

    /// Charts of the groups that reach their limit, soonest first, or of the largest group.
    fn charts(&self, foretold: &[Foretold]) -> Vec<Chart> {
        let soonest = |group: &&Foretold| match group.breach.as_ref().map(|(breach, _)| *breach) {
            Some(Breach::Now) => 0,
            Some(Breach::Ahead { likely, .. }) => likely + 1,
            None => usize::MAX,
        };
        let mut shown: Vec<&Foretold> = foretold
            .iter()
            .filter(|group| group.breach.is_some())
            .collect();
        shown.sort_by_key(soonest);
        if shown.is_empty() {
            shown.extend(foretold.iter().max_by_key(|group| group.line.records));
        }
        shown.truncate(4);
        shown.into_iter().map(|group| self.chart(group)).collect()
    }

    fn chart(&self, group: &Foretold) -> Chart {
        let outlook = &group.outlook;
        let mut extra = Vec::new();
        if let Some((_, stretch)) = &group.breach {
            let steps = stretch
                .length
                .min(self.params.horizon as usize * self.lines.step.per_day());
            extra.push(Series {
                name: "line since its bend".to_string(),
                times: (0..steps).map(|step| self.ahead(step)).collect(),
                values: (0..steps).map(|step| Some(stretch.mean(step))).collect(),
                role: Role::Expected,
            });
        }
        let role = if extra.is_empty() {
            Role::Expected
        } else {
            Role::Context
        };
        let ahead: Vec<DateTime> = (0..outlook.mean.len())
            .map(|step| self.ahead(step))
            .collect();
        let n = self.lines.times.len();
        let from = n.saturating_sub((3 * ahead.len()).max(60));
        let name = format!("{}{}", self.name, steps::in_group(group.line));
        let title = self.breach(group).map_or_else(
            || format!("{}: what is expected next", series::capitalised(&name)),
            // The claim without its interval, which the chart shows.
            |finding| {
                finding
                    .sentence
                    .split(" (")
                    .next()
                    .unwrap_or_default()
                    .to_string()
            },
        );
        let bands = outlook
            .bands
            .iter()
            .zip(&self.params.level)
            .rev()
            .map(|(band, level)| Band {
                name: format!("{} interval", steps::share(*level)),
                times: ahead.clone(),
                lower: band.lower.clone(),
                upper: band.upper.clone(),
            })
            .collect();
        let levels = self.params.capacity.map(|capacity| Level {
            start: self.lines.times[from],
            end: extra
                .first()
                .and_then(|line| line.times.last())
                .or(ahead.last())
                .copied()
                .unwrap_or(DateTime::MAX),
            value: capacity.limit * capacity.share,
            label: if capacity.share < 1.0 {
                format!("{} of the limit", steps::share(capacity.share))
            } else {
                "limit".to_string()
            },
        });
        Chart {
            id: format!(
                "{}-{}",
                self.context.stage,
                Finding::identity("chart", &group.line.subject, "forecast")
            ),
            alt: format!(
                "{} from {} and what is expected for {}: from {} to {}.",
                series::capitalised(&name),
                self.lines.times[from].date(),
                number::plural(ahead.len() as u64, self.lines.step.noun()),
                self.amount(outlook.mean[0]),
                self.amount(outlook.mean[outlook.mean.len() - 1]),
            ),
            title,
            unit: self.unit(),
            kind: ChartKind::Line {
                series: [
                    Series {
                        name: self.name.to_string(),
                        times: self.lines.times[from..].to_vec(),
                        values: group.line.values[from..].to_vec(),
                        role: Role::Observed,
                    },
                    Series {
                        name: "forecast".to_string(),
                        times: ahead,
                        values: outlook.mean.iter().copied().map(Some).collect(),
                        role,
                    },
                ]
                .into_iter()
                .chain(extra)
                .collect(),
                bands,
                markers: Vec::new(),
                levels: levels.into_iter().collect(),
            },
            table: None,
        }
    }

    /// One row a step ahead and group, for stages that come after.
    fn frame(&self, foretold: &[Foretold]) -> Result<DataFrame, StageError> {
        let (mut groups, mut times, mut means) = (Vec::new(), Vec::new(), Vec::new());
        let mut ends: Vec<[Vec<f64>; 2]> = vec![Default::default(); self.params.level.len()];
        for group in foretold {
            for (step, mean) in group.outlook.mean.iter().enumerate() {
                groups.push(group.line.label.clone());
                times.push(self.lines.step.iso(self.ahead(step)));
                means.push(*mean);
                for (end, band) in ends.iter_mut().zip(&group.outlook.bands) {
                    end[0].push(band.lower[step]);
                    end[1].push(band.upper[step]);
                }
            }
        }
        let mut columns = vec![
            Column::new("group".into(), groups),
            Column::new(self.lines.step.noun().into(), times),
            Column::new("expected".into(), means),
        ];
        for (level, [lower, upper]) in self.params.level.iter().zip(ends) {
            let per_cent = (level * 1000.0).round() / 10.0;
            columns.push(Column::new(format!("lower_{per_cent}").into(), lower));
            columns.push(Column::new(format!("upper_{per_cent}").into(), upper));
        }
        Ok(DataFrame::new_infer_height(columns)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::test_data::{context, daily};
    use serde_json::json;

    fn wobble(i: usize, size: f64) -> f64 {
        ((i * 7919 % 101) as f64 / 50.0 - 1.0) * size
    }

    fn analyse(series: &[(&str, Vec<f64>)], extra: Value) -> Analysis {
        let mut params = json!({
            "input": "daily_failures", "time": "day", "value": "failures", "by": ["component"],
            "measure": "memory", "unit": "%", "aggregate": "mean",
        });
        for (key, value) in extra.as_object().unwrap() {
            params[key] = value.clone();
        }
        let inputs = Inputs::from([("daily_failures".to_string(), daily(series))]);
        run(&context("outlook"), &params, &inputs).unwrap()
    }

    #[test]
    fn a_drifting_metric_reaches_its_limit_and_a_level_one_does_not() {
        let drifting: Vec<f64> = (0..420)
            .map(|i| 55.0 + wobble(i, 1.0) + 0.25 * (i as f64 - 350.0).max(0.0))
            .collect();
        let level: Vec<f64> = (0..420).map(|i| 70.0 + wobble(i, 1.5)).collect();
        let extra = json!({"capacity": {"limit": 100.0, "share": 0.8}, "horizon": 60});
        let analysis = analyse(&[("api", drifting), ("web", level)], extra);
        let breaches: Vec<&Finding> = analysis
            .cell
            .findings
            .iter()
            .filter(|finding| finding.numbers.contains_key("breach_date"))
            .collect();
        let [finding] = breaches[..] else {
            panic!("{breaches:?}")
        };
        assert_eq!(finding.subject, "component = api");
        // 72.5 on the last day, 0.25 a day: 80 after 30 days, on 15 December.
        let days = finding.numbers["breach_days"].as_f64().unwrap();
        assert!((days - 30.0).abs() <= 5.0, "{days}: {}", finding.sentence);
        assert_eq!(finding.severity, Severity::Warning);
        let quiet = analysis
            .cell
            .findings
            .iter()
            .find(|f| f.subject == "component = web")
            .unwrap();
        assert!(!quiet.sentence.contains("limit"));
        assert_eq!(analysis.cell.charts.len(), 1);
    }

    #[test]
    fn the_next_window_is_foretold_with_its_interval() {
        let counts: Vec<f64> = (0..420)
            .map(|i| [40.0, 20.0, 20.0, 20.0, 18.0, 9.0, 8.0][i % 7])
            .collect();
        let extra = json!({"aggregate": "sum", "unit": "", "measure": "failures"});
        let analysis = analyse(&[("api", counts)], extra);
        let [finding] = &analysis.cell.findings[..] else {
            panic!()
        };
        let magnitude = finding.magnitude.as_ref().unwrap();
        assert!((magnitude.value - 135.0).abs() < 1.0, "{}", magnitude.value);
        assert_eq!(finding.period, "2026-11-16 to 2026-11-22");
        assert_eq!(analysis.frame.unwrap().height(), 28);
    }

    #[test]
    fn little_history_is_said() {
        let analysis = analyse(&[("api", vec![3.0; 9])], json!({}));
        let CellStatus::NotEnough { message } = analysis.cell.status else {
            panic!()
        };
        assert!(
            message
                .replace('\u{a0}', " ")
                .starts_with("not enough: have 9 days, need")
        );
    }
}
