//! Commits: increments, the quarantine, restored versions, and writers that lose a race.

use super::*;

const LATEST: &str = "title = \"T\"\nkey = [\"id\"]\nlatest = \"rev\"\ntime = \"at\"\n\
    [field.id]\ntype = \"string\"\n[field.rev]\ntype = \"integer\"\n\
    [field.at]\ntype = \"timestamp\"\n";
const PLAIN: &str =
    "title = \"T\"\n[field.id]\ntype = \"string\"\n[field.rev]\ntype = \"integer\"\n";

fn line(id: u32, rev: u32, day: u32) -> String {
    format!("{{\"id\":\"{id}\",\"rev\":{rev},\"at\":\"2026-01-{day:02}T00:00:00Z\"}}\n")
}

/// A record that the contracts of these tests refuse.
fn broken_record(id: u32) -> String {
    format!("{{\"id\":\"{id}\",\"rev\":\"x\"}}\n")
}

impl Fixture {
    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Names of the files with a dataset's rows.
    fn data(&self, dataset: &str) -> BTreeSet<String> {
        let folder = self
            .folder
            .path()
            .join(format!("lake/job/{dataset}.lance/data"));
        let files = std::fs::read_dir(folder).unwrap();
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn ingest_raw(&self, contract: &str) -> Ingestion {
        let spec = Self::spec("raw/*.jsonl", contract);
        self.ingest_with(&spec, &Control::default()).unwrap()
    }

    /// Sorted rows of the quarantine: file, line and text.
    fn refused_rows(&self, ingestion: &Ingestion) -> Vec<String> {
        let quarantine = ingestion.quarantine.as_ref().unwrap();
        let columns = ["file", "line", "raw"].map(String::from).to_vec();
        let scan = Scan {
            columns: Some(columns),
            ..Scan::default()
        };
        let read = self.runtime.block_on(self.lake().read(quarantine, &scan));
        let mut rows: Vec<String> = read.unwrap().1.iter().flat_map(text_rows).collect();
        assert_eq!(rows.len() as u64, quarantine.rows);
        rows.sort();
        rows
    }
}

#[test]
fn an_increment_writes_its_own_rows_once() {
    let first = line(1, 1, 5) + &line(2, 1, 6) + &broken_record(3);
    let fixture = Fixture::new(&[("raw/1.jsonl", first.as_bytes())]);
    fixture.ingest_raw(LATEST);
    let before = ["tickets", "tickets__quarantine"].map(|name| fixture.data(name));
    assert_eq!([before[0].len(), before[1].len()], [1, 1]);

    // One row is superseded by the next row, another by an older row.
    let second = line(7, 1, 20) + &line(7, 2, 10) + &line(1, 0, 30) + &broken_record(8);
    fixture.put("raw/2.jsonl", &second);
    let ingestion = fixture.ingest_raw(LATEST);
    let after = ["tickets", "tickets__quarantine"].map(|name| fixture.data(name));
    assert_eq!([after[0].len(), after[1].len()], [2, 2]);
    assert!(before[0].is_subset(&after[0]) && before[1].is_subset(&after[1]));
    assert_eq!(
        fixture.rows(&ingestion.dataset),
        [
            "1|1|2026-01-05T00:00:00Z",
            "2|1|2026-01-06T00:00:00Z",
            "7|2|2026-01-10T00:00:00Z"
        ]
    );
    assert_eq!((ingestion.dataset.rows, ingestion.note.duplicates), (3, 2));
    // Superseded rows do not affect the first and last time.
    let range = (
        ingestion.note.first_time.as_str(),
        ingestion.note.last_time.as_str(),
    );
    assert_eq!(range, ("2026-01-05T00:00:00Z", "2026-01-10T00:00:00Z"));
    assert_eq!(ingestion.quarantine.unwrap().rows, 2);

    // All new rows are superseded.
    fixture.put("raw/3.jsonl", &(line(1, 0, 1) + &line(2, 0, 31)));
    let ingestion = fixture.ingest_raw(LATEST);
    assert_eq!((ingestion.dataset.rows, ingestion.note.duplicates), (3, 4));
    assert_eq!(fixture.rows(&ingestion.dataset).len(), 3);
    assert_eq!(ingestion.note.last_time, "2026-01-10T00:00:00Z");

    // A superseded row reappears when its successor is deleted.
    std::fs::remove_file(fixture.folder.path().join("raw/1.jsonl")).unwrap();
    let ingestion = fixture.ingest_raw(LATEST);
    let mut rows = fixture.rows(&ingestion.dataset);
    rows.sort();
    assert_eq!(
        rows,
        [
            "1|0|2026-01-01T00:00:00Z",
            "2|0|2026-01-31T00:00:00Z",
            "7|2|2026-01-10T00:00:00Z"
        ]
    );
    assert_eq!(
        fixture.refused_rows(&ingestion),
        [format!("raw/2.jsonl|4|{}", broken_record(8).trim_end())]
    );
}

#[test]
fn an_unreferenced_quarantine_is_not_extended() {
    let first = line(1, 1, 5) + &broken_record(3);
    let fixture = Fixture::new(&[("raw/1.jsonl", first.as_bytes())]);
    let ingestion = fixture.ingest_raw(PLAIN);
    // A process that died left a version with more records.
    let quarantine = ingestion.quarantine.unwrap();
    let scan = Scan::default();
    let lake = fixture.lake();
    let leftover = async {
        let rows = lake.scan_all(&quarantine, &scan).await?;
        let more = lake
            .prepare(&quarantine.name, rows, Some(&quarantine))
            .await?;
        lake.extend(&quarantine, more, &DeletedRows::new(), &Properties::new())
            .await
    };
    assert_eq!(fixture.runtime.block_on(leftover).unwrap().rows, 2);

    fixture.put(
        "raw/2.jsonl",
        &(line(2, 1, 6) + &broken_record(4) + &broken_record(5)),
    );
    let ingestion = fixture.ingest_raw(PLAIN);
    let expected = [
        format!("raw/1.jsonl|2|{}", broken_record(3).trim_end()),
        format!("raw/2.jsonl|2|{}", broken_record(4).trim_end()),
        format!("raw/2.jsonl|3|{}", broken_record(5).trim_end()),
    ];
    assert_eq!(fixture.refused_rows(&ingestion), expected);

    // Records of removed objects are removed, and without records there is no quarantine.
    fixture.put("raw/2.jsonl", &line(2, 1, 6));
    assert_eq!(
        fixture.refused_rows(&fixture.ingest_raw(PLAIN)),
        expected[..1]
    );
    std::fs::remove_file(fixture.folder.path().join("raw/1.jsonl")).unwrap();
    let ingestion = fixture.ingest_raw(PLAIN);
    assert_eq!((ingestion.quarantine, ingestion.dataset.rows), (None, 1));
    // Readers of the newest version see that it is empty.
    let newest = lake.latest("tickets__quarantine");
    assert_eq!(fixture.runtime.block_on(newest).unwrap().unwrap().rows, 0);
    fixture.put("raw/3.jsonl", &broken_record(6));
    assert_eq!(fixture.refused_rows(&fixture.ingest_raw(PLAIN)).len(), 1);
}

#[test]
fn records_refused_by_an_older_contract_are_removed() {
    let fixture = Fixture::new(&[(
        "raw/1.jsonl",
        (line(1, 1, 5) + &broken_record(3)).as_bytes(),
    )]);
    assert_eq!(fixture.ingest_raw(PLAIN).quarantine.unwrap().rows, 1);
    let corrected = PLAIN.replace("integer", "string");
    std::fs::write(fixture.folder.path().join("raw/1.jsonl"), broken_record(3)).unwrap();
    let ingestion = fixture.ingest_raw(&corrected);
    assert_eq!((ingestion.quarantine, ingestion.dataset.rows), (None, 1));
    let lake = fixture.lake();
    let quarantine = fixture
        .runtime
        .block_on(lake.find("tickets__quarantine", None));
    assert_eq!(quarantine.unwrap().rows, 0);
}

#[test]
fn records_refused_by_a_dead_process_are_ignored() {
    let fixture = Fixture::new(&[(
        "raw/a.jsonl",
        (line(1, 1, 5) + &broken_record(3)).as_bytes(),
    )]);
    let lake = fixture.lake();
    let spec = Fixture::spec("raw/*.jsonl", PLAIN);
    // As in the engine: the same records have the same fingerprint.
    let ingest_records = |records: &str, dies: bool| {
        let fingerprint = (FINGERPRINT.to_string(), records.to_string());
        let properties = Properties::from([fingerprint]);
        let control = Control::default();
        let blocked = fixture
            .folder
            .path()
            .join("lake/job/tickets__manifest.lance/data");
        if dies {
            std::fs::rename(&blocked, blocked.with_file_name("away")).unwrap();
            std::fs::write(&blocked, "").unwrap();
        }
        let ingestion = fixture.runtime.block_on(ingest(
            &spec,
            fixture.folder.path(),
            &lake,
            &properties,
            &control,
        ));
        if dies {
            assert!(ingestion.is_err());
            std::fs::remove_file(&blocked).unwrap();
            std::fs::rename(blocked.with_file_name("away"), &blocked).unwrap();
            return None;
        }
        Some(ingestion.unwrap())
    };
    let quarantined = || {
        let quarantine = fixture
            .runtime
            .block_on(lake.find("tickets__quarantine", None));
        quarantine.unwrap().rows
    };
    let remove = |name: &str| std::fs::remove_file(fixture.folder.path().join(name)).unwrap();
    ingest_records("a", false);
    let b = line(2, 1, 5) + &broken_record(4);
    fixture.put("raw/b.jsonl", &b);
    ingest_records("a b", true);
    assert_eq!(quarantined(), 1, "b is not in the lake");
    remove("raw/b.jsonl");
    fixture.put("raw/c.jsonl", &line(5, 1, 5));
    ingest_records("a c", false);
    assert_eq!(quarantined(), 1);
    // The dead process stored b under another number.
    remove("raw/c.jsonl");
    fixture.put("raw/b.jsonl", &b);
    assert_eq!(
        ingest_records("a b", false)
            .unwrap()
            .quarantine
            .unwrap()
            .rows,
        2
    );
    remove("raw/b.jsonl");
    fixture.put("raw/d.jsonl", &line(6, 1, 5));
    let ingestion = ingest_records("a d", false).unwrap();
    assert_eq!(ingestion.dataset.rows, 2);
    assert_eq!(
        fixture.refused_rows(&ingestion),
        [format!("raw/a.jsonl|2|{}", broken_record(3).trim_end())]
    );
}

#[test]
fn an_older_version_becomes_the_newest_and_is_extended() {
    let fixture = Fixture::new(&[(
        "raw/1.jsonl",
        (line(1, 1, 5) + &broken_record(3)).as_bytes(),
    )]);
    let lake = fixture.lake();
    let first = fixture.ingest_raw(LATEST).dataset;
    fixture.put(
        "raw/2.jsonl",
        &(line(1, 2, 6) + &line(2, 1, 7) + &broken_record(4)),
    );
    let second = fixture.ingest_raw(LATEST).dataset;
    let newest = || {
        fixture
            .runtime
            .block_on(lake.latest("tickets"))
            .unwrap()
            .unwrap()
    };
    fixture.runtime.block_on(lake.make_newest(&second)).unwrap();
    assert_eq!(newest(), second, "nothing to do");
    fixture.runtime.block_on(lake.make_newest(&first)).unwrap();
    assert_eq!(
        newest(),
        second,
        "uncited versions may be removed at any time"
    );
    let cited = [first.clone()];
    fixture.runtime.block_on(lake.cite(&cited)).unwrap();
    fixture.runtime.block_on(lake.make_newest(&first)).unwrap();
    let restored = newest();
    assert_eq!((restored.version, restored.rows), (3, 1));
    assert_eq!(fixture.rows(&restored), ["1|1|2026-01-05T00:00:00Z"]);
    let refused = fixture
        .runtime
        .block_on(lake.find("tickets__quarantine", None));
    assert_eq!(refused.unwrap().rows, 1);
    fixture.runtime.block_on(lake.make_newest(&first)).unwrap();
    assert_eq!(newest(), restored, "it is the newest already");
    // The files of both versions exist: the second file is read again.
    let ingestion = fixture.ingest_raw(LATEST);
    assert_eq!(ingestion.dataset.rows, 2);
    assert_eq!(
        fixture.rows(&ingestion.dataset),
        ["1|2|2026-01-06T00:00:00Z", "2|1|2026-01-07T00:00:00Z"]
    );
    assert_eq!(fixture.refused_rows(&ingestion).len(), 2);
}

#[test]
fn restoring_rows_without_a_quarantine_clears_it() {
    let fixture = Fixture::new(&[("raw/1.jsonl", line(1, 1, 5).as_bytes())]);
    let lake = fixture.lake();
    let first = fixture.ingest_raw(PLAIN).dataset;
    fixture.put("raw/2.jsonl", &(line(2, 1, 6) + &broken_record(4)));
    let second = fixture.ingest_raw(PLAIN).dataset;
    fixture
        .runtime
        .block_on(lake.cite(&[first.clone(), second.clone()]))
        .unwrap();
    let quarantined = || {
        let quarantine = fixture
            .runtime
            .block_on(lake.find("tickets__quarantine", None));
        quarantine.unwrap().rows
    };
    assert_eq!(quarantined(), 1);
    fixture.runtime.block_on(lake.make_newest(&first)).unwrap();
    assert_eq!(quarantined(), 0);
    fixture.runtime.block_on(lake.make_newest(&second)).unwrap();
    assert_eq!(quarantined(), 1);
    // Without the manifest that a version names, nothing is restored and nothing fails.
    fixture.runtime.block_on(lake.make_newest(&first)).unwrap();
    std::fs::remove_file(fixture.folder.path().join("raw/2.jsonl")).unwrap();
    let manifests = fixture
        .folder
        .path()
        .join("lake/job/tickets__manifest.lance/_versions");
    for entry in std::fs::read_dir(&manifests).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // File names contain the difference between the greatest number and the version.
        if name.starts_with("18446744073709551613") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let newest = || {
        let newest = fixture.runtime.block_on(fixture.lake().latest("tickets"));
        newest.unwrap().unwrap()
    };
    let before = newest();
    fixture
        .runtime
        .block_on(fixture.lake().make_newest(&second))
        .unwrap();
    assert_eq!(newest(), before);
    let ingestion = fixture.ingest_raw(PLAIN);
    assert_eq!((ingestion.dataset.rows, ingestion.note.records), (1, 1));
}

#[test]
fn the_identity_of_hashed_records_depends_on_the_key() {
    let hashed = "title = \"T\"\n[field.id]\ntype = \"string\"\npersonal = \"hash\"\n";
    let fixture = Fixture::new(&[("raw/1.jsonl", line(1, 1, 5).as_bytes())]);
    let identity = |contract: &str, key: Option<&[u8]>| {
        let control = Control {
            hash_key: key.map(Into::into),
            ..Control::default()
        };
        let spec = Fixture::spec("raw/*.jsonl", contract);
        let root = fixture.folder.path();
        let lake = fixture.lake();
        let identity = source_identity(&spec, root, &lake, &control);
        fixture.runtime.block_on(identity).unwrap()
    };
    let [none, one, other] = [None, Some(&b"one"[..]), Some(b"other")].map(|k| identity(hashed, k));
    assert!(none != one && one != other && none != other);
    assert!(!one.contains("one"));
    assert_eq!(identity(PLAIN, None), identity(PLAIN, Some(b"one")));
}

#[test]
fn a_writer_that_loses_the_race_commits_nothing() {
    let fixture = Fixture::new(&[("raw/1.jsonl", line(1, 1, 5).as_bytes())]);
    let base = fixture.ingest_raw(PLAIN).dataset;
    let lake = fixture.lake();
    let add = async |properties: &Properties| {
        let rows = lake.scan_all(&base, &Scan::default()).await?;
        let more = lake.prepare(&base.name, rows, Some(&base)).await?;
        lake.extend(&base, more, &DeletedRows::new(), properties)
            .await
    };
    let no_properties = Properties::new();
    let (first, second) = fixture
        .runtime
        .block_on(async { (add(&no_properties).await, add(&no_properties).await) });
    assert_eq!(first.unwrap().version, base.version + 1);
    assert!(
        matches!(second, Err(StoreError::WriteConflict { .. })),
        "{second:?}"
    );
    let newest = fixture
        .runtime
        .block_on(lake.latest("tickets"))
        .unwrap()
        .unwrap();
    assert_eq!((newest.version, newest.rows), (base.version + 1, 2));
}

#[test]
fn concurrent_increments_duplicate_no_rows() {
    let first: String = (0..20).map(|id| line(id, 1, 5)).collect::<String>() + &broken_record(90);
    let fixture = Fixture::new(&[("raw/1.jsonl", first.as_bytes())]);
    fixture.ingest_raw(PLAIN);
    let spec = Fixture::spec("raw/*.jsonl", PLAIN);
    for round in 2..8_u32 {
        let more: String = (0..20).map(|id| line(id, round, 5)).collect();
        fixture.put(&format!("raw/{round}.jsonl"), &(more + &broken_record(90)));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| fixture.ingest_raw(PLAIN));
            }
        });
        let ingestion = fixture.ingest_with(&spec, &Control::default()).unwrap();
        assert_eq!(ingestion.dataset.rows, u64::from(round) * 20);
        assert_eq!(fixture.rows(&ingestion.dataset).len(), 20 * round as usize);
        assert_eq!(fixture.refused_rows(&ingestion).len(), round as usize);
    }
}
