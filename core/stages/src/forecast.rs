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
    Analysis, Context, Inputs, Kind, StageError,
    series::{
        self, Aggregate, Group, PartPeriods, Request, SeriesSet,
        period::{Period, Step},
        words,
    },
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
    code_version: 2,
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
    #[schemars(extend("exclusiveMinimum" = 0))]
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
    aggregate: Option<Aggregate>,
    /// Length of a step.
    #[serde(default)]
    period: Step,
    /// Days ahead.
    #[serde(default = "default_horizon")]
    #[schemars(range(min = 1, max = 365))]
    horizon: u32,
    /// Coverages of the intervals, each between 0 and 1.
    #[serde(default = "default_level")]
    #[schemars(length(min = 1, max = 4), inner(range(min = 0.01, max = 0.999)))]
    level: Vec<f64>,
    /// The metric in words, such as "memory". Default: the value column or the dataset.
    measure: Option<String>,
    /// Unit of the values, such as "ms"; empty for counts.
    #[serde(default)]
    unit: String,
    /// A limit, when there is one.
    capacity: Option<Capacity>,
}

impl Params {
    fn aggregate(&self) -> Aggregate {
        Aggregate::chosen(self.aggregate, self.value.as_deref(), Aggregate::Sum)
    }
}

/// The forecast of one group.
struct Foretold<'a> {
    line: &'a Group,
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
/// Most groups that are forecast: the largest.
const GROUPS_MAX: usize = 200;

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
        aggregate: params.aggregate(),
        period: params.period.into(),
        part_periods: PartPeriods::LeaveOut,
        periods_max: HISTORY_MAX * 4,
        groups_max: GROUPS_MAX,
        measure: params.measure.as_deref(),
    };
    let lines = series::collect(context, input, &request)?;
    let name = words::measure(
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
    cell.did = format!("Wanted to forecast {name}.");
    if !lines.describe(&mut cell) {
        return Ok(Analysis { cell, frame: None });
    }
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
    let need = lines
        .groups
        .iter()
        .map(|group| need(context, &params, group.known()));
    lines.note_small(need.max().unwrap_or(0), &mut cell.caveats);
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

/// Steps that a series of this length must have.
fn need(context: &Context, params: &Params, known: usize) -> usize {
    numerics::need(&options(context, params, known))
}

/// Options for a series of this length: the horizon is cut to a third of it.
fn options(context: &Context, params: &Params, known: usize) -> Options {
    let per_day = Period::from(params.period).per_day();
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

fn foretell<'a>(context: &Context, params: &Params, lines: &'a SeriesSet) -> Vec<Foretold<'a>> {
    lines
        .groups
        .par_iter()
        .filter_map(|line| {
            if !lines.is_enough(line, need(context, params, line.known())) {
                return None;
            }
            let first = line.begin();
            let first = first.max(line.values.len().saturating_sub(HISTORY_MAX));
            let values = interpolate(&line.values[first..]);
            let outlook =
                numerics::forecast(&values, &options(context, params, values.len())).ok()?;
            let breach = params.capacity.and_then(|capacity| {
                let options = options(context, params, values.len());
                let stretch = current_stretch(&values, options.period)?;
                let horizon = params.horizon as usize * lines.period.per_day();
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
    lines: &'a SeriesSet,
    name: &'a str,
}

impl Reporter<'_> {
    fn ahead(&self, step: usize) -> DateTime {
        let last = self.lines.starts.last().copied().unwrap_or(DateTime::MIN);
        self.lines.period.after(last, step + 1)
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
        self.params.aggregate().adds_up()
    }

    fn unit(&self) -> String {
        if self.params.unit.is_empty() {
            format!("{} per {}", self.name, self.lines.period.noun())
        } else {
            self.params.unit.clone()
        }
    }

    fn not_enough(&self) -> String {
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
    fn breach(&self, group: &Foretold) -> Option<Finding> {
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
                    words::share(band.level)
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
                .min(self.params.horizon as usize * self.lines.period.per_day());
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
        let n = self.lines.starts.len();
        let from = n.saturating_sub((3 * ahead.len()).max(60));
        let name = format!("{}{}", self.name, words::in_group(group.line));
        let title = self.breach(group).map_or_else(
            || format!("{}: what is expected next", words::capitalised(&name)),
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
                name: format!("{} interval", words::share(*level)),
                times: ahead.clone(),
                lower: band.lower.clone(),
                upper: band.upper.clone(),
            })
            .collect();
        let levels = self.params.capacity.map(|capacity| Level {
            start: self.lines.starts[from],
            end: extra
                .first()
                .and_then(|line| line.times.last())
                .or(ahead.last())
                .copied()
                .unwrap_or(DateTime::MAX),
            value: capacity.limit * capacity.share,
            label: if capacity.share < 1.0 {
                format!("{} of the limit", words::share(capacity.share))
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
                words::capitalised(&name),
                self.lines.starts[from].date(),
                number::plural(ahead.len() as u64, self.lines.period.noun()),
                self.amount(outlook.mean[0]),
                self.amount(outlook.mean[outlook.mean.len() - 1]),
            ),
            title,
            unit: self.unit(),
            kind: ChartKind::Line {
                series: [
                    Series {
                        name: self.name.to_string(),
                        times: self.lines.starts[from..].to_vec(),
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
                times.push(self.lines.period.iso(self.ahead(step)));
                means.push(*mean);
                for (end, band) in ends.iter_mut().zip(&group.outlook.bands) {
                    end[0].push(band.lower[step]);
                    end[1].push(band.upper[step]);
                }
            }
        }
        let mut columns = vec![
            Column::new("group".into(), groups),
            Column::new(self.lines.period.noun().into(), times),
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
mod tests;
