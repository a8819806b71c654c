//! Records in object storage: what comes out is what comes out of the same records in a folder, also
//! when every tenth request goes wrong.

use super::support::*;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Names a Python with `moto[server,s3]` in it, as `.ci/run` installs it.
const PYTHON: &str = "RETROCAST_S3_PYTHON";

/// A server that is there until it is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(test: &str, folder: &Path, faults: bool) -> Option<Self> {
        let Some(python) = std::env::var_os(PYTHON) else {
            skipped(test, &format!("{PYTHON} names no Python with moto"));
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

    /// Ends it and tells how many requests there were, and how many of them went wrong.
    fn end(mut self) -> (u64, u64) {
        drop(self.process.stdin.take());
        let mut told = String::new();
        let out = self.process.stdout.as_mut().unwrap();
        out.read_to_string(&mut told).unwrap();
        let counts: Vec<u64> = told
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        (counts[0], counts[1])
    }

    fn retrocast(&self, folder: &Path, arguments: &[&str]) -> Ended {
        let output = Command::new(program())
            .args(arguments)
            .args(["--jobs".as_ref(), root().join("jobs").as_os_str()])
            .args(["--templates".as_ref(), root().join("templates").as_os_str()])
            .current_dir(folder)
            .env_remove("RUST_LOG")
            .env("AWS_ENDPOINT_URL", &self.address)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .output()
            .unwrap();
        Ended {
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

/// The cells of a run, by name, as their bytes.
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

fn same_as_from_a_folder(test: &str, faults: bool) {
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
    let found = runs(&scratch.join("reports"), "weekly-operations").remove(0);
    for name in ["findings.json", "executive.pdf"] {
        assert!(found.join(name).is_file(), "{name}");
    }
    // What names a file names it by its address.
    let plain = |bytes: &[u8], address: &str| String::from_utf8_lossy(bytes).replace(address, "");
    let records = operations().display().to_string();
    assert_eq!(
        plain(
            &fs::read(found.join("findings.json")).unwrap(),
            "s3://records/operations"
        ),
        plain(&fs::read(expected.join("findings.json")).unwrap(), &records)
    );
    assert_eq!(cells(&found).len(), cells(expected).len());
    for (ours, theirs) in cells(&found).into_iter().zip(cells(expected)) {
        assert_eq!(
            plain(&ours.1, "s3://records/operations"),
            plain(&theirs.1, &records),
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
    assert!(again.stdout.contains("23 reused"), "{}", again.stdout);
    assert_eq!(
        rows(scratch.path(), "select count(*) from tickets__manifest"),
        before
    );
    let (requests, wrong) = server.end();
    eprintln!("{test}: {requests} requests, {wrong} went wrong");
    assert_eq!(wrong > 0, faults);
}

#[test]
fn records_in_object_storage_give_what_they_give_in_a_folder() {
    same_as_from_a_folder("records in object storage", false);
}

#[test]
fn a_storage_that_fails_every_tenth_time_changes_nothing() {
    same_as_from_a_folder("a storage that fails", true);
}

#[test]
fn what_is_not_there_is_told() {
    let empty = Scratch::new();
    let Some(server) = Server::start("storage without records", empty.path(), false) else {
        return;
    };
    let scratch = Scratch::new();
    let run = |records: &str| {
        let set = format!("records={records}");
        let arguments = [
            "run",
            "weekly-operations",
            "--date",
            "2026-11-16",
            "--set",
            &set,
        ];
        server.retrocast(scratch.path(), &arguments)
    };
    let ended = run("s3://records/nothing").expect(1);
    says(
        &ended,
        &["no file in \"s3://records/nothing", "mend the pattern"],
    );
    let ended = run("s3://elsewhere/nothing").expect(1);
    says(&ended, &["s3://elsewhere"]);
    let ended = run("s3://key:secret@records/x").expect(1);
    says(&ended, &["credentials belong in the environment"]);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
}
