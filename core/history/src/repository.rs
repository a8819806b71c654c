//! A repository opened at one commit, and its records.

use crate::{
    HistoryError,
    attributes::{self, Attributes, MAX_FILES},
    git::{self, MEMORY_LIMIT, ObjectReader},
    log, mirror,
    record::{CommitRecord, FileChangeRecord, VERSION},
    uri::{Location, RecordKind, RepositoryUri},
    walk,
};
use serde::Serialize;
use std::{
    collections::VecDeque,
    ffi::OsStr,
    fs,
    io::{self, BufWriter, ErrorKind, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        atomic::AtomicBool,
        mpsc::{self, SyncSender},
    },
    thread,
};

/// Number of commits per git process. A process keeps all it has read in memory until it exits.
const BATCH_SIZE: usize = if cfg!(test) { 3 } else { 1000 };

/// Maximum number of concurrent git processes.
const MAX_WORKERS: usize = 8;

/// Size of a worker's chunks, in bytes.
const CHUNK_SIZE: usize = 128 << 10;
/// Maximum number of pending chunks of a worker while it waits for its turn.
const MAX_PENDING: usize = 32;

/// A repository, opened at the head commit of the branch.
pub struct Repository {
    reader: ObjectReader,
    head: String,
    uri: RepositoryUri,
    version: git::Version,
}

impl Repository {
    /// Opens the repository of a URI. A local repository is read in place; nothing is written to
    /// it. A repository on a server is fetched into a mirror below the folder `cache`, which is
    /// updated each time; concurrent calls for the same address wait for each other.
    pub fn open(
        uri: &RepositoryUri,
        cache: &Path,
        cancel: &AtomicBool,
    ) -> Result<Self, HistoryError> {
        let version = git::version(cancel)?;
        let (git_dir, refs) = match uri.location() {
            Location::Folder(folder) => {
                let refs = match uri.branch() {
                    Some(branch) => vec![
                        format!("refs/heads/{branch}"),
                        format!("refs/remotes/{branch}"),
                    ],
                    None => vec!["HEAD".to_string()],
                };
                (git_dir(uri, folder)?, refs)
            }
            Location::Server { url, account } => {
                let (mirror, name) = mirror::fetch(uri, url, account.as_ref(), cache, cancel)?;
                (mirror, vec![name])
            }
        };
        let reader = reader(uri, &git_dir, cancel)?;
        let id = resolve(uri, &git_dir, &refs, cancel)?;
        // Also resolves tags.
        let mut command = reader.command();
        command.args(["rev-list", "--max-count=1", "--end-of-options", &id]);
        let head = git::text(command, cancel)?;
        if !head.success || head.value.is_empty() {
            return Err(unreadable(uri, head.message));
        }
        Ok(Self {
            reader,
            head: head.value,
            uri: uri.clone(),
            version,
        })
    }

    /// Returns the id of the head commit.
    pub fn head(&self) -> String {
        self.head.clone()
    }

    /// Returns an identity of 32 hexadecimal digits that changes whenever the records may change: a
    /// hash of the head commit, the kind of records, the start time, and the versions of the format
    /// and of git.
    pub fn identity(&self) -> String {
        let since = self
            .uri
            .since()
            .map_or_else(|| "-".to_string(), |since| since.to_string());
        let kind = self.uri.kind().name();
        let last_line = self.version >= git::COMPARES_LAST_LINE;
        let text = format!(
            "retrocast history {VERSION}\n{kind}\n{}\n{since}\n{last_line}\n",
            self.head
        );
        blake3::hash(text.as_bytes()).to_hex()[..32].to_string()
    }

    /// Writes the records as JSON Lines, oldest first, and returns their number. Records of a
    /// parent come before records of its children; otherwise, commits are ordered by committer
    /// time, then id, and the files of a commit by path. Memory holds, per processor, the records
    /// of one commit and a few MiB of others, and a few hundred bytes per commit of the history.
    pub fn write(&self, out: &mut dyn Write, cancel: &AtomicBool) -> Result<u64, HistoryError> {
        let mut list = self.reader.command();
        list.args(["rev-list", "--timestamp", "--parents", &self.head]);
        let list = git::text(list, cancel)?;
        let commits = walk::order(&list.value, self.uri.since()).filter(|_| list.success);
        let commits = commits.ok_or_else(|| unreadable(&self.uri, list.message))?;
        let index = match attributes::index(&self.reader, &self.head, cancel)? {
            Attributes::Indexed(index) => index,
            Attributes::Failed(message) => return Err(unreadable(&self.uri, message)),
            Attributes::TooManyFiles => {
                return Err(self.too_large(&self.head, format!("has more than {MAX_FILES} files")));
            }
        };
        let workers = thread::available_parallelism().map_or(1, |cpus| cpus.get().min(MAX_WORKERS));
        thread::scope(|scope| {
            let mut batches = commits.chunks(BATCH_SIZE).map(|batch| {
                let (sender, chunks) = mpsc::sync_channel(MAX_PENDING);
                let mut out = BufWriter::with_capacity(CHUNK_SIZE, ChunkSender(sender));
                let git = log::arguments(index.command(&self.reader));
                let worker = scope.spawn(move || self.write_batch(git, batch, &mut out, cancel));
                (worker, chunks)
            });
            let mut running: VecDeque<_> = batches.by_ref().take(workers).collect();
            let mut count = 0;
            while let Some((worker, chunks)) = running.pop_front() {
                for chunk in chunks {
                    out.write_all(&chunk)?;
                }
                let panicked =
                    |_| io::Error::other("a worker panicked while reading the repository");
                count += worker.join().map_err(panicked)??;
                running.extend(batches.next());
            }
            out.flush()?;
            Ok(count)
        })
    }

