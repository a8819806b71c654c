//! Repositories on a server are fetched and updated, and no partial download remains.

use super::{
    fixture::{Fixture, NOT_CANCELLED, read_records},
    web::{CORRUPT, NORMAL, NOT_FOUND, STALL, TRUNCATE, UNAUTHORIZED, UNAVAILABLE, WebServer},
};
use crate::{HistoryError, Repository, RepositoryUri};
use serde_json::Value;
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

/// A repository with a server in front of it, and a cache.
struct ServedRepository {
    repo: Fixture,
    web: WebServer,
    cache: tempfile::TempDir,
}

impl ServedRepository {
    fn start(arguments: &[&str]) -> Option<Self> {
        let mut repo = Fixture::with_arguments(arguments);
        let web = WebServer::start(repo.path.parent().unwrap())?;
        for n in 0..40_u64 {
            let line = |m: u64| format!("{n} {m} {}\n", n * m * 2_654_435_761 % 1_000_003);
            repo.write(format!("file {n}"), (0..400).map(line).collect::<String>());
        }
        repo.commit("one");
        repo.write("file 1", "other\n");
        repo.commit("two");
        let cache = tempfile::tempdir().unwrap();
        Some(Self { repo, web, cache })
    }

    fn open(&self, suffix: &str) -> Result<Repository, HistoryError> {
        let uri = format!("git+http://{}/repo/.git{suffix}", self.web.address);
        Repository::open(
            &RepositoryUri::parse(&uri).unwrap(),
            self.cache.path(),
            &NOT_CANCELLED,
        )
    }

    fn records(&self, suffix: &str) -> Vec<Value> {
        read_records(&self.open(suffix).unwrap()).unwrap()
    }

    fn error(&self, suffix: &str) -> HistoryError {
        self.open(suffix).err().expect("an error")
    }

    /// Lists all files in the cache.
    fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.cache.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    names.push(entry.path().display().to_string());
                }
            }
        }
        names
    }

    fn packs(&self) -> usize {
        let files = self.files();
        files
            .iter()
            .filter(|name| has_extension(name, "pack"))
            .count()
    }
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == extension)
}

#[test]
fn a_repository_is_cloned_once_and_then_updated() {
    let Some(mut served) = ServedRepository::start(&[]) else {
        return;
    };
    for suffix in ["", "#file_changes"] {
        assert_eq!(served.records(suffix), served.repo.records(suffix));
    }
    assert_eq!(served.packs(), 1);
    let (whole, first) = (served.web.sent(), served.open("").unwrap().identity());
    served.repo.write("file 2", "new\n");
    served.repo.commit("three");
    assert_eq!(served.records(""), served.repo.records(""));
    assert_ne!(served.open("").unwrap().identity(), first);
    let update = served.web.sent() - whole;
    assert!(
        update * 10 < whole,
        "{update} bytes after {whole}: only new objects"
    );
    assert!(
        !served
            .files()
            .iter()
            .any(|name| has_extension(name, "keep"))
    );
    let config = std::fs::read_to_string(
        served
            .files()
            .iter()
            .find(|name| name.ends_with("/config"))
            .unwrap(),
    );
    assert!(config.unwrap().contains("bare = true"));
}

#[test]
fn branches_share_a_mirror_and_may_be_rewritten() {
    let Some(mut served) = ServedRepository::start(&[]) else {
        return;
    };
    served.repo.git(&["checkout", "-q", "-b", "a", "HEAD~"]);
    served.repo.write("file 3", "a\n");
    served.repo.commit("on a");
    assert_eq!(served.records("?branch=main").len(), 2);
    assert_eq!(served.records("?branch=a").len(), 2);
    assert_eq!(
        served.records("")[1]["subject"],
        "on a",
        "the branch that is checked out"
    );
    served
        .repo
        .git(&["commit", "-q", "--amend", "-m", "rewritten"]);
    assert_eq!(served.records("?branch=a")[1]["subject"], "rewritten");
    served.repo.git(&["branch", "-m", "a", "a/b"]);
    assert_eq!(served.records("?branch=a/b").len(), 2);
    let message = served.error("?branch=mian").to_string();
    assert!(
        message.ends_with("has no branch \"mian\", did you mean `main`?; fix `branch` in the uri"),
        "{message}"
    );
    let folders = std::fs::read_dir(served.cache.path()).unwrap().flatten();
    assert_eq!(folders.filter(|entry| entry.path().is_dir()).count(), 1);
}

#[test]
fn an_interrupted_clone_is_retried() {
    let Some(served) = ServedRepository::start(&[]) else {
        return;
    };
    for behaviour in [TRUNCATE, CORRUPT] {
        served.web.set_behaviour(behaviour);
        let error = served.error("");
        assert!(matches!(error, HistoryError::Fetch { .. }), "{error}");
        assert_eq!(served.packs(), 0, "no incomplete pack is kept");
    }
    // Left over by a process that was killed.
    let config = served
        .files()
        .into_iter()
        .find(|name| name.ends_with("/config"))
        .unwrap();
    let folder = Path::new(&config).parent().unwrap();
    std::fs::create_dir_all(folder.join("objects/pack")).unwrap();
    for name in [
        "objects/pack/.tmp123",
        "objects/pack/tmp_pack_123",
        "refs/retrocast/left.lock",
        "packed-refs.lock",
        "config.lock",
    ] {
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), "half").unwrap();
    }
    std::fs::create_dir_all(folder.with_extension("new")).unwrap();
    std::fs::write(folder.with_extension("new").join("HEAD"), "").unwrap();
    served.web.set_behaviour(NORMAL);
    assert_eq!(served.records(""), served.repo.records(""));
    let is_leftover = |name: &String| name.ends_with("123") || name.ends_with("config.lock");
    assert!(!served.files().iter().any(is_leftover));
}

