//! `retrocast evaluate anomaly`, `forecast` and `drift`: methods measured on data with known answers.

use super::lake::table;
use crate::{
    Exit,
    arguments::AnomalyArguments,
    diagnose::WrongUsage,
    terminal::{print, print_json},
};
use retrocast_accuracy::anomaly::{AnomalyEvaluation, evaluate_anomaly};
use retrocast_domain::number;
use retrocast_store::maintenance::Answer;

/// A measure with this many decimals; a dash where there is none.
fn measure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_string(), |value| number::fixed(value, decimals))
}

/// A table of texts, of which the first column is aligned left.
fn rows(columns: &[&str], rows: Vec<Vec<String>>) -> String {
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
            file.behaviour.to_string(),
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
    let mut text = rows(&columns, files.collect());
    text.push_str(&format!(
        "\nMethod      {}\nVUS-PR      {} (mean of {})\nRange F1    {} (mean of {}, best threshold of each)\n\
         NAB score   {} standard, {} reward low FP, {} reward low FN (one best threshold for all; {})\n\
         \u{20}           {} standard at a threshold fixed beforehand; {} of {} windows found, {} false alarms",
        found.method,
        measure(found.vus_pr.mean, 3),
        number::plural(found.vus_pr.series as u64, "series"),
        measure(found.range_f1.mean, 3),
        number::plural(found.range_f1.series as u64, "series"),
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
