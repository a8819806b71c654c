//! Finds the machine's `sendmail` program and passes it a message within a time limit.

use super::POLL_INTERVAL;
use crate::words::clean;
use std::{
    ffi::OsStr,
    io::{Read as _, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Environment variable with the path of the program.
pub(super) const VARIABLE: &str = "RETROCAST_SENDMAIL";
/// Usual locations, for callers whose PATH does not include them, such as a timer.
const USUAL_PATHS: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];
/// Maximum length of the program's output that is read, in bytes.
const STDERR_MAX: u64 = 4096;

/// Finds the program: the configured one, or else the first in the search path or in the usual
/// locations.
pub(super) fn find(configured: Option<&OsStr>, search_path: &OsStr) -> Result<PathBuf, String> {
    find_in(configured, search_path, &USUAL_PATHS)
}

fn find_in(
    configured: Option<&OsStr>,
    search_path: &OsStr,
    usual_paths: &[&str],
) -> Result<PathBuf, String> {
    if let Some(path) = configured {
        return Ok(PathBuf::from(path));
    }
    let on_search_path = std::env::split_paths(search_path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("sendmail"));
    let usual = usual_paths.iter().map(PathBuf::from);
    on_search_path
        .chain(usual)
        .find(|path| path.is_file())
        .ok_or_else(|| {
            format!(
                "this machine has no sendmail program; install one that knows your mail relay \
             (msmtp-mta, nullmailer, postfix, ...), or set {VARIABLE} to the path of one"
            )
        })
}

/// Passes a message with its recipients to the program; the error is the program's output. Kills it
/// as soon as `stopped` returns true.
pub(super) fn send(
    program: &Path,
    message: &str,
    timeout: Duration,
    stopped: &dyn Fn() -> bool,
) -> Result<(), String> {
    let name = program.display();
    if stopped() {
        return Err(format!(
            "{name} was not started, because this program was asked to stop"
        ));
    }
    let mut child = Command::new(program)
        .args(["-t", "-i"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Starts its own process group, so that its children can be killed with it.
        .process_group(0)
        .spawn()
        .map_err(|error| {
            format!("cannot start {name}: {error}; set {VARIABLE} to use another program")
        })?;
    let (written, stderr) = start_io(&mut child, message);
    let Some(status) = wait(&mut child, timeout, stopped) else {
        kill(&mut child);
        if stopped() {
            return Err(format!(
                "{name} was still running when this program was asked to stop, and was stopped with it"
            ));
        }
        let seconds = timeout.as_secs_f64();
        return Err(format!(
            "{name} did not end within {seconds} s and was stopped; check that the mail \
             relay answers"
        ));
    };
    // Its children may still hold the pipes; its own output is complete.
    let pipe_timeout = Duration::from_secs(1);
    if !status.success() {
        let stderr = stderr.recv_timeout(pipe_timeout).unwrap_or_default();
        return Err(format!(
            "{name} {}{}",
            describe_exit(status),
            describe_stderr(&stderr)
        ));
    }
    match written.recv_timeout(pipe_timeout) {
        Ok(true) => Ok(()),
        _ => Err(format!("{name} ended without reading the whole message")),
    }
}

/// Starts threads that write to a program and read from it, so that a program that reads nothing or
/// prints a lot does not block the caller.
fn start_io(child: &mut Child, message: &str) -> (mpsc::Receiver<bool>, mpsc::Receiver<String>) {
    let (written_sender, written) = mpsc::channel();
    let (stderr_sender, stderr) = mpsc::channel();
    if let Some(mut input) = child.stdin.take() {
        let message = message.to_string();
        thread::spawn(move || {
            let _ = written_sender.send(input.write_all(message.as_bytes()).is_ok());
        });
    }
    if let Some(mut output) = child.stderr.take() {
        thread::spawn(move || {
            let mut text = Vec::new();
            let _ = output.by_ref().take(STDERR_MAX).read_to_end(&mut text);
            let _ = stderr_sender.send(String::from_utf8_lossy(&text).into_owned());
            // Discards the rest, so that the program does not block on a full pipe.
            let _ = std::io::copy(&mut output, &mut std::io::sink());
        });
    }
    (written, stderr)
}

fn wait(child: &mut Child, timeout: Duration, stopped: &dyn Fn() -> bool) -> Option<ExitStatus> {
    let until = Instant::now() + timeout;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until && !stopped() => thread::sleep(POLL_INTERVAL),
            _ => return None,
        }
    }
}

/// Kills a program and its children.
fn kill(child: &mut Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill")
        .args(["-KILL", "--", &group])
        .stderr(Stdio::null())
        .status();
    let _ = child.kill();
    let _ = child.wait();
}

fn describe_exit(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended with an unknown status".to_string(),
    }
}

/// Formats the output of the program after a colon; advice if it printed nothing.
fn describe_stderr(stderr: &str) -> String {
    match clean(stderr, 400).as_str() {
        "" => " without an error message; see the log of the mail system".to_string(),
        stderr => format!(": {stderr}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_program_comes_first_then_the_search_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sendmail");
        let search_path = folder.path().as_os_str();
        let configured = OsStr::new("/opt/mail");
        assert_eq!(
            find_in(Some(configured), search_path, &[]),
            Ok(PathBuf::from(configured))
        );
        let none = find_in(None, search_path, &[]).unwrap_err();
        assert!(
            none.contains(VARIABLE) && none.contains("install"),
            "{none}"
        );
        std::fs::write(&path, "").unwrap();
        assert_eq!(find_in(None, search_path, &[]), Ok(path.clone()));
        // A relative folder depends on the current folder.
        assert!(find_in(None, OsStr::new(".:"), &[]).is_err());
        let usual_path = path.to_str().unwrap();
        assert_eq!(
            find_in(None, OsStr::new(""), &[usual_path]),
            Ok(path.clone())
        );
    }
}
