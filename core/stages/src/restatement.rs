//! Explains why the figures of an earlier window changed: applies each kind of change of the
//! records in turn, and computes the figures after each step.

use crate::{Context, Input, Inputs, Rows, StageError, StageKind, times::Times};
use polars::prelude::{AnyValue, DataFrame, IdxCa, IdxSize, NamedFrom as _};
use retrocast_domain::cell::DatasetRef;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

/// Figures by name.
pub type Figures = BTreeMap<String, Option<f64>>;

/// A version of the dataset behind figures.
#[derive(Debug, Clone)]
pub struct Version {
    /// Name and version.
    pub dataset: DatasetRef,
    /// At least the rows with a time in the window.
    pub window: Rows,
    /// All rows.
    pub all: Rows,
}

/// The identity of the rows of both versions.
#[derive(Debug, Clone)]
pub enum Identity {
    /// The columns of the key.
    Key(Vec<String>),
    /// File and line: the names of the columns with the number of the file and the line, and the
    /// path of each file by number, in the old and in the current version.
    Line {
        /// Column with the number of the file.
        object: &'static str,
        /// Column with the line.
        line: &'static str,
        /// Paths of the files.
        paths: [BTreeMap<u32, String>; 2],
    },
}

/// The versions to compare, with the stage that computes the figures.
pub struct Comparison<'a> {
    /// Kind of the stage.
    pub kind: &'a StageKind,
    /// Context, with the earlier window.
    pub context: &'a Context,
    /// Params of the stage.
    pub params: &'a serde_json::Value,
    /// The current input of the stage.
    pub input: &'a Input,
    /// The version behind the published figures, and the current version.
    pub versions: [Version; 2],
    /// Identity of the rows.
    pub identity: Identity,
}

/// The figures of the window after each step, by the current definition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steps {
    /// Figures of the old records.
    pub old: Figures,
    /// Figures after adding late records.
    pub late: Figures,
    /// Figures after replacing corrected records, too.
    pub corrected: Figures,
    /// Number of late, corrected and deleted records.
    pub records: [u64; 3],
}

/// A row: hashes of its identity and of all its values.
struct Row {
    key: u128,
    content: u128,
}

/// The rows of a version in the window, with the columns that the figures need.
struct Table {
    frame: DataFrame,
    rows: Vec<Row>,
    /// Path and line of each row; empty for rows with a key.
    origins: Vec<(String, u64)>,
}

/// Indices of the changed rows.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    /// New rows without an old row.
    late: Vec<usize>,
    /// Old rows that were replaced.
    replaced: Vec<usize>,
    /// New rows that replace them.
    replacing: Vec<usize>,
    /// Old rows without a new row.
    deleted: Vec<usize>,
}

