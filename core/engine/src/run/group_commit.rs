//! Group commit of journal lines: nodes that finish while the disk is busy share the next flush.

use super::node_task::Recorder;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Maximum delay of a flush while nodes are running.
const MAX_DELAY: Duration = Duration::from_millis(5);

/// Finished nodes whose lines are written but not yet durable.
pub(super) struct GroupCommit<T> {
    recorder: Arc<Recorder>,
    /// Nodes for the next flush, and the time of the first.
    next: Vec<T>,
    since: Instant,
    /// Nodes covered by the current flush.
    covered: Vec<T>,
    flush: Option<JoinHandle<(io::Result<()>, Duration)>>,
    /// Maximum wait for further nodes in the same flush: the duration of the last flush.
    delay: Duration,
}

impl<T> GroupCommit<T> {
    pub(super) fn new(recorder: Arc<Recorder>) -> Self {
        Self {
            recorder,
            next: Vec::new(),
            since: Instant::now(),
            covered: Vec::new(),
            flush: None,
            delay: MAX_DELAY,
        }
    }

    /// Adds a node whose line is written.
    pub(super) fn push(&mut self, node: T) {
        if self.next.is_empty() {
            self.since = Instant::now();
        }
        self.next.push(node);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next.is_empty() && self.flush.is_none()
    }

    /// Returns nodes whose lines are durable. While other nodes are `running`, waits briefly for
    /// them to share the flush. Cancel-safe.
    pub(super) async fn next_durable(&mut self, running: bool) -> Vec<T> {
        if self.flush.is_none() {
            if self.next.is_empty() {
                return std::future::pending().await;
            }
            if running {
                tokio::time::sleep_until((self.since + self.delay).into()).await;
            }
            self.covered.append(&mut self.next);
            let recorder = self.recorder.clone();
            self.flush = Some(tokio::task::spawn_blocking(move || {
                let start = Instant::now();
                (recorder.file.sync_data(), start.elapsed())
            }));
        }
        if let Some(flush) = &mut self.flush {
            let (result, duration) = flush
                .await
                .unwrap_or_else(|error| (Err(io::Error::other(error)), MAX_DELAY));
            self.delay = duration.min(MAX_DELAY);
            if let Err(error) = result {
                self.recorder.store_error(error);
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
        executor::NoProgress,
        test_support::{Folder, TestClock},
    };
    use futures::FutureExt as _;
    use retrocast_run::Journal;

    fn group_commit(folder: &Folder) -> GroupCommit<usize> {
        let journal = Journal::create(folder).unwrap();
        let clock = Arc::new(TestClock::default());
        GroupCommit::new(Arc::new(
            Recorder::new(journal, clock, Arc::new(NoProgress)).unwrap(),
        ))
    }

    #[tokio::test]
    async fn nodes_added_during_a_flush_wait_for_the_next() {
        let folder = Folder::new();
        let mut commit = group_commit(&folder);
        commit.push(0);
        commit.push(1);
        let first_poll = commit.next_durable(false).now_or_never();
        commit.push(2);
        let first = match first_poll {
            // The disk was faster than the test.
            Some(nodes) => nodes,
            None => commit.next_durable(false).await,
        };
        assert_eq!(first, [0, 1]);
        assert!(!commit.is_empty());
        assert_eq!(commit.next_durable(false).await, [2]);
        assert!(commit.is_empty());
    }

    #[tokio::test]
    async fn running_nodes_delay_a_flush_briefly() {
        let folder = Folder::new();
        let mut commit = group_commit(&folder);
        commit.push(0);
        let start = Instant::now();
        assert_eq!(commit.next_durable(true).await, [0]);
        assert!(start.elapsed() >= MAX_DELAY);
        assert!(commit.delay <= MAX_DELAY, "as long as the flush took");
    }
}
