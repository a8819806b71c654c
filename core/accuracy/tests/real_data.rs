//! Compares figures on the public series of the Numenta Anomaly Benchmark with published ones.

use flate2::read::GzDecoder;
use rayon::prelude::*;
use retrocast_accuracy::{
    nab::{self, Alerts, Corpus, Profile},
    vus::vus_pr,
};
use retrocast_stats::detector::{Method, StreamDetector, detect, natural_length};
use std::{fs, io::Read, path::PathBuf};

/// Returns the folder of the benchmark; without real data, prints a note to stderr and returns
/// `None`.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("RETROCAST_REAL_DATA");
    if folder.is_none() {
        eprintln!("SKIPPED: set RETROCAST_REAL_DATA to the folder of real records");
    }
    Some(PathBuf::from(folder?).join("nab"))
}

fn corpus(folder: &std::path::Path) -> Corpus {
    nab::read(
        &folder.join("data"),
        &folder.join("labels/combined_windows.json"),
    )
    .unwrap()
}

/// The stored scores of the benchmark's windowed Gaussian for each series.
fn stored_scores(folder: &std::path::Path, corpus: &Corpus) -> Vec<Vec<f64>> {
    let read = |name: &str| {
        let (group, file) = name.split_once('/').unwrap();
        let path = format!("results/windowedGaussian/{group}/windowedGaussian_{file}.gz");
        let mut text = String::new();
        GzDecoder::new(fs::File::open(folder.join(path)).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        let rows = text.lines().skip(1);
        let score = |row: &str| row.split(',').nth(1).unwrap().parse().unwrap();
        rows.map(score).collect()
    };
    corpus
        .series
        .iter()
        .map(|series| read(&series.name))
        .collect()
}

#[test]
fn stored_scores_have_the_published_result() {
    let Some(folder) = folder() else { return };
    let corpus = corpus(&folder);
    assert_eq!(corpus.series.len(), 58);
    assert!(corpus.unlabelled.is_empty());
    let scores = stored_scores(&folder, &corpus);
    let standard = Profile::STANDARD;
    let mut total = Alerts::default();
    for (series, scores) in corpus.series.iter().zip(&scores) {
        let alerts = nab::score(series, scores, 1.0, &standard);
        total.raw += alerts.raw;
        total.windows += alerts.windows;
    }
    assert_eq!(total.windows, 116);
    assert!((total.raw - -24.013_105_5).abs() < 1e-6, "{total:?}");
    let scaled = standard.scale(total.raw, total.windows).unwrap();
    assert!((scaled - 39.649_523_5).abs() < 1e-6, "{scaled}");
    let best = nab::optimize(&corpus.series, &scores, &standard);
    assert_eq!(best.threshold, 1.0);
    assert!((best.alerts.raw - total.raw).abs() < 1e-9, "{best:?}");
}

/// The stream uses earlier values only, with one threshold and no setting per series.
#[test]
fn the_stream_scores_more_than_sixty() {
    let Some(folder) = folder() else { return };
    let corpus = corpus(&folder);
    let scores: Vec<Vec<f64>> = corpus
        .series
        .par_iter()
        .map(|series| {
            let mut stream = StreamDetector::new(series.rows_per_day());
            let values = series.values.iter();
            values.map(|value| stream.push(*value).alert).collect()
        })
        .collect();
    let standard = Profile::STANDARD;
    let best = nab::optimize(&corpus.series, &scores, &standard);
    let scaled = standard.scale(best.alerts.raw, best.alerts.windows);
    assert!(scaled.unwrap() > 62.0, "{scaled:?} {best:?}");
    // The recommended threshold is nearly as good as the best threshold.
    let pairs = corpus.series.iter().zip(&scores);
    let raw = pairs.map(|(series, scores)| nab::score(series, scores, 0.5, &standard).raw);
    let fixed = standard.scale(raw.sum(), best.alerts.windows);
    assert!(fixed.unwrap() > 61.0, "{fixed:?}");
}

/// Series that are also part of the TSB-AD benchmark, which omits their first row and publishes the
/// VUS-PR of its methods on each of them.
const SHARED: [&str; 14] = [
    "realKnownCause/ec2_request_latency_system_failure",
    "realTraffic/occupancy_6005",
    "realKnownCause/nyc_taxi",
    "artificialWithAnomaly/art_load_balancer_spikes",
    "realTraffic/TravelTime_451",
    "realTraffic/speed_t4013",
    "realAdExchange/exchange-3_cpm_results",
    "realKnownCause/ambient_temperature_system_failure",
    "artificialWithAnomaly/art_increase_spike_density",
    "realKnownCause/rogue_agent_key_hold",
    "realAWSCloudwatch/ec2_cpu_utilization_5f5533",
    "realKnownCause/cpu_utilization_asg_misconfiguration",
    "realTweets/Twitter_volume_FB",
    "realTraffic/speed_6005",
];

#[test]
fn methods_have_their_published_accuracy() {
    let Some(folder) = folder() else { return };
    let corpus = corpus(&folder);
    let is_shared = |name: &str| SHARED.iter().any(|shared| name == format!("{shared}.csv"));
    for (method, expected) in [
        (Method::SubPca, 0.326..0.336),
        (Method::Poly, 0.371..0.381),
        (Method::Router, 0.40..1.0),
    ] {
        let accuracies: Vec<f64> = corpus
            .series
            .par_iter()
            .filter(|series| is_shared(&series.name))
            .map(|series| {
                let values = &series.values[1..];
                let scores = detect(values, series.rows_per_day(), method);
                vus_pr(&series.labels()[1..], &scores, natural_length(values)).unwrap()
            })
            .collect();
        assert_eq!(accuracies.len(), 14);
        let mean = accuracies.iter().sum::<f64>() / 14.0;
        assert!(
            expected.contains(&mean),
            "{}: {mean} {accuracies:?}",
            method.name()
        );
    }
}