impl Comparison<'_> {
    /// Computes the figures of the old records, and after each step.
    pub fn steps(&self) -> Result<Steps, StageError> {
        let time = self.params["time"].as_str().or(self.input.time.as_deref());
        let time = time.ok_or_else(|| StageError::Other("records have no time".to_string()))?;
        let times = self.input.times(time, &self.context.window.timezone)?;
        let columns = self.columns(time);
        let old = self.table(0, &columns, time, &times)?;
        let new = self.table(1, &columns, time, &times)?;
        let mut changes = match &self.identity {
            Identity::Key(_) => changes_by_key(&old.rows, &new.rows),
            Identity::Line { .. } => changes_by_line(&old, &new),
        };
        if let Identity::Key(columns) = &self.identity {
            self.find_moved(&mut changes, [&old, &new], columns)?;
        }
        let mut steps = Steps {
            records: [
                changes.late.len(),
                changes.replaced.len().max(changes.replacing.len()),
                changes.deleted.len(),
            ]
            .map(|n| n as u64),
            ..Steps::default()
        };
        let old_indices: Vec<usize> = (0..old.rows.len()).collect();
        steps.old = self.figures(old.frame.clone())?;
        steps.late = if changes.late.is_empty() {
            steps.old.clone()
        } else {
            self.figures(join(&old, &old_indices, &new, &changes.late)?)?
        };
        steps.corrected = if changes.replaced.is_empty() && changes.replacing.is_empty() {
            steps.late.clone()
        } else {
            let replaced: BTreeSet<usize> = changes.replaced.iter().copied().collect();
            let kept = old_indices
                .into_iter()
                .filter(|row| !replaced.contains(row));
            let added = [changes.late, changes.replacing].concat();
            self.figures(join(&old, &kept.collect::<Vec<_>>(), &new, &added)?)?
        };
        Ok(steps)
    }

    /// The columns that the figures depend on: the columns named by the params, the time and the
    /// key.
    fn columns(&self, time: &str) -> Vec<String> {
        let key = match &self.identity {
            Identity::Key(columns) => columns.as_slice(),
            Identity::Line { .. } => &[],
        };
        let names = self.input.columns().map(|(name, _)| name);
        names
            .filter(|name| {
                *name == time
                    || key.iter().any(|column| column == name)
                    || contains_text(self.params, name)
            })
            .map(str::to_string)
            .collect()
    }

    fn table(
        &self,
        version: usize,
        columns: &[String],
        time: &str,
        times: &Arc<Times>,
    ) -> Result<Table, StageError> {
        let mut read: Vec<&str> = columns.iter().map(String::as_str).collect();
        let key = match &self.identity {
            Identity::Key(key) => key.as_slice(),
            Identity::Line { object, line, .. } => {
                read.extend([*object, *line]);
                &[]
            }
        };
        let mut frame: Option<DataFrame> = None;
        let window = &self.context.window;
        let source = self.version_input(version);
        self.versions[version].window.read(&read, &mut |batch| {
            self.context.stop.check();
            let batch = crate::rows::Batch {
                input: &source,
                frame: batch,
            };
            let within = times.of(&batch, time)?.into_iter().enumerate();
            let within =
                within.filter(|(_, time)| time.is_some_and(|time| window.contains(time.date())));
            let rows: Vec<usize> = within.map(|(row, _)| row).collect();
            let selected = select(&batch.frame, &rows)?;
            match &mut frame {
                Some(frame) => {
                    frame.vstack_mut(&selected)?;
                }
                None => frame = Some(selected),
            }
            Ok(())
        })?;
        let frame = frame.unwrap_or_default();
        let contents = hashes(&frame, columns)?;
        let keys = hashes(&frame, key)?;
        let origins = match &self.identity {
            Identity::Key(_) => Vec::new(),
            Identity::Line {
                object,
                line,
                paths,
            } => {
                let objects = frame.column(object)?.u32()?.clone();
                let lines = frame.column(line)?.u64()?.clone();
                let path = |object: Option<u32>| {
                    let path = object.and_then(|object| paths[version].get(&object));
                    path.cloned().unwrap_or_default()
                };
                let origins = objects.iter().zip(lines.iter());
                origins
                    .map(|(object, line)| (path(object), line.unwrap_or_default()))
                    .collect()
            }
        };
        let names = columns.iter().map(String::as_str);
        Ok(Table {
            frame: frame.select(names)?,
            rows: (keys.into_iter().zip(contents))
                .map(|(key, content)| Row { key, content })
                .collect(),
            origins,
        })
    }

    /// An input with the name of a version, for errors.
    fn version_input(&self, version: usize) -> Input {
        let version = &self.versions[version];
        Input::new(version.window.clone(), version.dataset.clone())
    }

    /// Counts rows that moved to or from another window as corrected: their keys are elsewhere in
    /// the other version.
    fn find_moved(
        &self,
        changes: &mut Changes,
        [old, new]: [&Table; 2],
        key: &[String],
    ) -> Result<(), StageError> {
        let elsewhere = |version: usize, table: &Table, rows: &[usize]| {
            let wanted: HashSet<u128> = rows.iter().map(|row| table.rows[*row].key).collect();
            let mut matching = HashSet::new();
            if wanted.is_empty() {
                return Ok(matching);
            }
            let columns: Vec<&str> = key.iter().map(String::as_str).collect();
            self.versions[version].all.read(&columns, &mut |batch| {
                self.context.stop.check();
                let keys = hashes(&batch, key)?.into_iter();
                matching.extend(keys.filter(|key| wanted.contains(key)));
                Ok(())
            })?;
            Ok::<_, StageError>(matching)
        };
        let moved_in = elsewhere(0, new, &changes.late)?;
        let moved_out = elsewhere(1, old, &changes.deleted)?;
        let is_moved_in = |row: &usize| moved_in.contains(&new.rows[*row].key);
        let is_moved_out = |row: &usize| moved_out.contains(&old.rows[*row].key);
        changes
            .replacing
            .extend(changes.late.iter().copied().filter(is_moved_in));
        changes.late.retain(|row| !is_moved_in(row));
        changes
            .replaced
            .extend(changes.deleted.iter().copied().filter(is_moved_out));
        changes.deleted.retain(|row| !is_moved_out(row));
        Ok(())
    }

    /// The figures of all records in `frame`.
    fn figures(&self, frame: DataFrame) -> Result<Figures, StageError> {
        let dataset = self.input.dataset.clone();
        let name = dataset.name.clone();
        let mut input = Input::new(frame, dataset);
        input.time.clone_from(&self.input.time);
        input.complete_until = Some(self.context.window.end.at(0, 0, 0, 0));
        let inputs = Inputs::from([(name, input)]);
        let analysis = (self.kind.run)(self.context, self.params, &inputs)?;
        let figures = analysis.cell.kpis.into_iter();
        Ok(figures.map(|figure| (figure.name, figure.value)).collect())
    }
}

