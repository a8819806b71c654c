//! Line counts in special cases: each commit is checked against known values, and the whole
//! repository against git.

use super::{fixture::Fixture, oracle::compare_with_git};
use std::os::unix::fs::{PermissionsExt, symlink};

/// Lines `from..to`, each with a few words.
fn text(from: usize, to: usize) -> String {
    (from..to)
        .map(|n| format!("line {n} of the text\n"))
        .collect()
}

#[test]
fn roots_list_all_files_and_merges_none() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n2\n").write("deep/er/b", "1\n");
    let root = repo.commit("root");
    repo.git(&["checkout", "-q", "-b", "one"]);
    repo.write("c", "c\n");
    repo.commit("one");
    repo.git(&["checkout", "-q", "-b", "two", &root]);
    repo.write("d", "d\n");
    repo.commit("two");
    repo.git(&["checkout", "-q", "-b", "three", &root]);
    repo.write("e", "e\n");
    repo.commit("three");
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["merge", "-q", "--no-ff", "-m", "merge one", "one"]);
    repo.now += 3600;
    repo.git(&["merge", "-q", "-m", "octopus", "two", "three"]);
    let octopus = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["checkout", "-q", "--orphan", "other"]);
    repo.git(&["rm", "-rfq", "."]);
    repo.write("z", "z\n");
    repo.commit("a second root");
    repo.git(&["checkout", "-q", "main"]);
    repo.now += 3600;
    repo.git(&[
        "merge",
        "-q",
        "--allow-unrelated-histories",
        "-m",
        "join",
        "other",
    ]);
    repo.commit("empty");

    assert_eq!(
        repo.files(&root),
        ["a added +2 -0", "deep/er/b added +1 -0"]
    );
    assert!(repo.files(&octopus).is_empty());
    let commits = repo.records("");
    let record = commits
        .iter()
        .find(|record| record["id"] == octopus.as_str())
        .unwrap();
    assert_eq!(record["parents"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&record["is_merge"], &record["files_changed"]),
        (&true.into(), &0.into())
    );
    assert_eq!(compare_with_git(&repo.path).commits, 9);
}

#[test]
fn renames_agree_with_git() {
    let mut repo = Fixture::new();
    repo.write("same", text(0, 30))
        .write("edited", text(100, 130))
        .write("halved", text(200, 230))
        .write("src/lib.rs", text(300, 330))
        .write("src/other.rs", text(400, 440))
        .write("empty", "")
        .write("copied", text(500, 530));
    repo.commit("root");
    repo.rename("same", "moved/same")
        .rename("edited", "moved/changed");
    repo.write("moved/changed", text(100, 125) + "new\n");
    repo.remove("halved")
        .write("less", text(215, 230) + &text(900, 918));
    repo.rename("src/lib.rs", "core/lib.rs")
        .rename("src/other.rs", "core/else.rs");
    repo.write("core/else.rs", text(405, 440));
    repo.rename("empty", "void").write("copy", text(500, 530));
    let commit = repo.commit("renames");
    assert_eq!(
        repo.files(&commit),
        [
            "copy added +30 -0",
            "core/else.rs < src/other.rs renamed +0 -5",
            "core/lib.rs < src/lib.rs renamed +0 -0",
            "halved deleted +0 -30",
            "less added +33 -0",
            "moved/changed < edited renamed +1 -5",
            "moved/same < same renamed +0 -0",
            "void < empty renamed +0 -0",
        ]
    );
    compare_with_git(&repo.path);
}

#[test]
fn renames_by_similarity_are_not_searched_among_too_many_files() {
    let mut repo = Fixture::new();
    let count = 1001;
    for n in 0..count {
        repo.write(format!("old/{n}"), text(n * 7, n * 7 + 6));
    }
    repo.write("old/named.txt", text(90_000, 90_020))
        .write("old/exact", "the same\n");
    repo.commit("root");
    repo.remove("old");
    for n in 0..count {
        repo.write(format!("new/x{n}"), text(n * 7, n * 7 + 5));
    }
    repo.write("new/named.txt", text(90_000, 90_019))
        .write("new/exactly", "the same\n");
    let commit = repo.commit("too many");
    let files = repo.files(&commit);
    let renamed: Vec<&String> = files.iter().filter(|file| file.contains('<')).collect();
    assert_eq!(
        renamed,
        [
            "new/exactly < old/exact renamed +0 -0",
            "new/named.txt < old/named.txt renamed +0 -1"
        ],
        "by contents and by name, but not by similarity"
    );
    assert_eq!(compare_with_git(&repo.path).files, 1003 + 2 + 2002);
}

