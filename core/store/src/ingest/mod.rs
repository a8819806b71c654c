//! Incremental ingest of records from files into a dataset: reads, checks and counts new records,
//! and commits once.
//!
//! ```text
//! listing + manifest -> changes -> take (read, check, count) -> resolve (keys) -> one commit
//! ```
//!
//! The commit of the rows is decisive: it names the versions of manifest and quarantine that belong
//! to it. A process that dies before it leaves unreferenced files, and one that dies after it
//! leaves nothing to do.

mod changes;
mod keys;
pub mod manifest;
mod note;
mod refused;
mod resolve;
mod show;
mod take;
mod times;
mod touched;

use crate::{
    contract::Contract,
    dataset::{BEHIND, DeletedRows, Lake, MADE_FROM, PendingRows, Properties, Rows, Scan, Staging},
    error::{SourceError, StoreError},
    origin,
    source::{Days, Listing, ListingSummary, SourceFile, is_settled},
};
use arrow::array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use changes::Changes;
use datafusion::{
    error::DataFusionError, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt;
use manifest::{Counts, Object, SourceVersion};
use resolve::{Existing, Resolution};
use retrocast_domain::{cell::DatasetRef, report::SourceNote};
use retrocast_records::{
    Dialect, Format, Hashes,
    read::{personal, pseudonyms},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
use take::{Outgoing, Outputs, ReadResult, ReadTask};
use times::Times;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use touched::KeyRanges;

/// Changed when the same records could give other rows: then every source is read again.
const INGEST: &str = "ingest 4";
/// Maximum number of attempts for a source if others write its datasets at the same time.
const ATTEMPTS: u32 = 3;

/// A checked source of a job.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// Name in the job file, and of the dataset.
    pub name: String,
    /// Files to read; see [`crate::source`].
    pub uri: String,
    /// Days of dated files to read; all if `None`.
    pub days: Option<Days>,
    /// Contract of the records.
    pub contract: Contract,
    /// Format of the records; from each file's name if `None`.
    pub format: Option<Format>,
    /// Dialect of CSV; undeclared parts are detected.
    pub dialect: Dialect,
    /// True if it is an error if there are no files.
    pub required: bool,
}

/// Progress of ingest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number of records.
    pub records: u64,
    /// Number of bytes read, after decompression.
    pub bytes: u64,
}

