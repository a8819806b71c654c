//! Counts added and deleted lines like `git diff --numstat`.

use gix::diff::blob::{Algorithm, Diff, InternedInput, sources::byte_lines};

/// Bytes at the beginning of a file that decide whether it is binary.
const LOOKED_AT: usize = 8000;

/// Returns true if there is a NUL character among the first bytes: git's test for binary files.
pub fn looks_binary(contents: &[u8]) -> bool {
    let beginning = &contents[..contents.len().min(LOOKED_AT)];
    beginning.contains(&0)
}

/// Counts lines added and deleted between two texts. A line ends with a line feed, so a carriage
/// return before it makes it another line, and a last line without one differs from one with it.
pub fn count(old: &[u8], new: &[u8]) -> (u64, u64) {
    if old.is_empty() || new.is_empty() {
        return (lines(new), lines(old));
    }
    if old == new {
        return (0, 0);
    }
    let input = InternedInput::new(byte_lines(old), byte_lines(new));
    let diff = Diff::compute(Algorithm::Myers, &input);
    (
        u64::from(diff.count_additions()),
        u64::from(diff.count_removals()),
    )
}

fn lines(text: &[u8]) -> u64 {
    let ends = text.iter().filter(|byte| **byte == b'\n').count();
    let open = !text.is_empty() && !text.ends_with(b"\n");
    ends as u64 + u64::from(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_git_counts_them() {
        assert_eq!(count(b"", b"a\nb"), (2, 0));
        assert_eq!(count(b"a\nb\n", b""), (0, 2));
        assert_eq!(count(b"a\nb", b"a\nb\n"), (1, 1), "the missing end counts");
        assert_eq!(
            count(b"a\nb\n", b"a\r\nb\r\n"),
            (2, 2),
            "so does a carriage return"
        );
        assert_eq!(count(b"a\nb\nc\n", b"a\nc\nd\n"), (1, 1));
        assert_eq!(count(b"\n\n\n", b"\n"), (0, 2));
    }

    #[test]
    fn only_the_beginning_decides_what_is_binary() {
        let mut text = vec![b'a'; 8001];
        text[8000] = 0;
        assert!(!looks_binary(&text));
        text[7999] = 0;
        assert!(looks_binary(&text));
        assert!(!looks_binary(b""));
    }
}
