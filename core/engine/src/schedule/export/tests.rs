use super::*;
use crate::job::{Missed, OnlyIf};

fn schedule(cron: &str, retry: &[u64]) -> Schedule {
    Schedule {
        cron: cron.to_string(),
        missed: Missed::Latest,
        catch_up_max: 10,
        retry: retry.iter().map(|s| Duration::from_secs(s * 60)).collect(),
        admin: String::new(),
        alert_after: 3,
        only_if: OnlyIf::default(),
    }
}

fn with_command<T>(
    job: &str,
    cron: &str,
    retry: &[u64],
    format: impl Fn(&ScheduledCommand<'_>) -> T,
) -> T {
    let schedule = schedule(cron, retry);
    let calendar = Calendar::new(cron, "Europe/London").unwrap();
    format(&ScheduledCommand {
        job,
        schedule: &schedule,
        calendar: &calendar,
        timezone: "Europe/London",
        program: "/usr/local/bin/retrocast".into(),
        folders: ["--workspace", "/srv/my \"50%\" $reports"]
            .map(str::to_string)
            .into(),
        writes: vec![
            "/srv/my reports/lake".into(),
            "/srv/my reports".into(),
            "/mnt/archive".into(),
        ],
        user: Some("reports".to_string()),
        image: "registry.example.org/retrocast:0.1.0".to_string(),
    })
}

#[track_caller]
fn check_times(cron: &str, retry: &[u64], longest: u32, expected: &str, frequency: &str) {
    let (field, described) = with_command("review", cron, retry, |command| {
        let check_times = command.check_times(longest);
        (check_times.cron(), check_times.describe())
    });
    assert_eq!(
        (field.as_str(), described.as_str()),
        (expected, frequency),
        "{cron}"
    );
}

#[test]
fn names_of_units_are_distinct() {
    let names = ["a_b", "a-b", "A-B", "a-b-", "a.b"].map(|job| super::name(job, 52));
    let different: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), names.len(), "{names:?}");
    assert_eq!(names[1], "retrocast-a-b");
    let long = "x".repeat(300);
    assert!(super::name(&long, 52).len() <= 52);
}

#[test]
fn checks_coincide_with_due_times() {
    let waits = [60, 240, 1440];
    check_times("0 9 * * MON", &waits, 15, "*/15", "every 15 minutes");
    check_times("7 9 * * MON", &waits, 15, "7-59/15", "every 15 minutes");
    check_times("7,37 9 * * *", &waits, 15, "7-59/15", "every 15 minutes");
    check_times(
        "*/10 * * * *",
        &waits,
        15,
        "0,5,10,15,20,25,30,35,40,45,50,55",
        "every 5 minutes",
    );
    check_times("* * * * *", &waits, 15, "*", "every minute");
    check_times("0 9 * * MON", &waits, 60, "0", "every hour");
    check_times("30 9 * * MON", &[], 60, "30", "every hour");
    check_times("*/15 * * * *", &waits, 60, "0,15,30,45", "every 15 minutes");
    check_times("0 9 * * MON", &[7], 60, "*/5", "every 5 minutes");
    check_times("0 9 * * MON", &[2], 15, "*", "every minute");
}

#[test]
fn a_crontab_has_a_line_per_job() {
    let text = with_command("review", "7 9 * * MON", &[60], |command| {
        cron(std::slice::from_ref(command))
    });
    let line = text.lines().last().unwrap();
    assert_eq!(
        line,
        "7-59/15 * * * * /usr/local/bin/retrocast --workspace '/srv/my \"50\\%\" $reports' \
         schedule tick review --quiet"
    );
    assert!(
        text.contains("# review: due \"7 9 * * MON\" in Europe/London; checked every 15 minutes.")
    );
}

#[test]
fn systemd_units_have_command_and_times() {
    let [service, timer] = with_command("weekly-review", "7 9 * * MON", &[60], systemd);
    assert_eq!(service.name, "retrocast-weekly-review.service");
    assert_eq!(timer.name, "retrocast-weekly-review.timer");
    let has = |unit: &Unit, line: &str| {
        let is_line = unit.text.lines().any(|other| other == line);
        assert!(is_line, "{line}\nis not in\n{}", unit.text);
    };
    has(
        &service,
        "ExecStart=/usr/local/bin/retrocast --workspace \"/srv/my \\\"50%%\\\" $$reports\" \
         schedule tick weekly-review",
    );
    has(
        &service,
        "ReadWritePaths=/mnt/archive \"/srv/my reports\" -/var/spool",
    );
    has(&service, "User=reports");
    has(&service, "Type=oneshot");
    has(&timer, "OnCalendar=*-*-* *:7/15:00");
    has(&timer, "Persistent=yes");
    has(&timer, "Unit=retrocast-weekly-review.service");
}

