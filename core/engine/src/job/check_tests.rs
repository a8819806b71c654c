use super::*;
use crate::test_support::{self, JOB, TestKinds, checked};
use crate::{job::job_schema, render};

/// Formats the diagnostics of a job file: location, highlighted text, message, advice.
fn messages(text: &str) -> Vec<String> {
    let diagnostics = checked(text).diagnostics;
    let line = |diagnostic: &Diagnostic| {
        let position = diagnostic
            .line_column(text)
            .map_or(String::new(), |(l, c)| format!("{l}:{c} "));
        let span = diagnostic.span.clone().unwrap_or_default();
        let highlighted = text[span].lines().next().unwrap_or_default();
        let help = diagnostic
            .help
            .as_deref()
            .map(|help| format!("; {help}"))
            .unwrap_or_default();
        format!("{position}{highlighted}: {}{help}", diagnostic.message)
    };
    diagnostics.iter().map(line).collect()
}

/// Checks the messages after one change to a valid job file.
#[track_caller]
fn check(valid: &str, invalid: &str, expected: &[&str]) {
    let text = JOB.replacen(valid, invalid, 1);
    assert_ne!(text, JOB, "the job does not have {valid:?}");
    assert_eq!(messages(&text), expected, "{invalid}");
}

const MISTAKES: &str = r#"title = "Review"
window = "weak"
timezone = "Europe/Lodon"

[source.tickets]
uri = "tickets/*.jsonl"
contract = "tikcet"

[stage.daily]
kind = "sql"
query = """
select day, count(*)
frm tickets
"""

[stage.rhythm]
kind = "count"
inptu = "tickets"
least = "many"

[stage.unusual]
kind = "anomly"

[report.executive]
"#;

const RENDERED: &str = r#"error: "weak" is not a window
 --> jobs/review.toml:2:10
  |
2 | window = "weak"
  |          ^^^^^^
  |
  = help: did you mean "week"?

error: "Europe/Lodon" is not a time zone
 --> jobs/review.toml:3:12
  |
3 | timezone = "Europe/Lodon"
  |            ^^^^^^^^^^^^^^
  |
  = help: did you mean "Europe/London"?

error: there is no contract `tikcet`
 --> jobs/review.toml:7:12
  |
7 | contract = "tikcet"
  |            ^^^^^^^^
  |
  = help: did you mean `ticket`?

error: not SQL: expected FROM, found: frm
  --> jobs/review.toml:13:1
   |
13 | frm tickets
   | ^^^

error: unknown key `inptu` in [stage.rhythm]
  --> jobs/review.toml:18:1
   |
18 | inptu = "tickets"
   | ^^^^^
   |
   = help: did you mean `input`?

error: `least` must be a number
  --> jobs/review.toml:19:9
   |
19 | least = "many"
   |         ^^^^^^ found string "many"

error: unknown kind `anomly` in [stage.unusual]
  --> jobs/review.toml:22:8
   |
22 | kind = "anomly"
   |        ^^^^^^^^
   |
   = help: kinds: sql, count, pair

"#;

#[test]
fn reports_seven_errors_at_once() {
    let checked = checked(MISTAKES);
    assert!(checked.job.is_none());
    assert_eq!(render(&checked.diagnostics, MISTAKES, false), RENDERED);
    assert!(render(&checked.diagnostics, MISTAKES, true).contains("\u{1b}["));
}

#[test]
fn a_valid_job_is_parsed() {
    let job = crate::test_support::job(JOB);
    assert_eq!(messages(JOB), [""; 0]);
    assert_eq!(job.sources, ["tickets", "metrics"]);
    assert_eq!(job.stages, ["rhythm", "daily", "unusual", "load"]);
    assert_eq!(job.timezone, "Europe/London");
    assert_eq!(
        job.reports[0].stages.as_deref(),
        Some(&["rhythm".to_string(), "unusual".into()][..])
    );
    assert_eq!(job.reports[1].stages, None);
}

