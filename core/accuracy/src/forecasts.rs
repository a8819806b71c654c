//! Forecasts of many series, scored as in the M4 competition (Makridakis, Spiliotis and
//! Assimakopoulos, 2020).
//!
//! Files have one series per row: its name, then its values; rows may have any length, and trailing
//! cells may be empty or missing values (`NA`). A first row without numbers is a header, and so is
//! one that numbers the columns of both files. The default combination is compared with Naive2,
//! naive and seasonal naive. Its medians are scored, because they minimise the expected absolute
//! error (Gneiting, 2011). The test values of a series are used only to score its forecasts.

use crate::{
    Error,
    table::{Row, parse_rows, read_bytes},
};
use rayon::prelude::*;
use retrocast_stats::forecast::{
    Band, Options, forecast, forecast_short,
    m4::{Benchmark, error_scale},
    need, smape,
};
use serde::Serialize;
use std::{collections::HashMap, path::Path};

/// Name of the default combination.
const DEFAULT: &str = "combination";
/// Coverages of the intervals.
const LEVELS: [f64; 2] = [0.8, 0.95];
/// Origins of the backtest, as in reports.
const ORIGINS: usize = 24;
/// Largest accepted absolute value.
const VALUE_MAX: f64 = 1e100;

/// The intervals of one level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct IntervalScore {
    /// Nominal coverage.
    pub level: f64,
    /// Share of test values inside.
    pub coverage: f64,
    /// Mean width divided by the scale of the series' errors, as in the MASE.
    pub width: f64,
}

/// The scores of one method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodScore {
    /// Name of the method.
    pub method: &'static str,
    /// Mean symmetric absolute percentage error, 0 to 200.
    pub smape: f64,
    /// Mean absolute scaled error.
    pub mase: f64,
    /// Mean of both errors, each divided by that of Naive2; `None` if Naive2 is exact.
    pub owa: Option<f64>,
    /// Share of the series for which its error is smaller than that of seasonal naive.
    pub better: f64,
    /// Share of the series for which both errors are equal, such as forecasts of zero of a count
    /// that was zero for a whole season.
    pub equal: f64,
    /// Intervals of 80 and 95 %.
    pub intervals: Vec<IntervalScore>,
}

/// The scores of all methods.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForecastScores {
    /// Number of series.
    pub series: usize,
    /// Steps ahead.
    pub horizon: usize,
    /// Seasons; Naive2 and the scale of errors use the first.
    pub seasons: Vec<usize>,
    /// Series too short for a backtest with their season, for which the combination is fixed, or,
    /// below three values, Naive2.
    pub short: usize,
    /// Series that repeat one season exactly, left out of MASE and widths.
    pub unscaled: usize,
    /// Series that are no longer than a season, left out of MASE and widths.
    pub within_season: usize,
    /// Scores of the combination, Naive2, naive and seasonal naive.
    pub methods: Vec<MethodScore>,
}

/// A series and the values that follow it.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Known values, at least one.
    pub train: Vec<f64>,
    /// The next values, as many as the horizon.
    pub test: Vec<f64>,
}

/// Forecasts the series of one file and scores the forecasts with the values of another. `seasons`
/// are lengths in steps: the benchmarks use the first (1 for none, as in M4's weekly series), the
/// combination uses the longest for which a series has enough values for a backtest, or else,
/// without a backtest, the longest that the series contains twice.
pub fn evaluate(
    train: &Path,
    test: &Path,
    seasons: &[usize],
    horizon: usize,
) -> Result<ForecastScores, Error> {
    let series = pair(
        (train, &parse_rows(train, &read_bytes(train)?)?),
        (test, &parse_rows(test, &read_bytes(test)?)?),
        horizon.max(1),
    )?;
    Ok(score(&series, seasons, horizon.max(1)))
}

/// Pairs the rows of both files by name.
fn pair(
    (train, train_rows): (&Path, &[Row]),
    (test, test_rows): (&Path, &[Row]),
    horizon: usize,
) -> Result<Vec<Series>, Error> {
    let is_numbered = [(train_rows, 3), (test_rows, 1)]
        .iter()
        .all(|(rows, columns_min)| {
            let first = rows.first();
            first.is_some_and(|row| row.cells.len() > *columns_min && numbers_columns(row))
        });
    let mut tests: HashMap<&str, (u64, Vec<f64>)> = HashMap::new();
    for row in without_header(test_rows, is_numbered) {
        let (name, mut values) = parse(test, row)?;
        if values.len() < horizon {
            let have = values.len();
            let reason = format!("series {name} has {have} values, the horizon is {horizon}");
            let advice = "add the missing values or lower the horizon";
            return Err(Error::new(test, reason, advice).with_position(row.line, None));
        }
        values.truncate(horizon);
        insert(&mut tests, test, row, name, values)?;
    }
    let mut trains = HashMap::new();
    let mut pairs = Vec::new();
    for row in without_header(train_rows, is_numbered) {
        let (name, values) = parse(train, row)?;
        if values.is_empty() {
            let reason = format!("series {name} has no values");
            return Err(Error::new(train, reason, "remove the row").with_position(row.line, None));
        }
        let Some((_, test_values)) = tests.get(name) else {
            let reason = format!("series {name} is not in {}", test.display());
            let advice = "give both files the same names in the first column";
            return Err(Error::new(train, reason, advice).with_position(row.line, Some(1)));
        };
        insert(&mut trains, train, row, name, Vec::new())?;
        pairs.push(Series {
            train: values,
            test: test_values.clone(),
        });
    }
    if pairs.is_empty() {
        let advice = "each row needs a name and numbers";
        return Err(Error::new(train, "there are no series", advice));
    }
    Ok(pairs)
}

