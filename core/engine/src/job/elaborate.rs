//! Replaces the references of a job, validates it, and finds the datasets that each stage reads.

mod slices;
mod words;

use super::{
    CheckOptions,
    checker::{entries, keys},
    document::{Entry, Node, Span, SpannedValue, StringMap},
    params::Params,
    references::{ReferenceError, Resolution, Values, resolve, resolve_query},
    schema::schema_for,
    validate::{NamedColumn, NamedDataset, Validator},
};
use crate::{
    kinds::{Kinds, SqlError, TableSchema},
    ledger::LEDGER,
};
use retrocast_domain::suggest;
use retrocast_domain::{Diagnostic, Window};
use serde_json::Value;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};
use words::{find_word, word_at};

/// Sources and stages with their references replaced, and their inputs.
#[derive(Debug)]
pub(crate) struct Elaboration {
    /// The tree with references replaced.
    pub tree: SpannedValue,
    /// Datasets that each stage reads, with the span that names each.
    pub inputs: BTreeMap<String, Vec<(String, Span)>>,
    /// Tables of the ledger that stages read.
    pub ledger: BTreeMap<String, BTreeSet<String>>,
    /// Names of the referenced params.
    pub used: BTreeSet<String>,
    /// Errors and warnings, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Replaces references, validates the tree and finds the inputs of each stage.
pub(crate) fn elaborate(
    options: &CheckOptions<'_>,
    text: &str,
    document: &SpannedValue,
    params: &Params,
    window: &Window,
) -> Elaboration {
    let values = Values {
        params,
        window,
        environment: options.environment,
        used: RefCell::default(),
    };
    let mut replacer = ReferenceReplacer {
        options,
        text,
        values: &values,
        queries: Vec::new(),
        diagnostics: Vec::new(),
    };
    let tree = replacer.replace_document(document);
    let ReferenceReplacer {
        queries,
        diagnostics,
        ..
    } = replacer;

    let schema = schema_for(options.kinds, &tree);
    let validation = Validator::new(options.file, &schema).run(&tree);
    let mut check = SemanticCheck {
        options,
        text,
        document: &tree,
        sources: by_name(&tree, "source"),
        stages: by_name(&tree, "stage"),
        inputs: keys(&tree, "stage")
            .into_iter()
            .map(|name| (name, Vec::new()))
            .collect(),
        ledger: BTreeMap::new(),
        diagnostics,
    };
    check.diagnostics.extend(validation.diagnostics);
    check.check_contracts();
    check.add_named_datasets(validation.datasets);
    check.check_columns(&validation.columns);
    check.check_slices();
    check.add_ledger_tables_of_kinds();
    let tables: Vec<(&Query, BTreeSet<String>)> = queries
        .iter()
        .filter_map(|query| Some((query, check.read_tables(query)?)))
        .collect();
    check.check_schemas(tables);
    check.check_cycles();
    let SemanticCheck {
        inputs,
        ledger,
        diagnostics,
        ..
    } = check;
    Elaboration {
        tree,
        inputs,
        ledger,
        used: values.used.take(),
        diagnostics,
    }
}

/// A query with a map from its text to the file.
struct Query {
    stage: String,
    span: Span,
    raw: String,
    resolved: Resolution,
}

/// Replaces references in sources and stages, and collects queries.
struct ReferenceReplacer<'a> {
    options: &'a CheckOptions<'a>,
    text: &'a str,
    values: &'a Values<'a>,
    queries: Vec<Query>,
    diagnostics: Vec<Diagnostic>,
}

