//! Compares with git the records of this project's own history and of the repositories in
//! `RETROCAST_HISTORIES`, a list of folders separated by colons.

use super::{fixture::git, oracle::compare_with_git};
use std::path::Path;

#[test]
fn records_of_this_project_agree_with_git() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let has_history = git(&root)
        .args(["rev-parse", "--is-shallow-repository"])
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"false"));
    if !has_history {
        eprintln!(
            "SKIPPED: {} has no complete git history, so its records are not compared with git's",
            root.display()
        );
        return;
    }
    let checked = compare_with_git(&root);
    eprintln!(
        "{} commits with {} files agree with git",
        checked.commits, checked.files
    );
    assert!(checked.commits > 0 && checked.files >= checked.commits);
    for other in std::env::var("RETROCAST_HISTORIES")
        .unwrap_or_default()
        .split(':')
    {
        if !other.is_empty() {
            let checked = compare_with_git(Path::new(other));
            eprintln!(
                "{other}: {} commits with {} files",
                checked.commits, checked.files
            );
        }
    }
}
