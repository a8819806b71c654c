//! Reads series and their labelled windows.

use crate::Error;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Component, Path},
};

/// A series and the windows in which it is anomalous.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledSeries {
    /// Path below the data folder, as in the labels.
    pub name: String,
    /// Time of each row, without a time zone; times with an offset are in UTC.
    pub times: Vec<DateTime>,
    /// Value of each row, finite.
    pub values: Vec<f64>,
    /// First and last row of each window, in order, without overlaps.
    pub windows: Vec<(usize, usize)>,
}

impl LabelledSeries {
    /// Returns a label for each row: true if the row is in a window.
    pub fn labels(&self) -> Vec<bool> {
        let mut labels = vec![false; self.values.len()];
        for (first, last) in &self.windows {
            labels[*first..=*last].fill(true);
        }
        labels
    }

    /// Number of rows per day at the median distance between rows; `None` if fewer than two.
    pub fn rows_per_day(&self) -> Option<usize> {
        let mut steps: Vec<i64> = self
            .times
            .windows(2)
            .map(|pair| pair[0].duration_until(pair[1]).as_secs())
            .filter(|seconds| *seconds > 0)
            .collect();
        let middle = steps.len() / 2;
        let (_, step, _) = (!steps.is_empty()).then(|| steps.select_nth_unstable(middle))?;
        let rows = (86_400.0 / *step as f64).round() as usize;
        (rows >= 2).then_some(rows)
    }
}

/// All labelled series of a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Corpus {
    /// Labelled series, in the order of the labels. A series may have no window.
    pub series: Vec<LabelledSeries>,
    /// CSV files in the folder that the labels do not name, sorted. They are not scored.
    pub unlabelled: Vec<String>,
}

/// Reads every series that the labels name.
///
/// `labels` is a JSON object from the path of a CSV file below `data` to a list of windows, each a
/// list of its first and last time. The CSV files have the columns `timestamp` and `value`; others
/// are ignored. Times are ISO 8601 dates and times, with `T` or a blank between them, or whole
/// seconds since 1970.
pub fn read(data: &Path, labels: &Path) -> Result<Corpus, Error> {
    let text = fs::read_to_string(labels).map_err(|error| {
        Error::new(
            labels,
            error,
            "check the path of the JSON file of labelled windows",
        )
    })?;
    let entries = parse_labels(labels, &text)?;
    if entries.is_empty() {
        return Err(Error::new(
            labels,
            "no series is labelled",
            "add an entry for each CSV file, with [] if it has no anomaly",
        ));
    }
    let mut series = Vec::with_capacity(entries.len());
    for (name, windows) in entries {
        let located = |error: Error| locate(error, &text, &name);
        if !is_below(Path::new(&name)) {
            return Err(located(Error::new(
                labels,
                format!("{name:?} is outside of the data folder"),
                "write the path below the data folder, without `..`",
            )));
        }
        let path = data.join(&name);
        if !path.is_file() {
            return Err(located(Error::new(
                labels,
                format!("{name:?} is not in {}", data.display()),
                "check the data folder that the paths start from, or remove the entry",
            )));
        }
        let (times, values) = read_series(&path)?;
        let windows = find_window_rows(labels, &text, &name, &windows, &times)?;
        series.push(LabelledSeries {
            name,
            times,
            values,
            windows,
        });
    }
    let named: BTreeSet<&str> = series.iter().map(|series| series.name.as_str()).collect();
    let mut unlabelled = Vec::new();
    list_files(data, "", &mut unlabelled)?;
    unlabelled.retain(|name| !named.contains(name.as_str()));
    unlabelled.sort();
    Ok(Corpus { series, unlabelled })
}

