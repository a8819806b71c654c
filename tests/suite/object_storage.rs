//! Records, lake and archive in object storage: the results are the same as in a folder, even if
//! every tenth request fails, and machines that share a lake do not interfere with each other.

use super::{recovery::few_records, support::*};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Variable with the path of a Python that has `moto[server,s3]`, as installed by `.ci/run`.
const PYTHON: &str = "RETROCAST_S3_PYTHON";

/// An S3 server that runs until it is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(test: &str, folder: &Path, faults: bool) -> Option<Self> {
        let Some(python) = std::env::var_os(PYTHON) else {
            report_skipped(test, &format!("{PYTHON} names no Python with moto"));
            return None;
        };
        let mut process = Command::new(python)
            .arg(root().join("tests/suite/s3_server.py.txt"))
            .arg(folder)
            .arg(u8::from(faults).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let out = process.stdout.as_mut().unwrap();
        BufReader::with_capacity(1, out)
            .read_line(&mut address)
            .unwrap();
        let address = address.trim().to_string();
        assert!(address.starts_with("http://"), "the server did not start");
        Some(Self { process, address })
    }

    /// Stops the server; returns the numbers of requests and of failed requests.
    fn stop(mut self) -> (u64, u64) {
        drop(self.process.stdin.take());
        let mut text = String::new();
        let out = self.process.stdout.as_mut().unwrap();
        out.read_to_string(&mut text).unwrap();
        let counts: Vec<u64> = text
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        (counts[0], counts[1])
    }

    /// A command on a machine, which is a folder with its own cache.
    fn command(&self, machine: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .args(["--jobs".as_ref(), root().join("jobs").as_os_str()])
            .args(["--templates".as_ref(), root().join("templates").as_os_str()])
            .current_dir(machine)
            .env_remove("RUST_LOG")
            .env("RETROCAST_CACHE", machine.join("cache"))
            .env("AWS_ENDPOINT_URL", &self.address)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        command
    }

    fn retrocast(&self, machine: &Path, arguments: &[&str]) -> CommandResult {
        let output = self.command(machine, arguments).output().unwrap();
        Self::command_result(&output)
    }

    fn command_result(output: &std::process::Output) -> CommandResult {
        CommandResult {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The cells of a run as bytes, by name.
fn cells(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut cells: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(run.join("cells"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap()))
        .collect();
    cells.sort();
    cells
}

fn rows(folder: &Path, query: &str) -> String {
    let arguments = [
        "lake",
        "query",
        "weekly-operations",
        query,
        "--csv",
        "--rows",
        "10000000",
    ];
    retrocast_in(folder, &arguments).expect(0).stdout
}

fn check_records(test: &str, faults: bool) {
    let Some(server) = Server::start(test, operations(), faults) else {
        return;
    };
    let (local, expected) = demo();
    let scratch = Scratch::new();
    let arguments = [
        "--date",
        "2026-11-16",
        "--set",
        "records=s3://records/operations",
    ];
    let run = [&["run", "weekly-operations"][..], &arguments].concat();
    server.retrocast(scratch.path(), &run).expect(0);
    let run_folder = runs(&scratch.join("reports"), "weekly-operations").remove(0);
    for name in ["findings.json", "executive.pdf"] {
        assert!(run_folder.join(name).is_file(), "{name}");
    }
    // The paths of files differ.
    let without_address =
        |bytes: &[u8], address: &str| String::from_utf8_lossy(bytes).replace(address, "");
    let records = operations().display().to_string();
    assert_eq!(
        without_address(
            &fs::read(run_folder.join("findings.json")).unwrap(),
            "s3://records/operations"
        ),
        without_address(&fs::read(expected.join("findings.json")).unwrap(), &records)
    );
    assert_eq!(cells(&run_folder).len(), cells(expected).len());
    for (ours, theirs) in cells(&run_folder).into_iter().zip(cells(expected)) {
        assert_eq!(
            without_address(&ours.1, "s3://records/operations"),
            without_address(&theirs.1, &records),
            "{}",
            ours.0.display()
        );
    }
    for query in [
        "select * from tickets",
        "select * from decisions",
        "select line, reason, message, raw from tickets__quarantine",
    ] {
        assert_eq!(
            rows(scratch.path(), query),
            rows(local.path(), query),
            "{query}"
        );
    }
    let before = rows(scratch.path(), "select count(*) from tickets__manifest");
    let again = server.retrocast(scratch.path(), &run).expect(0);
    assert_all_reused(&again);
    assert_eq!(
        rows(scratch.path(), "select count(*) from tickets__manifest"),
        before
    );
    let (requests, failed) = server.stop();
    eprintln!("{test}: {requests} requests, {failed} failed");
    assert_eq!(failed > 0, faults);
}

#[test]
fn records_in_object_storage_give_the_same_results() {
    check_records("records in object storage", false);
}

#[test]
fn failed_requests_do_not_change_the_results() {
    check_records("a storage that fails", true);
}

#[test]
fn missing_records_are_reported() {
    let empty = Scratch::new();
    let Some(server) = Server::start("storage without records", empty.path(), false) else {
        return;
    };
    let scratch = Scratch::new();
    let run = |records: &str| {
        let setting = format!("records={records}");
        let arguments = [
            "run",
            "weekly-operations",
            "--date",
            "2026-11-16",
            "--set",
            &setting,
        ];
        server.retrocast(scratch.path(), &arguments)
    };
    let result = run("s3://records/nothing").expect(1);
    assert_stderr(
        &result,
        &["no file in \"s3://records/nothing", "fix the pattern"],
    );
    let result = run("s3://elsewhere/nothing").expect(1);
    assert_stderr(&result, &["s3://elsewhere"]);
    let result = run("s3://key:secret@records/x").expect(1);
    assert_stderr(&result, &["credentials belong in the environment"]);
    assert!(!result.stderr.contains("secret"), "{}", result.stderr);
}

/// A lake and an archive in the server's bucket.
const REMOTE: [&str; 4] = [
    "--lake",
    "s3://records/lake",
    "--reports",
    "s3://records/reports",
];
const RECORDS: [&str; 2] = ["--set", "records=s3://records/operations"];

/// Checks that the run reused every node.
fn assert_all_reused(result: &CommandResult) {
    let stdout = result.stdout.replace('\u{a0}', " ");
    assert!(stdout.contains(": 0 nodes executed, 26 reused"), "{stdout}");
}

/// The only run in the archive that a machine uses.
fn only_run(server: &Server, machine: &Path, locations: &[&str]) -> serde_json::Value {
    let list = [&["list", "--json"][..], locations].concat();
    let result = server.retrocast(machine, &list).expect(0);
    let runs: Vec<serde_json::Value> = serde_json::from_str(&result.stdout).unwrap();
    assert_eq!(runs.len(), 1, "{}", result.stdout);
    runs[0].clone()
}

/// All files below a folder, sorted by relative path, with their contents.
fn files(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut folders = vec![root.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((
                    path.strip_prefix(root).unwrap().into(),
                    fs::read(&path).unwrap(),
                ));
            }
        }
    }
    files.sort();
    files
}

