//! Runs the demo's tickets with one report, with a report for each of 500 values, and once per
//! value.

use super::{
    Bench, DATE, medians, remove,
    table::{print_row, ratio},
    write,
};
use crate::{measure::Measurement, root};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Number of values of the column.
const VALUES: usize = 500;
/// Number of separate runs that are measured; the time of the others is extrapolated.
const RUNS: usize = 10;
/// A job on the tickets with a column of 500 values, or with one of them.
const JOB: &str = r#"title = "Tickets by part"
window = "week"
timezone = "Europe/London"
[params.records]
type = "string"
default = ""
[params.part]
type = "string"
default = "all"
[source.tickets]
uri = "${params.records}/tickets/**/*.jsonl*"
contract = "ticket"
[stage.parts]
kind = "sql"
query = """
select * from (
  select id, created_at, minutes_to_resolve,
         concat('part-', lpad(cast(cast(right(id, 8) as bigint) % VALUES as varchar), 3, '0')) as part
  from tickets
) where ${params.part} = 'all' or part = ${params.part}
"""
[stage.figures]
kind = "kpi"
input = "parts"
time = "created_at"
by = ["part"]
groups_max = VALUES
metrics = [
  { name = "Tickets", kind = "count", unit = "tickets", lower_is_better = true },
  { name = "Median time to resolve", kind = "median", value = "minutes_to_resolve", unit = "min" },
]
[stage.shifts]
kind = "change_point"
input = "parts"
time = "created_at"
by = ["part"]
groups_max = VALUES
aggregate = "count"
measure = "tickets"
[stage.rows]
kind = "sql"
query = """
select part, count(*) as tickets from parts
where created_at >= ${window.start} and created_at < ${window.end}
group by part order by part
"""
[report.executive]
"#;

pub fn measure(bench: &Bench) -> Result<Vec<String>, String> {
    let folder = bench.folder.join("slices");
    copy_contract(bench)?;
    let job = JOB.replace("VALUES", &VALUES.to_string());
    write(&folder.join("jobs/single.toml"), &job)?;
    write(
        &folder.join("jobs/sliced.toml"),
        &format!("{job}each = \"part\"\n"),
    )?;
    let records = bench.records()?;
    let run = |job: &str, more: &[&str]| {
        let command = ["run", job, "--date", DATE, "--set", &records];
        bench.measure(&folder, &[&command, more].concat())
    };
    // Each run reads all records and computes everything.
    let fresh = |job: &str| {
        bench.repeat(|| {
            remove(&folder.join("data"))?;
            remove(&folder.join("reports"))?;
            run(job, &[])
        })
    };
    let sliced = fresh("sliced")?;
    let count = count_slices(&folder.join("reports/sliced"))?;
    if count != VALUES {
        return Err(format!("{count} slices, not {VALUES}"));
    }
    let single = fresh("single")?;
    print_row(
        "one report on tickets",
        single,
        "the whole run, from records to PDF",
    );
    let each = each_slice(sliced, single);
    let note = format!(
        "{}; {:.0} ms each, {:.0} of the processor",
        ratio(sliced, single, "one report"),
        each.seconds * 1e3,
        each.cpu_seconds * 1e3
    );
    print_row(&format!("{VALUES} slices in one run"), sliced, &note);
    // These runs find the source in the lake, as the first run has read it.
    let runs = (0..RUNS).map(|value| run("single", &["--set", &format!("part=part-{value:03}")]));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let separate = extrapolate(&runs, VALUES);
    let note = format!(
        "{}; {VALUES} times the median of {RUNS} runs with a filter and reused source",
        ratio(separate, sliced, "one run")
    );
    print_row(&format!("{VALUES} separate runs"), separate, &note);
    Ok(Vec::new())
}

/// The time that each slice adds to a run.
fn each_slice(sliced: Measurement, single: Measurement) -> Measurement {
    Measurement {
        seconds: (sliced.seconds - single.seconds) / VALUES as f64,
        cpu_seconds: (sliced.cpu_seconds - single.cpu_seconds) / VALUES as f64,
        ..sliced
    }
}

/// The time of `count` runs like these.
fn extrapolate(runs: &[Measurement], count: usize) -> Measurement {
    let median = medians(runs);
    Measurement {
        seconds: median.seconds * count as f64,
        cpu_seconds: median.cpu_seconds * count as f64,
        ..median
    }
}

/// Copies the contract of tickets into the workspace.
fn copy_contract(bench: &Bench) -> Result<(), String> {
    let name = "jobs/contracts/ticket.toml";
    let text = fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"))?;
    write(&bench.folder.join("slices").join(name), &text)
}

/// Number of PDFs among the slices of the only run of a job.
fn count_slices(reports: &Path) -> Result<usize, String> {
    // The folders of a job are windows with runs, and pages.
    let runs = folders(reports)?.into_iter().map(|window| folders(&window));
    let runs = runs.collect::<Result<Vec<_>, _>>()?.concat();
    let slices = runs.iter().map(|run| run.join("slices"));
    let slices = slices.filter(|folder| folder.is_dir()).map(|folder| {
        let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
        let is_pdf = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|e| e == "pdf");
        Ok(entries.flatten().filter(is_pdf).count())
    });
    slices.sum()
}

/// The folders in a folder.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let message = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(message)?;
    let paths = entries.flatten().map(|entry| entry.path());
    // `latest` may be a link to a run.
    Ok(paths
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::measured, *};

    #[test]
    fn separate_runs_are_extrapolated_from_their_median() {
        let runs = [
            measured(0.5, 0.25, 3),
            measured(9.0, 0.5, 4),
            measured(0.25, 0.125, 5),
        ];
        let all = extrapolate(&runs, 500);
        assert_eq!((all.seconds, all.cpu_seconds), (250.0, 125.0));
        assert_eq!(all.peak_kib, 5);
    }

    #[test]
    fn each_slice_costs_what_it_adds() {
        let each = each_slice(measured(60.0, 30.0, 9), measured(10.0, 5.0, 8));
        assert_eq!((each.seconds, each.cpu_seconds), (0.1, 0.05));
    }

    #[test]
    fn slices_are_counted_among_other_folders() {
        let reports = std::env::temp_dir().join(format!("xtask-slices-{}", std::process::id()));
        for name in ["figures/a.html", "W46/index.html", "W46/run/slices/a.pdf"] {
            write(&reports.join(name), "").unwrap();
        }
        for name in ["a.html", "a.json", "b.pdf"] {
            write(&reports.join("W46/run/slices").join(name), "").unwrap();
        }
        assert_eq!(count_slices(&reports).unwrap(), 2);
        remove(&reports).unwrap();
        assert!(count_slices(&reports).is_err());
    }

    #[test]
    fn the_job_has_as_many_groups_as_values() {
        let job = JOB.replace("VALUES", &VALUES.to_string());
        assert_eq!(job.matches("groups_max = 500").count(), 2);
        assert!(job.contains("% 500 as varchar") && job.ends_with("[report.executive]\n"));
    }
}
