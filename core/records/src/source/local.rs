//! Parses a local URI into a folder and a pattern for the files below it, and lists them.
//!
//! Folders are walked here, not by the object store, whose listing of a folder fails completely if
//! one entry is invalid. Entries that cannot contain records (pipes, devices, sockets), symbolic
//! link cycles and undecodable names are skipped and reported.

use super::{
    Listing, SkippedFile, SourceFile, SourceStore,
    partition::{Days, Partition, expand_dates, is_dated},
    pattern::{is_pattern, matches_name},
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
    display_name: String,
    /// Pattern of each path segment below the folder; or one literal file name.
    pattern: Vec<String>,
    /// True if the pattern is a literal name.
    is_literal: bool,
    /// The requested days, if paths contain dates.
    partition: Option<Partition>,
}

impl FilePattern {
    pub fn parse(
        source: &str,
        uri: &str,
        base: &Path,
        days: Option<Days>,
    ) -> Result<Self, SourceError> {
        let uri_error = |reason: &str| SourceError::Uri {
            name: source.to_string(),
            uri: uri.to_string(),
            reason: reason.to_string(),
        };
        let path = match uri.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => path,
            Some(("file", _)) => return Err(uri_error("needs three slashes: file:///folder/file")),
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
            return Err(uri_error(
                "is empty; name a file or a pattern such as data/raw/**/*.jsonl",
            ));
        }
        if path.contains('\0') {
            return Err(uri_error("holds a NUL character; remove it"));
        }
        let full_path = base.join(path);
        if full_path.is_dir() {
            let suggestion = format!("{}/**/*.jsonl*", path.trim_end_matches('/'));
            return Err(SourceError::Folder {
                name: source.to_string(),
                uri: uri.to_string(),
                suggestion,
            });
        }
        let segments: Vec<&str> = path.split('/').collect();
        let is_variable = |segment: &&str| is_pattern(segment) || is_dated(segment);
        let is_literal = full_path.exists() || !segments.iter().any(is_variable);
        let fixed = if is_literal {
            segments.len() - 1
        } else {
            segments.iter().position(is_variable).unwrap_or(0)
        };
        let display_name: String = segments[..fixed]
            .iter()
            .map(|segment| format!("{segment}/"))
            .collect();
        let pattern: Vec<String> = segments[fixed..]
            .iter()
            .filter(|segment| !segment.is_empty() && **segment != ".")
            .map(ToString::to_string)
            .collect();
        if pattern.iter().any(|segment| segment == "..") {
            return Err(uri_error(
                "has `..` after a pattern; write the folder first",
            ));
        }
        let partition = if is_literal {
            None
        } else {
            Partition::parse(&pattern, days).map_err(|reason| uri_error(&reason))?
        };
        Ok(Self {
            folder: base.join(&display_name),
            display_name,
            pattern: if is_literal {
                pattern
            } else {
                pattern
                    .iter()
                    .map(|segment| expand_dates(segment))
                    .collect()
            },
            is_literal,
            partition,
        })
    }

    /// The fixed folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn list(&self, source: &str, uri: &str) -> Result<Listing, SourceError> {
        let store = self.open(source, uri)?;
        let matched = if self.is_literal {
            self.find_file(source, uri)?
        } else {
            self.find_matching(source)?
        };
        if matched.files.is_empty() && !matched.skipped.is_empty() {
            return Err(SourceError::NothingReadable {
                name: source.to_string(),
                files: matched.skipped,
            });
        }
        if matched.files.is_empty() {
            return Err(SourceError::NoMatch {
                name: source.to_string(),
                uri: uri.to_string(),
                folder: self.folder.display().to_string(),
                seen: self.describe_contents(),
            });
        }
        Ok(Listing {
            store: SourceStore::Objects(store),
            source: source.to_string(),
            folder: Some(self.folder.clone()),
            files: matched.files,
            skipped: matched.skipped,
        })
    }

    fn open(&self, source: &str, uri: &str) -> Result<Arc<dyn ObjectStore>, SourceError> {
        match std::fs::metadata(&self.folder) {
            Ok(meta) if meta.is_dir() => {}
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
                    reason: format!(
                        "uses the file {} as a folder; fix the uri",
                        self.display_name
                    ),
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

    fn find_file(&self, source: &str, uri: &str) -> Result<MatchedFiles, SourceError> {
        let name = self.pattern.first().map_or("", String::as_str);
        let on_disk = self.folder.join(name);
        let display_name = format!("{}{name}", self.display_name);
        let not_a_file = |kind: &'static str| SourceError::NotAFile {
            name: source.to_string(),
            file: display_name.clone(),
            kind,
        };
        let meta = match std::fs::metadata(&on_disk) {
            Ok(meta) if meta.is_file() => meta,
            Ok(meta) => return Err(not_a_file(kind(&meta))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(SourceError::NoFile {
                    name: source.to_string(),
                    file: on_disk.display().to_string(),
                });
            }
            Err(error) => return Err(self.unreadable(source, &display_name, &error)),
        };
        let path = path_in_store(name).map_err(|reason| SourceError::Uri {
            name: source.to_string(),
            uri: uri.to_string(),
            reason: format!("names a file that cannot be read: {reason}; rename it"),
        })?;
        Ok(MatchedFiles {
            files: vec![SourceFile {
                name: display_name,
                location: path.clone(),
                path,
                size: meta.len(),
                modified: modification_time(&meta),
                etag: None,
            }],
            skipped: Vec::new(),
        })
    }

    /// Finds the files that match the pattern, and walks only into folders that it can match.
    fn find_matching(&self, source: &str) -> Result<MatchedFiles, SourceError> {
        let mut walk = WalkResult::default();
        let mut visited: BTreeSet<(String, usize)> = BTreeSet::new();
        let mut pending = vec![PendingFolder {
            on_disk: self.folder.clone(),
            path: String::new(),
            pattern_index: 0,
            ancestors: Vec::new(),
        }];
        while let Some(step) = pending.pop() {
            if step.pattern_index >= self.pattern.len()
                || !visited.insert((step.path.clone(), step.pattern_index))
            {
                continue;
            }
            let entries = std::fs::read_dir(&step.on_disk).and_then(Iterator::collect);
            let entries: Vec<std::fs::DirEntry> = match entries {
                Ok(entries) => entries,
                Err(error) if step.path.is_empty() => {
                    return Err(self.unreadable(source, &self.display_name, &error));
                }
                Err(error) => {
                    walk.skip(&step.path, format!("the folder cannot be read: {error}"));
                    continue;
                }
            };
            if self.pattern[step.pattern_index] == "**"
                && step.pattern_index + 1 < self.pattern.len()
            {
                pending.push(PendingFolder {
                    pattern_index: step.pattern_index + 1,
                    ..step.clone()
                });
            }
            for entry in entries {
                pending.extend(self.visit_entry(&step, &entry.path(), &mut walk));
            }
        }
        Ok(walk.into_files(&self.display_name))
    }

    /// Handles one entry of a folder: keeps a file that matches, or queues a folder.
    fn visit_entry(
        &self,
        step: &PendingFolder,
        on_disk: &Path,
        walk: &mut WalkResult,
    ) -> Option<PendingFolder> {
        let segment = self.pattern.get(step.pattern_index)?;
        let (last, deep) = (
            step.pattern_index + 1 == self.pattern.len(),
            segment == "**",
        );
        let os_name = on_disk.file_name().unwrap_or_default();
        let name = os_name.to_string_lossy();
        let is_match = if deep {
            !name.starts_with('.')
        } else {
            matches_name(segment, &name)
        };
        if !is_match {
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
                    ErrorKind::NotFound => "the link is broken".to_string(),
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
            let pattern_index = step.pattern_index + usize::from(!deep);
            return walk.descend(step, on_disk, path, pattern_index);
        }
        if !meta.is_file() {
            walk.skip(&path, format!("it is {}, not a file", kind(&meta)));
        } else if let Err(reason) = path_in_store(&path) {
            walk.skip(&path, format!("{reason}; rename it"));
        } else {
            walk.files
                .insert(path, (meta.len(), modification_time(&meta)));
        }
        None
    }

    /// Describes the contents of the folder for an error: a few names.
    fn describe_contents(&self) -> String {
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
struct PendingFolder {
    on_disk: PathBuf,
    /// Path relative to the first folder.
    path: String,
    /// Index of the pattern segment that its entries must match.
    pattern_index: usize,
    /// The containing folders, with links resolved.
    ancestors: Vec<PathBuf>,
}

/// The result of a walk, ordered by path.
#[derive(Default)]
struct WalkResult {
    files: BTreeMap<String, (u64, Timestamp)>,
    skipped: BTreeMap<String, String>,
}

impl WalkResult {
    fn skip(&mut self, path: &str, reason: String) {
        self.skipped.insert(path.to_string(), reason);
    }

    /// Prepares the walk into a folder; `None` if a link points back to a containing folder.
    fn descend(
        &mut self,
        step: &PendingFolder,
        on_disk: &Path,
        path: String,
        pattern_index: usize,
    ) -> Option<PendingFolder> {
        let mut ancestors = step.ancestors.clone();
        if ancestors.is_empty() {
            ancestors.extend(std::fs::canonicalize(&step.on_disk));
        }
        match std::fs::canonicalize(on_disk) {
            Ok(real) if ancestors.contains(&real) => {
                self.skip(
                    &path,
                    "the link points back to a folder that contains it".to_string(),
                );
                return None;
            }
            Ok(real) => ancestors.push(real),
            Err(error) => {
                self.skip(&path, format!("the folder cannot be read: {error}"));
                return None;
            }
        }
        Some(PendingFolder {
            on_disk: on_disk.to_path_buf(),
            path,
            pattern_index,
            ancestors,
        })
    }

    /// Converts names to the form that the user writes.
    fn into_files(self, display_name: &str) -> MatchedFiles {
        let files = self
            .files
            .into_iter()
            .filter_map(|(path, (size, modified))| {
                let location = path_in_store(&path).ok()?;
                Some(SourceFile {
                    name: format!("{display_name}{path}"),
                    path: location.clone(),
                    location,
                    size,
                    modified,
                    etag: None,
                })
            });
        let skipped = self.skipped.into_iter().map(|(path, reason)| SkippedFile {
            name: format!("{display_name}{path}"),
            reason,
        });
        MatchedFiles {
            files: files.collect(),
            skipped: skipped.collect(),
        }
    }
}

/// Converts the path of a file to its path in the store; the error is the reason why the store
/// cannot have this path.
fn path_in_store(path: &str) -> Result<StorePath, String> {
    let digits = path.rsplit_once('#').map_or("", |(_, digits)| digits);
    if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err("names that end in # and a number are those of unfinished uploads".to_string());
    }
    StorePath::parse(path).map_err(|_| "its name holds a control character".to_string())
}

/// Modification time of a file; 1970 if unknown.
fn modification_time(meta: &Metadata) -> Timestamp {
    let time = meta.modified().ok();
    time.and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The kind of an entry that is not a file.
fn kind(meta: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let file_type = meta.file_type();
    if file_type.is_dir() {
        "a folder"
    } else if file_type.is_fifo() {
        "a pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
