//! Neither programs that a repository names nor the configuration of the machine affect the
//! result.

use super::{
    fixture::{Fixture, NOT_CANCELLED, error, git, records, stdout_of},
    web::{REQUIRE_PASSWORD, WebServer},
};
use crate::{Repository, RepositoryUri, mirror, uri::Account};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// Settings that name programs which git would run for some command.
const PROGRAMS: [&str; 24] = [
    "core.fsmonitor",
    "core.pager",
    "core.editor",
    "core.sshCommand",
    "core.askPass",
    "core.gitProxy",
    "core.alternateRefsCommand",
    "pager.log",
    "pager.rev-parse",
    "pager.rev-list",
    "pager.diff-tree",
    "diff.external",
    "diff.x.command",
    "diff.x.textconv",
    "filter.x.clean",
    "filter.x.smudge",
    "filter.x.process",
    "credential.helper",
    "gpg.program",
    "uploadpack.packObjectsHook",
    "remote.origin.uploadpack",
    "alias.rev-list",
    "alias.log",
    "sequence.editor",
];

const HOOKS: [&str; 5] = [
    "post-checkout",
    "post-index-change",
    "reference-transaction",
    "fsmonitor-watchman",
    "pre-auto-gc",
];

/// A repository whose configuration, hooks and attributes name programs that leave a file in
/// `markers`.
fn hostile_repository(markers: &Path) -> Fixture {
    let mut repo = Fixture::new();
    repo.write("a", "1\n")
        .write(".gitattributes", "* diff=x filter=x\n");
    repo.commit("one");
    repo.write("a", "2\n");
    repo.commit("two");
    let touch = |name: &str| format!("touch '{}'", markers.join(name).display());
    let program = |file: &Path, name: &str| {
        fs::write(file, format!("#!/bin/sh\n{}\n", touch(name))).unwrap();
        stdout_of(Command::new("chmod").arg("+x").arg(file));
    };
    let mut included = String::new();
    for name in PROGRAMS {
        let file = repo.path.join(".git").join(name);
        program(&file, name);
        let (section, key) = name.rsplit_once('.').unwrap();
        let section = match section.split_once('.') {
            Some((section, part)) => format!("{section} \"{part}\""),
            None => section.to_string(),
        };
        included += &format!("[{section}]\n{key} = {}\n", file.display());
        repo.git(&["config", name, file.to_str().unwrap()]);
    }
    fs::write(repo.path.join(".git/included"), included).unwrap();
    for hook in HOOKS {
        program(&repo.path.join(".git/hooks").join(hook), hook);
    }
    for (key, value) in [
        ("include.path", "included"),
        ("core.hooksPath", "hooks"),
        ("log.showSignature", "true"),
        ("log.diffMerges", "on"),
        ("diff.x.binary", "true"),
        ("diff.renames", "false"),
        ("core.bigFileThreshold", "1"),
        ("core.quotePath", "true"),
        ("i18n.logOutputEncoding", "UTF-16"),
    ] {
        repo.git(&["config", key, value]);
    }
    fs::write(repo.path.join(".git/info/attributes"), "* -diff\n").unwrap();
    repo
}

fn markers(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| entry.file_name().display().to_string())
        .collect()
}

#[test]
fn programs_named_by_a_repository_do_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let repo = hostile_repository(folder.path());
    fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .for_each(|entry| {
            fs::remove_file(entry.path()).unwrap();
        });
    let head = repo.git(&["rev-parse", "HEAD"]);
    for kind in ["commits", "file_changes"] {
        for query in ["", "?branch=main"] {
            assert!(!repo.records(&format!("{query}#{kind}")).is_empty());
        }
    }
    assert!(error(&repo.uri("?branch=mian")).contains("did you mean"));
    assert_eq!(repo.files(&head), ["a modified +1 -1"]);
    assert_eq!(markers(folder.path()), Vec::<String>::new());
    // Git itself runs some of them, which proves that the markers work. If others fail, git fails,
    // too.
    let difference = ["-c", "filter.x.process=", "diff", "HEAD~", "HEAD"];
    for arguments in [&difference[..], &["status"]] {
        git(&repo.path).args(arguments).output().unwrap();
    }
    let ran = markers(folder.path());
    for name in ["diff.external", "core.fsmonitor"] {
        assert!(ran.iter().any(|marker| marker == name), "{name}: {ran:?}");
    }
}

