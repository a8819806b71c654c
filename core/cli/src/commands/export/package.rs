//! The exported folder as a [Data Package](https://datapackage.org): a descriptor with the columns,
//! types and hashes of all files.

use anyhow::Context as _;
use retrocast_domain::{Report, report::Provenance, result::ResultColumn};
use retrocast_run::files::{write_json, write_whole};
use retrocast_store::{ExportedTable, TableFormat};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Name of the descriptor.
const DESCRIPTOR: &str = "datapackage.json";
/// The version of the standard.
const PROFILE: &str = "https://datapackage.org/profiles/2.0/datapackage.json";
/// Number of bytes to hash at once.
const BLOCK: usize = 1 << 16;

/// The files of a folder and their descriptions.
pub struct Package {
    folder: PathBuf,
    /// Tables. The standard has no other type of resource.
    resources: Vec<Value>,
    /// All other files.
    files: Vec<Value>,
}

/// The description of a table.
pub struct Table {
    /// Path of its files without extension.
    pub name: String,
    pub title: String,
    pub description: String,
    /// Known columns, with their meaning.
    pub columns: &'static [ResultColumn],
}

impl Package {
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            resources: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Returns the path of a file.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Writes a file.
    pub fn write(&self, file: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.path(file);
        write_whole(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Describes a file that is not a table.
    pub fn add_file(&mut self, file: &str, media_type: &str) -> anyhow::Result<()> {
        let entry = self.describe(file, media_type)?;
        self.files.push(Value::Object(entry));
        Ok(())
    }

    /// Describes a JSON file and its schema, which is another file.
    pub fn add_json(&mut self, file: &str, schema: &str) -> anyhow::Result<()> {
        let mut entry = self.describe(file, "application/json")?;
        entry.insert("jsonSchema".to_string(), schema.into());
        self.files.push(Value::Object(entry));
        self.add_file(schema, "application/schema+json")
    }

    /// Describes a table in one of its formats.
    pub fn add_table(
        &mut self,
        table: &Table,
        written: &ExportedTable,
        format: TableFormat,
    ) -> anyhow::Result<()> {
        let file = format!("{}.{}", table.name, format.name());
        let mut resource = self.describe(&file, format.media_type())?;
        let name = file.replace('/', ".").to_lowercase();
        resource.insert("name".to_string(), name.into());
        let fields = written.columns.iter().map(|(name, kind)| {
            let mut field = json!({ "name": name, "type": kind });
            let known = table.columns.iter().find(|column| column.name == name);
            if let Some(known) = known {
                field["description"] = known.description.into();
                if !known.unit.is_empty() {
                    field["unit"] = known.unit.into();
                }
            }
            field
        });
        let fields: Vec<Value> = fields.collect();
        let details = json!({
            "type": "table",
            "title": table.title,
            "description": table.description,
            "format": format.name(),
            "rows": written.rows,
            "schema": { "fields": fields },
        });
        if let Value::Object(details) = details {
            resource.extend(details);
        }
        self.resources.push(Value::Object(resource));
        Ok(())
    }

    /// Returns the path, media type and hash of a file.
    fn describe(&self, file: &str, media_type: &str) -> anyhow::Result<Map<String, Value>> {
        let path = self.path(file);
        let hash = hash(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut entry = Map::new();
        entry.insert("path".to_string(), file.into());
        entry.insert("mediatype".to_string(), media_type.into());
        entry.insert("hash".to_string(), format!("sha256:{hash}").into());
        Ok(entry)
    }

    /// Writes the descriptor and returns it. It names no licence, because only the owner of the
    /// data can.
    pub fn finish(mut self, report: &Report) -> anyhow::Result<Value> {
        for entries in [&mut self.resources, &mut self.files] {
            entries.sort_by(|a, b| a["path"].as_str().cmp(&b["path"].as_str()));
        }
        let Provenance {
            run,
            build,
            command,
            datasets,
            ..
        } = &report.provenance;
        let sources = report.sources.iter();
        let sources =
            sources.map(|source| json!({ "title": format!("{}: {}", source.name, source.uri) }));
        let mut descriptor = json!({
            "$schema": PROFILE,
            "name": package_name(&[&report.job, &report.window, run]),
            "title": format!("{}, {}", report.title, report.period),
            "description": report.verdict,
            "sources": sources.collect::<Vec<Value>>(),
            "retrocast": {
                "job": report.job,
                "window": report.window,
                "run": run,
                "date": report.date,
                "timezone": report.timezone,
                "build": build,
                "command": command,
                "datasets": datasets,
                "files": self.files,
            },
            "resources": self.resources,
        });
        if !report.owner.is_empty() {
            descriptor["contributors"] = json!([{ "title": report.owner, "roles": ["owner"] }]);
        }
        let path = self.path(DESCRIPTOR);
        write_json(&path, &descriptor)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(descriptor)
    }
}

/// Joins parts to a name of lowercase letters, digits, dots, hyphens and underscores.
fn package_name(parts: &[&str]) -> String {
    let name = parts.join("-").to_lowercase();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect()
}

/// Computes the SHA-256 hash of a file, in hexadecimal.
fn hash(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            break;
        }
        hasher.update(&block[..read]);
    }
    let hash = hasher.finalize();
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_sha_256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash(&path).unwrap(), expected);
    }

    #[test]
    fn names_have_plain_characters() {
        let name = package_name(&["Weekly", "2026-11-01..2026-11-16", "5006ce28"]);
        assert_eq!(name, "weekly-2026-11-01..2026-11-16-5006ce28");
        assert_eq!(package_name(&["é/b"]), "--b");
    }
}