/// The command of a unit for the program at the path `program`.
fn command_of(program: &str) -> String {
    let [service, _] = with_command("weekly-review", "7 9 * * MON", &[60], |command| {
        let program = program.into();
        systemd(&ScheduledCommand {
            program,
            ..command.clone()
        })
    });
    let lines = service.text.lines();
    let mut commands = lines.filter_map(|line| line.strip_prefix("ExecStart="));
    commands.next().unwrap().to_string()
}

const ARGUMENTS: &str =
    "--workspace \"/srv/my \\\"50%%\\\" $$reports\" schedule tick weekly-review";

#[test]
fn the_program_of_a_unit_is_escaped_for_systemd() {
    for (program, word) in [
        ("/opt/a$b/retrocast", "/opt/a$b/retrocast"),
        ("/opt/${USER}/retrocast", "\"/opt/${USER}/retrocast\""),
        ("/opt/50 %/retrocast", "\"/opt/50 %%/retrocast\""),
        ("/opt/größe/retrocast", "\"/opt/größe/retrocast\""),
    ] {
        assert_eq!(command_of(program), format!("{word} {ARGUMENTS}"));
    }
    let shell = r#"/bin/sh -c "exec \"$$0\" \"$$@\"""#;
    for (program, word) in [
        ("/opt/it's/$x", "\"/opt/it's/$$x\""),
        ("/opt/a\"b", "\"/opt/a\\\"b\""),
        ("/opt/a\nb\\", "\"/opt/a\\x0ab\\\\\""),
    ] {
        assert_eq!(command_of(program), format!("{shell} {word} {ARGUMENTS}"));
    }
}

/// Checks with systemd, where it is installed, that it finds programs with unusual paths.
#[cfg(target_os = "linux")]
#[test]
fn systemd_finds_the_program_of_a_unit() {
    use std::{fs, process::Command};
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("SKIPPED: systemd_finds_the_program_of_a_unit: there is no systemd-analyze");
        return;
    }
    let folder = crate::test_support::Folder::new();
    for name in [
        "a$b", "${HOME}", "$", "50 % c", "it's", "a\"b", "a\\b", "größe",
    ] {
        let program = folder.join(name).join("retrocast");
        fs::create_dir_all(folder.join(name)).unwrap();
        // Any program that can be started will do.
        fs::copy("/bin/true", &program).unwrap();
        let unit = folder.join("retrocast-test.service");
        let command = command_of(program.to_str().unwrap());
        fs::write(
            &unit,
            format!("[Service]\nType=oneshot\nExecStart={command}\n"),
        )
        .unwrap();
        let ended = Command::new("systemd-analyze")
            .arg("verify")
            .arg(&unit)
            .output();
        let stderr = String::from_utf8_lossy(&ended.unwrap().stderr).into_owned();
        let errors: Vec<&str> = stderr
            .lines()
            .filter(|line| line.contains("retrocast"))
            .collect();
        assert_eq!(errors, [""; 0], "{command}");
    }
}

#[test]
fn kubernetes_has_one_volume_and_a_cron_job_per_job() {
    let text = with_command("weekly-review", "0 9 * * MON", &[60], |command| {
        kubernetes(&[command.clone(), command.clone()])
    });
    assert_eq!(text.matches("kind: PersistentVolumeClaim\n").count(), 1);
    assert_eq!(text.matches("kind: CronJob\n").count(), 2);
    for line in [
        "  name: retrocast-weekly-review",
        "  schedule: \"0 * * * *\"",
        "  timeZone: \"Europe/London\"",
        "  concurrencyPolicy: Forbid",
        "      backoffLimit: 0",
        "          restartPolicy: Never",
        "              args: [\"--workspace\", \"/workspace\", \"schedule\", \"tick\", \"weekly-review\"]",
    ] {
        assert!(
            text.lines().any(|other| other == line),
            "{line}\nis not in\n{text}"
        );
    }
    let long = name(&"x".repeat(80), 52);
    assert_eq!(long.len(), 52);
    assert_ne!(long, name(&"x".repeat(81), 52));
}
