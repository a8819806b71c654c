//! The stage kinds, tables and contracts that a job file may use; the composition root provides
//! them.

use retrocast_domain::Diagnostic;
use serde_json::Value;
use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// An error in a query with its location (line and column from 1; 0 if unknown).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// The error.
    pub message: String,
    /// Advice; empty for none.
    pub help: String,
    /// Line in the query.
    pub line: usize,
    /// Column in the line, in characters.
    pub column: usize,
}

/// Columns of a table with their types; opaque to the engine.
pub type TableSchema = Arc<dyn Any + Send + Sync>;

/// The stage kinds, tables and contracts that a job file may use.
pub trait Kinds: Send + Sync {
    /// Kinds of stage, in the order of the manual.
    fn names(&self) -> Vec<String>;
    /// JSON Schema of a kind's params. A property with `"x-dataset": true` names input datasets;
    /// one with `"x-column": "<property>"` names a column of the dataset that `<property>` names;
    /// one with `"x-claims": true` is the probability of a false claim of the stage.
    fn schema(&self, kind: &str) -> Option<Value>;
    /// Version of a kind's code, increased whenever the same inputs could give a different result.
    /// Also called with `source` and `report`, the kinds of nodes that are not stages.
    fn code_version(&self, kind: &str) -> u32;
    /// Tables that a query reads, in lower case unless quoted.
    fn sql_tables(&self, query: &str) -> Result<BTreeSet<String>, SqlError>;
    /// Returns the columns of a query's result, given its tables, or an error that describes the
    /// unknown names; `None` if the columns are not known before a run.
    fn sql_schema(
        &self,
        _query: &str,
        _tables: &BTreeMap<String, TableSchema>,
        _timezone: &str,
    ) -> Result<Option<TableSchema>, SqlError> {
        Ok(None)
    }
    /// The tables of the ledger, such as `ledger.findings`, with their columns.
    fn ledger_tables(&self) -> BTreeMap<String, TableSchema> {
        BTreeMap::new()
    }
    /// Tables of the ledger that stages of a kind read.
    fn ledger_tables_of(&self, _kind: &str) -> Vec<String> {
        Vec::new()
    }
    /// Returns true if a contract named `name` exists.
    fn contract_exists(&self, name: &str) -> bool;
    /// Names of all contracts.
    fn contract_names(&self) -> Vec<String>;
    /// Hash of a contract, which changes whenever the contract does.
    fn contract_hash(&self, name: &str) -> String;
    /// All errors of an existing contract, with spans in the text of its file.
    fn contract_errors(&self, _name: &str) -> Vec<Diagnostic> {
        Vec::new()
    }
    /// The table that a contract describes; `None` if it is not known before a run.
    fn contract_schema(&self, _name: &str) -> Option<TableSchema> {
        None
    }
    /// Columns of the dataset that a contract describes; `None` if they are not known before a run.
    fn contract_columns(&self, _name: &str) -> Option<Vec<String>> {
        None
    }
}
