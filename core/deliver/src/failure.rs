//! The failure report of a run: a page and a text that describe the failed, missing and finished
//! nodes, and the next step.
//!
//! Both are derived from the run's folder and its neighbours, so they can be rebuilt at any time.

mod clock;
mod earlier_runs;
mod facts;
mod text;

use crate::{Error, pages::Pages, write_atomically};
use facts::Failure;
use retrocast_run::{
    RunStatus, RunSummary,
    files::{FAILURE_PAGE, FAILURE_TEXT},
};
use std::path::{Path, PathBuf};

/// Writes the failure report into the folder of a run and returns its files; none if the run did
/// not fail. The last report is found among the neighbouring runs in the archive. Templates in
/// `<templates>/archive` replace the built-in ones.
pub fn failure_report(folder: &Path, templates: Option<&Path>) -> Result<Vec<PathBuf>, Error> {
    if RunSummary::status_of(folder)? != RunStatus::Failed {
        return Ok(Vec::new());
    }
    let failure = Failure::read(folder)?;
    let page_path = folder.join(FAILURE_PAGE);
    write_atomically(
        &page_path,
        &Pages::new(templates)?.failure(&serde_json::json!(failure))?,
    )?;
    let text_path = folder.join(FAILURE_TEXT);
    write_atomically(&text_path, &text::text(&failure))?;
    Ok(vec![page_path, text_path])
}

#[cfg(test)]
mod tests;
