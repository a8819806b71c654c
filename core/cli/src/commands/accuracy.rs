//! `retrocast evaluate anomaly`, `forecast` and `drift`: measures methods on data with known
//! answers.

use super::lake::table;
use crate::{
    Exit,
    arguments::{AnomalyArguments, DriftArguments, ForecastArguments},
    diagnose::WrongUsage,
    terminal::{print, print_json},
};
use retrocast_accuracy::{
    anomaly::{AnomalyEvaluation, evaluate_anomaly},
    drift::{self, Table, TableDrift},
    forecasts::{self, ForecastScores},
};
use retrocast_domain::number;
use retrocast_stats::drift::{Comparison, Measure};
use retrocast_store::maintenance::QueryResult;
use serde_json::Value;

/// Formats a measure with `decimals` decimals; `None` becomes a dash.
fn measure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_string(), |value| number::fixed(value, decimals))
}

/// Formats a table; the first column is aligned left, the others right.
fn format_table(columns: &[&str], rows: Vec<Vec<String>>) -> String {
    table(&QueryResult {
        columns: columns.iter().map(ToString::to_string).collect(),
        numbers: (0..columns.len()).map(|column| column > 0).collect(),
        rows: rows
            .into_iter()
            .map(|row| row.into_iter().map(Some).collect())
            .collect(),
        more: false,
    })
}

/// Measures a detector of anomalies.
pub fn anomaly(arguments: &AnomalyArguments) -> anyhow::Result<Exit> {
    let evaluation = evaluate_anomaly(&arguments.data, &arguments.labels, arguments.method);
    let evaluation = evaluation.map_err(|error| WrongUsage(error.to_string()))?;
    if arguments.json {
        print_json(&evaluation)?;
    } else {
        print(&anomaly_text(&evaluation))?;
    }
    Ok(Exit::Done)
}

fn anomaly_text(evaluation: &AnomalyEvaluation) -> String {
    let files = evaluation.files.iter().map(|file| {
        vec![
            file.file.clone(),
            number::count(file.rows as u64),
            file.behaviour.unwrap_or("–").to_string(),
            format!("{} of {}", file.nab.detected, file.nab.windows),
            file.nab.false_alarms.to_string(),
            measure(file.vus_pr, 3),
            measure(file.range_f1, 3),
        ]
    });
    let columns = [
        "file",
        "rows",
        "behaviour",
        "windows found",
        "false alarms",
        "VUS-PR",
        "range F1",
    ];
    let nab = &evaluation.nab;
    let mut text = format_table(&columns, files.collect());
    text.push_str(&format!(
        "\nMethod      {}\nVUS-PR      {} (mean of {} series)\nRange F1    {} (mean of {} series, best threshold of each)\n\
         NAB score   {} standard, {} reward low FP, {} reward low FN (one best threshold for all; {})\n\
         \u{20}           {} standard at a threshold fixed beforehand; {} of {} windows found, {} false alarms",
        evaluation.method,
        measure(evaluation.vus_pr.mean, 3),
        number::count(evaluation.vus_pr.series as u64),
        measure(evaluation.range_f1.mean, 3),
        number::count(evaluation.range_f1.series as u64),
        measure(nab.standard, 2),
        measure(nab.reward_low_fp, 2),
        measure(nab.reward_low_fn, 2),
        if nab.online {
            "each score from earlier values only"
        } else {
            "scores from whole series"
        },
        measure(nab.standard_fixed, 2),
        nab.detected,
        nab.windows,
        nab.false_alarms,
    ));
    if !evaluation.unlabelled.is_empty() {
        text.push_str(&format!(
            "\nNot measured: {} that the labels do not name",
            number::plural(evaluation.unlabelled.len() as u64, "file")
        ));
    }
    text
}

/// Measures the forecasts of the default combination, and those of simple methods for comparison.
pub fn forecast(arguments: &ForecastArguments) -> anyhow::Result<Exit> {
    let seasons: Vec<usize> = arguments
        .season
        .iter()
        .map(|steps| *steps as usize)
        .collect();
    if !seasons.is_sorted() {
        let message = "--season: give the lengths in ascending order, such as 24,168";
        return Err(WrongUsage(message.to_string()).into());
    }
    let horizon = arguments.horizon as usize;
    let scores = forecasts::evaluate(&arguments.train, &arguments.test, &seasons, horizon);
    let scores = scores.map_err(|error| WrongUsage(error.to_string()))?;
    if arguments.json {
        print_json(&forecast_json(&scores)?)?;
    } else {
        print(&forecast_text(&scores))?;
    }
    Ok(Exit::Done)
}

/// Formats all scores as JSON, with the scores of the default method at the top level.
fn forecast_json(evaluation: &ForecastScores) -> anyhow::Result<Value> {
    let mut scores = serde_json::to_value(evaluation)?;
    if let (Some(default), Value::Object(scores)) = (evaluation.methods.first(), &mut scores) {
        let coverage = default.intervals.iter().map(|interval| {
            let level = format!("{:.0}", 100.0 * interval.level);
            (level, Value::from(interval.coverage))
        });
        scores.insert("smape".to_string(), default.smape.into());
        scores.insert("mase".to_string(), default.mase.into());
        scores.insert("owa".to_string(), default.owa.into());
        scores.insert("coverage".to_string(), Value::Object(coverage.collect()));
    }
    Ok(scores)
}