#[test]
fn an_interrupted_update_leaves_the_mirror_intact() {
    let Some(mut served) = ServedRepository::start(&[]) else {
        return;
    };
    served.records("");
    let line = |n: u64| format!("{}\n", n * 2_654_435_761 % 1_000_003);
    served
        .repo
        .write("more", (0..9000).map(line).collect::<String>());
    served.repo.commit("three");
    served.web.set_behaviour(TRUNCATE);
    served.error("");
    served.web.set_behaviour(NORMAL);
    assert_eq!(served.records(""), served.repo.records(""));
}

#[test]
fn a_damaged_mirror_is_recreated() {
    let Some(served) = ServedRepository::start(&[]) else {
        return;
    };
    served.records("");
    let damages: [fn(&str) -> bool; 3] = [
        |name| name.ends_with("/HEAD"),
        |name| has_extension(name, "idx"),
        |name| has_extension(name, "pack"),
    ];
    for damage in damages {
        for name in served.files().iter().filter(|name| damage(name)) {
            let _ = std::fs::remove_file(name);
            std::fs::write(name, "").unwrap();
        }
        assert_eq!(served.records(""), served.repo.records(""));
    }
}

#[test]
fn a_repository_with_sha_256_is_fetched() {
    let Some(served) = ServedRepository::start(&["--object-format=sha256"]) else {
        return;
    };
    assert_eq!(served.records(""), served.repo.records(""));
    assert_eq!(served.records("#file_changes").len(), 41);
}

#[test]
fn errors_of_a_server_are_reported() {
    let Some(served) = ServedRepository::start(&[]) else {
        return;
    };
    let address = format!("http://{}/repo/.git", served.web.address);
    served.web.set_behaviour(UNAUTHORIZED);
    let error = served.error("");
    assert!(matches!(error, HistoryError::Credentials { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with(&format!("{address} requires authentication: "))
    );
    served.web.set_behaviour(NOT_FOUND);
    let error = served.error("");
    assert!(error.to_string().contains("not found"), "{error}");
    served.web.set_behaviour(UNAVAILABLE);
    let error = served.error("");
    assert!(error.to_string().contains("503"), "{error}");
    let uri = RepositoryUri::parse("git+http://127.0.0.1:1/repo").unwrap();
    let error = Repository::open(&uri, served.cache.path(), &NOT_CANCELLED)
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .starts_with("http://127.0.0.1:1/repo could not be fetched: "),
        "{error}"
    );
}

#[test]
fn an_empty_repository_on_a_server_is_reported() {
    let repo = Fixture::new();
    let Some(web) = WebServer::start(repo.path.parent().unwrap()) else {
        return;
    };
    let cache = tempfile::tempdir().unwrap();
    let uri = format!("git+http://{}/repo/.git", web.address);
    let open = |suffix: &str| {
        let uri = RepositoryUri::parse(&format!("{uri}{suffix}")).unwrap();
        Repository::open(&uri, cache.path(), &NOT_CANCELLED)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(open("").contains("has no commit on"), "{}", open(""));
    assert!(
        open("?branch=main").contains("has no branch \"main\""),
        "{}",
        open("?branch=main")
    );
}

#[test]
fn a_shallow_repository_on_a_server_is_refused_until_it_is_complete() {
    let Some(served) = ServedRepository::start(&[]) else {
        return;
    };
    let clone = served.repo.path.with_file_name("clone");
    let from = format!("file://{}", served.repo.path.display());
    let to = clone.to_str().unwrap();
    served.repo.git(&["clone", "-q", "--depth", "1", &from, to]);
    let uri = format!("git+http://{}/clone/.git", served.web.address);
    let uri = RepositoryUri::parse(&uri).unwrap();
    let open = || Repository::open(&uri, served.cache.path(), &NOT_CANCELLED);
    for _ in 0..2 {
        let message = open().err().unwrap().to_string();
        assert!(message.contains("is a shallow clone"), "{message}");
    }
    served.repo.git(&["-C", to, "fetch", "-q", "--unshallow"]);
    assert_eq!(read_records(&open().unwrap()).unwrap().len(), 2);
}

#[test]
fn cancelling_stops_a_fetch() {
    let Some(served) = ServedRepository::start(&[]) else {
        return;
    };
    let uri = format!("git+http://{}/repo/.git", served.web.address);
    let cancel = AtomicBool::new(true);
    let result = Repository::open(
        &RepositoryUri::parse(&uri).unwrap(),
        served.cache.path(),
        &cancel,
    );
    assert_eq!(result.err().unwrap().to_string(), "cancelled");
    served.web.set_behaviour(STALL);
    cancel.store(false, Ordering::SeqCst);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while served.web.sent() == 0 {
                std::thread::yield_now();
            }
            cancel.store(true, Ordering::SeqCst);
        });
        let result = Repository::open(
            &RepositoryUri::parse(&uri).unwrap(),
            served.cache.path(),
            &cancel,
        );
        assert_eq!(result.err().unwrap().to_string(), "cancelled");
    });
    served.web.set_behaviour(NORMAL);
    assert_eq!(served.records("").len(), 2);
}

#[test]
fn concurrent_fetches_wait_for_each_other() {
    let Some(served) = ServedRepository::start(&[]) else {
        return;
    };
    let uri = format!("git+http://{}/repo/.git", served.web.address);
    let uri = RepositoryUri::parse(&uri).unwrap();
    let open = || {
        Repository::open(&uri, served.cache.path(), &NOT_CANCELLED)
            .map(|repository| repository.head())
    };
    let heads: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap().unwrap())
            .collect()
    });
    assert!(heads.iter().all(|head| *head == heads[0]));
    assert_eq!(served.packs(), 1);
}