fn insert<'a>(
    names: &mut HashMap<&'a str, (u64, Vec<f64>)>,
    file: &Path,
    row: &Row,
    name: &'a str,
    values: Vec<f64>,
) -> Result<(), Error> {
    if let Some((line, _)) = names.insert(name, (row.line, values)) {
        let reason = format!("series {name} is also on line {line}");
        let error = Error::new(file, reason, "rename or remove one of them");
        return Err(error.with_position(row.line, Some(1)));
    }
    Ok(())
}

/// Returns true if the values of a row are 1, 2, 3, ... The values that follow such a series would
/// not begin with 1 again, so rows like this in both files are headers.
fn numbers_columns(row: &Row) -> bool {
    let mut numbers = row.cells[1..].iter().zip(1_u32..);
    numbers.all(|(cell, number)| *cell == number.to_string())
}

/// Skips the first row if it contains no number, or numbers the columns.
fn without_header(rows: &[Row], is_numbered: bool) -> &[Row] {
    let is_header = |row: &Row| {
        let mut values = row.cells[1..].iter().filter(|cell| !is_missing(cell));
        is_numbered || values.all(|cell| cell.parse::<f64>().is_err())
    };
    match rows.split_first() {
        Some((first, rest)) if is_header(first) => rest,
        _ => rows,
    }
}

/// Returns true for a cell without a value, as R and Python write it.
fn is_missing(cell: &str) -> bool {
    let names = ["", "na", "n/a", "nan", "null", "none"];
    names.iter().any(|name| cell.eq_ignore_ascii_case(name))
}

/// Name and values of a row.
fn parse<'a>(file: &Path, row: &'a Row) -> Result<(&'a str, Vec<f64>), Error> {
    let (name, cells) = row
        .cells
        .split_first()
        .map_or(("", &[][..]), |(n, c)| (n, c));
    let last = cells.iter().rposition(|cell| !is_missing(cell));
    let cells = &cells[..last.map_or(0, |last| last + 1)];
    let values = cells.iter().enumerate().map(|(i, cell)| {
        let value = cell.parse::<f64>().ok();
        value
            .filter(|value| value.abs() <= VALUE_MAX)
            .ok_or_else(|| {
                let (reason, advice) = if is_missing(cell) {
                    let advice = "fill the gap: only cells after the last value may be empty";
                    ("a value is missing".to_string(), advice)
                } else {
                    let shown: String = cell.chars().take(40).collect();
                    let advice = "write numbers with a point, and none beyond 1e100";
                    (format!("\"{shown}\" is not a number"), advice)
                };
                Error::new(file, reason, advice).with_position(row.line, Some(i as u64 + 2))
            })
    });
    Ok((name, values.collect::<Result<_, _>>()?))
}

/// The scores of one method on one series.
#[derive(Debug, Clone, Default)]
struct Score {
    error: f64,
    smape: f64,
    mase: Option<f64>,
    coverage: Vec<f64>,
    width: Vec<Option<f64>>,
}

impl Score {
    fn new(series: &Series, scale: Option<f64>, mean: &[f64], bands: &[Band]) -> Self {
        let n = series.test.len() as f64;
        let errors = series.test.iter().zip(mean).map(|(a, b)| (a - b).abs());
        let error = errors.sum::<f64>() / n;
        let ends = |band: &Band| -> Vec<(f64, f64)> {
            band.lower
                .iter()
                .copied()
                .zip(band.upper.iter().copied())
                .collect()
        };
        let coverage = bands.iter().map(|band| {
            let pairs = series.test.iter().zip(ends(band));
            pairs
                .filter(|(value, (low, high))| low <= value && *value <= high)
                .count() as f64
                / n
        });
        let width = bands.iter().map(|band| {
            let widths = ends(band).into_iter().map(|(low, high)| high - low);
            let mean = widths.sum::<f64>() / n;
            scale.map(|scale| mean / scale)
        });
        Self {
            error,
            smape: 100.0 * smape(&series.test, mean),
            mase: scale.map(|scale| error / scale),
            coverage: coverage.collect(),
            width: width.collect(),
        }
    }
}

