//! The comparisons: tasks of the program, and the corresponding tasks of packages.

use super::{
    data::{self, DAY, SEASON, SEGMENT},
    peers::{EVIDENTLY, PYOD, Peer, RUPTURES, STATSFORECAST, STUMPY},
    run::Task,
};
use std::path::Path;

/// How a package's work relates to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The same method with the same settings; the program also measures accuracy.
    Equal,
    /// A related method.
    Similar,
    /// The package does less.
    Less,
}

impl Work {
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Similar => "similar",
            Self::Less => "less",
        }
    }
}

/// A package's part of a comparison.
pub struct Comparison {
    pub peer: &'static Peer,
    pub arguments: Vec<String>,
    /// Method of the package, with its settings.
    pub method: &'static str,
    pub work: Work,
}

/// One task of the program, and the packages that are compared with it.
pub struct Case {
    pub title: String,
    pub task: Task,
    pub comparisons: Vec<Comparison>,
}

/// Explanation above the table of how comparable the work is.
pub const NOTES: &str = "\
work: how the package's work relates to ours. Retrocast writes a result or a report in each row.
  equal    the same method with the same settings. `evaluate anomaly` also computes the accuracy, and
           `evaluate drift` more measures. PyOD's matrix profile and stumpy's leave out another share
           of the neighbouring subsequences; PyOD's PCA scores all components.
  similar  a related method: CBLOF finds 20 centres and weighs them; the router of Retrocast is
           compared with an isolation forest.
  less     statsforecast runs most of our forecasters, but has no choice by their errors, no
           combination and no intervals; its backtest fits parameters once, ours from each of 24
           origins. ruptures returns dates: no p-values (ours come from simulated series), no
           intervals, no autocorrelation and no line or bend as an alternative; its dynamic methods
           find the optimum, and PELT considers every fifth date.";

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn words(line: &str) -> impl Iterator<Item = String> {
    line.split(' ').map(str::to_string)
}

/// The task of `evaluate anomaly` with a method, on a series of that many values.
pub fn anomaly(folder: &Path, rows: usize, method: &str) -> Result<Task, String> {
    let [series, labels] = data::series(folder, rows)?;
    let data = series.parent().unwrap_or(Path::new(".")).to_path_buf();
    let mut arguments: Vec<String> = words("evaluate anomaly --json --method").collect();
    let paths = ["--data", &text(&data), "--labels", &text(&labels)].map(String::from);
    arguments.push(method.to_string());
    arguments.extend(paths);
    Ok(Task::Command(arguments))
}

/// The task of `evaluate drift` on tables of that many rows.
pub fn drift(folder: &Path, rows: usize) -> Result<Task, String> {
    let tables = data::tables(folder, rows)?;
    let arguments = words("evaluate drift --json").chain(tables.iter().map(|path| text(path)));
    Ok(Task::Command(arguments.collect()))
}

/// The task of `evaluate forecast`.
pub fn forecast(folder: &Path, series: usize, length: usize, steps: usize) -> Result<Task, String> {
    let [train, test] = data::forecasts(folder, series, length, steps)?;
    let mut arguments: Vec<String> = words("evaluate forecast --json --season").collect();
    arguments.push(SEASON.to_string());
    arguments.extend(["--horizon".to_string(), steps.to_string()]);
    arguments.extend(["--train", &text(&train), "--test", &text(&test)].map(String::from));
    Ok(Task::Command(arguments))
}

/// The task of the job of shifts in a series of that many days.
pub fn shifts(folder: &Path, days: usize) -> Result<Task, String> {
    let (file, end) = data::shifts(folder, days)?;
    Ok(Task::Shifts(file, end))
}

/// All comparisons. Their data are written to the folder.
pub fn all(folder: &Path) -> Result<Vec<Case>, String> {
    let mut cases = vec![
        forecast_case(folder, 2, 200, 14)?,
        forecast_case(folder, 1, 500, 100)?,
    ];
    for rows in [1_000, 10_000] {
        cases.extend(anomaly_cases(folder, rows)?);
    }
    for days in [1_000, 3_000, 10_000] {
        cases.push(shifts_case(folder, days)?);
    }
    for rows in [1_000, 10_000, 100_000] {
        let arguments: Vec<String> = data::tables(folder, rows)?.map(|path| text(&path)).into();
        cases.push(Case {
            title: format!("drift, two tables of {rows} rows"),
            task: drift(folder, rows)?,
            comparisons: vec![Comparison {
                peer: &EVIDENTLY,
                arguments,
                method: "DataDriftPreset",
                work: Work::Equal,
            }],
        });
    }
    Ok(cases)
}

fn forecast_case(
    folder: &Path,
    series: usize,
    length: usize,
    steps: usize,
) -> Result<Case, String> {
    let [train, _] = data::forecasts(folder, series, length, steps)?;
    let comparison = |argument: &str, method: &'static str| Comparison {
        peer: &STATSFORECAST,
        arguments: vec![
            text(&train),
            steps.to_string(),
            SEASON.to_string(),
            argument.to_string(),
        ],
        method,
        work: Work::Less,
    };
    Ok(Case {
        title: format!("forecast, {series} x {length} values, {steps} steps"),
        task: forecast(folder, series, length, steps)?,
        comparisons: vec![
            comparison("backtest", "8 models, 24 origins"),
            comparison("once", "8 models, fitted once"),
            comparison("theta", "dynamic Theta only, once"),
        ],
    })
}

fn anomaly_cases(folder: &Path, rows: usize) -> Result<Vec<Case>, String> {
    let [series, _] = data::series(folder, rows)?;
    let comparison = |peer, length: usize, argument: &str, method, work| Comparison {
        peer,
        arguments: vec![text(&series), length.to_string(), argument.to_string()],
        method,
        work,
    };
    let case = |method: &str, comparisons| -> Result<Case, String> {
        Ok(Case {
            title: format!("anomalies, {rows} values, {method}"),
            task: anomaly(folder, rows, method)?,
            comparisons,
        })
    };
    let (equal, similar) = (Work::Equal, Work::Similar);
    let forest = "isolation-forest";
    Ok(vec![
        case(
            forest,
            vec![comparison(&PYOD, 100, forest, "IForest", equal)],
        )?,
        case("sub-pca", vec![comparison(&PYOD, DAY, "pca", "PCA", equal)])?,
        case(
            "kmeans",
            vec![comparison(&PYOD, DAY, "kmeans", "CBLOF", similar)],
        )?,
        case(
            "spectral-residual",
            vec![comparison(
                &PYOD,
                DAY,
                "spectral-residual",
                "SpectralResidual",
                equal,
            )],
        )?,
        case(
            "matrix-profile",
            vec![
                comparison(&PYOD, DAY, "matrix-profile", "MatrixProfile", equal),
                comparison(&STUMPY, DAY, "stumpy", "stump", equal),
            ],
        )?,
        case(
            "router",
            vec![comparison(&PYOD, 100, forest, "IForest", similar)],
        )?,
    ])
}

fn shifts_case(folder: &Path, days: usize) -> Result<Case, String> {
    let (file, _) = data::shifts(folder, days)?;
    let comparison = |argument: &str, method| Comparison {
        peer: &RUPTURES,
        arguments: vec![text(&file), SEGMENT.to_string(), argument.to_string()],
        method,
        work: Work::Less,
    };
    Ok(Case {
        title: format!("shifts of the mean, {days} days"),
        task: shifts(folder, days)?,
        comparisons: vec![
            comparison("binseg", "Binseg, 3 shifts"),
            comparison("pelt", "Pelt"),
            comparison("kernel", "KernelCPD in C"),
        ],
    })
}
