//! Repositories that are incomplete, broken or malicious.

use super::{
    fixture::{Fixture, error, records},
    oracle::compare_with_git,
};

#[test]
fn missing_repositories_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let message = error(&format!("git+file://{path}/none"));
    assert!(
        message.contains("is not a git repository: No such file or directory"),
        "{message}"
    );
    let message = error(&format!("git+file://{path}"));
    assert!(message.contains("is not a git repository: "), "{message}");
    assert!(
        message.ends_with("name the folder that holds .git, or a bare repository"),
        "{message}"
    );
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let message = error(&format!("git+file://{path}/file"));
    assert!(
        message.contains("is not a git repository: it is a file"),
        "{message}"
    );
}

#[test]
fn an_empty_repository_is_reported() {
    let repo = Fixture::new();
    let message = error(&repo.uri(""));
    assert!(message.contains("has no commit on main yet"), "{message}");
}

#[test]
fn a_shallow_clone_is_refused() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    repo.commit("one");
    repo.write("a", "2\n");
    repo.commit("two");
    let clone = repo.path.with_file_name("clone");
    let from = format!("file://{}", repo.path.display());
    repo.git(&[
        "clone",
        "-q",
        "--depth",
        "1",
        &from,
        clone.to_str().unwrap(),
    ]);
    let message = error(&format!("git+file://{}", clone.display()));
    assert!(
        message.contains("is a shallow clone: its older commits are missing"),
        "{message}"
    );
    assert!(
        message.ends_with("complete it with `git fetch --unshallow`"),
        "{message}"
    );
}

#[test]
fn an_incomplete_partial_clone_is_reported() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    repo.commit("one");
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let clone = repo.path.with_file_name("clone");
    let from = format!("file://{}", repo.path.display());
    repo.git(&[
        "clone",
        "-q",
        "--bare",
        "--filter=blob:none",
        &from,
        clone.to_str().unwrap(),
    ]);
    let message = error(&format!("git+file://{}", clone.display()));
    assert!(
        message.contains("complete a partial clone with `git fetch --refetch --no-filter`"),
        "{message}"
    );
}

#[test]
fn damage_is_reported_with_the_object() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    repo.commit("one");
    let id = repo.git(&["rev-parse", "HEAD:a"]);
    let file = repo.path.join(".git/objects").join(&id[..2]).join(&id[2..]);
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "rubbish").unwrap();
    let message = error(&repo.uri(""));
    assert!(
        message.contains(&id) && message.contains("; check it with `git fsck`"),
        "{message}"
    );
}

#[test]
fn branches_stored_as_reftable_are_read() {
    let mut repo = Fixture::with_arguments(&["--ref-format=reftable"]);
    repo.write("a", "1\n");
    repo.commit("one");
    assert_eq!(repo.records("").len(), 1);
    assert_eq!(repo.records("?branch=main").len(), 1);
    assert!(error(&repo.uri("?branch=mian")).contains("did you mean `main`?"));
}

#[test]
fn replaced_objects_are_not_followed() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    let first = repo.commit("one");
    repo.write("a", "2\n");
    let second = repo.commit("two");
    repo.git(&["replace", &second, &first]);
    let subjects: Vec<String> = repo
        .records("")
        .iter()
        .map(|record| record["subject"].to_string())
        .collect();
    assert_eq!(subjects, ["\"one\"", "\"two\""]);
}

#[test]
fn malformed_commits_are_read() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    let parent = repo.commit("one");
    let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
    let mut last = parent;
    let people = [
        "A <a@b> 1700000000 +0000",
        "<> 1700000000 +0000",
        "A B <a@b>> 1700000000 +9999",
        "A <a@b> 99999999999999999 +0000",
        "A <a@b>",
        "A <a <b>> 1700000000 -0000",
    ];
    for person in people {
        let commit =
            format!("tree {tree}\nparent {last}\nauthor {person}\ncommitter {person}\n\nodd\n");
        last = repo.object("commit", commit.as_bytes());
    }
    repo.git(&["update-ref", "refs/heads/main", &last]);
    let commits = repo.records("");
    assert_eq!(commits.len(), 7);
    assert_eq!(
        commits[4]["committed_at"], "1970-01-01T00:00:00Z",
        "an impossible time"
    );
    assert_eq!(commits[3]["author_email"], "a@b");
}

#[test]
fn unusual_trees_are_read() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    repo.commit("one");
    let blob = repo.git(&["rev-parse", "HEAD:a"]);
    let bytes: Vec<u8> = (0..20)
        .map(|n| u8::from_str_radix(&blob[n * 2..n * 2 + 2], 16).unwrap())
        .collect();
    let entry =
        |mode: &str, name: &str| [format!("{mode} {name}\0").as_bytes(), &bytes[..]].concat();
    // Old programs wrote group permissions. Some programs write leading zeros, and names that point
    // to other folders.
    let tree = [
        entry("100664", "a"),
        entry("100644", "a/../b"),
        entry("100755", "b"),
    ]
    .concat();
    let tree = repo.object("tree", &tree);
    let parent = repo.git(&["rev-parse", "HEAD"]);
    let person = "A <a@b> 1700000000 +0000";
    let commit =
        format!("tree {tree}\nparent {parent}\nauthor {person}\ncommitter {person}\n\nodd\n");
    let commit = repo.object("commit", commit.as_bytes());
    repo.git(&["update-ref", "refs/heads/main", &commit]);
    assert_eq!(repo.files(&commit), ["a/../b added +1 -0", "b added +1 -0"]);
    compare_with_git(&repo.path);
}

#[test]
fn exponentially_nested_trees_are_refused() {
    let repo = Fixture::new();
    let mut id = repo.object("blob", b"bomb\n");
    let mut mode = "100644";
    for _ in 0..10 {
        let bytes: Vec<u8> = (0..20)
            .map(|n| u8::from_str_radix(&id[n * 2..n * 2 + 2], 16).unwrap())
            .collect();
        let entries = (0..10).map(|n| [format!("{mode} f{n}\0").as_bytes(), &bytes[..]].concat());
        id = repo.object("tree", &entries.collect::<Vec<_>>().concat());
        mode = "40000";
    }
    let person = "A <a@b> 1700000000 +0000";
    let commit = format!("tree {id}\nauthor {person}\ncommitter {person}\n\nbomb\n");
    let commit = repo.object("commit", commit.as_bytes());
    repo.git(&["update-ref", "refs/heads/main", &commit]);
    let reason = error(&repo.uri(""));
    assert!(reason.contains("has more than 20000 files"), "{reason}");
    // Again with the nested tree in the parent of the head commit.
    let tree = repo.object("tree", b"");
    let head =
        format!("tree {tree}\nparent {commit}\nauthor {person}\ncommitter {person}\n\nnone\n");
    let head = repo.object("commit", head.as_bytes());
    repo.git(&["update-ref", "refs/heads/main", &head]);
    let reason = error(&repo.uri(""));
    let expected = format!("commit {commit} takes more than 128 MiB of memory");
    assert!(reason.contains(&expected), "{reason}");
}

#[test]
fn borrowed_objects_are_read() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    repo.commit("one");
    let clone = repo.path.with_file_name("clone");
    repo.git(&["clone", "-q", "--shared", ".", clone.to_str().unwrap()]);
    let uri = format!("git+file://{}", clone.display());
    assert_eq!(records(&uri).unwrap(), repo.records(""));
}
