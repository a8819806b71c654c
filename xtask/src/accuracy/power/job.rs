//! Runs of the program on many series at once: each has its own source and its own stages.

use super::{
    cases::Case,
    claims::{Claim, Claims},
    json::Json,
    series::{Kind, START, Series},
};
use crate::date::date;
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The part of each stage in the budget of false claims (5 %) of a job with one series and three
/// kinds of stages that make claims.
pub const ALPHA: f64 = 0.016;

const CONTRACT: &str = "\
title = \"Value\"
key = [\"id\"]
time = \"at\"
[field.id]
type = \"string\"
[field.at]
type = \"timestamp\"
[field.y]
type = \"number\"
[field.part]
type = \"string\"
";

/// Kinds of stages, each with its letter.
pub const TREND: char = 't';
pub const CHANGE_POINT: char = 'c';
pub const ANOMALY: char = 'a';
pub const FORECAST: char = 'f';
pub const ALL: [char; 4] = [TREND, CHANGE_POINT, ANOMALY, FORECAST];

/// A workspace with the records of a row.
pub struct Workspace<'a> {
    program: &'a Path,
    folder: PathBuf,
    kind: Kind,
}

impl<'a> Workspace<'a> {
    /// Writes the records.
    pub fn new(
        program: &'a Path,
        folder: PathBuf,
        case: &Case,
        series: &[Series],
    ) -> Result<Self, String> {
        let workspace = Self {
            program,
            folder,
            kind: case.kind,
        };
        workspace.write("jobs/contracts/value.toml", CONTRACT)?;
        for (i, series) in series.iter().enumerate() {
            workspace.write(&format!("{i}.csv"), &series.csv())?;
        }
        Ok(workspace)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.folder.join(name);
        let message = |error: std::io::Error| format!("{}: {error}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(message)?;
        }
        fs::write(&path, text).map_err(message)
    }

    /// Runs these kinds of stages on these series, on the window of `days` days that ends before
    /// this day, counted from the start of the series; returns the claims about each.
    pub fn run(
        &self,
        kinds: &[char],
        series: &[usize],
        days: usize,
        end: usize,
    ) -> Result<Vec<Claims>, String> {
        let reports = self.folder.join("reports");
        if reports.exists() {
            fs::remove_dir_all(&reports).map_err(|error| error.to_string())?;
        }
        let window = if days == 1 { "day" } else { "week" };
        self.write("jobs/power.toml", &job(self.kind, kinds, series, window))?;
        let output = Command::new(self.program)
            .args(["run", "power", "--date", &date(START + end as i64)])
            .current_dir(&self.folder)
            .output()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(format!("run: {}\n{stderr}", output.status));
        }
        let path = findings(&reports.join("power"))
            .ok_or_else(|| format!("no findings.json below {}", reports.display()))?;
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let mut claims = vec![Claims::default(); series.len()];
        for finding in Json::parse(&text)?.items() {
            let Some((number, claim)) = Claim::read(finding, self.kind.is_daily()) else {
                return Err(format!("a finding of an unexpected form: {finding:?}"));
            };
            if let Some(position) = series.iter().position(|index| *index == number) {
                claims[position].0.push(claim);
            }
        }
        Ok(claims)
    }
}

/// The findings of the only run of a job, in `WINDOW/RUN/`.
fn findings(job: &Path) -> Option<PathBuf> {
    let folders = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    folders(job)
        .iter()
        .flat_map(|window| folders(window))
        .map(|run| run.join("findings.json"))
        .find(|path| path.exists())
}

/// A job with these kinds of stages on these series.
fn job(kind: Kind, kinds: &[char], series: &[usize], window: &str) -> String {
    let mut text = format!("title = \"Power\"\nwindow = \"{window}\"\n");
    let value = match kind {
        Kind::Groups => "by = [\"part\"]\n",
        Kind::Shares => "value = \"y\"\naggregate = \"mean\"\nunit = \"share\"\n",
        _ if kind.is_count() => "",
        _ => "value = \"y\"\naggregate = \"mean\"\n",
    };
    for i in series {
        let _ = write!(
            text,
            "[source.s{i}]\nuri = \"{i}.csv\"\ncontract = \"value\"\n"
        );
        for letter in kinds {
            let name = match *letter {
                TREND => "trend",
                CHANGE_POINT => "change_point",
                ANOMALY => "anomaly",
                _ => "forecast",
            };
            let _ = write!(
                text,
                "[stage.{letter}{i}]\nkind = \"{name}\"\ninput = \"s{i}\"\nmeasure = \"y\"\n{value}"
            );
            // Counts are scanned by the hour in days; hours of values are steps of their own.
            text += match kind {
                Kind::Shares | Kind::Durations | Kind::Gauges if *letter == ANOMALY => {
                    "period = \"hour\"\n"
                }
                _ => "period = \"day\"\n",
            };
            if *letter != FORECAST {
                let _ = writeln!(text, "alpha = {ALPHA}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_has_its_own_source_and_stages() {
        let text = job(Kind::Shares, &[ANOMALY, FORECAST], &[3, 5], "day");
        assert!(
            text.contains("[stage.a5]\nkind = \"anomaly\"\ninput = \"s5\""),
            "{text}"
        );
        assert!(text.contains("[stage.f3]"), "{text}");
        assert_eq!(text.matches("alpha = 0.016").count(), 2);
        assert_eq!(text.matches("period = \"hour\"").count(), 2);
        let counts = job(Kind::Counts, &ALL, &[0], "week");
        assert!(
            !counts.contains("value = \"y\"") && !counts.contains("hour"),
            "{counts}"
        );
    }
}
