//! Writes rows as files for other programs: CSV, JSON and Parquet.
//!
//! In CSV, text that a spreadsheet would read as a formula is preceded by an apostrophe, as OWASP
//! recommends; JSON and Parquet contain it unchanged.

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, SchemaRef},
    error::ArrowError,
    json::writer::{EncoderOptions, NullableEncoder, make_encoder},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use std::{borrow::Cow, io::Write};

/// The format of a file of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// CSV with a header, in UTF-8.
    Csv,
    /// An array of objects.
    Json,
    /// Parquet.
    Parquet,
}

impl TableFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Json, Self::Parquet];

    /// Its name, which is also the extension of file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }

    /// Media type for descriptors, such as "text/csv".
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// The type of a column in the Table Schema of a Data Package.
pub fn table_schema_type(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary => "string",
        DataType::Boolean => "boolean",
        data_type if data_type.is_integer() => "integer",
        data_type if data_type.is_numeric() => "number",
        DataType::Date32 => "date",
        DataType::Timestamp(..) => "datetime",
        DataType::List(_) | DataType::LargeList(_) => "array",
        DataType::Struct(_) => "object",
        _ => "any",
    }
}

/// Writes batches of rows in one format.
pub struct TableWriter<W: Write + Send>(Writer<W>);

enum Writer<W: Write + Send> {
    Csv(W),
    Json { out: W, is_empty: bool },
    Parquet(Box<ArrowWriter<W>>),
}

impl<W: Write + Send> TableWriter<W> {
    /// Begins a file for rows of `schema`.
    pub fn new(format: TableFormat, schema: &SchemaRef, mut out: W) -> Result<Self, ArrowError> {
        Ok(Self(match format {
            TableFormat::Csv => {
                let names = schema.fields().iter().map(|field| field.name().as_str());
                out.write_all(csv_line(names).as_bytes())?;
                Writer::Csv(out)
            }
            TableFormat::Json => {
                out.write_all(b"[")?;
                let is_empty = true;
                Writer::Json { out, is_empty }
            }
            TableFormat::Parquet => {
                let compression = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(compression);
                let schema = schema.clone();
                let writer = ArrowWriter::try_new(out, schema, Some(properties.build()))?;
                Writer::Parquet(Box::new(writer))
            }
        }))
    }

    /// Writes rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        match &mut self.0 {
            Writer::Csv(out) => write_csv(out, batch),
            Writer::Json { out, is_empty } => write_json(out, is_empty, batch),
            Writer::Parquet(writer) => Ok(writer.write(batch)?),
        }
    }

    /// Ends the file and flushes it.
    pub fn finish(self) -> Result<(), ArrowError> {
        let mut out = match self.0 {
            Writer::Csv(out) => out,
            Writer::Json { mut out, .. } => {
                out.write_all(b"\n]\n")?;
                out
            }
            Writer::Parquet(writer) => writer.into_inner()?,
        };
        Ok(out.flush()?)
    }
}

/// A column whose values are encoded as JSON.
struct Column<'a> {
    field: &'a Field,
    encoder: NullableEncoder<'a>,
}

impl Column<'_> {
    /// Appends a value as JSON.
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        if self.encoder.is_null(row) {
            out.extend(b"null");
        } else {
            self.encoder.encode(row, out);
        }
    }
}

fn columns<'a>(
    batch: &'a RecordBatch,
    options: &'a EncoderOptions,
) -> Result<Vec<Column<'a>>, ArrowError> {
    let fields = batch.schema_ref().fields().iter();
    let columns = fields.zip(batch.columns()).map(|(field, array)| {
        let encoder = make_encoder(field, array.as_ref(), options)?;
        Ok(Column { field, encoder })
    });
    columns.collect()
}

fn write_json(
    out: &mut impl Write,
    is_empty: &mut bool,
    batch: &RecordBatch,
) -> Result<(), ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut columns = columns(batch, &options)?;
    let mut line = Vec::new();
    for row in 0..batch.num_rows() {
        line.clear();
        line.extend(if *is_empty { "\n{" } else { ",\n{" }.bytes());
        *is_empty = false;
        for (index, column) in columns.iter_mut().enumerate() {
            if index > 0 {
                line.push(b',');
            }
            let name = serde_json::to_vec(column.field.name());
            line.extend(name.map_err(|error| ArrowError::from_external_error(error.into()))?);
            line.push(b':');
            column.encode(row, &mut line);
        }
        line.push(b'}');
        out.write_all(&line)?;
    }
    Ok(())
}

fn write_csv(out: &mut impl Write, batch: &RecordBatch) -> Result<(), ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut columns = columns(batch, &options)?;
    let mut value = Vec::new();
    for row in 0..batch.num_rows() {
        let mut line = String::new();
        for (index, column) in columns.iter_mut().enumerate() {
            if index > 0 {
                line.push(',');
            }
            value.clear();
            column.encode(row, &mut value);
            match value.first() {
                // Null, which also replaces numbers that JSON does not have.
                Some(b'n') => {}
                // Strings, dates and times.
                Some(b'"') => {
                    let text: String = serde_json::from_slice(&value)
                        .map_err(|error| ArrowError::from_external_error(error.into()))?;
                    line.push_str(&csv_cell(&text));
                }
                // Lists and objects.
                Some(b'[' | b'{') => line.push_str(&csv_cell(&String::from_utf8_lossy(&value))),
                _ => line.push_str(&String::from_utf8_lossy(&value)),
            }
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Formats cells as a line of CSV.
pub fn csv_line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<Cow<'_, str>> = cells.map(csv_cell).collect();
    format!("{}\n", cells.join(","))
}

/// Formats text as a cell of CSV. Text that a spreadsheet would read as a formula is preceded by an
/// apostrophe, unless it is a negative number.
fn csv_cell(text: &str) -> Cow<'_, str> {
    let begins_formula = text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let is_negative_number = text.strip_prefix('-').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && rest.parse::<f64>().is_ok()
    });
    let is_formula = begins_formula && !is_negative_number;
    let needs_quotes = text.contains([',', '"', '\n', '\r']);
    match (is_formula, needs_quotes) {
        (false, false) => Cow::Borrowed(text),
        (true, false) => Cow::Owned(format!("'{text}")),
        (false, true) => Cow::Owned(format!("\"{}\"", text.replace('"', "\"\""))),
        (true, true) => Cow::Owned(format!("\"'{}\"", text.replace('"', "\"\""))),
    }
}

#[cfg(test)]
mod tests;
