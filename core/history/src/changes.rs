//! The changes of a commit to files, with the figures of `git log --numstat -M`.

use crate::{
    HistoryError,
    attributes::{Attributes, Sort},
    lines::{count, looks_binary},
    objects::Objects,
    renames::{Material, origins},
    similarity::Pieces,
    tree::{Comparison, Difference, Entry, Mode},
};
use gix::{
    ObjectId,
    bstr::{BStr, BString},
    objs::Kind,
    oid,
};
use std::sync::atomic::AtomicBool;

/// Files above this length are not read: git takes them for binary (`core.bigFileThreshold`).
const BIG: u64 = 512 << 20;

/// A file that a commit changes.
#[derive(Debug)]
pub struct FileChange {
    pub path: BString,
    /// Previous path, if different.
    pub old_path: Option<BString>,
    pub kind: ChangeKind,
    /// Lines added and deleted; `None` for what is binary.
    pub lines: Option<(u64, u64)>,
    /// One side of it is a commit of another repository.
    pub is_submodule: bool,
}

/// Kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
    Renamed,
    TypeChanged,
}

impl ChangeKind {
    /// The word for it in a record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::Renamed => "renamed",
            Self::TypeChanged => "type_changed",
        }
    }
}

/// Computes the changes of commits, one after the other.
pub struct Changes<'a> {
    comparison: Comparison<'a>,
    contents: Contents<'a>,
    cancel: &'a AtomicBool,
}

impl<'a> Changes<'a> {
    /// `head` is the tree whose `.gitattributes` hold.
    pub fn new(
        objects: &'a Objects,
        head: &oid,
        cancel: &'a AtomicBool,
    ) -> Result<Self, HistoryError> {
        Ok(Self {
            comparison: Comparison::new(objects, cancel),
            contents: Contents {
                objects,
                attributes: Attributes::of_tree(objects, head)?,
                old: Vec::new(),
                new: Vec::new(),
            },
            cancel,
        })
    }

    /// Every file that a commit changes against the tree of its parent, or against nothing, by path.
    pub fn of(
        &mut self,
        commit: &oid,
        parent: Option<&oid>,
        tree: &oid,
    ) -> Result<Vec<FileChange>, HistoryError> {
        let differences = self.comparison.differences(commit, parent, tree)?;
        let origins = origins(&differences, &mut self.contents, self.cancel)?;
        let mut gone = vec![false; differences.len()];
        origins
            .iter()
            .flatten()
            .for_each(|source| gone[*source] = true);
        let mut changes = Vec::with_capacity(differences.len());
        for (index, difference) in differences.iter().enumerate() {
            if !gone[index] {
                let origin = origins[index].map(|source| &differences[source]);
                changes.push(self.change(difference, origin)?);
            }
        }
        Ok(changes)
    }

    fn change(
        &mut self,
        difference: &Difference,
        origin: Option<&Difference>,
    ) -> Result<FileChange, HistoryError> {
        let before = origin.unwrap_or(difference);
        let (old, new) = (before.sides.before(), difference.sides.after());
        let kind = match (old, new) {
            _ if origin.is_some() => ChangeKind::Renamed,
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Deleted,
            (Some(old), Some(new)) if old.mode.is_other_type(new.mode) => ChangeKind::TypeChanged,
            _ => ChangeKind::Modified,
        };
        let side = |entry: Option<Entry>, path| entry.map(|entry| (entry, path));
        let lines = self.contents.lines(
            side(old, before.path.as_ref()),
            side(new, difference.path.as_ref()),
        )?;
        let is_submodule = [old, new]
            .iter()
            .flatten()
            .any(|entry| entry.mode == Mode::Submodule);
        Ok(FileChange {
            path: difference.path.clone(),
            old_path: origin.map(|origin| origin.path.clone()),
            kind,
            lines,
            is_submodule,
        })
    }
}

/// Reads files, and knows how they are to be looked at.
struct Contents<'a> {
    objects: &'a Objects,
    attributes: Attributes,
    old: Vec<u8>,
    new: Vec<u8>,
}

type Side<'a> = Option<(Entry, &'a BStr)>;

impl Contents<'_> {
    fn lines(&mut self, old: Side<'_>, new: Side<'_>) -> Result<Option<(u64, u64)>, HistoryError> {
        let sorts = [self.sort(old), self.sort(new)];
        if sorts.contains(&Sort::Binary) {
            return Ok(None);
        }
        if self.is_big(old, sorts[0])? || self.is_big(new, sorts[1])? {
            return Ok(None);
        }
        let same =
            |side: Side<'_>| side.map(|(entry, _)| (entry.id, entry.mode == Mode::Submodule));
        let before = read(self.objects, old, &mut self.old)?;
        let after = if same(old) == same(new) {
            before
        } else {
            read(self.objects, new, &mut self.new)?
        };
        let binary = |contents: &[u8], sort| sort == Sort::ByContents && looks_binary(contents);
        if binary(before, sorts[0]) || binary(after, sorts[1]) {
            return Ok(None);
        }
        Ok(Some(count(before, after)))
    }

    fn is_big(&self, side: Side<'_>, sort: Sort) -> Result<bool, HistoryError> {
        match side {
            Some((entry, _)) if entry.mode != Mode::Submodule && sort != Sort::Text => {
                Ok(self.objects.size(&entry.id)? > BIG)
            }
            _ => Ok(false),
        }
    }

    /// Attributes are for files: links and submodules are what they are.
    fn sort(&mut self, side: Side<'_>) -> Sort {
        match side {
            Some((entry, path)) if entry.mode.is_file() => self.attributes.sort(path),
            _ => Sort::ByContents,
        }
    }
}

/// The contents of one side; of a submodule, the line that git shows in place of them.
fn read<'a>(
    objects: &Objects,
    side: Side<'_>,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], HistoryError> {
    match side {
        None => Ok(b""),
        Some((entry, _)) if entry.mode == Mode::Submodule => {
            *buffer = submodule(&entry.id);
            Ok(buffer)
        }
        Some((entry, _)) => objects.read(&entry.id, Kind::Blob, buffer),
    }
}

fn submodule(id: &ObjectId) -> Vec<u8> {
    format!("Subproject commit {id}\n").into_bytes()
}

impl Material for Contents<'_> {
    fn size(&mut self, entry: &Entry) -> Result<u64, HistoryError> {
        self.objects.size(&entry.id)
    }

    fn pieces(&mut self, path: &BStr, entry: &Entry) -> Result<Pieces, HistoryError> {
        let sort = self.sort(Some((*entry, path)));
        let contents = read(self.objects, Some((*entry, path)), &mut self.old)?;
        let is_text = match sort {
            Sort::ByContents => !looks_binary(contents),
            Sort::Text => true,
            Sort::Binary => false,
        };
        Ok(Pieces::of(contents, is_text))
    }
}
