//! Sources: which files a URI names, and what identifies their content.
//!
//! All storage is seen through [`object_store`]. This build opens local folders; the URI decides.
//! In a pattern `*` and `?` stay within one folder, `**` spans any number of folders, `[a-z]` and
//! `[!a-z]` are sets of characters. Names that begin with a full stop are only found by patterns
//! that begin with one.

use crate::error::StoreError;
use futures::StreamExt;
use object_store::{
    GetResultPayload, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as StorePath,
};
use std::{
    collections::BTreeSet,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// As a user would name it: the fixed part of the URI and what the pattern stood for.
    pub name: String,
    /// Path below the fixed part of the URI, which does not change when the folder is moved.
    pub path: StorePath,
    /// Bytes.
    pub size: u64,
}

/// The files that a URI names, in order of their paths.
#[derive(Debug, Clone)]
pub struct Listing {
    store: Arc<dyn ObjectStore>,
    /// Name of the source, for messages.
    pub source: String,
    /// Files in the order in which they are read.
    pub files: Vec<SourceFile>,
}

impl Listing {
    /// Lists what `uri` names. Relative URIs begin at `base`. With `required` false there may be no
    /// folder and no file; then the listing is empty.
    pub async fn find(
        source: &str,
        uri: &str,
        base: &Path,
        required: bool,
    ) -> Result<Self, StoreError> {
        match Place::of(source, uri, base)?.list(source, uri).await {
            Err(
                StoreError::NoFolder { .. }
                | StoreError::NoFile { .. }
                | StoreError::NoMatch { .. },
            ) if !required => Ok(Self {
                store: Arc::new(object_store::memory::InMemory::new()),
                source: source.to_string(),
                files: Vec::new(),
            }),
            other => other,
        }
    }

    /// Opens a file for reading in a blocking thread.
    pub(crate) fn open(
        &self,
        file: &SourceFile,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Box<dyn Read + Send>, StoreError> {
        let unreadable = |error: object_store::Error| StoreError::Unreadable {
            name: self.source.clone(),
            file: file.name.clone(),
            reason: error.to_string(),
        };
        let result = runtime
            .block_on(self.store.get(&file.path))
            .map_err(unreadable)?;
        Ok(match result.payload {
            GetResultPayload::File(file, _) => Box::new(file),
            GetResultPayload::Stream(stream) => Box::new(StreamReader {
                stream,
                runtime: runtime.clone(),
                chunk: bytes::Bytes::new(),
            }),
        })
    }

    /// A hash of every file's path and content: equal exactly when the source reads the same.
    pub async fn identity(&self, threads: usize) -> Result<String, StoreError> {
        let listing = self.clone();
        let runtime = tokio::runtime::Handle::current();
        let hashing = tokio::task::spawn_blocking(move || listing.hash_files(threads, &runtime));
        let hashes = hashing.await.map_err(|_| StoreError::Stopped {
            name: self.source.clone(),
        })??;
        let mut all = blake3::Hasher::new();
        for (file, hash) in self.files.iter().zip(hashes) {
            all.update(&(file.path.as_ref().len() as u64).to_le_bytes());
            all.update(file.path.as_ref().as_bytes());
            all.update(hash.as_bytes());
        }
        Ok(all.finalize().to_hex()[..32].to_string())
    }

    fn hash_files(
        &self,
        threads: usize,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Vec<blake3::Hash>, StoreError> {
        let next = AtomicUsize::new(0);
        let slots: Vec<Mutex<Option<Result<blake3::Hash, StoreError>>>> =
            self.files.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, self.files.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let (Some(file), Some(slot)) = (self.files.get(index), slots.get(index))
                        else {
                            break;
                        };
                        let hash = self.hash_file(file, runtime);
                        *slot
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(hash);
                    }
                });
            }
        });
        let stopped = || {
            Err(StoreError::Stopped {
                name: self.source.clone(),
            })
        };
        slots
            .into_iter()
            .map(|slot| slot.into_inner().ok().flatten().unwrap_or_else(stopped))
            .collect()
    }

    fn hash_file(
        &self,
        file: &SourceFile,
        runtime: &tokio::runtime::Handle,
    ) -> Result<blake3::Hash, StoreError> {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update_reader(self.open(file, runtime)?)
            .map_err(|error| StoreError::Unreadable {
                name: self.source.clone(),
                file: file.name.clone(),
                reason: error.to_string(),
            })?;
        Ok(hasher.finalize())
    }
}

