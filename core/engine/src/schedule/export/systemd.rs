//! Writes a service and a timer for systemd.

use super::{ScheduledCommand, name};
use std::path::Path;

/// A unit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Name of the file.
    pub name: String,
    /// Contents of the file.
    pub text: String,
}

/// Writes the service that checks what is due, and the timer that starts it.
pub fn systemd(command: &ScheduledCommand<'_>) -> [Unit; 2] {
    let name = name(command.job, 200);
    let unit = |kind: &str, text| Unit {
        name: format!("{name}.{kind}"),
        text,
    };
    [
        unit("service", service(command)),
        unit("timer", timer(command, &name)),
    ]
}

fn service(command: &ScheduledCommand<'_>) -> String {
    let command_line = format_command_line(&command.command_line(&[]));
    let user = match &command.user {
        Some(user) => format!("User={}\n", escape_specifiers(user)),
        None => String::new(),
    };
    let writes = outermost_folders(&command.writes);
    let writes: Vec<String> = writes
        .map(|path| quote(&escape_specifiers(&path)))
        .collect();
    format!(
        "\
[Unit]
Description=Retrocast: runs of {job} that are due
Documentation=man:systemd.timer(5)
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart={command_line}
{user}# 3: done, but something optional is missing. 4: already running in another process.
SuccessExitStatus=3 4
# A stopped run ends cleanly and is resumed later.
KillMode=mixed
TimeoutStopSec=90
Nice=5
IOSchedulingClass=idle

# It writes only to its own folders and, to send mail, to the machine's mail queue.
ProtectSystem=strict
ReadWritePaths={writes} -/var/spool
PrivateTmp=yes
ProtectHome=read-only
ProtectControlGroups=yes
UMask=0027

# It needs only the rights of its user. The sendmail programs of Postfix and Exim acquire others: if
# one of these is to send alerts, remove all lines below.
NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
",
        job = escape_specifiers(command.job),
        writes = writes.join(" "),
    )
}

fn timer(command: &ScheduledCommand<'_>, name: &str) -> String {
    let check_times = command.check_times(15);
    let minutes = check_times.field(|first, step| format!("{first}/{step}"));
    format!(
        "\
# {job}: {due}; checked {frequency}.
#
# The times of the timer are not the due times of the job but those of its checks. A check runs what
# is due, retries what failed, and catches up runs missed while the machine was off, as the job
# file configures. The time zone is in the job file, too, so a clock change neither skips nor
# repeats a run.

[Unit]
Description=Retrocast: checks whether {job_name} is due

[Timer]
OnCalendar=*-*-* *:{minutes}:00
AccuracySec=10s
# After the machine was off, check at once.
Persistent=yes
Unit={name}.service

[Install]
WantedBy=timers.target
",
        job = command.job,
        job_name = escape_specifiers(command.job),
        due = command.describe_due(),
        frequency = check_times.describe(),
    )
}

/// The folders that are not inside another of the folders.
fn outermost_folders(folders: &[std::path::PathBuf]) -> impl Iterator<Item = String> {
    let is_inside_another = |folder: &Path| {
        let mut others = folders.iter().filter(|other| *other != folder);
        others.any(|other| folder.starts_with(other))
    };
    let mut outer_folders: Vec<String> = folders
        .iter()
        .filter(|folder| !is_inside_another(folder))
        .map(|folder| folder.display().to_string())
        .collect();
    outer_folders.sort();
    outer_folders.dedup();
    outer_folders.into_iter()
}

/// Escapes %, which starts a specifier.
fn escape_specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// Formats a command line (systemd.service(5), "Command lines"). In the first word, the path of the
/// program, a dollar sign is literal; in the others it starts a variable. Systemd rejects a path
/// with quotes, backslashes or control characters, so a shell starts such a program.
fn format_command_line(words: &[String]) -> String {
    let format_argument = |word: &String| quote(&escape_specifiers(word).replace('$', "$$"));
    let is_rejected = |c: char| c.is_control() || "'\"\\".contains(c);
    let (first, rest) = match words.split_first() {
        Some((program, rest)) if !program.contains(is_rejected) => {
            (quote(&escape_specifiers(program)), rest)
        }
        _ => (SHELL.to_string(), words),
    };
    let rest = rest.iter().map(format_argument);
    std::iter::once(first)
        .chain(rest)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Replaces the shell by the program named in the arguments.
const SHELL: &str = r#"/bin/sh -c "exec \"$$0\" \"$$@\"""#;

/// Quotes a word, with C-style escapes, if necessary.
fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%$".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_string();
    }
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
