//! Writes datasets and results of a run as files for other programs.

use crate::{
    dataset::{Lake, Scan},
    error::StoreError,
    ledger::{LedgerTable, batch},
};
use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::TryStreamExt as _;
use retrocast_domain::cell::DatasetRef;
pub use retrocast_records::write::TableFormat;
use retrocast_records::write::{TableWriter, table_schema_type};
use serde_json::{Map, Value};
use std::{
    fs::{self, File},
    io::BufWriter,
    path::PathBuf,
};

/// A table that was written to files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedTable {
    /// Name of each column, and its type in Table Schema.
    pub columns: Vec<(String, &'static str)>,
    /// Number of rows.
    pub rows: u64,
}

impl Lake {
    /// Writes the rows of a dataset to files, in one pass. Existing files are replaced.
    pub async fn export(
        &self,
        dataset: &DatasetRef,
        files: &[(TableFormat, PathBuf)],
    ) -> Result<ExportedTable, StoreError> {
        let mut rows = self.scan(dataset, &Scan::default()).await?;
        let mut table = TableFiles::create(&rows.schema(), files)?;
        let failed = |error: datafusion::error::DataFusionError| StoreError::Dataset {
            name: dataset.name.clone(),
            action: "read",
            reason: error.strip_backtrace(),
        };
        while let Some(batch) = rows.try_next().await.map_err(failed)? {
            table.write(&batch)?;
        }
        table.finish()
    }
}

impl LedgerTable {
    /// Writes rows of this table to files, with only its own columns. Existing files are replaced.
    pub fn export(
        &self,
        rows: &[Map<String, Value>],
        files: &[(TableFormat, PathBuf)],
    ) -> Result<ExportedTable, StoreError> {
        let schema = self.own_schema();
        let mut table = TableFiles::create(&schema, files)?;
        table.write(&batch(&schema, &rows.iter().collect::<Vec<_>>())?)?;
        table.finish()
    }
}

/// The files of a table that is being written.
struct TableFiles {
    writers: Vec<TableWriter<BufWriter<File>>>,
    table: ExportedTable,
}

impl TableFiles {
    fn create(schema: &SchemaRef, files: &[(TableFormat, PathBuf)]) -> Result<Self, StoreError> {
        let writers = files.iter().map(|(format, path)| {
            let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
            let file = folder.and_then(|()| File::create(path));
            let file = file.map_err(|error| StoreError::io("writing", path, &error))?;
            Ok(TableWriter::new(*format, schema, BufWriter::new(file))?)
        });
        let columns = schema.fields().iter();
        let columns = columns.map(|field| {
            let kind = table_schema_type(field.data_type());
            (field.name().clone(), kind)
        });
        Ok(Self {
            writers: writers.collect::<Result<_, StoreError>>()?,
            table: ExportedTable {
                columns: columns.collect(),
                rows: 0,
            },
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        self.table.rows += batch.num_rows() as u64;
        for writer in &mut self.writers {
            writer.write(batch)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<ExportedTable, StoreError> {
        for writer in self.writers {
            writer.finish()?;
        }
        Ok(self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dataset::Properties, ledger};

    #[tokio::test]
    async fn a_version_of_a_dataset_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::new(folder.path(), "review").unwrap();
        let mut versions = Vec::new();
        for frame in [
            polars::df!("n" => [1_i64, 2], "s" => [Some("-x"), None]).unwrap(),
            polars::df!("n" => [7_i64], "s" => [Some("z")]).unwrap(),
        ] {
            let properties = Properties::new();
            let written = lake.write_frame("numbers", &frame, &properties).await;
            versions.push(written.unwrap());
        }
        let path = |format: TableFormat| folder.path().join("out/numbers").join(format.name());
        let files = TableFormat::ALL.map(|format| (format, path(format)));
        let table = lake.export(&versions[0], &files).await.unwrap();
        let columns = vec![("n".to_string(), "integer"), ("s".to_string(), "string")];
        assert_eq!(table, ExportedTable { columns, rows: 2 });
        let read = |format| fs::read_to_string(path(format)).unwrap();
        assert_eq!(read(TableFormat::Csv), "n,s\n1,'-x\n2,\n");
        let json = "[\n{\"n\":1,\"s\":\"-x\"},\n{\"n\":2,\"s\":null}\n]\n";
        assert_eq!(read(TableFormat::Json), json);
        assert!(
            fs::read(path(TableFormat::Parquet))
                .unwrap()
                .starts_with(b"PAR1")
        );
    }

    #[test]
    fn results_have_the_columns_of_the_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("effects.csv");
        let row =
            serde_json::json!({"improvement": "i1", "relative": -0.25, "start": "2026-11-01"});
        let rows = [row.as_object().unwrap().clone()];
        let files = [(TableFormat::Csv, path.clone())];
        let table = ledger::EFFECTS.export(&rows, &files).unwrap();
        let text = fs::read_to_string(path).unwrap();
        let (header, line) = text.split_once('\n').unwrap();
        assert_eq!(table.columns.len(), ledger::EFFECTS.columns.len());
        assert_eq!(header.split(',').count(), table.columns.len());
        assert!(line.contains("i1") && line.contains(",-0.25,") && line.contains(",2026-11-01,"));
    }
}