#[test]
fn a_partial_clone_fetches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let repo = hostile_repository(folder.path());
    let blob = repo.git(&["rev-parse", "HEAD:a"]);
    let object = repo
        .path
        .join(".git/objects")
        .join(&blob[..2])
        .join(&blob[2..]);
    fs::remove_file(object).unwrap();
    for (key, value) in [
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", repo.path.to_str().unwrap()),
    ] {
        repo.git(&["config", key, value]);
    }
    fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .for_each(|entry| {
            fs::remove_file(entry.path()).unwrap();
        });
    let reason = error(&repo.uri(""));
    assert!(reason.contains(&blob), "{reason}");
    assert_eq!(markers(folder.path()), Vec::<String>::new());
    let _ = git(&repo.path).args(["cat-file", "-p", &blob]).output();
    assert_eq!(markers(folder.path()), ["remote.origin.uploadpack"]);
}

/// Not a test by itself: reads a URI in a separate process, whose environment is set by the tests
/// below.
#[test]
fn child_process() {
    let Ok(uri) = std::env::var("RETROCAST_TEST_URI") else {
        return;
    };
    let cache = tempfile::tempdir().unwrap();
    let written = RepositoryUri::parse(&uri)
        .and_then(|uri| Repository::open(&uri, cache.path(), &NOT_CANCELLED))
        .and_then(|repository| {
            let mut out = Vec::new();
            repository.write(&mut out, &NOT_CANCELLED).map(|_| out)
        });
    let answer = written.unwrap_or_else(|error| error.to_string().into_bytes());
    fs::write(std::env::var("RETROCAST_TEST_ANSWER").unwrap(), answer).unwrap();
}

/// Reads a URI in `child_process`: its records, or the error.
fn read_in_child(uri: &str, environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answer");
    let Output { status, .. } = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::isolation::child_process"])
        .env("RETROCAST_TEST_URI", uri)
        .env("RETROCAST_TEST_ANSWER", &file)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(status.success());
    fs::read_to_string(file).unwrap()
}

