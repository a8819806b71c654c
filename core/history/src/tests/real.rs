//! The history of this project itself, commit by commit and file by file, and the histories of
//! the folders in `RETROCAST_HISTORIES`, which are separated by colons.

use super::{fixture::git, oracle::same_as_git};
use std::path::Path;

#[test]
fn this_project_is_read_as_git_reads_it() {
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
    let checked = same_as_git(&root);
    eprintln!(
        "{} commits with {} files are as git tells them",
        checked.commits, checked.files
    );
    assert!(checked.commits > 0 && checked.files >= checked.commits);
    for other in std::env::var("RETROCAST_HISTORIES")
        .unwrap_or_default()
        .split(':')
    {
        if !other.is_empty() {
            let checked = same_as_git(Path::new(other));
            eprintln!(
                "{other}: {} commits with {} files",
                checked.commits, checked.files
            );
        }
    }
}
