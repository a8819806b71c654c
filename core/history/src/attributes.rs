//! What `.gitattributes` say about which files are binary: those of the commit at the head, so that the
//! records follow from the history alone.

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

/// How the contents of a file are to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// What its first bytes say.
    ByContents,
    /// As text, whatever is in it: `diff`.
    Text,
    /// As no text: `-diff` or `binary`.
    Binary,
}

/// Answers for each path how it is to be looked at.
pub struct Attributes {
    search: Search,
    outcome: Outcome,
    /// Nothing is said about any file.
    empty: bool,
}

/// What git ignores because of its length.
const LONGEST_FILE: usize = 100 << 20;

impl Attributes {
    /// Those of a tree: the deeper a file, the more it counts; only the uppermost may define macros.
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

    /// How the file at a path is to be looked at.
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
                // A driver's name: the drivers that git brings along look at the contents, too.
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
