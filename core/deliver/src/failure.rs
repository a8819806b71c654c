//! What a run leaves that failed: a page and a text on what failed, what is missing because of it,
//! what is finished, and how to go on.
//!
//! Both follow from the run's folder and those beside it, so they can be made again at any time.

mod before;
mod clock;
mod facts;
mod text;

use crate::{Error, pages::Pages, replace};
use facts::Failure;
use retrocast_run::{
    RunStatus, RunSummary,
    files::{FAILURE_PAGE, FAILURE_TEXT},
};
use std::path::{Path, PathBuf};

/// Writes the report on a failure into the folder of a run and returns its files; a run that did
/// not fail gets none. The folder stands in the archive: runs beside it tell which report was the
/// last. Templates in `<templates>/archive` replace the program's.
pub fn failure_report(folder: &Path, templates: Option<&Path>) -> Result<Vec<PathBuf>, Error> {
    if RunSummary::status_of(folder)? != RunStatus::Failed {
        return Ok(Vec::new());
    }
    let failure = Failure::read(folder)?;
    let page = folder.join(FAILURE_PAGE);
    replace(
        &page,
        &Pages::new(templates)?.failure(&serde_json::json!(failure))?,
    )?;
    let plain = folder.join(FAILURE_TEXT);
    replace(&plain, &text::text(&failure))?;
    Ok(vec![page, plain])
}

#[cfg(test)]
mod tests;
