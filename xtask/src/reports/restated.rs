//! Lists restated figures among 10,000 published runs.

use super::{
    Bench,
    table::{Goal, print_row},
    write,
};
use crate::{archive::LAST_DAY, date::date, measure::Measurement, root};
use std::{fmt::Write as _, fs, path::Path};

/// Goal for the whole command.
const GOAL: Goal = Goal(0.1);
/// Number of runs, one per day.
const RUNS: i64 = 10_000;
/// Number of key figures of a run.
const FIGURES: usize = 12;
/// One run in so many restates a figure of the day before.
const INTERVAL: i64 = 20;
const JOB: &str = "title = \"Review of each day\"\nwindow = \"day\"\ntimezone = \"UTC\"\n\
    [source.tickets]\nuri = \"records/*.jsonl\"\ncontract = \"ticket\"\nrequired = false\n\
    [stage.figures]\nkind = \"kpi\"\ninput = \"tickets\"\ntime = \"created_at\"\n\
    metrics = [{ name = \"Tickets\", kind = \"count\" }]\n[report.executive]\n";

pub fn measure(bench: &Bench) -> Result<Vec<String>, String> {
    let folder = bench.folder.join("restated");
    write(&folder.join("jobs/daily.toml"), JOB)?;
    write(&folder.join("jobs/empty.toml"), JOB)?;
    let contract = "jobs/contracts/ticket.toml";
    let text = fs::read_to_string(root().join(contract));
    let text = text.map_err(|error| format!("{contract}: {error}"))?;
    write(&folder.join(contract), &text)?;
    for day in 0..RUNS {
        write_run(&folder, LAST_DAY - RUNS + day + 1, day % INTERVAL == 1)?;
    }
    let restated = |job: &str, options: &[&str]| {
        bench.measure(&folder, &[&["restated", job], options].concat())
    };
    let start = bench.repeat(|| bench.measure(&folder, &["--version"]))?;
    let note = "start of the program, and the job file";
    let empty = bench.repeat(|| restated("empty", &[]))?;
    print_row("restated, no runs", empty, note);
    // The first command publishes the runs that the ledger lacks.
    let published = restated("daily", &["--json"])?;
    let note = "by the first command; once per run";
    print_row(&format!("publication of {RUNS} runs"), published, note);
    let mut missed = Vec::new();
    let since = date(LAST_DAY - 27);
    let all = RUNS / INTERVAL;
    for (title, options) in [
        (format!("restated, {RUNS} runs, {all} figures"), &[][..]),
        (
            format!("restated, {RUNS} runs, last 4 weeks"),
            &["--since", since.as_str()][..],
        ),
    ] {
        let measured = bench.repeat(|| restated("daily", options))?;
        let lookup = 1e3 * lookup(measured, start);
        let goal = GOAL.note(measured.seconds);
        let note = format!("{goal}; {lookup:.0} ms without the start of the program");
        print_row(&title, measured, &note);
        missed.extend(GOAL.missed(&title, measured.seconds));
    }
    Ok(missed)
}

/// The wall time without the start of the program.
fn lookup(measured: Measurement, start: Measurement) -> f64 {
    (measured.seconds - start.seconds).max(0.0)
}

/// Writes the folder of a run on one day, as far as the ledger reads it.
fn write_run(workspace: &Path, day: i64, restates: bool) -> Result<(), String> {
    let (label, end) = (date(day), date(day + 1));
    let run = format!("{:08x}", (day as u64).wrapping_mul(2_654_435_761) as u32);
    let folder = workspace.join("reports/daily").join(&label).join(&run);
    let put = |name: &str, text: &str| write(&folder.join(name), text);
    put(
        "run.json",
        &format!(
            r#"{{"run":"{run}","job":"daily","title":"Review of each day","window":"{label}","period":"{label}","date":"{end}","status":"complete","headline":"","started":"{end}T09:00:00Z","finished":"{end}T09:01:00Z","reused":0,"executed":2}}"#
        ),
    )?;
    put(
        "plan.json",
        &format!(
            r#"{{"job":"daily","title":"Review of each day","owner":"","run":"{run}","label":"{label}","date":"{end}","build":"0.1.0","seed":1,"window":{{"spec":"day","start":"{label}","end":"{end}","timezone":"UTC"}},"params":{{}},"nodes":[{{"name":"stage.figures","kind":"kpi","title":"","config":{{}},"inputs":[],"code_version":1,"contract_hash":"","optional":false}}]}}"#
        ),
    )?;
    put(
        "journal.jsonl",
        &format!(
            "{{\"time\":\"{end}T09:01:00Z\",\"event\":\"run_finished\",\"status\":\"complete\"}}\n"
        ),
    )?;
    put("findings.json", "[]")?;
    put("report.json", r#"{"provenance":{"datasets":[]}}"#)?;
    put("cells/figures.json", &cell(day, restates))
}

/// The cell of the figures of a day.
fn cell(day: i64, restates: bool) -> String {
    let mut kpis = String::new();
    for n in 0..FIGURES {
        let value = 50.0 + n as f64 + (day % 13) as f64 / 10.0;
        let separator = if n > 0 { "," } else { "" };
        let _ = write!(
            kpis,
            r#"{separator}{{"name":"Figure {n}","subject":"","value":{value},"interval":[{},{}],"unit":"per day","text":"{value:.1} per day","interval_text":"","previous":null,"delta_text":"","baseline":null,"baseline_delta_text":"","significant":false,"direction":"none","lower_is_better":true,"target":null,"target_text":"","history":[],"n":100}}"#,
            value - 3.0,
            value + 3.0
        );
    }
    let before = date(day - 1);
    let figures = if restates {
        format!(
            r#"{{"window":"{before}","metric":"Figure 0","unit":"per day","from":50.0,"to":53.0,"texts":["50","53"],"run":"{before}/0","causes":[{{"kind":"late_records","change":3.0,"records":3}}]}}"#
        )
    } else {
        String::new()
    };
    format!(
        r#"{{"stage":"figures","kind":"kpi","title":"figures","status":{{"status":"done"}},"did":"","method":"","inputs":[],"output":null,"params":[],"query":null,"findings":[],"kpis":[{kpis}],"effects":[],"charts":[],"tables":[],"caveats":[],"records":100,"restated":{{"change_min":0.005,"windows":16,"figures":[{figures}],"smaller":0}}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::{super::tests::measured, *};

    #[test]
    fn the_lookup_excludes_the_start() {
        let start = measured(0.25, 0.0, 0);
        assert_eq!(lookup(measured(0.75, 0.0, 0), start), 0.5);
        assert_eq!(lookup(measured(0.125, 0.0, 0), start), 0.0);
    }

    #[test]
    fn some_runs_restate_the_day_before() {
        let cell = cell(LAST_DAY, true);
        assert_eq!(cell.matches(r#""name":"Figure "#).count(), FIGURES);
        assert!(cell.contains(r#""window":"2026-11-15","metric":"Figure 0""#));
        assert!(!super::cell(LAST_DAY, false).contains("late_records"));
        let restating = (0..RUNS).filter(|day| day % INTERVAL == 1).count();
        assert_eq!(restating as i64, RUNS / INTERVAL);
    }
}