/// Rows of the old table followed by rows of the new table.
fn join(
    old: &Table,
    old_rows: &[usize],
    new: &Table,
    new_rows: &[usize],
) -> Result<DataFrame, StageError> {
    let mut frame = select(&old.frame, old_rows)?;
    frame.vstack_mut(&select(&new.frame, new_rows)?)?;
    Ok(frame)
}

fn select(frame: &DataFrame, rows: &[usize]) -> Result<DataFrame, StageError> {
    let rows: Vec<IdxSize> = rows.iter().map(|row| *row as IdxSize).collect();
    Ok(frame.take(&IdxCa::new("".into(), rows))?)
}

/// Returns true if params contain `text` as a value.
pub fn contains_text(params: &serde_json::Value, text: &str) -> bool {
    match params {
        serde_json::Value::String(other) => other == text,
        serde_json::Value::Array(items) => items.iter().any(|item| contains_text(item, text)),
        serde_json::Value::Object(map) => map.values().any(|item| contains_text(item, text)),
        _ => false,
    }
}

/// Hashes the values of each row in `columns`.
fn hashes(frame: &DataFrame, columns: &[String]) -> Result<Vec<u128>, StageError> {
    let mut hashers = vec![[DefaultHasher::new(), DefaultHasher::new()]; frame.height()];
    for [_, second] in &mut hashers {
        second.write_u8(1);
    }
    for name in columns {
        let column = frame.column(name)?.as_materialized_series();
        for (value, hashers) in column.iter().zip(&mut hashers) {
            for hasher in hashers {
                hash_value(&value, hasher);
            }
        }
    }
    let hashes = hashers.into_iter();
    Ok(hashes
        .map(|[first, second]| u128::from(first.finish()) << 64 | u128::from(second.finish()))
        .collect())
}

fn hash_value(value: &AnyValue<'_>, hasher: &mut DefaultHasher) {
    match value {
        AnyValue::Null => hasher.write_u8(0),
        AnyValue::String(text) => (1_u8, text).hash(hasher),
        AnyValue::StringOwned(text) => (1_u8, text.as_str()).hash(hasher),
        AnyValue::Float64(number) => (2_u8, number.to_bits()).hash(hasher),
        AnyValue::Int64(number) => (3_u8, number).hash(hasher),
        AnyValue::Boolean(flag) => (4_u8, flag).hash(hasher),
        AnyValue::Datetime(micros, ..) => (5_u8, micros).hash(hasher),
        AnyValue::Date(day) => (6_u8, day).hash(hasher),
        // Lists and structs.
        other => (7_u8, format!("{other:?}")).hash(hasher),
    }
}

fn changes_by_key(old: &[Row], new: &[Row]) -> Changes {
    let known: HashMap<u128, usize> = (old.iter().zip(0..))
        .map(|(row, index)| (row.key, index))
        .collect();
    let present: HashSet<u128> = new.iter().map(|row| row.key).collect();
    let mut changes = Changes::default();
    for (index, row) in new.iter().enumerate() {
        match known.get(&row.key) {
            None => changes.late.push(index),
            Some(before) if old[*before].content != row.content => {
                changes.replaced.push(*before);
                changes.replacing.push(index);
            }
            Some(_) => {}
        }
    }
    let is_gone = |(_, row): &(usize, &Row)| !present.contains(&row.key);
    let deleted = old.iter().enumerate().filter(is_gone);
    changes.deleted = deleted.map(|(index, _)| index).collect();
    changes
}

