//! Mirrors of repositories on servers: one folder for each address, with one branch after the other
//! fetched into it.
//!
//! A fetch may be interrupted at any moment, and the next one continues: a mirror gets its name when it
//! is complete as an empty repository; packs get theirs when they are complete, and branches when their
//! packs exist. A damaged mirror is created again. A mirror contains neither user nor password, nor the
//! address with them.

use crate::{
    HistoryError,
    error::chain,
    objects::{Objects, open_options},
    place::{Account, Place},
    walk,
};
use gix::{
    ObjectId,
    bstr::ByteSlice,
    credentials::{helper::Action, protocol::Outcome},
    objs::Kind,
    oid,
    progress::Discard,
    remote::{Connection, Direction, fetch::Tags, ref_map::Options},
};
use std::{
    cell::Cell,
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Poll interval for a mirror that another process is using.
const PATIENCE: Duration = Duration::from_millis(100);

/// The mirror of a server's repository, up to date, and the commit at the head of the branch.
pub fn fetched(
    place: &Place,
    url: &str,
    account: Option<&Account>,
    cache: &Path,
    cancel: &AtomicBool,
) -> Result<(gix::Repository, ObjectId), HistoryError> {
    fs::create_dir_all(cache).map_err(|error| HistoryError::io("making", cache, &error))?;
    let name = &blake3::hash(url.as_bytes()).to_hex()[..32];
    let mirror = Mirror {
        place,
        url,
        account,
        folder: cache.join(name),
        cancel,
        damaged: Cell::new(false),
    };
    let _lock = mirror.lock()?;
    let existed = mirror.folder.exists();
    match mirror.fetch() {
        Err(error) if existed && (mirror.damaged.get() || is_damage(&error)) => {
            mirror.remove()?;
            mirror.fetch()
        }
        result => result,
    }
}

/// Returns true if the mirror itself may be the cause, and not the server, the network or the disk.
fn is_damage(error: &HistoryError) -> bool {
    matches!(
        error,
        HistoryError::Object { .. }
            | HistoryError::NoRepository { .. }
            | HistoryError::Shallow { .. }
    )
}

struct Mirror<'a> {
    place: &'a Place,
    url: &'a str,
    account: Option<&'a Account>,
    folder: PathBuf,
    cancel: &'a AtomicBool,
    /// Something in the mirror, or in what came for it, is broken.
    damaged: Cell<bool>,
}