/// Windows of each file, in the order of the JSON object.
struct Entries(Vec<(String, Vec<[String; 2]>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of lists of [start, end]")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entries, M::Error> {
                let mut entries = Vec::new();
                let mut names = BTreeSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(serde::de::Error::custom(format!("{name:?} occurs twice")));
                    }
                    entries.push((name, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

fn parse_labels(path: &Path, text: &str) -> Result<Vec<(String, Vec<[String; 2]>)>, Error> {
    let text = text.trim_start_matches('\u{feff}');
    let Entries(entries) = serde_json::from_str(text).map_err(|error| {
        Error::new(
            path,
            &error,
            "write {\"folder/file.csv\": [[\"first time\", \"last time\"]]}",
        )
        .with_position(error.line() as u64, Some(error.column() as u64))
    })?;
    Ok(entries)
}

/// Adds the position at which a quoted string first occurs.
fn locate(error: Error, text: &str, quoted: &str) -> Error {
    let Some(start) = text.find(&format!("\"{quoted}\"")) else {
        return error;
    };
    let before = &text[..start];
    let line = before.matches('\n').count() as u64 + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() as u64 + 1;
    error.with_position(line, Some(column))
}

fn is_below(path: &Path) -> bool {
    let mut parts = path.components();
    parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Maximum share of rows that may be earlier than the row before: clocks are set back.
const BACKWARDS_MAX: f64 = 0.01;

fn read_series(path: &Path) -> Result<(Vec<DateTime>, Vec<f64>), Error> {
    const REMEDY: &str = "write a CSV file with the columns `timestamp` and `value`";
    let failed = |error: csv::Error| {
        let line = error.position().map(csv::Position::line);
        let error = Error::new(path, error, REMEDY);
        line.map_or(error.clone(), |line| error.with_position(line, None))
    };
    let mut reader = csv::ReaderBuilder::new().from_path(path).map_err(failed)?;
    let headers = reader.headers().map_err(failed)?.clone();
    let column = |name: &str| {
        let is_named = |header: &str| header.trim_start_matches('\u{feff}').trim() == name;
        let position = headers.iter().position(is_named);
        position.ok_or_else(|| {
            Error::new(path, format!("no column `{name}`"), REMEDY).with_position(1, None)
        })
    };
    let (time_column, value_column) = (column("timestamp")?, column("value")?);
    let (mut times, mut values) = (Vec::new(), Vec::new());
    for row in reader.records() {
        let row = row.map_err(failed)?;
        let line = row.position().map_or(0, csv::Position::line);
        let field = |index: usize| row.get(index).unwrap_or_default().trim();
        let error_in = |index: usize, expected: &str, remedy: &str| {
            Error::new(
                path,
                format!("{:?} is not {expected}", field(index)),
                remedy,
            )
            .with_position(line, Some(index as u64 + 1))
        };
        times.push(parse_time(field(time_column)).ok_or_else(|| {
            error_in(
                time_column,
                "a time",
                "write it as 2014-02-14 14:30:00, or as whole seconds since 1970",
            )
        })?);
        let value = field(value_column).parse().ok();
        values.push(value.filter(|v: &f64| v.is_finite()).ok_or_else(|| {
            error_in(
                value_column,
                "a finite number",
                "fill gaps first: rows without a value cannot be scored",
            )
        })?);
    }
    if values.is_empty() {
        return Err(Error::new(path, "no rows", "add rows, or remove the entry"));
    }
    let backwards = |pair: &[DateTime]| pair[1] < pair[0];
    let count = times.windows(2).filter(|pair| backwards(pair)).count();
    if count as f64 > BACKWARDS_MAX * times.len() as f64
        && let Some(first) = times.windows(2).position(backwards)
    {
        let [time, previous] = [times[first + 1], times[first]];
        let reason = format!("{time} comes after {previous}; rows out of order: {count}");
        return Err(Error::new(path, reason, "sort the rows by time"));
    }
    Ok((times, values))
}

fn parse_time(text: &str) -> Option<DateTime> {
    let utc = |time: Timestamp| time.to_zoned(TimeZone::UTC).datetime();
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).ok().map(utc);
    }
    let with_offset = text.parse().ok().map(utc);
    with_offset.or_else(|| text.parse().ok())
}

/// Finds the first and last row of each window of one file.
fn find_window_rows(
    path: &Path,
    text: &str,
    name: &str,
    windows: &[[String; 2]],
    times: &[DateTime],
) -> Result<Vec<(usize, usize)>, Error> {
    let mut rows = Vec::with_capacity(windows.len());
    for [start, end] in windows {
        let time = |time_text: &String| {
            parse_time(time_text).ok_or_else(|| {
                let error = Error::new(
                    path,
                    format!("{time_text:?} is not a time"),
                    "write it as 2014-02-14 14:30:00",
                );
                locate(error, text, time_text)
            })
        };
        let (from, to) = (time(start)?, time(end)?);
        let first = times.iter().position(|time| *time >= from);
        let last = times.iter().rposition(|time| *time <= to);
        match (first, last) {
            (Some(first), Some(last)) if from <= to && first <= last => rows.push((first, last)),
            _ => {
                let error = Error::new(
                    path,
                    format!("the window from {start:?} to {end:?} contains no row of {name:?}"),
                    "correct its times, or remove it",
                );
                return Err(locate(error, text, start));
            }
        }
    }
    rows.sort_unstable();
    if let Some(pair) = rows.windows(2).find(|pair| pair[0].1 >= pair[1].0) {
        let start = times[pair[1].0];
        let error = Error::new(
            path,
            format!("two windows of {name:?} overlap at {start}"),
            "join them into one",
        );
        return Err(locate(error, text, name));
    }
    Ok(rows)
}

/// Appends the CSV files of a folder and its subfolders, as paths with `/` below the first folder.
fn list_files(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<(), Error> {
    let failed = |error| Error::new(folder, error, "check the path and its permissions");
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        // Links to folders are not followed, because they could form cycles.
        if entry.file_type().map_err(failed)?.is_dir() {
            list_files(&entry.path(), &format!("{name}/"), files)?;
        } else if name.ends_with(".csv") {
            files.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the series `a/x.csv` and its labels; errors are strings with relative paths.
    fn read_corpus(csv: &str, labels: &str) -> Result<Corpus, String> {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("a")).unwrap();
        fs::write(data.join("a/x.csv"), csv).unwrap();
        fs::write(data.join("y.csv"), "").unwrap();
        let path = folder.path().join("labels.json");
        fs::write(&path, labels).unwrap();
        let base = format!("{}/", folder.path().display());
        read(&data, &path).map_err(|error| error.to_string().replace(&base, ""))
    }

    const ROWS: &str = "timestamp,value\n2014-01-01 00:00:00,1\n2014-01-01T06:00:00,2\n\
                        2014-01-01 12:00:00Z,3.5\n1388620800,-4e1\n";

    #[test]
    fn rows_and_windows_are_read() {
        let labels =
            r#"{"a/x.csv": [["2014-01-01 05:00:00.000000", "2014-01-01 12:00:00.000000"]]}"#;
        let corpus = read_corpus(&format!("\u{feff}{ROWS}"), labels).unwrap();
        assert_eq!(corpus.unlabelled, ["y.csv"]);
        let series = &corpus.series[0];
        assert_eq!(series.values, [1.0, 2.0, 3.5, -40.0]);
        assert_eq!(series.windows, [(1, 2)]);
        assert_eq!(series.labels(), [false, true, true, false]);
        assert_eq!(series.rows_per_day(), Some(4));
        assert_eq!(series.times[3].to_string(), "2014-01-02T00:00:00");
    }

    #[test]
    fn errors_name_position_reason_and_remedy() {
        let none = r#"{"a/x.csv": []}"#;
        for (csv, labels, expected) in [
            (
                "timestamp,v\n",
                none,
                "data/a/x.csv:1: no column `value`; write a CSV file with the columns `timestamp` and \
                 `value`",
            ),
            (
                "timestamp,value\n2014-01-01,\n",
                none,
                "data/a/x.csv:2:2: \"\" is not a finite number; fill gaps first: rows without a value \
                 cannot be scored",
            ),
            (
                "value,timestamp\n1,2014-01-01\nNaN,2014-01-02\n",
                none,
                "data/a/x.csv:3:1: \"NaN\" is not a finite number; fill gaps first: rows without a \
                 value cannot be scored",
            ),
            (
                "timestamp,value\n2014-13-01,1\n",
                none,
                "data/a/x.csv:2:1: \"2014-13-01\" is not a time; write it as 2014-02-14 14:30:00, or as whole \
                 seconds since 1970",
            ),
            (
                "timestamp,value\n2014-01-02,1\n2014-01-01,2\n",
                none,
                "data/a/x.csv: 2014-01-01T00:00:00 comes after 2014-01-02T00:00:00; rows out of order: \
                 1; sort the rows by time",
            ),
            (
                "timestamp,value\n",
                none,
                "data/a/x.csv: no rows; add rows, or remove the entry",
            ),
            (
                ROWS,
                "{\n \"a/z.csv\": []}",
                "labels.json:2:2: \"a/z.csv\" is not in data; check the data folder that the paths start from, or \
                 remove the entry",
            ),
            (
                ROWS,
                r#"{"../a/x.csv": []}"#,
                "labels.json:1:2: \"../a/x.csv\" is outside of the data folder; write the path below the data \
                 folder, without `..`",
            ),
            (
                ROWS,
                "{}",
                "labels.json: no series is labelled; add an entry for each CSV file, with [] if it has no \
                 anomaly",
            ),
            (
                ROWS,
                "{\"a/x.csv\": [[\"2014-01-01\",\n\"soon\"]]}",
                "labels.json:2:1: \"soon\" is not a time; write it as 2014-02-14 14:30:00",
            ),
            (
                ROWS,
                r#"{"a/x.csv": [["2015-01-01", "2015-01-02"]]}"#,
                "labels.json:1:15: the window from \"2015-01-01\" to \"2015-01-02\" contains no row of \
                 \"a/x.csv\"; correct its times, or remove it",
            ),
            (
                ROWS,
                r#"{"a/x.csv": [["2014-01-01", "2014-01-02"], ["2014-01-01", "2014-01-02"]]}"#,
                "labels.json:1:2: two windows of \"a/x.csv\" overlap at 2014-01-01T00:00:00; join them into \
                 one",
            ),
        ] {
            assert_eq!(read_corpus(csv, labels).unwrap_err(), expected);
        }
        for (csv, labels, starts) in [
            (
                "timestamp,value\n2014-01-01,1,2\n",
                none,
                "data/a/x.csv:2: CSV error",
            ),
            (
                ROWS,
                r#"{"a/x.csv": [], "a/x.csv": []}"#,
                "labels.json:1:25: \"a/x.csv\" occurs twice",
            ),
            (
                ROWS,
                r#"{"a/x.csv": [["2014-01-01"]]}"#,
                "labels.json:1:27: invalid length 1",
            ),
        ] {
            let error = read_corpus(csv, labels).unwrap_err();
            assert!(error.starts_with(starts), "{error}");
        }
    }
}
