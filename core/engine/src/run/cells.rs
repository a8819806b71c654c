//! Writes the cells of a run to its folder in the background.

use super::{EngineError, write_error};
use crate::checksums::Hashes;
use retrocast_domain::Outcome;
use retrocast_run::files::{CELLS, json_text};
use std::{
    fs,
    path::Path,
    sync::{Arc, mpsc},
};
use tokio::task::{JoinHandle, spawn_blocking};

/// Writes queued cells one after another.
pub(super) struct CellWriter {
    sender: mpsc::Sender<(String, Arc<Outcome>)>,
    writer: JoinHandle<Result<Hashes, EngineError>>,
}

impl CellWriter {
    /// Starts the writer for the folder of a run.
    pub(super) fn start(folder: &Path) -> Self {
        let folder = folder.to_path_buf();
        let (sender, receiver) = mpsc::channel();
        let writer = spawn_blocking(move || write_all(&folder, &receiver));
        Self { sender, writer }
    }

    /// Queues the cell of a node, given by short name.
    pub(super) fn queue(&self, node: &str, outcome: Arc<Outcome>) {
        // The receiver is closed after a failure, which is reported at the end.
        let _ = self.sender.send((node.to_string(), outcome));
    }

    /// Waits until all cells are written, and returns their hashes.
    pub(super) async fn finish(self) -> Result<Hashes, EngineError> {
        drop(self.sender);
        self.writer
            .await
            .map_err(|error| EngineError::Internal(error.to_string()))?
    }
}

/// Writes all cells, without a flush: a resumed run writes them again.
fn write_all(
    folder: &Path,
    cells: &mpsc::Receiver<(String, Arc<Outcome>)>,
) -> Result<Hashes, EngineError> {
    let mut hashes = Hashes::new();
    let cells_folder = folder.join(CELLS);
    for (node, outcome) in cells {
        if hashes.is_empty() {
            fs::create_dir_all(&cells_folder).map_err(write_error(&cells_folder))?;
        }
        let path = cells_folder.join(format!("{node}.json"));
        let text = json_text(&outcome.cell).map_err(write_error(&path))?;
        fs::write(&path, &text).map_err(write_error(&path))?;
        hashes.insert(format!("{CELLS}/{node}.json"), blake3::hash(&text));
    }
    Ok(hashes)
}
