//! Writes a table to files: adds late, duplicate and invalid records, and counts all of them.

use super::row::{RecordFormat, Row};
use crate::{
    Error,
    calendar::Day,
    company::{DUPLICATE_SHARE, LATE_SHARE},
    hostile::Flaw,
    output::{Codec, FileFormat, Layout, SourceWriter},
    random::Random,
    truth::SourceTruth,
};
use std::path::Path;

/// Share of records that violate their contract.
const FLAWED_SHARE: f64 = 0.003;

/// Properties of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    /// Name of the source and of its folder.
    pub name: &'static str,
    /// Number of the table's random stream.
    pub stream: u64,
    pub format: RecordFormat,
    /// Column names, for CSV.
    pub header: Option<&'static str>,
    pub layout: Layout,
    pub file_format: FileFormat,
    /// Maximum delay of a late record, in days.
    pub delay: usize,
    /// Kinds of flaws of invalid records.
    pub flaws: &'static [Flaw],
}

/// A table being written.
pub(crate) struct Table {
    spec: Spec,
    output: SourceWriter,
    /// Random numbers of the table, shared with the code that fills it.
    pub random: Random,
    /// Number of flaws so far; the kinds alternate.
    flaws: usize,
    /// Number of records of the current day.
    today: usize,
    /// The last valid record.
    last: Option<Row>,
    compress: bool,
}

impl Table {
    pub(crate) fn new(root: &Path, spec: Spec, seed: u64, compress: bool, days: &[Day]) -> Self {
        let extension = match spec.format {
            RecordFormat::Json => "jsonl",
            RecordFormat::Csv(_) => "csv",
        };
        let last = days.len() - 1;
        let output = SourceWriter::new(root, spec.name, extension, spec.header, spec.layout, last);
        Self {
            random: Random::new(seed, spec.stream),
            spec,
            output,
            flaws: 0,
            today: 0,
            last: None,
            compress,
        }
    }

    /// Starts a day.
    pub(crate) fn open(&mut self, day: &Day) -> Result<(), Error> {
        self.today = 0;
        let codec = if self.compress {
            self.spec.file_format.codec
        } else {
            Codec::Plain
        };
        let file_format = self.spec.file_format;
        self.output.open(day, || FileFormat {
            codec,
            ..file_format
        })
    }

    /// Writes a valid record; some are late or duplicated.
    pub(crate) fn put(&mut self, day: &Day, row: Row) -> Result<(), Error> {
        let line = row.line(self.spec.format);
        self.today += 1;
        self.output.truth.hostile_texts += u64::from(row.hostile);
        self.last = Some(row);
        if self.random.chance(LATE_SHARE) {
            let delay = 1 + self.random.below(self.spec.delay);
            return self.output.accept_late(day, delay, &line);
        }
        self.output.accept(&line)?;
        if self.random.chance(DUPLICATE_SHARE) {
            let delay = self.random.below(self.spec.delay);
            self.output.repeat(day, delay, &line)?;
        }
        Ok(())
    }

    /// Writes a newer state of an earlier record, some days later.
    pub(crate) fn put_update(&mut self, day: &Day, delay: usize, row: &Row) -> Result<(), Error> {
        self.output.repeat(day, delay, &row.line(self.spec.format))
    }

    /// Ends a day with its share of invalid records. On the first day of the last week each kind of
    /// flaw occurs once, and one record is duplicated, however few records there are.
    pub(crate) fn end_day(&mut self, day: &Day, days: &[Day]) -> Result<(), Error> {
        let count = self.random.poisson(self.today as f64 * FLAWED_SHARE);
        let Some(last) = self.last.clone() else {
            return Ok(());
        };
        for _ in 0..count {
            let flaw = self.spec.flaws[self.flaws % self.spec.flaws.len()];
            self.flaws += 1;
            // Strings of a million characters occur only once.
            if !matches!(flaw, Flaw::LongText(_)) {
                self.reject(&last, flaw)?;
            }
        }
        if day.index + 7 == days.len() {
            for flaw in self.spec.flaws {
                self.reject(&last, *flaw)?;
            }
            self.output.repeat(day, 0, &last.line(self.spec.format))?;
        }
        Ok(())
    }

    fn reject(&mut self, row: &Row, flaw: Flaw) -> Result<(), Error> {
        let (line, reason) = row.flawed_line(self.spec.format, flaw);
        self.output.reject(&line, reason)
    }

    /// Closes the table.
    pub(crate) fn close(mut self) -> Result<(&'static str, SourceTruth), Error> {
        self.output.close()?;
        Ok((self.spec.name, self.output.truth))
    }
}
