//! Runs the program `git`: its version, environment and limits.
//!
//! Repositories are untrusted input, and git runs programs that their configuration names. No
//! command therefore reads the configuration of the machine, and objects are read through an
//! [`ObjectReader`], which ignores the configuration of their repository. Only commands that talk
//! to a server read the user's own configuration (see `mirror`).

use crate::HistoryError;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// Major and minor version.
pub type Version = (u32, u32);

/// The oldest supported version. It knows all options and variables required here, the newest of
/// them `GIT_CONFIG_GLOBAL` (2.32), and is the version of the oldest systems in use.
const OLDEST: Version = (2, 34);

/// The first version that compares a last line without a line feed when it looks for renames; older
/// versions find other renames in a few cases.
pub const COMPARES_LAST_LINE: Version = (2, 44);

/// Memory limit of git while it compares a commit, in bytes: a tree that nests the same folders can
/// expand to more files than any machine can hold.
pub const MEMORY_LIMIT: u64 = if cfg!(test) { 128 << 20 } else { 4 << 30 };

/// Polling interval for cancellation.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Maximum length of git's messages, in bytes; the end is kept, because it names the cause.
const MAX_MESSAGE_LENGTH: usize = 2000;

/// The result of a command.
pub struct CommandOutput<T> {
    /// The value that the reader returned for standard output.
    pub value: T,
    /// True if git exited with 0.
    pub success: bool,
    /// The end of standard error, in one line.
    pub message: String,
}

/// A command for the repository in `git_dir`, without the configuration and the `GIT_` variables of
/// the machine. Replaced objects and grafts are ignored, nothing is fetched, and there are no
/// prompts.
pub fn command(git_dir: &Path) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir("/")
        .env("GIT_DIR", git_dir)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_GRAFT_FILE", "/dev/null")
        .env("GIT_OPTIONAL_LOCKS", "0")
        // Git before 2.44 does not know the first variable, but fetches only over allowed
        // protocols.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "")
        .arg("--no-pager")
        .stdin(Stdio::null());
    command
}

/// Runs a command and passes its standard output to `read`. If there is `input`, it is written to
/// standard input, and the command's memory is limited to [`MEMORY_LIMIT`]. If `read` fails or
/// `cancel` is set, the command and its children are killed.
pub fn run<T>(
    mut command: Command,
    input: Option<&[u8]>,
    cancel: &AtomicBool,
    read: impl FnOnce(&mut dyn BufRead) -> Result<T, HistoryError>,
) -> Result<CommandOutput<T>, HistoryError> {
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .process_group(0)
        .spawn()
        .map_err(|error| HistoryError::Git {
            reason: format!("git cannot be run: {error}"),
            oldest: OLDEST,
        })?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let pid = Pid::from_child(&child);
    // A process that has exited in the meantime needs no signal.
    let kill = || {
        let _ = kill_process_group(pid, Signal::KILL);
    };
    let finished = AtomicBool::new(false);
    let (value, message) = thread::scope(|scope| {
        let messages = scope.spawn(|| stderr.map(last_message).unwrap_or_default());
        scope.spawn(move || {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                let limit = Some(MEMORY_LIMIT);
                let limit = Rlimit {
                    current: limit,
                    maximum: limit,
                };
                // A stricter limit may already be in force. If git exits early, its status shows
                // it.
                let _ = prlimit(Some(pid), Resource::Data, limit);
                let _ = stdin.write_all(input);
            }
        });
        let watch = scope.spawn(|| {
            while !finished.load(Ordering::Relaxed) {
                if cancel.load(Ordering::Relaxed) {
                    return kill();
                }
                thread::park_timeout(POLL_INTERVAL);
            }
        });
        let value = match stdout {
            Some(stdout) => read(&mut BufReader::with_capacity(128 << 10, stdout)),
            None => read(&mut io::empty()),
        };
        if value.is_err() {
            kill();
        }
        let message = messages.join().unwrap_or_default();
        finished.store(true, Ordering::Relaxed);
        watch.thread().unpark();
        (value, message)
    });
    let status = child.wait()?;
    if cancel.load(Ordering::Relaxed) {
        return Err(HistoryError::Cancelled);
    }
    Ok(CommandOutput {
        value: value?,
        success: status.success(),
        message,
    })
}

/// Runs a command and collects its standard output, without the last line feed.
pub fn bytes(
    command: Command,
    cancel: &AtomicBool,
) -> Result<CommandOutput<Vec<u8>>, HistoryError> {
    run(command, None, cancel, |output| {
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes)?;
        bytes.pop_if(|last| *last == b'\n');
        Ok(bytes)
    })
}