/// The only run folder below a folder.
fn find_run(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        if folder.join("plan.json").is_file() {
            return folder;
        }
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        folders.extend(entries.filter(|path| path.is_dir()));
    }
    panic!("no run below {}", folder.display());
}

fn check_lake_and_archive(test: &str, faults: bool) {
    let Some(server) = Server::start(test, operations(), faults) else {
        return;
    };
    let run = [
        &["run", "weekly-operations", "--date", "2026-11-16"][..],
        &RECORDS,
    ]
    .concat();
    let local = Scratch::new();
    server.retrocast(local.path(), &run).expect(0);
    let remote = Scratch::new();
    let run_remotely = [&run[..], &REMOTE].concat();
    let result = server.retrocast(remote.path(), &run_remotely).expect(0);
    assert!(
        result.stdout.contains("s3://records/reports"),
        "{}",
        result.stdout
    );
    assert!(!remote.join("data").exists() && !remote.join("reports").exists());

    // The results of a run are equal, except for files with times.
    let with_times = ["journal.jsonl", "run.json", "run.js", "index.html"];
    let results = |folder: &Path| {
        let mut files = files(&find_run(folder));
        files.retain(|(name, _)| !with_times.iter().any(|file| name.ends_with(file)));
        files
    };
    let (ours, theirs) = (results(remote.path()), results(local.path()));
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&ours), names(&theirs));
    assert!(names(&ours).contains(&PathBuf::from("executive.pdf")));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!(ours.1 == theirs.1, "{} differs", ours.0.display());
    }

    // Another machine finds the run, its outcomes and its rows.
    let other = Scratch::new();
    assert_eq!(
        only_run(&server, other.path(), &REMOTE)["status"],
        "complete"
    );
    for (ours, theirs) in results(other.path()).iter().zip(&ours) {
        assert!(ours == theirs, "{} differs", ours.0.display());
    }
    let again = server.retrocast(other.path(), &run_remotely).expect(0);
    assert_all_reused(&again);
    let query = "select count(*) as n, sum(minutes_to_resolve) as minutes from tickets";
    let ask = |machine: &Path, locations: &[&str]| {
        let arguments = [
            &["lake", "query", "weekly-operations", query, "--csv"][..],
            locations,
        ]
        .concat();
        server.retrocast(machine, &arguments).expect(0).stdout
    };
    assert_eq!(ask(other.path(), &REMOTE), ask(local.path(), &[]));
    // Both runs are in the ledger, each once; queries read the newest.
    let query = "select id, state, since from ledger.findings";
    let ask_ledger = |machine: &Path, query: &str, locations: &[&str]| {
        let arguments = ["lake", "query", "weekly-operations", query, "--csv"];
        let arguments = [&arguments[..], locations].concat();
        server.retrocast(machine, &arguments).expect(0).stdout
    };
    let published = ask_ledger(other.path(), query, &REMOTE);
    assert!(published.lines().count() > 10, "{published}");
    assert_eq!(published, ask_ledger(local.path(), query, &[]));
    let query = "select count(*), count(distinct publication) from ledger__runs";
    let runs = ask_ledger(remote.path(), query, &REMOTE);
    assert!(runs.ends_with("\n2,2\n"), "{runs}");
    let gc = [&["lake", "gc", "weekly-operations"][..], &REMOTE].concat();
    server.retrocast(other.path(), &gc).expect(0);
    assert_eq!(ask(remote.path(), &REMOTE), ask(local.path(), &[]));
    let (requests, failed) = server.stop();
    eprintln!("{test}: {requests} requests, {failed} failed");
    assert_eq!(failed > 0, faults);
}

