//! Finds the objects whose key range overlaps the new rows.
//!
//! The range of key positions of each object is known. Records that arrive in the order of their
//! keys, such as numbered tickets, overlap few earlier objects, and only these must be searched.
//! With random keys, all objects overlap.

use std::collections::BTreeSet;

/// The key ranges of objects, and the parts of them that contain new keys.
#[derive(Debug, Default)]
pub(super) struct KeyRanges {
    /// The positions where the set of overlapping objects changes, in order.
    bounds: Vec<u128>,
    /// For each bound, true if a key was seen between it and the next bound.
    seen: Vec<bool>,
    /// Objects with their smallest and largest position; an object without positions always
    /// overlaps.
    objects: Vec<(u32, Option<(u128, u128)>)>,
}

impl KeyRanges {
    /// Creates the set of objects, before any key is seen.
    pub fn new(objects: impl Iterator<Item = (u32, Option<(u128, u128)>)>) -> Self {
        let objects: Vec<_> = objects.collect();
        let ranges = objects.iter().filter_map(|(_, range)| *range);
        let mut bounds: Vec<u128> = ranges
            .flat_map(|(least, greatest)| [Some(least), greatest.checked_add(1)])
            .flatten()
            .collect();
        bounds.sort_unstable();
        bounds.dedup();
        Self {
            seen: vec![false; bounds.len()],
            bounds,
            objects,
        }
    }

    /// Records a key at `position`.
    pub fn add(&mut self, position: u128) {
        let next = self.bounds.partition_point(|bound| *bound <= position);
        if next > 0 {
            self.seen[next - 1] = true;
        }
    }

    /// The objects whose key range contains a key that was seen.
    pub fn overlapping(&self) -> BTreeSet<u32> {
        // Number of intervals with a key that was seen, before each bound.
        let mut counts = Vec::with_capacity(self.seen.len() + 1);
        counts.push(0);
        for seen in &self.seen {
            counts.push(counts[counts.len() - 1] + u32::from(*seen));
        }
        let index = |position: u128| self.bounds.partition_point(|bound| *bound < position);
        let overlaps = |range: Option<(u128, u128)>| {
            range.is_none_or(|(least, greatest)| {
                let end = greatest.checked_add(1).map_or(self.bounds.len(), index);
                counts[end] > counts[index(least)]
            })
        };
        let overlapping = self.objects.iter().filter(|(_, range)| overlaps(*range));
        overlapping.map(|(object, _)| *object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_overlap_if_their_range_contains_a_key() {
        let objects = [
            (0, Some((10, 20))),
            (1, Some((21, 30))),
            (2, Some((15, 40))),
            (3, None),
            (4, Some((50, 50))),
            (5, Some((60, u128::MAX))),
        ];
        for keys in [
            vec![],
            vec![9],
            vec![10],
            vec![20],
            vec![21],
            vec![41, 49, 51, 59],
            vec![50],
            vec![60],
            vec![u128::MAX, 0],
            vec![14, 30],
        ] {
            let mut ranges = KeyRanges::new(objects.into_iter());
            keys.iter().for_each(|key| ranges.add(*key));
            let overlaps = |range: Option<(u128, u128)>| {
                range.is_none_or(|(least, greatest)| {
                    keys.iter().any(|key| (least..=greatest).contains(key))
                })
            };
            let expected = objects.iter().filter(|(_, range)| overlaps(*range));
            let expected: BTreeSet<u32> = expected.map(|(object, _)| *object).collect();
            assert_eq!(ranges.overlapping(), expected, "{keys:?}");
        }
    }
}
