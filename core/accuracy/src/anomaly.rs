//! Detection of anomalies, by three measures.
//!
//! [`vus_pr`](crate::vus::vus_pr) and range F1 judge the scores of whole series, the score of the Numenta Anomaly
//! Benchmark alerts as they would have come. So the default method is measured twice: by its vote over the whole
//! series, and by the stream that sees earlier values only.

use crate::{
    Error,
    nab::{self, Alerts, LabelledSeries, Profile},
    range_f1::best_range_f1,
    vus::vus_pr,
};
use rayon::prelude::*;
use retrocast_stats::detector::{Behaviour, Method, Stream, behaviour, detect, natural_length};
use serde::Serialize;
use std::path::Path;

/// Score at which a detector raises an alert by itself: as is expected once in the series so far.
const ALERT: f64 = 0.5;

/// Measures of a method over all series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnomalyEvaluation {
    /// Name of the method.
    pub method: &'static str,
    /// Score of the Numenta Anomaly Benchmark.
    pub nab: NabResult,
    /// Volume under the surface of range-aware precision and recall, from 0 to 1.
    pub vus_pr: Mean,
    /// F1 of ranges at the best threshold of each series, from 0 to 1.
    pub range_f1: Mean,
    /// One row per series, in the order of the labels.
    pub files: Vec<FileResult>,
    /// CSV files that the labels do not name. They are not measured.
    pub unlabelled: Vec<String>,
}

/// Score of the Numenta Anomaly Benchmark: 0 is no alert at all, 100 is perfect. Missing without windows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NabResult {
    /// Profile `standard`, at the one threshold that is best for all series.
    pub standard: Option<f64>,
    /// Profile `reward_low_FP_rate`, likewise.
    pub reward_low_fp: Option<f64>,
    /// Profile `reward_low_FN_rate`, likewise.
    pub reward_low_fn: Option<f64>,
    /// The threshold of `standard`; missing if no alert at all is best.
    pub threshold: Option<f64>,
    /// Profile `standard` at the threshold 0.5, which was fixed without labels.
    pub standard_fixed: Option<f64>,
    /// Windows that count.
    pub windows: usize,
    /// Windows with an alert at the threshold of `standard`.
    pub detected: usize,
    /// Alerts outside of windows at that threshold.
    pub false_alarms: usize,
    /// True if each score was computed from earlier values only.
    pub online: bool,
}

/// Mean over the series that have windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mean {
    /// The mean; missing without such series.
    pub mean: Option<f64>,
    /// Number of series.
    pub series: usize,
}

impl Mean {
    fn of(values: impl Iterator<Item = Option<f64>>) -> Self {
        let known: Vec<f64> = values.flatten().collect();
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        Self {
            mean: (!known.is_empty()).then_some(mean),
            series: known.len(),
        }
    }
}

/// Measures of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileResult {
    /// Path below the data folder.
    pub file: String,
    /// Number of rows.
    pub rows: usize,
    /// The behaviour that the router recognised: `point` or `sequence`.
    pub behaviour: &'static str,
    /// Alerts at the threshold of `nab.standard`.
    pub nab: Alerts,
    /// Missing without windows.
    pub vus_pr: Option<f64>,
    /// Missing without windows.
    pub range_f1: Option<f64>,
}

/// Measures a method on every series that `labels` names, in parallel. See [`nab::read`] for the layout.
pub fn evaluate_anomaly(
    data: &Path,
    labels: &Path,
    method: Method,
) -> Result<AnomalyEvaluation, Error> {
    let corpus = nab::read(data, labels)?;
    let series = &corpus.series;
    let scores: Vec<Scores> = series
        .par_iter()
        .map(|series| Scores::new(series, method))
        .collect();
    let alerts: Vec<Vec<f64>> = scores.iter().map(|scores| scores.alerts.clone()).collect();
    let optimum = |profile: Profile| {
        let best = nab::optimize(series, &alerts, &profile);
        (best, profile.scale(best.alerts.raw, best.alerts.windows))
    };
    let (best, standard) = optimum(Profile::STANDARD);
    let at = |threshold: f64| -> Vec<Alerts> {
        let pairs = series.iter().zip(&alerts);
        pairs
            .map(|(series, alerts)| nab::score(series, alerts, threshold, &Profile::STANDARD))
            .collect()
    };
    let fixed: f64 = at(ALERT).iter().map(|alerts| alerts.raw).sum();
    let files: Vec<FileResult> = series
        .iter()
        .zip(scores)
        .zip(at(best.threshold))
        .map(|((series, scores), alerts)| FileResult {
            file: series.name.clone(),
            rows: series.values.len(),
            behaviour: scores.behaviour,
            nab: alerts,
            vus_pr: scores.vus_pr,
            range_f1: scores.range_f1,
        })
        .collect();
    Ok(AnomalyEvaluation {
        method: method.name(),
        nab: NabResult {
            standard,
            reward_low_fp: optimum(Profile::REWARD_LOW_FP).1,
            reward_low_fn: optimum(Profile::REWARD_LOW_FN).1,
            threshold: best.threshold.is_finite().then_some(best.threshold),
            standard_fixed: Profile::STANDARD.scale(fixed, best.alerts.windows),
            windows: best.alerts.windows,
            detected: best.alerts.detected,
            false_alarms: best.alerts.false_alarms,
            online: matches!(method, Method::Router | Method::WindowedGaussian),
        },
        vus_pr: Mean::of(files.iter().map(|file| file.vus_pr)),
        range_f1: Mean::of(files.iter().map(|file| file.range_f1)),
        files,
        unlabelled: corpus.unlabelled,
    })
}

/// Scores of one series, and what does not depend on the other series.
struct Scores {
    behaviour: &'static str,
    alerts: Vec<f64>,
    vus_pr: Option<f64>,
    range_f1: Option<f64>,
}

impl Scores {
    fn new(series: &LabelledSeries, method: Method) -> Self {
        let values = &series.values;
        let season = series.rows_per_day();
        let labels = series.labels();
        let scores = detect(values, season, method);
        let vus_pr = vus_pr(&labels, &scores, natural_length(values));
        let range_f1 = best_range_f1(&labels, &scores);
        let alerts = if method == Method::Router {
            let mut stream = Stream::new(season);
            values
                .iter()
                .map(|value| stream.push(*value).alert)
                .collect()
        } else {
            scores
        };
        let behaviour = match behaviour(values, season) {
            Behaviour::Point => "point",
            Behaviour::Sequence => "sequence",
        };
        Self {
            behaviour,
            alerts,
            vus_pr,
            range_f1,
        }
    }
}
