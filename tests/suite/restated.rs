//! Restated figures: planted late, corrected, deleted and redefined records, with the right causes.

use super::support::*;
use serde_json::{Value, json as value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const JOB: &str = r#"title = "Tickets"
window = "week"

[source.tickets]
uri = "records/*.jsonl"
contract = "ticket"

[stage.figures]
kind = "kpi"
input = "tickets"
time = "at"
metrics = [
    { name = "Tickets", kind = "count" },
    { name = "Failed", kind = "share", where_column = "status", equals = ["failed"] },
    { name = "Minutes", kind = "mean", value = "minutes", unit = "min" },
]

[report.executive]
[report.technical]
"#;

const CONTRACT: &str = r#"title = "Ticket"
time = "at"
[field.id]
type = "integer"
required = true
[field.at]
type = "timestamp"
required = true
[field.status]
type = "string"
[field.minutes]
type = "number"
[expect]
silence = "zero"
"#;

/// The Mondays of the weeks 2026-W02 to 2026-W08.
const MONDAYS: [&str; 7] = [
    "2026-01-05",
    "2026-01-12",
    "2026-01-19",
    "2026-01-26",
    "2026-02-02",
    "2026-02-09",
    "2026-02-16",
];

fn label(week: usize) -> String {
    format!("2026-W{:02}", week + 2)
}

/// A ticket in memory.
#[derive(Clone)]
struct Ticket {
    id: u64,
    day: i8,
    status: &'static str,
    minutes: u64,
}

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % n
    }
}

/// The tickets of each file.
type Files = BTreeMap<String, (usize, Vec<Ticket>)>;

fn tickets(random: &mut Random, first: u64, count: u64) -> Vec<Ticket> {
    let ticket = |id: u64, random: &mut Random| Ticket {
        id,
        day: random.below(7) as i8,
        status: ["ok", "ok", "failed", "late"][random.below(4) as usize],
        minutes: 10 + random.below(50),
    };
    (first..first + count)
        .map(|id| ticket(id, random))
        .collect()
}

fn write(scratch: &Scratch, files: &Files) {
    for (name, (week, tickets)) in files {
        let monday: jiff::civil::Date = MONDAYS[*week].parse().unwrap();
        let lines = tickets.iter().map(|ticket| {
            let day = monday
                .checked_add(jiff::Span::new().days(ticket.day))
                .unwrap();
            let line = value!({
                "id": ticket.id, "at": format!("{day}T{:02}:00:00Z", ticket.id % 24),
                "status": ticket.status, "minutes": ticket.minutes,
            });
            format!("{line}\n")
        });
        scratch.write(&format!("records/{name}.jsonl"), lines.collect::<String>());
    }
}

/// The figures of each week: tickets, share of the `failed` states, mean of the minutes.
fn figures(files: &Files, failed: &[&str]) -> BTreeMap<(String, String), f64> {
    let mut weeks: BTreeMap<usize, Vec<&Ticket>> = BTreeMap::new();
    for (week, tickets) in files.values() {
        weeks.entry(*week).or_default().extend(tickets);
    }
    let mut figures = BTreeMap::new();
    for (week, tickets) in weeks {
        let n = tickets.len() as f64;
        let share = tickets
            .iter()
            .filter(|ticket| failed.contains(&ticket.status))
            .count() as f64
            / n;
        let minutes = tickets
            .iter()
            .map(|ticket| ticket.minutes as f64)
            .sum::<f64>()
            / n;
        for (name, value) in [("Tickets", n), ("Failed", share), ("Minutes", minutes)] {
            figures.insert((label(week), name.to_string()), value);
        }
    }
    figures
}

fn run(scratch: &Scratch, week: usize) {
    let window = label(week);
    retrocast_in(scratch.path(), &["run", "small", "--window", &window]).expect(0);
}

fn list_restated(scratch: &Scratch, since: &str) -> Vec<Value> {
    let arguments = ["restated", "small", "--since", since, "--json"];
    let listed = retrocast_in(scratch.path(), &arguments).expect(0).stdout;
    serde_json::from_str(&listed).unwrap()
}

/// Restated figures: window and name, with values and causes.
type RestatedFigures = BTreeMap<(String, String), ([f64; 2], BTreeSet<String>)>;

