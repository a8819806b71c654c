//! Whether the records can be trusted: completeness, validity, uniqueness, freshness and volume of
//! each dataset, as one score from 0 to 100 with its parts.
//!
//! | part | share of | weight |
//! |---|---|---|
//! | validity | records that meet their contract, times files that could be read | 0.25 |
//! | completeness | values present, against what is usual for their column | 0.25 |
//! | freshness | the usual silence over the silence before the window's end | 0.20 |
//! | uniqueness | records whose key had not been seen | 0.15 |
//! | volume | records of the window, against the median of the windows before, when it dropped | 0.15 |
//!
//! Validity and uniqueness are known for sources only; freshness and volume need a time column. A
//! part that is not known does not count. A column is complete when it is as full in the window as
//! it was before; columns named in `always_filled` are held to every record.
//!
//! A source has gone quiet when it fell silent before the window's end for longer than twice its
//! longest silence so far, or for so long that the chance of it, at the share of days with records
//! before, is below 0.1 %. Volume dropped when the window's number of records lies below the 99 %
//! prediction interval (Student's t on the logarithms) of the windows before, of which at least
//! four are needed.
//!
//! ```toml
//! [stage.quality]
//! kind   = "quality"
//! inputs = ["tickets", "metrics"]
//! ```

use crate::{Analysis, Context, Input, Inputs, Kind, StageError, frame, with_findings};
use jiff::{Timestamp, civil::Date};
use polars::prelude::*;
use retrocast_domain::{
    Cell, Chart, ChartKind, Direction, Evidence, Finding, Kpi, Magnitude, Severity, Table, Window,
    number::{self, plural},
    report::SourceNote,
    sentence::fill,
};
use retrocast_stats::{describe, test::t_quantile};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Params of `quality`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Datasets to judge.
    #[schemars(length(min = 1), extend("x-dataset" = true))]
    inputs: Vec<String>,
    /// Score below which a finding is made.
    #[serde(default = "ninety")]
    #[schemars(range(min = 0.0, max = 100.0))]
    score_min: f64,
    /// Columns that no record may lack, by dataset.
    #[serde(default)]
    always_filled: BTreeMap<String, Vec<String>>,
    /// Windows before this one that say what is usual.
    #[serde(default = "eight")]
    #[schemars(range(min = 4, max = 520))]
    windows: u32,
}

fn ninety() -> f64 {
    90.0
}
fn eight() -> u32 {
    8
}

/// The kind `quality`.
pub const QUALITY: Kind = Kind {
    name: "quality",
    code_version: 2,
    summary: "Completeness, validity, uniqueness, freshness and volume of datasets, as one score.",
    manual: include_str!("quality.rs"),
    schema: || schemars::schema_for!(Params),
    run,
};

const METHOD: &str = "Weighted mean of completeness, validity, uniqueness, freshness and volume; \
                      volume against the prediction interval of the windows before";

/// Weights of validity, completeness, freshness, uniqueness and volume.
const WEIGHTS: [f64; 5] = [0.25, 0.25, 0.20, 0.15, 0.15];
/// Fewest windows before for a judgement on volume.
const WINDOWS_MIN: usize = 4;
/// What is found when a source has gone quiet.
const STOPPED: &str = "records stopped";
/// Chance of a silence below which a source has gone quiet.
const SILENCE: f64 = 0.001;

/// What is known of one dataset.
struct Quality {
    name: String,
    records: u64,
    validity: Option<f64>,
    completeness: Option<f64>,
    freshness: Option<f64>,
    uniqueness: Option<f64>,
    volume: Option<f64>,
    /// Columns less full than usual, the worst first.
    gaps: Vec<Gap>,
    silence: Option<Silence>,
    traffic: Option<Traffic>,
}

impl Quality {
    fn parts(&self) -> [Option<f64>; 5] {
        [
            self.validity,
            self.completeness,
            self.freshness,
            self.uniqueness,
            self.volume,
        ]
    }