/// A stream of chunks as a blocking reader.
struct StreamReader {
    stream: futures::stream::BoxStream<'static, object_store::Result<bytes::Bytes>>,
    runtime: tokio::runtime::Handle,
    chunk: bytes::Bytes,
}

impl Read for StreamReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                Some(chunk) => self.chunk = chunk.map_err(std::io::Error::other)?,
                None => return Ok(0),
            }
        }
        let n = out.len().min(self.chunk.len());
        out[..n].copy_from_slice(&self.chunk.split_to(n));
        Ok(n)
    }
}

/// A URI taken apart: a folder that is certain and a pattern for what lies below it.
struct Place {
    /// Folder on this machine.
    folder: PathBuf,
    /// The folder as the user writes it, with a closing `/`; empty for the base folder.
    shown: String,
    /// Pattern of each path segment below the folder; or one plain file name.
    pattern: Vec<String>,
    /// Whether the pattern is to be taken letter by letter.
    plain: bool,
}

impl Place {
    fn of(source: &str, uri: &str, base: &Path) -> Result<Self, StoreError> {
        let wrong = |reason: &str| StoreError::Uri {
            name: source.to_string(),
            uri: uri.to_string(),
            reason: reason.to_string(),
        };
        let path = match uri.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => path,
            Some(("file", _)) => return Err(wrong("needs three slashes: file:///folder/file")),
            Some((scheme, _)) => {
                return Err(StoreError::Scheme {
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
            return Err(StoreError::Folder {
                name: source.to_string(),
                uri: uri.to_string(),
                suggestion,
            });
        }
        let segments: Vec<&str> = path.split('/').collect();
        let plain = whole.exists() || !segments.iter().any(|segment| is_pattern(segment));
        let fixed = if plain {
            segments.len() - 1
        } else {
            segments
                .iter()
                .position(|segment| is_pattern(segment))
                .unwrap_or(0)
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
        Ok(Self {
            folder: base.join(&shown),
            shown,
            pattern,
            plain,
        })
    }

    async fn list(&self, source: &str, uri: &str) -> Result<Listing, StoreError> {
        let store = self.open(source, uri)?;
        let files = if self.plain {
            self.file(source, store.as_ref()).await?
        } else {
            self.matching(source, store.as_ref()).await?
        };
        if files.is_empty() {
            return Err(StoreError::NoMatch {
                name: source.to_string(),
                uri: uri.to_string(),
                folder: self.folder.display().to_string(),
                seen: self.seen(),
            });
        }
        Ok(Listing {
            store,
            source: source.to_string(),
            files,
        })
    }

    fn open(&self, source: &str, uri: &str) -> Result<Arc<dyn ObjectStore>, StoreError> {
        match std::fs::metadata(&self.folder) {
            Ok(found) if found.is_dir() => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::NoFolder {
                    name: source.to_string(),
                    uri: uri.to_string(),
                    folder: self.folder.display().to_string(),
                });
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotADirectory => {
                return Err(self.unreadable(source, &self.folder.display().to_string(), &error));
            }
            _ => {
                return Err(StoreError::Uri {
                    name: source.to_string(),
                    uri: uri.to_string(),
                    reason: format!("takes the file {} for a folder; mend the uri", self.shown),
                });
            }
        }
        let store = LocalFileSystem::new_with_prefix(&self.folder)
            .map_err(|error| self.unreadable(source, &self.folder.display().to_string(), &error))?;
        Ok(Arc::new(store))
    }

    fn unreadable(&self, source: &str, file: &str, reason: &dyn std::fmt::Display) -> StoreError {
        StoreError::Unreadable {
            name: source.to_string(),
            file: file.to_string(),
            reason: reason.to_string(),
        }
    }

    async fn file(
        &self,
        source: &str,
        store: &dyn ObjectStore,
    ) -> Result<Vec<SourceFile>, StoreError> {
        let name = self.pattern.first().map_or("", String::as_str);
        let path = StorePath::parse(name).unwrap_or_else(|_| StorePath::from(name));
        let shown = format!("{}{name}", self.shown);
        match store.head(&path).await {
            Ok(meta) => Ok(vec![SourceFile {
                name: shown,
                path,
                size: meta.size,
            }]),
            Err(object_store::Error::NotFound { .. }) => Err(StoreError::NoFile {
                name: source.to_string(),
                file: self.folder.join(name).display().to_string(),
            }),
            Err(error) => Err(self.unreadable(source, &shown, &error)),
        }
    }

    /// Walks only into folders that the pattern can reach.
    async fn matching(
        &self,
        source: &str,
        store: &dyn ObjectStore,
    ) -> Result<Vec<SourceFile>, StoreError> {
        let mut found: BTreeSet<(String, u64)> = BTreeSet::new();
        let mut visited: BTreeSet<(String, usize)> = BTreeSet::new();
        let mut open = vec![(StorePath::default(), 0_usize)];
        while let Some((folder, at)) = open.pop() {
            if at >= self.pattern.len() || !visited.insert((folder.to_string(), at)) {
                continue;
            }
            let last = at + 1 == self.pattern.len();
            let segment = &self.pattern[at];
            let entries = store
                .list_with_delimiter(Some(&folder))
                .await
                .map_err(|error| self.unreadable(source, folder.as_ref(), &error))?;
            let deep = segment == "**";
            if deep && !last {
                open.push((folder.clone(), at + 1));
            }
            for below in &entries.common_prefixes {
                let name = below.filename().unwrap_or_default();
                if deep && !name.starts_with('.') {
                    open.push((below.clone(), at));
                } else if !deep && !last && fits(segment, name) {
                    open.push((below.clone(), at + 1));
                }
            }
            for object in &entries.objects {
                let name = object.location.filename().unwrap_or_default();
                let fitting = if deep {
                    !name.starts_with('.')
                } else {
                    fits(segment, name)
                };
                if last && fitting {
                    found.insert((object.location.to_string(), object.size));
                }
            }
        }
        Ok(found
            .into_iter()
            .map(|(path, size)| SourceFile {
                name: format!("{}{path}", self.shown),
                path: StorePath::parse(&path).unwrap_or_else(|_| StorePath::from(path.as_str())),
                size,
            })
            .collect())
    }

    /// A few names that are in the folder, to show what was found instead.
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

fn is_pattern(segment: &str) -> bool {
    segment.contains(['*', '?', '['])
}

/// A URI without the user and password that it may hold.
pub(crate) fn without_credentials(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => uri.to_string(),
    }
}

/// Whether a file name fits one segment of a pattern.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // The last star and where its match ends; on a mismatch the star takes one more character.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if let Some(next) = one(&pattern, p, name[n]) {
            p = next;
            n += 1;
        } else if let Some((after, end)) = star {
            p = after;
            n = end + 1;
            star = Some((after, end + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Where the pattern goes on when its element at `p` takes the character.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern.get(p)? {
        '?' => Some(p + 1),
        '[' => match set(pattern, p, c) {
            Some((next, inside)) => inside.then_some(next),
            None => (c == '[').then_some(p + 1),
        },
        literal => (*literal == c).then_some(p + 1),
    }
}

/// The set `[…]` at `p`: where it ends and whether it holds `c`; `None` when it is not closed.
fn set(pattern: &[char], p: usize, c: char) -> Option<(usize, bool)> {
    let mut i = p + 1;
    let negated = matches!(pattern.get(i), Some('!' | '^'));
    i += usize::from(negated);
    let first = i;
    let mut inside = false;
    loop {
        let low = *pattern.get(i)?;
        if low == ']' && i > first {
            return Some((i + 1, inside != negated));
        }
        if pattern.get(i + 1) == Some(&'-') && pattern.get(i + 2).is_some_and(|&high| high != ']') {
            inside |= (low..=pattern[i + 2]).contains(&c);
            i += 3;
        } else {
            inside |= low == c;
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for name in yes {
            assert!(fits(pattern, name), "{pattern} should take {name}");
        }
        for name in no {
            assert!(!fits(pattern, name), "{pattern} should not take {name}");
        }
    }

    #[test]
    fn patterns() {
        check(
            "*.jsonl",
            &["a.jsonl", "a.b.jsonl"],
            &["a.json", "a.jsonl.gz", ".a.jsonl"],
        );
        check("a?c", &["abc", "aéc"], &["ac", "abbc"]);
        check("t-[0-9][!a].csv", &["t-1b.csv"], &["t-1a.csv", "t-xb.csv"]);
        check("[]x]", &["]", "x"], &["y"]);
        check("a[b", &["a[b"], &["ab"]);
        check("*a*b*c", &["xaxbxc", "abc"], &["acb"]);
        check(".*", &[".hidden"], &["seen"]);
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "raw/2026/b.jsonl",
            "raw/2026/a.jsonl",
            "raw/c.jsonl",
            "raw/d e#1.csv",
            "raw/.x.jsonl",
        ] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        folder
    }

    fn names(uri: &str) -> Result<Vec<String>, String> {
        let folder = folder();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime
            .block_on(Listing::find("s", uri, folder.path(), true))
            .map(|listing| listing.files.into_iter().map(|file| file.name).collect())
            .map_err(|error| {
                error
                    .to_string()
                    .replace(&*folder.path().to_string_lossy(), "BASE")
            })
    }

    #[test]
    fn listings_are_sorted_by_path() {
        assert_eq!(names("raw/c.jsonl").unwrap(), ["raw/c.jsonl"]);
        assert_eq!(names("raw/*.jsonl").unwrap(), ["raw/c.jsonl"]);
        assert_eq!(
            names("raw/**/*.jsonl").unwrap(),
            ["raw/2026/a.jsonl", "raw/2026/b.jsonl", "raw/c.jsonl"]
        );
        assert_eq!(names("./raw/20??/[ab].jsonl").unwrap().len(), 2);
        assert_eq!(names("raw/**").unwrap().len(), 4);
        assert_eq!(names("raw/d e#1.csv").unwrap(), ["raw/d e#1.csv"]);
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        let check = |uri: &str, words: &str| {
            let error = names(uri).unwrap_err();
            assert!(error.contains(words), "{uri}: {error}");
        };
        check(
            "raw",
            "is a folder, not a file; to read what is in it write \"raw/**/*.jsonl*\"",
        );
        check("rav/*.jsonl", "folder \"BASE/rav/\" does not exist");
        check(
            "raw/x.jsonl",
            "the file \"BASE/raw/x.jsonl\" does not exist",
        );
        check(
            "raw/*.csv.gz",
            "no file in \"BASE/raw/\" fits \"raw/*.csv.gz\" (it holds",
        );
        check("s3://key:secret@bucket/a/*.jsonl", "local files only");
        check("", "is empty");
        check("raw/c.jsonl/*.csv", "for a folder");
        check("file://raw/c", "three slashes");
        assert!(
            !names("s3://key:secret@bucket/a")
                .unwrap_err()
                .contains("secret")
        );
    }

    #[test]
    fn identity_is_of_paths_and_content() {
        let folder = folder();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let identity = |threads| {
            runtime.block_on(async {
                let listing = Listing::find("s", "raw/**/*.jsonl", folder.path(), true)
                    .await
                    .unwrap();
                listing.identity(threads).await.unwrap()
            })
        };
        let before = identity(1);
        assert_eq!(before, identity(4));
        std::fs::write(folder.path().join("raw/c.jsonl"), "other").unwrap();
        assert_ne!(before, identity(2));
    }
}