/// The benchmarks, Naive2 first.
const BENCHMARKS: [Benchmark; 3] = [
    Benchmark::Naive2,
    Benchmark::Naive,
    Benchmark::SeasonalNaive,
];

/// Scores the combination and each benchmark on one series; the flag is false if the series is too
/// short for the combination.
fn score_series(series: &Series, seasons: &[usize], horizon: usize) -> (Vec<Score>, bool) {
    let main = seasons.first().copied().unwrap_or(1).max(1);
    let scale = error_scale(&series.train, main);
    let mut scores: Vec<Score> = BENCHMARKS
        .iter()
        .map(|benchmark| {
            let (mean, bands) = benchmark.forecast(&series.train, main, horizon, &LEVELS);
            Score::new(series, scale, &mean, &bands)
        })
        .collect();
    let options = |period: usize| Options {
        period,
        horizon,
        levels: LEVELS.to_vec(),
        total: 1,
        origins: ORIGINS,
        seasons_min: 3,
    };
    let n = series.train.len();
    let backtested = |season: usize| {
        let options = options(season);
        let outlook = (need(&options) <= n).then(|| forecast(&series.train, &options).ok())??;
        Some(Score::new(series, scale, &outlook.median, &outlook.bands))
    };
    let mut seasonal: Vec<usize> = seasons.iter().copied().filter(|s| *s > 1).collect();
    seasonal.sort_unstable();
    let tested = seasonal.iter().rev().find_map(|season| backtested(*season));
    // A season that is known counts more than a backtest.
    let short_season = || {
        let is_repeated = |season: &&usize| n >= 2 * **season;
        let repeated = seasonal.iter().rev().find(is_repeated);
        repeated.or(seasonal.first().filter(|season| n >= **season))
    };
    let tested = tested.or_else(|| match short_season() {
        None => backtested(1),
        Some(_) => None,
    });
    let is_short = tested.is_none();
    let first = tested.unwrap_or_else(|| {
        let season = short_season().copied().unwrap_or(1);
        match forecast_short(&series.train, season, horizon, &LEVELS) {
            Some((mean, bands)) => Score::new(series, scale, &mean, &bands),
            None => scores[0].clone(),
        }
    });
    scores.insert(0, first);
    (scores, !is_short)
}

