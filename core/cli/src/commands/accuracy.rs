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
use retrocast_store::maintenance::Answer;
use serde_json::Value;

/// Formats a measure with `decimals` decimals; `None` becomes a dash.
fn measure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_string(), |value| number::fixed(value, decimals))
}

/// Formats a table; the first column is aligned left, the others right.
fn format_table(columns: &[&str], rows: Vec<Vec<String>>) -> String {
    table(&Answer {
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
    let found = evaluate_anomaly(&arguments.data, &arguments.labels, arguments.method);
    let found = found.map_err(|error| WrongUsage(error.to_string()))?;
    if arguments.json {
        print_json(&found)?;
    } else {
        print(&anomaly_text(&found))?;
    }
    Ok(Exit::Done)
}

fn anomaly_text(found: &AnomalyEvaluation) -> String {
    let files = found.files.iter().map(|file| {
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
    let nab = &found.nab;
    let mut text = format_table(&columns, files.collect());
    text.push_str(&format!(
        "\nMethod      {}\nVUS-PR      {} (mean of {} series)\nRange F1    {} (mean of {} series, best threshold of each)\n\
         NAB score   {} standard, {} reward low FP, {} reward low FN (one best threshold for all; {})\n\
         \u{20}           {} standard at a threshold fixed beforehand; {} of {} windows found, {} false alarms",
        found.method,
        measure(found.vus_pr.mean, 3),
        number::count(found.vus_pr.series as u64),
        measure(found.range_f1.mean, 3),
        number::count(found.range_f1.series as u64),
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
    if !found.unlabelled.is_empty() {
        text.push_str(&format!(
            "\nNot measured: {} that the labels do not name",
            number::plural(found.unlabelled.len() as u64, "file")
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
    let horizon = arguments.horizon as usize;
    let found = forecasts::evaluate(&arguments.train, &arguments.test, &seasons, horizon);
    let found = found.map_err(|error| WrongUsage(error.to_string()))?;
    if arguments.json {
        print_json(&forecast_json(&found)?)?;
    } else {
        print(&forecast_text(&found))?;
    }
    Ok(Exit::Done)
}

/// Formats all scores as JSON, with the scores of the default method at the top level.
fn forecast_json(found: &ForecastScores) -> anyhow::Result<Value> {
    let mut scores = serde_json::to_value(found)?;
    if let (Some(default), Value::Object(scores)) = (found.methods.first(), &mut scores) {
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

fn forecast_text(found: &ForecastScores) -> String {
    let methods = found.methods.iter().map(|method| {
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
    let max_levels = found
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
        number::count(found.series as u64),
        number::plural(found.horizon as u64, "step"),
    ));
    for (count, what) in [
        (found.short, "too short for a backtest: Naive2 is used"),
        (
            found.unscaled,
            "without change from season to season: not in MASE",
        ),
    ] {
        if count > 0 {
            text.push_str(&format!("\n{} series {what}", number::count(count as u64)));
        }
    }
    text
}

/// Compares two tables.
pub fn drift(arguments: &DriftArguments) -> anyhow::Result<Exit> {
    let read = |path| Table::read(path).map_err(|error| WrongUsage(error.to_string()));
    let (reference, current) = (read(&arguments.reference)?, read(&arguments.current)?);
    let found =
        drift::compare(&reference, &current).map_err(|error| WrongUsage(error.to_string()))?;
    if arguments.json {
        print_json(&found)?;
    } else {
        print(&drift_text(&found))?;
    }
    Ok(Exit::Done)
}

fn drift_text(found: &TableDrift) -> String {
    let columns = found.columns.iter().map(|column| {
        let compared = column.comparison.as_ref();
        let of = |value: &dyn Fn(&Comparison) -> Option<f64>| measure(compared.and_then(value), 4);
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
            of(&|comparison| comparison.ks),
            of(&|comparison| comparison.wasserstein),
            of(&|comparison| Some(comparison.distances.psi)),
            of(&|comparison| Some(comparison.distances.kl)),
            of(&|comparison| Some(comparison.distances.jensen_shannon)),
            of(&|comparison| Some(comparison.distances.hellinger)),
        ]
    });
    let heads = [
        "column",
        "type",
        "verdict",
        "decided by",
        "p",
        "KS D",
        "Wasserstein/sd",
        "PSI",
        "KL",
        "Jensen-Shannon",
        "Hellinger",
    ];
    let mut text = format_table(&heads, columns.collect());
    let [before, after] = found.rows.map(|rows| number::plural(rows as u64, "row"));
    text.push_str(&format!(
        "\n{}: {} of {} have drifted ({before}, then {after})",
        if found.drifted {
            "The table has drifted"
        } else {
            "No drift of the table"
        },
        found.drifted_columns,
        number::plural(found.compared as u64, "compared column"),
    ));
    for (names, what) in [(&found.removed, "gone"), (&found.added, "new")] {
        if !names.is_empty() {
            text.push_str(&format!("\nColumns that are {what}: {}", names.join(", ")));
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
