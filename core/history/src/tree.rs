//! The difference between two trees, file by file, before rename detection.

use crate::{HistoryError, error::chain, objects::Objects};
use gix::{
    ObjectId,
    bstr::{BStr, BString, ByteVec},
    diff::tree::{State, Visit, visit::Action, visit::Change},
    objs::{Kind, TreeRefIter, tree::EntryMode},
    oid,
};
use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
};

/// Maximum number of files that one commit may change: a tree that repeats the same folders can
/// represent more files than any memory holds.
pub const MOST_FILES: usize = if cfg!(test) { 20_000 } else { 4_000_000 };

/// The mode of a tree entry, as far as git distinguishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A file.
    File,
    /// A file that can be executed.
    Executable,
    /// A symbolic link: its contents are where it leads.
    Link,
    /// A commit of another repository.
    Submodule,
}

impl Mode {
    /// `None` for a folder. Permissions that today's git does not write are taken as it takes them.
    fn of(mode: EntryMode) -> Option<Self> {
        let value = mode.value();
        match value & 0o170_000 {
            0o040_000 => None,
            0o100_000 if value & 0o100 == 0 => Some(Self::File),
            0o100_000 => Some(Self::Executable),
            0o120_000 => Some(Self::Link),
            _ => Some(Self::Submodule),
        }
    }

    /// A file, executable or not.
    pub fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Executable)
    }

    /// Returns true if changing one to the other changes the type of the entry.
    pub fn is_other_type(self, other: Self) -> bool {
        self != other && !(self.is_file() && other.is_file())
    }
}

/// The entry at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub mode: Mode,
    pub id: ObjectId,
}

/// A path at which two trees differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub path: BString,
    pub sides: Sides,
}

/// The entries at a path before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// Only in the newer tree.
    Added(Entry),
    /// Only in the older tree.
    Deleted(Entry),
    /// One thing in the older and another in the newer tree.
    Modified(Entry, Entry),
}

impl Sides {
    fn of(old: Option<Entry>, new: Option<Entry>) -> Option<Self> {
        match (old, new) {
            (None, Some(new)) => Some(Self::Added(new)),
            (Some(old), None) => Some(Self::Deleted(old)),
            (Some(old), Some(new)) if old != new => Some(Self::Modified(old, new)),
            _ => None,
        }
    }

    /// The entry before.
    pub fn before(self) -> Option<Entry> {
        match self {
            Self::Added(_) => None,
            Self::Deleted(old) | Self::Modified(old, _) => Some(old),
        }
    }

    /// The entry after.
    pub fn after(self) -> Option<Entry> {
        match self {
            Self::Deleted(_) => None,
            Self::Added(new) | Self::Modified(_, new) => Some(new),
        }
    }

    /// The newest that there is.
    pub fn last(self) -> Entry {
        match self {
            Self::Added(entry) | Self::Deleted(entry) | Self::Modified(_, entry) => entry,
        }
    }
}

/// Compares trees, and keeps its buffers from one comparison to the next.
pub struct Comparison<'a> {
    objects: &'a Objects,
    cancel: &'a AtomicBool,
    state: State,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl<'a> Comparison<'a> {
    pub fn new(objects: &'a Objects, cancel: &'a AtomicBool) -> Self {
        Self {
            objects,
            cancel,
            state: State::default(),
            old: Vec::new(),
            new: Vec::new(),
        }
    }

    /// Every path at which the tree of a commit differs from another, or from nothing, by path.
    pub fn differences(
        &mut self,
        commit: &oid,
        old: Option<&oid>,
        new: &oid,
    ) -> Result<Vec<Difference>, HistoryError> {
        let objects = self.objects;
        let before = match old {
            Some(old) => objects.read(old, Kind::Tree, &mut self.old)?,
            None => b"",
        };
        let after = objects.read(new, Kind::Tree, &mut self.new)?;
        let mut found = Found::new(self.cancel);
        let compared = gix::diff::tree(
            TreeRefIter::from_bytes(before, objects.hash()),
            TreeRefIter::from_bytes(after, objects.hash()),
            &mut self.state,
            objects.store(),
            &mut found,
        );
        match found.stopped {
            Some(Stop::Cancelled) => return Err(HistoryError::Cancelled),
            Some(Stop::TooMany) => {
                return Err(HistoryError::TooManyFiles {
                    place: objects.place().to_string(),
                    commit: commit.to_string(),
                    limit: MOST_FILES,
                });
            }
            None => {}
        }
        compared.map_err(|error| {
            let reason = chain(&gix::Error::from_error(error));
            objects.damaged(
                Kind::Commit,
                commit,
                format!("comparing its files: {reason}"),
            )
        })?;
        let mut differences = found.differences;
        differences.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(differences)
    }
}

enum Stop {
    Cancelled,
    TooMany,
}

/// The result of the comparison.
struct Found<'a> {
    cancel: &'a AtomicBool,
    differences: Vec<Difference>,
    path: BString,
    /// Length of the path before each component, so that names with a slash do no harm.
    lengths: Vec<usize>,
    folders: VecDeque<BString>,
    stopped: Option<Stop>,
}

impl<'a> Found<'a> {
    fn new(cancel: &'a AtomicBool) -> Self {
        Self {
            cancel,
            differences: Vec::new(),
            path: BString::default(),
            lengths: Vec::new(),
            folders: VecDeque::new(),
            stopped: None,
        }
    }

    fn take(&mut self, old: Option<(EntryMode, ObjectId)>, new: Option<(EntryMode, ObjectId)>) {
        let entry =
            |(mode, id): (EntryMode, ObjectId)| Mode::of(mode).map(|mode| Entry { mode, id });
        if let Some(sides) = Sides::of(old.and_then(entry), new.and_then(entry)) {
            self.differences.push(Difference {
                path: self.path.clone(),
                sides,
            });
        }
    }
}

impl Visit for Found<'_> {
    fn pop_front_tracked_path_and_set_current(&mut self) {
        self.path = self.folders.pop_front().unwrap_or_default();
        self.lengths.clear();
    }

    fn push_back_tracked_path_component(&mut self, component: &BStr) {
        self.push_path_component(component);
        self.folders.push_back(self.path.clone());
    }

    fn push_path_component(&mut self, component: &BStr) {
        self.lengths.push(self.path.len());
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.push_str(component);
    }

    fn pop_path_component(&mut self) {
        let length = self.lengths.pop().unwrap_or(0);
        self.path.truncate(length);
    }

    fn visit(&mut self, change: Change) -> Action {
        match change {
            Change::Addition {
                entry_mode, oid, ..
            } => self.take(None, Some((entry_mode, oid))),
            Change::Deletion {
                entry_mode, oid, ..
            } => self.take(Some((entry_mode, oid)), None),
            Change::Modification {
                previous_entry_mode,
                previous_oid,
                entry_mode,
                oid,
            } => self.take(
                Some((previous_entry_mode, previous_oid)),
                Some((entry_mode, oid)),
            ),
        }
        if self.differences.len() > MOST_FILES {
            self.stopped = Some(Stop::TooMany);
        } else if self.cancel.load(Ordering::Relaxed) {
            self.stopped = Some(Stop::Cancelled);
        }
        match self.stopped {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }
}