#[test]
fn modes_links_and_submodules_are_read() {
    let mut repo = Fixture::new();
    repo.write("run.sh", "echo\n")
        .write("page", "text\n")
        .write("module", "was a file\n");
    symlink("page", repo.path.join("link")).unwrap();
    symlink("nowhere", repo.path.join("broken")).unwrap();
    repo.commit("root");
    std::fs::set_permissions(repo.path.join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    repo.remove("link")
        .write("link", "now a file\nof two lines\n");
    repo.remove("page");
    symlink("elsewhere/very/far", repo.path.join("page")).unwrap();
    repo.rename("broken", "as-broken");
    let commit = repo.commit("modes");
    assert_eq!(
        repo.files(&commit),
        [
            "as-broken < broken renamed +0 -0",
            "link type_changed +2 -1",
            "page type_changed +1 -1",
            "run.sh modified +0 -0",
        ]
    );
    let other = "1234567890123456789012345678901234567890";
    let another = "2234567890123456789012345678901234567890";
    let add = |id: &str, path: &str| {
        repo.git(&[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{id},{path}"),
        ]);
    };
    add(other, "module");
    add(other, "sub/two");
    let added = repo.commit_index("submodules");
    let add = |id: &str, path: &str| {
        repo.git(&[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{id},{path}"),
        ]);
    };
    add(another, "module");
    repo.git(&["update-index", "--force-remove", "sub/two"]);
    add(other, "sub/three");
    let moved = repo.commit_index("submodules move");
    assert_eq!(
        repo.files(&added),
        ["module type_changed +1 -1", "sub/two added +1 -0"]
    );
    assert_eq!(
        repo.files(&moved),
        ["module modified +1 -1", "sub/three < sub/two renamed +0 -0"]
    );
    let submodules = repo.records("#file_changes");
    let submodules = submodules
        .iter()
        .filter(|record| record["is_submodule"] == true);
    assert_eq!(submodules.count(), 4);
    compare_with_git(&repo.path);
}

#[test]
fn files_and_folders_that_replace_each_other_are_read() {
    let mut repo = Fixture::new();
    repo.write("a", text(0, 10))
        .write("a.c", "1\n")
        .write("b/x", text(20, 30))
        .write("b/y", "y\n");
    repo.commit("root");
    repo.remove("a")
        .write("a/inner", text(0, 10))
        .write("a.c", "2\n");
    repo.remove("b").write("b", "b\n");
    let commit = repo.commit("swapped");
    assert_eq!(
        repo.files(&commit),
        [
            "a.c modified +1 -1",
            "a/inner < a renamed +0 -0",
            "b added +1 -0",
            "b/x deleted +0 -10",
            "b/y deleted +0 -1",
        ]
    );
    compare_with_git(&repo.path);
}

#[test]
fn line_endings_and_binary_files_are_counted_as_by_git() {
    let mut repo = Fixture::new();
    let late_nul = [vec![b'a'; 8000], vec![0]].concat();
    let early_nul = [vec![b'a'; 7999], vec![0]].concat();
    repo.write("open", "a\nb")
        .write("dos", "a\r\nb\r\nc\r\n")
        .write("mac", "a\rb\rc")
        .write("late", &late_nul)
        .write("early", &early_nul)
        .write("image", [0, 1, 2, 3, 10, 5])
        .write("text", "text\n")
        .write("utf16", b"\xff\xfea\0\n\0");
    repo.commit("root");
    repo.write("open", "a\nb\n")
        .write("dos", "a\nb\nc\n")
        .write("mac", "a\rb\nc");
    repo.write("late", [&late_nul[..], b"\n"].concat())
        .write("early", "text now\n");
    repo.rename("image", "picture").write("text", [0, 1]);
    let commit = repo.commit("changed");
    assert_eq!(
        repo.files(&commit),
        [
            "dos modified +3 -3",
            "early modified binary",
            "late modified +1 -1",
            "mac modified +2 -1",
            "open modified +1 -1",
            "picture < image renamed binary",
            "text modified binary",
        ]
    );
    repo.rename("dos", "dos2").write("dos2", "a\r\nb\r\nc\r\n");
    let renamed = repo.commit("line endings");
    assert_eq!(repo.files(&renamed), ["dos2 < dos renamed +3 -3"]);
    compare_with_git(&repo.path);
}

#[test]
fn attributes_of_the_head_declare_binary_files() {
    let mut repo = Fixture::new();
    repo.write("a.dat", "1\n")
        .write("b.gen", "1\n")
        .write("c.bin", [0, 10])
        .write("sub/d.dat", "1\n");
    repo.write("e.rs", "fn a() {}\n")
        .write("sub/f.x", "1\n")
        .write("g.m", "1\n")
        .write("sub/g.m", "1\n");
    let root = repo.commit("without attributes");
    let rules =
        "[attr]made -diff\n*.dat binary\n*.gen made\n*.bin diff\n*.rs diff=rust\n/g.m -diff\n";
    repo.write(".gitattributes", rules);
    repo.write(
        "sub/.gitattributes",
        "[attr]no -diff\nd.dat !diff\n*.x -diff\n*.m no\n",
    );
    repo.commit("with attributes");
    assert_eq!(
        repo.files(&root),
        [
            "a.dat added binary",
            "b.gen added binary",
            "c.bin added +1 -0",
            "e.rs added +1 -0",
            "g.m added binary",
            "sub/d.dat added +1 -0",
            "sub/f.x added binary",
            "sub/g.m added +1 -0",
        ]
    );
    compare_with_git(&repo.path);
    repo.git(&["rm", "-q", "--cached", ".gitattributes"]);
    repo.commit_index("attributes removed from the index");
    assert_eq!(repo.files(&root)[0], "a.dat added +1 -0");
}

#[test]
fn names_and_messages_may_have_any_bytes() {
    let mut repo = Fixture::new();
    repo.write(b"caf\xe9.txt", "1\n")
        .write("Grüße/日本.txt", "1\n")
        .write("tab\there\nand \"there\"", "1\n");
    repo.write(b"caf\\xE9.txt", "1\n");
    let root = repo.commit("root");
    assert_eq!(
        repo.files(&root),
        [
            "Grüße/日本.txt added +1 -0",
            "caf\\x5CxE9.txt added +1 -0",
            "caf\\xE9.txt added +1 -0",
            "tab\there\nand \"there\" added +1 -0",
        ]
    );
    let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
    let latin = [
        format!("tree {tree}\nparent {root}\nauthor J").as_bytes(),
        b"\xfcrgen <j\xfc@x> 1600000000 -0330\ncommitter A  B  <c> 1700100000 +0000\nencoding ISO-8859-1\n\n",
        b"Gr\xfc\xdfe\nzwei\n\nBody \xe4\n\nend\n\n\n",
    ]
    .concat();
    let latin = repo.object("commit", &latin);
    let raw = [
        format!("tree {tree}\nparent {latin}\nauthor ").as_bytes(),
        b"B\xff <b@x> 1600000000 +0000\ncommitter X <> 1700200000 +0000\n\nraw \xff\n",
    ]
    .concat();
    let raw = repo.object("commit", &raw);
    repo.git(&["update-ref", "refs/heads/main", &raw]);
    let commits = repo.records("");
    assert_eq!(commits[1]["author"], "Jürgen");
    assert_eq!(commits[1]["author_email"], "jü@x");
    assert_eq!(commits[1]["committer"], "A  B");
    assert_eq!(commits[1]["subject"], "Grüße zwei");
    assert_eq!(commits[1]["body"], "Body ä\n\nend");
    assert_eq!(commits[1]["authored_at"], "2020-09-13T12:26:40Z");
    assert_eq!(commits[2]["author"], "B\\xFF");
    assert_eq!(commits[2]["subject"], "raw \\xFF");
    compare_with_git(&repo.path);
}

#[test]
fn messages_in_other_encodings_are_converted() {
    let mut repo = Fixture::new();
    repo.write("a", "1\n");
    let mut last = repo.commit("root");
    let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
    let cases: [(&str, &[u8], &str); 4] = [
        ("Shift_JIS", b"\x93\xfa\x96\x7b", "日本"),
        ("CP1252", b"\x80 \x93a\x94", "€ “a”"),
        ("x-unknown", b"caf\xe9", "caf\\xE9"),
        ("UTF-8", b"caf\xe9 \xc3\xa9", "caf\\xE9 é"),
    ];
    for (encoding, message, _) in cases {
        let head = format!(
            "tree {tree}\nparent {last}\nauthor A <a@b> 1800000000 +0000\n\
             committer A <a@b> 1800000000 +0000\nencoding {encoding}\n\n"
        );
        last = repo.object("commit", &[head.as_bytes(), message].concat());
    }
    repo.git(&["update-ref", "refs/heads/main", &last]);
    let records = repo.records("");
    for (record, (encoding, _, subject)) in records[1..].iter().zip(cases) {
        assert_eq!(record["subject"], subject, "{encoding}");
    }
    compare_with_git(&repo.path);
}

#[test]
fn repositories_with_sha_256_are_read() {
    let mut repo = Fixture::with_arguments(&["--object-format=sha256"]);
    repo.write("a", text(0, 20));
    repo.commit("root");
    repo.rename("a", "b").write("b", text(1, 20));
    let commit = repo.commit("renamed");
    assert_eq!(commit.len(), 64);
    assert_eq!(repo.files(&commit), ["b < a renamed +0 -1"]);
    compare_with_git(&repo.path);
}