/// The same as [`bytes`], as text.
pub fn text(command: Command, cancel: &AtomicBool) -> Result<CommandOutput<String>, HistoryError> {
    let output = bytes(command, cancel)?;
    Ok(CommandOutput {
        value: String::from_utf8_lossy(&output.value).into_owned(),
        success: output.success,
        message: output.message,
    })
}

/// Checks that git exists and is new enough, and returns its version.
pub fn version(cancel: &AtomicBool) -> Result<Version, HistoryError> {
    let mut version = command(Path::new("/dev/null"));
    version.arg("version");
    let version = text(version, cancel)?.value;
    let found = parse_version(&version).filter(|found| *found >= OLDEST);
    found.ok_or_else(|| HistoryError::Git {
        reason: format!("the installed git reports {version:?}"),
        oldest: OLDEST,
    })
}

/// Parses the version in `git version 2.47.3 (…)`.
fn parse_version(text: &str) -> Option<Version> {
    let mut parts = text.strip_prefix("git version ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Reads to the end, and joins the last lines without control characters.
fn last_message(mut stderr: impl Read) -> String {
    let (mut tail, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stderr.read(&mut buffer) {
        tail.extend_from_slice(&buffer[..length]);
        let excess = tail.len().saturating_sub(MAX_MESSAGE_LENGTH);
        tail.drain(..excess);
    }
    let text = String::from_utf8_lossy(&tail);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    let last = last.iter().map(|line| {
        let line = line.strip_prefix("fatal: ").unwrap_or(line);
        line.strip_prefix("error: ").unwrap_or(line)
    });
    last.collect::<Vec<_>>()
        .join("; ")
        .replace(char::is_control, " ")
}

/// An empty temporary repository that borrows the objects of another. Git takes configuration,
/// hooks, attributes, replaced objects and the list of shallow commits from the repository it is
/// started in, so only the objects of the other repository matter, and its owner does not
/// (`safe.directory`).
pub struct ObjectReader {
    git_dir: tempfile::TempDir,
    objects: PathBuf,
}

impl ObjectReader {
    /// Creates a reader of the objects in a folder; `format` is the hash algorithm of their names.
    pub fn new(objects: &Path, format: &str) -> Result<Self, HistoryError> {
        let git_dir = tempfile::tempdir()
            .map_err(|error| HistoryError::io("creating", &std::env::temp_dir(), &error))?;
        // A commit-graph may contradict the commits, so it is ignored.
        let config = format!(
            "[core]
                repositoryFormatVersion = 1
                bare = false
                commitGraph = false
                bigFileThreshold = 512m
                attributesFile = /dev/null
                protectHFS = false
                protectNTFS = false
            [extensions]
                objectFormat = {format}
            "
        );
        let path = git_dir.path();
        fs::create_dir(path.join("refs"))
            .and_then(|()| fs::create_dir(path.join("worktree")))
            .and_then(|()| fs::write(path.join("HEAD"), "ref: refs/heads/none\n"))
            .and_then(|()| fs::write(path.join("config"), config))
            .map_err(|error| HistoryError::io("writing", path, &error))?;
        Ok(Self {
            git_dir,
            objects: objects.to_path_buf(),
        })
    }

    /// A command that reads the objects, in an empty working directory.
    pub fn command(&self) -> Command {
        let mut command = command(self.git_dir.path());
        let worktree = self.git_dir.path().join("worktree");
        command
            .env("GIT_OBJECT_DIRECTORY", &self.objects)
            .env("GIT_WORK_TREE", &worktree)
            .current_dir(worktree);
        command
    }

    /// Creates an empty index.
    pub fn index(&self) -> Result<Index, HistoryError> {
        let path = self.git_dir.path();
        let folder = tempfile::tempdir_in(path);
        folder
            .map(Index)
            .map_err(|error| HistoryError::io("writing", path, &error))
    }
}

/// A temporary index, removed when dropped.
pub struct Index(tempfile::TempDir);

impl Index {
    /// The same as [`ObjectReader::command`], with this index.
    pub fn command(&self, reader: &ObjectReader) -> Command {
        let mut command = reader.command();
        command.env("GIT_INDEX_FILE", self.0.path().join("index"));
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(parse_version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(
            parse_version("git version 2.39.5 (Apple Git-154)"),
            Some((2, 39))
        );
        assert_eq!(parse_version("git version 3.0.rc1"), Some((3, 0)));
        assert_eq!(parse_version("hub version 2.47"), None);
    }

    #[test]
    fn only_the_end_of_long_messages_is_kept() {
        let many = format!(
            "{}fatal: \u{1b}[31mlast\n",
            "warning: line\n".repeat(10_000)
        );
        assert_eq!(
            last_message(many.as_bytes()),
            "warning: line; warning: line;  [31mlast"
        );
    }
}