#[test]
fn keys_types_and_limits_are_checked() {
    check(
        "uri = \"tickets/*.jsonl\"\n",
        "",
        &[
            "8:9 tickets: missing key `uri` in [source.tickets]; uri: Location of the records: a path or \
           URL. *, **, ? and [..] match files; {year}, {month}, {day} and {date} match dates; only \
           files dated in the window are read.",
        ],
    );
    check(
        "title = \"Review\"\n",
        "",
        &["1:1 : missing key `title` in the job file; title: Title of the reports."],
    );
    check(
        "title = \"Review\"",
        "title = 17",
        &["2:9 17: `title` must be a string"],
    );
    check(
        "title = \"Review\"",
        "title = \"\"",
        &["2:9 \"\": `title` must have at least 1 character"],
    );
    check(
        "[report.technical]",
        "[report.tecnical]",
        &["29:9 tecnical: unknown key `tecnical` in [report]; did you mean `technical`?"],
    );
    check(
        "input = \"tickets\"",
        "input = \"tickets\"\nleast = 101\nunit = \"dya\"\nby = [1]",
        &[
            "17:9 101: `least` must be at most 100",
            "18:8 \"dya\": `unit` is not one of the allowed values; did you mean \"day\"?",
            "19:7 1: an item of `by` must be a string",
        ],
    );
    check(
        "contract = \"ticket\"",
        "contract = \"ticket\"\nformat = \"xml\"",
        &["11:10 \"xml\": `format` is not one of the allowed values; \
             allowed: \"jsonl\", \"json\", \"csv\", \"parquet\""],
    );
    check(
        "kind = \"count\"\n",
        "",
        &["14:8 rhythm: missing key `kind` in [stage.rhythm]; kind is one of sql, count, pair"],
    );
    check(
        "kind = \"count\"",
        "kind = 1",
        &["15:8 1: `kind` must be a string"],
    );
    let pair = |inputs: &str| {
        let text = JOB.replacen(
            "kind = \"count\"\ninput = \"tickets\"",
            &format!("kind = \"pair\"\ninputs = {inputs}"),
            1,
        );
        messages(&text)
    };
    assert_eq!(pair("[\"tickets\", \"metrics\"]"), [""; 0]);
    assert_eq!(pair("\"tickets\""), [""; 0]);
    assert_eq!(
        pair("[\"tickets\"]"),
        ["16:10 [\"tickets\"]: `inputs` must have at least 2 items"]
    );
    assert_eq!(pair("1"), ["16:10 1: `inputs` must be a list or a string"]);
}

#[test]
fn unknown_names_are_reported() {
    check(
        "from tickets",
        "from tickts",
        &["19:24 tickts: there is no source or stage `tickts`; did you mean `tickets`?"],
    );
    check(
        "input = \"daily\"",
        "input = \"dayly\"",
        &["22:9 \"dayly\": there is no source or stage `dayly`; did you mean `daily`?"],
    );
    check(
        "input = \"tickets\"",
        "input = \"tickets\"\ntime = \"createdat\"",
        &["17:8 \"createdat\": `tickets` has no column `createdat`; did you mean `created_at`?"],
    );
    check(
        "stages = [\"rhythm\", ",
        "to = [\"a b\"]\nstages = [\"rythm\", ",
        &[
            "28:7 \"a b\": string \"a b\" is not a mail address; one address per item, such as \
             \"ada@example.org\"",
            "29:11 \"rythm\": there is no stage `rythm`; did you mean `rhythm`?",
        ],
    );
    check(
        "[stage.load]",
        "[stage.tickets]",
        &[
            "24:8 tickets: a source and a stage are both called `tickets`; their datasets share one \
           namespace: rename one",
        ],
    );
    check(
        "[stage.load]",
        "[stage.\"Load 1\"]",
        &[
            "24:8 \"Load 1\": `Load 1` cannot be the name of a stage; use lower-case letters, digits and _, \
           beginning with a letter, at most 64 characters",
        ],
    );
}

#[test]
fn cycles_are_reported() {
    check(
        "input = \"daily\"",
        "input = \"unusual\"",
        &[
            "22:9 \"unusual\": stages form a cycle: `unusual` reads `unusual`; let one of them \
           read another dataset",
        ],
    );
    let text = JOB
        .replacen("input = \"tickets\"", "input = \"unusual\"", 1)
        .replacen("from tickets", "from rhythm", 1);
    assert_eq!(
        messages(&text),
        [
            "16:9 \"unusual\": stages form a cycle: `rhythm` reads `unusual`, `unusual` reads \
          `daily`, `daily` reads `rhythm`; let one of them read another dataset"
        ]
    );
}

