//! Writes records to files by day or week, and counts exactly what was written.

use crate::{Error, calendar::Day, truth::SourceTruth};
use flate2::{Compression, write::GzEncoder};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Formats a string as JSON, with quotes.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Plain,
    Gzip,
    Zstandard,
}

impl Codec {
    fn extension(self) -> &'static str {
        match self {
            Codec::Plain => "",
            Codec::Gzip => ".gz",
            Codec::Zstandard => ".zst",
        }
    }
}

enum Sink {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstandard(zstd::Encoder<'static, BufWriter<File>>),
}

impl Sink {
    fn open(path: &Path, codec: Codec) -> io::Result<Self> {
        let file = BufWriter::with_capacity(1 << 16, File::create(path)?);
        Ok(match codec {
            Codec::Plain => Sink::Plain(file),
            Codec::Gzip => Sink::Gzip(GzEncoder::new(file, Compression::fast())),
            Codec::Zstandard => Sink::Zstandard(zstd::Encoder::new(file, 1)?),
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Plain(sink) => sink.write_all(bytes),
            Sink::Gzip(sink) => sink.write_all(bytes),
            Sink::Zstandard(sink) => sink.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Sink::Plain(mut sink) => sink.flush(),
            Sink::Gzip(sink) => sink.finish()?.flush(),
            Sink::Zstandard(sink) => sink.finish()?.flush(),
        }
    }
}

/// The frequency at which a source starts a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Daily,
    Weekly,
    Monthly,
}

/// Format of a file, apart from its records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileFormat {
    pub codec: Codec,
    /// True if it begins with a byte-order mark.
    pub byte_order_mark: bool,
    /// True if lines end with carriage return and line feed.
    pub carriage_return: bool,
    /// True if the last line has no line break.
    pub no_final_newline: bool,
}

impl FileFormat {
    pub(crate) const fn plain() -> Self {
        Self::with_codec(Codec::Plain)
    }

    pub(crate) const fn with_codec(codec: Codec) -> Self {
        Self {
            codec,
            byte_order_mark: false,
            carriage_return: false,
            no_final_newline: false,
        }
    }
}

/// A file being written.
struct OpenFile {
    path: PathBuf,
    sink: Sink,
    file_format: FileFormat,
    lines: u64,
    buffer: Vec<u8>,
}

/// Size of blocks passed to the compressor, in bytes.
const BLOCK_BYTES: usize = 1 << 16;

impl OpenFile {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.lines > 0 {
            self.buffer
                .extend_from_slice(if self.file_format.carriage_return {
                    b"\r\n"
                } else {
                    b"\n"
                });
        }
        self.buffer.extend_from_slice(line);
        self.lines += 1;
        if self.buffer.len() >= BLOCK_BYTES {
            self.flush_buffer()
        } else {
            Ok(())
        }
    }

    fn flush_buffer(&mut self) -> io::Result<()> {
        self.sink.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if self.lines > 0 && !self.file_format.no_final_newline {
            self.buffer
                .extend_from_slice(if self.file_format.carriage_return {
                    b"\r\n"
                } else {
                    b"\n"
                });
        }
        self.flush_buffer()?;
        self.sink.finish()
    }
}

/// Writes the records of one source to files.
pub(crate) struct SourceWriter {
    root: PathBuf,
    name: &'static str,
    extension: &'static str,
    header: Option<&'static str>,
    layout: Layout,
    file: Option<OpenFile>,
    file_date: Option<jiff::civil::Date>,
    /// Lines for the file of a later day, by index of that day.
    delayed: BTreeMap<usize, Vec<Vec<u8>>>,
    last_index: usize,
    /// Counts so far.
    pub truth: SourceTruth,
}

impl SourceWriter {
    /// Creates a writer for a source under `root/name/`.
    pub(crate) fn new(
        root: &Path,
        name: &'static str,
        extension: &'static str,
        header: Option<&'static str>,
        layout: Layout,
        last_index: usize,
    ) -> Self {
        Self {
            root: root.to_path_buf(),
            name,
            extension,
            header,
            layout,
            file: None,
            file_date: None,
            delayed: BTreeMap::new(),
            last_index,
            truth: SourceTruth::default(),
        }
    }

