//! The lake contains the rows that the last run read, without outdated, removed or uncommitted
//! rows.

use super::support::*;
use std::process::Command;

const JOB: &str = r#"title = "Small"
window = "week"

[source.tickets]
uri = "records/*"
contract = "ticket"

[report.executive]
"#;

/// A contract with a numeric field of this type, and with hashed mail addresses.
fn contract(number: &str) -> String {
    format!(
        "title = \"Ticket\"\nkey = [\"mail\"]\n[field.mail]\ntype = \"string\"\npersonal = \"hash\"\n\
         [field.n]\ntype = \"{number}\"\n[field.ip]\ntype = \"string\"\npersonal = \"drop\"\n"
    )
}

fn workspace() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("jobs/small.toml", JOB);
    scratch.write("jobs/contracts/ticket.toml", contract("integer"));
    scratch
}

fn run(scratch: &Scratch) -> CommandResult {
    retrocast_in(scratch.path(), &["run", "small", "--date", "2026-11-16"]).expect(0)
}

fn line(mail: &str, n: &str) -> String {
    format!("{{\"mail\":\"{mail}@example.org\",\"n\":{n},\"ip\":\"192.0.2.7\"}}\n")
}

/// The result of a query as CSV, without its header.
fn ask(scratch: &Scratch, query: &str) -> Vec<String> {
    let arguments = ["lake", "query", "small", query, "--csv"];
    let csv = retrocast_in(scratch.path(), &arguments).expect(0).stdout;
    csv.lines().skip(1).map(str::to_string).collect()
}

#[test]
fn fixed_records_are_ingested_and_leave_the_quarantine() {
    let scratch = workspace();
    scratch.write("records/a.jsonl", line("a", "1.0") + &line("b", "\"x\""));
    let result = run(&scratch);
    assert_stderr(&result, &["1\u{a0}record was set aside: wrong type 1"]);
    let quarantine = "select file, line from tickets__quarantine";
    assert_eq!(ask(&scratch, quarantine), ["records/a.jsonl,2"]);
    // After the contract is fixed, the record is ingested without further action.
    scratch.write("jobs/contracts/ticket.toml", contract("json"));
    run(&scratch);
    assert_eq!(ask(&scratch, quarantine), [""; 0]);
    assert_eq!(ask(&scratch, "select count(*) from tickets"), ["2"]);
    // The same happens if the record is fixed instead.
    scratch.write("jobs/contracts/ticket.toml", contract("integer"));
    run(&scratch);
    assert_eq!(ask(&scratch, quarantine), ["records/a.jsonl,2"]);
    scratch.write("records/a.jsonl", line("a", "1") + &line("b", "2"));
    run(&scratch);
    assert_eq!(ask(&scratch, quarantine), [""; 0]);
    assert_eq!(
        ask(&scratch, "select n from tickets order by n"),
        ["1", "2"]
    );
}

#[test]
fn the_lake_matches_the_last_run_even_if_its_source_was_reused() {
    let scratch = workspace();
    let ticket = line("a", "1");
    scratch.write("records/a.jsonl", &ticket);
    run(&scratch);
    scratch.write("records/b.jsonl", line("b", "2"));
    run(&scratch);
    let rows = "select n from tickets order by n";
    assert_eq!(ask(&scratch, rows), ["1", "2"]);
    std::fs::remove_file(scratch.join("records/b.jsonl")).unwrap();
    let result = run(&scratch);
    assert_stderr(&result, &["reused   source.tickets"]);
    assert_eq!(ask(&scratch, rows), ["1"]);
    let versions = || ask(&scratch, "select count(*) from tickets__manifest");
    assert_eq!(versions(), ["1"]);
    // No new version is committed if the newest version is already correct.
    let before = retrocast_in(scratch.path(), &["lake", "versions", "small", "tickets"]);
    run(&scratch);
    let after = retrocast_in(scratch.path(), &["lake", "versions", "small", "tickets"]);
    assert_eq!(before.expect(0).stdout, after.expect(0).stdout);
    // The next version follows the newest version.
    scratch.write("records/c.jsonl", line("c", "3"));
    run(&scratch);
    assert_eq!(ask(&scratch, rows), ["1", "3"]);
}

#[test]
fn a_new_key_changes_the_hashes_of_personal_data() {
    let scratch = workspace();
    scratch.write("records/a.jsonl", line("a", "1"));
    let result = run(&scratch);
    assert_stderr(&result, &["hashed without a key", "Set RETROCAST_HASH_KEY"]);
    let mails = || ask(&scratch, "select mail, ip from tickets");
    let unkeyed = mails();
    let keyed = |key: &str| {
        let result = Command::new(program())
            .args(["run", "small", "--date", "2026-11-16"])
            .current_dir(scratch.path())
            .env("RETROCAST_HASH_KEY", key)
            .output()
            .unwrap();
        assert!(result.status.success());
        assert!(!String::from_utf8_lossy(&result.stderr).contains("RETROCAST_HASH_KEY"));
        mails()
    };
    let first = keyed("a text that is long enough to be a key, 1");
    let second = keyed("a text that is long enough to be a key, 2");
    assert!(unkeyed != first && first != second && unkeyed != second);
    assert_eq!(keyed("a text that is long enough to be a key, 2"), second);
    // The field is null because it was dropped, not because the records lack it.
    assert!(second[0].ends_with(','), "{second:?}");
    let check = ["contract", "check", "records/*", "--contract", "ticket"];
    let checked = retrocast_in(scratch.path(), &check).expect(0);
    assert!(!checked.stdout.contains("ip"), "{}", checked.stdout);
}
