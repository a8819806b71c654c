//! A commit object taken apart, as leniently as git does it: old and odd programs made some of them.

use crate::text::Encoding;
use gix::ObjectId;
use jiff::Timestamp;

/// A parsed commit; names and messages are bytes in its encoding.
#[derive(Debug)]
pub struct Commit<'a> {
    pub tree: ObjectId,
    pub parents: Vec<ObjectId>,
    pub author: Person<'a>,
    pub committer: Person<'a>,
    pub encoding: Encoding,
    message: &'a [u8],
}

/// A person and a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person<'a> {
    pub name: &'a [u8],
    pub email: &'a [u8],
    pub at: Timestamp,
}

impl<'a> Commit<'a> {
    /// `None` when it is no commit: it has no tree, or an id in it is none.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let mut rest = data;
        let mut commit = Self {
            tree: ObjectId::from_hex(after(&mut rest, b"tree ")?).ok()?,
            parents: Vec::new(),
            author: Person::nobody(),
            committer: Person::nobody(),
            encoding: Encoding::Utf8,
            message: b"",
        };
        while let Some(parent) = after(&mut rest, b"parent ") {
            commit.parents.push(ObjectId::from_hex(parent).ok()?);
        }
        while let Some(line) = line(&mut rest).filter(|line| !line.is_empty()) {
            if let Some(author) = line.strip_prefix(b"author ") {
                commit.author = Person::parse(author);
            } else if let Some(committer) = line.strip_prefix(b"committer ") {
                commit.committer = Person::parse(committer);
            } else if let Some(name) = line.strip_prefix(b"encoding ") {
                commit.encoding = Encoding::named(name);
            }
        }
        commit.message = rest;
        Some(commit)
    }

    /// The first paragraph on one line, and what follows it.
    pub fn message(&self) -> (Vec<u8>, &'a [u8]) {
        let mut rest = without_blank_lines(self.message);
        let mut subject: Vec<u8> = Vec::new();
        while let Some(line) = line(&mut rest) {
            let line = line.trim_ascii_end();
            if line.is_empty() {
                break;
            }
            if !subject.is_empty() {
                subject.push(b' ');
            }
            subject.extend_from_slice(line);
        }
        (subject, without_blank_lines(rest).trim_ascii_end())
    }
}

impl<'a> Person<'a> {
    fn nobody() -> Self {
        Self {
            name: b"",
            email: b"",
            at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Parses `Name <address> seconds zone`, where any part may be missing. As in git, the time is
    /// searched after the last `>`; a missing or impossible time is 1970-01-01.
    fn parse(line: &'a [u8]) -> Self {
        let Some(open) = position(line, b'<') else {
            return Self::nobody();
        };
        let Some(length) = position(&line[open + 1..], b'>') else {
            return Self::nobody();
        };
        let behind = line.iter().rposition(|byte| *byte == b'>').unwrap_or(open);
        Self {
            name: line[..open].trim_ascii(),
            email: &line[open + 1..open + 1 + length],
            at: time(&line[behind + 1..]),
        }
    }
}

fn time(text: &[u8]) -> Timestamp {
    let text = text.trim_ascii_start();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits])
        .ok()
        .and_then(|digits| digits.parse::<i64>().ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Takes the next line, without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let (line, behind) = match position(rest, b'\n') {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (*rest, &rest[rest.len()..]),
    };
    *rest = behind;
    Some(line)
}

/// Takes the next line if it has this prefix, and returns the rest of the line.
fn after<'a>(rest: &mut &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    if !rest.starts_with(start) {
        return None;
    }
    line(rest).map(|line| &line[start.len()..])
}

fn without_blank_lines(text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        let mut ahead = rest;
        match line(&mut ahead) {
            Some(line) if line.trim_ascii().is_empty() => rest = ahead,
            _ => return rest,
        }
    }
}

fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|byte| *byte == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(line: &str) -> (String, String, i64) {
        let person = Person::parse(line.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(person.name), text(person.email), person.at.as_second())
    }

    #[test]
    fn people_are_read_however_they_are_written() {
        let of = |name: &str, email: &str, at: i64| (name.to_string(), email.to_string(), at);
        assert_eq!(person("A B <a@b> 12 +0100"), of("A B", "a@b", 12));
        assert_eq!(person("<a@b> 12 +0100"), of("", "a@b", 12));
        assert_eq!(person("A <a@b>> 12 +0100"), of("A", "a@b", 12));
        assert_eq!(person("A <a@b>"), of("A", "a@b", 0));
        assert_eq!(person("A <a@b> -5 +0000"), of("A", "a@b", 0));
        assert_eq!(
            person("A <a@b> 99999999999999999999 +0000"),
            of("A", "a@b", 0)
        );
        assert_eq!(person("nobody"), of("", "", 0));
        assert_eq!(person("A <a@b 12 +0100"), of("", "", 0));
    }

    #[test]
    fn messages_have_a_subject_and_a_body() {
        let parts = |message: &str| {
            let text = format!("tree {}\n\n{message}", "1".repeat(40));
            let commit = Commit::parse(text.as_bytes()).unwrap();
            let (subject, body) = commit.message();
            (
                String::from_utf8(subject).unwrap(),
                String::from_utf8(body.to_vec()).unwrap(),
            )
        };
        let of = |subject: &str, body: &str| (subject.to_string(), body.to_string());
        assert_eq!(parts("one\n"), of("one", ""));
        assert_eq!(
            parts("\n \none  \ntwo\n\n\nthree\n four\n\n"),
            of("one two", "three\n four")
        );
        assert_eq!(parts(""), of("", ""));
        assert_eq!(parts("one\n\n"), of("one", ""));
    }

    #[test]
    fn what_is_no_commit_is_refused() {
        assert!(Commit::parse(b"").is_none());
        assert!(Commit::parse(b"tree 12\n").is_none());
        assert!(Commit::parse(format!("tree {}\nparent x\n", "1".repeat(40)).as_bytes()).is_none());
        let headless = format!("tree {}\n", "1".repeat(40));
        assert!(Commit::parse(headless.as_bytes()).is_some());
    }
}
