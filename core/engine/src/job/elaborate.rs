//! Replaces the references of a job, checks its shape, and finds which stage reads which dataset.

mod words;

use super::{
    CheckOptions,
    checker::{entries, keys},
    document::{Entry, Item, Node, Span, StringMap},
    params::Params,
    references::{ReferenceError, Resolution, Values, resolve, resolve_query},
    schema::schema_for,
    shape::{NamedColumn, NamedDataset, Walk},
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
    pub tree: Item,
    /// Datasets that each stage reads, with the span that names each.
    pub inputs: BTreeMap<String, Vec<(String, Span)>>,
    /// Tables of the ledger that stages read.
    pub ledger: BTreeMap<String, BTreeSet<String>>,
    /// Params that are referred to.
    pub used: BTreeSet<String>,
    /// The diagnostics.
    pub diagnostics: Vec<Diagnostic>,
}

/// Replaces references, checks the shape and finds the inputs of each stage.
pub(crate) fn elaborate(
    options: &CheckOptions<'_>,
    text: &str,
    document: &Item,
    params: &Params,
    window: &Window,
) -> Elaboration {
    let values = Values {
        params,
        window,
        environment: options.environment,
        used: RefCell::default(),
    };
    let mut replacing = Replacing {
        options,
        text,
        values: &values,
        queries: Vec::new(),
        diagnostics: Vec::new(),
    };
    let tree = replacing.document(document);
    let Replacing {
        queries,
        diagnostics,
        ..
    } = replacing;

    let schema = schema_for(options.kinds, &tree);
    let found = Walk::new(options.file, &schema).run(&tree);
    let mut sense = SemanticCheck {
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
    sense.diagnostics.extend(found.diagnostics);
    sense.contracts();
    sense.named_datasets(found.datasets);
    sense.named_columns(&found.columns);
    sense.ledger_of_kinds();
    let read: Vec<(&Query, BTreeSet<String>)> = queries
        .iter()
        .filter_map(|query| Some((query, sense.query(query)?)))
        .collect();
    sense.meanings(read);
    sense.circles();
    let SemanticCheck {
        inputs,
        ledger,
        diagnostics,
        ..
    } = sense;
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

struct Replacing<'a> {
    options: &'a CheckOptions<'a>,
    text: &'a str,
    values: &'a Values<'a>,
    queries: Vec<Query>,
    diagnostics: Vec<Diagnostic>,
}

impl Replacing<'_> {
    fn document(&mut self, document: &Item) -> Item {
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
                    "stage" => self.stage(entry),
                    _ => {}
                }
            }
        }
        tree
    }

    fn stage(&mut self, entry: &mut Entry) {
        let is_sql = entry.item.get("kind").and_then(Item::text) == Some("sql");
        let Node::Table(params) = &mut entry.item.node else {
            return;
        };
        for param in params {
            match param.item.text() {
                Some(query) if is_sql && param.key == "query" => {
                    let raw = query.to_string();
                    let span = param.item.span.clone();
                    let resolved = resolve_query(&raw, self.values);
                    if let Some(resolved) = self.settle(&mut param.item, &raw, resolved) {
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

    fn replace(&mut self, item: &mut Item) {
        match &mut item.node {
            Node::Scalar(Value::String(text)) if text.contains("${") => {
                let raw = text.clone();
                let resolved = resolve(&raw, self.values);
                self.settle(item, &raw, resolved);
            }
            Node::Array(items) => items.iter_mut().for_each(|item| self.replace(item)),
            Node::Table(entries) => entries
                .iter_mut()
                .for_each(|entry| self.replace(&mut entry.item)),
            _ => {}
        }
    }

    fn settle(
        &mut self,
        item: &mut Item,
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

/// The entries of a table by key: a job may have a hundred thousand of them.
fn by_name<'a>(document: &'a Item, table: &str) -> BTreeMap<&'a str, &'a Item> {
    let entries = entries(document, table).iter();
    entries
        .map(|entry| (entry.key.as_str(), &entry.item))
        .collect()
}

/// Checks that a schema cannot express.
struct SemanticCheck<'a> {
    options: &'a CheckOptions<'a>,
    text: &'a str,
    document: &'a Item,
    sources: BTreeMap<&'a str, &'a Item>,
    stages: BTreeMap<&'a str, &'a Item>,
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

    fn contracts(&mut self) {
        let mut read = BTreeSet::new();
        for entry in entries(self.document, "source") {
            let Some(item) = entry.item.get("contract") else {
                continue;
            };
            let Some(name) = item.text() else { continue };
            if !self.kinds().contract_exists(name) {
                let known = self.kinds().contract_names();
                let help = suggest::help(name, known.iter().map(String::as_str), "contracts");
                self.error(
                    item.span.clone(),
                    format!("there is no contract `{name}`"),
                    help,
                );
            } else if read.insert(name) {
                self.diagnostics.extend(self.kinds().contract_errors(name));
            }
        }
    }

    fn is_dataset(&self, name: &str) -> bool {
        self.sources.contains_key(name) || self.stages.contains_key(name)
    }

    fn no_dataset(&mut self, name: &str, span: Span) {
        let in_file = |table| entries(self.document, table).iter();
        let names = in_file("source").chain(in_file("stage"));
        let help = suggest::help(name, names.map(|entry| entry.key.as_str()), "datasets");
        self.error(span, format!("there is no source or stage `{name}`"), help);
    }

    fn named_datasets(&mut self, named: Vec<NamedDataset>) {
        for NamedDataset { owner, name, span } in named {
            if !self.is_dataset(&name) {
                self.no_dataset(&name, span);
            } else if let Some(inputs) = self.inputs.get_mut(&owner) {
                inputs.push((name, span));
            }
        }
    }

    /// Checks that named columns exist. Only columns of sources are known before a run.
    fn named_columns(&mut self, named: &[NamedColumn]) {
        for NamedColumn {
            owner,
            of,
            name,
            span,
        } in named
        {
            let text = |item: Option<&&'a Item>, key| item?.get(key)?.text();
            let Some(dataset) = text(self.stages.get(owner.as_str()), of) else {
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

    /// The tables that a query reads; `None` if it does not parse.
    fn query(&mut self, query: &Query) -> Option<BTreeSet<String>> {
        let sql = query.resolved.value.as_str()?;
        let tables = match self.kinds().sql_tables(sql) {
            Ok(tables) => tables,
            Err(mut error) => {
                // Only parser errors need help that explains their subject.
                if error.help.is_empty() {
                    error.message = format!("not SQL: {}", error.message.trim());
                }
                self.wrong_query(query, sql, error);
                return None;
            }
        };
        let map = StringMap::new(self.text, query.span.clone(), &query.raw);
        for table in &tables {
            let span = find_word(sql, table).map_or_else(
                || query.span.clone(),
                |range| map.locate(query.resolved.original(range)),
            );
            if table.starts_with(LEDGER) {
                self.ledger_table(&query.stage, table, span);
            } else if !self.is_dataset(table) {
                self.no_dataset(table, span);
            } else if let Some(inputs) = self.inputs.get_mut(&query.stage) {
                inputs.push((table.clone(), span));
            }
        }
        Some(tables)
    }

    /// The tables of the ledger that stages read because of their kind.
    fn ledger_of_kinds(&mut self) {
        for entry in entries(self.document, "stage") {
            let kind = entry.item.get("kind").and_then(Item::text);
            let tables = kind.map_or_else(Vec::new, |kind| self.kinds().ledger_tables_of(kind));
            if !tables.is_empty() {
                let known = self.ledger.entry(entry.key.clone()).or_default();
                known.extend(tables);
            }
        }
    }

    /// A table of the ledger that a stage reads, or what there is when there is no such.
    fn ledger_table(&mut self, stage: &str, table: &str, span: Span) {
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
    fn wrong_query(&mut self, query: &Query, sql: &str, error: SqlError) {
        let span = if error.line == 0 {
            query.span.clone()
        } else {
            let map = StringMap::new(self.text, query.span.clone(), &query.raw);
            let word = word_at(sql, error.line, error.column);
            map.locate(query.resolved.original(word))
        };
        let mut diagnostic = Diagnostic::error(self.options.file, error.message).at(span);
        if !error.help.is_empty() {
            diagnostic = diagnostic.help(error.help);
        }
        self.diagnostics.push(diagnostic);
    }

    /// Checks queries against the columns of their tables, in dependency order. If the columns of a
    /// table are unknown before a run, so are those of the result.
    fn meanings(&mut self, queries: Vec<(&Query, BTreeSet<String>)>) {
        let timezone = self.document.get("timezone").and_then(Item::text);
        let timezone = timezone.unwrap_or("UTC").to_string();
        if jiff::tz::TimeZone::get(&timezone).is_err() {
            return;
        }
        let mut known: BTreeMap<String, TableSchema> = entries(self.document, "source")
            .iter()
            .filter_map(|entry| {
                let contract = entry.item.get("contract").and_then(Item::text)?;
                Some((entry.key.clone(), self.kinds().contract_schema(contract)?))
            })
            .collect();
        known.extend(self.kinds().ledger_tables());
        // Unknown tables of each query, and the queries that wait for each table.
        let mut unknown = Vec::with_capacity(queries.len());
        let mut readers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, (_, tables)) in queries.iter().enumerate() {
            let open = tables.iter().filter(|table| !known.contains_key(*table));
            unknown.push(open.clone().count());
            open.for_each(|table| readers.entry(table).or_default().push(i));
        }
        let mut ready: Vec<usize> = (0..queries.len()).filter(|i| unknown[*i] == 0).collect();
        while let Some(i) = ready.pop() {
            let (query, tables) = &queries[i];
            let Some(sql) = query.resolved.value.as_str() else {
                continue;
            };
            let read = tables
                .iter()
                .filter_map(|table| Some((table.clone(), known.get(table)?.clone())));
            match (self.kinds()).sql_schema(sql, &read.collect(), &timezone) {
                Ok(Some(schema)) => {
                    known.insert(query.stage.clone(), schema);
                    for reader in readers.remove(query.stage.as_str()).unwrap_or_default() {
                        unknown[reader] -= 1;
                        if unknown[reader] == 0 {
                            ready.push(reader);
                        }
                    }
                }
                Ok(None) => {}
                Err(error) => self.wrong_query(query, sql, error),
            }
        }
    }

    fn circles(&mut self) {
        let names: Vec<&String> = self.inputs.keys().collect();
        let places: BTreeMap<&String, usize> = names.iter().copied().zip(0..).collect();
        let mut graph = petgraph::graph::DiGraph::<usize, ()>::new();
        let nodes: Vec<_> = (0..names.len()).map(|i| graph.add_node(i)).collect();
        for (from, inputs) in self.inputs.values().enumerate() {
            for to in inputs.iter().filter_map(|(input, _)| places.get(input)) {
                graph.add_edge(nodes[from], nodes[*to], ());
            }
        }
        // Not recursive: a long chain of stages would overflow the stack.
        let mut circles = Vec::new();
        for part in petgraph::algo::kosaraju_scc(&graph) {
            let itself = part.len() == 1 && graph.contains_edge(part[0], part[0]);
            if part.len() < 2 && !itself {
                continue;
            }
            let members = part.iter().map(|node| names[graph[*node]].clone());
            circles.push(members.collect::<BTreeSet<String>>());
        }
        circles.iter().for_each(|members| self.circle(members));
    }

    /// Reports one cycle among stages that all reach each other: the shortest through the first.
    fn circle(&mut self, members: &BTreeSet<String>) {
        let order = keys(self.document, "stage");
        let Some(first) = order.iter().find(|name| members.contains(*name)) else {
            return;
        };
        let mut paths: Vec<Vec<&str>> = vec![vec![first]];
        let mut seen = BTreeSet::new();
        let mut found = None;
        while found.is_none() && !paths.is_empty() {
            let mut longer = Vec::new();
            for path in paths {
                let last = path[path.len() - 1];
                for (input, _) in &self.inputs[last] {
                    if input == first {
                        found.get_or_insert_with(|| path.clone());
                    } else if members.contains(input) && seen.insert(input.clone()) {
                        let mut next = path.clone();
                        next.push(input);
                        longer.push(next);
                    }
                }
            }
            paths = longer;
        }
        let Some(path) = found else { return };
        let next = path.get(1).copied().unwrap_or(first);
        let span = self.inputs[first.as_str()]
            .iter()
            .find(|(input, _)| input == next);
        let span = span.map_or(0..0, |(_, span)| span.clone());
        let words: Vec<String> = path
            .iter()
            .zip(path[1..].iter().copied().chain([first.as_str()]))
            .map(|(stage, input)| format!("`{stage}` reads `{input}`"))
            .collect();
        let message = format!("stages form a cycle: {}", words.join(", "));
        self.error(span, message, "let one of them read something else");
    }
}
