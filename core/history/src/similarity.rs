//! Similarity of two files: the share of the larger one that consists of chunks of the other.
//!
//! The measure is git's, so that the same renames are found: a text is split into chunks that end with
//! a line feed, or after 64 bytes; each chunk is identified by a small hash; and a chunk counts as
//! often as both files have it, weighted by its length.

/// The score of two files that are the same.
pub const SAME: u64 = 60_000;

/// The longest piece.
const LONGEST: u32 = 64;
/// Chunks are compared by a hash below this prime.
const PRIME: u32 = 107_927;

/// The pieces of a file: bytes by hash, in order of hashes.
pub struct Pieces(Vec<(u32, u32)>);

impl Pieces {
    /// In a text, carriage returns at the end of lines are ignored.
    pub fn of(contents: &[u8], is_text: bool) -> Self {
        let mut pieces: Vec<(u32, u32)> = Vec::with_capacity(contents.len() / 32 + 1);
        let mut piece = Piece::default();
        for (at, byte) in contents.iter().enumerate() {
            if is_text && *byte == b'\r' && contents.get(at + 1) == Some(&b'\n') {
                continue;
            }
            piece.push(*byte);
            if *byte == b'\n' || piece.length == LONGEST {
                pieces.push(piece.end());
            }
        }
        if piece.length > 0 {
            pieces.push(piece.end());
        }
        pieces.sort_unstable_by_key(|(hash, _)| *hash);
        pieces.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 = earlier.1.wrapping_add(later.1);
            }
            same
        });
        pieces.shrink_to_fit();
        Self(pieces)
    }

    /// Bytes that both have.
    fn shared(&self, other: &Self) -> u64 {
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut shared = 0;
        while let (Some((hash, length)), Some((other_hash, other_length))) =
            (mine.peek(), theirs.peek())
        {
            match hash.cmp(other_hash) {
                std::cmp::Ordering::Less => {
                    mine.next();
                }
                std::cmp::Ordering::Greater => {
                    theirs.next();
                }
                std::cmp::Ordering::Equal => {
                    shared += u64::from(*length.min(other_length));
                    mine.next();
                    theirs.next();
                }
            }
        }
        shared
    }

    /// Memory that it takes, about.
    pub fn size(&self) -> usize {
        self.0.len() * size_of::<(u32, u32)>()
    }
}

/// A piece that is being read: two halves of a hash that turn into each other.
#[derive(Default)]
struct Piece {
    low: u32,
    high: u32,
    length: u32,
}

impl Piece {
    fn push(&mut self, byte: u8) {
        let low = (self.low << 7) ^ (self.high >> 25);
        self.high = (self.high << 7) ^ (self.low >> 25);
        self.low = low.wrapping_add(u32::from(byte));
        self.length += 1;
    }

    /// Hash and length.
    fn end(&mut self) -> (u32, u32) {
        let hash = self.low.wrapping_add(self.high.wrapping_mul(0x61)) % PRIME;
        let length = self.length;
        *self = Self::default();
        (hash, length)
    }
}

/// Returns true if files of these lengths can reach the score at all.
pub fn sizes_allow(old: u64, new: u64, least: u64) -> bool {
    let (small, large) = (u128::from(old.min(new)), u128::from(old.max(new)));
    large * u128::from(SAME - least) >= (large - small) * u128::from(SAME)
}

/// The score of two files with their lengths, from 0 to `SAME`.
pub fn score(old: (&Pieces, u64), new: (&Pieces, u64)) -> u64 {
    if new.1 == 0 {
        return 0;
    }
    let shared = u128::from(old.0.shared(new.0));
    let score = shared * u128::from(SAME) / u128::from(old.1.max(new.1));
    u64::try_from(score).unwrap_or(SAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(old: &str, new: &str) -> u64 {
        let pieces = |text: &str| Pieces::of(text.as_bytes(), true);
        score(
            (&pieces(old), old.len() as u64),
            (&pieces(new), new.len() as u64),
        )
    }

    #[test]
    fn shared_lines_count_by_their_length() {
        assert_eq!(likeness("one\ntwo\nsix\n", "one\ntwo\nsix\n"), SAME);
        assert_eq!(likeness("one\ntwo\n", "two\none\n"), SAME, "in any order");
        assert_eq!(likeness("one\ntwo\n", "one\nsix\n"), SAME / 2);
        assert_eq!(
            likeness("one\none\n", "one\nsix\n"),
            SAME / 2,
            "once for each"
        );
        assert_eq!(
            likeness("one\nend", "one\nend"),
            SAME,
            "the last line counts without its end"
        );
        assert_eq!(likeness("", "a\n"), 0);
    }

    #[test]
    fn sizes_decide_first() {
        let half = SAME / 2;
        assert!(sizes_allow(50, 100, half));
        assert!(!sizes_allow(49, 100, half));
        assert!(!sizes_allow(0, 1, half));
        assert!(sizes_allow(0, 0, half));
        assert!(sizes_allow(100, 75, SAME / 4 * 3));
        assert!(!sizes_allow(100, 74, SAME / 4 * 3));
    }
}
