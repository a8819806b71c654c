//! `retrocast contract`: infers, tests and lists contracts.

use super::{job, print, print_json};
use crate::{
    Exit,
    arguments::{ContractCommand, FormatArguments, FormatName},
    diagnose::WrongUsage,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_domain::number::plural;
use retrocast_records::{Contract, Dialect, Format, Input, Remedy, SourceError, check, infer};
use serde_json::json;
use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// Maximum number of reported errors of a contract.
const ERRORS_MAX: usize = 20;

pub fn contract(workspace: &Workspace, command: ContractCommand) -> anyhow::Result<Exit> {
    match command {
        ContractCommand::Infer {
            uri,
            name,
            out,
            records,
            format,
        } => {
            let format = (format_of(&format), dialect(&format)?);
            draft(workspace, &uri, name, out.as_deref(), records, format)
        }
        ContractCommand::Check {
            uri,
            contract,
            json,
            records,
            format,
        } => {
            let format = (format_of(&format), dialect(&format)?);
            check_records(workspace, &uri, &contract, json, records, format)
        }
        ContractCommand::List { json } => list(workspace, json),
    }
}

/// Infers a contract, and prints it or writes it to a file as a draft.
fn draft(
    workspace: &Workspace,
    uri: &str,
    name: Option<String>,
    out: Option<&Path>,
    records: u64,
    format: (Option<Format>, Dialect),
) -> anyhow::Result<Exit> {
    if let Some(out) = out.filter(|out| out.exists()) {
        let out = out.display();
        let message = format!("{out} already exists; use another file, or remove it");
        return Err(WrongUsage(message).into());
    }
    let stem = |path: &Path| Some(path.file_stem()?.to_str()?.to_string());
    let name = name
        .or_else(|| out.and_then(stem))
        .unwrap_or_else(|| name_of(uri));
    let input = input(&name, uri, Some(records), format);
    let drafted = runtime()?.block_on(infer::infer(&input, &workspace.root));
    let drafted = drafted.map_err(into_error)?;
    let Some(out) = out else {
        print(&drafted.text)?;
        return Ok(Exit::Done);
    };
    let failed = || format!("cannot write {}", out.display());
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    let mut file = fs::File::create_new(out).with_context(failed)?;
    file.write_all(drafted.text.as_bytes())
        .with_context(failed)?;
    let unparsed_or_refused: Vec<String> = [
        (drafted.broken, "could not be parsed"),
        (drafted.refused, "refused by the draft"),
    ]
    .into_iter()
    .filter(|(records, _)| *records > 0)
    .map(|(records, reason)| format!(" ({} {reason})", plural(records, "record")))
    .collect();
    print(&format!(
        "{}: a draft, inferred from {} in {}{}; review it, resolve the comments with \"decide\", then \
         run: retrocast contract check {uri:?} --contract {}",
        out.display(),
        plural(drafted.records, "record"),
        plural(drafted.files, "file"),
        unparsed_or_refused.concat(),
        out.display(),
    ))?;
    Ok(Exit::Done)
}

/// Checks records against a contract.
fn check_records(
    workspace: &Workspace,
    uri: &str,
    contract: &str,
    as_json: bool,
    records: Option<u64>,
    format: (Option<Format>, Dialect),
) -> anyhow::Result<Exit> {
    let contract = match Contract::read(&contract_file(workspace, contract)?) {
        Ok(contract) => contract,
        Err(SourceError::Contract { file, diagnostics }) => {
            let shown = &diagnostics[..diagnostics.len().min(ERRORS_MAX)];
            job::print_diagnostics(shown, "");
            if shown.len() < diagnostics.len() {
                let shown = plural(shown.len() as u64, "mistake");
                crate::terminal::message!("only the first {shown}; is this a contract?");
            }
            crate::terminal::message!(
                "error: {} in {file}",
                plural(diagnostics.len() as u64, "mistake")
            );
            return Ok(job::invalid_exit());
        }
        Err(error) => return Err(into_error(error)),
    };
    let input = input(&contract.name, uri, records, format);
    let now = jiff::Timestamp::now();
    let checking = check::check(&input, &workspace.root, &contract, now);
    let checked = runtime()?.block_on(checking).map_err(into_error)?;
    if as_json {
        print_json(&checked)?;
    } else {
        print(&checked.to_string())?;
    }
    Ok(if checked.is_good() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Lists the contracts of the jobs folder by name and title.
fn list(workspace: &Workspace, as_json: bool) -> anyhow::Result<Exit> {
    let folder = workspace.jobs.join("contracts");
    let mut contracts = Vec::new();
    for name in names(&folder) {
        let result = Contract::read(&folder.join(format!("{name}.toml")));
        contracts.push((name, result.map(|contract| contract.title)));
    }
    if as_json {
        let entries: Vec<_> = contracts
            .iter()
            .map(|(name, result)| match result {
                Ok(title) => json!({ "name": name, "title": title }),
                Err(error) => json!({ "name": name, "error": error.to_string() }),
            })
            .collect();
        print_json(&entries)?;
    } else if contracts.is_empty() {
        let folder = folder.display();
        print(&format!(
            "there are no contracts in {folder}; `retrocast contract infer` drafts one"
        ))?;
    } else {
        let mut text = String::new();
        for (name, result) in &contracts {
            let title = match result {
                Ok(title) => title.clone(),
                Err(error) => format!("cannot be used: {error}"),
            };
            let _ = writeln!(text, "{name:<24} {title}");
        }
        print(&text)?;
    }
    let all_valid = contracts.iter().all(|(_, result)| result.is_ok());
    Ok(if all_valid { Exit::Done } else { Exit::Failed })
}

fn format_of(format: &FormatArguments) -> Option<Format> {
    format.format.map(|name| match name {
        FormatName::Jsonl => Format::Jsonl,
        FormatName::Json => Format::Json,
        FormatName::Csv => Format::Csv,
        FormatName::Parquet => Format::Parquet,
    })
}

fn dialect(format: &FormatArguments) -> Result<Dialect, WrongUsage> {
    let delimiter = match format.delimiter.as_deref().map(str::as_bytes) {
        None => None,
        Some(b"\\t") => Some(b'\t'),
        Some([byte]) => Some(*byte),
        Some(_) => {
            let message = "--delimiter: write one ASCII character, or \\t for a tab";
            return Err(WrongUsage(message.to_string()));
        }
    };
    let columns = Some(format.columns.clone()).filter(|columns| !columns.is_empty());
    let wrong = |reason| WrongUsage(format!("the records cannot be read: {reason}"));
    let encoding = format.encoding.as_deref().map(Dialect::encoding);
    let dialect = Dialect {
        delimiter,
        columns,
        header: !format.no_header,
        encoding: encoding.transpose().map_err(wrong)?,
        ..Dialect::DEFAULT
    };
    dialect.check().map_err(wrong)?;
    Ok(dialect)
}

fn input(
    name: &str,
    uri: &str,
    records: Option<u64>,
    (format, dialect): (Option<Format>, Dialect),
) -> Input {
    Input {
        records,
        format,
        dialect,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        ..Input::new(name, uri)
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// Converts an error: usage errors get exit code 2, transient errors code 1.
fn into_error(error: SourceError) -> anyhow::Error {
    match error.remedy() {
        Remedy::Change => WrongUsage(error.to_string()).into(),
        _ => error.into(),
    }
}

/// Derives a contract name from the files: "tickets" from `data/raw/tickets/**/*.jsonl`.
fn name_of(uri: &str) -> String {
    let part = uri
        .rsplit('/')
        .map(|part| part.split('.').next().unwrap_or_default())
        .find(|part| !part.is_empty() && !part.contains(['*', '?', '[']));
    let safe = |c: char| if c.is_alphanumeric() { c } else { '_' };
    part.unwrap_or("record").chars().map(safe).collect()
}

/// The file of a contract, by its name or path.
fn contract_file(workspace: &Workspace, contract: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(contract);
    if contract.contains('/')
        || path
            .extension()
            .is_some_and(|extension| extension == "toml")
    {
        return Ok(path.to_path_buf());
    }
    let folder = workspace.jobs.join("contracts");
    let file = folder.join(format!("{contract}.toml"));
    if file.is_file() {
        return Ok(file);
    }
    let names = names(&folder);
    let help = match retrocast_domain::suggest::nearest(contract, names.iter().map(String::as_str))
    {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None if names.is_empty() => {
            "there are none; `retrocast contract infer` drafts one".to_string()
        }
        None => format!("contracts: {}", names.join(", ")),
    };
    let file = file.display();
    Err(WrongUsage(format!(
        "no contract {contract:?}: {file} does not exist; {help}"
    ))
    .into())
}

/// Names of the contracts in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = files
        .filter_map(|entry| {
            let path = entry.path();
            let name = path.file_stem()?.to_str()?.to_string();
            let is_contract = path.extension()? == "toml" && !name.starts_with('.');
            is_contract.then_some(name)
        })
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn contracts_are_named_after_files_and_folders() {
        assert_eq!(name_of("data/raw/tickets/**/*.jsonl"), "tickets");
        assert_eq!(name_of("a/nyc taxi.csv.gz"), "nyc_taxi");
        assert_eq!(name_of("**/*.csv"), "record");
    }
}
