//! Attributes from `.gitattributes` that decide which files are binary: those of the head commit, so
//! that the records follow from the history alone.

use crate::{HistoryError, error::chain, objects::Objects, tree::MOST_FILES};
use gix::{
    ObjectId,
    attrs::{
        Search, StateRef,
        search::{MetadataCollection, Outcome},
    },
    bstr::{BStr, BString, ByteVec},
    glob::pattern::Case,
    objs::{Kind, TreeRefIter},
    oid,
};
use std::path::{Path, PathBuf};

/// The way to compare the contents of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Decided by its first bytes.
    ByContents,
    /// As text, whatever it contains: `diff`.
    Text,
    /// As binary: `-diff` or `binary`.
    Binary,
}

/// Answers for each path how it is to be looked at.
pub struct Attributes {
    search: Search,
    outcome: Outcome,
    /// No attributes at all.
    empty: bool,
}

/// Larger files are binary for git.
const LONGEST_FILE: usize = 100 << 20;

impl Attributes {
    /// Reads the attributes of a tree: deeper files take precedence; only the top one may define
    /// macros.
    pub fn of_tree(objects: &Objects, tree: &oid) -> Result<Self, HistoryError> {
        let files = files(objects, tree)?;
        let mut collection = MetadataCollection::default();
        let mut buffer = Vec::new();
        let unusable = |error: std::io::Error| objects.damaged(Kind::Tree, tree, error.to_string());
        let mut search = Search::new_globals(Vec::<PathBuf>::new(), &mut buffer, &mut collection)
            .map_err(unusable)?;
        for (folder, id) in &files {
            let text = objects.read(id, Kind::Blob, &mut buffer)?;
            if text.len() > LONGEST_FILE {
                continue;
            }
            let root = Path::new("/");
            let folder = gix::path::from_bstr(BStr::new(folder))
                .map_err(|error| objects.damaged(Kind::Tree, tree, chain(&error)))?;
            let source = root.join(&folder).join(".gitattributes");
            let macros = folder.as_os_str().is_empty();
            search
                .add_patterns_buffer(text, source, Some(root), &mut collection, macros)
                .map_err(unusable)?;
        }
        let mut outcome = Outcome::default();
        outcome.initialize_with_selection(&collection, ["diff"]);
        Ok(Self {
            search,
            outcome,
            empty: files.is_empty(),
        })
    }

    /// The way to compare the file at a path.
    pub fn sort(&mut self, path: &BStr) -> Sort {
        if self.empty {
            return Sort::ByContents;
        }
        self.outcome.reset();
        self.search.pattern_matching_relative_path(
            path,
            Case::Sensitive,
            Some(false),
            &mut self.outcome,
        );
        match self.outcome.iter_selected().next() {
            Some(found) => match found.assignment.state {
                StateRef::Set => Sort::Text,
                StateRef::Unset => Sort::Binary,
                // A driver's name: the drivers that git includes compare the contents, too.
                StateRef::Value(_) | StateRef::Unspecified => Sort::ByContents,
            },
            None => Sort::ByContents,
        }
    }
}

/// Every `.gitattributes` of a tree with its folder, from the uppermost down.
fn files(objects: &Objects, tree: &oid) -> Result<Vec<(BString, ObjectId)>, HistoryError> {
    let mut files = Vec::new();
    let mut open = vec![(BString::default(), tree.to_owned())];
    let mut buffer = Vec::new();
    let mut seen = 0_usize;
    while let Some((folder, id)) = open.pop() {
        seen += 1;
        if seen > MOST_FILES {
            let reason = format!("it has more than {MOST_FILES} folders");
            return Err(objects.damaged(Kind::Tree, tree, reason));
        }
        let data = objects.read(&id, Kind::Tree, &mut buffer)?;
        for entry in TreeRefIter::from_bytes(data, objects.hash()) {
            let entry = entry.map_err(|error| objects.damaged(Kind::Tree, &id, chain(&error)))?;
            if entry.mode.is_tree() {
                let mut below = folder.clone();
                if !below.is_empty() {
                    below.push(b'/');
                }
                below.push_str(entry.filename);
                open.push((below, entry.oid.to_owned()));
            } else if entry.mode.is_blob() && entry.filename == ".gitattributes" {
                files.push((folder.clone(), entry.oid.to_owned()));
            }
        }
    }
    let depth = |folder: &BString| {
        let slashes = folder.iter().filter(|byte| **byte == b'/').count();
        slashes + usize::from(!folder.is_empty())
    };
    files.sort_by_cached_key(|(folder, _)| (depth(folder), folder.clone()));
    Ok(files)
}
