//! Figures on the public series of the Numenta Anomaly Benchmark that were computed independently.

use flate2::read::GzDecoder;
use retrocast_accuracy::nab::{self, Alerts, Corpus, Profile};
use std::{fs, io::Read, path::PathBuf};

/// The folder of the benchmark; `None`, and a word about it, without real data.
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