/// Finds the changes of rows without a key. Equal rows cancel out. Among the other rows of a file,
/// an old and a new row on the same line are one record; the rest are paired in the order of lines.
fn changes_by_line(old: &Table, new: &Table) -> Changes {
    let mut equal: HashMap<u128, Vec<usize>> = HashMap::new();
    for (index, row) in old.rows.iter().enumerate().rev() {
        equal.entry(row.content).or_default().push(index);
    }
    let mut added: BTreeMap<(&str, u64), Vec<usize>> = BTreeMap::new();
    for (index, row) in new.rows.iter().enumerate() {
        if equal.get_mut(&row.content).and_then(Vec::pop).is_none() {
            let (path, line) = &new.origins[index];
            added.entry((path, *line)).or_default().push(index);
        }
    }
    let mut removed: Vec<usize> = equal.into_values().flatten().collect();
    removed.sort_by_key(|index| &old.origins[*index]);
    let mut changes = Changes::default();
    let mut unpaired = Vec::new();
    for index in removed {
        let (path, line) = &old.origins[index];
        match added.get_mut(&(path.as_str(), *line)).and_then(Vec::pop) {
            Some(replacing) => {
                changes.replaced.push(index);
                changes.replacing.push(replacing);
            }
            None => unpaired.push(index),
        }
    }
    added.retain(|_, rows| !rows.is_empty());
    for index in unpaired {
        let path = old.origins[index].0.as_str();
        let next = added.range_mut((path, 0)..=(path, u64::MAX)).next();
        let Some((origin, rows)) = next else {
            changes.deleted.push(index);
            continue;
        };
        let origin = *origin;
        changes.replaced.push(index);
        changes.replacing.extend(rows.pop());
        if rows.is_empty() {
            added.remove(&origin);
        }
    }
    changes.late = added.into_values().flatten().collect();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(u128, u128)]) -> Vec<Row> {
        let rows = rows.iter();
        rows.map(|&(key, content)| Row { key, content }).collect()
    }

    #[test]
    fn rows_with_keys_are_late_corrected_or_deleted() {
        let old = rows(&[(1, 10), (2, 20), (3, 30)]);
        let new = rows(&[(4, 40), (2, 21), (1, 10)]);
        let expected = Changes {
            late: vec![0],
            replaced: vec![1],
            replacing: vec![1],
            deleted: vec![2],
        };
        assert_eq!(changes_by_key(&old, &new), expected);
    }

    #[test]
    fn rows_without_keys_are_compared_within_their_file() {
        let table = |lines: &[(&str, u64, u128)]| Table {
            frame: DataFrame::default(),
            rows: rows(&lines.iter().map(|line| (0, line.2)).collect::<Vec<_>>()),
            origins: lines
                .iter()
                .map(|line| (line.0.to_string(), line.1))
                .collect(),
        };
        let check = |old: &[(&str, u64, u128)], new: &[(&str, u64, u128)], expected: [usize; 3]| {
            let changes = changes_by_line(&table(old), &table(new));
            assert_eq!(changes.replaced.len(), changes.replacing.len());
            let found = [
                changes.late.len(),
                changes.replaced.len(),
                changes.deleted.len(),
            ];
            assert_eq!(found, expected, "{old:?} {new:?}");
        };
        // A file that was renamed, and lines that moved.
        check(
            &[("a", 1, 5), ("a", 2, 6)],
            &[("b", 2, 6), ("b", 7, 5)],
            [0; 3],
        );
        // Line 2 was edited, and a line was appended.
        check(
            &[("a", 1, 5), ("a", 2, 6)],
            &[("a", 1, 5), ("a", 2, 7), ("a", 3, 8)],
            [1, 1, 0],
        );
        // One file was deleted, and another file was added.
        check(&[("a", 1, 5)], &[("b", 1, 6)], [1, 0, 1]);
        // One of two equal lines was deleted.
        check(&[("a", 1, 5), ("a", 2, 5)], &[("a", 1, 5)], [0, 0, 1]);
        // A line was inserted before an edited one.
        check(&[("a", 1, 5)], &[("a", 2, 6)], [0, 1, 0]);
    }
}