impl ReferenceReplacer<'_> {
    fn replace_document(&mut self, document: &SpannedValue) -> SpannedValue {
        let mut tree = document.clone();
        let Node::Table(tables) = &mut tree.node else {
            return tree;
        };
        for table in tables {
            let name = table.key.clone();
            let Node::Table(entries) = &mut table.item.node else {
                continue;
            };
            for entry in entries {
                match name.as_str() {
                    "source" => self.replace(&mut entry.item),
                    "stage" => self.replace_stage(entry),
                    _ => {}
                }
            }
        }
        tree
    }

    fn replace_stage(&mut self, entry: &mut Entry) {
        let is_sql = entry.item.get("kind").and_then(SpannedValue::text) == Some("sql");
        let Node::Table(params) = &mut entry.item.node else {
            return;
        };
        for param in params {
            match param.item.text() {
                Some(query) if is_sql && param.key == "query" => {
                    let raw = query.to_string();
                    let span = param.item.span.clone();
                    let resolved = resolve_query(&raw, self.values);
                    if let Some(resolved) = self.apply(&mut param.item, &raw, resolved) {
                        self.queries.push(Query {
                            stage: entry.key.clone(),
                            span,
                            raw,
                            resolved,
                        });
                    }
                }
                _ => self.replace(&mut param.item),
            }
        }
    }

    fn replace(&mut self, item: &mut SpannedValue) {
        match &mut item.node {
            Node::Scalar(Value::String(text)) if text.contains("${") => {
                let raw = text.clone();
                let resolved = resolve(&raw, self.values);
                self.apply(item, &raw, resolved);
            }
            Node::Array(items) => items.iter_mut().for_each(|item| self.replace(item)),
            Node::Table(entries) => entries
                .iter_mut()
                .for_each(|entry| self.replace(&mut entry.item)),
            _ => {}
        }
    }

    /// Replaces the value of an item by its resolution, or reports the errors.
    fn apply(
        &mut self,
        item: &mut SpannedValue,
        raw: &str,
        resolved: Result<Resolution, Vec<ReferenceError>>,
    ) -> Option<Resolution> {
        match resolved {
            Ok(resolved) => {
                item.node = Node::Scalar(resolved.value.clone());
                Some(resolved)
            }
            Err(errors) => {
                let map = StringMap::new(self.text, item.span.clone(), raw);
                for error in errors {
                    let diagnostic = Diagnostic::error(self.options.file, error.message);
                    self.diagnostics
                        .push(diagnostic.at(map.locate(error.range)).help(error.help));
                }
                item.node = Node::Scalar(Value::Null);
                None
            }
        }
    }
}

/// Indexes the entries of a table by key, because a job may have a hundred thousand of them.
fn by_name<'a>(document: &'a SpannedValue, table: &str) -> BTreeMap<&'a str, &'a SpannedValue> {
    let entries = entries(document, table).iter();
    entries
        .map(|entry| (entry.key.as_str(), &entry.item))
        .collect()
}