    /// Starts a day: opens a new file if the day begins one, and writes the lines delayed until
    /// this day.
    pub(crate) fn open(
        &mut self,
        day: &Day,
        file_format: impl Fn() -> FileFormat,
    ) -> Result<(), Error> {
        let date = match self.layout {
            Layout::Daily => day.date,
            Layout::Weekly => day.monday(),
            Layout::Monthly => day.date.first_of_month(),
        };
        if self.file_date != Some(date) {
            self.close()?;
            let file_format = file_format();
            let path = self.path(date, "", file_format.codec.extension())?;
            let sink = Sink::open(&path, file_format.codec).map_err(|e| Error::write(&path, e))?;
            let mut buffer = Vec::with_capacity(BLOCK_BYTES + 4096);
            if file_format.byte_order_mark {
                buffer.extend_from_slice("\u{feff}".as_bytes());
            }
            let mut file = OpenFile {
                path,
                sink,
                file_format,
                lines: 0,
                buffer,
            };
            if let Some(header) = self.header {
                file.write_line(header.as_bytes())
                    .map_err(|e| Error::write(&file.path, e))?;
            }
            self.file = Some(file);
            self.file_date = Some(date);
            self.truth.files += 1;
        }
        for line in self.delayed.remove(&day.index).unwrap_or_default() {
            self.write_line(&line)?;
        }
        Ok(())
    }

    fn path(
        &self,
        date: jiff::civil::Date,
        suffix: &str,
        compression: &str,
    ) -> Result<PathBuf, Error> {
        let folder = self
            .root
            .join(self.name)
            .join(date.strftime("%Y/%m").to_string());
        std::fs::create_dir_all(&folder).map_err(|e| Error::write(&folder, e))?;
        Ok(folder.join(format!(
            "{}-{date}{suffix}.{}{compression}",
            self.name, self.extension
        )))
    }

    fn write_line(&mut self, line: &[u8]) -> Result<(), Error> {
        self.truth.bytes += line.len() as u64 + 1;
        let Some(file) = self.file.as_mut() else {
            return Ok(());
        };
        file.write_line(line)
            .map_err(|e| Error::write(&file.path, e))
    }

    /// Writes a valid record.
    pub(crate) fn accept(&mut self, line: &[u8]) -> Result<(), Error> {
        self.truth.records += 1;
        self.truth.accepted += 1;
        self.write_line(line)
    }

    /// Delays a valid record until the file of a later day.
    pub(crate) fn accept_late(
        &mut self,
        day: &Day,
        delay: usize,
        line: &[u8],
    ) -> Result<(), Error> {
        let due = (day.index + delay).min(self.last_index);
        if due == day.index {
            return self.accept(line);
        }
        self.truth.records += 1;
        self.truth.accepted += 1;
        self.truth.late += 1;
        self.delayed.entry(due).or_default().push(line.to_vec());
        Ok(())
    }

    /// Writes a record a second time, today or in the file of a later day.
    pub(crate) fn repeat(&mut self, day: &Day, delay: usize, line: &[u8]) -> Result<(), Error> {
        self.truth.records += 1;
        self.truth.duplicates += 1;
        let due = (day.index + delay).min(self.last_index);
        if due == day.index {
            return self.write_line(line);
        }
        self.delayed.entry(due).or_default().push(line.to_vec());
        Ok(())
    }

    /// Writes an invalid record.
    pub(crate) fn reject(&mut self, line: &[u8], reason: &str) -> Result<(), Error> {
        self.truth.records += 1;
        *self
            .truth
            .quarantined
            .entry(reason.to_string())
            .or_default() += 1;
        self.write_line(line)
    }

    /// Writes a blank line.
    pub(crate) fn write_blank(&mut self) -> Result<(), Error> {
        self.truth.blank_lines += 1;
        self.write_line(b"")
    }

    /// Writes an additional empty file for the day.
    pub(crate) fn write_empty_file(&mut self, day: &Day) -> Result<(), Error> {
        let path = self.path(day.date, "-empty", "")?;
        self.truth.files += 1;
        File::create(&path)
            .map(drop)
            .map_err(|e| Error::write(&path, e))
    }

    /// Writes valid records to a truncated gzip file: every line is readable, but the end of the
    /// compressed data is missing.
    pub(crate) fn write_truncated_file(
        &mut self,
        day: &Day,
        lines: &[Vec<u8>],
    ) -> Result<(), Error> {
        let path = self.path(day.date, "-cut", ".gz")?;
        let write = || -> io::Result<Vec<u8>> {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            for line in lines {
                encoder.write_all(line)?;
                encoder.write_all(b"\n")?;
            }
            // A sync flush ends at a byte boundary with all data written; only the last block and
            // the checksum are missing.
            encoder.flush()?;
            Ok(encoder.get_ref().clone())
        };
        let bytes = write().map_err(|e| Error::write(&path, e))?;
        std::fs::write(&path, bytes).map_err(|e| Error::write(&path, e))?;
        self.truth.files += 1;
        self.truth.broken_files += 1;
        self.truth.records += lines.len() as u64;
        self.truth.accepted += lines.len() as u64;
        self.truth.bytes += lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
        Ok(())
    }

    /// Closes the current file.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        match self.file.take() {
            Some(file) => {
                let path = file.path.clone();
                file.finish().map_err(|e| Error::write(&path, e))
            }
            None => Ok(()),
        }
    }
}
