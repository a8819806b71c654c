//! Valid and invalid URIs.

use crate::{RecordKind, RepositoryUri};

fn parse_error(uri: &str) -> String {
    RepositoryUri::parse(uri).expect_err(uri).to_string()
}

#[test]
fn uris_are_parsed() {
    let uri = RepositoryUri::parse("git+file:///srv/repo").unwrap();
    assert_eq!(uri.to_string(), "/srv/repo");
    assert_eq!(uri.kind(), RecordKind::Commits);
    assert_eq!((uri.branch(), uri.since()), (None, None));
    let uri = "git+https://host:8443/owner/repo.git?branch=release/1&since=2025-01-01#file_changes";
    let uri = RepositoryUri::parse(uri).unwrap();
    assert_eq!(uri.to_string(), "https://host:8443/owner/repo.git");
    assert_eq!(uri.kind(), RecordKind::FileChanges);
    assert_eq!(uri.branch(), Some("release/1"));
    assert_eq!(uri.since().unwrap().to_string(), "2025-01-01T00:00:00Z");
    let uri =
        RepositoryUri::parse("git+file:///a%20b%3F%23/c?since=2025-01-01T02:00:00%2B02:00#commits");
    let uri = uri.unwrap();
    assert_eq!(uri.to_string(), "/a b?#/c");
    assert_eq!(uri.since().unwrap().to_string(), "2025-01-01T00:00:00Z");
    assert!(RepositoryUri::parse("git+http://[::1]:80/repo").is_ok());
    assert!(
        RepositoryUri::has_git_scheme("git+ssh://x")
            && !RepositoryUri::has_git_scheme("data/*.jsonl")
    );
}

#[test]
fn errors_are_reported_with_advice() {
    let cases = [
        ("git+ssh://host/repo", "git+ssh://, which is not supported"),
        ("git+htps://host/repo", "did you mean `git+https`?"),
        ("/srv/repo", "has no scheme; begin it with git+file://"),
        (
            "git+file://srv/repo",
            "needs three slashes: git+file:///folder",
        ),
        ("git+https:///repo", "has no valid host"),
        ("git+https://host:99999/repo", "has no valid host"),
        ("git+https://host", "names no repository on the host"),
        ("git+https://host/a b", "has spaces in its path"),
        (
            "git+file:///r#comits",
            "requests \"comits\", which is not supported, did you mean `commits`?",
        ),
        ("git+file:///r#", "requests \"\""),
        (
            "git+file:///r?brnch=a",
            "has the unknown key `brnch`, did you mean `branch`?",
        ),
        (
            "git+file:///r?depth=1",
            "has the unknown key `depth`; known keys are `branch` and `since`",
        ),
        ("git+file:///r?branch", "write key=value"),
        ("git+file:///r?branch=", "has the invalid branch name"),
        ("git+file:///r?branch=a..b", "has the invalid branch name"),
        (
            "git+file:///r?branch=a&branch=b",
            "has `branch` twice; keep one",
        ),
        (
            "git+file:///r?since=yesterday",
            "which is not a time; write a day such as 2025-01-31",
        ),
        ("git+file:///r?since=2025-02-30", "which is not a time"),
        (
            "git+file:///r?since=2025-01-01T00:00:00",
            "which is not a time",
        ),
        ("git+file:///r%2", "% without two hexadecimal digits"),
        ("git+file:///r%00", "contains a NUL character"),
        (
            "git+http://user:word@host/repo",
            "would send the password unprotected",
        ),
    ];
    for (uri, expected) in cases {
        let message = parse_error(uri);
        assert!(message.contains(expected), "{uri}: {message}");
    }
}

#[test]
fn users_and_passwords_are_never_shown() {
    let uri = RepositoryUri::parse("git+https://ann:s%40crt@host/repo?branch=main").unwrap();
    let shown = format!("{uri} {uri:?}");
    assert!(!shown.contains("ann") && !shown.contains("crt"), "{shown}");
    assert_eq!(uri.to_string(), "https://host/repo");
    let invalid = [
        "git+https://ann:s3crt@host/repo#wrong",
        "git+https://ann:s3crt@host:x/repo",
        "git+https://ann:s3/crt@host/repo",
        "git+https://ann:33/s3crt@host/repo",
        "git+https://ann:33?s3crt@host/repo",
        "git+https://ann:33#s3crt@host/repo",
        "git+https://ann:s3#crt@host/repo?branch=x",
        "git+https://ann:s3?crt@host/repo",
        "git+https://ann:s3@crt@host/repo#wrong",
        "git+http://ann:s3crt@host/repo",
        "git+ssh://ann:s3crt@host/repo",
        "https://ann:s3crt@host/repo",
        "ann:s3crt@host/repo",
        "git+https://ann:s3crt@host/repo?since=x",
        "git+https://ann:s3%crt@host/repo",
    ];
    for uri in invalid {
        let message = parse_error(uri);
        let secret = ["ann", "s3", "crt"]
            .iter()
            .find(|secret| message.contains(**secret));
        assert_eq!(secret, None, "{uri}: {message}");
    }
}