    /// Weighted mean of the parts that are known, from 0 to 100.
    fn score(&self) -> Option<f64> {
        let known = || {
            self.parts()
                .into_iter()
                .zip(WEIGHTS)
                .filter_map(|(p, w)| Some((p?, w)))
        };
        let weight: f64 = known().map(|(_, weight)| weight).sum();
        let sum: f64 = known()
            .map(|(part, weight)| part.clamp(0.0, 1.0) * weight)
            .sum();
        (weight > 0.0).then(|| 100.0 * sum / weight)
    }
}

/// A column that is less full than usual.
struct Gap {
    column: String,
    /// Share of values missing in the window.
    now: f64,
    /// Share missing before.
    usual: f64,
}

/// How long no record has come.
struct Silence {
    last: Date,
    /// Hours from the last record to the window's end.
    hours: f64,
    /// The longest silence between two records before, in hours.
    usual_hours: f64,
    is_quiet: bool,
}

/// Records of the window and of those before.
struct Traffic {
    now: u64,
    /// Oldest first.
    before: Vec<u64>,
    median: f64,
    /// 99 % prediction interval.
    expected: Option<[f64; 2]>,
}

fn run(
    context: &Context,
    params: &serde_json::Value,
    inputs: &Inputs,
) -> Result<Analysis, StageError> {
    let params: Params = serde_json::from_value(params.clone())?;
    let mut cell = Cell::new(&context.stage, QUALITY.name);
    cell.method = METHOD.to_string();
    let mut found = Vec::new();
    let mut judged = Vec::new();
    for name in &params.inputs {
        let input = inputs
            .get(name)
            .ok_or_else(|| StageError::Other(format!("there is no dataset {name:?}")))?;
        let quality = judge(context, &params, input)?;
        cell.records = match (cell.records, quality.traffic.as_ref()) {
            (records, Some(traffic)) => Some(records.unwrap_or(0) + traffic.now),
            (records, None) if input.time.is_some() => Some(records.unwrap_or(0)),
            (records, None) => records,
        };
        if let Some(caveat) = no_records(context, input, &quality) {
            cell.caveats.push(caveat);
        }
        found.extend(findings(context, &params, input, &quality));
        cell.kpis.push(kpi(&params, &quality));
        judged.push(quality);
    }
    cell.did = format!(
        "Judged {}: {}.",
        plural(judged.len() as u64, "dataset"),
        if found.is_empty() {
            "nothing to complain of".to_string()
        } else {
            plural(found.len() as u64, "finding")
        }
    );
    cell.tables.push(scores(&judged));
    cell.tables.extend(reasons(&params, inputs));
    cell.charts.extend(chart(context, &params, &judged));
    let frame = frame_of(&judged)?;
    Ok(Analysis {
        cell: with_findings(cell, found),
        frame: Some(frame),
    })
}

/// Says when nothing of a dataset falls in the window, which may be an end or just a quiet time.
fn no_records(context: &Context, input: &Input, quality: &Quality) -> Option<String> {
    let window = context.window.words();
    let name = &input.dataset.name;
    match (&quality.traffic, &quality.silence) {
        _ if input.time.is_none() => None,
        (Some(traffic), _) if traffic.now > 0 => None,
        (_, Some(silence)) => Some(format!(
            "{name} has no record in this window, {window}; the last is of {}.",
            retrocast_domain::window::long(silence.last)
        )),
        _ if input.frame.height() == 0 => Some(format!(
            "{name} has no record before the end of the window, {window}."
        )),
        _ => Some(format!(
            "{name} has no record with a time before the end of the window, {window}."
        )),
    }
}

