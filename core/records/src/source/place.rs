//! Parses a local URI into a folder and a pattern for the files below it, and lists them.
//!
//! Folders are walked here, not by the object store, whose listing of a folder fails completely for
//! one invalid entry. Entries that cannot contain records (pipes, devices, sockets), symbolic link
//! cycles and undecodable names are skipped and reported.

use super::{
    Listing, SkippedFile, SourceFile, SourceStore,
    partition::{Days, Partition, is_dated, undated},
    pattern::{fits, is_pattern},
    without_credentials,
};
use crate::error::SourceError;
use jiff::Timestamp;
use object_store::{ObjectStore, local::LocalFileSystem, path::Path as StorePath};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::Metadata,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A parsed URI: a fixed folder and a pattern for paths below it.
pub(super) struct FilePattern {
    /// Path of the folder.
    folder: PathBuf,
    /// The folder as the user writes it, with a final `/`; empty for the base folder.
    shown: String,
    /// Pattern of each path segment below the folder; or one plain file name.
    pattern: Vec<String>,
    /// True if the pattern is a literal name.
    plain: bool,
    /// The requested days, if paths contain dates.
    partition: Option<Partition>,
}

impl FilePattern {
    pub fn of(
        source: &str,
        uri: &str,
        base: &Path,
        days: Option<Days>,
    ) -> Result<Self, SourceError> {
        let wrong = |reason: &str| SourceError::Uri {
            name: source.to_string(),
            uri: uri.to_string(),
            reason: reason.to_string(),
        };
        let path = match uri.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => path,
            Some(("file", _)) => return Err(wrong("needs three slashes: file:///folder/file")),
            Some((scheme, _)) => {
                return Err(SourceError::Scheme {
                    name: source.to_string(),
                    uri: without_credentials(uri),
                    scheme: scheme.to_string(),
                });
            }
            None => uri,
        };
        let path = path.trim();
        if path.is_empty() {
            return Err(wrong(
                "is empty; name a file or a pattern such as data/raw/**/*.jsonl",
            ));
        }
        if path.contains('\0') {
            return Err(wrong("holds a NUL character; remove it"));
        }
        let whole = base.join(path);
        if whole.is_dir() {
            let suggestion = format!("{}/**/*.jsonl*", path.trim_end_matches('/'));
            return Err(SourceError::Folder {
                name: source.to_string(),
                uri: uri.to_string(),
                suggestion,
            });
        }
        let segments: Vec<&str> = path.split('/').collect();
        let open = |segment: &&str| is_pattern(segment) || is_dated(segment);
        let plain = whole.exists() || !segments.iter().any(open);
        let fixed = if plain {
            segments.len() - 1
        } else {
            segments.iter().position(open).unwrap_or(0)
        };
        let shown: String = segments[..fixed]
            .iter()
            .map(|segment| format!("{segment}/"))
            .collect();
        let pattern: Vec<String> = segments[fixed..]
            .iter()
            .filter(|segment| !segment.is_empty() && **segment != ".")
            .map(ToString::to_string)
            .collect();
        if pattern.iter().any(|segment| segment == "..") {
            return Err(wrong("has `..` after a pattern; write the folder first"));
        }
        let partition = if plain {
            None
        } else {
            Partition::of(&pattern, days).map_err(|reason| wrong(&reason))?
        };
        Ok(Self {
            folder: base.join(&shown),
            shown,
            pattern: if plain {
                pattern
            } else {
                pattern.iter().map(|segment| undated(segment)).collect()
            },
            plain,
            partition,
        })
    }

    /// The fixed folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn list(&self, source: &str, uri: &str) -> Result<Listing, SourceError> {
        let store = self.open(source, uri)?;
        let found = if self.plain {
            self.file(source, uri)?
        } else {
            self.matching(source)?
        };
        if found.files.is_empty() && !found.skipped.is_empty() {
            return Err(SourceError::NothingReadable {
                name: source.to_string(),
                files: found.skipped,
            });
        }
        if found.files.is_empty() {
            return Err(SourceError::NoMatch {
                name: source.to_string(),
                uri: uri.to_string(),
                folder: self.folder.display().to_string(),
                seen: self.seen(),
            });
        }
        Ok(Listing {
            store: SourceStore::Objects(store),
            source: source.to_string(),
            folder: Some(self.folder.clone()),
            files: found.files,
            skipped: found.skipped,
        })
    }

    fn open(&self, source: &str, uri: &str) -> Result<Arc<dyn ObjectStore>, SourceError> {
        match std::fs::metadata(&self.folder) {
            Ok(found) if found.is_dir() => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(SourceError::NoFolder {
                    name: source.to_string(),
                    uri: uri.to_string(),
                    folder: self.folder.display().to_string(),
                });
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotADirectory => {
                return Err(self.unreadable(source, &self.folder.display().to_string(), &error));
            }
            _ => {
                return Err(SourceError::Uri {
                    name: source.to_string(),
                    uri: uri.to_string(),
                    reason: format!("takes the file {} for a folder; fix the uri", self.shown),
                });
            }
        }
        let store = LocalFileSystem::new_with_prefix(&self.folder)
            .map_err(|error| self.unreadable(source, &self.folder.display().to_string(), &error))?;
        Ok(Arc::new(store))
    }

    fn unreadable(&self, source: &str, file: &str, reason: &dyn std::fmt::Display) -> SourceError {
        SourceError::Unreadable {
            name: source.to_string(),
            file: file.to_string(),
            reason: reason.to_string(),
        }
    }

    fn file(&self, source: &str, uri: &str) -> Result<MatchedFiles, SourceError> {
        let name = self.pattern.first().map_or("", String::as_str);
        let on_disk = self.folder.join(name);
        let shown = format!("{}{name}", self.shown);
        let wrong = |kind: &'static str| SourceError::NotAFile {
            name: source.to_string(),
            file: shown.clone(),
            kind,
        };
        let meta = match std::fs::metadata(&on_disk) {
            Ok(meta) if meta.is_file() => meta,
            Ok(meta) => return Err(wrong(kind(&meta))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(SourceError::NoFile {
                    name: source.to_string(),
                    file: on_disk.display().to_string(),
                });
            }
            Err(error) => return Err(self.unreadable(source, &shown, &error)),
        };
        let path = path_in_store(name).map_err(|reason| SourceError::Uri {
            name: source.to_string(),
            uri: uri.to_string(),
            reason: format!("names a file that cannot be taken: {reason}; rename it"),
        })?;
        Ok(MatchedFiles {
            files: vec![SourceFile {
                name: shown,
                location: path.clone(),
                path,
                size: meta.len(),
                modified: modified(&meta),
                etag: None,
            }],
            skipped: Vec::new(),
        })
    }

    /// Walks only into folders that the pattern can match.
    fn matching(&self, source: &str) -> Result<MatchedFiles, SourceError> {
        let mut walk = Walk::default();
        let mut visited: BTreeSet<(String, usize)> = BTreeSet::new();
        let mut open = vec![Step {
            on_disk: self.folder.clone(),
            path: String::new(),
            at: 0,
            within: Vec::new(),
        }];
        while let Some(step) = open.pop() {
            if step.at >= self.pattern.len() || !visited.insert((step.path.clone(), step.at)) {
                continue;
            }
            let entries = std::fs::read_dir(&step.on_disk).and_then(Iterator::collect);
            let entries: Vec<std::fs::DirEntry> = match entries {
                Ok(entries) => entries,
                Err(error) if step.path.is_empty() => {
                    return Err(self.unreadable(source, &self.shown, &error));
                }
                Err(error) => {
                    walk.skip(&step.path, format!("the folder cannot be read: {error}"));
                    continue;
                }
            };
            if self.pattern[step.at] == "**" && step.at + 1 < self.pattern.len() {
                open.push(Step {
                    at: step.at + 1,
                    ..step.clone()
                });
            }
            for entry in entries {
                open.extend(self.entry(&step, &entry.path(), &mut walk));
            }
        }
        Ok(walk.done(&self.shown))
    }

    /// Handles one entry of a folder: keeps a file that matches, or queues a folder.
    fn entry(&self, step: &Step, on_disk: &Path, walk: &mut Walk) -> Option<Step> {
        let segment = self.pattern.get(step.at)?;
        let (last, deep) = (step.at + 1 == self.pattern.len(), segment == "**");
        let os_name = on_disk.file_name().unwrap_or_default();
        let name = os_name.to_string_lossy();
        let fitting = if deep {
            !name.starts_with('.')
        } else {
            fits(segment, &name)
        };
        if !fitting {
            return None;
        }
        let slash = if step.path.is_empty() { "" } else { "/" };
        let path = format!("{}{slash}{name}", step.path);
        if let Some(partition) = &self.partition {
            let names: Vec<&str> = path.split('/').collect();
            if !partition.admits(&names) {
                return None;
            }
        }
        let meta = match std::fs::metadata(on_disk) {
            Ok(meta) => meta,
            Err(error) => {
                let reason = match error.kind() {
                    ErrorKind::NotFound => "the link leads nowhere".to_string(),
                    _ => error.to_string(),
                };
                walk.skip(&path, reason);
                return None;
            }
        };
        let reachable = if meta.is_dir() { deep || !last } else { last };
        if !reachable {
            return None;
        }
        if os_name.to_str().is_none() {
            walk.skip(&path, "its name is not UTF-8; rename it".to_string());
            return None;
        }
        if meta.is_dir() {
            let at = step.at + usize::from(!deep);
            return walk.descend(step, on_disk, path, at);
        }
        if !meta.is_file() {
            walk.skip(&path, format!("it is {}, not a file", kind(&meta)));
        } else if let Err(reason) = path_in_store(&path) {
            walk.skip(&path, format!("{reason}; rename it"));
        } else {
            walk.files.insert(path, (meta.len(), modified(&meta)));
        }
        None
    }

    /// A few names in the folder, for errors.
    fn seen(&self) -> String {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return String::new();
        };
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        match names.len() {
            0 => " (it is empty)".to_string(),
            1..=3 => format!(" (it holds {})", names.join(", ")),
            more => format!(
                " (it holds {} and {} more)",
                names[..3].join(", "),
                more - 3
            ),
        }
    }
}

