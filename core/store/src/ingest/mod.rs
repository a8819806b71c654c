//! Incremental ingest of records from files into a dataset: reads, checks and counts new records,
//! and commits once.
//!
//! ```text
//! listing + manifest -> changes -> reader (read, check, count) -> resolve (keys) -> one commit
//! ```
//!
//! The commit of the rows comes last: it names the versions of the manifest and the quarantine that
//! belong to it. A process that dies before this commit leaves only unreferenced files; after it,
//! the ingest is complete.

mod changes;
mod key_ranges;
mod keys;
pub mod manifest;
pub(crate) mod note;
mod quarantine;
mod reader;
mod resolve;
mod restore;
mod streams;
mod times;

use crate::{
    contract::Contract,
    dataset::{
        BASE_VERSION, DeletedRows, FINGERPRINT, Lake, PendingRows, Properties, Rows, Staging,
    },
    error::{SourceError, StoreError},
    origin,
    source::{Days, Listing, ListingSummary, SourceFile, is_settled},
};
use changes::Changes;
use key_ranges::KeyRanges;
use manifest::{Counts, Object, SourceVersion};
use reader::{BatchSender, Outputs, ReadResult, ReadTask};
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
use streams::{receive_rows, rows_without};
use times::Times;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Version of the ingest. Increase it when the same records could give other rows: every source is
/// then read again.
const INGEST_VERSION: &str = "ingest 4";
/// Maximum number of attempts for a source if others write its datasets at the same time.
const ATTEMPTS_MAX: u32 = 3;

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
    /// True if a source without files is an error.
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
    /// True to read everything again.
    pub force: bool,
    /// Known hashes of files.
    pub known_hashes: Hashes,
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
/// Only one process at a time should ingest a source: a process that loses a race starts again.
pub async fn ingest(
    spec: &SourceSpec,
    base: &Path,
    lake: &Lake,
    properties: &Properties,
    control: &Control,
) -> Result<Ingestion, StoreError> {
    let mut attempt = 1;
    loop {
        match try_ingest(spec, base, lake, properties, control).await {
            Err(StoreError::WriteConflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
            result => return result,
        }
    }
}

/// Makes one attempt; fails if another process commits at the same time.
async fn try_ingest(
    spec: &SourceSpec,
    base: &Path,
    lake: &Lake,
    properties: &Properties,
    control: &Control,
) -> Result<Ingestion, StoreError> {
    let listing = Listing::find(&spec.name, &spec.uri, base, spec.required, spec.days).await?;
    let last = SourceVersion::read(lake, &spec.name).await?;
    if let Some(last) = &last {
        last.add_hashes_to(&control.known_hashes);
    }
    let hashes = listing
        .hashes(control.threads, &control.known_hashes)
        .await?;
    let key = control.hash_key.as_deref();
    let meaning = manifest::meaning(spec, key);
    // If a process committed this version and died before recording it, it is used even with
    // `force`.
    let fingerprint = properties.get(FINGERPRINT);
    let is_committed =
        |last: &SourceVersion| fingerprint.is_some() && last.fingerprint.as_ref() == fingerprint;
    let extended =
        last.filter(|last| last.has_meaning(&meaning) && (!control.force || is_committed(last)));
    let objects = extended.as_ref().map_or(&[][..], |last| &last.objects[..]);
    let keyed = !spec.contract.key.is_empty();
    let changes = Changes::between(&listing, &hashes, objects, keyed);
    let next_number = objects.iter().map(|object| object.number + 1).max();
    let next_number = next_number.unwrap_or(0);
    let base_version = extended.as_ref().map_or(0, |last| last.rows.version);
    let mut properties = properties.clone();
    properties.insert(
        BASE_VERSION.to_string(),
        format!("{base_version} {next_number}"),
    );
    let increment = Increment {
        spec,
        listing: &listing,
        hashes: &hashes,
        lake,
        properties: &properties,
        control,
        meaning: &meaning,
        changes: &changes,
        next_number,
    };
    let CommittedVersion {
        rows: dataset,
        quarantine,
        objects,
        times,
    } = match extended {
        Some(last) if changes.is_empty() => last.into(),
        extended => increment.read_and_commit(extended).await?,
    };
    let times = match times {
        Some(times) => times,
        // Written by a build that did not store them.
        None => {
            lake.remaining_times(&dataset, increment.time_column(), &DeletedRows::new())
                .await?
        }
    };
    let range = times::format_range(times, &spec.contract);
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

/// Computes a hash of all records that the source would read: it is equal exactly if ingest would
/// give the same result. Unchanged files that were ingested before are not read.
pub async fn source_identity(
    spec: &SourceSpec,
    base: &Path,
    lake: &Lake,
    control: &Control,
) -> Result<String, StoreError> {
    let listing = Listing::find(&spec.name, &spec.uri, base, spec.required, spec.days).await?;
    if let Some(last) = SourceVersion::read(lake, &spec.name).await? {
        last.add_hashes_to(&control.known_hashes);
    }
    let records = listing
        .identity(control.threads, &control.known_hashes)
        .await?;
    // With another key, the hashes of personal data differ.
    let key = pseudonyms::key_id(control.hash_key.as_deref());
    Ok(match key.filter(|_| personal::is_hashed(&spec.contract)) {
        Some(key) => format!("{records} hashed with key {key}"),
        None => records,
    })
}

/// Summarises the listing of a source; cheap enough to call every few seconds.
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

/// The inputs of an increment.
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
    next_number: u32,
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

/// The data of a commit, besides the staged rows.
struct Commit {
    /// New rows that are superseded.
    superseded: Rows,
    /// First and last time of all new rows.
    new_times: Times,
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
    fn time_column(&self) -> Option<&str> {
        self.spec.contract.time.as_deref()
    }

    /// Reads and commits new records.
    async fn read_and_commit(
        &self,
        last: Option<SourceVersion>,
    ) -> Result<CommittedVersion, StoreError> {
        let files = self.files()?;
        let numbers: Vec<u32> = (self.next_number..).take(files.len()).collect();
        let (mut read_result, staged, quarantine) =
            self.read(&files, &numbers, last.as_ref()).await?;
        let mut unchanged = self.changes.unchanged.clone();
        let resolution = match &last {
            Some(last) => {
                self.resolve(last, &files, &mut read_result, &mut unchanged)
                    .await?
            }
            None => Resolution::default(),
        };
        let counts = std::mem::take(&mut read_result.counts);
        let objects = self.objects(unchanged, &files, &numbers, counts);
        self.require_readable_file(&objects)?;
        let manifest =
            manifest::write(self.lake, &self.spec.name, &objects, self.properties).await?;
        let commit = Commit {
            superseded: read_result.superseded,
            new_times: read_result.times,
            properties: manifest::properties(
                self.properties,
                self.meaning,
                &manifest,
                quarantine.as_ref(),
            ),
        };
        let (rows, times) = match &last {
            None => self.commit_first(staged, commit).await?,
            Some(last) => self.append(staged, commit, last, resolution).await?,
        };
        Ok(CommittedVersion {
            rows,
            quarantine,
            objects,
            times: Some(times),
        })
    }

    /// Commits rows as a version without earlier rows.
    async fn commit_first(
        &self,
        staged: StagedRows,
        mut commit: Commit,
    ) -> Result<(DatasetRef, Times), StoreError> {
        let (lake, name) = (self.lake, &self.spec.name);
        let StagedRows { prepared, staging } = staged;
        let Some(staging) = staging else {
            times::store(commit.new_times, &mut commit.properties);
            let rows = lake.replace(name, prepared, &commit.properties).await?;
            return Ok((rows, commit.new_times));
        };
        let mut times = commit.new_times;
        let none_superseded = commit.superseded.len() == 0;
        if none_superseded {
            times::store(times, &mut commit.properties);
        }
        let staged = staging.replace(name, prepared, &commit.properties).await?;
        if !none_superseded {
            let superseded = &commit.superseded;
            times = staging
                .staged_times(&staged, self.time_column(), superseded)
                .await?;
            times::store(times, &mut commit.properties);
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
        let rows = rows_without(&staging, &staged, superseded).await?;
        let prepared = lake.prepare(name, rows, None).await?;
        Ok((lake.replace(name, prepared, &properties).await?, times))
    }

    /// Commits rows appended to the rows of the previous version, without the deleted rows.
    async fn append(
        &self,
        staged: StagedRows,
        mut commit: Commit,
        last: &SourceVersion,
        resolution: Resolution,
    ) -> Result<(DatasetRef, Times), StoreError> {
        let (lake, base) = (self.lake, &last.rows);
        let superseded = &commit.superseded;
        let prepared = lake
            .mark_superseded(base, staged.prepared, superseded)
            .await?;
        let new_times = if superseded.len() > 0 {
            lake.pending_times(base, &prepared, self.time_column())
                .await?
        } else {
            commit.new_times
        };
        let bounds = last.times.and_then(|_| resolution.bounds.union(new_times));
        let times = match bounds {
            Some(times) => times,
            None => {
                let remaining = lake.remaining_times(base, self.time_column(), &resolution.deleted);
                times::union(remaining.await?, new_times)
            }
        };
        times::store(times, &mut commit.properties);
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
            .to_read
            .iter()
            .map(|index| &self.listing.files[*index]);
        let files = files.map(|file| Ok((file.clone(), format_of(file)?)));
        Ok(files.collect::<Result<_, SourceError>>()?)
    }

    /// Reads the files, and concurrently writes rows and refused records without committing the
    /// rows.
    async fn read(
        &self,
        files: &[(SourceFile, Format)],
        numbers: &[u32],
        last: Option<&SourceVersion>,
    ) -> Result<(ReadResult, StagedRows, Option<DatasetRef>), StoreError> {
        let previous_rows = last.map(|last| &last.rows);
        let previous_quarantine = last.and_then(|last| last.quarantine.as_ref());
        let name = &self.spec.name;
        let schema = origin::with_origin(&self.spec.contract.schema());
        let (rows_sender, rows_receiver) = mpsc::channel(4);
        let (refused_sender, refused_receiver) = mpsc::channel(4);
        // Removed when dropped, even after a cancellation.
        let staging = if self.spec.contract.key.is_empty() {
            None
        } else {
            Some(self.lake.staging(name)?)
        };
        let task = ReadTask {
            spec: self.spec.clone(),
            listing: self.listing.clone(),
            files: files.to_vec(),
            numbers: numbers.to_vec(),
            control: self.control.clone(),
            runtime: tokio::runtime::Handle::current(),
            schema: schema.clone(),
            spill: staging
                .as_ref()
                .map(|lake| lake.root().scratch().to_path_buf()),
        };
        let outputs = Outputs {
            rows: BatchSender::new(name, rows_sender),
            refused: BatchSender::new(name, refused_sender),
            existing: previous_rows.is_some().then(|| {
                let unchanged = self.changes.unchanged.iter();
                KeyRanges::new(unchanged.map(|object| (object.number, object.counts.key_range)))
            }),
        };
        let reading = tokio::task::spawn_blocking(move || task.run(outputs));
        let rows = receive_rows(schema, rows_receiver);
        let writing = async {
            let prepared = match &staging {
                Some(staging) if previous_rows.is_none() => {
                    staging.prepare(name, rows, None).await?
                }
                _ => self.lake.prepare(name, rows, previous_rows).await?,
            };
            Ok(StagedRows { prepared, staging })
        };
        let quarantine = quarantine_name(name);
        let (lake, properties) = (self.lake, self.properties);
        let deleted = self.changes.deleted_numbers();
        let (read_result, staged, written_quarantine) = tokio::join!(
            reading,
            writing,
            quarantine::write(
                lake,
                &quarantine,
                previous_quarantine,
                &deleted,
                refused_receiver,
                properties
            ),
        );
        let stopped = |_| StoreError::Stopped { name: name.clone() };
        let read_result = match read_result.map_err(stopped)? {
            // If the writer fails, the reader stops as well; the writer's error is the cause.
            Err(StoreError::Stopped { .. }) if staged.is_err() => {
                return Err(staged.err().unwrap_or(StoreError::Cancelled));
            }
            other => other?,
        };
        Ok((read_result, staged?, written_quarantine?))
    }

    /// Resolves duplicates among new rows and rows of the dataset.
    async fn resolve(
        &self,
        last: &SourceVersion,
        files: &[(SourceFile, Format)],
        read_result: &mut ReadResult,
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
        let deleted: BTreeSet<u32> = self.changes.deleted_numbers();
        let existing = Existing {
            lake: self.lake,
            rows: &last.rows,
            contract: &self.spec.contract,
            deleted: &deleted,
            paths: &paths,
            times: last.times.flatten(),
        };
        existing.resolve(read_result, &new_paths, objects).await
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
                hash: self.hashes[self.changes.to_read[index]]
                    .to_hex()
                    .to_string(),
                run: run.clone(),
                counts,
            });
        }
        objects
    }

    /// Fails if no file was readable: an empty dataset would mean that there were no records.
    fn require_readable_file(&self, objects: &[Object]) -> Result<(), StoreError> {
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

#[cfg(test)]
mod tests;
