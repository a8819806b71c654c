//! Group commit of journal lines: nodes that end while the disk is busy share the next flush.

use super::node_task::Recorder;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Maximum delay of a flush while nodes are running.
const PATIENCE: Duration = Duration::from_millis(5);

/// Ends of nodes whose lines are written but not yet durable.
pub(super) struct GroupCommit<T> {
    recorder: Arc<Recorder>,
    /// Ends for the next flush, and the arrival of the first.
    next: Vec<T>,
    since: Instant,
    /// Ends covered by the current flush.
    covered: Vec<T>,
    flush: Option<JoinHandle<(io::Result<()>, Duration)>>,
    /// Maximum wait for further ends in the same flush: the duration of the last flush.
    patience: Duration,
}

impl<T> GroupCommit<T> {
    pub(super) fn new(recorder: Arc<Recorder>) -> Self {
        Self {
            recorder,
            next: Vec::new(),
            since: Instant::now(),
            covered: Vec::new(),
            flush: None,
            patience: PATIENCE,
        }
    }

    /// Adds an end whose line is written.
    pub(super) fn push(&mut self, end: T) {
        if self.next.is_empty() {
            self.since = Instant::now();
        }
        self.next.push(end);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next.is_empty() && self.flush.is_none()
    }

    /// Returns ends whose lines are durable. While nodes are `working`, waits briefly for others to
    /// share the flush. Cancel-safe.
    pub(super) async fn on_disk(&mut self, working: bool) -> Vec<T> {
        if self.flush.is_none() {
            if self.next.is_empty() {
                return std::future::pending().await;
            }
            if working {
                tokio::time::sleep_until((self.since + self.patience).into()).await;
            }
            self.covered.append(&mut self.next);
            let recorder = self.recorder.clone();
            self.flush = Some(tokio::task::spawn_blocking(move || {
                let start = Instant::now();
                (recorder.file.sync_data(), start.elapsed())
            }));
        }
        if let Some(flush) = &mut self.flush {
            let (flushed, took) = flush
                .await
                .unwrap_or_else(|error| (Err(io::Error::other(error)), PATIENCE));
            self.patience = took.min(PATIENCE);
            if let Err(error) = flushed {
                self.recorder.is_broken(error);
            }
        }
        self.flush = None;
        std::mem::take(&mut self.covered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        executor::Quiet,
        test_support::{Folder, TrialClock},
    };
    use futures::FutureExt as _;
    use retrocast_run::Journal;

    fn ends(folder: &Folder) -> GroupCommit<usize> {
        let journal = Journal::create(folder).unwrap();
        let clock = Arc::new(TrialClock::default());
        GroupCommit::new(Arc::new(
            Recorder::new(journal, clock, Arc::new(Quiet)).unwrap(),
        ))
    }

    #[tokio::test]
    async fn an_end_that_comes_during_a_flush_waits_for_the_next() {
        let folder = Folder::new();
        let mut ends = ends(&folder);
        ends.push(0);
        ends.push(1);
        let begun = ends.on_disk(false).now_or_never();
        ends.push(2);
        let first = match begun {
            // The disk was faster than the test.
            Some(ends) => ends,
            None => ends.on_disk(false).await,
        };
        assert_eq!(first, [0, 1]);
        assert!(!ends.is_empty());
        assert_eq!(ends.on_disk(false).await, [2]);
        assert!(ends.is_empty());
    }

    #[tokio::test]
    async fn nodes_at_work_put_a_flush_off_but_not_for_long() {
        let folder = Folder::new();
        let mut ends = ends(&folder);
        ends.push(0);
        let start = Instant::now();
        assert_eq!(ends.on_disk(true).await, [0]);
        assert!(start.elapsed() >= PATIENCE);
        assert!(ends.patience <= PATIENCE, "as long as the flush took");
    }
}