/// Settings that do not affect the result.
#[derive(Clone, Default)]
pub struct Control {
    /// Number of parsing threads; 0 means one.
    pub threads: usize,
    /// True if everything is read again.
    pub anew: bool,
    /// Known hashes of files.
    pub known: Hashes,
    /// Key for hashing personal data.
    pub hash_key: Option<Arc<[u8]>>,
    /// Cancels the work before anything is committed.
    pub cancel: CancellationToken,
    /// Called after every block.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

/// Result of ingesting a source.
#[derive(Debug, Clone)]
pub struct Ingestion {
    /// The accepted records.
    pub dataset: DatasetRef,
    /// The refused records, if any; see [`retrocast_records::read::quarantine::schema`].
    pub quarantine: Option<DatasetRef>,
    /// Counts for the report.
    pub note: SourceNote,
    /// Warnings for the owner of the source, one sentence each.
    pub warnings: Vec<String>,
}

/// Name of the quarantine dataset of a source.
pub fn quarantine_name(source: &str) -> String {
    format!("{source}__quarantine")
}

/// Name of the manifest dataset of a source.
pub fn manifest_name(source: &str) -> String {
    format!("{source}__manifest")
}

/// Ingests the new records of a source into the lake. Relative URIs are resolved against `base`.
/// Only one process at a time should do this for a source: a process that loses a race starts
/// again.
pub async fn ingest(
    spec: &SourceSpec,
    base: &Path,
    lake: &Lake,
    properties: &Properties,
    control: &Control,
) -> Result<Ingestion, StoreError> {
    let mut attempt = 1;
    loop {
        match once(spec, base, lake, properties, control).await {
            Err(StoreError::Overtaken { .. }) if attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

/// Makes one attempt; fails if another process commits at the same time.
async fn once(
    spec: &SourceSpec,
    base: &Path,
    lake: &Lake,
    properties: &Properties,
    control: &Control,
) -> Result<Ingestion, StoreError> {
    let listing = Listing::find(&spec.name, &spec.uri, base, spec.required, spec.days).await?;
    let last = SourceVersion::read(lake, &spec.name).await?;
    if let Some(last) = &last {
        last.add_hashes_to(&control.known);
    }
    let hashes = listing.hashes(control.threads, &control.known).await?;
    let key = control.hash_key.as_deref();
    let meaning = manifest::meaning(spec, key);
    // Made by a process that died before recording it, so it exists, even if a new version was
    // requested.
    let made_from = properties.get(MADE_FROM);
    let done = |last: &SourceVersion| made_from.is_some() && last.made_from.as_ref() == made_from;
    let start = last.filter(|last| last.means(&meaning) && (!control.anew || done(last)));
    let objects = start.as_ref().map_or(&[][..], |last| &last.objects[..]);
    let keyed = !spec.contract.key.is_empty();
    let changes = Changes::between(&listing, &hashes, objects, keyed);
    let next = objects.iter().map(|object| object.number + 1).max();
    let next = next.unwrap_or(0);
    let behind = start.as_ref().map_or(0, |last| last.rows.version);
    let mut properties = properties.clone();
    properties.insert(BEHIND.to_string(), format!("{behind} {next}"));
    let increment = Increment {
        spec,
        listing: &listing,
        hashes: &hashes,
        lake,
        properties: &properties,
        control,
        meaning: &meaning,
        changes: &changes,
        next,
    };
    let CommittedVersion {
        rows: dataset,
        quarantine,
        objects,
        times,
    } = match start {
        Some(last) if changes.none() => last.into(),
        start => increment.make(start).await?,
    };
    let times = match times {
        Some(times) => times,
        // Written by a build that did not store them.
        None => {
            lake.times_without(&dataset, increment.time(), &DeletedRows::new())
                .await?
        }
    };
    let range = times::words(times, &spec.contract);
    let (mut note, mut warnings) = note::note(spec, &listing, &objects, &changes, &dataset, range);
    if let Some(warning) = personal::warning(&spec.contract, &spec.name, key) {
        note.warnings.push(warning.clone());
        warnings.push(warning);
    }
    Ok(Ingestion {
        dataset,
        quarantine: quarantine.filter(|refused| refused.rows > 0),
        note,
        warnings,
    })
}

/// A hash of all the source would read: equal exactly when ingest would give the same result.
/// Unchanged files that are in `lake` are not read for it.
pub async fn source_identity(
    spec: &SourceSpec,
    base: &Path,
    lake: &Lake,
    control: &Control,
) -> Result<String, StoreError> {
    let listing = Listing::find(&spec.name, &spec.uri, base, spec.required, spec.days).await?;
    if let Some(last) = SourceVersion::read(lake, &spec.name).await? {
        last.add_hashes_to(&control.known);
    }
    let records = listing.identity(control.threads, &control.known).await?;
    // With another key, the hashes of personal data differ.
    let key = pseudonyms::key_id(control.hash_key.as_deref());
    Ok(match key.filter(|_| personal::is_hashed(&spec.contract)) {
        Some(key) => format!("{records} hashed with key {key}"),
        None => records,
    })
}

/// Identifies a source by its listing: cheap enough for every few seconds.
pub async fn listing_summary(
    name: &str,
    uri: &str,
    base: &Path,
    required: bool,
    days: Option<Days>,
) -> Result<ListingSummary, StoreError> {
    let listing = Listing::find(name, uri, base, required, days).await?;
    Ok(listing.summary())
}

/// An increment being made.
struct Increment<'a> {
    spec: &'a SourceSpec,
    listing: &'a Listing,
    hashes: &'a [blake3::Hash],
    lake: &'a Lake,
    properties: &'a Properties,
    control: &'a Control,
    meaning: &'a str,
    changes: &'a Changes,
    /// The number of the first new object.
    next: u32,
}

/// A committed version of a source.
struct CommittedVersion {
    rows: DatasetRef,
    quarantine: Option<DatasetRef>,
    objects: Vec<Object>,
    /// First and last time of the rows, if known.
    times: Option<Times>,
}

impl From<SourceVersion> for CommittedVersion {
    fn from(last: SourceVersion) -> Self {
        Self {
            rows: last.rows,
            quarantine: last.quarantine,
            objects: last.objects,
            times: last.times,
        }
    }
}

/// The versions to commit together with the rows.
struct Commit {
    /// New rows that are superseded.
    superseded: Rows,
    /// First and last time of all new rows.
    taken: Times,
    properties: Properties,
}

/// Rows in unreferenced files.
struct StagedRows {
    /// The files of the dataset or, if rows may be superseded, of a staging lake.
    prepared: PendingRows,
    /// The staging lake, if there are keys; it also has the files of keys that do not fit into
    /// memory.
    staging: Option<Staging>,
}

impl Increment<'_> {
    fn time(&self) -> Option<&str> {
        self.spec.contract.time.as_deref()
    }

    /// Reads and commits new records.
    async fn make(&self, last: Option<SourceVersion>) -> Result<CommittedVersion, StoreError> {
        let files = self.files()?;
        let numbers: Vec<u32> = (self.next..).take(files.len()).collect();
        let (mut taken, waiting, quarantine) = self.take(&files, &numbers, last.as_ref()).await?;
        let mut carried = self.changes.keep.clone();
        let resolution = match &last {
            Some(last) => self.resolve(last, &files, &mut taken, &mut carried).await?,
            None => Resolution::default(),
        };
        let counts = std::mem::take(&mut taken.counts);
        let objects = self.objects(carried, &files, &numbers, counts);
        self.something_readable(&objects)?;
        let listed = manifest::write(self.lake, &self.spec.name, &objects, self.properties).await?;
        let commit = Commit {
            superseded: taken.superseded,
            taken: taken.times,
            properties: manifest::properties(
                self.properties,
                self.meaning,
                &listed,
                quarantine.as_ref(),
            ),
        };
        let (rows, times) = match &last {
            None => self.begin(waiting, commit).await?,
            Some(last) => self.add(waiting, commit, last, resolution).await?,
        };
        Ok(CommittedVersion {
            rows,
            quarantine,
            objects,
            times: Some(times),
        })
    }

    /// Commits rows as a first version.
    async fn begin(
        &self,
        waiting: StagedRows,
        mut commit: Commit,
    ) -> Result<(DatasetRef, Times), StoreError> {
        let (lake, name) = (self.lake, &self.spec.name);
        let StagedRows { prepared, staging } = waiting;
        let Some(staging) = staging else {
            times::remember(commit.taken, &mut commit.properties);
            let rows = lake.replace(name, prepared, &commit.properties).await?;
            return Ok((rows, commit.taken));
        };
        let mut times = commit.taken;
        let all_count = commit.superseded.len() == 0;
        if all_count {
            times::remember(times, &mut commit.properties);
        }
        let staged = staging.replace(name, prepared, &commit.properties).await?;
        if !all_count {
            let superseded = &commit.superseded;
            times = staging.times_of(&staged, self.time(), superseded).await?;
            times::remember(times, &mut commit.properties);
        }
        let Commit {
            superseded,
            properties,
            ..
        } = commit;
        if lake.latest(name).await?.is_none()
            && let Some(adopted) = lake
                .adopt(&staging, &staged, &superseded, &properties)
                .await?
        {
            return Ok((adopted, times));
        }
        let rows = without(&staging, &staged, superseded).await?;
        let prepared = lake.prepare(name, rows, None).await?;
        Ok((lake.replace(name, prepared, &properties).await?, times))
    }

    /// Commits rows appended to those of the previous version, without the deleted rows.
    async fn add(
        &self,
        waiting: StagedRows,
        mut commit: Commit,
        last: &SourceVersion,
        resolution: Resolution,
    ) -> Result<(DatasetRef, Times), StoreError> {
        let (lake, base) = (self.lake, &last.rows);
        let superseded = &commit.superseded;
        let prepared = lake.leave_out(base, waiting.prepared, superseded).await?;
        let new = if superseded.len() > 0 {
            lake.times_behind(base, &prepared, self.time()).await?
        } else {
            commit.taken
        };
        let bounds = last.times.and_then(|_| resolution.bounds.with(new));
        let times = match bounds {
            Some(times) => times,
            None => {
                let rest = lake.times_without(base, self.time(), &resolution.deleted);
                times::both(rest.await?, new)
            }
        };
        times::remember(times, &mut commit.properties);
        let rows = lake.extend(base, prepared, &resolution.deleted, &commit.properties);
        Ok((rows.await?, times))
    }

    /// The files to read, with their formats.
    fn files(&self) -> Result<Vec<(SourceFile, Format)>, StoreError> {
        let format_of = |file: &SourceFile| {
            self.spec
                .format
                .or(self.listing.format())
                .or_else(|| Format::from_name(&file.name))
                .ok_or_else(|| SourceError::Format {
                    name: self.spec.name.clone(),
                    file: file.name.clone(),
                })
        };
        let files = self
            .changes
            .take
            .iter()
            .map(|index| &self.listing.files[*index]);
        let files = files.map(|file| Ok((file.clone(), format_of(file)?)));
        Ok(files.collect::<Result<_, SourceError>>()?)
    }

    /// Reads the files; rows and refused records are written meanwhile, but not committed.
    async fn take(
        &self,
        files: &[(SourceFile, Format)],
        numbers: &[u32],
        last: Option<&SourceVersion>,
    ) -> Result<(ReadResult, StagedRows, Option<DatasetRef>), StoreError> {
        let old = last.map(|last| &last.rows);
        let refused = last.and_then(|last| last.quarantine.as_ref());
        let name = &self.spec.name;
        let schema = origin::with_origin(&self.spec.contract.schema());
        let (rows_in, rows_out) = mpsc::channel(4);
        let (refused_in, refused_out) = mpsc::channel(4);
        // Removed when dropped, also after a cancellation.
        let staging = if self.spec.contract.key.is_empty() {
            None
        } else {
            Some(self.lake.staging(name)?)
        };
        let taking = ReadTask {
            spec: self.spec.clone(),
            listing: self.listing.clone(),
            files: files.to_vec(),
            numbers: numbers.to_vec(),
            control: self.control.clone(),
            runtime: tokio::runtime::Handle::current(),
            schema: schema.clone(),
            spill: staging
                .as_ref()
                .map(|lake| lake.place().scratch().to_path_buf()),
        };
        let ways = Outputs {
            rows: Outgoing::new(name, rows_in),
            refused: Outgoing::new(name, refused_in),
            beside: old.is_some().then(|| {
                let carried = self.changes.keep.iter();
                KeyRanges::new(carried.map(|object| (object.number, object.counts.places)))
            }),
        };
        let reading = tokio::task::spawn_blocking(move || taking.run(ways));
        let rows = received(schema, rows_out);
        let writing = async {
            let prepared = match &staging {
                Some(staging) if old.is_none() => staging.prepare(name, rows, None).await?,
                _ => self.lake.prepare(name, rows, old).await?,
            };
            Ok(StagedRows { prepared, staging })
        };
        let quarantine = quarantine_name(name);
        let (lake, properties) = (self.lake, self.properties);
        let dropped = self.changes.dropped();
        let (taken, written, refused) = tokio::join!(
            reading,
            writing,
            refused::write(
                lake,
                &quarantine,
                refused,
                &dropped,
                refused_out,
                properties
            ),
        );
        let stopped = |_| StoreError::Stopped { name: name.clone() };
        let taken = match taken.map_err(stopped)? {
            // The reader stops if the writer does; then the writer has the cause.
            Err(StoreError::Stopped { .. }) if written.is_err() => {
                return Err(written.err().unwrap_or(StoreError::Cancelled));
            }
            other => other?,
        };
        Ok((taken, written?, refused?))
    }

    /// Resolves duplicates among new rows and rows of the dataset.
    async fn resolve(
        &self,
        last: &SourceVersion,
        files: &[(SourceFile, Format)],
        taken: &mut ReadResult,
        objects: &mut [Object],
    ) -> Result<Resolution, StoreError> {
        let paths: BTreeMap<u32, String> = objects
            .iter()
            .map(|object| (object.number, object.path.clone()))
            .collect();
        let new_paths: Vec<String> = files
            .iter()
            .map(|(file, _)| file.path.to_string())
            .collect();
        let dropped: BTreeSet<u32> = self.changes.dropped();
        let existing = Existing {
            lake: self.lake,
            rows: &last.rows,
            contract: &self.spec.contract,
            dropped: &dropped,
            paths: &paths,
            times: last.times.flatten(),
        };
        existing.resolve(taken, &new_paths, objects).await
    }

    /// All objects of the new version.
    fn objects(
        &self,
        mut objects: Vec<Object>,
        files: &[(SourceFile, Format)],
        numbers: &[u32],
        counts: Vec<Counts>,
    ) -> Vec<Object> {
        let run = self.properties.get("run").cloned().unwrap_or_default();
        for (index, ((file, _), counts)) in files.iter().zip(counts).enumerate() {
            let modified = i64::try_from(file.modified.as_nanosecond()).unwrap_or(0);
            objects.push(Object {
                number: numbers[index],
                name: file.name.clone(),
                path: file.path.to_string(),
                size: file.size,
                modified: if is_settled(file) { modified } else { 0 },
                etag: file.etag.clone().unwrap_or_default(),
                hash: self.hashes[self.changes.take[index]].to_hex().to_string(),
                run: run.clone(),
                counts,
            });
        }
        objects
    }

    /// Fails if no file was readable: an empty dataset would mean that there were no records.
    fn something_readable(&self, objects: &[Object]) -> Result<(), StoreError> {
        let records: u64 = objects.iter().map(|object| object.counts.records).sum();
        let broken = objects.iter().filter_map(|object| {
            Some(retrocast_records::SkippedFile {
                name: object.name.clone(),
                reason: object.counts.broken.clone()?,
            })
        });
        let broken: Vec<_> = broken.collect();
        if records > 0 || broken.is_empty() {
            return Ok(());
        }
        Err(StoreError::Source(SourceError::NothingReadable {
            name: self.spec.name.clone(),
            files: broken
                .into_iter()
                .chain(self.listing.skipped.clone())
                .collect(),
        }))
    }
}

/// Batches for a writer, with an explicit end: a channel that just closes must not commit half a
/// source.
enum Message {
    Rows(RecordBatch),
    End,
}

fn received(schema: SchemaRef, channel: mpsc::Receiver<Message>) -> SendableRecordBatchStream {
    let stream = futures::stream::unfold(Some(channel), |channel| async move {
        let mut channel = channel?;
        match channel.recv().await {
            Some(Message::Rows(batch)) => Some((Ok(batch), Some(channel))),
            Some(Message::End) => None,
            None => {
                let early = DataFusionError::Execution("reading the source ended early".into());
                Some((Err(early), None))
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

/// Staged rows without the superseded ones.
async fn without(
    staging: &Lake,
    staged: &DatasetRef,
    superseded: Rows,
) -> Result<SendableRecordBatchStream, StoreError> {
    let stream = staging.scan_all(staged, &Scan::default()).await?;
    let schema = stream.schema();
    let mut row = 0_u64;
    let batches = stream.map(move |batch| {
        let batch = batch?;
        let (start, end) = (row, row + batch.num_rows() as u64);
        row = end;
        if superseded.between(start, end).next().is_none() {
            return Ok(batch);
        }
        let keep: Vec<bool> = (start..end).map(|row| !superseded.contains(row)).collect();
        Ok(arrow::compute::filter_record_batch(
            &batch,
            &BooleanArray::from(keep),
        )?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

#[cfg(test)]
mod tests;