/// The matching files, and skipped entries.
struct MatchedFiles {
    files: Vec<SourceFile>,
    skipped: Vec<SkippedFile>,
}

/// A folder to walk, with a part of the pattern.
#[derive(Clone)]
struct Step {
    on_disk: PathBuf,
    /// Path relative to the first folder.
    path: String,
    /// Index of the segment for its entries.
    at: usize,
    /// The containing folders, with links resolved.
    within: Vec<PathBuf>,
}

/// The result of a walk, ordered by path.
#[derive(Default)]
struct Walk {
    files: BTreeMap<String, (u64, Timestamp)>,
    skipped: BTreeMap<String, String>,
}

impl Walk {
    fn skip(&mut self, path: &str, reason: String) {
        self.skipped.insert(path.to_string(), reason);
    }

    /// The step into a folder; `None` if a link leads back to a containing folder.
    fn descend(&mut self, step: &Step, on_disk: &Path, path: String, at: usize) -> Option<Step> {
        let mut within = step.within.clone();
        if within.is_empty() {
            within.extend(std::fs::canonicalize(&step.on_disk));
        }
        match std::fs::canonicalize(on_disk) {
            Ok(real) if within.contains(&real) => {
                self.skip(
                    &path,
                    "the link leads back to a folder it is in".to_string(),
                );
                return None;
            }
            Ok(real) => within.push(real),
            Err(error) => {
                self.skip(&path, format!("the folder cannot be read: {error}"));
                return None;
            }
        }
        Some(Step {
            on_disk: on_disk.to_path_buf(),
            path,
            at,
            within,
        })
    }

