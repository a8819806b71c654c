//! Finds the objects whose key range overlaps the new rows.
//!
//! The range of key positions of each object is known. Records that arrive in the order of their
//! keys, such as numbered tickets, overlap few earlier objects, and only those have to be searched;
//! with random keys, all objects overlap.

use std::collections::BTreeSet;

/// Objects by the positions of their keys, and the positions seen.
#[derive(Debug, Default)]
pub(super) struct KeyRanges {
    /// The positions at which the set of overlapping objects changes, in order.
    bounds: Vec<u128>,
    /// For each of these, true if a key was seen between it and the next.
    seen: Vec<bool>,
    /// Objects with their smallest and largest position; if unknown, they always overlap.
    objects: Vec<(u32, Option<(u128, u128)>)>,
}

impl KeyRanges {
    /// Makes the set of objects, without any key seen.
    pub fn new(objects: impl Iterator<Item = (u32, Option<(u128, u128)>)>) -> Self {
        let objects: Vec<_> = objects.collect();
        let ends = objects.iter().filter_map(|(_, places)| *places);
        let mut bounds: Vec<u128> = ends
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

    /// Records a key at this position.
    pub fn touch(&mut self, place: u128) {
        let from = self.bounds.partition_point(|bound| *bound <= place);
        if from > 0 {
            self.seen[from - 1] = true;
        }
    }

    /// The objects that may have a row with a key that was seen.
    pub fn objects(&self) -> BTreeSet<u32> {
        // Number of positions seen before each bound.
        let mut before = Vec::with_capacity(self.seen.len() + 1);
        before.push(0);
        for seen in &self.seen {
            before.push(before[before.len() - 1] + u32::from(*seen));
        }
        let at = |place: u128| self.bounds.partition_point(|bound| *bound < place);
        let is_touched = |places: Option<(u128, u128)>| {
            places.is_none_or(|(least, greatest)| {
                let end = greatest.checked_add(1).map_or(self.bounds.len(), at);
                before[end] > before[at(least)]
            })
        };
        let touched = self
            .objects
            .iter()
            .filter(|(_, places)| is_touched(*places));
        touched.map(|(object, _)| *object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touched_are_those_whose_keys_surround_one() {
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
            let mut touched = KeyRanges::new(objects.into_iter());
            keys.iter().for_each(|key| touched.touch(*key));
            let is_in = |places: Option<(u128, u128)>| {
                places.is_none_or(|(least, greatest)| {
                    keys.iter().any(|key| (least..=greatest).contains(key))
                })
            };
            let expected = objects.iter().filter(|(_, places)| is_in(*places));
            let expected: BTreeSet<u32> = expected.map(|(object, _)| *object).collect();
            assert_eq!(touched.objects(), expected, "{keys:?}");
        }
    }
}