#[test]
fn references_are_checked() {
    check(
        "> ${params.least}",
        "> ${params.lest}",
        &[
            "5:9 least: parameter `least` is never used; refer to it as ${params.least}, or remove it",
            "19:42 ${params.lest}: parameter `lest` is not declared; did you mean `${params.least}`?",
        ],
    );
    check(
        "tickets/*.jsonl",
        "${env.NO}/${env.RECORDS}/x",
        &[
            "9:8 ${env.NO}: environment variable `NO` is not set; set it, or make it a parameter with a \
           default",
        ],
    );
    check(
        "default = 3",
        "default = \"x\"",
        &["7:11 \"x\": parameter `least` must be an integer"],
    );
    check(
        "default = 3",
        "default = 3\nallowed = [1, 2]",
        &["7:11 3: the default is not one of the allowed values; allowed: 1, 2"],
    );
    // A reference may resolve to a number; its value is checked like a literal.
    let text = JOB.replacen(
        "input = \"tickets\"",
        "input = \"tickets\"\nleast = \"${params.least}\"",
        1,
    );
    assert_eq!(messages(&text), [""; 0]);
    let text = text.replacen("default = 3", "default = 300", 1);
    assert_eq!(
        messages(&text),
        ["17:9 \"${params.least}\": `least` must be at most 100"]
    );
}

#[test]
fn times_are_checked() {
    check(
        "window = \"week\"",
        "window = \"week\"\ncompare = [\"previous\", \"4 weeks\", \"4 months\", \"x\"]",
        &[
            "4:35 \"4 months\": a week is compared with weeks, not with months; use \"previous\", or \
             a number of weeks such as \"4 weeks\"",
            "4:47 \"x\": \"x\" is not a comparison; use \"previous\", or a number of weeks such as \"4 weeks\"",
        ],
    );
    check(
        "[source.tickets]",
        "[schedule]\ncron = \"0 9 * *\"\nmissed = \"lates\"\n[source.tickets]",
        &[
            "9:8 \"0 9 * *\": \"0 9 * *\" is not a schedule: it must have five fields; \
             minute, hour, day of month, month, weekday, such as \"0 9 * * SUN\"",
            "10:10 \"lates\": `missed` is not one of the allowed values; did you mean \"latest\"?",
        ],
    );
    check(
        "optional = true",
        "optional = true\ntimeout = \"soon\"\nretries = 11",
        &[
            "24:11 \"soon\": string \"soon\" is not a duration; use a duration such as \"90 s\" or \"10 minutes\"",
            "25:11 11: `retries` must be at most 10",
        ],
    );
    assert_eq!(parse_duration("10 minutes").map(|d| d.as_secs()), Some(600));
    assert_eq!(parse_duration("90s").map(|d| d.as_secs()), Some(90));
    assert_eq!(parse_duration("0 s"), None);
}

#[test]
fn history_needs_a_period_and_a_dated_uri() {
    let dated = "uri = \"tickets/{date}/*.jsonl\"\nhistory = \"60 weeks\"";
    let plain = "uri = \"tickets/*.jsonl\"";
    let text = test_support::JOB.replace(plain, dated);
    assert!(test_support::checked(&text).diagnostics.is_empty());
    let messages = |text: &str| -> Vec<String> {
        let diagnostics = test_support::checked(text).diagnostics;
        diagnostics
            .into_iter()
            .map(|diagnostic| diagnostic.message)
            .collect()
    };
    let soon = messages(&text.replace("60 weeks", "soon"));
    assert!(
        soon[0].ends_with("is not a period of whole days"),
        "{soon:?}"
    );
    let undated = messages(&text.replace("{date}", "*"));
    assert_eq!(undated, ["`history` needs dates in the uri"]);
}

#[test]
fn syntax_errors_are_reported_once_and_the_rest_is_checked() {
    check(
        "[params.least]",
        "[params.least",
        &["5:14 : not TOML: unclosed table"],
    );
    let text = JOB.replacen("title = \"Review\"", "title = \"Review", 1);
    let text =
        text.replacen("least\"\n", "lest\"\n", 1)
            .replacen("kind = \"sql\"", "kind = \"sqll\"", 1);
    let messages = messages(&text);
    assert!(messages[0].starts_with("2:"), "{messages:?}");
    assert_eq!(
        messages[1..],
        ["18:8 \"sqll\": unknown kind `sqll` in [stage.daily]; did you mean `sql`?"]
    );
    check(
        "timezone = ",
        "window = \"day\"\ntimezone = ",
        &["4:1 window: not TOML: duplicate key"],
    );
}

#[test]
fn values_given_on_the_command_line_are_checked() {
    let set = [
        ("lest".to_string(), "1".to_string()),
        ("least".to_string(), "x".to_string()),
    ];
    let options = CheckOptions {
        name: "review",
        file: "review.toml",
        kinds: &TestKinds,
        set: &set,
        environment: &|_| None,
    };
    let text = render(&super::check(JOB, &options).diagnostics, JOB, false);
    assert_eq!(
        text,
        "error: parameter `least`: expected an integer, found \"x\"\n--> --set\n\n\
         error: the job has no parameter `lest`\n--> --set\n = help: did you mean `least`?\n\n"
    );
}

