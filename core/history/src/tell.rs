//! Writes commits as lines of JSON.

use crate::{
    HistoryError, What,
    changes::Changes,
    objects::Objects,
    record::{CommitRecord, FileChangeRecord},
    walk,
};
use gix::ObjectId;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes records of commits.
pub struct Teller<'a> {
    objects: &'a Objects,
    changes: Changes<'a>,
    what: What,
    cancel: &'a AtomicBool,
    buffer: Vec<u8>,
    parent: Vec<u8>,
}

impl<'a> Teller<'a> {
    /// `head` is the commit whose `.gitattributes` hold.
    pub fn new(
        objects: &'a Objects,
        head: ObjectId,
        what: What,
        cancel: &'a AtomicBool,
    ) -> Result<Self, HistoryError> {
        let mut buffer = Vec::new();
        let tree = walk::read(objects, head, &mut buffer)?.tree;
        Ok(Self {
            objects,
            changes: Changes::new(objects, &tree, cancel)?,
            what,
            cancel,
            buffer,
            parent: Vec::new(),
        })
    }

    /// The lines of a commit are put in place of what is in `lines`, and their number is given.
    pub fn tell(&mut self, id: ObjectId, lines: &mut Vec<u8>) -> Result<u64, HistoryError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(HistoryError::Cancelled);
        }
        lines.clear();
        let commit = walk::read(self.objects, id, &mut self.buffer)?;
        let changed = match commit.parents[..] {
            [] => self.changes.of(&id, None, &commit.tree)?,
            [parent] => {
                let before = walk::read(self.objects, parent, &mut self.parent)?.tree;
                self.changes.of(&id, Some(&before), &commit.tree)?
            }
            // Like `git log`, which does not diff merges.
            _ => Vec::new(),
        };
        match self.what {
            What::Commits => {
                add(lines, &CommitRecord::new(&id, &commit, &changed))?;
                Ok(1)
            }
            What::FileChanges => {
                for change in &changed {
                    add(lines, &FileChangeRecord::new(&id, &commit, change))?;
                }
                Ok(changed.len() as u64)
            }
        }
    }
}

fn add(lines: &mut Vec<u8>, record: &impl Serialize) -> Result<(), HistoryError> {
    serde_json::to_writer(&mut *lines, record).map_err(std::io::Error::from)?;
    lines.push(b'\n');
    Ok(())
}