fn judge(context: &Context, params: &Params, input: &Input) -> Result<Quality, StageError> {
    let window = &context.window;
    let times = match &input.time {
        Some(time) => Some(frame::micros(input, time)?),
        None => None,
    };
    let bounds = [window.start_instant(), window.end_instant()].map(Timestamp::as_microsecond);
    let always = params
        .always_filled
        .get(&input.dataset.name)
        .map_or(&[][..], Vec::as_slice);
    let (completeness, gaps) = completeness(input, times.as_deref(), bounds, always)?;
    let silence = times.as_deref().and_then(|times| silence(times, window));
    let traffic = times
        .as_deref()
        .and_then(|times| traffic(times, window, params.windows));
    let volume = traffic.as_ref().and_then(|traffic| {
        let [low, _] = traffic.expected?;
        let share = (traffic.now as f64 / traffic.median.max(1.0)).min(1.0);
        Some(if (traffic.now as f64) < low {
            share
        } else {
            1.0
        })
    });
    let source = input.source.as_ref();
    Ok(Quality {
        name: input.dataset.name.clone(),
        records: source.map_or(input.frame.height() as u64, |source| source.records),
        validity: source.and_then(validity),
        completeness,
        freshness: silence.as_ref().map(|silence| {
            let usual = (2.0 * silence.usual_hours).max(24.0);
            if silence.hours <= usual {
                1.0
            } else {
                usual / silence.hours
            }
        }),
        uniqueness: source.and_then(uniqueness),
        volume,
        gaps,
        silence,
        traffic,
    })
}

fn quarantined(source: &SourceNote) -> u64 {
    source.quarantined.iter().map(|(_, count)| count).sum()
}

/// Share of records that meet the contract, times the share of files that could be read.
fn validity(source: &SourceNote) -> Option<f64> {
    if source.records == 0 {
        return None;
    }
    let valid = 1.0 - quarantined(source) as f64 / source.records as f64;
    let files = source.files.max(source.broken_files.len() as u64).max(1);
    Some(valid * (1.0 - source.broken_files.len() as f64 / files as f64))
}

/// Share of valid records that were not duplicates.
fn uniqueness(source: &SourceNote) -> Option<f64> {
    let valid = source.records.saturating_sub(quarantined(source));
    (valid > 0).then(|| 1.0 - source.duplicates as f64 / valid as f64)
}

/// Share of values that are there, against what is usual, and the columns that lack some.
fn completeness(
    input: &Input,
    times: Option<&[Option<i64>]>,
    bounds: [i64; 2],
    always: &[String],
) -> Result<(Option<f64>, Vec<Gap>), StageError> {
    for name in always {
        frame::column(input, name)?;
    }
    let rows = input.frame.height();
    let [start, end] = bounds;
    let part = |low: i64, high: i64| -> Vec<bool> {
        match times {
            Some(times) => times
                .iter()
                .map(|time| time.is_some_and(|t| low <= t && t < high))
                .collect(),
            None => vec![high == end; rows],
        }
    };
    let (now, before) = (part(start, end), part(i64::MIN, start));
    let count = |chosen: &[bool]| chosen.iter().filter(|chosen| **chosen).count() as f64;
    let (n_now, n_before) = (count(&now), count(&before));
    if n_now == 0.0 || input.frame.width() == 0 {
        return Ok((None, Vec::new()));
    }
    let mut shares = Vec::new();
    let mut gaps = Vec::new();
    for column in input.frame.columns() {
        let missing = column.is_null();
        let lacks = |chosen: &[bool]| {
            missing
                .iter()
                .zip(chosen)
                .filter(|(m, chosen)| **chosen && *m == Some(true))
                .count()
        };
        let share_now = lacks(&now) as f64 / n_now;
        let usual = match (
            always.iter().any(|name| name == column.name()),
            n_before > 0.0,
        ) {
            (true, _) => 0.0,
            (false, true) => lacks(&before) as f64 / n_before,
            (false, false) => share_now,
        };
        let share = if usual >= 1.0 {
            1.0
        } else {
            ((1.0 - share_now) / (1.0 - usual)).min(1.0)
        };
        shares.push(share);
        // Three standard errors more than usual, and at least one per cent.
        let error = (usual.max(0.5 / n_now) * (1.0 - usual) / n_now).sqrt();
        if share_now > usual + (3.0 * error).max(0.01) {
            gaps.push(Gap {
                column: column.name().to_string(),
                now: share_now,
                usual,
            });
        }
    }
    gaps.sort_by(|a, b| {
        (b.now - b.usual)
            .total_cmp(&(a.now - a.usual))
            .then_with(|| a.column.cmp(&b.column))
    });
    Ok((Some(describe::mean(&shares)), gaps))
}

