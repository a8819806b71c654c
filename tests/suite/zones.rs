//! Windows in time zones: queries between `${window.start}` and `${window.end}` count the same
//! records as analyses of the window.

use super::support::*;

const JOB: &str = r#"title = "Zones"
window = "week"
timezone = "ZONE"

[source.tickets]
uri = "records/*"
contract = "ticket"

[stage.literals]
kind = "sql"
query = """
select count(*) as n, min(at) as first, max(at) as last from tickets
where at >= ${window.start} and at < ${window.end}
"""

[stage.days]
kind = "sql"
query = """
select date_trunc('day', at) as day, count(*) as n from tickets
where at >= ${window.start} and at < ${window.end} group by 1 order by 1
"""
sentence = "{day}: {n}"

[stage.later]
kind = "sql"
query = "select count(*) as n from days where day >= ${window.start} and day < ${window.end}"

[stage.figures]
kind = "kpi"
input = "tickets"
time = "at"

[[stage.figures.metrics]]
name = "Tickets"
kind = "count"

[report.technical]
"#;

/// Checks the counts of a week in a zone; there is a record every quarter of an hour in three weeks
/// around it.
fn check_counts(zone: &str, week: &str, monday: &str) {
    let scratch = workspace_of("zones", &JOB.replace("ZONE", zone));
    let monday: jiff::civil::Date = monday.parse().unwrap();
    let instant = |days: i64| {
        let day = monday + jiff::Span::new().days(days);
        day.in_tz(zone).unwrap().timestamp().as_second()
    };
    let quarters: Vec<i64> = (instant(-7)..instant(14)).step_by(900).collect();
    let records = quarters.iter().enumerate().map(|(id, second)| {
        let time = jiff::Timestamp::from_second(*second).unwrap();
        format!("{{\"id\": {id}, \"at\": \"{time}\"}}\n")
    });
    scratch.write("records/a.jsonl", records.collect::<String>());
    retrocast_in(scratch.path(), &["run", "zones", "--window", week]).expect(0);
    let run = runs(&scratch.join("reports"), "zones").remove(0);
    let cell = |stage: &str| json(&run.join(format!("cells/{stage}.json")));

    let expected = (instant(7) - instant(0)) / 900;
    let literals = cell("literals")["tables"][0]["rows"][0].clone();
    assert_eq!(
        literals[0],
        expected.to_string(),
        "{zone} {week}: {literals}"
    );
    let first = format!("{monday}");
    assert_eq!(literals[1], first, "{zone} {week}");
    let figures = cell("figures").to_string();
    assert!(
        figures.contains(&expected.to_string()),
        "{zone} {week}: not {expected}: {figures}"
    );
    // Seven days in the time of the zone, with their dates.
    let days = cell("days");
    let days = days["tables"][0]["rows"].as_array().unwrap();
    assert_eq!(days.len(), 7, "{zone} {week}: {days:?}");
    for (n, row) in days.iter().enumerate() {
        let n = n as i64;
        let day = monday + jiff::Span::new().days(n);
        let quarters = (instant(n + 1) - instant(n)) / 900;
        assert_eq!(row[0], day.to_string(), "{zone} {week}");
        assert_eq!(row[1], quarters.to_string(), "{zone} {week} {day}");
    }
    assert_eq!(cell("later")["tables"][0]["rows"][0][0], "7");
    let sentence = findings(&run)
        .iter()
        .find(|finding| finding["stage"] == "days")
        .map(|finding| finding["sentence"].clone());
    assert!(sentence.unwrap().as_str().unwrap().starts_with(&first));
}

#[test]
fn a_week_in_summer() {
    check_counts("Europe/Berlin", "2026-W27", "2026-06-29");
    check_counts("America/New_York", "2026-W27", "2026-06-29");
}

#[test]
fn weeks_in_which_clocks_change() {
    check_counts("Europe/Berlin", "2026-W13", "2026-03-23");
    check_counts("Europe/Berlin", "2026-W43", "2026-10-19");
    check_counts("Australia/Lord_Howe", "2026-W40", "2026-09-28");
}

#[test]
fn zones_with_half_hours_and_without_offset() {
    check_counts("Asia/Kolkata", "2026-W27", "2026-06-29");
    check_counts("UTC", "2026-W27", "2026-06-29");
}

/// A timestamp as text without a zone is in the job's zone: in the query that parses it, in the
/// dataset that contains it, and in the analysis of that dataset.
#[test]
fn timestamps_without_zone_are_in_the_zone_of_the_job() {
    let job = r#"title = "Texts"
window = "week"
timezone = "America/New_York"

[source.tickets]
uri = "records/*"
contract = "ticket"

[stage.made]
kind = "sql"
query = """
select id, cast(loc as timestamp) as created, to_timestamp(loc, '%F %T') = at as same from tickets
"""

[stage.here]
kind = "sql"
query = """
select count(*) as n from tickets
where cast(loc as timestamp) >= ${window.start} and cast(loc as timestamp) < ${window.end}
"""

[stage.there]
kind = "sql"
query = """
select count(*) as n from made where same and created >= ${window.start} and created < ${window.end}
"""

[stage.figures]
kind = "kpi"
input = "made"
time = "created"
metrics = [{ name = "Tickets", kind = "count" }]

[report.technical]
"#;
    let scratch = workspace_of("texts", job);
    let contract = "title = \"Ticket\"\nkey = [\"id\"]\ntime = \"at\"\n[field.id]\n\
                    type = \"string\"\n[field.at]\ntype = \"timestamp\"\n[field.loc]\n\
                    type = \"string\"\n";
    scratch.write("jobs/contracts/ticket.toml", contract);
    // At both ends of the week, where an error of five hours would change the week.
    scratch.write(
        "records/a.jsonl",
        "{\"id\": \"1\", \"at\": \"2026-11-16T05:10:00Z\", \"loc\": \"2026-11-16 00:10:00\"}\n\
         {\"id\": \"2\", \"at\": \"2026-11-23T04:50:00Z\", \"loc\": \"2026-11-22 23:50:00\"}\n",
    );
    retrocast_in(scratch.path(), &["run", "texts", "--window", "2026-W47"]).expect(0);
    let run = runs(&scratch.join("reports"), "texts").remove(0);
    let cell = |stage: &str| json(&run.join(format!("cells/{stage}.json")));
    for stage in ["here", "there"] {
        assert_eq!(cell(stage)["tables"][0]["rows"][0][0], "2", "{stage}");
    }
    let shown = cell("made")["tables"][0]["rows"].to_string();
    assert!(shown.contains("2026-11-22 23:50"), "{shown}");
}
