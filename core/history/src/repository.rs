//! A repository that is open at a certain commit, and its records.

use crate::{
    HistoryError,
    error::chain,
    mirror,
    objects::{Objects, open_options},
    place::{Home, Place},
    record::VERSION,
    tell::Teller,
    walk,
};
use gix::{ObjectId, odb::pack::cache::lru::MemoryCappedHashmap};
use std::{io::Write, path::Path, sync::atomic::AtomicBool};

/// Memory for objects that are looked at again and again: the folders of a tree.
const OBJECT_CACHE: usize = 32 << 20;
/// Memory for objects that others are stored against: what git takes for it.
const BASE_CACHE: usize = 96 << 20;

/// A repository, open at the commit at the head of the branch.
pub struct Repository {
    objects: Objects,
    head: ObjectId,
    place: Place,
}

impl Repository {
    /// Opens the repository of a place. A local one is read in place; nothing is written into it. A
    /// remote one is fetched into a mirror below the folder `cache`, which later calls update: two
    /// calls for the same address wait for each other.
    pub fn open(place: &Place, cache: &Path, cancel: &AtomicBool) -> Result<Self, HistoryError> {
        let (mut git, head) = match place.home() {
            Home::Folder(folder) => {
                let git = open_folder(place, folder)?;
                let head = head(&git, place)?;
                (git, head)
            }
            Home::Server { url, account } => {
                mirror::fetched(place, url, account.as_ref(), cache, cancel)?
            }
        };
        let shown = place.to_string();
        if git.is_shallow().unwrap_or(false) {
            return Err(HistoryError::Shallow { place: shown });
        }
        git.object_cache_size(OBJECT_CACHE);
        git.objects
            .set_pack_cache(|| Box::new(MemoryCappedHashmap::new(BASE_CACHE)));
        Ok(Self {
            objects: Objects::new(&git, shown),
            head,
            place: place.clone(),
        })
    }

    /// The id of the newest included commit.
    pub fn head(&self) -> String {
        self.head.to_string()
    }

    /// 32 hexadecimal digits that change exactly when the records may change: they identify the head
    /// commit, the kind of records, their start, and the version of the format.
    pub fn identity(&self) -> String {
        let since = self
            .place
            .since()
            .map_or_else(|| "-".to_string(), |since| since.to_string());
        let what = self.place.what().name();
        let text = format!(
            "retrocast history {VERSION}\n{what}\n{}\n{since}\n",
            self.head
        );
        blake3::hash(text.as_bytes()).to_hex()[..32].to_string()
    }

    /// Writes the records as JSON Lines, oldest first, and returns their number. A parent's records
    /// precede its children's; otherwise the committer's time decides, then the id; the files of a
    /// commit are sorted by path. Memory holds the records of one commit, and about a hundred bytes for
    /// each commit of the history.
    pub fn write(&self, out: &mut dyn Write, cancel: &AtomicBool) -> Result<u64, HistoryError> {
        let commits = walk::commits(&self.objects, self.head, self.place.since(), cancel)?;
        let mut teller = Teller::new(&self.objects, self.head, self.place.what(), cancel)?;
        let (mut lines, mut count) = (Vec::new(), 0);
        for id in commits {
            count += teller.tell(id, &mut lines)?;
            out.write_all(&lines)?;
        }
        out.flush()?;
        Ok(count)
    }
}

fn open_folder(place: &Place, folder: &Path) -> Result<gix::Repository, HistoryError> {
    let none = |reason: String| HistoryError::NoRepository {
        place: place.to_string(),
        reason,
    };
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(none("it is a file".to_string())),
        Err(error) => return Err(none(error.to_string())),
    }
    let git = open_options()
        .open(folder)
        .map_err(|error| none(chain(&error)))?
        .to_thread_local();
    let storage = git.config_snapshot().string("extensions.refStorage");
    match storage {
        Some(storage) if storage != "files" => Err(HistoryError::Unsupported {
            place: place.to_string(),
            reason: format!(
                "its branches are stored as {storage}, which is not read yet; convert them with \
                 `git refs migrate --ref-format=files`"
            ),
        }),
        _ => Ok(git),
    }
}

/// The commit at the head of the branch that the place names, or of the one that is checked out.
fn head(git: &gix::Repository, place: &Place) -> Result<ObjectId, HistoryError> {
    let damaged = |object: String, error: &gix::Error| HistoryError::Object {
        place: place.to_string(),
        object,
        reason: chain(error),
    };
    let Some(branch) = place.branch() else {
        let head = git
            .head()
            .map_err(|error| damaged("HEAD".to_string(), &error))?;
        if head.is_unborn() {
            let name = head.referent_name().map(|name| name.shorten().to_string());
            return Err(HistoryError::Empty {
                place: place.to_string(),
                branch: name.unwrap_or_else(|| "HEAD".to_string()),
            });
        }
        let id = git
            .head_id()
            .map_err(|error| damaged("HEAD".to_string(), &error))?;
        return Ok(id.detach());
    };
    for name in [
        format!("refs/heads/{branch}"),
        format!("refs/remotes/{branch}"),
    ] {
        let found = git
            .try_find_reference(name.as_str())
            .map_err(|error| damaged(name.clone(), &error))?;
        if let Some(mut found) = found {
            let id = found
                .peel_to_id()
                .map_err(|error| damaged(name.clone(), &error))?;
            return Ok(id.detach());
        }
    }
    Err(HistoryError::no_branch(
        place.to_string(),
        branch,
        &branches(git),
    ))
}

/// Names of all branches, those of remotes with the remote's name.
fn branches(git: &gix::Repository) -> Vec<String> {
    let mut names = Vec::new();
    let Ok(platform) = git.references() else {
        return names;
    };
    for all in [platform.local_branches(), platform.remote_branches()]
        .into_iter()
        .flatten()
    {
        names.extend(
            all.flatten()
                .map(|found| found.name().shorten().to_string()),
        );
    }
    names
}
