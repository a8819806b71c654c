//! Benchmarks of the most expensive steps, on inputs of a typical size for a weekly job.
//! `cargo xtask bench` runs them and then whole jobs.

use criterion::{Criterion, criterion_group, criterion_main};
use retrocast_stats::{anomaly, change_point, effect, forecast, isolation_forest, search};
use std::hint::black_box;

/// Daily values with a weekly season and a slow wave; deterministic, so that runs are comparable.
fn daily_values(n: usize) -> Vec<f64> {
    (0..n)
        .map(|day| {
            let season = if day % 7 == 0 { 1.7 } else { 1.0 };
            let wave = (day as f64 / 40.0).sin();
            let noise = ((day * 7919) % 101) as f64 / 101.0 - 0.5;
            100.0 * season + 10.0 * wave + 25.0 * noise
        })
        .collect()
}

fn without_gaps(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}

fn analysis(criterion: &mut Criterion) {
    let values = without_gaps(&daily_values(1000));
    criterion.bench_function("anomaly: residual of 1000 days", |bencher| {
        let options = anomaly::Options::DAILY;
        bencher.iter(|| anomaly::score(black_box(&values), anomaly::Quantity::Count, options));
    });
    let points: Vec<Vec<f64>> = daily_values(1000).windows(4).map(<[f64]>::to_vec).collect();
    criterion.bench_function("anomaly: isolation forest of 1000 points", |bencher| {
        bencher.iter(|| {
            let options = isolation_forest::Options::default();
            let forest = isolation_forest::IsolationForest::grow(black_box(&points), options, 1);
            points.iter().map(|point| forest.score(point)).sum::<f64>()
        });
    });
    let history = daily_values(100);
    criterion.bench_function("forecast: 100 days, 14 ahead, backtested", |bencher| {
        let options = forecast::Options {
            period: 7,
            horizon: 14,
            levels: vec![0.8, 0.95],
            total: 7,
            origins: 12,
            seasons_min: 3,
        };
        bencher.iter(|| forecast::forecast(black_box(&history), &options).is_ok());
    });
    let values = daily_values(366);
    criterion.bench_function("change point: 366 days", |bencher| {
        let search = search::Search::default();
        bencher.iter(|| change_point::mean_shifts(black_box(&values), &values, &search));
    });
    criterion.bench_function(
        "effect: 120 days before, 30 after, with placebos",
        |bencher| {
            let values = without_gaps(&daily_values(420));
            bencher.iter(|| {
                let design = effect::Design {
                    values: black_box(&values),
                    exposure: &[],
                    controls: &[],
                    change: 390,
                    end: 420,
                    begin: 270,
                    history: 0,
                    period: 7,
                    pre_min: 28,
                    others: &[],
                    year: 365.0,
                };
                effect::estimate(&design).is_ok()
            });
        },
    );
}

fn reports(criterion: &mut Criterion) {
    use retrocast_render::{Layout, Templates, chart, html, pdf, sample};
    let report = sample::sample();
    let templates = Templates::built_in();
    let mut group = criterion.benchmark_group("report");
    group.sample_size(10);
    for layout in Layout::ALL {
        group.bench_function(format!("{} PDF", layout.name()), |bencher| {
            bencher.iter(|| {
                pdf(black_box(&report), layout, &templates)
                    .map(|bytes| bytes.len())
                    .ok()
            });
        });
        group.bench_function(format!("{} HTML", layout.name()), |bencher| {
            bencher.iter(|| {
                html::report(black_box(&report), layout)
                    .map(|page| page.len())
                    .ok()
            });
        });
    }
    group.finish();
    let charts: Vec<_> = report.cells.iter().flat_map(|cell| &cell.charts).collect();
    criterion.bench_function("report: its charts as SVG", |bencher| {
        let options = chart::Options::new(480.0, 8.0);
        bencher.iter(|| {
            charts
                .iter()
                .map(|item| chart::svg(item, &options).len())
                .sum::<usize>()
        });
    });
}

criterion_group!(hot, analysis, reports);
criterion_main!(hot);
