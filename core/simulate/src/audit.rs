//! A second, independent reader of simulated records, for tests. It checks each line against the
//! contracts in `jobs/contracts` and counts, so that `truth.json` is not tested against itself.

use crate::truth::{SourceTruth, reason};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::{Path, PathBuf},
};
use toml::Table;

/// Reads the contract with this name.
pub(crate) fn contract(name: &str) -> Table {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../jobs/contracts");
    let text = std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
    text.parse().unwrap()
}

/// All files below a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            paths.extend(files(&path));
        } else {
            paths.push(path);
        }
    }
    paths.sort();
    paths
}

/// Reads a file up to the first error; also returns true if no error occurred.
pub(crate) fn content(path: &Path) -> (Vec<u8>, bool) {
    let bytes = std::fs::read(path).unwrap();
    let mut out = Vec::new();
    let is_complete = match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(&bytes[..])
            .read_to_end(&mut out)
            .is_ok(),
        Some("zst") => zstd::Decoder::new(&bytes[..])
            .unwrap()
            .read_to_end(&mut out)
            .is_ok(),
        _ => {
            out = bytes;
            true
        }
    };
    (out, is_complete)
}

/// Counts the records of a folder with an independent reader, and returns the accepted ones.
pub(crate) fn audit(folder: &Path, contract: &Table) -> (SourceTruth, Vec<Value>) {
    let mut truth = SourceTruth::default();
    let mut accepted: BTreeMap<String, Value> = BTreeMap::new();
    let keys: Vec<&str> = contract["key"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap())
        .collect();
    let fields = contract["field"].as_table().unwrap();
    for path in files(folder) {
        truth.files += 1;
        let (bytes, is_complete) = content(&path);
        truth.broken_files += u64::from(!is_complete);
        let is_csv = path.to_string_lossy().contains(".csv");
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        let header = Header::read(bytes);
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || (is_csv && index == 0) {
                continue;
            }
            truth.records += 1;
            let record = if is_csv {
                header.record(line, fields)
            } else {
                json_record(line)
            };
            let checked = record.and_then(|record| {
                check_fields(&record, fields)?;
                check_time(&record, contract)?;
                Ok(record)
            });
            match checked {
                Err(reason) => *truth.quarantined.entry(reason.to_string()).or_default() += 1,
                Ok(record) => {
                    let key = keys.iter().map(|key| record[*key].to_string()).collect();
                    truth.duplicates += u64::from(accepted.insert(key, record).is_some());
                }
            }
        }
    }
    truth.accepted = accepted.len() as u64;
    (truth, accepted.into_values().collect())
}

fn json_record(line: &[u8]) -> Result<Value, &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| reason::INVALID_TEXT)?;
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(Value::Object(fields)),
        _ => Err(reason::BROKEN),
    }
}

/// The columns of a CSV file.
struct Header {
    names: Vec<String>,
    delimiter: char,
}

impl Header {
    /// Reads the first line.
    fn read(bytes: &[u8]) -> Self {
        let line = bytes
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let delimiter = if line.contains(';') { ';' } else { ',' };
        let names = line.trim().split(delimiter).map(str::to_string).collect();
        Self { names, delimiter }
    }

    fn record(&self, line: &[u8], fields: &Table) -> Result<Value, &'static str> {
        let text = std::str::from_utf8(line).map_err(|_| reason::INVALID_TEXT)?;
        let mut cells = vec![String::new()];
        let mut quoted = false;
        for c in text.chars() {
            match c {
                '"' => quoted = !quoted,
                c if c == self.delimiter && !quoted => cells.push(String::new()),
                other => cells.last_mut().unwrap().push(other),
            }
        }
        if cells.len() != self.names.len() {
            return Err(reason::BROKEN_CSV);
        }
        let mut record = serde_json::Map::new();
        for (name, cell) in self.names.iter().zip(cells) {
            let kind = fields[name.as_str()]["type"].as_str().unwrap();
            record.insert(name.clone(), value(kind, cell)?);
        }
        Ok(Value::Object(record))
    }
}

