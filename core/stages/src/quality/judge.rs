//! The parts of the score: validity, completeness, freshness, uniqueness, volume.

use super::Params;
use crate::{Context, Input, StageError, frame};
use jiff::{Timestamp, civil::Date};
use retrocast_domain::{Window, report::SourceNote};
use retrocast_stats::{describe, test::t_quantile};

/// Weights of validity, completeness, freshness, uniqueness and volume.
const WEIGHTS: [f64; 5] = [0.25, 0.25, 0.20, 0.15, 0.15];

/// Fewest windows before for a judgement on volume.
const WINDOWS_MIN: usize = 4;

/// Chance of a silence below which a source has gone quiet.
const SILENCE: f64 = 0.001;

/// What is known of one dataset.
pub(super) struct Quality {
    pub(super) name: String,
    pub(super) records: u64,
    pub(super) validity: Option<f64>,
    pub(super) completeness: Option<f64>,
    pub(super) freshness: Option<f64>,
    pub(super) uniqueness: Option<f64>,
    pub(super) volume: Option<f64>,
    /// Columns less full than usual, the worst first.
    pub(super) gaps: Vec<Gap>,
    pub(super) silence: Option<Silence>,
    pub(super) traffic: Option<Traffic>,
}

impl Quality {
    pub(super) fn parts(&self) -> [Option<f64>; 5] {
        [
            self.validity,
            self.completeness,
            self.freshness,
            self.uniqueness,
            self.volume,
        ]
    }

    /// Weighted mean of the parts that are known, from 0 to 100.
    pub(super) fn score(&self) -> Option<f64> {
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
pub(super) struct Gap {
    pub(super) column: String,
    /// Share of values missing in the window.
    pub(super) now: f64,
    /// Share missing before.
    pub(super) usual: f64,
}

/// How long no record has come.
pub(super) struct Silence {
    pub(super) last: Date,
    /// Hours from the last record to the window's end.
    pub(super) hours: f64,
    /// The longest silence between two records before, in hours.
    pub(super) usual_hours: f64,
    pub(super) is_quiet: bool,
}

/// Records of the window and of those before.
pub(super) struct Traffic {
    pub(super) now: u64,
    /// Oldest first.
    pub(super) before: Vec<u64>,
    pub(super) median: f64,
    /// 99 % prediction interval.
    pub(super) expected: Option<[f64; 2]>,
}

pub(super) fn judge(
    context: &Context,
    params: &Params,
    input: &Input,
) -> Result<Quality, StageError> {
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

pub(super) fn quarantined(source: &SourceNote) -> u64 {
    source.quarantined.iter().map(|(_, count)| count).sum()
}

/// Share of records that meet the contract, times the share of files that could be read.
pub(super) fn validity(source: &SourceNote) -> Option<f64> {
    if source.records == 0 {
        return None;
    }
    let valid = 1.0 - quarantined(source) as f64 / source.records as f64;
    let files = source.files.max(source.broken_files.len() as u64).max(1);
    Some(valid * (1.0 - source.broken_files.len() as f64 / files as f64))
}

/// Share of valid records that were not duplicates.
pub(super) fn uniqueness(source: &SourceNote) -> Option<f64> {
    let valid = source.records.saturating_sub(quarantined(source));
    (valid > 0).then(|| 1.0 - source.duplicates as f64 / valid as f64)
}

/// Share of values that are there, against what is usual, and the columns that lack some.
pub(super) fn completeness(
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
pub(super) fn silence(times: &[Option<i64>], window: &Window) -> Option<Silence> {
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
pub(super) fn traffic(times: &[Option<i64>], window: &Window, windows: u32) -> Option<Traffic> {
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
