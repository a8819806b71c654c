//! Sources with unreadable, missing or special files, and concurrent ingests.

use super::*;

#[test]
fn a_source_with_only_broken_files_fails() {
    let truncated = zstd::encode_all(&GOOD.repeat(1000)[..], 1).unwrap();
    let check = |name: &str, bytes: &[u8], words: &str| {
        let empty: &[u8] = b"";
        let fixture = Fixture::new(&[(name, bytes), ("empty.jsonl", empty)]);
        let uri = format!("*.{}", name.split_once('.').unwrap().1);
        let error = fixture.ingest(&uri).unwrap_err().to_string();
        assert!(error.contains("no record could be read"), "{error}");
        assert!(error.contains(name) && error.contains(words), "{error}");
        let latest = fixture.runtime.block_on(fixture.lake().latest("tickets"));
        assert_eq!(latest.unwrap(), None, "{name}");
        // If another file can be read, the broken one is only reported.
        std::fs::write(fixture.folder.path().join("a.good.jsonl"), GOOD).unwrap();
        let ingestion = fixture.ingest("*.*").unwrap();
        assert_eq!(
            (ingestion.note.accepted, ingestion.note.broken_files.len()),
            (2, 1)
        );
        assert!(ingestion.note.broken_files[0].1.contains(words));
    };
    check("not.jsonl.gz", GOOD, "gzip");
    check("not.jsonl.zst", GOOD, "frame");
    check("torn.jsonl.zst", &truncated[..20], "cut off");
    check("latin.csv", b"id,n\xe9\n1,2\n", "not UTF-8");
    check("twice.csv", b"id,id\n1,2\n", "in columns 1 and 2");
}

#[test]
fn pipes_devices_and_broken_links_are_skipped_or_refused() {
    use std::os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener};
    let fixture = Fixture::new(&[("raw/a.jsonl", GOOD), ("other/b.jsonl", b"")]);
    let raw = fixture.folder.path().join("raw");
    let pipe = raw.join("pipe.jsonl");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let _socket = UnixListener::bind(raw.join("socket.jsonl")).unwrap();
    symlink("loop.jsonl", raw.join("loop.jsonl")).unwrap();
    symlink("nowhere", raw.join("dangling.jsonl")).unwrap();
    symlink("/dev/zero", raw.join("zero.jsonl")).unwrap();
    symlink(".", raw.join("self")).unwrap();
    symlink("..", raw.join("up")).unwrap();
    std::fs::write(raw.join("two\nlines.jsonl"), GOOD).unwrap();
    std::fs::write(raw.join(std::ffi::OsStr::from_bytes(b"\xff.jsonl")), GOOD).unwrap();
    std::fs::write(raw.join("part.jsonl#1"), GOOD).unwrap();

    let ingestion = fixture.ingest("raw/**/*.jsonl*").unwrap();
    // The file is read once, even if several links lead to it, and the target of `up` is read.
    assert_eq!(ingestion.note.records, 2);
    // All skipped files are in the report.
    let skipped = ingestion.note.broken_files.len();
    assert_eq!((ingestion.note.files, skipped), (2 + 10, 10));
    let warnings = ingestion.warnings.join("\n");
    for words in [
        "\"raw/pipe.jsonl\" was left out of source \"tickets\": it is a pipe, not a file.",
        "raw/socket.jsonl\" was left out of source \"tickets\": it is a socket",
        "raw/zero.jsonl\" was left out of source \"tickets\": it is a device",
        "raw/dangling.jsonl\" was left out of source \"tickets\": the link is broken",
        "raw/loop.jsonl\" was left out of source \"tickets\": Too many levels of symbolic links",
        "raw/self\" was left out of source \"tickets\": the link points back",
        "raw/two\\nlines.jsonl\" was left out of source \"tickets\": its name holds a control",
        "its name is not UTF-8",
        "raw/part.jsonl#1",
    ] {
        assert!(warnings.contains(words), "{words}: {warnings}");
    }
    let refused = |uri: &str, words: &str| {
        let error = fixture.ingest(uri).unwrap_err().to_string();
        assert!(error.contains(words), "{uri}: {error}");
    };
    refused("raw/pipe.jsonl", "\"raw/pipe.jsonl\" is a pipe, not a file");
    refused("raw/socket.jsonl", "is a socket, not a file");
    refused("/dev/zero", "\"/dev/zero\" is a device, not a file");
    refused("raw/loop.jsonl", "cannot be read: Too many levels");
    refused("raw/up", "is a folder");
    refused(
        "raw/pi*.jsonl",
        "no record could be read: \"raw/pipe.jsonl\": it is a pipe",
    );
}

