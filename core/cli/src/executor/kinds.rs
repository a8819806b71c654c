//! The names that a job file may use: the stage kinds of `retrocast-stages` and the contracts of
//! the jobs folder.

use retrocast_domain::{Diagnostic, canonical};
use retrocast_engine::{Kinds, SqlError, kinds::TableSchema};
use retrocast_render::Templates;
use retrocast_store::{Schema, SourceError, StoreError};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Code version of sources. Increase it whenever the same records and contract could give different
/// rows.
const SOURCE_CODE_VERSION: u32 = 3;

/// The code version of reports: a hash of their templates.
pub fn templates_version(templates: &Templates) -> u32 {
    u32::from_str_radix(&templates.hash()[..8], 16).unwrap_or(0)
}

/// Kinds of stage and contracts.
pub struct Catalogue {
    contracts: PathBuf,
    /// Hash of the templates: reports are rendered again when it changes.
    templates_hash: u32,
}

impl Catalogue {
    /// Creates a catalogue of the contracts in a jobs folder and of the templates.
    pub fn new(jobs: &Path, templates: &Templates) -> Self {
        Self {
            contracts: jobs.join("contracts"),
            templates_hash: templates_version(templates),
        }
    }

    /// Path of a contract in the workspace.
    pub fn contract_file(&self, name: &str) -> PathBuf {
        self.contracts.join(format!("{name}.toml"))
    }
}

impl Kinds for Catalogue {
    fn names(&self) -> Vec<String> {
        retrocast_stages::KINDS
            .iter()
            .map(|kind| kind.name.to_string())
            .collect()
    }

    fn schema(&self, kind: &str) -> Option<Value> {
        Some((retrocast_stages::kind(kind)?.schema)().to_value())
    }

    fn code_version(&self, kind: &str) -> u32 {
        match kind {
            retrocast_run::plan::SOURCE => SOURCE_CODE_VERSION,
            retrocast_run::plan::REPORT => self.templates_hash,
            kind => retrocast_stages::kind(kind).map_or(0, |kind| kind.code_version),
        }
    }

    fn sql_tables(&self, query: &str) -> Result<BTreeSet<String>, SqlError> {
        retrocast_store::sql::tables(query).map_err(sql_error)
    }

    fn sql_schema(
        &self,
        query: &str,
        tables: &BTreeMap<String, TableSchema>,
        timezone: &str,
    ) -> Result<Option<TableSchema>, SqlError> {
        let schemas = tables.iter().filter_map(|(name, schema)| {
            let schema = Arc::clone(schema).downcast::<Schema>().ok()?;
            Some((name.clone(), schema))
        });
        match retrocast_store::sql::check(query, &schemas.collect::<Vec<_>>(), timezone) {
            Ok(schema) => Ok(Some(schema)),
            Err(StoreError::Sql(error)) => Err(sql_error(error)),
            Err(error) => Err(SqlError {
                message: error.to_string(),
                help: String::new(),
                line: 0,
                column: 0,
            }),
        }
    }

    fn ledger_tables(&self) -> BTreeMap<String, TableSchema> {
        let tables = retrocast_store::ledger::tables().into_iter();
        tables
            .map(|(name, schema)| (name, schema as TableSchema))
            .collect()
    }

    fn ledger_tables_of(&self, kind: &str) -> Vec<String> {
        let tables = retrocast_stages::kind(kind).map_or(&[][..], |kind| kind.ledger);
        tables.iter().map(ToString::to_string).collect()
    }

    fn contract_exists(&self, name: &str) -> bool {
        self.contract_file(name).is_file()
    }

    fn contract_names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.contracts)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let is_contract = path
                    .extension()
                    .is_some_and(|extension| extension == "toml");
                is_contract.then(|| path.file_stem()?.to_str().map(str::to_string))?
            })
            .collect();
        names.sort();
        names
    }

    fn contract_hash(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.contract_file(name)).unwrap_or_default();
        canonical::hash(&text)
    }

    fn contract_errors(&self, name: &str) -> Vec<Diagnostic> {
        match retrocast_store::Contract::read(&self.contract_file(name)) {
            Ok(_) => Vec::new(),
            Err(SourceError::Contract { diagnostics, .. }) => diagnostics,
            Err(error) => {
                let file = self.contract_file(name).display().to_string();
                let diagnostic = Diagnostic::error(file, error.to_string());
                vec![diagnostic.in_text("".into())]
            }
        }
    }

    fn contract_schema(&self, name: &str) -> Option<TableSchema> {
        let contract = retrocast_store::Contract::read(&self.contract_file(name)).ok()?;
        Some(contract.schema())
    }

    fn contract_columns(&self, name: &str) -> Option<Vec<String>> {
        let contract = retrocast_store::Contract::read(&self.contract_file(name)).ok()?;
        let schema = contract.schema();
        Some(
            schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect(),
        )
    }
}

fn sql_error(error: retrocast_store::SqlError) -> SqlError {
    SqlError {
        message: error.message,
        help: error.help.unwrap_or_default(),
        line: error.line.unwrap_or(0) as usize,
        column: error.column.unwrap_or(0) as usize,
    }
}
