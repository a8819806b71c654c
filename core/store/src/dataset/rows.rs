//! Sets of rows of a dataset.

use std::collections::BTreeMap;

/// Rows to delete: offsets by fragment.
pub(crate) type DeletedRows = BTreeMap<u32, Vec<u32>>;

/// A set of row numbers, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    words: Vec<u64>,
    count: u64,
}

impl Rows {
    /// Adds a row.
    pub fn insert(&mut self, row: u64) {
        let (word, bit) = ((row / 64) as usize, 1 << (row % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.count += u64::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    /// Returns true if the set contains a row.
    pub fn contains(&self, row: u64) -> bool {
        let word = self.words.get((row / 64) as usize);
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Number of rows.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// The rows from `start` up to `end`, in order.
    pub fn between(&self, start: u64, end: u64) -> impl Iterator<Item = u64> + '_ {
        let words = start / 64..end.div_ceil(64).min(self.words.len() as u64);
        let filled = words.filter(|word| self.words[*word as usize] != 0);
        let rows = filled.flat_map(|word| word * 64..word * 64 + 64);
        rows.filter(move |row| (start..end).contains(row) && self.contains(*row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_reported_in_order() {
        let mut rows = Rows::default();
        for row in [5, 700, 64, 63, 5] {
            rows.insert(row);
        }
        assert_eq!(rows.len(), 4);
        assert_eq!(rows.between(0, 1000).collect::<Vec<_>>(), [5, 63, 64, 700]);
        assert_eq!(rows.between(6, 64).collect::<Vec<_>>(), [63]);
        assert_eq!(rows.between(64, 65).collect::<Vec<_>>(), [64]);
        assert_eq!(rows.between(701, 9000).count(), 0);
    }
}
