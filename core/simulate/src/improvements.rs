//! The register of improvements: one small file of JSON lines.

use crate::{
    Error,
    company::Company,
    output::quoted,
    truth::{SourceTruth, reason},
};
use std::path::Path;

/// Writes the register to `root/improvements/improvements.jsonl`.
pub(crate) fn write(root: &Path, company: &Company) -> Result<SourceTruth, Error> {
    let folder = root.join("improvements");
    std::fs::create_dir_all(&folder).map_err(|e| Error::write(&folder, e))?;
    let mut truth = SourceTruth {
        files: 1,
        ..SourceTruth::default()
    };
    let mut lines: Vec<String> = company
        .improvements
        .iter()
        .map(|improvement| {
            format!(
                "{{\"id\":{},\"title\":{},\"owner\":{},\"component\":{},\
                 \"metric\":\"failures\",\"date\":\"{}\",\"expected_relative\":{},\
                 \"lower_is_better\":true}}",
                quoted(improvement.id),
                quoted(improvement.title),
                quoted(improvement.owner),
                quoted(company.components[improvement.component].name),
                improvement.date,
                improvement.expected_relative
            )
        })
        .collect();
    truth.accepted = lines.len() as u64;
    truth.hostile_texts = lines.len().saturating_sub(1).min(1) as u64;
    if let Some(first) = lines.first().cloned() {
        lines.insert(1, first);
        truth.duplicates = 1;
    }
    lines.push("{\"id\":\"IMP-009\",\"title\":\"Half a line".to_string());
    truth.quarantined.insert(reason::BROKEN.to_string(), 1);
    truth.records = lines.len() as u64;
    let text = lines.join("\n") + "\n";
    truth.bytes = text.len() as u64;
    let path = folder.join("improvements.jsonl");
    std::fs::write(&path, text).map_err(|e| Error::write(&path, e))?;
    Ok(truth)
}
