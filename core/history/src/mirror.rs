//! Mirrors repositories of servers: one folder per address, into which `git fetch` fetches branches
//! as needed.
//!
//! A fetch may be interrupted at any time; the next fetch resumes. A mirror gets its name once it
//! is a complete empty repository, packs once they are complete, and branches once their packs
//! exist. A damaged mirror is recreated. A mirror contains neither user nor password.
//!
//! For requests to a server, and only for these, git reads the configuration of the machine and the
//! user: it contains the user's proxy, certificates and credential helpers, which are needed to
//! reach a private repository. A user and password in the URI replace the helpers, are sent to that
//! host only, and are passed to git in the environment. The server cannot change this: git uses
//! only https (http if the address has it), stops when nothing arrives for two minutes, and never
//! prompts.

use crate::{
    HistoryError, git,
    uri::{Account, RepositoryUri},
};
use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

/// Configuration for requests to a server, which takes precedence over the user's.
const CONFIGURATION: [&str; 8] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "fetch.unpackLimit=1",
    "gc.auto=0",
    "maintenance.auto=false",
    // A server that prepares a pack sends a few bytes every five seconds.
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=120",
];

/// A credential helper that prints two environment variables.
const CREDENTIAL_HELPER: &str = r#"!f() {
    test "$1" = get || return 0
    printf 'username=%s\npassword=%s\n' "$RETROCAST_GIT_USER" "$RETROCAST_GIT_PASSWORD"
}; f"#;

/// Options of `git fetch` that add only objects and one reference to the mirror. A shallow history
/// is fetched as well, and rejected later with a clear error.
const FETCH: [&str; 8] = [
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--update-shallow",
    "--end-of-options",
];

/// Fetches the branch of a repository, and returns the mirror and the reference of the branch in
/// it.
pub fn fetch(
    uri: &RepositoryUri,
    url: &str,
    account: Option<&Account>,
    cache: &Path,
    cancel: &AtomicBool,
) -> Result<(PathBuf, String), HistoryError> {
    let cache = fs::create_dir_all(cache)
        .and_then(|()| cache.canonicalize())
        .map_err(|error| HistoryError::io("creating", cache, &error))?;
    let server = Server {
        uri,
        url,
        account,
        cancel,
    };
    let source = match uri.branch() {
        Some(branch) => format!("refs/heads/{branch}"),
        None => "HEAD".to_string(),
    };
    let Some(id) = server.resolve(&source)? else {
        return Err(server.no_branch());
    };
    let format = if id.len() == 64 { "sha256" } else { "sha1" };
    let mut folder = cache.join(hash(url));
    if format == "sha256" {
        folder.set_extension(format);
    }
    let mirror = Mirror { folder, cancel };
    // The branch, under a name that cannot collide with that of another branch.
    let name = format!("refs/retrocast/{}", hash(&source));
    let lock = mirror.lock()?;
    mirror.prepare(format)?;
    if mirror
        .text(&["rev-parse", "--verify", "--quiet", &name])?
        .value
        != id
    {
        let mut fetch = server.command(&mirror.folder);
        fetch.args(FETCH).args([url, &format!("+{source}:{name}")]);
        // Git inherits the lock: if this process is killed, the lock is held until the fetch has
        // ended.
        let stdin = lock.try_clone();
        fetch.stdin(Stdio::from(
            stdin.map_err(|error| mirror.io_error("locking", &error))?,
        ));
        server.text(fetch)?;
    }
    Ok((mirror.folder, name))
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_string()
}

struct Server<'a> {
    uri: &'a RepositoryUri,
    url: &'a str,
    account: Option<&'a Account>,
    cancel: &'a AtomicBool,
}

