//! Notifications from the command line: payloads as files, a webhook that is sent once, failed
//! runs, and secrets that appear nowhere.

use super::support::*;
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const JOB: &str = r#"
title = "Tickets <!channel> [here](https://evil.example)"
window = "day"
timezone = "UTC"
[notify.bus]
kind = "webhook"
url = "${secret.BUS_URL}"
secret = "${secret.BUS_KEY}"
send = "always"
link = "https://reports.example.org/"
[notify.team]
kind = "slack"
url = "${secret.TEAM_URL}"
send = "always"
on = ["failure"]
[notify.office]
kind = "teams"
url = "${secret.OFFICE_URL}"
on = ["success", "partial"]
[source.tickets]
uri = "tickets/*.jsonl"
contract = "ticket"
[stage.all]
kind = "sql"
query = "select count(*) as tickets from tickets"
[report.executive]
"#;

const TICKET: &str = r#"{"id": "1", "created_at": "2026-01-05T10:00:00Z", "type": "failure", "component": "api", "status": "open", "title": "Down"}
"#;

/// Path and body of each request.
type Requests = Arc<Mutex<Vec<(String, Value)>>>;

/// Starts a local server that accepts all requests but the first, and returns its port.
fn server() -> (u16, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Requests::default();
    let received = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = respond(&stream, &received);
        }
    });
    (port, requests)
}

fn respond(mut stream: &TcpStream, received: &Requests) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut path, mut length) = (String::new(), 0);
    for line in reader.by_ref().lines() {
        let line = line?.to_lowercase();
        if let Some(request) = line.strip_prefix("post ") {
            path = request.split(' ').next().unwrap_or_default().to_string();
        } else if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut received = received.lock().unwrap();
    received.push((path, serde_json::from_slice(&body)?));
    let status = if received.len() == 1 {
        "503 busy"
    } else {
        "200 OK"
    };
    let reply = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(reply.as_bytes())
}

fn workspace() -> Scratch {
    let scratch = workspace_of("tickets", JOB);
    let contract = root().join("jobs/contracts/ticket.toml");
    scratch.write(
        "jobs/contracts/ticket.toml",
        std::fs::read(contract).unwrap(),
    );
    scratch.write("tickets/all.jsonl", TICKET);
    scratch
}

/// Runs the program with the secrets of the job, on a server at this port.
fn run(folder: &Path, port: u16, arguments: &[&str]) -> CommandResult {
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}-t0psecret");
    let output = Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1")
        .env("BUS_URL", url("bus"))
        .env("BUS_KEY", KEY)
        .env("TEAM_URL", url("team"))
        .env("OFFICE_URL", url("office"))
        .output()
        .unwrap();
    CommandResult {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Checks that no file below a folder contains a text.
fn assert_no_file_contains(folder: &Path, text: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_no_file_contains(&path, text);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let is_present = bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes());
            assert!(!is_present, "{} contains {text}", path.display());
        }
    }
}

#[test]
fn payloads_are_written_to_a_folder_without_secrets() {
    let scratch = workspace();
    let folder = scratch.path();
    // Without the secrets, the run succeeds and the error names the variable.
    let result = retrocast_in(folder, &["run", "tickets", "--date", "2026-01-06"]).expect(0);
    assert_stderr(&result, &["notification bus", "BUS_URL is not set"]);
    retrocast_in(folder, &["deliver", "latest", "--dry-run", "out"]).expect(0);
    let files = std::fs::read_dir(scratch.join("out")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let names = files
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap());
    let names: Vec<String> = names.map(|name| name[..4].to_string()).collect();
    assert_eq!(names, ["bus-", "offi"], "no notification of a failure");
    let event = json(&files[0]);
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "retrocast.run.completed");
    assert_eq!(
        event["data"]["title"],
        "Tickets <!channel> [here](https://evil.example)"
    );
    let link = event["data"]["links"]["page"].as_str().unwrap();
    assert!(
        link.starts_with("https://reports.example.org/tickets/2026-01-05/"),
        "{link}"
    );
    let card = json(&files[1]);
    assert_eq!(card["attachments"][0]["content"]["type"], "AdaptiveCard");
}

#[test]
fn notifications_are_retried_with_the_same_id_and_sent_once() {
    let scratch = workspace();
    let folder = scratch.path();
    let (port, requests) = server();
    let day = ["run", "tickets", "--date", "2026-01-06"];
    let result = run(folder, port, &day).expect(0);
    assert_stderr(&result, &["webhook: executive to bus: waiting", "503"]);
    // Teams is notified of scheduled runs only, Slack of failures only.
    assert_eq!(requests.lock().unwrap().len(), 1);
    let result = run(folder, port, &["deliver", "latest"]).expect(0);
    for words in [
        "webhook: executive to bus: accepted",
        "teams: executive to office: accepted",
    ] {
        assert!(result.stdout.contains(words), "{words}: {}", result.stdout);
    }
    let result = run(folder, port, &["deliver", "latest"]).expect(0);
    assert_stderr(&result, &["executive to bus: already accepted"]);
    {
        let requests = requests.lock().unwrap();
        let paths: Vec<&str> = requests.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            ["/bus-t0psecret", "/bus-t0psecret", "/office-t0psecret"]
        );
        assert_eq!(
            requests[0].1, requests[1].1,
            "the same event, and so the same id"
        );
    }

    // A run without records fails, because its source is required.
    std::fs::remove_file(scratch.join("tickets/all.jsonl")).unwrap();
    let failed = ["run", "tickets", "--date", "2026-01-07"];
    let result = run(folder, port, &failed).expect(1);
    assert_stderr(
        &result,
        &[
            "webhook: executive to bus: accepted",
            "slack: executive to team: accepted",
        ],
    );
    let requests = requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 5);
    assert_eq!(requests[3].1["type"], "retrocast.run.failed");
    let text = requests[4].1["text"].as_str().unwrap();
    assert!(
        text.starts_with("Tickets &lt;!channel&gt; [here]"),
        "{text}"
    );
    assert!(text.contains("could not be created"), "{text}");
    for secret in ["t0psecret", &KEY[6..]] {
        assert_no_file_contains(folder, secret);
    }
}

#[test]
fn status_lists_the_state_of_each_notification() {
    let scratch = workspace();
    let folder = scratch.path();
    let schedule = "[schedule]\ncron = \"0 0 1 1 *\"\n[source.tickets]";
    scratch.write(
        "jobs/tickets.toml",
        JOB.replace("[source.tickets]", schedule),
    );
    let (port, _) = server();
    let result = run(folder, port, &["schedule", "tick"]).expect(0);
    assert_stderr(&result, &["webhook: executive to bus: waiting"]);
    let status = run(folder, port, &["status"]).expect(0).stdout;
    for words in [
        "webhook: executive to bus: waiting since ",
        ", 1 attempt, next 20",
        "UTC: 503",
        "teams: executive to office: accepted since ",
    ] {
        assert!(status.contains(words), "{words}: {status}");
    }
    let status = run(folder, port, &["status", "--json"]).expect(0).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    let deliveries = status[0]["deliveries"].as_array().unwrap();
    let states: Vec<[&str; 3]> = deliveries
        .iter()
        .map(|delivery| {
            ["channel", "recipient", "state"].map(|key| delivery[key].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        states,
        [
            ["webhook", "bus", "waiting"],
            ["teams", "office", "accepted"]
        ]
    );
}