    fn write_batch(
        &self,
        git: Command,
        ids: &[&str],
        out: &mut dyn Write,
        cancel: &AtomicBool,
    ) -> Result<u64, HistoryError> {
        let (mut seen, mut count) = (0, 0);
        let mut input = ids.join("\n");
        input.push('\n');
        let output = git::run(git, Some(input.as_bytes()), cancel, |output| {
            log::read(output, |commit| {
                seen += 1;
                match self.uri.kind() {
                    RecordKind::Commits => {
                        count += 1;
                        write_line(out, &CommitRecord::new(commit))
                    }
                    RecordKind::FileChanges => {
                        count += commit.files.len() as u64;
                        let mut files = commit.files.iter();
                        files.try_for_each(|file| {
                            write_line(out, &FileChangeRecord::new(commit, file))
                        })
                    }
                }
            })
        })?;
        if output.success && seen == ids.len() {
            out.flush()?;
            return Ok(count);
        }
        let out_of_memory = ["ut of memory", "annot allocate memory"];
        if out_of_memory
            .iter()
            .any(|text| output.message.contains(text))
        {
            let reason = format!("takes more than {} MiB of memory", MEMORY_LIMIT >> 20);
            return Err(self.too_large(ids.get(seen).unwrap_or(&""), reason));
        }
        Err(unreadable(&self.uri, output.message))
    }

    fn too_large(&self, commit: &str, reason: String) -> HistoryError {
        HistoryError::TooLarge {
            uri: self.uri.to_string(),
            commit: commit.to_string(),
            reason,
        }
    }
}

/// Sends chunks, and blocks while too many are pending. Fails when the receiver is dropped.
struct ChunkSender(SyncSender<Vec<u8>>);

impl Write for ChunkSender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.send(bytes.to_vec());
        sent.map(|()| bytes.len())
            .map_err(|_| ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_line(out: &mut dyn Write, record: &impl Serialize) -> Result<(), HistoryError> {
    serde_json::to_writer(&mut *out, record).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

fn unreadable(uri: &RepositoryUri, message: String) -> HistoryError {
    let reason = Some(message).filter(|message| !message.is_empty());
    HistoryError::Read {
        uri: uri.to_string(),
        reason: reason.unwrap_or_else(|| "git exited early".to_string()),
    }
}

/// Returns the git directory of a folder: its `.git`, which may be a file that names another
/// folder, or the folder itself. Unlike git, does not search the parent folders.
fn git_dir(uri: &RepositoryUri, folder: &Path) -> Result<PathBuf, HistoryError> {
    let no_repository = |reason: String| HistoryError::NoRepository {
        uri: uri.to_string(),
        reason,
    };
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(no_repository("it is a file".to_string())),
        Err(error) => return Err(no_repository(error.to_string())),
    }
    let inner = folder.join(".git");
    Ok(if inner.exists() {
        inner
    } else {
        folder.to_path_buf()
    })
}

/// Creates a reader of the repository's objects. The repository's configuration determines only
/// their location and hash algorithm.
fn reader(
    uri: &RepositoryUri,
    git_dir: &Path,
    cancel: &AtomicBool,
) -> Result<ObjectReader, HistoryError> {
    let mut command = git::command(git_dir);
    command.args([
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "objects",
    ]);
    command.args(["--show-object-format", "--is-shallow-repository"]);
    let output = git::bytes(command, cancel)?;
    // Split from the end, because the path may contain line feeds.
    let mut lines = output.value.rsplitn(3, |byte| *byte == b'\n');
    let (shallow, format, objects) = (lines.next(), lines.next(), lines.next());
    let (true, Some(format), Some(objects)) = (output.success, format, objects) else {
        return Err(HistoryError::NoRepository {
            uri: uri.to_string(),
            reason: output.message,
        });
    };
    if shallow == Some(b"true") {
        let uri = uri.to_string();
        return Err(HistoryError::Shallow { uri });
    }
    let format = String::from_utf8_lossy(format);
    ObjectReader::new(Path::new(OsStr::from_bytes(objects)), &format)
}

/// Resolves the first of `refs` that exists to the id of its commit.
fn resolve(
    uri: &RepositoryUri,
    git_dir: &Path,
    refs: &[String],
    cancel: &AtomicBool,
) -> Result<String, HistoryError> {
    let run_git = |arguments: &[&str]| {
        let mut command = git::command(git_dir);
        command.args(arguments);
        git::text(command, cancel)
    };
    for name in refs {
        let id = run_git(&["rev-parse", "--verify", "--quiet", name])?;
        if id.success {
            return Ok(id.value);
        }
    }
    let uri_text = uri.to_string();
    Err(match uri.branch() {
        None => HistoryError::Empty {
            uri: uri_text,
            branch: run_git(&["symbolic-ref", "--quiet", "--short", "HEAD"])?.value,
        },
        Some(branch) => {
            let format = "--format=%(refname:lstrip=2)";
            let names = run_git(&["for-each-ref", format, "refs/heads", "refs/remotes"])?.value;
            let names: Vec<String> = names.lines().map(str::to_string).collect();
            HistoryError::no_branch(uri_text, branch, &names)
        }
    })
}
