//! Data of the comparisons, the same in every run, and a job with one stage.

use crate::{date::date, effects::Random};
use std::{
    f64::consts::TAU,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Number of values of a series in a day.
pub const DAY: usize = 48;
/// Length of the season of the series that are forecast.
pub const SEASON: usize = 7;
/// Minimum number of days on either side of a shift.
pub const SEGMENT: usize = 14;
/// Days between 1 January 1970 and the start of the series, 1 January 1990.
const START: i64 = 7305;

fn write(path: PathBuf, text: &str) -> Result<PathBuf, String> {
    let message = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(message)?;
    }
    fs::write(&path, text).map_err(message)?;
    Ok(path)
}

/// Writes a half-hourly series with a daily wave, noise and an outage, below a folder of its own,
/// and labels without windows; returns its path and that of the labels.
pub fn series(folder: &Path, rows: usize) -> Result<[PathBuf; 2], String> {
    let folder = folder.join(format!("series-{rows}"));
    let mut random = Random(1);
    let mut text = String::from("timestamp,value\n");
    let outage = rows * 7 / 10..rows * 7 / 10 + 20;
    for i in 0..rows {
        let wave = 10.0 * (i as f64 / DAY as f64 * TAU).sin();
        let level = if outage.contains(&i) { 0.0 } else { 100.0 };
        let value = level + wave + random.normal();
        let (hour, minute) = (i % DAY / 2, i % 2 * 30);
        let day = date(START + (i / DAY) as i64);
        let _ = writeln!(text, "{day} {hour:02}:{minute:02}:00,{value:.4}");
    }
    Ok([
        write(folder.join("data/a.csv"), &text)?,
        write(folder.join("labels.json"), "{\"a.csv\": []}")?,
    ])
}

/// Writes a table of four numbers and a category, twice; most numbers of the second are shifted.
pub fn tables(folder: &Path, rows: usize) -> Result<[PathBuf; 2], String> {
    let mut random = Random(2);
    let mut table = |shift: f64| {
        let mut text = String::from("a,b,c,d,kind\n");
        for _ in 0..rows {
            for column in 0..4 {
                let value = shift * f64::from(column) + random.normal();
                let _ = write!(text, "{value:.5},");
            }
            let kind = (random.uniform() * 8.0) as usize;
            let _ = writeln!(text, "k{kind}");
        }
        text
    };
    let (reference, current) = (table(0.0), table(0.1));
    Ok([
        write(folder.join(format!("reference-{rows}.csv")), &reference)?,
        write(folder.join(format!("current-{rows}.csv")), &current)?,
    ])
}

/// Writes series of a slow level, a season and autocorrelated noise in the layout of the M4
/// competition; returns the files of known and of later values.
pub fn forecasts(
    folder: &Path,
    series: usize,
    length: usize,
    horizon: usize,
) -> Result<[PathBuf; 2], String> {
    let mut random = Random(3);
    let (mut train, mut test) = (String::new(), String::new());
    for name in 0..series {
        let _ = write!(train, "s{name}");
        let _ = write!(test, "s{name}");
        let (mut level, mut noise) = (100.0, 0.0);
        for i in 0..length + horizon {
            level += 0.3 * random.normal();
            noise = 0.5 * noise + 3.0 * random.normal();
            let value = level + 10.0 * (i as f64 / SEASON as f64 * TAU).sin() + noise;
            let text = if i < length { &mut train } else { &mut test };
            let _ = write!(text, ",{value:.4}");
        }
        train.push('\n');
        test.push('\n');
    }
    let file = |name: &str| folder.join(format!("{name}-{series}-{length}-{horizon}.csv"));
    Ok([write(file("train"), &train)?, write(file("test"), &test)?])
}

/// Writes a daily series with three shifts; returns its file and the day after its end.
pub fn shifts(folder: &Path, days: usize) -> Result<(PathBuf, String), String> {
    let mut random = Random(4);
    let mut text = String::from("id,at,y\n");
    for i in 0..days {
        let level = match i * 10 / days {
            0..3 => 100.0,
            3..6 => 105.0,
            6..8 => 97.0,
            _ => 101.0,
        };
        let value = level + 3.0 * random.normal();
        let day = date(START + i as i64);
        let _ = writeln!(text, "{i},{day}T10:00:00Z,{value:.4}");
    }
    let path = write(folder.join(format!("shifts-{days}.csv")), &text)?;
    Ok((path, date(START + days as i64)))
}

/// Writes the job `shifts` with one stage.
pub fn job(folder: &Path) -> Result<(), String> {
    write(
        folder.join("jobs/contracts/value.toml"),
        "title = \"Value\"\nkey = [\"id\"]\ntime = \"at\"\n[field.id]\ntype = \"string\"\n[field.at]\n\
         type = \"timestamp\"\n[field.y]\ntype = \"number\"\n",
    )?;
    let text = format!(
        "title = \"Shifts\"\nwindow = \"week\"\n[params.records]\ntype = \"string\"\n\
         default = \"shifts.csv\"\ndescription = \"The file.\"\n[source.values]\n\
         uri = \"${{params.records}}\"\ncontract = \"value\"\n[stage.shifts]\nkind = \"change_point\"\n\
         input = \"values\"\nvalue = \"y\"\nperiod = \"day\"\nperiods_max = 10000\n\
         segment_min = {SEGMENT}\nshifts_max = 3\n"
    );
    write(folder.join("jobs/shifts.toml"), &text).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_expected_rows() {
        let folder = std::env::temp_dir().join(format!("xtask-data-{}", std::process::id()));
        let [series, labels] = series(&folder, 50).unwrap();
        let text = fs::read_to_string(series).unwrap();
        assert_eq!(text.lines().count(), 51);
        assert!(text.contains("\n1990-01-02 00:30:00,"), "{text}");
        assert!(labels.exists());
        let [train, test] = forecasts(&folder, 2, 30, 7).unwrap();
        let cells = |path: &Path| {
            let text = fs::read_to_string(path).unwrap();
            text.lines().map(|line| line.split(',').count()).collect()
        };
        let [train, test]: [Vec<usize>; 2] = [cells(&train), cells(&test)];
        assert_eq!((train, test), (vec![31; 2], vec![8; 2]));
        let (shifts, end) = shifts(&folder, 40).unwrap();
        assert_eq!(fs::read_to_string(shifts).unwrap().lines().count(), 41);
        assert_eq!(end, "1990-02-10");
        assert!(tables(&folder, 5).unwrap().iter().all(|path| path.exists()));
        fs::remove_dir_all(folder).unwrap();
    }
}
