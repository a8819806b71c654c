//! Recovery of killed runs, and concurrent runs.

use super::support::{Scratch, json, retrocast_in, root, runs, start_command};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Child,
    time::{Duration, Instant},
};

const JOB: &str = "weekly-operations";

/// The demo's job for one week.
const RUN: &[&str] = &["run", JOB, "--date", "2026-11-16"];
/// The same job for three weeks.
const BACKFILL: &[&str] = &[
    "backfill",
    JOB,
    "--from",
    "2026-10-26",
    "--to",
    "2026-11-16",
];

/// Waits for a process, which must succeed.
fn wait_for_success(child: Child) {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

/// Simulates records for a run of a few seconds.
pub fn few_records(scratch: &Scratch) -> std::path::PathBuf {
    let out = scratch.join("records");
    let folder = out.display().to_string();
    let arguments = ["simulate", &folder, "--seed", "1", "--records", "25000"];
    retrocast_in(scratch.path(), &arguments).expect(0);
    out
}

/// Hashes of the results of a run: plan, findings, cells with the versions of their datasets,
/// PDFs.
fn checksums(run: &Path) -> String {
    fs::read_to_string(run.join("checksums.b3")).unwrap()
}

/// Number of these events per node in the journal.
fn count_events(run: &Path, event: &str) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(run.join("journal.jsonl"))
        .unwrap()
        .lines()
    {
        let row: Value = serde_json::from_str(line).unwrap();
        if row["event"] == event {
            *counts
                .entry(row["node"].as_str().unwrap().to_string())
                .or_default() += 1;
        }
    }
    counts
}

/// A run is killed repeatedly until it finishes. `RETROCAST_KILLS` sets the number of kills;
/// default 25.
#[test]
fn a_killed_run_has_the_same_result() {
    kill_repeatedly(RUN, 1, number_from_environment("RETROCAST_KILLS", 25));
}

/// The same for a backfill; half as many kills, unless `RETROCAST_KILLS` is set.
#[test]
fn a_killed_backfill_has_the_same_results() {
    kill_repeatedly(BACKFILL, 3, number_from_environment("RETROCAST_KILLS", 12));
}

fn number_from_environment(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number"))
    })
}

/// Number of finished runs.
fn count_finished_runs(workspace: &Path) -> usize {
    let base = workspace.join("reports").join(JOB);
    let folders = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let runs = folders(&base)
        .into_iter()
        .flat_map(|window| folders(&window));
    runs.filter(|run| {
        let journal = fs::read_to_string(run.join("journal.jsonl"));
        journal.is_ok_and(|text| text.contains("\"run_finished\""))
    })
    .count()
}