#[test]
fn missing_sources_are_errors_unless_optional() {
    let fixture = Fixture::new(&[("raw/a.txt", b"")]);
    let check = |uri: &str, words: &str| {
        let error = fixture.ingest(uri).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check("raw/*.jsonl", "no file in");
    check("raw", "is a folder");
    check("rav/*", "does not exist");
    check("raw/a.txt", "add `format");
    let mut spec = Fixture::spec("raw/*.jsonl", TICKET);
    spec.required = false;
    let ingestion = fixture.ingest_with(&spec, &Control::default()).unwrap();
    assert_eq!((ingestion.dataset.rows, ingestion.note.files), (0, 0));
    assert!(ingestion.warnings[0].contains("has no files"));
    assert!(fixture.rows(&ingestion.dataset).is_empty());
}

/// Ingests all of `names` concurrently, each `times` times, and checks the rows of each.
fn ingest_concurrently(names: &[&str], times: usize) {
    let mut text = String::new();
    for n in 0..2000 {
        let id = n % 1500;
        writeln!(
            text,
            r#"{{"id":"{id}","at":"2026-01-01T00:00:00Z","minutes":{n}}}"#
        )
        .unwrap();
    }
    text.push_str("{bad\n");
    let fixture = Fixture::new(&[("a.jsonl", text.as_bytes())]);
    let ingestions: Vec<Ingestion> = std::thread::scope(|scope| {
        let running: Vec<_> = names
            .iter()
            .flat_map(|name| std::iter::repeat_n(name, times))
            .map(|name| {
                let spec = SourceSpec {
                    name: (*name).to_string(),
                    ..Fixture::spec("a.jsonl", TICKET)
                };
                let fixture = &fixture;
                // Each has its own lake and runtime, like separate processes.
                scope.spawn(move || {
                    let other = Fixture::new(&[]);
                    let control = Control::default();
                    let base = fixture.folder.path();
                    let properties = Properties::new();
                    let lake = fixture.lake();
                    let task = ingest(&spec, base, &lake, &properties, &control);
                    other.runtime.block_on(task).unwrap()
                })
            })
            .collect();
        running.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for ingestion in &ingestions {
        let rows = fixture.rows(&ingestion.dataset);
        assert_eq!((rows.len(), ingestion.dataset.rows), (1500, 1500));
        assert_eq!(ingestion.note.duplicates, 500);
        assert!(
            rows[0].starts_with("500|") && rows[1499].starts_with("499|"),
            "{}",
            rows[0]
        );
        assert_eq!(
            fixture.rows(ingestion.quarantine.as_ref().unwrap()).len(),
            1
        );
    }
    for name in names {
        let mut versions: Vec<u64> = ingestions
            .iter()
            .filter(|ingestion| ingestion.dataset.name == *name)
            .map(|ingestion| ingestion.dataset.version)
            .collect();
        versions.sort_unstable();
        assert_eq!(versions, (1..=times as u64).collect::<Vec<_>>(), "{name}");
    }
    assert!(!fixture.folder.path().join("lake/job/.staging").exists());
}

#[test]
fn one_source_can_be_ingested_concurrently() {
    ingest_concurrently(&["tickets"], 6);
}

#[test]
fn several_sources_can_be_ingested_concurrently() {
    ingest_concurrently(&["tickets", "metrics", "pipelines", "decisions"], 2);
}