    /// Converts names to the form that the user writes.
    fn done(self, shown: &str) -> MatchedFiles {
        let files = self
            .files
            .into_iter()
            .filter_map(|(path, (size, modified))| {
                let location = path_in_store(&path).ok()?;
                Some(SourceFile {
                    name: format!("{shown}{path}"),
                    path: location.clone(),
                    location,
                    size,
                    modified,
                    etag: None,
                })
            });
        let skipped = self.skipped.into_iter().map(|(path, reason)| SkippedFile {
            name: format!("{shown}{path}"),
            reason,
        });
        MatchedFiles {
            files: files.collect(),
            skipped: skipped.collect(),
        }
    }
}

/// The path of a file in the store; the error is the reason why it has none.
fn path_in_store(path: &str) -> Result<StorePath, String> {
    let digits = path.rsplit_once('#').map_or("", |(_, digits)| digits);
    if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err("names that end in # and a number are those of unfinished uploads".to_string());
    }
    StorePath::parse(path).map_err(|_| "its name holds a control character".to_string())
}

/// Modification time of a file; 1970 if unknown.
fn modified(meta: &Metadata) -> Timestamp {
    let time = meta.modified().ok();
    time.and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The kind of an entry that is not a file.
fn kind(meta: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let found = meta.file_type();
    if found.is_dir() {
        "a folder"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