/// A command that was killed repeatedly has the same results as an undisturbed one, and no
/// finished node runs again.
fn kill_repeatedly(command: &[&str], windows: usize, kills: u32) {
    let scratch = Scratch::new();
    let records = few_records(&scratch);
    let undisturbed = Scratch::new();
    let started = Instant::now();
    wait_for_success(start_command(command, undisturbed.path(), &records));
    let duration = started.elapsed();
    let expected = runs(&undisturbed.join("reports"), JOB);
    assert_eq!(expected.len(), windows);

    let (mut killed, mut campaigns, mut resumed) = (0, 0, 0);
    // Kills are spread over the run, and reproducible: multiples of the golden ratio.
    let mut fraction = 0.0_f64;
    while killed < kills {
        campaigns += 1;
        let workspace = Scratch::new();
        loop {
            let mut child = start_command(command, workspace.path(), &records);
            fraction = (fraction + 0.618_033_988_749_895).fract();
            let deadline = Instant::now() + duration.mul_f64(fraction);
            while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            if killed >= kills || child.try_wait().unwrap().is_some() {
                wait_for_success(child);
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            // Killed after the last run had finished: there is nothing to resume.
            if count_finished_runs(workspace.path()) == windows {
                retrocast_in(workspace.path(), &["list"]).expect(0);
                break;
            }
        }
        let actual = runs(&workspace.join("reports"), JOB);
        let names = |runs: &[PathBuf]| -> Vec<_> {
            runs.iter()
                .map(|run| run.components().rev().take(2).collect::<PathBuf>())
                .collect()
        };
        assert_eq!(names(&actual), names(&expected), "campaign {campaigns}");
        for (run, expected) in actual.iter().zip(&expected) {
            assert_eq!(checksums(run), checksums(expected), "campaign {campaigns}");
            assert_eq!(json(&run.join("run.json"))["status"], "complete");
            let finished = count_events(run, "node_finished");
            let repeated: Vec<_> = finished.iter().filter(|(_, times)| **times > 1).collect();
            assert!(
                repeated.is_empty(),
                "finished nodes ran again: {repeated:?}"
            );
            let reused = count_events(run, "node_reused");
            let mut nodes = count_events(expected, "node_finished");
            nodes.append(&mut count_events(expected, "node_reused"));
            assert!(nodes.len() > 20, "{nodes:?}");
            let is_complete = nodes
                .keys()
                .all(|node| finished.contains_key(node) || reused.contains_key(node));
            assert!(is_complete, "the journal lacks a node");
            resumed += count_events(run, "run_resumed").values().sum::<u32>();
        }
    }
    eprintln!("{killed} kills in {campaigns} runs, resumed {resumed} times");
    // A backfill may be killed between two runs.
    assert!(
        resumed * 2 > killed || windows > 1,
        "most kills hit an unstarted run: only {resumed} of {killed} resumed"
    );
}

/// Eight processes start the same job at once: one runs, the others report which process it is.
#[test]
fn one_of_eight_concurrent_processes_runs() {
    let scratch = Scratch::new();
    let records = few_records(&scratch);
    let rounds = number_from_environment("RETROCAST_ROUNDS", 5);
    for round in 1..=rounds {
        let workspace = Scratch::new();
        let children: Vec<Child> = (0..8)
            .map(|_| start_command(RUN, workspace.path(), &records))
            .collect();
        let mut codes = BTreeMap::new();
        for child in children {
            let output = child.wait_with_output().unwrap();
            let code = output.status.code().unwrap_or(-1);
            let stderr = String::from_utf8_lossy(&output.stderr);
            if code == 4 {
                let message = "is already running for 2026-W46 by ";
                assert!(
                    stderr.contains(message) && stderr.contains("process "),
                    "{stderr}"
                );
            }
            *codes.entry(code).or_insert(0) += 1;
        }
        assert_eq!(codes, BTreeMap::from([(0, 1), (4, 7)]), "round {round}");
        assert_eq!(runs(&workspace.join("reports"), JOB).len(), 1);
    }
}

/// Concurrent runs of two windows read the same sources, each of which is ingested once.
#[test]
fn concurrent_windows_share_their_sources() {
    let scratch = Scratch::new();
    let records = few_records(&scratch);
    let workspace = Scratch::new();
    let first = start_command(RUN, workspace.path(), &records);
    let jobs = root().join("jobs").display().to_string();
    let templates = root().join("templates").display().to_string();
    let setting = format!("records={}", records.display());
    let arguments = [
        "run",
        JOB,
        "--window",
        "2026-W45",
        "--set",
        &setting,
        "--jobs",
        &jobs,
        "--templates",
        &templates,
    ];
    retrocast_in(workspace.path(), &arguments).expect(0);
    wait_for_success(first);
    let actual = runs(&workspace.join("reports"), JOB);
    assert_eq!(actual.len(), 2);
    for source in [
        "tickets",
        "decisions",
        "pipelines",
        "metrics",
        "improvements",
    ] {
        let name = format!("source.{source}");
        let reads: u32 = actual
            .iter()
            .map(|run| {
                count_events(run, "node_finished")
                    .get(&name)
                    .copied()
                    .unwrap_or(0)
            })
            .sum();
        assert_eq!(reads, 1, "{name} is ingested once");
    }
}
