//! Staged files that become files of the dataset without being rewritten.

use super::*;

/// Lines with the given ids; minutes are the position in the list.
fn lines(ids: impl IntoIterator<Item = u32>) -> String {
    let line = |(index, id): (usize, u32)| {
        format!("{{\"id\":\"{id}\",\"at\":\"2026-01-01T00:00:00Z\",\"minutes\":{index}}}\n")
    };
    ids.into_iter().enumerate().map(line).collect()
}

/// Id and minutes of each row.
fn pairs(fixture: &Fixture, dataset: &DatasetRef) -> Vec<(u32, usize)> {
    let rows = fixture.rows(dataset);
    let pair = |row: &String| {
        let cells: Vec<&str> = row.split('|').collect();
        let minutes: f64 = cells[2].parse().unwrap();
        (cells[0].parse().unwrap(), minutes as usize)
    };
    rows.iter().map(pair).collect()
}

fn versions(fixture: &Fixture) -> Vec<u64> {
    let versions = fixture.runtime.block_on(fixture.lake().versions("tickets"));
    versions.unwrap().iter().map(|note| note.version).collect()
}

fn is_clean(fixture: &Fixture) -> bool {
    !fixture.folder.path().join("lake/job/.staging").exists()
}

#[test]
fn few_superseded_rows_are_marked_as_deleted() {
    // Of 103 rows, the last three supersede three others.
    let text = lines((0..100).chain([5, 50, 95]));
    let fixture = Fixture::new(&[("raw/1.jsonl", text.as_bytes())]);
    let ingestion = fixture.ingest("raw/*.jsonl").unwrap();
    assert_eq!(
        (ingestion.note.duplicates, ingestion.note.accepted),
        (3, 100)
    );
    assert_eq!(ingestion.dataset.rows, 100);
    let expected = (0..103).filter(|row| ![5, 50, 95].contains(row));
    let expected = expected.map(|row| match row {
        100.. => ([5, 50, 95][row - 100], row),
        _ => (row as u32, row),
    });
    let expected: Vec<(u32, usize)> = expected.collect();
    assert_eq!(pairs(&fixture, &ingestion.dataset), expected);
    // No older version shows them either.
    assert_eq!(versions(&fixture), [ingestion.dataset.version]);
    assert!(is_clean(&fixture));
    let deletions = fixture
        .folder
        .path()
        .join("lake/job/tickets.lance/_deletions");
    assert_eq!(std::fs::read_dir(deletions).unwrap().count(), 1);

    // The same records create no new version; new records supersede older records.
    let repeated = fixture.ingest("raw/*.jsonl").unwrap();
    assert_eq!(repeated.dataset, ingestion.dataset);
    let more = lines([7, 50]);
    std::fs::write(fixture.folder.path().join("raw/2.jsonl"), more).unwrap();
    let ingestion = fixture.ingest("raw/*.jsonl").unwrap();
    assert_eq!(
        (ingestion.note.duplicates, ingestion.dataset.rows),
        (5, 100)
    );
    let mut expected = expected;
    expected.retain(|(id, _)| ![7, 50].contains(id));
    expected.extend([(7, 0), (50, 1)]);
    assert_eq!(pairs(&fixture, &ingestion.dataset), expected);

    // A superseded row reappears when its successor is deleted.
    std::fs::remove_file(fixture.folder.path().join("raw/2.jsonl")).unwrap();
    let ingestion = fixture.ingest("raw/*.jsonl").unwrap();
    let mut pairs = pairs(&fixture, &ingestion.dataset);
    pairs.sort_unstable();
    assert_eq!((pairs.len(), pairs[7], pairs[50]), (100, (7, 7), (50, 101)));
}

#[test]
fn rows_of_an_existing_dataset_are_rewritten_as_its_next_version() {
    let text = lines(0..40);
    let fixture = Fixture::new(&[("raw/1.jsonl", text.as_bytes())]);
    let first = fixture.ingest("raw/*.jsonl").unwrap().dataset;
    assert_eq!((first.version, first.rows), (1, 40));
    for (text, duplicates, rows) in [(lines(0..30), 0, 30), (lines((0..30).chain([3])), 1, 30)] {
        std::fs::write(fixture.folder.path().join("raw/1.jsonl"), text).unwrap();
        let control = Control {
            force: true,
            ..Control::default()
        };
        let spec = Fixture::spec("raw/*.jsonl", TICKET);
        let ingestion = fixture.ingest_with(&spec, &control).unwrap();
        assert_eq!(
            (ingestion.note.duplicates, ingestion.dataset.rows),
            (duplicates, rows)
        );
        assert_eq!(pairs(&fixture, &ingestion.dataset).len() as u64, rows);
        // Versions cited by reports are unchanged.
        assert_eq!(pairs(&fixture, &first).len(), 40);
    }
    assert_eq!(versions(&fixture), [1, 2, 3]);
    assert!(is_clean(&fixture));
}

#[test]
fn leftover_files_of_a_dead_process_are_removed() {
    let text = lines((0..100).chain([5]));
    let fixture = Fixture::new(&[("raw/1.jsonl", text.as_bytes())]);
    let leftover = fixture.folder.path().join("lake/job/tickets.lance/data");
    std::fs::create_dir_all(&leftover).unwrap();
    std::fs::write(leftover.join("left.lance"), "half").unwrap();
    let ingestion = fixture.ingest("raw/*.jsonl").unwrap();
    assert_eq!(ingestion.dataset.rows, 100);
    assert_eq!(pairs(&fixture, &ingestion.dataset).len(), 100);
    assert!(!leftover.join("left.lance").exists());
    assert!(is_clean(&fixture));
}

#[test]
fn datasets_with_many_superseded_rows_are_rewritten() {
    let text = lines((0..100).chain(0..50));
    let fixture = Fixture::new(&[("raw/1.jsonl", text.as_bytes())]);
    let ingestion = fixture.ingest("raw/*.jsonl").unwrap();
    assert_eq!(
        (ingestion.note.duplicates, ingestion.dataset.rows),
        (50, 100)
    );
    let expected: Vec<(u32, usize)> = (50..100)
        .map(|row| (row as u32, row))
        .chain((100..150).map(|row| (row as u32 - 100, row)))
        .collect();
    assert_eq!(pairs(&fixture, &ingestion.dataset), expected);
    let folder = fixture.folder.path().join("lake/job/tickets.lance");
    assert!(!folder.join("_deletions").exists());
}