fn parse_restated(listed: &[Value]) -> RestatedFigures {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_string();
    let rows = listed.iter().map(|row| {
        let causes = row["causes"].as_array().unwrap().iter();
        let causes = causes.map(|cause| text(cause, "kind"));
        let values = ["value_from", "value_to"].map(|name| row[name].as_f64().unwrap());
        // The parts of the causes add up to the change.
        let parts = row["causes"].as_array().unwrap().iter();
        let sum: f64 = parts.map(|cause| cause["change"].as_f64().unwrap()).sum();
        assert!((sum - (values[1] - values[0])).abs() < 1e-9, "{row}");
        let key = (text(row, "of_window"), text(row, "metric"));
        (key, (values, causes.collect()))
    });
    rows.collect()
}

/// The figures that changed by at least 0.5 %, with the causes of their window and name.
fn expected(
    before: &BTreeMap<(String, String), f64>,
    after: &BTreeMap<(String, String), f64>,
    causes: impl Fn(&str, &str) -> Vec<&'static str>,
) -> RestatedFigures {
    let mut restated = RestatedFigures::new();
    for (key, old) in before {
        let new = after[key];
        let base = match key.1.as_str() {
            "Failed" => old.min(1.0 - old),
            _ => *old,
        };
        if (new - old).abs() / base >= 0.005 {
            let causes = causes(&key.0, &key.1).into_iter().map(String::from);
            restated.insert(key.clone(), ([*old, new], causes.collect()));
        }
    }
    restated
}

fn check_figures(found: &RestatedFigures, expected: &RestatedFigures, context: &str) {
    let names = |figures: &RestatedFigures| -> Vec<String> {
        let names = figures.iter();
        names
            .map(|(key, (_, causes))| format!("{key:?} {causes:?}"))
            .collect()
    };
    assert_eq!(names(found), names(expected), "{context}");
    for (key, (values, _)) in expected {
        for (value, found) in values.iter().zip(found[key].0) {
            assert!(
                (value - found).abs() < 1e-9,
                "{context} {key:?}: {value} {found}"
            );
        }
    }
}

/// Writes five weeks and runs each week after its end.
fn publish(scratch: &Scratch, random: &mut Random) -> Files {
    let mut files = Files::new();
    for week in 0..5 {
        let name = format!("w{week}");
        files.insert(name, (week, tickets(random, week as u64 * 1000, 60)));
        write(scratch, &files);
        run(scratch, week);
    }
    files
}

/// A workspace whose tickets are identified by `id`, or only by file and line.
fn workspace(keyed: bool) -> Scratch {
    let scratch = workspace_of("small", JOB);
    let key = if keyed { "key = [\"id\"]\n" } else { "" };
    scratch.write("jobs/contracts/ticket.toml", format!("{key}{CONTRACT}"));
    scratch
}

/// Plants one change of the records in each of three weeks, chosen by the seed.
fn plant(files: &mut Files, random: &mut Random) -> BTreeMap<String, &'static str> {
    let mut weeks = vec![0, 1, 2, 3, 4];
    let mut choose = || weeks.remove(random.0 as usize % weeks.len());
    let [late, corrected, deleted] = [choose(), choose(), choose()];
    let count = 1 + random.below(9);
    let added = tickets(random, 90_000, count);
    files.insert("late".to_string(), (late, added));
    for ticket in &mut files.get_mut(&format!("w{corrected}")).unwrap().1[10..20] {
        ticket.minutes += 25;
    }
    let tickets = &mut files.get_mut(&format!("w{deleted}")).unwrap().1;
    tickets.truncate(60 - 1 - random.below(10) as usize);
    BTreeMap::from([
        (label(late), "late_records"),
        (label(corrected), "corrected_records"),
        (label(deleted), "deleted_records"),
    ])
}

