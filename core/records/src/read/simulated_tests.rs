//! Reads simulated records of every type in the catalogue of contracts: valid records are
//! accepted, and others are refused for the reasons that the simulation counted.

use super::*;
use crate::contract::Contract;
use retrocast_simulate::{Config, Truth, truth::SourceTruth};
use std::{collections::BTreeMap, path::Path};

/// Every source of the simulation with its contract.
const SOURCES: [(&str, &str); 18] = [
    ("alerts", "alert"),
    ("decisions", "decision"),
    ("enrichments", "enrichment"),
    ("improvements", "improvement"),
    ("incidents", "incident"),
    ("integration_events", "integration_event"),
    ("message_generations", "message_generation"),
    ("metrics", "metric_sample"),
    ("pipeline_configurations", "pipeline_configuration"),
    ("pipelines", "pipeline_execution"),
    ("resource_usage", "resource_usage"),
    ("scrapings", "scraping"),
    ("step_executions", "step_execution"),
    ("syncs", "sync"),
    ("task_dependencies", "task_dependency"),
    ("task_executions", "task_execution"),
    ("tasks", "task"),
    ("tickets", "ticket"),
];

fn contract(name: &str) -> Contract {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../jobs/contracts");
    Contract::read(&folder.join(format!("{name}.toml"))).unwrap()
}

/// Reads a source and counts records, rows, broken files, refusals by reason, and unknown fields.
fn read(folder: &Path, source: &str, contract: &Contract) -> (SourceTruth, usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let uri = format!("{source}/**/*");
    let listing = Listing::find(source, &uri, folder, true, None);
    let listing = runtime.block_on(listing).unwrap();
    let files: Vec<_> = listing
        .files
        .iter()
        .map(|file| (file.clone(), Format::from_name(&file.name).unwrap()))
        .collect();
    let mut truth = SourceTruth {
        files: files.len() as u64,
        ..SourceTruth::default()
    };
    let mut keys = std::collections::BTreeSet::new();
    let mut rows = 0;
    let reader = FileReader {
        listing: &listing,
        files: &files,
        contract,
        dialect: &super::Dialect::DEFAULT,
        hash_key: None,
        threads: 2,
        cancel: &CancellationToken::new(),
        runtime: runtime.handle(),
    };
    let result = reader.run::<SourceError>(&mut |event| {
        match event {
            ReadEvent::End { broken, .. } => truth.broken_files += u64::from(broken.is_some()),
            ReadEvent::Records(parsed) => {
                truth.records += parsed.records;
                rows += parsed.lines.len();
                keys.extend(parsed.keys);
                for row in parsed.refused {
                    let reason = row.violation.reason.text().to_string();
                    *truth.quarantined.entry(reason).or_default() += 1;
                }
                for (field, count) in parsed.unknown {
                    *truth.unknown_fields.entry(field).or_default() += count;
                }
            }
        }
        Ok(())
    });
    result.unwrap();
    truth.accepted = keys.len() as u64;
    truth.duplicates = (rows - keys.len()) as u64;
    (truth, rows)
}

#[test]
fn simulated_records_are_accepted_or_refused_as_expected() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("operations");
    let config = Config {
        seed: 4,
        weeks: 5,
        records_per_day: 300.0,
        out: out.clone(),
        ..Config::default()
    };
    let Truth { sources, .. } = retrocast_simulate::simulate(&config).unwrap().truth;
    let contract_names: BTreeMap<_, _> = SOURCES.into();
    assert_eq!(sources.len(), contract_names.len());
    for (name, expected) in &sources {
        let contract = contract(contract_names[name.as_str()]);
        let (found, rows) = read(&out, name, &contract);
        let counts = |t: &SourceTruth| {
            (
                (t.files, t.records, t.accepted, t.duplicates, t.broken_files),
                (t.quarantined.clone(), t.unknown_fields.clone()),
            )
        };
        assert_eq!(counts(&found), counts(expected), "{name}");
        assert!(rows > 0 || name == "improvements", "{name}");
    }
}

/// Every field of the bundled contracts has a description.
#[test]
fn bundled_contracts_are_described() {
    fn check(contract: &str, fields: &[crate::contract::Field]) {
        for field in fields {
            let words = &field.description;
            assert!(
                words.ends_with('.') && words.len() > 2,
                "{contract}: {}: {words:?}",
                field.name
            );
            match &field.kind {
                crate::contract::FieldKind::Struct(fields) => check(contract, fields),
                crate::contract::FieldKind::List(item) => {
                    if let crate::contract::FieldKind::Struct(fields) = &item.kind {
                        check(contract, fields);
                    }
                }
                _ => {}
            }
        }
    }
    for (_, name) in SOURCES {
        let contract = contract(name);
        assert!(!contract.title.is_empty() && contract.description.ends_with('.'));
        assert!(!contract.key.is_empty(), "{name} has no key");
        check(name, &contract.fields);
    }
}
