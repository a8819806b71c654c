//! The format of the records in a file.

use serde::{Deserialize, Serialize};

/// Format of the records in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object per line.
    Jsonl,
    /// Arrays of JSON objects, or consecutive objects, over any number of lines.
    Json,
    /// Comma-separated values (also `;`, tab or `|`) with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// Derives the format from the name of a file, ignoring compression.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = [".gz", ".zst", ".zstd"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Json),
            "csv" | "tsv" => Some(Self::Csv),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_from_the_file_name() {
        let check =
            |name: &str, format: Option<Format>| assert_eq!(Format::from_name(name), format);
        check("a/b.JSONL.gz", Some(Format::Jsonl));
        check("b.ndjson", Some(Format::Jsonl));
        check("b.json.zst", Some(Format::Json));
        check("b.tsv", Some(Format::Csv));
        check("part-0.snappy.parquet", Some(Format::Parquet));
        check("b.txt", None);
        check("json", None);
    }
}
