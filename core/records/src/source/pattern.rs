//! Patterns of file names: `*`, `?` and sets of characters, within one folder.

/// Returns true if a segment of a path is a pattern.
pub(super) fn is_pattern(segment: &str) -> bool {
    segment.contains(['*', '?', '['])
}

/// Returns true if a file name matches one segment of a pattern.
pub(super) fn matches_name(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // The last star and the end of its match; on a mismatch the star matches one more character.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if let Some(next) = match_element(&pattern, p, name[n]) {
            p = next;
            n += 1;
        } else if let Some((after, end)) = star {
            p = after;
            n = end + 1;
            star = Some((after, end + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Matches a path against a pattern, segment by segment; `**` matches any number of folders, and at
/// the end all files below.
pub(super) fn matches_path(pattern: &[String], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([deep], [.., _]) if deep == "**" => path.iter().all(|name| !name.starts_with('.')),
        ([deep, rest @ ..], _) if deep == "**" => {
            matches_path(rest, path)
                || matches!(path, [first, below @ ..]
                    if !first.starts_with('.') && matches_path(pattern, below))
        }
        ([segment, rest @ ..], [name, below @ ..]) => {
            matches_name(segment, name) && matches_path(rest, below)
        }
        _ => false,
    }
}

/// Returns the next position in the pattern if the element at `p` matches the character.
fn match_element(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern.get(p)? {
        '?' => Some(p + 1),
        '[' => match match_set(pattern, p, c) {
            Some((next, inside)) => inside.then_some(next),
            None => (c == '[').then_some(p + 1),
        },
        literal => (*literal == c).then_some(p + 1),
    }
}

/// Parses the set `[…]` at `p` and returns its end, and whether it contains `c`; `None` if the set
/// is not closed.
fn match_set(pattern: &[char], p: usize, c: char) -> Option<(usize, bool)> {
    let mut i = p + 1;
    let negated = matches!(pattern.get(i), Some('!' | '^'));
    i += usize::from(negated);
    let first = i;
    let mut inside = false;
    loop {
        let low = *pattern.get(i)?;
        if low == ']' && i > first {
            return Some((i + 1, inside != negated));
        }
        if pattern.get(i + 1) == Some(&'-') && pattern.get(i + 2).is_some_and(|&high| high != ']') {
            inside |= (low..=pattern[i + 2]).contains(&c);
            i += 3;
        } else {
            inside |= low == c;
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_segment_by_segment() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let pattern: Vec<String> = pattern.split('/').map(str::to_string).collect();
            let path: Vec<&str> = path.split('/').collect();
            assert_eq!(
                matches_path(&pattern, &path),
                expected,
                "{pattern:?} {path:?}"
            );
        };
        check("*.jsonl", "a.jsonl", true);
        check("*.jsonl", "b/a.jsonl", false);
        check("**/*.jsonl", "a.jsonl", true);
        check("**/*.jsonl", "x/y/a.jsonl", true);
        check("**/*.jsonl", "x/.y/a.jsonl", false);
        check("**", "x/y/a", true);
        check("**", ".x/a", false);
        check("dt=2026-*/*.csv", "dt=2026-11-01/a.csv", true);
        check("*/b/**/c", "a/b/c", true);
        check("*/b/**/c", "a/b/x/c/d", false);
    }

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for name in yes {
            assert!(matches_name(pattern, name), "{pattern} should match {name}");
        }
        for name in no {
            assert!(
                !matches_name(pattern, name),
                "{pattern} should not match {name}"
            );
        }
    }

    #[test]
    fn names_match_patterns() {
        check(
            "*.jsonl",
            &["a.jsonl", "a.b.jsonl"],
            &["a.json", "a.jsonl.gz", ".a.jsonl"],
        );
        check("a?c", &["abc", "aéc"], &["ac", "abbc"]);
        check("t-[0-9][!a].csv", &["t-1b.csv"], &["t-1a.csv", "t-xb.csv"]);
        check("[]x]", &["]", "x"], &["y"]);
        check("a[b", &["a[b"], &["ab"]);
        check("*a*b*c", &["xaxbxc", "abc"], &["acb"]);
        check(".*", &[".hidden"], &["seen"]);
    }
}
