//! Writes a service and a timer for systemd.

use super::{Call, name};
use std::path::Path;

/// A unit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Name of the file.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Writes the service that checks what is due, and the timer that starts it.
pub fn systemd(call: &Call<'_>) -> [Unit; 2] {
    let name = name(call.job, 200);
    let unit = |kind: &str, text| Unit {
        name: format!("{name}.{kind}"),
        text,
    };
    [
        unit("service", service(call)),
        unit("timer", timer(call, &name)),
    ]
}

fn service(call: &Call<'_>) -> String {
    let command = command(&call.words(&[]));
    let user = match &call.user {
        Some(user) => format!("User={}\n", specifiers(user)),
        None => String::new(),
    };
    let writes = outermost(&call.writes);
    let writes: Vec<String> = writes.map(|path| quoted(&specifiers(&path))).collect();
    format!(
        "\
[Unit]
Description=Retrocast: what is due of {job}
Documentation=man:systemd.timer(5)
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart={command}
{user}# 3: done, but something optional is missing. 4: already running in another process.
SuccessExitStatus=3 4
# A stopped run ends cleanly and is resumed later.
KillMode=mixed
TimeoutStopSec=90
Nice=5
IOSchedulingClass=idle

# It writes to its own folders and, to have mail sent, to the machine's queue, and nowhere else.
ProtectSystem=strict
ReadWritePaths={writes} -/var/spool
PrivateTmp=yes
ProtectHome=read-only
ProtectControlGroups=yes
UMask=0027

# It needs no rights but its user's. The sendmail of Postfix and Exim takes on rights of its own:
# where failures are to be told through one of these, remove all below this line.
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
        job = specifiers(call.job),
        writes = writes.join(" "),
    )
}

fn timer(call: &Call<'_>, name: &str) -> String {
    let check_times = call.check_times(15);
    let minutes = check_times.field(|first, step| format!("{first}/{step}"));
    format!(
        "\
# {job}: {due}; looks {often}.
#
# The timer does not say when the job is due but how often to look: then what is due is run, what
# failed is tried again, and what was missed while the machine was off is made up for as the job
# file says. The job file has the time zone, too, so a change of clocks neither skips a run nor
# doubles it.

[Unit]
Description=Retrocast: looks what is due of {job_name}

[Timer]
OnCalendar=*-*-* *:{minutes}:00
AccuracySec=10s
# After the machine was off, looks at once.
Persistent=yes
Unit={name}.service

[Install]
WantedBy=timers.target
",
        job = call.job,
        job_name = specifiers(call.job),
        due = call.due(),
        often = check_times.words(),
    )
}

/// The folders that are not inside another one.
fn outermost(folders: &[std::path::PathBuf]) -> impl Iterator<Item = String> {
    let within = |folder: &Path| {
        let mut others = folders.iter().filter(|other| *other != folder);
        others.any(|other| folder.starts_with(other))
    };
    let mut all: Vec<String> = folders
        .iter()
        .filter(|folder| !within(folder))
        .map(|folder| folder.display().to_string())
        .collect();
    all.sort();
    all.dedup();
    all.into_iter()
}

/// Escapes %, which starts a specifier.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// Formats a command line (systemd.service(5), "Command lines"). In the first word, the path of the
/// program, a dollar sign is literal; in the others it starts a variable. Systemd rejects a path
/// with quotes, backslashes or control characters, so a shell starts such a program.
fn command(words: &[String]) -> String {
    let argument = |word: &String| quoted(&specifiers(word).replace('$', "$$"));
    let refused = |c: char| c.is_control() || "'\"\\".contains(c);
    let (first, rest) = match words.split_first() {
        Some((program, rest)) if !program.contains(refused) => (quoted(&specifiers(program)), rest),
        _ => (SHELL.to_string(), words),
    };
    let rest = rest.iter().map(argument);
    std::iter::once(first)
        .chain(rest)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Replaces the shell by the program named in the arguments.
const SHELL: &str = r#"/bin/sh -c "exec \"$$0\" \"$$@\"""#;

/// Quotes a word, with C-style escapes, if necessary.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%$".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
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
