//! `retrocast dictionary`: the fields of every record type and result.

use super::print_raw;
use crate::{
    Exit, arguments::DictionaryFormat, diagnose::WrongUsage, executor, workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_domain::number::plural;
use retrocast_engine::Kinds as _;
use retrocast_records::{
    Contract,
    dictionary::{html, markdown, results},
};
use retrocast_store::ledger;
use std::path::Path;

/// Writes or prints the dictionary of the contracts in the jobs folder and of all results.
pub fn dictionary(
    workspace: &Workspace,
    out: Option<&Path>,
    format: DictionaryFormat,
) -> anyhow::Result<Exit> {
    let templates = executor::templates(None)?;
    let catalogue = executor::Catalogue::new(&workspace.jobs, &templates);
    let names = catalogue.contract_names();
    if names.is_empty() {
        let folder = workspace.jobs.join("contracts");
        let message = format!(
            "there are no contracts in {}; `retrocast init` writes a starter workspace, --jobs names \
             another folder",
            folder.display()
        );
        return Err(WrongUsage(message).into());
    }
    let contracts = names
        .iter()
        .map(|name| Ok(Contract::read(&catalogue.contract_file(name))?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let results: Vec<_> = results()
        .into_iter()
        .chain(retrocast_stages::results())
        .chain(ledger::data_dictionary())
        .collect();
    let text = match format {
        DictionaryFormat::Html => html(&contracts, &results),
        DictionaryFormat::Markdown => markdown(&contracts, &results),
    };
    let Some(out) = out else {
        print_raw(&text)?;
        return Ok(Exit::Done);
    };
    std::fs::write(out, text).with_context(|| format!("cannot write {}", out.display()))?;
    let count = plural(contracts.len() as u64, "contract");
    super::print(&format!("{count} in {}", out.display()))?;
    Ok(Exit::Done)
}
