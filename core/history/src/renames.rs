//! Pairs deleted with added files like `git log -M`.
//!
//! In this order, each file being used once: the same contents; then a name that only one deleted and
//! one added file has, if they are alike enough; then the most alike of all the others, unless there
//! are too many to compare each with each. Among equals a file of the same name goes first.

use crate::{
    HistoryError,
    similarity::{Pieces, SAME, score, sizes_allow},
    tree::{Difference, Entry, Sides},
};
use gix::{
    ObjectId,
    bstr::{BStr, ByteSlice},
};
use std::{
    cmp::Ordering as Order,
    collections::HashMap,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
};

/// Minimum similarity of a renamed file: half.
const LEAST: u64 = SAME / 2;
/// Minimum similarity where only the names match: three quarters.
const LEAST_BY_NAME: u64 = LEAST + (SAME - LEAST) / 2;
/// All pairs are compared if there are at most as many as in a square of this side.
const LIMIT: usize = 1000;
/// Number of files with the same contents that are searched for the same name.
const IDENTICAL: usize = 100;
/// Number of candidates per added file.
const CANDIDATES: usize = 4;
/// Memory for the pieces of deleted files, about; what goes beyond is read again.
const ROOM: usize = 256 << 20;

/// The data of files that a comparison needs.
pub trait Material {
    /// The length of a file.
    fn size(&mut self, entry: &Entry) -> Result<u64, HistoryError>;
    /// The pieces of a file.
    fn pieces(&mut self, path: &BStr, entry: &Entry) -> Result<Pieces, HistoryError>;
}

/// For each difference that is an added file with an origin: the index of the deleted file.
pub fn origins(
    differences: &[Difference],
    material: &mut dyn Material,
    cancel: &AtomicBool,
) -> Result<Vec<Option<usize>>, HistoryError> {
    let which = |fits: fn(&Sides) -> bool| {
        let all = differences.iter().enumerate();
        all.filter(|(_, difference)| fits(&difference.sides))
            .map(|(index, _)| index)
            .collect::<Vec<usize>>()
    };
    let mut search = Search {
        differences,
        material,
        cancel,
        sources: which(|sides| matches!(sides, Sides::Deleted(_))),
        targets: which(|sides| matches!(sides, Sides::Added(_))),
        origins: vec![None; differences.len()],
        used: vec![false; differences.len()],
        sizes: vec![None; differences.len()],
        pieces: HashMap::new(),
        room: ROOM,
        target: None,
    };
    if !search.sources.is_empty() && !search.targets.is_empty() {
        search.by_contents();
        search.by_name()?;
        search.by_likeness()?;
    }
    Ok(search.origins)
}

struct Search<'a> {
    differences: &'a [Difference],
    material: &'a mut dyn Material,
    cancel: &'a AtomicBool,
    /// Deleted files that became nothing yet, by path.
    sources: Vec<usize>,
    /// Added files, by path.
    targets: Vec<usize>,
    origins: Vec<Option<usize>>,
    used: Vec<bool>,
    sizes: Vec<Option<u64>>,
    /// Pieces of deleted files.
    pieces: HashMap<usize, Rc<Pieces>>,
    room: usize,
    /// Pieces of the added file that is being compared.
    target: Option<(usize, Rc<Pieces>)>,
}