fn forecast_text(scores: &ForecastScores) -> String {
    let methods = scores.methods.iter().map(|method| {
        let mut row = vec![
            method.method.to_string(),
            number::fixed(method.smape, 3),
            number::fixed(method.mase, 3),
            measure(method.owa, 3),
            number::percent(method.better),
        ];
        let coverage = method
            .intervals
            .iter()
            .map(|interval| number::percent(interval.coverage));
        row.extend(coverage);
        row
    });
    let mut columns = vec![
        "method",
        "sMAPE",
        "MASE",
        "OWA",
        "better than seasonal naive",
    ];
    let max_levels = scores
        .methods
        .iter()
        .map(|method| method.intervals.len())
        .max();
    columns.extend(
        ["80 % covers", "95 % covers"]
            .iter()
            .take(max_levels.unwrap_or(0)),
    );
    let methods = methods.map(|mut row: Vec<String>| {
        row.resize(columns.len(), "–".to_string());
        row
    });
    let mut text = format_table(&columns, methods.collect());
    text.push_str(&format!(
        "\n{} series, {} ahead. OWA: mean of sMAPE and MASE, each over that of Naive2.",
        number::count(scores.series as u64),
        number::plural(scores.horizon as u64, "step"),
    ));
    for (count, description) in [
        (
            scores.short,
            "too short for a backtest: a fixed combination is used",
        ),
        (
            scores.unscaled,
            "without change from season to season: not in MASE",
        ),
        (scores.within_season, "no longer than a season: not in MASE"),
    ] {
        if count > 0 {
            text.push_str(&format!(
                "\n{} series {description}",
                number::count(count as u64)
            ));
        }
    }
    text
}

/// Compares two tables.
pub fn drift(arguments: &DriftArguments) -> anyhow::Result<Exit> {
    let read = |path| Table::read(path).map_err(|error| WrongUsage(error.to_string()));
    let (reference, current) = (read(&arguments.reference)?, read(&arguments.current)?);
    let comparison =
        drift::compare(&reference, &current).map_err(|error| WrongUsage(error.to_string()))?;
    if arguments.json {
        print_json(&comparison)?;
    } else {
        print(&drift_text(&comparison))?;
    }
    Ok(Exit::Done)
}

/// Change of the share of missing cells from which it is printed.
const MISSING_CHANGE_MIN: f64 = 0.005;

fn drift_text(drift: &TableDrift) -> String {
    let columns = drift.columns.iter().map(|column| {
        let compared = column.comparison.as_ref();
        let distance =
            |value: &dyn Fn(&Comparison) -> Option<f64>| measure(compared.and_then(value), 4);
        let verdict = match compared {
            None => "not compared",
            Some(comparison) if comparison.drifted => "drifted",
            Some(_) => "no drift",
        };
        vec![
            column.name.clone(),
            format!("{:?}", column.column_type).to_lowercase(),
            verdict.to_string(),
            compared.map_or_else(
                || "–".to_string(),
                |comparison| measure_name(comparison.measure).to_string(),
            ),
            compared.map_or_else(
                || "–".to_string(),
                |comparison| number::p_bare(comparison.p),
            ),
            compared.map_or_else(
                || "–".to_string(),
                |comparison| number::p_bare(comparison.two_sample_p),
            ),
            distance(&|comparison| comparison.ks),
            distance(&|comparison| comparison.wasserstein),
            distance(&|comparison| Some(comparison.distances.psi)),
            distance(&|comparison| Some(comparison.distances.kl)),
            distance(&|comparison| Some(comparison.distances.jensen_shannon)),
            distance(&|comparison| Some(comparison.distances.hellinger)),
        ]
    });
    let heads = [
        "column",
        "type",
        "verdict",
        "decided by",
        "p",
        "p of both samples",
        "KS D",
        "Wasserstein/sd",
        "PSI",
        "KL",
        "Jensen-Shannon",
        "Hellinger",
    ];
    let mut text = format_table(&heads, columns.collect());
    let [before, after] = drift.rows.map(|rows| number::plural(rows as u64, "row"));
    text.push_str(&format!(
        "\n{}: {} of {} {} drifted ({before}, then {after})",
        match (drift.compared, drift.drifted) {
            (0, _) => "Nothing could be compared",
            (_, true) => "The table has drifted",
            (_, false) => "No drift of the table",
        },
        drift.drifted_columns,
        number::plural(drift.compared as u64, "compared column"),
        if drift.compared == 1 { "has" } else { "have" },
    ));
    for column in &drift.columns {
        let [before, after] = column.missing;
        if (after - before).abs() >= MISSING_CHANGE_MIN {
            text.push_str(&format!(
                "\nMissing cells of {}: {}, then {}",
                column.name,
                number::percent(before),
                number::percent(after)
            ));
        }
    }
    for (names, change) in [(&drift.removed, "Removed"), (&drift.added, "Added")] {
        if !names.is_empty() {
            text.push_str(&format!("\n{change} columns: {}", names.join(", ")));
        }
    }
    text
}

fn measure_name(measure: Measure) -> &'static str {
    match measure {
        Measure::KolmogorovSmirnov => "Kolmogorov-Smirnov test",
        Measure::ChiSquare => "chi-square test",
        Measure::Share => "z test",
        Measure::Wasserstein => "Wasserstein distance",
        Measure::JensenShannon => "Jensen-Shannon distance",
    }
}
