//! A job file with several errors: all are reported at once, each with its location and advice.

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
fn seven_errors_are_reported_with_their_locations() {
    let scratch = Scratch::new();
    scratch.write("jobs/wrong.toml", JOB);
    scratch.write("jobs/contracts/ticket.toml", CONTRACT);
    let result = retrocast_in(scratch.path(), &["check", "wrong"]).expect(2);
    let text = format!("{}{}", result.stdout, result.stderr);
    for (location, words) in [
        ("wrong.toml:2:10", "fortnight"),
        ("wrong.toml:3:12", "Europe/Lundon"),
        ("wrong.toml:4:1", "colour"),
        ("wrong.toml:8:12", "did you mean `ticket`?"),
        ("wrong.toml:11:8", "did you mean `temporal_pattern`?"),
        ("wrong.toml:16:9", "did you mean `tickets`?"),
        ("wrong.toml:17:8", "`time` must be a string"),
    ] {
        assert!(text.contains(location), "no error at {location}:\n{text}");
        assert!(text.contains(words), "{words:?} is missing:\n{text}");
    }
    assert_eq!(
        text.matches("error:").count(),
        8,
        "7 errors and a summary:\n{text}"
    );
}

#[test]
fn run_and_plan_report_the_errors_of_an_invalid_job() {
    let scratch = Scratch::new();
    scratch.write("jobs/wrong.toml", JOB);
    scratch.write("jobs/contracts/ticket.toml", CONTRACT);
    for command in ["run", "plan"] {
        let result = retrocast_in(scratch.path(), &[command, "wrong"]).expect(2);
        assert!(
            result.stderr.contains("wrong.toml:11:8"),
            "{}",
            result.stderr
        );
    }
    assert!(
        !scratch.join("reports").exists(),
        "an invalid job wrote a report"
    );
}

/// With `--json`, the whole output is JSON, even for an invalid job.
#[test]
fn errors_are_part_of_the_json_output() {
    let scratch = Scratch::new();
    scratch.write("jobs/wrong.toml", JOB);
    scratch.write("jobs/contracts/ticket.toml", CONTRACT);
    let stdout = |arguments: &[&str]| retrocast_in(scratch.path(), arguments).expect(2).stdout;
    let document = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&stdout(arguments)).unwrap()
    };
    let checked = document(&["check", "wrong", "--json"]);
    let errors = checked.as_array().unwrap();
    assert!(errors.len() >= 7, "{checked}");
    for command in [&["plan"][..], &["explain"]] {
        let node = if command[0] == "explain" {
            &["stage.rhythm"][..]
        } else {
            &[]
        };
        let plan = document(&[command, &["wrong"][..], node, &["--json"][..]].concat());
        assert_eq!(plan["diagnostics"], checked, "{command:?}");
    }
    let lines = stdout(&["run", "wrong", "--json"]);
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), errors.len());
    assert!(lines.iter().all(|line| line["event"] == "diagnostic"));
    assert_eq!(lines[0]["line"], checked[0]["line"]);
}

#[test]
fn a_cycle_is_reported() {
    let scratch = Scratch::new();
    scratch.write(
        "jobs/round.toml",
        "title = \"Round\"\nwindow = \"week\"\n\
         [stage.a]\nkind = \"sql\"\nquery = \"select * from b\"\n\
         [stage.b]\nkind = \"sql\"\nquery = \"select * from a\"\n",
    );
    let result = retrocast_in(scratch.path(), &["check", "round"]).expect(2);
    let text = format!("{}{}", result.stdout, result.stderr);
    assert!(
        text.contains("a cycle: `a` reads `b`, `b` reads `a`"),
        "{text}"
    );
}

#[test]
fn an_error_in_sql_is_located_inside_the_query() {
    let scratch = Scratch::new();
    scratch.write(
        "jobs/sql.toml",
        "title = \"SQL\"\nwindow = \"week\"\n\n[stage.a]\nkind = \"sql\"\nquery = \"\"\"\nselect 1\nfrom from x\n\"\"\"\n",
    );
    let result = retrocast_in(scratch.path(), &["check", "sql"]).expect(2);
    let text = format!("{}{}", result.stdout, result.stderr);
    assert!(text.contains("sql.toml:8:"), "{text}");
}

