//! The last known fingerprint of each node of a job, to describe what changed since.
//!
//! The file has one line per node and change; only the last line of a node is used. It is
//! informational: if a line is lost in a power failure or to a second run, the stated reason for
//! running a node is less exact.

use retrocast_run::{Fingerprint, files::write_whole};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
};

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    node: String,
    fingerprint: Fingerprint,
}

/// The last fingerprint of each of a job's nodes.
#[derive(Debug)]
pub struct LastFingerprints {
    path: PathBuf,
    fingerprints: BTreeMap<String, Fingerprint>,
    /// Opened at the first addition.
    file: Option<File>,
}

impl LastFingerprints {
    /// Reads a file; unreadable lines are skipped.
    pub(super) fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let fingerprints = lines
            .map(|line: Line| (line.node, line.fingerprint))
            .collect();
        let file = None;
        let last = Self {
            path,
            fingerprints,
            file,
        };
        // A node that changes with each window adds a line per run, so the file is compacted
        // occasionally.
        if text.lines().count() > 8 * last.fingerprints.len() + 64 {
            let _ = last.rewrite();
        }
        last
    }

    /// The last known fingerprint of a node.
    pub fn get(&self, node: &str) -> Option<&Fingerprint> {
        self.fingerprints.get(node)
    }

    /// Records the current fingerprint of a node.
    pub fn set(&mut self, node: &str, fingerprint: &Fingerprint) -> io::Result<()> {
        if self.get(node) == Some(fingerprint) {
            return Ok(());
        }
        let line = line(node, fingerprint)?;
        self.file()?.write_all(&line)?;
        self.fingerprints
            .insert(node.to_string(), fingerprint.clone());
        Ok(())
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        Ok(self.file.insert(file))
    }

    fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = File::options();
        let mut file = options.append(true).create(true).open(&self.path)?;
        // Ends a truncated line; an empty line is ignored.
        file.write_all(b"\n")?;
        Ok(file)
    }

    fn rewrite(&self) -> io::Result<()> {
        let mut text = Vec::new();
        for (node, fingerprint) in &self.fingerprints {
            text.extend(line(node, fingerprint)?);
        }
        write_whole(&self.path, &text)
    }
}

fn line(node: &str, fingerprint: &Fingerprint) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Line {
        node: node.to_string(),
        fingerprint: fingerprint.clone(),
    })?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::Folder;

    fn fingerprint(n: usize) -> Fingerprint {
        Fingerprint(format!("{n:032x}"))
    }

    #[test]
    fn the_last_complete_line_of_a_node_counts() {
        let folder = Folder::new();
        let path = folder.join("last/review.jsonl");
        let mut last = LastFingerprints::read(path.clone());
        assert_eq!(last.get("stage.a"), None);
        for n in 0..3 {
            last.set("stage.a", &fingerprint(n)).unwrap();
            last.set("stage.b", &fingerprint(7)).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.trim().lines().count(),
            4,
            "only changes are written: {text}"
        );
        fs::write(&path, format!("{text}{{\"node\":\"stage.a\",\"fing")).unwrap();
        let mut last = LastFingerprints::read(path.clone());
        assert_eq!(last.get("stage.a"), Some(&fingerprint(2)));
        last.set("stage.c", &fingerprint(3)).unwrap();
        let last = LastFingerprints::read(path);
        assert_eq!(last.get("stage.b"), Some(&fingerprint(7)));
        assert_eq!(last.get("stage.c"), Some(&fingerprint(3)));
    }

    #[test]
    fn old_lines_are_compacted() {
        let folder = Folder::new();
        let path = folder.join("review.jsonl");
        let mut last = LastFingerprints::read(path.clone());
        for n in 0..100 {
            last.set("stage.a", &fingerprint(n)).unwrap();
        }
        for _ in 0..2 {
            let last = LastFingerprints::read(path.clone());
            assert_eq!(last.get("stage.a"), Some(&fingerprint(99)));
        }
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }
}
