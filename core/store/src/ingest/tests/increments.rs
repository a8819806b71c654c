//! The rows of the lake do not depend on how the records arrived.

use super::*;
use std::{collections::BTreeSet, fs, path::Path};

const KEYED: &str = "title = \"T\"\nkey = [\"id\"]\nlatest = \"rev\"\ntime = \"at\"\n\
    [field.id]\ntype = \"string\"\n[field.rev]\ntype = \"integer\"\n[field.text]\ntype = \"string\"\n\
    [field.at]\ntype = \"timestamp\"\n";
const PLAIN: &str = "title = \"T\"\ntime = \"at\"\n\
    [field.id]\ntype = \"string\"\n[field.rev]\ntype = \"integer\"\n[field.text]\ntype = \"string\"\n\
    [field.at]\ntype = \"timestamp\"\n";

/// A small pseudo-random number generator, equal on all platforms (Steele et al., `SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Lines of records: each key several times, and a few that the contracts refuse.
fn lines(numbers: &mut Numbers) -> Vec<String> {
    let mut lines = Vec::new();
    for key in 0..40 {
        for rev in 0..=numbers.below(3) {
            let at = match numbers.below(10) {
                0 => String::new(),
                _ => format!(",\"at\":\"2026-01-{:02}T00:00:00Z\"", 1 + numbers.below(28)),
            };
            lines.push(format!(
                "{{\"id\":\"k{key}\",\"rev\":{rev},\"text\":\"{key} at {rev}\"{at}}}\n"
            ));
        }
    }
    lines.extend((0..5).map(|n| format!("{{\"id\":\"bad {n}\",\"rev\":\"x\"}}\n")));
    for last in (1..lines.len()).rev() {
        lines.swap(last, numbers.below(last + 1));
    }
    lines
}

/// Sorted rows of the newest version.
fn rows(fixture: &Fixture, lake: &Lake) -> Vec<String> {
    let newest = fixture
        .runtime
        .block_on(lake.latest("tickets"))
        .unwrap()
        .unwrap();
    let (_, batches) = fixture
        .runtime
        .block_on(lake.read(&newest, &Scan::default()))
        .unwrap();
    let mut rows: Vec<String> = batches.iter().flat_map(text_rows).collect();
    rows.sort();
    rows
}

/// Ingests the folder; with `limit_micros`, drops the work after this time.
fn ingest_raw(
    fixture: &Fixture,
    lake: &Lake,
    contract: &str,
    run: &str,
    limit_micros: Option<u64>,
) -> Option<Ingestion> {
    let spec = SourceSpec {
        required: false,
        ..Fixture::spec("raw/**/*.jsonl", contract)
    };
    let properties = Properties::from([("run".to_string(), run.to_string())]);
    let control = Control::default();
    let task = ingest(&spec, fixture.folder.path(), lake, &properties, &control);
    let Some(micros) = limit_micros else {
        return Some(fixture.runtime.block_on(task).unwrap());
    };
    // The threads end with their own runtime: a killed process does nothing more.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let limit = std::time::Duration::from_micros(micros);
    let result = runtime.block_on(async { tokio::time::timeout(limit, task).await });
    drop(runtime);
    result.ok().map(Result::unwrap)
}

fn check_consistency(fixture: &Fixture, lake: &Lake, ingestion: &Ingestion) {
    let note = &ingestion.note;
    let rows = rows(fixture, lake);
    let times = rows.iter().filter_map(|row| row.rsplit('|').next());
    let mut times: Vec<&str> = times.filter(|time| *time != "null").collect();
    times.sort_unstable();
    let range = [times.first(), times.last()].map(|time| time.copied().unwrap_or_default());
    assert_eq!([note.first_time.as_str(), note.last_time.as_str()], range);
    let refused: u64 = note.quarantined.iter().map(|(_, n)| n).sum();
    assert_eq!(
        note.records,
        note.accepted + note.duplicates + refused,
        "{note:?}"
    );
    assert_eq!(note.accepted, ingestion.dataset.rows);
    assert_eq!(count_refused(fixture, lake, ingestion), refused);
}

/// The number of quarantined records; checks that each is from an existing file and that none is a
/// duplicate.
fn count_refused(fixture: &Fixture, lake: &Lake, ingestion: &Ingestion) -> u64 {
    let Some(quarantine) = &ingestion.quarantine else {
        return 0;
    };
    let columns = ["file", "line", "column"].map(String::from).to_vec();
    let scan = Scan {
        columns: Some(columns),
        ..Scan::default()
    };
    let (_, batches) = fixture
        .runtime
        .block_on(lake.read(quarantine, &scan))
        .unwrap();
    let rows: Vec<String> = batches.iter().flat_map(text_rows).collect();
    for row in &rows {
        let file = row.split('|').next().unwrap();
        assert!(fixture.folder.path().join(file).exists(), "{row}");
    }
    let unique: BTreeSet<&String> = rows.iter().collect();
    assert_eq!(unique.len(), rows.len(), "{rows:?}");
    assert_eq!(rows.len() as u64, quarantine.rows);
    quarantine.rows
}