/// Checks a valid job with this contract `ticket` and this query.
fn check_job(contract: &[u8], query: &str) -> CommandResult {
    let scratch = Scratch::new();
    let job = format!(
        "title = \"Small\"\nwindow = \"week\"\n[source.tickets]\nuri = \"x.jsonl\"\n\
         contract = \"ticket\"\n[stage.daily]\nkind = \"sql\"\nquery = \"\"\"\n{query}\n\"\"\"\n\
         [report.technical]\n"
    );
    scratch.write("jobs/small.toml", job);
    scratch.write("jobs/contracts/ticket.toml", contract);
    retrocast_in(scratch.path(), &["check", "small"])
}

#[test]
fn contracts_are_checked_with_the_job() {
    let query = "select count(*) as n from tickets";
    check_job(CONTRACT.as_bytes(), query).expect(0);
    let wrong = |contract: &[u8], words: &[&str]| {
        let result = check_job(contract, query).expect(2);
        for word in words {
            assert!(result.stderr.contains(word), "{word}:\n{}", result.stderr);
        }
        assert_eq!(
            result.stderr.matches("error:").count(),
            words.len() / 2 + 1,
            "{}",
            result.stderr
        );
    };
    wrong(
        b"titel = \"T\"\ntitle = \"T\"\n[field.id]\ntype = \"sting\"\n",
        &[
            "ticket.toml:1:1",
            "did you mean `title`?",
            "ticket.toml:4:8",
            "did you mean `string`?",
        ],
    );
    wrong(
        b"title = \"T\"\n",
        &["ticket.toml:1:1", "the contract has no fields"],
    );
    wrong(
        b"title = \"T\"\n[field]\n",
        &["ticket.toml:2:1", "there are no fields"],
    );
    wrong(
        b"title = \"T\"\n[field.id]\ntype = \"\xff\xfe\"\n",
        &["ticket.toml:3:9", "is not UTF-8"],
    );
    wrong(
        b"title = \"T\"\n[field.id]\ntype = \"string\"\n[field.id]\ntype = \"date\"\n",
        &["ticket.toml:4:8", "`id` is defined twice"],
    );
}

#[test]
fn queries_are_checked_against_the_columns_of_contracts() {
    let wrong = |query: &str, words: &[&str]| {
        let result = check_job(CONTRACT.as_bytes(), query).expect(2);
        for word in words {
            assert!(result.stderr.contains(word), "{word}:\n{}", result.stderr);
        }
    };
    wrong(
        "select idd\nfrom tickets",
        &[
            "small.toml:9:8",
            "there is no column idd",
            "did you mean id?",
        ],
    );
    wrong(
        "select id,\n  nosuch(id) as x\nfrom tickets",
        &["small.toml:10:3", "there is no function nosuch"],
    );
    wrong(
        &format!("select {} as x from tickets", vec!["1"; 20_000].join("+")),
        &["small.toml:9:8", "nested too deep"],
    );
    // Jobs that can be planned but not run.
    wrong(
        "select id,\n  exists (select 1 from tickets t where t.id > tickets.id) as later\nfrom tickets",
        &["small.toml:10:3", "EXISTS cannot be computed here"],
    );
    wrong(
        "select cast('seven' as integer) as n from tickets",
        &["small.toml:", "Cannot cast string 'seven'"],
    );
    let result = check_job(
        CONTRACT.as_bytes(),
        "select id, count(*) as n from tickets group by id",
    )
    .expect(0);
    // Missing records are not an error, either.
    for words in ["does not exist yet", "small.toml:4:7", "required = false"] {
        assert!(result.stderr.contains(words), "{words}:\n{}", result.stderr);
    }
    assert!(
        result.stdout.contains("1\u{a0}warning"),
        "{}",
        result.stdout
    );
}

#[test]
fn an_invalid_schedule_names_the_wrong_field() {
    for (cron, words) in [
        ("61 9 * * *", "minute 61: a minute is 0 to 59"),
        (
            "0 9 * * MOM",
            "weekday MOM: a weekday is 0 to 7, or SUN to SAT",
        ),
    ] {
        let scratch = Scratch::new();
        let job = format!(
            "title = \"Late\"\nwindow = \"week\"\n[schedule]\ncron = \"{cron}\"\n[stage.a]\n\
             kind = \"sql\"\nquery = \"select 1 as n\"\n[report.technical]\n"
        );
        scratch.write("jobs/late.toml", job);
        let result = retrocast_in(scratch.path(), &["check", "late"]).expect(2);
        assert_stderr(&result, &["late.toml:4:8", words]);
    }
}