impl Server<'_> {
    /// A command that may talk to the server.
    fn command(&self, git_dir: &Path) -> Command {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("https", ""));
        let host = rest.split('/').next().unwrap_or_default();
        let mut command = git::command(git_dir);
        command
            .env_remove("GIT_CONFIG_NOSYSTEM")
            .env_remove("GIT_CONFIG_GLOBAL")
            .env(
                "GIT_ALLOW_PROTOCOL",
                if scheme == "http" {
                    "http:https"
                } else {
                    "https"
                },
            )
            .env("GCM_INTERACTIVE", "never");
        for setting in CONFIGURATION {
            command.args(["-c", setting]);
        }
        if let Some(account) = self.account {
            command
                .args(["-c", "credential.helper="])
                .args([
                    "-c",
                    &format!("credential.{scheme}://{host}.helper={CREDENTIAL_HELPER}"),
                ])
                .env("RETROCAST_GIT_USER", &account.user)
                .env("RETROCAST_GIT_PASSWORD", &account.password);
        }
        command
    }

    fn text(&self, command: Command) -> Result<String, HistoryError> {
        let output = git::text(command, self.cancel)?;
        if output.success {
            return Ok(output.value);
        }
        let uri = self.uri.to_string();
        let mut reason = output.message;
        // Removes secrets that a server repeats in its reply.
        for secret in self
            .account
            .iter()
            .flat_map(|account| [&account.password, &account.user])
        {
            if !secret.is_empty() {
                reason = reason.replace(secret.as_str(), "…");
            }
        }
        let refusals = [
            "could not read ",
            "Authentication failed",
            "error: 401",
            "error: 403",
        ];
        Err(if refusals.iter().any(|text| reason.contains(text)) {
            HistoryError::Credentials { uri, reason }
        } else {
            HistoryError::Fetch { uri, reason }
        })
    }

    /// Lists ids and names of the references that match a pattern.
    fn list(&self, pattern: &str) -> Result<Vec<(String, String)>, HistoryError> {
        // Not inside a repository: one in the working directory could configure anything.
        let mut command = self.command(Path::new("/dev/null"));
        command.args([
            "ls-remote",
            "--quiet",
            "--end-of-options",
            self.url,
            pattern,
        ]);
        let output = self.text(command)?;
        let lines = output.lines().filter_map(|line| line.split_once('\t'));
        Ok(lines
            .map(|(id, name)| (id.to_string(), name.to_string()))
            .collect())
    }

    /// The id of a reference; `None` if the server does not have it.
    fn resolve(&self, source: &str) -> Result<Option<String>, HistoryError> {
        // The pattern matches suffixes of names.
        let found = self
            .list(source)?
            .into_iter()
            .find(|(_, name)| name == source);
        Ok(found.map(|(id, _)| id))
    }

    /// The error for a branch that the server does not have.
    fn no_branch(&self) -> HistoryError {
        let uri = self.uri.to_string();
        let Some(branch) = self.uri.branch() else {
            return HistoryError::Empty {
                uri,
                branch: "its main branch".to_string(),
            };
        };
        // Without the names there is no hint.
        let names = self.list("refs/heads/*").unwrap_or_default();
        let names = names
            .iter()
            .filter_map(|(_, name)| name.strip_prefix("refs/heads/"));
        HistoryError::no_branch(uri, branch, &names.map(str::to_string).collect::<Vec<_>>())
    }
}

struct Mirror<'a> {
    folder: PathBuf,
    cancel: &'a AtomicBool,
}

impl Mirror<'_> {
    /// Locks the mirror once no other process uses it. The kernel releases the lock when the last
    /// process that holds it ends.
    fn lock(&self) -> Result<File, HistoryError> {
        let mut path = self.folder.clone().into_os_string();
        path.push(".lock");
        let file = File::create(path).map_err(|error| self.io_error("locking", &error))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(git::POLL_INTERVAL),
                Err(TryLockError::Error(error)) => return Err(self.io_error("locking", &error)),
            }
            if self.cancel.load(Ordering::Relaxed) {
                return Err(HistoryError::Cancelled);
            }
        }
    }

    /// Prepares a mirror for fetching: keeps an existing mirror if its branches can be read, else
    /// creates an empty mirror, which is moved to its path when complete.
    fn prepare(&self, format: &str) -> Result<(), HistoryError> {
        if self.folder.exists() {
            remove_leftovers(&self.folder).map_err(|error| self.io_error("reading", &error))?;
            let check = ["rev-list", "--quiet", "--objects", "--no-walk", "--all"];
            if !self.folder.join("shallow").exists() && self.text(&check)?.success {
                return Ok(());
            }
            self.remove(&self.folder)?;
        }
        let mut draft = self.folder.clone().into_os_string();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        self.remove(&draft)?;
        let mut init = git::command(&draft);
        init.args(["init", "--quiet", "--bare", "--template="])
            .arg(format!("--object-format={format}"));
        let output = git::text(init, self.cancel)?;
        if !output.success {
            return Err(self.io_error("creating", &std::io::Error::other(output.message)));
        }
        fs::rename(&draft, &self.folder).map_err(|error| self.io_error("creating", &error))
    }

    fn text(&self, arguments: &[&str]) -> Result<git::CommandOutput<String>, HistoryError> {
        let mut command = git::command(&self.folder);
        command.args(arguments);
        git::text(command, self.cancel)
    }

    fn remove(&self, folder: &Path) -> Result<(), HistoryError> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(self.io_error("removing", &error))
            }
            _ => Ok(()),
        }
    }

    fn io_error(&self, action: &'static str, error: &std::io::Error) -> HistoryError {
        HistoryError::io(action, &self.folder, error)
    }
}

/// Removes what a killed fetch left behind: its locks and incomplete packs.
fn remove_leftovers(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if entry.file_type()?.is_dir() {
            remove_leftovers(&entry.path())?;
        } else if name.ends_with(b".lock") || name.starts_with(b"tmp_") || name.starts_with(b".tmp")
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
