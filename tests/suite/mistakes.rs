//! A job file with mistakes: all of them at once, each with its place and advice.

use super::support::*;

const JOB: &str = r#"title = "Mistakes"
window = "fortnight"
timezone = "Europe/Lundon"
colour = "blue"

[source.tickets]
uri = "tickets.jsonl"
contract = "tickett"

[stage.rhythm]
kind = "temporal_patern"
input = "tickets"

[stage.points]
kind = "change_point"
input = "ticket"
time = 17

[report.executive]
"#;

const CONTRACT: &str = "title = \"Ticket\"\n[field.id]\ntype = \"string\"\n";

#[test]
fn seven_mistakes_are_seven_located_errors() {
    let scratch = Scratch::new();
    scratch.write("jobs/wrong.toml", JOB);
    scratch.write("jobs/contracts/ticket.toml", CONTRACT);
    let ended = retrocast_in(scratch.path(), &["check", "wrong"]).expect(2);
    let text = format!("{}{}", ended.stdout, ended.stderr);
    for (place, words) in [
        ("wrong.toml:2:10", "fortnight"),
        ("wrong.toml:3:12", "Europe/Lundon"),
        ("wrong.toml:4:1", "colour"),
        ("wrong.toml:8:12", "did you mean `ticket`?"),
        ("wrong.toml:11:8", "did you mean `temporal_pattern`?"),
        ("wrong.toml:16:9", "did you mean `tickets`?"),
        ("wrong.toml:17:8", "`time` must be a string"),
    ] {
        assert!(text.contains(place), "no error at {place}:\n{text}");
        assert!(text.contains(words), "{words:?} is not said:\n{text}");
    }
    assert_eq!(
        text.matches("error:").count(),
        8,
        "7 errors and a closing line:\n{text}"
    );
}

#[test]
fn a_run_of_a_wrong_job_ends_with_the_same_errors_and_code() {
    let scratch = Scratch::new();
    scratch.write("jobs/wrong.toml", JOB);
    scratch.write("jobs/contracts/ticket.toml", CONTRACT);
    for command in ["run", "plan"] {
        let ended = retrocast_in(scratch.path(), &[command, "wrong"]).expect(2);
        assert!(ended.stderr.contains("wrong.toml:11:8"), "{}", ended.stderr);
    }
    assert!(
        !scratch.join("reports").exists(),
        "a wrong job left something behind"
    );
}

#[test]
fn a_cycle_is_named() {
    let scratch = Scratch::new();
    scratch.write(
        "jobs/round.toml",
        "title = \"Round\"\nwindow = \"week\"\n\
         [stage.a]\nkind = \"sql\"\nquery = \"select * from b\"\n\
         [stage.b]\nkind = \"sql\"\nquery = \"select * from a\"\n",
    );
    let ended = retrocast_in(scratch.path(), &["check", "round"]).expect(2);
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        text.contains("a cycle: `a` reads `b`, `b` reads `a`"),
        "{text}"
    );
}

#[test]
fn a_mistake_in_sql_is_located_inside_the_query() {
    let scratch = Scratch::new();
    scratch.write(
        "jobs/sql.toml",
        "title = \"SQL\"\nwindow = \"week\"\n\n[stage.a]\nkind = \"sql\"\nquery = \"\"\"\nselect 1\nfrom from x\n\"\"\"\n",
    );
    let ended = retrocast_in(scratch.path(), &["check", "sql"]).expect(2);
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert!(text.contains("sql.toml:8:"), "{text}");
}