/// Converts a cell of CSV to a value.
fn value(kind: &str, cell: String) -> Result<Value, &'static str> {
    let value = match kind {
        _ if cell.is_empty() => Some(Value::Null),
        "number" => cell.parse::<f64>().ok().map(Value::from),
        "integer" => cell.parse::<i64>().ok().map(Value::from),
        _ => Some(Value::from(cell)),
    };
    value.ok_or(reason::WRONG_TYPE)
}

/// Checks that the record's time is plausible.
fn check_time(record: &Value, contract: &Table) -> Result<(), &'static str> {
    let Some(name) = contract.get("time").and_then(toml::Value::as_str) else {
        return Ok(());
    };
    let year = record[name]
        .as_str()
        .and_then(|time| time[..4].parse().ok());
    if year.is_none_or(|year: i32| (1970..=2099).contains(&year)) {
        Ok(())
    } else {
        Err(reason::OUT_OF_RANGE)
    }
}

/// Checks that a record conforms to its fields; the error is the first violation.
pub(crate) fn check_fields(record: &Value, fields: &Table) -> Result<(), &'static str> {
    let names: BTreeSet<&String> = fields.keys().collect();
    for name in names {
        let field = fields[name.as_str()].as_table().unwrap();
        let value = record.get(name.as_str()).unwrap_or(&Value::Null);
        if value.is_null() {
            if field.get("required").and_then(toml::Value::as_bool) == Some(true) {
                return Err(reason::MISSING);
            }
            continue;
        }
        check_value(value, field, field["type"].as_str().unwrap())?;
    }
    Ok(())
}

fn check_value(value: &Value, field: &Table, kind: &str) -> Result<(), &'static str> {
    let has_type = match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "timestamp" => value
            .as_str()
            .is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok()),
        "date" => value
            .as_str()
            .is_some_and(|t| t.len() == 10 && t.parse::<jiff::civil::Date>().is_ok()),
        "json" => true,
        "struct" => {
            if !value.is_object() {
                return Err(reason::WRONG_TYPE);
            }
            return check_fields(value, field["field"].as_table().unwrap());
        }
        list => {
            let inner = list
                .strip_prefix("list<")
                .unwrap()
                .strip_suffix('>')
                .unwrap();
            let items = value.as_array().ok_or(reason::WRONG_TYPE)?;
            return items
                .iter()
                .try_for_each(|item| check_value(item, field, inner));
        }
    };
    if !has_type {
        return Err(reason::WRONG_TYPE);
    }
    let bound = |name: &str| {
        field.get(name).map(|v| {
            v.as_float()
                .unwrap_or_else(|| v.as_integer().unwrap() as f64)
        })
    };
    if let Some(number) = value.as_f64()
        && (bound("min").is_some_and(|min| number < min)
            || bound("max").is_some_and(|max| number > max))
    {
        return Err(reason::OUT_OF_RANGE);
    }
    if let Some(text) = value.as_str() {
        if bound("max_length").is_some_and(|max| text.chars().count() as f64 > max) {
            return Err(reason::TOO_LONG);
        }
        if let Some(allowed) = field.get("allowed").and_then(toml::Value::as_array)
            && !allowed.iter().any(|value| value.as_str() == Some(text))
        {
            return Err(reason::NOT_ALLOWED);
        }
    }
    Ok(())
}

/// Checks that every line of the real incidents conforms to the contract and has only declared
/// fields.
#[test]
fn real_incidents_meet_their_contract() {
    let Ok(folder) = std::env::var("RETROCAST_REAL_DATA") else {
        eprintln!("SKIPPED: real_incidents_meet_their_contract needs RETROCAST_REAL_DATA");
        return;
    };
    let contract = contract("incident_report");
    let fields = contract["field"].as_table().unwrap();
    let path = Path::new(&folder).join("github-incidents/incidents.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = 0;
    for line in text.lines() {
        let record = json_record(line.as_bytes()).unwrap();
        assert_eq!(check_fields(&record, fields), Ok(()), "{line}");
        for name in record.as_object().unwrap().keys() {
            assert!(fields.contains_key(name), "{name}");
        }
        lines += 1;
    }
    assert_eq!(lines, 819);
}