/// Checks what a schema cannot express.
struct SemanticCheck<'a> {
    options: &'a CheckOptions<'a>,
    text: &'a str,
    document: &'a SpannedValue,
    sources: BTreeMap<&'a str, &'a SpannedValue>,
    stages: BTreeMap<&'a str, &'a SpannedValue>,
    inputs: BTreeMap<String, Vec<(String, Span)>>,
    ledger: BTreeMap<String, BTreeSet<String>>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> SemanticCheck<'a> {
    fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        let diagnostic = Diagnostic::error(self.options.file, message)
            .at(span)
            .help(help);
        self.diagnostics.push(diagnostic);
    }

    fn kinds(&self) -> &dyn Kinds {
        self.options.kinds
    }

    fn check_contracts(&mut self) {
        let mut checked = BTreeSet::new();
        for entry in entries(self.document, "source") {
            let Some(item) = entry.item.get("contract") else {
                continue;
            };
            let Some(name) = item.text() else { continue };
            if !self.kinds().contract_exists(name) {
                let names = self.kinds().contract_names();
                let help = suggest::help(name, names.iter().map(String::as_str), "contracts");
                self.error(
                    item.span.clone(),
                    format!("there is no contract `{name}`"),
                    help,
                );
            } else if checked.insert(name) {
                self.diagnostics.extend(self.kinds().contract_errors(name));
            }
        }
    }

    fn is_dataset(&self, name: &str) -> bool {
        self.sources.contains_key(name) || self.stages.contains_key(name)
    }

    fn report_unknown_dataset(&mut self, name: &str, span: Span) {
        let in_file = |table| entries(self.document, table).iter();
        let names = in_file("source").chain(in_file("stage"));
        let help = suggest::help(name, names.map(|entry| entry.key.as_str()), "datasets");
        self.error(span, format!("there is no source or stage `{name}`"), help);
    }

    fn add_named_datasets(&mut self, named: Vec<NamedDataset>) {
        for NamedDataset { owner, name, span } in named {
            if !self.is_dataset(&name) {
                self.report_unknown_dataset(&name, span);
            } else if let Some(inputs) = self.inputs.get_mut(&owner) {
                inputs.push((name, span));
            }
        }
    }

    /// Checks that named columns exist. Only columns of sources are known before a run.
    fn check_columns(&mut self, named: &[NamedColumn]) {
        for NamedColumn {
            owner,
            dataset_param,
            name,
            span,
        } in named
        {
            let text = |item: Option<&&'a SpannedValue>, key| item?.get(key)?.text();
            let Some(dataset) = text(self.stages.get(owner.as_str()), dataset_param) else {
                continue;
            };
            let contract = text(self.sources.get(dataset), "contract");
            let Some(columns) = contract.and_then(|name| self.kinds().contract_columns(name))
            else {
                continue;
            };
            let top = name.split('.').next().unwrap_or(name);
            if !columns.iter().any(|column| column == name || column == top) {
                let help = suggest::help(name, columns.iter().map(String::as_str), "columns");
                self.error(
                    span.clone(),
                    format!("`{dataset}` has no column `{name}`"),
                    help,
                );
            }
        }
    }

    /// The columns of a source; `None` for stages, whose columns are not known before a run.
    fn columns_of(&self, dataset: &str) -> Option<Vec<String>> {
        let contract = self.sources.get(dataset)?.get("contract")?.text()?;
        self.kinds().contract_columns(contract)
    }

    /// Records the tables that a query reads; `None` if it does not parse.
    fn read_tables(&mut self, query: &Query) -> Option<BTreeSet<String>> {
        let sql = query.resolved.value.as_str()?;
        let tables = match self.kinds().sql_tables(sql) {
            Ok(tables) => tables,
            Err(mut error) => {
                // Errors without help come from the parser and do not mention SQL themselves.
                if error.help.is_empty() {
                    error.message = format!("not SQL: {}", error.message.trim());
                }
                self.report_query_error(query, sql, error);
                return None;
            }
        };
        let map = StringMap::new(self.text, query.span.clone(), &query.raw);
        for table in &tables {
            let span = find_word(sql, table).map_or_else(
                || query.span.clone(),
                |range| map.locate(query.resolved.original_range(range)),
            );
            if table.starts_with(LEDGER) {
                self.add_ledger_table(&query.stage, table, span);
            } else if !self.is_dataset(table) {
                self.report_unknown_dataset(table, span);
            } else if let Some(inputs) = self.inputs.get_mut(&query.stage) {
                inputs.push((table.clone(), span));
            }
        }
        Some(tables)
    }

    /// Records the tables of the ledger that stages read because of their kind.
    fn add_ledger_tables_of_kinds(&mut self) {
        for entry in entries(self.document, "stage") {
            let kind = entry.item.get("kind").and_then(SpannedValue::text);
            let tables = kind.map_or_else(Vec::new, |kind| self.kinds().ledger_tables_of(kind));
            if !tables.is_empty() {
                let read = self.ledger.entry(entry.key.clone()).or_default();
                read.extend(tables);
            }
        }
    }

    /// Records a table of the ledger that a stage reads, or reports that it does not exist.
    fn add_ledger_table(&mut self, stage: &str, table: &str, span: Span) {
        let known = self.kinds().ledger_tables();
        if known.contains_key(table) {
            let tables = self.ledger.entry(stage.to_string()).or_default();
            tables.insert(table.to_string());
            return;
        }
        let help = suggest::help(table, known.keys().map(String::as_str), "tables");
        self.error(span, format!("the ledger has no table `{table}`"), help);
    }

    /// Reports an error in a query at its location in the file.
    fn report_query_error(&mut self, query: &Query, sql: &str, error: SqlError) {
        let span = if error.line == 0 {
            query.span.clone()
        } else {
            let map = StringMap::new(self.text, query.span.clone(), &query.raw);
            let word = word_at(sql, error.line, error.column);
            map.locate(query.resolved.original_range(word))
        };
        let mut diagnostic = Diagnostic::error(self.options.file, error.message).at(span);
        if !error.help.is_empty() {
            diagnostic = diagnostic.help(error.help);
        }
        self.diagnostics.push(diagnostic);
    }

    /// Checks queries against the columns of their tables, in dependency order. If the columns of a
    /// table are unknown before a run, so are those of the result.
    fn check_schemas(&mut self, queries: Vec<(&Query, BTreeSet<String>)>) {
        let timezone = self.document.get("timezone").and_then(SpannedValue::text);
        let timezone = timezone.unwrap_or("UTC").to_string();
        if jiff::tz::TimeZone::get(&timezone).is_err() {
            return;
        }
        let mut schemas: BTreeMap<String, TableSchema> = entries(self.document, "source")
            .iter()
            .filter_map(|entry| {
                let contract = entry.item.get("contract").and_then(SpannedValue::text)?;
                Some((entry.key.clone(), self.kinds().contract_schema(contract)?))
            })
            .collect();
        schemas.extend(self.kinds().ledger_tables());
        // Number of unknown tables of each query, and the queries that wait for each table.
        let mut unknown = Vec::with_capacity(queries.len());
        let mut readers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, (_, tables)) in queries.iter().enumerate() {
            let missing = tables.iter().filter(|table| !schemas.contains_key(*table));
            unknown.push(missing.clone().count());
            missing.for_each(|table| readers.entry(table).or_default().push(i));
        }
        let mut ready: Vec<usize> = (0..queries.len()).filter(|i| unknown[*i] == 0).collect();
        while let Some(i) = ready.pop() {
            let (query, tables) = &queries[i];
            let Some(sql) = query.resolved.value.as_str() else {
                continue;
            };
            let inputs = tables
                .iter()
                .filter_map(|table| Some((table.clone(), schemas.get(table)?.clone())));
            match (self.kinds()).sql_schema(sql, &inputs.collect(), &timezone) {
                Ok(Some(schema)) => {
                    schemas.insert(query.stage.clone(), schema);
                    for reader in readers.remove(query.stage.as_str()).unwrap_or_default() {
                        unknown[reader] -= 1;
                        if unknown[reader] == 0 {
                            ready.push(reader);
                        }
                    }
                }
                Ok(None) => {}
                Err(error) => self.report_query_error(query, sql, error),
            }
        }
    }

    /// Reports cycles among stages.
    fn check_cycles(&mut self) {
        let names: Vec<&String> = self.inputs.keys().collect();
        let indices: BTreeMap<&String, usize> = names.iter().copied().zip(0..).collect();
        let mut graph = petgraph::graph::DiGraph::<usize, ()>::new();
        let nodes: Vec<_> = (0..names.len()).map(|i| graph.add_node(i)).collect();
        for (from, inputs) in self.inputs.values().enumerate() {
            for to in inputs.iter().filter_map(|(input, _)| indices.get(input)) {
                graph.add_edge(nodes[from], nodes[*to], ());
            }
        }
        // Not recursive: a long chain of stages would overflow the stack.
        let mut cycles = Vec::new();
        for component in petgraph::algo::kosaraju_scc(&graph) {
            let reads_itself =
                component.len() == 1 && graph.contains_edge(component[0], component[0]);
            if component.len() < 2 && !reads_itself {
                continue;
            }
            let members = component.iter().map(|node| names[graph[*node]].clone());
            cycles.push(members.collect::<BTreeSet<String>>());
        }
        cycles.iter().for_each(|members| self.report_cycle(members));
    }

    /// Reports one cycle among stages that all reach each other: the shortest through the first
    /// stage in the file.
    fn report_cycle(&mut self, members: &BTreeSet<String>) {
        let order = keys(self.document, "stage");
        let Some(first) = order.iter().find(|name| members.contains(*name)) else {
            return;
        };
        let mut paths: Vec<Vec<&str>> = vec![vec![first]];
        let mut visited = BTreeSet::new();
        let mut cycle = None;
        while cycle.is_none() && !paths.is_empty() {
            let mut longer = Vec::new();
            for path in paths {
                let last = path[path.len() - 1];
                for (input, _) in &self.inputs[last] {
                    if input == first {
                        cycle.get_or_insert_with(|| path.clone());
                    } else if members.contains(input) && visited.insert(input.clone()) {
                        let mut next = path.clone();
                        next.push(input);
                        longer.push(next);
                    }
                }
            }
            paths = longer;
        }
        let Some(path) = cycle else { return };
        let next = path.get(1).copied().unwrap_or(first);
        let span = self.inputs[first.as_str()]
            .iter()
            .find(|(input, _)| input == next);
        let span = span.map_or(0..0, |(_, span)| span.clone());
        let edges: Vec<String> = path
            .iter()
            .zip(path[1..].iter().copied().chain([first.as_str()]))
            .map(|(stage, input)| format!("`{stage}` reads `{input}`"))
            .collect();
        let message = format!("stages form a cycle: {}", edges.join(", "));
        self.error(span, message, "let one of them read another dataset");
    }
}
