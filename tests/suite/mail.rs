//! Mail from the command line: messages as files, a scheduled run that sends its reports once, and
//! refused recipients.

use super::support::*;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

const JOB: &str = r#"
title = "Tickets"
window = "day"
timezone = "UTC"
[schedule]
cron = "0 0 1 1 *"
[source.tickets]
uri = "tickets/*.jsonl"
contract = "ticket"
[stage.all]
kind = "sql"
query = "select count(*) as tickets from tickets"
[report.executive]
to = ["ada@example.org", "refused@example.org"]
"#;

const TICKET: &str = r#"{"id": "1", "created_at": "2026-01-05T10:00:00Z", "type": "failure", "component": "api", "status": "open", "title": "Down"}
"#;

fn workspace() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("jobs/tickets.toml", JOB);
    let contract = root().join("jobs/contracts/ticket.toml");
    scratch.write(
        "jobs/contracts/ticket.toml",
        std::fs::read(contract).unwrap(),
    );
    scratch.write("tickets/all.jsonl", TICKET);
    scratch
}

/// Messages that a server accepted, with their recipients.
type Accepted = Arc<Mutex<Vec<(String, String)>>>;

/// Starts a local server that permanently refuses the recipient "refused", and returns its port.
fn server() -> (u16, Accepted) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Accepted::default();
    let messages = Arc::clone(&accepted);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // An error, such as a closed connection, ends only its own session.
            let _ = session(&stream, &messages);
        }
    });
    (port, accepted)
}

fn session(mut stream: &TcpStream, messages: &Accepted) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut to = String::new();
    stream.write_all(b"220 here\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let word = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase();
        let reply: &[u8] = match word.as_str() {
            "RCPT" if line.contains("refused@") => b"550 no such person\r\n",
            "RCPT" => {
                to = line;
                b"250 ok\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut message = String::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    message.push_str(&line);
                    message.push('\n');
                }
                messages.lock().unwrap().push((to.clone(), message));
                b"250 kept\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => b"250 ok\r\n",
        };
        stream.write_all(reply)?;
    }
    Ok(())
}

fn settings(port: u16) -> String {
    format!(
        "from = \"Reports <reports@example.org>\"\n[server]\nhost = \"127.0.0.1\"\nport = {port}\n\
         tls = \"loopback-plaintext\"\n"
    )
}

#[test]
fn messages_are_written_to_a_folder_without_a_server() {
    let scratch = workspace();
    let folder = scratch.path();
    retrocast_in(folder, &["run", "tickets", "--date", "2026-01-06"]).expect(0);
    let result = retrocast_in(folder, &["deliver", "latest", "--dry-run", "mail"]).expect(0);
    let listed = &result.stdout;
    assert!(
        listed.contains("ada-example.org-") && listed.contains("refused-example.org-"),
        "{listed}"
    );
    let files: Vec<_> = std::fs::read_dir(scratch.join("mail")).unwrap().collect();
    assert_eq!(files.len(), 2);
    let ada = files
        .into_iter()
        .map(|file| file.unwrap().path())
        .find(|path| path.to_string_lossy().contains("ada"));
    let text = String::from_utf8(std::fs::read(ada.unwrap()).unwrap()).unwrap();
    for part in [
        "Message-ID: <",
        "List-ID: ",
        "To: ada@example.org",
        "multipart/",
        "application/pdf",
        "text/html",
    ] {
        assert!(text.contains(part), "{part}: {text:.2000}");
    }

    let result = retrocast_in(folder, &["deliver", "latest"]).expect(2);
    assert_stderr(&result, &["mail.toml", "host = "]);
    let result = retrocast_in(folder, &["deliver", "latest", "--report", "technical"]).expect(2);
    assert_stderr(&result, &["no report \"technical\"; reports: executive"]);
}

#[test]
fn a_scheduled_run_sends_its_report_once_and_reports_refusals() {
    let scratch = workspace();
    let folder = scratch.path();
    let (port, accepted) = server();
    scratch.write("mail.toml", settings(port));
    retrocast_in(folder, &["mail", "check"]).expect(0);
    // A run started by hand sends nothing unless requested.
    retrocast_in(folder, &["run", "tickets", "--date", "2026-01-06"]).expect(0);
    assert!(accepted.lock().unwrap().is_empty());

    let result = retrocast_in(folder, &["schedule", "tick"]).expect(0);
    assert_stderr(&result, &["executive to ada@example.org: accepted"]);
    let count = || accepted.lock().unwrap().len();
    assert_eq!(count(), 1, "{}", result.stderr);
    let (to, message) = accepted.lock().unwrap()[0].clone();
    assert!(
        to.contains("ada@example.org") && message.contains("Subject: "),
        "{to}"
    );
    let status = retrocast_in(folder, &["status"]).expect(0);
    for words in [
        "mail: executive to ada@example.org: accepted",
        "mail: executive to refused@example.org: refused",
        "no such person",
    ] {
        assert!(status.stdout.contains(words), "{words}: {}", status.stdout);
    }

    // Nothing is sent twice, by the schedule or by hand; refused recipients are retried on request.
    retrocast_in(folder, &["schedule", "tick"]).expect(0);
    let newest = runs(&scratch.join("reports"), "tickets")
        .into_iter()
        .find(|run| run.join("deliveries.jsonl").is_file());
    let run = newest.unwrap().display().to_string();
    let result = retrocast_in(folder, &["deliver", &run]).expect(1);
    assert_eq!(count(), 1, "{}", result.stdout);
    assert_stderr(&result, &["executive to ada@example.org: already accepted"]);
}

#[test]
fn partial_and_failed_runs_are_delivered_as_such() {
    let scratch = workspace();
    let folder = scratch.path();
    let (port, accepted) = server();
    scratch.write("mail.toml", settings(port));
    let broken = "[stage.broken]\nkind = \"sql\"\noptional = true\n\
                  query = \"select cast(component as bigint) as n from tickets\"\n[report.executive]";
    let job = JOB.replace("[report.executive]", broken);
    scratch.write(
        "jobs/tickets.toml",
        job.replace(", \"refused@example.org\"", ""),
    );
    retrocast_in(folder, &["run", "tickets", "--date", "2026-01-06"]).expect(3);
    retrocast_in(folder, &["deliver", "latest"]).expect(0);
    std::fs::remove_file(scratch.join("tickets/all.jsonl")).unwrap();
    retrocast_in(folder, &["run", "tickets", "--date", "2026-01-07"]).expect(1);
    let result = retrocast_in(folder, &["deliver", "latest"]).expect(0);
    assert!(
        result.stdout.contains("to ada@example.org: accepted"),
        "{}",
        result.stdout
    );
    let messages: Vec<String> = accepted
        .lock()
        .unwrap()
        .iter()
        .map(|(_, message)| message.replace("=\n", ""))
        .collect();
    assert_eq!(messages.len(), 2);
    for (message, parts) in messages.iter().zip([
        ["partial:", "This report is partial.", "broken"],
        [
            "failed:",
            "The executive report could not be created",
            "tickets",
        ],
    ]) {
        for part in parts {
            assert!(message.contains(part), "{part}: {message:.3000}");
        }
    }
}