#[test]
fn restated_figures_are_listed_with_their_causes_and_no_others() {
    for seed in 1..=6 {
        let context = format!("seed {seed}");
        let mut random = Random(seed);
        let scratch = workspace(seed % 2 == 0);
        let mut files = publish(&scratch, &mut random);
        let before = figures(&files, &["failed"]);
        assert_eq!(
            list_restated(&scratch, "2026-W02"),
            [Value::Null; 0],
            "{context}: nothing changed"
        );

        let planted = plant(&mut files, &mut random);
        files.insert("w5".to_string(), (5, tickets(&mut random, 5000, 60)));
        write(&scratch, &files);
        run(&scratch, 5);
        let after = figures(&files, &["failed"]);
        let causes = |window: &str, _: &str| planted.get(window).into_iter().copied().collect();
        let expected_figures = expected(&before, &after, causes);
        assert!(!expected_figures.is_empty(), "{context}");
        let listed = parse_restated(&list_restated(&scratch, "2026-W07"));
        check_figures(&listed, &expected_figures, &context);

        // The share gets another definition, and one week gets a late record at the same time.
        // Figures that were restated before are not listed again.
        let job = JOB.replace("equals = [\"failed\"]", "equals = [\"failed\", \"late\"]");
        scratch.write("jobs/small.toml", job);
        let mut added = tickets(&mut random, 95_000, 6);
        added.iter_mut().for_each(|ticket| ticket.status = "failed");
        files.insert("later".to_string(), (3, added));
        files.insert("w6".to_string(), (6, tickets(&mut random, 6000, 60)));
        write(&scratch, &files);
        run(&scratch, 6);
        let redefined = figures(&files, &["failed", "late"]);
        let published: BTreeMap<_, _> = after
            .iter()
            .map(|(key, value)| {
                let is_restated = listed.contains_key(key) || key.0 == label(5);
                // Smaller changes do not affect the published figures.
                (key.clone(), if is_restated { *value } else { before[key] })
            })
            .collect();
        let is_unpublished = |key: &(String, String)| published[key] != after[key];
        let causes = |window: &str, metric: &str| {
            let is_late = window == label(3);
            let mut causes = Vec::new();
            if metric == "Failed" {
                causes.push("changed_job");
            }
            if is_late {
                causes.push("late_records");
            }
            let key = (window.to_string(), metric.to_string());
            if is_unpublished(&key) {
                causes.extend(planted.get(window).copied());
            }
            causes
        };
        let expected_figures = expected(&published, &redefined, causes);
        let listed = parse_restated(&list_restated(&scratch, "2026-W08"));
        check_figures(&listed, &expected_figures, &format!("{context}, redefined"));
        assert_report(&scratch, &listed);
    }
}

/// Checks that the last reports list the restated figures.
fn assert_report(scratch: &Scratch, figures: &RestatedFigures) {
    let folder = runs(&scratch.join("reports"), "small").pop().unwrap();
    let technical = fs::read_to_string(folder.join("technical.html")).unwrap();
    let executive = fs::read_to_string(folder.join("executive.html")).unwrap();
    assert!(technical.contains("Restated figures"));
    for (window, name) in figures.keys() {
        let row = format!("<th scope=\"row\">{window}</th><td class=\"text\">{name}</td>");
        assert!(technical.contains(&row), "{row}");
    }
    assert!(
        executive.contains("have changed since publication") && executive.contains("Restated: ")
    );
    let shown = retrocast_in(scratch.path(), &["show", "small"])
        .expect(0)
        .stdout;
    assert!(
        shown.contains("restated") && shown.contains("published as"),
        "{shown}"
    );
    let diff = ["diff", "small/2026-W07", "small/2026-W08"];
    let diff = retrocast_in(scratch.path(), &diff).expect(0).stdout;
    assert!(diff.contains("Restated figures"), "{diff}");
}

#[test]
fn changes_below_the_limit_are_one_line() {
    let mut random = Random(7);
    let scratch = workspace(true);
    let mut files = publish(&scratch, &mut random);
    for ticket in &mut files.get_mut("w1").unwrap().1[..10] {
        ticket.minutes += 25;
    }
    let job = format!("{JOB}\n[restatement]\nchange_min = 0.9\n");
    scratch.write("jobs/small.toml", job);
    write(&scratch, &files);
    run(&scratch, 4);
    assert_eq!(list_restated(&scratch, "2026-W02"), [Value::Null; 0]);
    // The window has two runs: the published run and this run.
    let reports = runs(&scratch.join("reports"), "small").into_iter();
    let mut reports = reports.map(|run| fs::read_to_string(run.join("report.json")).unwrap());
    let line = "1\u{a0}figure of earlier windows changed by less than 90\u{a0}%.";
    assert!(
        reports.any(|report| report.contains(line)),
        "no report has the line"
    );
    let text = retrocast_in(scratch.path(), &["restated", "small"])
        .expect(0)
        .stdout;
    assert!(text.contains("no figure of small was restated"), "{text}");
    let wrong = ["restated", "small", "--since", "soon"];
    assert_stderr(
        &retrocast_in(scratch.path(), &wrong).expect(2),
        &["--since"],
    );
}

