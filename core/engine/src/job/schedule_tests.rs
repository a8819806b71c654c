use super::*;
use crate::test_support::{self, JOB};

fn text(schedule: &str) -> String {
    JOB.replacen(
        "[params.least]",
        &format!("[schedule]\n{schedule}\n[params.least]"),
        1,
    )
}

fn schedule(keys: &str) -> Schedule {
    test_support::job(&text(keys)).schedule.unwrap()
}

/// Checks the diagnostics of a schedule: highlighted text, message and advice.
#[track_caller]
fn check(keys: &str, expected: &[&str]) {
    let text = text(keys);
    let diagnostics = test_support::checked(&text).diagnostics;
    let messages: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| {
            let highlighted = &text[diagnostic.span.clone().unwrap()];
            let help = diagnostic.help.as_deref().unwrap_or("");
            format!("{highlighted}: {}; {help}", diagnostic.message)
        })
        .collect();
    assert_eq!(messages, expected, "{keys}");
}

const CRON: &str = "cron = \"0 9 * * MON\"\n";

#[test]
fn missing_keys_have_defaults() {
    let defaults = schedule(CRON);
    assert_eq!(
        defaults,
        Schedule {
            cron: "0 9 * * MON".to_string(),
            missed: Missed::Latest,
            catch_up_max: 10,
            retry: [1, 4, 24].map(|h| Duration::from_secs(h * 3600)).into(),
            admin: String::new(),
            alert_after: 3,
            only_if: OnlyIf::default(),
        }
    );
    assert_eq!((defaults.max_attempts(), defaults.alert_after), (4, 3));
    let without_retry = schedule(&format!("{CRON}retry = []"));
    assert_eq!(
        (without_retry.max_attempts(), without_retry.alert_after),
        (1, 1)
    );
}

#[test]
fn every_key_is_read() {
    let keys = "missed = \"all\"\nmost = 3\nretry = [\"30 minutes\", \"2h\"]\n\
                admin = \"ops@example.org\"\ntell_after = 2\n[schedule.only_if]\n\
                load_below = 1\nfree_disk = \"2 GiB\"\nfree_memory = \"500MB\"\n\
                fresh_within = \"26 hours\"";
    assert_eq!(
        schedule(&format!("{CRON}{keys}")),
        Schedule {
            cron: "0 9 * * MON".to_string(),
            missed: Missed::All,
            catch_up_max: 3,
            retry: [30, 120].map(|m| Duration::from_secs(m * 60)).into(),
            admin: "ops@example.org".to_string(),
            alert_after: 2,
            only_if: OnlyIf {
                load_below: Some(1.0),
                free_disk: Some(2 << 30),
                free_memory: Some(500_000_000),
                fresh_within: Some(Duration::from_secs(26 * 3600)),
            },
        }
    );
}

#[test]
fn reports_errors_with_their_position() {
    let not = "is not a schedule";
    let fields = "minute, hour, day of month, month, weekday, such as \"0 9 * * SUN\"";
    check(
        "cron = \"0 6 30 2 *\"",
        &[&format!(
            "\"0 6 30 2 *\": \"0 6 30 2 *\" {not}: no day of any year matches it; {fields}"
        )],
    );
    check(
        &format!("{CRON}retry = [\"1 hour\", \"later\"]\nadmin = \"ops\"\nmost = 0"),
        &[
            &format!("\"later\": string \"later\" is not a duration; {DURATION_HELP}"),
            "\"ops\": string \"ops\" is not a mail address; one address, such as \"ops@example.org\"",
            "0: `most` has no effect unless all missed runs are caught up; \
             set missed = \"all\", or remove `most`",
            "0: `most` must be at least 1; ",
        ],
    );
    check(
        &format!(
            "{CRON}[schedule.only_if]\nload_below = 0\nfree_disk = \"lots\"\nfree_memory = \"0 B\"\nfresh = \"1 h\""
        ),
        &[
            "0: `load_below` must be at least 0.01; ",
            &format!("\"lots\": string \"lots\" is not a size; {SIZE_HELP}"),
            &format!("\"0 B\": string \"0 B\" is not a size; {SIZE_HELP}"),
            "fresh: unknown key `fresh` in [schedule.only_if]; did you mean `fresh_within`?",
        ],
    );
    check(
        &format!("{CRON}retr = [\"1 hour\"]"),
        &["retr: unknown key `retr` in [schedule]; did you mean `retry`?"],
    );
}
