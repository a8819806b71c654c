//! Selects the columns to read, and their types.

use crate::contract::{Field, FieldKind, UnknownFields};
use arrow_schema::{DataType, Field as ArrowField, FieldRef, Fields, Schema, TimeUnit};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
    },
    basic::Type,
    errors::ParquetError,
    file::metadata::ParquetMetaData,
    schema::types::SchemaDescriptor,
};
use std::sync::Arc;

/// The part of a file to read.
#[derive(Debug)]
pub(super) struct Plan {
    /// The columns, by index among all leaf columns.
    pub leaves: Vec<usize>,
    pub mask: ProjectionMask,
    /// Paths of the columns that the contract does not declare.
    pub unknown: Vec<String>,
    /// True if the columns that the contract does not declare are read, too.
    keep: bool,
}

impl Plan {
    /// Selects the columns that the contract declares; the error is a reason why the file cannot be
    /// read.
    pub fn new(
        metadata: &ArrowReaderMetadata,
        fields: &[Field],
        unknown: UnknownFields,
    ) -> Result<Self, String> {
        let schema = metadata.parquet_schema();
        let columns = metadata.schema().fields();
        let mut plan = Self {
            leaves: Vec::new(),
            mask: ProjectionMask::all(),
            unknown: Vec::new(),
            keep: unknown == UnknownFields::Keep,
        };
        let mut next = 0;
        plan.select_fields(columns, fields, "", &mut next)?;
        if next != schema.num_columns() || next == 0 {
            return Err("the file has no columns that can be read".to_string());
        }
        // Without any column the number of rows would be unknown.
        if plan.leaves.is_empty() {
            plan.leaves.push(0);
        }
        plan.mask = ProjectionMask::leaves(schema, plan.leaves.iter().copied());
        Ok(plan)
    }

    fn select_fields(
        &mut self,
        columns: &Fields,
        fields: &[Field],
        outer: &str,
        next: &mut usize,
    ) -> Result<(), String> {
        let mut is_selected = vec![false; fields.len()];
        for column in columns {
            let dot = if outer.is_empty() { "" } else { "." };
            let path = format!("{outer}{dot}{}", column.name());
            let index_of_field = fields
                .iter()
                .position(|field| field.source_name() == column.name());
            match index_of_field {
                Some(index) if std::mem::replace(&mut is_selected[index], true) => {
                    return Err(format!("the file has the column {path:?} twice"));
                }
                Some(index) => self.select(column, &fields[index].kind, &path, next)?,
                None => self.select_nested(column, fields, column.name(), path, next)?,
            }
        }
        Ok(())
    }

    /// Selects the parts of a column that fields refer to by path.
    fn select_nested(
        &mut self,
        column: &ArrowField,
        fields: &[Field],
        inner: &str,
        path: String,
        next: &mut usize,
    ) -> Result<(), String> {
        let found = fields.iter().find(|field| field.source_name() == inner);
        match (found, column.data_type()) {
            (Some(field), _) => self.select(column, &field.kind, &path, next)?,
            (None, DataType::Struct(columns)) if fields.iter().any(|f| f.is_within(inner)) => {
                for column in columns {
                    let inner = format!("{inner}.{}", column.name());
                    let path = format!("{path}.{}", column.name());
                    self.select_nested(column, fields, &inner, path, next)?;
                }
            }
            (None, kind) => {
                let first = *next;
                *next += count_leaves(kind);
                if self.keep {
                    self.leaves.extend(first..*next);
                }
                self.unknown.push(path);
            }
        }
        Ok(())
    }

    fn select(
        &mut self,
        column: &ArrowField,
        kind: &FieldKind,
        path: &str,
        next: &mut usize,
    ) -> Result<(), String> {
        match (kind, column.data_type()) {
            (FieldKind::Struct(fields), DataType::Struct(columns)) => {
                self.select_fields(columns, fields, path, next)
            }
            (
                FieldKind::List(item),
                DataType::List(column)
                | DataType::LargeList(column)
                | DataType::FixedSizeList(column, _),
            ) => self.select(column, &item.kind, path, next),
            (_, other) => {
                let first = *next;
                *next += count_leaves(other);
                self.leaves.extend(first..*next);
                Ok(())
            }
        }
    }
}

/// Number of leaf columns of a type.
fn count_leaves(kind: &DataType) -> usize {
    match kind {
        DataType::Struct(columns) => columns
            .iter()
            .map(|column| count_leaves(column.data_type()))
            .sum(),
        DataType::List(column)
        | DataType::LargeList(column)
        | DataType::FixedSizeList(column, _)
        | DataType::Map(column, _) => count_leaves(column.data_type()),
        _ => 1,
    }
}

/// Changes types in the metadata: strings become views, and times of 96 bits, which exceed the
/// range of nanoseconds, become microseconds.
pub(super) fn with_views(
    metadata: Arc<ParquetMetaData>,
) -> Result<ArrowReaderMetadata, ParquetError> {
    let plain = ArrowReaderOptions::new();
    let current = ArrowReaderMetadata::try_new(Arc::clone(&metadata), plain.clone())
        // The embedded Arrow schema may be damaged, and is not needed.
        .or_else(|_| {
            ArrowReaderMetadata::try_new(
                Arc::clone(&metadata),
                plain.with_skip_arrow_metadata(true),
            )
        })?;
    let mut next = 0;
    let columns = columns_with_views(
        current.schema().fields(),
        current.parquet_schema(),
        &mut next,
    );
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(columns)));
    ArrowReaderMetadata::try_new(metadata, options)
}

fn columns_with_views(columns: &Fields, schema: &SchemaDescriptor, next: &mut usize) -> Fields {
    columns
        .iter()
        .map(|column| column_with_views(column, schema, next))
        .collect()
}

fn column_with_views(column: &FieldRef, schema: &SchemaDescriptor, next: &mut usize) -> FieldRef {
    let kind = match column.data_type() {
        DataType::Struct(columns) => DataType::Struct(columns_with_views(columns, schema, next)),
        DataType::List(item) => DataType::List(column_with_views(item, schema, next)),
        DataType::LargeList(item) => DataType::LargeList(column_with_views(item, schema, next)),
        DataType::FixedSizeList(item, n) => {
            DataType::FixedSizeList(column_with_views(item, schema, next), *n)
        }
        DataType::Map(entries, sorted) => {
            DataType::Map(column_with_views(entries, schema, next), *sorted)
        }
        kind => {
            let leaf = *next;
            *next += 1;
            let is_int96 =
                leaf < schema.num_columns() && schema.column(leaf).physical_type() == Type::INT96;
            if is_int96 {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            } else {
                view_type(kind)
            }
        }
    };
    Arc::new(column.as_ref().clone().with_data_type(kind))
}

fn view_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, values) => view_type(values),
        other => other.clone(),
    }
}
