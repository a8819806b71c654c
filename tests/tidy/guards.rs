//! Rules for the source text: length of files, unclear words, and tests that print or sleep.

use std::{fmt::Write as _, ops::Range};

/// Maximum number of lines of code in a file, without blank lines and comments.
pub const LINES_MAX: usize = 500;

/// Number of lines by which a long file may shrink before its entry must be updated.
const SLACK: usize = 25;

/// Longer files, with their numbers of lines. The list only shrinks: a file that has become
/// shorter gets its new number, and no file is added.
pub const LONG: &[(&str, usize)] = &[
    ("core/engine/src/job/validate.rs", 514),
    ("core/engine/src/run.rs", 508),
    ("core/engine/src/run/tests.rs", 621),
    ("core/records/src/contract/tests.rs", 613),
    ("core/records/src/infer/tests.rs", 813),
    ("core/records/src/read/parquet/tests.rs", 630),
    ("core/render/src/assemble/tests.rs", 510),
    ("core/stages/src/kpi/tests.rs", 552),
    ("core/stages/src/temporal_pattern/rhythm/claims.rs", 515),
    ("core/stages/src/temporal_pattern/tests.rs", 718),
    ("core/store/src/ingest/mod.rs", 532),
    ("core/store/src/ingest/tests.rs", 520),
    ("core/store/src/sql/times.rs", 654),
];

/// Files whose tests may sleep, because they test the passing of time.
pub const MAY_SLEEP: &[&str] = &[
    "core/deliver/src/alert/tests.rs",
    "core/engine/src/run/recovery_tests.rs",
    "core/engine/src/schedule/attempts.rs",
    "core/store/src/resources.rs",
    "tests/suite/failures.rs",
    "tests/suite/recovery.rs",
    "tests/suite/ledger.rs",
    "tests/suite/restated.rs",
    "tests/suite/schedule.rs",
    "tests/suite/watch.rs",
];

/// Unclear words, and the words to write instead.
pub const UNCLEAR_WORDS: &[(&str, &str)] = &[
    ("is told", "is reported, is known"),
    ("are told", "are reported"),
    ("was told", "was reported, was asked"),
    ("whoever", "anyone who"),
    ("mend", "fix"),
    ("goes on", "resumes, continues"),
    ("had to say", "reported"),
    ("has the word of", "is confirmed"),
    ("is at it already", "is already running in another process"),
    ("comes to a certain end", "is resolved"),
];

/// Lines of code: neither blank nor comments.
pub fn lines_of_code(text: &str) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    text.lines().map(str::trim).filter(is_code).count()
}

/// Describes files that are too long and entries of [`LONG`] that are outdated.
pub fn check_lengths(files: &[(String, String)]) -> String {
    let mut violations = String::new();
    for (path, text) in files {
        let lines = lines_of_code(text);
        let entry = LONG.iter().find(|(long, _)| long == path);
        let _ = match entry {
            None if lines > LINES_MAX => writeln!(
                violations,
                "{path} has {lines} lines of code, the limit is {LINES_MAX}: split it"
            ),
            Some((_, allowed)) if lines > *allowed => {
                writeln!(
                    violations,
                    "{path} grew from {allowed} to {lines} lines of code"
                )
            }
            Some(_) if lines <= LINES_MAX => {
                writeln!(
                    violations,
                    "{path} is short enough now: remove it from LONG"
                )
            }
            Some((_, allowed)) if lines + SLACK < *allowed => {
                writeln!(
                    violations,
                    "{path} has {lines} lines now: update its entry in LONG"
                )
            }
            _ => Ok(()),
        };
    }
    for (path, _) in LONG {
        if !files.iter().any(|(file, _)| file == path) {
            let _ = writeln!(violations, "{path} does not exist: remove it from LONG");
        }
    }
    violations
}

/// Describes the uses of [`UNCLEAR_WORDS`].
pub fn check_words(path: &str, text: &str) -> String {
    let mut violations = String::new();
    let is_letter = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    for (index, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        for (word, replacement) in UNCLEAR_WORDS {
            let is_used = lower.match_indices(word).any(|(start, _)| {
                let (before, after) = (&lower[..start], &lower[start + word.len()..]);
                !is_letter(before.chars().next_back()) && !is_letter(after.chars().next())
            });
            if is_used {
                let _ = writeln!(
                    violations,
                    "{path}:{}: {word:?}: write {replacement:?}",
                    index + 1
                );
            }
        }
    }
    violations
}

/// The lines of a file that are compiled only for tests: all lines of a test file, or the lines
/// from the first `#[cfg(test)]` on.
pub fn test_lines(path: &str, text: &str) -> Range<usize> {
    let count = text.lines().count();
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == "tests.rs" || name.ends_with("_tests.rs") || path.contains("tests/") {
        return 0..count;
    }
    let first = text.lines().position(|line| line.trim() == "#[cfg(test)]");
    first.unwrap_or(count)..count
}

/// Describes tests that print, or that sleep without being listed in [`MAY_SLEEP`].
pub fn check_prints_and_sleeps(path: &str, text: &str) -> String {
    let mut violations = String::new();
    let tests = test_lines(path, text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !tests.contains(&index) || line.starts_with("//") {
            continue;
        }
        // Tests may report on stderr that they are skipped.
        if line.starts_with("println!(") || line.starts_with("print!(") || line.contains("dbg!(") {
            let _ = writeln!(violations, "{path}:{}: a test prints", index + 1);
        }
        if line.contains("sleep(") && !MAY_SLEEP.contains(&path) {
            let _ = writeln!(violations, "{path}:{}: a test sleeps", index + 1);
        }
    }
    violations
}

#[test]
fn violations_are_found() {
    let long = format!("{}// a comment\n", "let x = 1;\n".repeat(LINES_MAX + 1));
    assert!(
        check_lengths(&[("core/x.rs".to_string(), long)]).starts_with("core/x.rs has 501 lines")
    );
    let sentence = format!("// It is {} once.", "told");
    assert!(check_words("a.rs", &sentence).starts_with("a.rs:1: \"is told\""));
    assert_eq!(check_words("a.rs", "// We recommend it."), "");
    let test = "fn f() {}\n#[cfg(test)]\nmod tests {\n    println!(\"x\");\n    sleep(1);\n}\n";
    let wrong = "a.rs:4: a test prints\na.rs:5: a test sleeps\n";
    assert_eq!(check_prints_and_sleeps("a.rs", test), wrong);
    assert_eq!(check_prints_and_sleeps("a.rs", "println!(\"x\");"), "");
}
