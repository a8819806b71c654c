//! Rows of a dataset, read in batches: stages keep aggregates instead of rows, so memory does not
//! grow with the number of rows.

use crate::{Input, StageError};
use polars::prelude::{DataFrame, DataType, Schema};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// A source of rows.
pub trait RowSource: Send + Sync {
    /// Columns of the rows.
    fn schema(&self) -> &Schema;

    /// Reads `columns` of all rows once, in batches and in the order of the dataset. A dataset
    /// without rows gives one empty batch.
    fn read(
        &self,
        columns: &[&str],
        consume: &mut dyn FnMut(DataFrame) -> Result<(), StageError>,
    ) -> Result<(), StageError>;
}

/// Rows of any [`RowSource`].
#[derive(Clone)]
pub struct Rows(Arc<dyn RowSource>);

impl Rows {
    /// Wraps a source of rows.
    pub fn new(source: impl RowSource + 'static) -> Self {
        Self(Arc::new(source))
    }
}

impl std::ops::Deref for Rows {
    type Target = dyn RowSource;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rows").field(self.schema()).finish()
    }
}

impl From<DataFrame> for Rows {
    fn from(frame: DataFrame) -> Self {
        let schema = frame.schema().as_ref().clone();
        Self::new(FrameRows { frame, schema })
    }
}

/// A data frame as a source of rows.
struct FrameRows {
    frame: DataFrame,
    schema: Schema,
}

/// Number of rows of a batch; small in tests, so that they cover several batches.
const BATCH_ROWS: usize = if cfg!(test) { 50 } else { 1 << 16 };

impl RowSource for FrameRows {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(
        &self,
        columns: &[&str],
        consume: &mut dyn FnMut(DataFrame) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let height = self.frame.height();
        let selected = columns.iter().copied();
        let selected: Result<Vec<_>, _> = selected
            .map(|name| self.frame.column(name).cloned())
            .collect();
        let frame = DataFrame::new(height, selected?)?;
        for start in (0..height.max(1)).step_by(BATCH_ROWS) {
            consume(frame.slice(start as i64, BATCH_ROWS))?;
        }
        Ok(())
    }
}

/// A batch of rows of a dataset, with the requested columns.
pub(crate) struct Batch<'a> {
    pub(crate) input: &'a Input,
    pub(crate) frame: DataFrame,
}

impl Input {
    /// Names and types of the columns, in order.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, &DataType)> {
        let fields = self.rows.schema().iter();
        fields.map(|(name, dtype)| (name.as_str(), dtype))
    }

    /// Returns true if there is a column with this name.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.rows.schema().contains(column)
    }

    /// Reads `columns` of all rows once, in batches; one empty batch if there are no rows.
    pub(crate) fn for_each_batch<'a>(
        &'a self,
        columns: &[&str],
        mut consume: impl FnMut(&Batch<'a>) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let mut selected: Vec<&str> = Vec::new();
        for column in columns {
            if !self.has(column) {
                return Err(self.no_column(column));
            }
            if !selected.contains(column) {
                selected.push(column);
            }
        }
        let mut consume = |frame| consume(&Batch { input: self, frame });
        self.rows.read(&selected, &mut consume)
    }

    /// Reads all rows at once, for small datasets and for stages that return rows.
    pub(crate) fn read_all(&self, columns: &[&str]) -> Result<Batch<'_>, StageError> {
        let mut all_rows: Option<DataFrame> = None;
        self.for_each_batch(columns, |batch| {
            match &mut all_rows {
                Some(frame) => {
                    frame.vstack_mut(&batch.frame)?;
                }
                None => all_rows = Some(batch.frame.clone()),
            }
            Ok(())
        })?;
        Ok(Batch {
            input: self,
            frame: all_rows.unwrap_or_default(),
        })
    }

    /// The error for a column that does not exist.
    pub(crate) fn no_column(&self, column: &str) -> StageError {
        let columns: Vec<&str> = self.columns().map(|(name, _)| name).collect();
        StageError::NoColumn {
            dataset: self.dataset.name.clone(),
            column: column.to_string(),
            columns: columns.join(", "),
        }
    }
}

/// Counts of unusable values, such as infinities, per column, for one caveat each.
#[derive(Default)]
pub(crate) struct UnusableValues(BTreeMap<String, u64>);

impl UnusableValues {
    /// Counts unusable values of a column.
    pub(crate) fn add(&mut self, column: &str, values: u64) {
        if values > 0 {
            *self.0.entry(column.to_string()).or_default() += values;
        }
    }

    /// One caveat per column with unusable values.
    pub(crate) fn caveats(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(name, values)| {
            format!(
                "{} of {name} not usable (not a number, infinite or beyond 1e60); counted as missing.",
                retrocast_domain::number::plural(*values, "value")
            )
        })
    }
}