const HOUR: f64 = 3_600_000_000.0;

/// How long the last record lies back, and whether that is more than usual.
fn silence(times: &[Option<i64>], window: &Window) -> Option<Silence> {
    let end = window.end_instant().as_microsecond();
    let mut times: Vec<i64> = times
        .iter()
        .flatten()
        .copied()
        .filter(|time| *time < end)
        .collect();
    times.sort_unstable();
    let last = *times.last()?;
    let hours = (end - last) as f64 / HOUR;
    // What was usual in the year before the last record.
    let from = last - (365.0 * 24.0 * HOUR) as i64;
    let recent = &times[times.partition_point(|time| *time < from)..];
    let usual_hours = recent
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as f64 / HOUR)
        .fold(0.0, f64::max);
    let zone = jiff::tz::TimeZone::get(&window.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
    let day = |time: i64| {
        Timestamp::from_microsecond(time).map_or(window.end, |time| zone.to_datetime(time).date())
    };
    let mut active: Vec<Date> = recent.iter().map(|time| day(*time)).collect();
    active.dedup();
    let span = (last - recent[0]) as f64 / (24.0 * HOUR) + 1.0;
    let share = (active.len() as f64 / span).min(1.0);
    let silent_days = (hours / 24.0).floor();
    let unlikely = (1.0 - share).powf(silent_days) < SILENCE;
    let is_quiet =
        active.len() >= 7 && silent_days >= 1.0 && (unlikely || hours > 2.0 * usual_hours);
    Some(Silence {
        last: day(last),
        hours,
        usual_hours,
        is_quiet,
    })
}

/// Records of the window and of the windows before in which the dataset existed.
fn traffic(times: &[Option<i64>], window: &Window, windows: u32) -> Option<Traffic> {
    let times: Vec<i64> = times.iter().flatten().copied().collect();
    let first = *times.iter().min()?;
    let count = |window: &Window| {
        let [start, end] = [window.start_instant(), window.end_instant()];
        let (start, end) = (start.as_microsecond(), end.as_microsecond());
        times
            .iter()
            .filter(|time| (start..end).contains(*time))
            .count() as u64
    };
    let before: Vec<u64> = (1..=windows)
        .rev()
        .map(|n| window.back(n))
        .filter(|window| window.start_instant().as_microsecond() >= first - (24.0 * HOUR) as i64)
        .map(|window| count(&window))
        .collect();
    let sizes: Vec<f64> = before.iter().map(|count| *count as f64).collect();
    let expected = (sizes.len() >= WINDOWS_MIN).then(|| prediction(&sizes));
    let median = if sizes.is_empty() {
        0.0
    } else {
        describe::median(&sizes)
    };
    Some(Traffic {
        now: count(window),
        before,
        median,
        expected,
    })
}

/// 99 % prediction interval for the next number, on logarithms; never narrower than what counting
/// alone makes of it.
fn prediction(sizes: &[f64]) -> [f64; 2] {
    let logs: Vec<f64> = sizes.iter().map(|size| (size + 0.5).ln()).collect();
    let n = logs.len() as f64;
    let mean = describe::mean(&logs);
    let counting = 1.0 / (mean.exp()).max(1.0);
    let deviation = (describe::variance(&logs).max(counting) * (1.0 + 1.0 / n)).sqrt();
    let half = t_quantile(0.995, n - 1.0) * deviation;
    [(mean - half).exp() - 0.5, (mean + half).exp() - 0.5].map(|edge| edge.max(0.0))
}