impl Mirror<'_> {
    /// Waits until no other process works on the mirror. The kernel takes the lock back when this one
    /// ends, however it ends.
    fn lock(&self) -> Result<File, HistoryError> {
        let path = self.folder.with_extension("lock");
        let failed = |error: &std::io::Error| HistoryError::io("locking", &path, error);
        let file = File::create(&path).map_err(|error| failed(&error))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE),
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
            }
            if self.cancel.load(Ordering::Relaxed) {
                return Err(HistoryError::Cancelled);
            }
        }
    }

    fn fetch(&self) -> Result<(gix::Repository, ObjectId), HistoryError> {
        let mut git = if self.folder.exists() {
            self.open()?
        } else {
            self.create(gix::hash::Kind::Sha1)?
        };
        let mut head = self.receive(&git)?;
        if let Head::OtherHash(hash) = head {
            self.remove()?;
            git = self.create(hash)?;
            head = self.receive(&git)?;
        }
        let Head::Commit(head) = head else {
            return Err(self.failed("the server changes its mind about its hash", true));
        };
        self.check(&git, head)?;
        Ok((git, head))
    }

    fn open(&self) -> Result<gix::Repository, HistoryError> {
        self.sweep();
        let git =
            open_options()
                .open(&self.folder)
                .map_err(|error| HistoryError::NoRepository {
                    place: self.folder.display().to_string(),
                    reason: chain(&error),
                })?;
        Ok(git.to_thread_local())
    }

    /// An empty repository, put in place when it is complete.
    fn create(&self, hash: gix::hash::Kind) -> Result<gix::Repository, HistoryError> {
        let draft = self.folder.with_extension("new");
        remove(&draft)?;
        let options = gix::create::Options {
            object_hash: Some(hash),
            ..gix::create::Options::default()
        };
        gix::create::into(&draft, gix::create::Kind::Bare, options).map_err(|error| {
            HistoryError::Io {
                action: "making",
                file: draft.display().to_string(),
                reason: chain(&error),
            }
        })?;
        fs::rename(&draft, &self.folder)
            .map_err(|error| HistoryError::io("making", &self.folder, &error))?;
        self.open()
    }

    /// Removes leftovers of killed fetches.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.folder.join("objects/pack")) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with("pack-") && !name.starts_with("multi-pack-index") {
                // Files that cannot be removed waste space, but do no harm.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn remove(&self) -> Result<(), HistoryError> {
        remove(&self.folder)
    }

    fn receive(&self, git: &gix::Repository) -> Result<Head, HistoryError> {
        let remote = self.remote(git)?;
        let fetch = self
            .connect(&remote)?
            .prepare_fetch(Discard, Options::default())
            .map_err(|error| self.refused(&error))?;
        let map = fetch.ref_map();
        if map.object_hash != git.object_hash() {
            return Ok(Head::OtherHash(map.object_hash));
        }
        let source = map.mappings.first().map(|mapping| &mapping.remote);
        let Some(head) = source.and_then(|source| source.as_id()).map(oid::to_owned) else {
            drop(fetch);
            return Err(self.no_branch(git));
        };
        fetch
            .receive(Discard, self.cancel)
            .map_err(|error| self.refused(&error))?;
        Ok(Head::Commit(head))
    }

    fn remote<'g>(&self, git: &'g gix::Repository) -> Result<gix::Remote<'g>, HistoryError> {
        git.remote_at_without_url_rewrite(self.url)
            .and_then(|remote| {
                let remote = remote.with_fetch_tags(Tags::None);
                remote.with_refspecs([self.refspec().as_str()], Direction::Fetch)
            })
            .map_err(|error| self.refused(&error))
    }

    fn connect<'s, 'g: 's>(
        &'s self,
        remote: &'s gix::Remote<'g>,
    ) -> Result<Line<'s, 'g>, HistoryError> {
        let connection = remote
            .connect(Direction::Fetch)
            .map_err(|error| self.refused(&error))?;
        Ok(connection.with_credentials(|action| Ok(self.answer(action))))
    }

    /// The branch under a name that cannot clash with that of another branch.
    fn refspec(&self) -> String {
        let source = match self.place.branch() {
            Some(branch) => format!("refs/heads/{branch}"),
            None => "HEAD".to_string(),
        };
        let name = &blake3::hash(source.as_bytes()).to_hex()[..32];
        format!("+{source}:refs/retrocast/{name}")
    }

    /// The error for a branch that the server does not have.
    fn no_branch(&self, git: &gix::Repository) -> HistoryError {
        let place = self.place.to_string();
        match self.place.branch() {
            None => HistoryError::Empty {
                place,
                branch: "its main branch".to_string(),
            },
            Some(branch) => {
                // Without a list of branches, the error has no suggestions.
                let names = self.branches(git).unwrap_or_default();
                HistoryError::no_branch(place, branch, &names)
            }
        }
    }

    /// All branches that the server has.
    fn branches(&self, git: &gix::Repository) -> Result<Vec<String>, HistoryError> {
        let remote = self.remote(git)?;
        let everything = Options {
            prefix_from_spec_as_filter_on_remote: false,
            ..Options::default()
        };
        let (map, _) = self
            .connect(&remote)?
            .ref_map(Discard, everything)
            .map_err(|error| self.refused(&error))?;
        let names = map.remote_refs.iter().map(|known| known.unpack().0);
        let branches = names.filter_map(|name| name.strip_prefix(b"refs/heads/"));
        Ok(branches
            .map(|name| name.to_str_lossy().into_owned())
            .collect())
    }

    /// User and password when the server asks; nothing is asked of people or programs, or kept.
    fn answer(&self, action: Action) -> Option<Outcome> {
        let (Action::Get(context), Some(account)) = (action, self.account) else {
            return None;
        };
        Some(Outcome {
            identity: gix::sec::identity::Account {
                username: account.user.clone(),
                password: account.password.clone(),
                oauth_refresh_token: None,
            },
            next: context.into(),
        })
    }

    /// Checks that the history is complete, and that the first required objects are readable.
    fn check(&self, git: &gix::Repository, head: ObjectId) -> Result<(), HistoryError> {
        if git.is_shallow().unwrap_or(false) {
            let place = self.place.to_string();
            return Err(HistoryError::Shallow { place });
        }
        let objects = Objects::new(git, self.place.to_string());
        let mut buffer = Vec::new();
        let tree = walk::read(&objects, head, &mut buffer)?.tree;
        objects.read(&tree, Kind::Tree, &mut buffer)?;
        Ok(())
    }

    fn refused(&self, error: &gix::Error) -> HistoryError {
        if self.cancel.load(Ordering::Relaxed) || error.is_cancelled() {
            return HistoryError::Cancelled;
        }
        if error.is_unauthenticated() || error.is_permission_denied() {
            return HistoryError::Credentials {
                place: self.place.to_string(),
                given: match self.account {
                    Some(_) => "does not take the given ones",
                    None => "none are given",
                },
            };
        }
        self.damaged.set(error.is_corrupted());
        self.failed(&chain(error), error.is_retryable())
    }

    fn failed(&self, reason: &str, may_pass: bool) -> HistoryError {
        let mut reason = reason.to_string();
        // The address is handed on without them; should a server repeat them, they stop here.
        if let Some(account) = self.account {
            for secret in [&account.password, &account.user] {
                if !secret.is_empty() {
                    reason = reason.replace(secret.as_str(), "…");
                }
            }
        }
        HistoryError::Fetch {
            place: self.place.to_string(),
            reason,
            may_pass,
        }
    }
}

/// A connection to a server.
type Line<'s, 'g> = Connection<
    's,
    's,
    'g,
    Box<dyn gix::protocol::transport::client::blocking_io::Transport + Send>,
>;

/// The head of the branch on the server.
enum Head {
    /// This commit, and the mirror has its whole history.
    Commit(ObjectId),
    /// Something that has another kind of id than the mirror.
    OtherHash(gix::hash::Kind),
}

fn remove(folder: &Path) -> Result<(), HistoryError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(HistoryError::io("removing", folder, &error))
        }
        _ => Ok(()),
    }
}
