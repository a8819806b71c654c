//! Tests of the selected commits, their order, and the identity.

use super::fixture::{Fixture, NOT_CANCELLED, error, read_records, records};
use crate::{Repository, RepositoryUri};
use serde_json::Value;
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

fn subjects(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["subject"].as_str().unwrap())
        .collect()
}

/// Two branches whose clocks differ by an hour, and a commit from a clock that is days behind.
fn repository_with_branches() -> Fixture {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    let root = repo.commit("1 root");
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.now += 1800;
    repo.write("b", "1\n");
    repo.commit("3 side");
    repo.write("b", "2\n");
    repo.commit("5 side");
    repo.git(&["checkout", "-q", "main"]);
    repo.now -= 2 * 3600 + 1800;
    repo.write("c", "1\n");
    repo.commit("2 main");
    repo.write("c", "2\n");
    repo.commit("4 main");
    let correct_time = repo.now;
    repo.now -= 90 * 86_400;
    repo.write("c", "3\n");
    repo.commit("slow clock");
    repo.now = correct_time + 7200;
    repo.write("c", "4\n");
    repo.commit("6 after the slow clock");
    repo.git(&["merge", "-q", "-m", "7 merge", "side"]);
    assert!(!root.is_empty());
    repo
}

#[test]
fn records_are_oldest_first_with_parents_before_children() {
    let repo = repository_with_branches();
    let expected = [
        "1 root",
        "2 main",
        "3 side",
        "4 main",
        "slow clock",
        "5 side",
        "6 after the slow clock",
        "7 merge",
    ];
    let all = repo.records("");
    assert_eq!(subjects(&all), expected);
    let mut earlier: Vec<&Value> = Vec::new();
    for record in &all {
        assert!(
            record["parents"]
                .as_array()
                .unwrap()
                .iter()
                .all(|parent| earlier.contains(&parent))
        );
        earlier.push(&record["id"]);
    }
}

#[test]
fn since_includes_commits_on_both_sides_of_a_slow_clock() {
    let repo = repository_with_branches();
    // "3 side" was committed at 2023-11-14T23:43:20Z.
    let recent = repo.records("?since=2023-11-14T23:43:20Z");
    let expected = [
        "3 side",
        "4 main",
        "5 side",
        "6 after the slow clock",
        "7 merge",
    ];
    assert_eq!(subjects(&recent), expected);
    let later = repo.records("?since=2023-11-14T23:43:21Z");
    assert_eq!(subjects(&later), expected[1..]);
    assert_eq!(
        repo.records("?since=2023-11-15T00:43:21%2B01:00").len(),
        4,
        "offsets are respected"
    );
    assert_eq!(repo.records("?since=2023-08-01").len(), 8);
    assert_eq!(repo.records("?since=2023-11-15").len(), 4);
    assert!(repo.records("?since=2024-01-01").is_empty());
    let files = repo.records("?since=2023-11-14T23:43:20Z#file_changes");
    assert_eq!(files.len(), 4, "a merge changes no files");
    assert_eq!(files[0]["path"], "b");
}

#[test]
fn branches_are_found_and_missing_branches_are_reported() {
    let repo = repository_with_branches();
    let side = repo.records("?branch=side");
    assert_eq!(subjects(&side), ["1 root", "3 side", "5 side"]);
    assert_eq!(repo.records("?branch=refs/heads/side").len(), 3);
    let clone = repo.path.with_file_name("clone");
    repo.git(&["clone", "-q", ".", clone.to_str().unwrap()]);
    let uri = |branch: &str| format!("git+file://{}?branch={branch}", clone.display());
    assert_eq!(records(&uri("origin/side")).unwrap().len(), 3);
    assert_eq!(
        error(&uri("mian")),
        format!(
            "{} has no branch \"mian\", did you mean `main`?; fix `branch` in the uri",
            clone.display()
        )
    );
    assert!(
        error(&uri("other"))
            .contains("has no branch \"other\" (it has main, origin/HEAD, origin/main")
    );
}

#[test]
fn the_identity_changes_with_the_records() {
    let mut repo = repository_with_branches();
    let identity = |repo: &Fixture, suffix: &str| {
        let uri = RepositoryUri::parse(&repo.uri(suffix)).unwrap();
        Repository::open(&uri, Path::new("/nowhere"), &NOT_CANCELLED)
            .unwrap()
            .identity()
    };
    let first = identity(&repo, "");
    assert!(first.len() == 32 && first.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(first, identity(&repo, "?branch=main#commits"));
    assert_ne!(first, identity(&repo, "?branch=side"));
    assert_ne!(first, identity(&repo, "#file_changes"));
    assert_ne!(first, identity(&repo, "?since=2023-11-15"));
    assert_eq!(
        identity(&repo, "?since=2023-11-15"),
        identity(&repo, "?since=2023-11-15T00:00:00Z")
    );
    repo.write("new", "1\n");
    assert_eq!(first, identity(&repo, ""), "uncommitted files do not count");
    repo.commit("8 more");
    assert_ne!(first, identity(&repo, ""));
}

#[test]
fn nothing_is_written_into_the_repository() {
    let repo = repository_with_branches();
    let list = || {
        let mut find = std::process::Command::new("find");
        let find = find.arg(&repo.path).args(["-printf", "%p %s %T@ %m\n"]);
        super::fixture::stdout_of(find)
    };
    let before = list();
    repo.records("#file_changes");
    assert_eq!(list(), before);
}

#[test]
fn bare_repositories_worktrees_and_packs_are_read_alike() {
    let repo = repository_with_branches();
    let uri = RepositoryUri::parse(&repo.uri("")).unwrap();
    let actual =
        read_records(&Repository::open(&uri, Path::new("/nowhere"), &NOT_CANCELLED).unwrap())
            .unwrap();
    let beside = |name: &str| repo.path.with_file_name(name);
    repo.git(&[
        "clone",
        "-q",
        "--bare",
        ".",
        beside("bare.git").to_str().unwrap(),
    ]);
    repo.git(&[
        "worktree",
        "add",
        "-q",
        "--detach",
        beside("tree").to_str().unwrap(),
    ]);
    repo.git(&["gc", "-q"]);
    repo.git(&["commit-graph", "write", "--reachable"]);
    for name in ["repo", "bare.git", "tree", "repo/.git"] {
        assert_eq!(
            records(&format!("git+file://{}", beside(name).display())).unwrap(),
            actual
        );
    }
}

#[test]
fn cancelling_stops_writing() {
    let repo = repository_with_branches();
    let cancel = AtomicBool::new(false);
    let uri = RepositoryUri::parse(&repo.uri("")).unwrap();
    let repository = Repository::open(&uri, Path::new("/nowhere"), &cancel).unwrap();
    cancel.store(true, Ordering::Relaxed);
    let result = repository.write(&mut Vec::new(), &cancel);
    assert_eq!(result.unwrap_err().to_string(), "cancelled");
}

#[test]
fn repositories_can_be_sent_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Repository>();
}