#[test]
fn a_changed_build_is_a_cause() {
    let mut random = Random(8);
    let scratch = workspace(true);
    let mut files = Files::from([("w0".to_string(), (0, tickets(&mut random, 0, 60)))]);
    write(&scratch, &files);
    run(&scratch, 0);
    // An older program, whose code counted tickets differently.
    let folder = runs(&scratch.join("reports"), "small").pop().unwrap();
    let change = |name: &str, edit: &dyn Fn(&mut Value)| {
        let path = folder.join(name);
        let mut content = json(&path);
        edit(&mut content);
        fs::write(&path, content.to_string()).unwrap();
    };
    change("plan.json", &|plan| {
        let nodes = plan["nodes"].as_array_mut().unwrap();
        let stage = nodes
            .iter_mut()
            .find(|node| node["name"] == "stage.figures");
        stage.unwrap()["code_version"] = 1.into();
    });
    change("cells/figures.json", &|cell| {
        cell["kpis"][0]["value"] = 50.into();
    });
    files.insert("w1".to_string(), (1, tickets(&mut random, 1000, 60)));
    write(&scratch, &files);
    run(&scratch, 1);
    let listed = parse_restated(&list_restated(&scratch, "2026-W02"));
    let causes = BTreeSet::from(["changed_build".to_string()]);
    let key = (label(0), "Tickets".to_string());
    assert_eq!(
        listed,
        RestatedFigures::from([(key, ([50.0, 60.0], causes))])
    );
}

/// Kills a run of the last week once its stage has started, and runs it again.
fn run_interrupted(scratch: &Scratch, week: usize) {
    let mut child = Command::new(program())
        .args(["run", "small", "--window", &label(week)])
        .current_dir(scratch.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = |folder: &Path| {
        let journals = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut journals = journals.map(|run| run.path().join("journal.jsonl"));
        journals.any(|journal| {
            let text = fs::read_to_string(journal);
            text.is_ok_and(|text| text.contains("stage.figures"))
        })
    };
    let folder = scratch.join("reports/small").join(label(week));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !started(&folder) && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "the run does not start");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    run(scratch, week);
}

#[test]
fn interrupted_runs_and_reruns_restate_the_same_figures() {
    let [undisturbed, interrupted] = [false, true].map(|is_interrupted| {
        let mut random = Random(9);
        let scratch = workspace(true);
        let mut files = publish(&scratch, &mut random);
        plant(&mut files, &mut random);
        files.insert("w5".to_string(), (5, tickets(&mut random, 5000, 60)));
        write(&scratch, &files);
        if is_interrupted {
            run_interrupted(&scratch, 5);
        } else {
            run(&scratch, 5);
        }
        scratch
    });
    let [expected, actual] = [&undisturbed, &interrupted]
        .map(|scratch| parse_restated(&list_restated(scratch, "2026-W02")));
    assert!(!expected.is_empty());
    assert_eq!(actual, expected);
    let report = |scratch: &Scratch| {
        let folder = runs(&scratch.join("reports"), "small").pop().unwrap();
        fs::read(folder.join("technical.pdf")).unwrap()
    };
    let first = report(&interrupted);
    assert_eq!(
        report(&undisturbed),
        first,
        "an interruption changes no byte"
    );
    // A rerun compares with the figures that were published then, not with those published now.
    retrocast_in(interrupted.path(), &["rerun", "small/2026-W07"]).expect(0);
    let all_runs = runs(&interrupted.join("reports"), "small");
    assert_eq!(all_runs.len(), 7, "{all_runs:?}");
    assert_eq!(report(&interrupted), first);
    assert_eq!(
        parse_restated(&list_restated(&interrupted, "2026-W02")),
        expected
    );
}