/// Files that together contain every line; with `duplicated`, some lines are in several files.
fn scatter(numbers: &mut Numbers, lines: &[String], duplicated: bool) -> Vec<(String, String)> {
    let count = 2 + numbers.below(5);
    let mut files: Vec<(String, String)> = (0..count)
        .map(|n| {
            let folder = ["", "a/", "b/c/"][numbers.below(3)];
            (
                format!("raw/{folder}{}-{n}.jsonl", numbers.below(100)),
                String::new(),
            )
        })
        .collect();
    for line in lines {
        files[numbers.below(count)].1.push_str(line);
        if duplicated && numbers.below(4) == 0 {
            files[numbers.below(count)].1.push_str(line);
        }
    }
    files
}

fn put(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn check(seed: u64, contract: &str, duplicated: bool) {
    let mut numbers = Numbers(seed);
    let lines = lines(&mut numbers);
    let fixture = Fixture::new(&[("raw/all.jsonl", lines.concat().as_bytes())]);
    let root = fixture.folder.path();
    let clean = Lake::new(&root.join("clean"), "job").unwrap();
    check_consistency(
        &fixture,
        &clean,
        &ingest_raw(&fixture, &clean, contract, "clean", None).unwrap(),
    );
    let expected = rows(&fixture, &clean);
    fs::remove_dir_all(root.join("raw")).unwrap();

    let lake = Lake::new(&root.join("lake"), "job").unwrap();
    let files = scatter(&mut numbers, &lines, duplicated);
    let mut done: BTreeSet<usize> = BTreeSet::new();
    for step in 0.. {
        let index = numbers.below(files.len());
        let (name, text) = &files[index];
        match numbers.below(5) {
            // Cut at any position, even within a character or a record.
            0 if !done.contains(&index) => {
                let cut = numbers.below(text.len() + 1);
                put(
                    root,
                    name,
                    &String::from_utf8_lossy(&text.as_bytes()[..cut]),
                );
            }
            1 => put(root, &format!("raw/copy-{step}.jsonl"), text),
            2 if root.join(name).exists() => {
                fs::remove_file(root.join(name)).unwrap();
                done.remove(&index);
            }
            _ => {
                put(root, name, text);
                done.insert(index);
            }
        }
        let limit_micros = (numbers.below(2) == 0).then(|| numbers.below(40_000) as u64);
        if !root.join("raw").exists() {
            continue;
        }
        if let Some(ingestion) =
            ingest_raw(&fixture, &lake, contract, &format!("r{step}"), limit_micros)
        {
            check_consistency(&fixture, &lake, &ingestion);
        }
        if done.len() == files.len() {
            break;
        }
    }
    // Copies stay: they contain nothing new.
    check_consistency(
        &fixture,
        &lake,
        &ingest_raw(&fixture, &lake, contract, "last", None).unwrap(),
    );
    assert_eq!(rows(&fixture, &lake), expected, "seed {seed}");
    let versions = fixture
        .runtime
        .block_on(lake.versions("tickets"))
        .unwrap()
        .len();
    check_consistency(
        &fixture,
        &lake,
        &ingest_raw(&fixture, &lake, contract, "again", None).unwrap(),
    );
    let after = fixture
        .runtime
        .block_on(lake.versions("tickets"))
        .unwrap()
        .len();
    assert_eq!(after, versions, "without changes there is no new version");
}

#[test]
fn keyed_records_may_arrive_in_any_order_duplicated_and_truncated() {
    (0..12).for_each(|seed| check(seed, KEYED, true));
}

#[test]
fn records_without_keys_may_arrive_in_any_order_and_truncated() {
    (100..110).for_each(|seed| check(seed, PLAIN, false));
}

#[test]
fn only_new_files_are_read() {
    let week = |n: usize| -> String {
        let line = |i| format!("{{\"id\":\"{n}-{i}\",\"rev\":1,\"text\":\"x\"}}\n");
        (0..50).map(line).collect()
    };
    let weeks: Vec<(String, String)> = (10..62)
        .map(|n| (format!("raw/{n}.jsonl"), week(n)))
        .collect();
    let files: Vec<(&str, &[u8])> = weeks
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    let fixture = Fixture::new(&files);
    let root = fixture.folder.path();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for (name, _) in &weeks {
        let file = fs::File::options()
            .append(true)
            .open(root.join(name))
            .unwrap();
        file.set_modified(old).unwrap();
    }
    let lake = fixture.lake();
    ingest_raw(&fixture, &lake, KEYED, "year", None).unwrap();
    // Ingested files are not read again, so their contents no longer matter.
    for (name, _) in &weeks {
        fs::remove_file(root.join(name)).unwrap();
        let file = fs::File::create(root.join(name)).unwrap();
        file.set_len(week(10).len() as u64).unwrap();
        file.set_modified(old).unwrap();
    }
    put(root, "raw/62.jsonl", &week(62));
    let ingestion = ingest_raw(&fixture, &lake, KEYED, "week", None).unwrap();
    assert_eq!(
        (ingestion.note.records, ingestion.note.accepted),
        (53 * 50, 53 * 50)
    );
    let version = fixture
        .runtime
        .block_on(manifest::SourceVersion::read(&lake, "tickets"));
    let objects = version.unwrap().unwrap().objects;
    let new = objects.iter().filter(|object| object.run == "week");
    assert_eq!(
        new.map(|object| object.name.as_str()).collect::<Vec<_>>(),
        ["raw/62.jsonl"]
    );
}
