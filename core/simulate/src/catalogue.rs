//! The record types of the catalogue beyond the five basic ones: tickets, decisions, pipelines,
//! metrics and improvements. They have about as many bytes as the basic types, in fewer records,
//! and are derived from them: steps and resources from executions, alerts from metrics, failures
//! and incidents, component logs from decisions.
//!
//! Each table has its own random stream, so that the bytes of the basic tables do not depend on it.

pub(crate) mod alerts;
mod configurations;
mod events;
mod incidents;
pub(crate) mod logs;
mod row;
mod table;
mod tasks;
#[cfg(test)]
mod tests;
pub(crate) mod traces;

use crate::{Error, company::Company, tickets::TaskTicket, truth::SourceTruth};
use alerts::Fault;
use std::path::Path;
use traces::Streak;

/// Data of the basic tables that the other tables use.
pub(crate) struct CatalogueInputs {
    pub faults: Vec<Fault>,
    pub streaks: Vec<Streak>,
    pub task_tickets: Vec<TaskTicket>,
}

/// Writes the tables that depend on several of the basic tables.
pub(crate) fn write(
    root: &Path,
    company: &Company,
    inputs: &CatalogueInputs,
    seed: u64,
    compress: bool,
) -> Result<Vec<(&'static str, SourceTruth)>, Error> {
    let incidents = incidents::draw(company, seed);
    let causes = (&inputs.faults[..], &inputs.streaks[..], &incidents[..]);
    let mut sources = vec![
        configurations::write(root, company, seed, compress)?,
        events::write(root, company, seed, compress)?,
        incidents::write(root, company, &incidents, seed, compress)?,
        alerts::write(root, company, causes, seed, compress)?,
    ];
    sources.extend(tasks::write(
        root,
        company,
        (&incidents, &inputs.task_tickets),
        seed,
        compress,
    )?);
    Ok(sources)
}