/// Scores forecasts of series, see [`evaluate`].
pub fn score(series: &[Series], seasons: &[usize], horizon: usize) -> ForecastScores {
    let results: Vec<(Vec<Score>, bool)> = series
        .par_iter()
        .map(|series| score_series(series, seasons, horizon))
        .collect();
    // Share of the series for which an error compares thus with that of seasonal naive.
    let share = |method: usize, compare: fn(&f64, &f64) -> bool| {
        mean(results.iter().map(|(scores, _)| {
            let seasonal_naive = &scores[scores.len() - 1];
            f64::from(u8::from(compare(
                &scores[method].error,
                &seasonal_naive.error,
            )))
        }))
    };
    let names = [DEFAULT].into_iter().chain(BENCHMARKS.map(Benchmark::name));
    let mut methods: Vec<MethodScore> = names
        .enumerate()
        .map(|(i, method)| {
            let scores = || results.iter().map(|(scores, _)| &scores[i]);
            let interval = |(k, level): (usize, &f64)| IntervalScore {
                level: *level,
                coverage: mean(scores().map(|score| score.coverage[k])),
                width: mean(scores().filter_map(|score| score.width[k])),
            };
            MethodScore {
                method,
                smape: mean(scores().map(|score| score.smape)),
                mase: mean(scores().filter_map(|score| score.mase)),
                owa: None,
                better: share(i, f64::lt),
                equal: share(i, f64::eq),
                intervals: LEVELS.iter().enumerate().map(interval).collect(),
            }
        })
        .collect();
    let (smape, mase) = (methods[1].smape, methods[1].mase);
    for method in &mut methods {
        let owa = f64::midpoint(method.smape / smape, method.mase / mase);
        method.owa = owa.is_finite().then_some(owa);
    }
    let unscaled = results.iter().filter(|(s, _)| s[1].mase.is_none()).count();
    let main = seasons.first().copied().unwrap_or(1).max(1);
    let within_season = series.iter().filter(|s| s.train.len() <= main).count();
    ForecastScores {
        series: series.len(),
        horizon,
        seasons: seasons.to_vec(),
        short: results.iter().filter(|(_, long)| !long).count(),
        unscaled: unscaled - within_season,
        within_season,
        methods,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    sum / n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(train: &str, test: &str, horizon: usize) -> Result<Vec<Series>, Error> {
        let (a, b) = (Path::new("train.csv"), Path::new("test.csv"));
        let rows = |path, text: &str| parse_rows(path, text.as_bytes());
        pair((a, &rows(a, train)?), (b, &rows(b, test)?), horizon)
    }

    #[test]
    fn rows_may_be_ragged_and_have_a_header() {
        let train = "\"V1\",\"V2\",\"V3\",\"V4\"\n\"H1\",1,2.5,3\n\"H2\",4,5,\n";
        let series = read(train, "H2,7,8\nH1,9,1,5\n", 2).unwrap();
        assert_eq!(series[0].train, [1.0, 2.5, 3.0]);
        assert_eq!(series[0].test, [9.0, 1.0]);
        assert_eq!(
            (&series[1].train[..], &series[1].test[..]),
            (&[4.0, 5.0][..], &[7.0, 8.0][..])
        );
    }

    #[test]
    fn numbered_columns_are_a_header_and_missing_cells_may_trail() {
        let series = read("id,1,2,3\nH1,1,2,NA\n", "id,1\nH1,9\n", 1).unwrap();
        assert_eq!((series.len(), &series[0].train[..]), (1, &[1.0, 2.0][..]));
        // A series that counts continues counting.
        let series = read("a,1,2,3\n", "a,4\n", 1).unwrap();
        assert_eq!(series[0].train, [1.0, 2.0, 3.0]);
        let series = read("a;1.5;2\n", "a;4\n", 1).unwrap();
        assert_eq!(series[0].train, [1.5, 2.0]);
        let error = read("a,1,NA,3\n", "a,1\n", 1).unwrap_err().to_string();
        assert!(error.contains("1:3: a value is missing"), "{error}");
    }

    #[test]
    fn a_series_within_a_season_has_no_scale() {
        let series = |train: &[f64]| Series {
            train: train.to_vec(),
            test: vec![1.0],
        };
        let scores = score(
            &[series(&[1.0, 2.0]), series(&[1.0, 2.0, 1.0, 2.0])],
            &[2],
            1,
        );
        assert_eq!((scores.within_season, scores.unscaled), (1, 1));
    }

    #[test]
    fn a_short_series_keeps_its_season_and_the_longest_season_is_not_needed() {
        let train: Vec<f64> = (0..20_u32)
            .map(|i| f64::from(10 + 5 * (i % 4) + i % 3))
            .collect();
        let series = Series {
            train,
            test: (20..24_u32)
                .map(|i| f64::from(10 + 5 * (i % 4) + i % 3))
                .collect(),
        };
        let scores = score(std::slice::from_ref(&series), &[4, 52], 4);
        assert_eq!(scores.short, 1);
        assert!(
            scores.methods[0].mase < 0.8 * scores.methods[2].mase,
            "{scores:?}"
        );
    }

    #[test]
    fn errors_name_the_location() {
        let error = |train: &str, test: &str| read(train, test, 1).unwrap_err().to_string();
        let gap = "train.csv:1:3: a value is missing";
        assert!(error("a,1,,3\n", "a,1\n").starts_with(gap));
        let text = error("a,1\nb,1,x\n", "a,1\nb,1\n");
        assert!(
            text.starts_with("train.csv:2:3: \"x\" is not a number"),
            "{text}"
        );
        assert!(error("a,inf,1\n", "a,1\n").starts_with("train.csv:1:2"));
        assert!(error("a,1\na,2\n", "a,1\n").contains("also on line 1"));
        assert!(error("a,1\n", "b,1\n").contains("is not in test.csv"));
        assert!(
            error("a,1\n", "a,\n").contains("no series")
                || error("a,1\n", "b,1\na,\n").contains("horizon")
        );
        assert!(error("", "").contains("no series"));
    }

    /// Compares with scores that were computed by hand.
    #[test]
    fn scores_are_those_of_the_competition() {
        let series = Series {
            train: vec![2.0, 4.0, 3.0],
            test: vec![5.0, 1.0],
        };
        let scores = score(&[series], &[1], 2);
        let naive = &scores.methods[2];
        assert_eq!((naive.method, scores.short), ("naive", 1));
        assert!((naive.smape - 100.0 * (2.0 * 2.0 / 8.0 + 2.0 * 2.0 / 4.0) / 2.0).abs() < 1e-9);
        assert!((naive.mase - 2.0 / 1.5).abs() < 1e-9);
        assert_eq!(scores.methods[1].owa, Some(1.0));
        let repeated = Series {
            train: vec![1.0, 2.0, 1.0, 2.0],
            test: vec![1.0, 2.0],
        };
        let scores = score(&[repeated], &[2], 2);
        assert_eq!((scores.unscaled, scores.methods[3].smape), (1, 0.0));
        assert!(scores.methods[0].owa.is_none());
    }
}