fn start_finding(context: &Context, input: &Input, what: &str) -> Finding {
    let subject = format!("dataset = {}", input.dataset.name);
    let mut finding = Finding::new(&context.stage, "quality", &subject, what);
    finding.method = METHOD.to_string();
    let last = context.window.end.yesterday().unwrap_or(context.window.end);
    finding.period = format!("{} to {last}", context.window.start);
    finding.evidence = vec![Evidence {
        dataset: input.dataset.name.clone(),
        version: input.dataset.version,
        filter: None,
    }];
    finding.n = input.dataset.rows;
    finding.confidence = 0.95;
    finding.severity = Severity::Warning;
    finding.direction = Direction::Down;
    finding
}

fn findings(context: &Context, params: &Params, input: &Input, quality: &Quality) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(low_score(context, params, input, quality));
    found.extend(gone_quiet(context, input, quality));
    if found.iter().all(|finding| finding.what != STOPPED) {
        // A source that stopped has fewer records too: one fact, told once.
        found.extend(low_volume(context, input, quality));
    }
    found.extend(missing_values(context, input, quality));
    found.extend(broken_files(context, input));
    found
}

fn low_score(
    context: &Context,
    params: &Params,
    input: &Input,
    quality: &Quality,
) -> Option<Finding> {
    let score = quality.score().filter(|score| *score < params.score_min)?;
    let mut finding = start_finding(context, input, "data quality score");
    finding.magnitude = Some(Magnitude::point(score, "points"));
    finding.baseline = Some(format!("the least score asked for, {}", params.score_min));
    finding.severity = if score < params.score_min - 20.0 {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let mut parts: Vec<(&str, f64)> = PARTS
        .into_iter()
        .zip(quality.parts())
        .filter_map(|(name, p)| Some((name, p?)))
        .collect();
    parts.sort_by(|a, b| a.1.total_cmp(&b.1));
    let worst: Vec<String> = parts
        .iter()
        .take(2)
        .filter(|(_, part)| *part < 1.0)
        .map(|(name, part)| format!("{name} {}", number::percent(*part)))
        .collect();
    finding.sentence = fill(
        "Data quality of {name} is {score} of 100, below {least}; lowest: {worst}.",
        &[
            ("name", &quality.name),
            ("score", &number::fixed(score, 1)),
            ("least", &number::sensible(params.score_min)),
            ("worst", &number::list(&worst)),
        ],
    );
    Some(finding.number("score", score))
}

fn gone_quiet(context: &Context, input: &Input, quality: &Quality) -> Option<Finding> {
    let silence = quality
        .silence
        .as_ref()
        .filter(|silence| silence.is_quiet)?;
    let mut finding = start_finding(context, input, STOPPED);
    finding.magnitude = Some(Magnitude::point(silence.hours, "h"));
    finding.baseline = Some("the longest silence of the year before".to_string());
    finding.severity = Severity::Critical;
    let duration = |hours: f64| number::minutes((hours * 60.0).round());
    finding.sentence = fill(
        "{name} has gone quiet: no record since {last}, {hours} before the window's end; its longest \
         silence before was {usual}.",
        &[
            ("name", &quality.name),
            ("last", &retrocast_domain::window::long(silence.last)),
            ("hours", &duration(silence.hours)),
            ("usual", &duration(silence.usual_hours)),
        ],
    );
    Some(
        finding
            .number("last", silence.last.to_string())
            .number("hours", silence.hours)
            .number("usual_hours", silence.usual_hours),
    )
}

fn low_volume(context: &Context, input: &Input, quality: &Quality) -> Option<Finding> {
    let traffic = quality.traffic.as_ref()?;
    let expected = traffic.expected?;
    let [low, high] = expected;
    if traffic.now as f64 >= low {
        return None;
    }
    let mut finding = start_finding(context, input, "fewer records than usual");
    let ratio = traffic.now as f64 / traffic.median.max(1.0);
    finding.magnitude = Some(Magnitude::point(ratio, "ratio"));
    finding.n = traffic.now;
    finding.confidence = 0.99;
    let windows = plural(traffic.before.len() as u64, "window");
    finding.baseline = Some(format!("median of the {windows} before"));
    finding.sentence = fill(
        "{name} has {now} in this window where {low} to {high} were to be expected (99 % interval \
         from the {windows} before; median {median}).",
        &[
            ("name", &quality.name),
            ("now", &plural(traffic.now, "record")),
            ("low", &number::integer(low.ceil() as i64)),
            ("high", &number::integer(high.floor() as i64)),
            ("windows", &windows),
            ("median", &number::sensible(traffic.median)),
        ],
    );
    Some(
        finding
            .number("now", traffic.now)
            .number("before", traffic.before.clone())
            .number("expected", expected.to_vec()),
    )
}

fn missing_values(context: &Context, input: &Input, quality: &Quality) -> Option<Finding> {
    let Gap {
        column,
        now,
        usual: before,
    } = quality.gaps.first()?;
    let mut finding = start_finding(context, input, &format!("values missing in {column}"));
    finding.magnitude = Some(Magnitude::point(*now, "share"));
    finding.baseline = Some("the records before the window".to_string());
    finding.severity = Severity::Notice;
    let more = quality.gaps.len() - 1;
    let rest = if more == 0 {
        String::new()
    } else {
        format!(" {} likewise.", plural(more as u64, "more column"))
    };
    finding.sentence = fill(
        "{name} lacks {now} of the values of {column} in this window, {before} before.{rest}",
        &[
            ("name", &quality.name),
            ("now", &number::percent(*now)),
            ("column", column),
            ("before", &number::percent(*before)),
            ("rest", &rest),
        ],
    );
    Some(
        finding
            .number("missing_now", *now)
            .number("missing_before", *before),
    )
}

fn broken_files(context: &Context, input: &Input) -> Option<Finding> {
    let source = input.source.as_ref()?;
    let (file, reason) = source.broken_files.first()?;
    let count = source.broken_files.len() as u64;
    let mut finding = start_finding(context, input, "files that could not be read");
    finding.magnitude = Some(Magnitude::point(count as f64, "files"));
    finding.n = source.files;
    finding.sentence = fill(
        "{count} of {name} could not be read to the end, such as {file}: {reason}.",
        &[
            ("count", &plural(count, "file")),
            ("name", &input.dataset.name),
            ("file", file),
            ("reason", reason.trim_end_matches('.')),
        ],
    );
    Some(finding.number("broken_files", count))
}

const PARTS: [&str; 5] = [
    "validity",
    "completeness",
    "freshness",
    "uniqueness",
    "volume",
];

fn kpi(params: &Params, quality: &Quality) -> Kpi {
    let score = quality.score();
    let text = score.map_or_else(|| "n/a".to_string(), |score| number::fixed(score, 1));
    Kpi {
        name: "Data quality score".to_string(),
        subject: quality.name.clone(),
        value: score,
        interval: None,
        unit: "points".to_string(),
        text,
        interval_text: String::new(),
        previous: None,
        delta_text: String::new(),
        baseline: None,
        baseline_delta_text: String::new(),
        significant: false,
        direction: Direction::None,
        lower_is_better: false,
        target: Some(params.score_min),
        target_text: number::sensible(params.score_min),
        history: Vec::new(),
        n: quality.records,
    }
}

fn scores(judged: &[Quality]) -> Table {
    let headings = [
        "<dataset",
        ">score",
        ">validity",
        ">completeness",
        ">freshness",
        ">uniqueness",
        ">volume",
        ">records",
        "<last record",
    ];
    let mut table = Table::new("Data quality by dataset.", &headings);
    let share = |part: Option<f64>| part.map_or_else(|| "–".to_string(), number::percent);
    for quality in judged {
        let [validity, completeness, freshness, uniqueness, volume] = quality.parts().map(share);
        table.push([
            quality.name.clone(),
            quality
                .score()
                .map_or_else(|| "n/a".to_string(), |score| number::fixed(score, 1)),
            validity,
            completeness,
            freshness,
            uniqueness,
            volume,
            number::count(quality.records),
            quality
                .silence
                .as_ref()
                .map_or_else(|| "–".to_string(), |s| s.last.to_string()),
        ]);
    }
    table
}

/// Why records were left out, over all datasets.
fn reasons(params: &Params, inputs: &Inputs) -> Option<Table> {
    let mut table = Table::new(
        "Records left out, by reason.",
        &["<dataset", "<reason", ">records", ">share"],
    );
    for name in &params.inputs {
        let Some(source) = inputs.get(name).and_then(|input| input.source.as_ref()) else {
            continue;
        };
        let mut add = |reason: &str, count: u64| {
            let share = count as f64 / source.records.max(1) as f64;
            let row = [
                name.clone(),
                reason.to_string(),
                number::count(count),
                number::percent(share),
            ];
            table.push(row);
        };
        for (reason, count) in source.quarantined.iter().take(8) {
            add(reason, *count);
        }
        if source.duplicates > 0 {
            add("key seen before", source.duplicates);
        }
    }
    (!table.rows.is_empty()).then(|| table.top(40))
}

fn chart(context: &Context, params: &Params, judged: &[Quality]) -> Option<Chart> {
    let mut bars: Vec<retrocast_domain::chart::Bar> = judged
        .iter()
        .filter_map(|quality| {
            let score = quality.score()?;
            Some(retrocast_domain::chart::Bar {
                label: quality.name.clone(),
                value: score,
                interval: None,
                text: number::fixed(score, 1),
                highlight: score < params.score_min,
            })
        })
        .collect();
    bars.sort_by(|a, b| {
        a.value
            .total_cmp(&b.value)
            .then_with(|| a.label.cmp(&b.label))
    });
    let low = bars.iter().filter(|bar| bar.highlight).count();
    let least = number::sensible(params.score_min);
    let title = match low {
        0 => format!("Every dataset scores at least {least} of 100"),
        _ => format!("{} below {least} of 100", plural(low as u64, "dataset")),
    };
    let words: Vec<String> = bars
        .iter()
        .map(|bar| format!("{} {}", bar.label, bar.text))
        .collect();
    (!bars.is_empty()).then(|| Chart {
        id: crate::series::words::chart_id(&context.stage, "scores"),
        title,
        unit: "score, 0 to 100".to_string(),
        alt: format!("Data quality scores: {}.", number::list(&words)),
        kind: ChartKind::Bars {
            bars,
            baseline: 0.0,
            baseline_label: String::new(),
            horizontal: true,
        },
        table: None,
    })
}

/// One row a dataset, for stages that come after.
fn frame_of(judged: &[Quality]) -> Result<DataFrame, StageError> {
    let part = |i: usize| {
        judged
            .iter()
            .map(|quality| quality.parts()[i])
            .collect::<Vec<_>>()
    };
    Ok(df!(
        "dataset" => judged.iter().map(|quality| quality.name.clone()).collect::<Vec<_>>(),
        "score" => judged.iter().map(Quality::score).collect::<Vec<_>>(),
        "validity" => part(0),
        "completeness" => part(1),
        "freshness" => part(2),
        "uniqueness" => part(3),
        "volume" => part(4),
    )?)
}

#[cfg(test)]
mod tests;