#[test]
fn lake_and_archive_in_object_storage_have_the_same_contents() {
    check_lake_and_archive("lake in object storage", false);
}

#[test]
fn failed_requests_do_not_change_the_lake() {
    check_lake_and_archive("lake in a storage that fails", true);
}

/// Number of times that machines race for a window; `RETROCAST_ROUNDS` overrides it.
fn rounds() -> u32 {
    let rounds = std::env::var("RETROCAST_ROUNDS").ok();
    rounds.map_or(3, |text| text.parse().unwrap())
}

#[test]
fn one_of_eight_concurrent_machines_runs() {
    let scratch = Scratch::new();
    let records = few_records(&scratch);
    let test = "eight concurrent machines";
    let Some(server) = Server::start(test, &records, false) else {
        return;
    };
    for round in 1..=rounds() {
        let machines: Vec<Scratch> = (0..8).map(|_| Scratch::new()).collect();
        let lake = format!("s3://records/lake-{round}");
        let reports = format!("s3://records/reports-{round}");
        let mut processes = Vec::new();
        for machine in &machines {
            let run = ["run", "weekly-operations", "--date", "2026-11-16"];
            let locations = ["--lake", &lake, "--reports", &reports];
            let mut command =
                server.command(machine.path(), &[&run[..], &RECORDS, &locations].concat());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            processes.push(command.spawn().unwrap());
        }
        let mut successes = 0;
        for process in processes {
            let result = Server::command_result(&process.wait_with_output().unwrap());
            if result.code == 0 {
                successes += 1;
            } else {
                let refused = result.expect(4);
                assert_stderr(
                    &refused,
                    &["is already running for 2026-W46 by ", "process "],
                );
            }
        }
        assert_eq!(successes, 1, "round {round}");
    }
}

/// A machine is killed during a run: another machine reuses its finished nodes, and has the
/// same results.
#[test]
fn another_machine_resumes_the_run_of_a_killed_machine() {
    let scratch = Scratch::new();
    let records = few_records(&scratch);
    let test = "a killed machine";
    let Some(server) = Server::start(test, &records, false) else {
        return;
    };
    let run = [
        &["run", "weekly-operations", "--date", "2026-11-16"][..],
        &RECORDS,
    ]
    .concat();
    let local = Scratch::new();
    server.retrocast(local.path(), &run).expect(0);
    let run_remotely = [&run[..], &REMOTE].concat();
    let (first, second) = (Scratch::new(), Scratch::new());
    let mut command = server.command(first.path(), &run_remotely);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // Some nodes have finished, but not the reports.
    let lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let done = lines
        .map_while(Result::ok)
        .filter(|line| line.starts_with("done"));
    assert_eq!(done.take(7).count(), 7);
    process.kill().unwrap();
    process.wait().unwrap();
    let result = server.retrocast(second.path(), &run_remotely).expect(0);
    let reused = result
        .stdout
        .split(", ")
        .find_map(|part| part.strip_suffix(" reused"));
    let reused: u32 = reused.unwrap().parse().unwrap();
    assert!(reused >= 7, "{}", result.stdout);
    let checksums =
        |folder: &Path| fs::read_to_string(find_run(folder).join("checksums.b3")).unwrap();
    assert_eq!(checksums(second.path()), checksums(local.path()));
    // The run is complete for the killed machine, too.
    assert_eq!(
        only_run(&server, first.path(), &REMOTE)["status"],
        "complete"
    );
}