impl Search<'_> {
    fn by_contents(&mut self) {
        let mut by_id: HashMap<ObjectId, Vec<usize>> = HashMap::new();
        for source in &self.sources {
            by_id
                .entry(self.entry(*source).id)
                .or_default()
                .push(*source);
        }
        for target in self.targets.clone() {
            let entry = self.entry(target);
            let found = by_id.get(&entry.id).and_then(|sources| {
                let mut fitting = sources
                    .iter()
                    .copied()
                    .filter(|source| !self.used[*source])
                    .filter(|source| {
                        let mode = self.entry(*source).mode;
                        mode == entry.mode || (mode.is_file() && entry.mode.is_file())
                    })
                    .take(IDENTICAL);
                let first = fitting.next()?;
                let same_name = |source: &usize| self.name(*source) == self.name(target);
                if same_name(&first) {
                    return Some(first);
                }
                fitting.find(same_name).or(Some(first))
            });
            if let Some(source) = found {
                self.pair(source, target);
            }
        }
        self.drop_used();
    }

    fn by_name(&mut self) -> Result<(), HistoryError> {
        let differences = self.differences;
        let unique = |indices: &[usize]| {
            let mut found: HashMap<&[u8], Option<usize>> = HashMap::new();
            for index in indices {
                found
                    .entry(name(differences[*index].path.as_ref()))
                    .and_modify(|one| *one = None)
                    .or_insert(Some(*index));
            }
            found
        };
        let open = self.open_targets();
        let (sources, targets) = (unique(&self.sources), unique(&open));
        for source in self.sources.clone() {
            let of_name = self.name(source);
            let (Some(Some(_)), Some(Some(target))) = (sources.get(of_name), targets.get(of_name))
            else {
                continue;
            };
            if self.likeness(source, *target, LEAST_BY_NAME)? >= LEAST_BY_NAME {
                self.pair(source, *target);
            }
        }
        self.drop_used();
        Ok(())
    }

    fn by_likeness(&mut self) -> Result<(), HistoryError> {
        let (sources, targets) = (self.sources.clone(), self.open_targets());
        if sources.len().saturating_mul(targets.len()) > LIMIT * LIMIT {
            return Ok(());
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        for target in targets {
            let mut best: Vec<Candidate> = Vec::with_capacity(CANDIDATES);
            for source in &sources {
                let candidate = Candidate {
                    score: self.likeness(*source, target, LEAST)?,
                    same_name: self.name(*source) == self.name(target),
                    source: *source,
                    target,
                };
                candidate.keep_if_better(&mut best);
            }
            candidates.append(&mut best);
        }
        candidates.sort_by(Candidate::order);
        for candidate in candidates {
            let open = self.origins[candidate.target].is_none() && !self.used[candidate.source];
            if open && candidate.score >= LEAST {
                self.pair(candidate.source, candidate.target);
            }
        }
        Ok(())
    }

    /// The score of two files; 0 where they cannot reach the least that is wanted, and for what is no file.
    fn likeness(&mut self, source: usize, target: usize, least: u64) -> Result<u64, HistoryError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(HistoryError::Cancelled);
        }
        if !self.entry(source).mode.is_file() || !self.entry(target).mode.is_file() {
            return Ok(0);
        }
        let sizes = (self.size(source)?, self.size(target)?);
        if !sizes_allow(sizes.0, sizes.1, least) {
            return Ok(0);
        }
        let old = self.source_pieces(source)?;
        let new = self.target_pieces(target)?;
        Ok(score((&old, sizes.0), (&new, sizes.1)))
    }

    fn size(&mut self, index: usize) -> Result<u64, HistoryError> {
        if let Some(size) = self.sizes[index] {
            return Ok(size);
        }
        let entry = self.entry(index);
        let size = self.material.size(&entry)?;
        self.sizes[index] = Some(size);
        Ok(size)
    }

    fn source_pieces(&mut self, index: usize) -> Result<Rc<Pieces>, HistoryError> {
        if let Some(pieces) = self.pieces.get(&index) {
            return Ok(Rc::clone(pieces));
        }
        let pieces = Rc::new(self.read(index)?);
        if let Some(left) = self.room.checked_sub(pieces.size()) {
            self.room = left;
            self.pieces.insert(index, Rc::clone(&pieces));
        }
        Ok(pieces)
    }

    fn target_pieces(&mut self, index: usize) -> Result<Rc<Pieces>, HistoryError> {
        if let Some((_, pieces)) = self.target.as_ref().filter(|(of, _)| *of == index) {
            return Ok(Rc::clone(pieces));
        }
        let pieces = Rc::new(self.read(index)?);
        self.target = Some((index, Rc::clone(&pieces)));
        Ok(pieces)
    }

    fn read(&mut self, index: usize) -> Result<Pieces, HistoryError> {
        let entry = self.entry(index);
        self.material
            .pieces(self.differences[index].path.as_ref(), &entry)
    }

    /// The one side that an added or deleted file has.
    fn entry(&self, index: usize) -> Entry {
        self.differences[index].sides.last()
    }

    fn name(&self, index: usize) -> &[u8] {
        name(self.differences[index].path.as_ref())
    }

    fn pair(&mut self, source: usize, target: usize) {
        self.used[source] = true;
        self.origins[target] = Some(source);
    }

    fn open_targets(&self) -> Vec<usize> {
        let open = |target: &usize| self.origins[*target].is_none();
        self.targets.iter().copied().filter(open).collect()
    }

    fn drop_used(&mut self) {
        self.sources.retain(|source| !self.used[*source]);
    }
}

/// The last part of a path.
fn name(path: &BStr) -> &[u8] {
    path.rfind_byte(b'/')
        .map_or(path.as_bytes(), |at| &path[at + 1..])
}

/// A deleted file that an added one may have been.
#[derive(Debug, Clone)]
struct Candidate {
    score: u64,
    same_name: bool,
    source: usize,
    target: usize,
}

impl Candidate {
    /// The better first.
    fn order(&self, other: &Self) -> Order {
        let key = |candidate: &Self| (candidate.score, candidate.same_name);
        key(other).cmp(&key(self))
    }

    /// Takes the place of the worst of the best, which is the first among equals.
    fn keep_if_better(self, best: &mut Vec<Self>) {
        if best.len() < CANDIDATES {
            best.push(self);
            return;
        }
        let mut worst = 0;
        for index in 1..best.len() {
            if best[index].order(&best[worst]) == Order::Greater {
                worst = index;
            }
        }
        if best[worst].order(&self) == Order::Greater {
            best[worst] = self;
        }
    }
}
