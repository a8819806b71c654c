//! What the fuzz targets found and began with, without a fuzzer.

#[path = "../../../fuzz/src/records.rs"]
mod records;

use std::{fs, path::Path};

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        println!("{}", file.display());
        run(&fs::read(&file).unwrap());
    }
}

#[test]
fn the_corpus_is_survived() {
    replay("jsonl", records::jsonl);
    replay("json_array", records::json_array);
    replay("csv", records::csv);
    replay("parquet", records::parquet);
    replay("contract", records::contract_file);
}