#[test]
fn the_configuration_of_the_machine_does_not_affect_records() {
    let mut repo = Fixture::new();
    repo.write("a é.x", "1\n2\n3\n4\n5\n");
    repo.write(".gitattributes", "*.x diff=mine\n");
    repo.commit("öne");
    repo.rename("a é.x", "b.x")
        .write("b.x", "1\n2\n3\n4\nsix\n");
    repo.commit("two");
    let uri = repo.uri("#file_changes");
    let plain = read_in_child(&uri, &[]);
    assert!(plain.contains("renamed"), "{plain}");
    let location = tempfile::tempdir().unwrap();
    let attributes = location.path().join("attributes");
    fs::write(&attributes, "*.x -diff\n").unwrap();
    let config = format!(
        "[core]\nattributesFile = {}\nquotePath = true\nfsmonitor = false\n[diff]\nrenames = false\n\
         renameLimit = 1\nalgorithm = patience\nexternal = false\n[diff \"mine\"]\nbinary = true\n[i18n]\nlogOutputEncoding = UTF-16\n\
         [log]\nshowRoot = false\n[alias]\nlog = !false\n",
        attributes.display()
    );
    fs::write(location.path().join(".gitconfig"), &config).unwrap();
    let location = location.path().to_str().unwrap();
    let environment = [
        ("HOME", location),
        ("LC_ALL", "de_DE.UTF-8"),
        ("GIT_DIR", "/nowhere"),
        ("GIT_OBJECT_DIRECTORY", "/nowhere"),
        ("GIT_EXTERNAL_DIFF", "false"),
        ("GIT_DIFF_OPTS", "--unified=0"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.attributesFile"),
        ("GIT_CONFIG_VALUE_0", attributes.to_str().unwrap()),
        ("GIT_TRACE", "2"),
        ("GIT_REDIRECT_STDOUT", "off"),
    ];
    assert_eq!(read_in_child(&uri, &environment), plain);
    for setting in environment {
        assert_eq!(read_in_child(&uri, &[setting]), plain, "{setting:?}");
    }
}

#[test]
fn a_missing_or_old_git_is_reported() {
    let repo = Fixture::new();
    let folder = tempfile::tempdir().unwrap();
    let path = [("PATH", folder.path().to_str().unwrap())];
    let missing = read_in_child(&repo.uri(""), &path);
    assert!(
        missing.starts_with("git cannot be run: No such file"),
        "{missing}"
    );
    assert!(
        missing.ends_with("install git 2.34 or newer, and put it on the PATH"),
        "{missing}"
    );
    let program = folder.path().join("git");
    fs::write(&program, "#!/bin/sh\necho git version 2.30.2\n").unwrap();
    stdout_of(Command::new("chmod").arg("+x").arg(&program));
    let old = read_in_child(&repo.uri(""), &path);
    assert!(
        old.starts_with("the installed git reports \"git version 2.30.2\"; install"),
        "{old}"
    );
}

#[test]
fn credential_helpers_of_the_user_are_used() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    repo.commit("one");
    let Some(web) = WebServer::start(repo.path.parent().unwrap()) else {
        return;
    };
    web.set_behaviour(REQUIRE_PASSWORD);
    let uri = format!("git+http://{}/repo/.git", web.address);
    let location = tempfile::tempdir().unwrap();
    let read = || read_in_child(&uri, &[("HOME", location.path().to_str().unwrap())]);
    assert!(
        read().contains("requires authentication: could not read Username"),
        "{}",
        read()
    );
    let helper =
        "[credential]\nhelper = \"!f() { echo username=ann; echo password=s3cret; }; f\"\n";
    fs::write(location.path().join(".gitconfig"), helper).unwrap();
    assert_eq!(read().lines().count(), 1, "{}", read());
    assert!(read().contains("\"subject\":\"one\""), "{}", read());
}

#[test]
fn the_password_of_a_uri_is_sent_to_its_host_only() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    repo.commit("one");
    let Some(web) = WebServer::start(repo.path.parent().unwrap()) else {
        return;
    };
    web.set_behaviour(REQUIRE_PASSWORD);
    let cache = tempfile::tempdir().unwrap();
    let fetch = |url: &str, password: &str| {
        let account = Account {
            user: "ann".to_string(),
            password: password.to_string(),
        };
        let uri = RepositoryUri::parse(&format!("git+{url}")).unwrap();
        mirror::fetch(&uri, url, Some(&account), cache.path(), &NOT_CANCELLED)
    };
    let url = format!("http://{}/repo/.git", web.address);
    let (mirror, _) = fetch(&url, "s3cret").unwrap();
    let config = fs::read_to_string(mirror.join("config")).unwrap();
    assert!(
        !config.contains("s3cret") && !config.contains("ann"),
        "{config}"
    );
    let error = fetch(&url, "wr0ng").unwrap_err().to_string();
    assert!(error.contains("Authentication failed"), "{error}");
    assert!(
        !error.contains("wr0ng") && !error.contains("ann"),
        "{error}"
    );
    // A server that redirects git to another server, here `localhost`.
    let elsewhere = url.replace("/repo/", "/elsewhere/repo/");
    let error = fetch(&elsewhere, "s3cret").unwrap_err().to_string();
    assert!(error.contains("could not read Username"), "{error}");
    let error = fetch(&url.replace("/repo/", "/file/"), "s3cret")
        .unwrap_err()
        .to_string();
    assert!(error.contains("not supported or disabled"), "{error}");
    assert!(records(&repo.uri("")).is_ok());
}