#[test]
fn the_checker_does_not_panic() {
    let fragments = [
        "\u{0}",
        "é",
        "[",
        "]]",
        "\"\"\"",
        "${",
        "= ",
        "\n[stage.rhythm.kind]\n",
        "\\u00",
        "'''",
    ];
    for offset in (0..JOB.len()).filter(|offset| offset % 7 == 0 && JOB.is_char_boundary(*offset)) {
        for fragment in fragments {
            let text = format!("{}{fragment}{}", &JOB[..offset], &JOB[offset..]);
            render(&checked(&text).diagnostics, &text, true);
        }
        render(&checked(&JOB[..offset]).diagnostics, &JOB[..offset], false);
    }
    for text in [
        "",
        "\u{feff}title = 1",
        "source = 1\nstage = [1]\nreport = \"x\"\nparams = 2",
    ] {
        assert!(!checked(text).diagnostics.is_empty());
    }
}

#[test]
fn the_schema_has_every_kind_and_every_key() {
    let schema = job_schema(&TestKinds);
    assert_eq!(schema["additionalProperties"], false);
    let count = &schema["$defs"]["stage.count"];
    assert_eq!(count["properties"]["unit"]["$ref"], "#/$defs/count.Unit");
    assert!(schema["$defs"]["count.Unit"].is_object());
    let keys: Vec<&String> = count["properties"].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "by", "input", "kind", "least", "optional", "retries", "time", "timeout", "title",
            "unit"
        ]
    );
    let text = schema.to_string();
    for (start, _) in text.match_indices("\"$ref\":\"#/$defs/") {
        let name = text[start + 16..].split('"').next().unwrap();
        assert!(schema["$defs"][name].is_object(), "{name} is not defined");
    }
}

#[test]
fn errors_of_contracts_are_reported_in_their_own_text() {
    let broken = |text: &str, name: &str| text.replace(name, "contract = \"broken\"");
    let text = broken(JOB, "contract = \"ticket\"");
    // An error of a contract is reported once, even if two sources use the contract, and after the
    // job's own errors.
    let text = broken(&text, "contract = \"metric\"").replace("week", "weak");
    let checked = checked(&text);
    assert!(checked.job.is_none());
    let rendered = render(&checked.diagnostics, &text, false);
    let lines: Vec<&str> = rendered
        .lines()
        .filter(|line| line.starts_with("error") || line.contains("-->"))
        .map(str::trim)
        .collect();
    assert_eq!(
        lines,
        [
            "error: \"weak\" is not a window",
            "--> jobs/review.toml:3:10",
            "error: unknown type `strng`",
            "--> contracts/broken.toml:2:8",
            "error: no title",
            "--> contracts/broken.toml:1:1",
        ]
    );
    assert!(
        rendered.contains("2 | type = \"strng\"\n  |        ^^^^^^^"),
        "{rendered}"
    );
}

#[test]
fn columns_of_queries_are_checked_where_tables_are_known() {
    let query = "select * from tickets where n > ${params.least}";
    check(
        query,
        "select missing from tickets where n > ${params.least}",
        &["19:17 missing: there is no column missing; columns are: id"],
    );
    // The location is still right after a reference.
    check(
        query,
        "select ${params.least} as l, missing from tickets",
        &["19:39 missing: there is no column missing; columns are: id"],
    );
    let with = |read: &str| {
        let more =
            format!("[stage.later]\nkind = \"sql\"\nquery = \"select missing from {read}\"\n");
        messages(&JOB.replace("[report.executive]", &format!("{more}[report.executive]")))
    };
    // The columns of queries are known; those of analyses and other contracts are not.
    assert_eq!(with("daily").len(), 1);
    assert_eq!(with("rhythm"), [""; 0]);
    assert_eq!(with("metrics"), [""; 0]);
    assert_eq!(with("daily join rhythm on true"), [""; 0]);
    // Consequences of an error are not reported.
    let text = JOB
        .replace(query, "select missing from tickets where n > ${params.least}")
        .replace(
            "[report.executive]",
            "[stage.later]\nkind = \"sql\"\nquery = \"select missing from daily\"\n[report.executive]",
        );
    assert_eq!(messages(&text).len(), 1);
}
