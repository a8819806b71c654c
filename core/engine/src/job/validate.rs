//! Checks a job file's tree against its JSON Schema and reports the deviations with their spans.
//!
//! Covers what the generated schemas use: types, properties, required and unknown keys, lists,
//! allowed values, ranges, lengths, references, alternatives. `Null` in the tree is a value that is
//! not known yet; it is always valid.

use super::{
    document::{Entry, Node, Span, SpannedValue},
    schema::DISCRIMINATOR,
};
use retrocast_domain::Diagnostic;
use retrocast_domain::suggest;
use serde_json::Value;

/// A value that names a dataset, as its schema declares with `x-dataset`.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedDataset {
    /// The stage with the param.
    pub owner: String,
    /// The dataset.
    pub name: String,
    /// Span of the name.
    pub span: Span,
}

/// A value that names a column of a dataset, which another param of the stage names.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedColumn {
    /// The stage with the param.
    pub owner: String,
    /// The param that names the dataset.
    pub dataset_param: String,
    /// The column.
    pub name: String,
    /// Span of the name.
    pub span: Span,
}

/// The result of checking a tree.
#[derive(Debug, Default)]
pub struct Validation {
    /// The deviations from the schema.
    pub diagnostics: Vec<Diagnostic>,
    /// Values that name datasets.
    pub datasets: Vec<NamedDataset>,
    /// Values that name columns.
    pub columns: Vec<NamedColumn>,
}

/// Checks a tree against its schema.
pub struct Validator<'a> {
    file: &'a str,
    schema: &'a Value,
    path: Vec<String>,
    /// Span of the name of the current table.
    owner: Span,
    result: Validation,
}

impl<'a> Validator<'a> {
    /// Creates a validator for a schema.
    pub fn new(file: &'a str, schema: &'a Value) -> Self {
        Self {
            file,
            schema,
            path: Vec::new(),
            owner: 0..0,
            result: Validation::default(),
        }
    }

    /// Checks the whole tree.
    pub fn run(mut self, item: &SpannedValue) -> Validation {
        self.owner = item.span.clone();
        self.check(self.schema, item);
        self.result
    }

    fn error(&self, message: String, span: &Span) -> Diagnostic {
        Diagnostic::error(self.file, message).at(span.clone())
    }

    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..16 {
            let Some(target) = schema["$ref"].as_str() else {
                break;
            };
            let Some(name) = target.strip_prefix("#/$defs/") else {
                break;
            };
            schema = &self.schema["$defs"][name];
        }
        schema
    }

    /// The name of the value for messages.
    fn name(&self) -> String {
        match self.path.last() {
            Some(key) if key.starts_with('[') && self.path.len() > 1 => {
                format!("an item of `{}`", self.path[self.path.len() - 2])
            }
            Some(key) => format!("`{key}`"),
            None => "the job file".to_string(),
        }
    }

    /// The name of the current table.
    fn table_name(&self) -> String {
        if self.path.is_empty() {
            "the job file".to_string()
        } else {
            format!("[{}]", self.path.join("."))
        }
    }

    fn check(&mut self, schema: &'a Value, item: &SpannedValue) {
        if matches!(item.node, Node::Scalar(Value::Null)) {
            return;
        }
        self.collect_names(schema, item);
        let resolved = self.resolve(schema);
        if !std::ptr::eq(resolved, schema) {
            self.collect_names(resolved, item);
        }
        let schema = resolved;
        if let Some(key) = schema[DISCRIMINATOR].as_str() {
            return self.check_variant(schema, key, item);
        }
        if let Some(allowed) = self.allowed_values(schema) {
            return self.check_allowed(&allowed, item);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(branches) = schema[key].as_array() {
                return self.check_alternatives(branches, item);
            }
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            if let (Some(condition), Some(then)) = (part.get("if"), part.get("then")) {
                if meets_condition(condition, item) {
                    self.check_keys(then, schema, item, &[]);
                }
            } else {
                self.check(part, item);
            }
        }
        if self.check_type(schema, item) {
            self.check_limits(schema, item);
            self.check_format(schema, item);
            self.check_items(schema, item);
            if matches!(item.node, Node::Table(_)) {
                self.check_table(schema, item);
            }
        }
    }

    /// Collects the datasets and columns that a value names.
    fn collect_names(&mut self, schema: &Value, item: &SpannedValue) {
        let is_dataset = schema["x-dataset"] == Value::Bool(true);
        let column_of = schema["x-column"].as_str();
        if !is_dataset && column_of.is_none() {
            return;
        }
        // The path is `stage`, the name of the stage, the param.
        let owner = self.path.get(1).map_or("", String::as_str);
        for item in std::iter::once(item).chain(item.items()) {
            let Some(name) = item.text() else { continue };
            if is_dataset {
                self.result.datasets.push(NamedDataset {
                    owner: owner.to_string(),
                    name: name.to_string(),
                    span: item.span.clone(),
                });
            }
            if let Some(dataset_param) = column_of {
                self.result.columns.push(NamedColumn {
                    owner: owner.to_string(),
                    dataset_param: dataset_param.to_string(),
                    name: name.to_string(),
                    span: item.span.clone(),
                });
            }
        }
    }

    /// The alternatives of a schema with the value of `key` that selects each.
    fn variants(&self, schema: &'a Value, key: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let variants = schema["oneOf"].as_array().into_iter().flatten();
        variants.filter_map(move |variant| {
            let variant = self.resolve(variant);
            Some((variant["properties"][key]["const"].as_str()?, variant))
        })
    }

    fn check_variant(&mut self, schema: &'a Value, key: &str, item: &SpannedValue) {
        let Node::Table(_) = item.node else {
            return self.wrong_type("a table", item);
        };
        let names = || self.variants(schema, key).map(|(name, _)| name);
        let Some(selector) = item.get(key) else {
            let error = self.error(
                format!("missing key `{key}` in {}", self.table_name()),
                &self.owner,
            );
            let allowed: Vec<&str> = names().collect();
            self.result
                .diagnostics
                .push(error.help(format!("{key} is one of {}", allowed.join(", "))));
            return;
        };
        let Some(name) = selector.text() else {
            self.path.push(key.to_string());
            self.wrong_type("a string", selector);
            self.path.pop();
            return;
        };
        let selected = self
            .variants(schema, key)
            .find(|(variant, _)| *variant == name);
        if let Some((_, variant)) = selected {
            return self.check(variant, item);
        }
        let error = self
            .error(
                format!("unknown {key} `{name}` in {}", self.table_name()),
                &selector.span,
            )
            .help(suggest::help(name, names(), "kinds"));
        self.result.diagnostics.push(error);
    }

    /// The values that a schema lists; `None` if it lists none.
    fn allowed_values(&self, schema: &'a Value) -> Option<Vec<&'a Value>> {
        let schema = self.resolve(schema);
        if let Some(value) = schema.get("const") {
            return Some(vec![value]);
        }
        if let Some(values) = schema["enum"].as_array() {
            return Some(values.iter().collect());
        }
        let branches = schema["oneOf"].as_array().or(schema["anyOf"].as_array())?;
        let mut values = Vec::new();
        for branch in branches.iter().filter(|branch| branch["type"] != "null") {
            values.extend(self.allowed_values(branch)?);
        }
        Some(values)
    }

    fn check_allowed(&mut self, allowed: &[&Value], item: &SpannedValue) {
        if allowed.contains(&&item.json()) {
            return;
        }
        let texts: Vec<&str> = allowed.iter().filter_map(|value| value.as_str()).collect();
        let error = self.error(
            format!("{} is not one of the allowed values", self.name()),
            &item.span,
        );
        let nearest = item
            .text()
            .and_then(|text| suggest::nearest(text, texts.iter().copied()));
        let list_allowed = || {
            let values = allowed.iter().filter(|value| !value.is_null());
            let values: Vec<String> = values.map(ToString::to_string).collect();
            format!("allowed: {}", values.join(", "))
        };
        let help = nearest.map_or_else(list_allowed, |nearest| {
            format!("did you mean \"{nearest}\"?")
        });
        self.result
            .diagnostics
            .push(error.label(format!("found {}", item.describe())).help(help));
    }

    fn check_alternatives(&mut self, branches: &'a [Value], item: &SpannedValue) {
        let branches: Vec<&'a Value> = branches
            .iter()
            .filter(|branch| branch["type"] != "null")
            .collect();
        let mut failed = Vec::new();
        for branch in &branches {
            let mut attempt = Validator {
                file: self.file,
                schema: self.schema,
                path: self.path.clone(),
                owner: self.owner.clone(),
                result: Validation::default(),
            };
            attempt.check(branch, item);
            if attempt.result.diagnostics.is_empty() {
                self.result.datasets.append(&mut attempt.result.datasets);
                self.result.columns.append(&mut attempt.result.columns);
                return;
            }
            failed.push(attempt.result.diagnostics);
        }
        let matching: Vec<usize> = (0..branches.len())
            .filter(|i| self.types(branches[*i]).iter().any(|kind| is_a(kind, item)))
            .collect();
        if let [only] = matching.as_slice() {
            self.result.diagnostics.append(&mut failed[*only]);
            return;
        }
        let mut words: Vec<&str> = branches
            .iter()
            .flat_map(|branch| self.types(branch))
            .map(type_name)
            .collect();
        words.dedup();
        self.wrong_type(&words.join(" or "), item);
    }

    fn types(&self, schema: &'a Value) -> Vec<&'a str> {
        let schema = self.resolve(schema);
        let types = match &schema["type"] {
            Value::String(name) => vec![name.as_str()],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => self
                .allowed_values(schema)
                .map(|values| {
                    if values.iter().all(|v| v.is_string()) {
                        vec!["string"]
                    } else {
                        vec![]
                    }
                })
                .unwrap_or_default(),
        };
        types.into_iter().filter(|kind| *kind != "null").collect()
    }

    fn check_type(&mut self, schema: &'a Value, item: &SpannedValue) -> bool {
        let types = self.types(schema);
        if types.is_empty() || types.iter().any(|kind| is_a(kind, item)) {
            return true;
        }
        let words: Vec<&str> = types.iter().map(|kind| type_name(kind)).collect();
        self.wrong_type(&words.join(" or "), item);
        false
    }

    fn wrong_type(&mut self, expected: &str, item: &SpannedValue) {
        let error = self
            .error(format!("{} must be {expected}", self.name()), &item.span)
            .label(format!("found {}", item.describe()));
        self.result.diagnostics.push(error);
    }

    fn check_limits(&mut self, schema: &Value, item: &SpannedValue) {
        let (size, unit) = match &item.node {
            Node::Scalar(Value::Number(number)) => (number.as_f64().unwrap_or(0.0), ""),
            Node::Scalar(Value::String(text)) => (text.chars().count() as f64, "characters"),
            Node::Array(items) => (items.len() as f64, "items"),
            _ => return,
        };
        let limit = |key: &str| schema[key].as_f64();
        let (low, high) = match unit {
            "" => (limit("minimum"), limit("maximum")),
            "characters" => (limit("minLength"), limit("maxLength")),
            _ => (limit("minItems"), limit("maxItems")),
        };
        let (above, below) = match unit {
            "" => (limit("exclusiveMinimum"), limit("exclusiveMaximum")),
            _ => (None, None),
        };
        let problem = if let Some(low) = low.filter(|low| size < *low) {
            Some(format!("at least {low}"))
        } else if let Some(high) = high.filter(|high| size > *high) {
            Some(format!("at most {high}"))
        } else if let Some(above) = above.filter(|above| size <= *above) {
            Some(format!("more than {above}"))
        } else {
            below
                .filter(|below| size >= *below)
                .map(|below| format!("less than {below}"))
        };
        let Some(problem) = problem else { return };
        let (verb, suffix) = match unit {
            "" => ("be", String::new()),
            // "at least 1 items" would be wrong.
            _ => (
                "have",
                format!(
                    " {}",
                    if problem.ends_with(" 1") {
                        unit.trim_end_matches('s')
                    } else {
                        unit
                    }
                ),
            ),
        };
        let error = self.error(
            format!("{} must {verb} {problem}{suffix}", self.name()),
            &item.span,
        );
        let actual = if unit.is_empty() {
            item.describe()
        } else {
            format!("{size} {unit}")
        };
        self.result
            .diagnostics
            .push(error.label(format!("found {actual}")));
    }

    fn check_format(&mut self, schema: &Value, item: &SpannedValue) {
        let text = match &item.node {
            Node::Datetime(text) => Some(text.as_str()),
            _ => item.text(),
        };
        let Some(text) = text.filter(|_| schema["format"] == "date") else {
            return;
        };
        if text.parse::<jiff::civil::Date>().is_err() {
            let error = self
                .error(format!("{} must be a date", self.name()), &item.span)
                .label(format!("found {}", item.describe()))
                .help("write it as \"2026-01-31\"");
            self.result.diagnostics.push(error);
        }
    }

    fn check_items(&mut self, schema: &'a Value, item: &SpannedValue) {
        let Some(items) = schema.get("items") else {
            return;
        };
        for (i, item) in item.items().iter().enumerate() {
            self.path.push(format!("[{i}]"));
            self.check(items, item);
            self.path.pop();
        }
    }

    fn check_table(&mut self, schema: &'a Value, item: &SpannedValue) {
        let properties = &schema["properties"];
        // A misspelt key is one error, not an unknown key and a missing key.
        let mut suggestions = Vec::new();
        for Entry {
            key,
            key_span,
            item,
        } in item.entries()
        {
            let sub = match (properties.get(key), &schema["additionalProperties"]) {
                (Some(sub), _) | (None, sub @ Value::Object(_)) => sub,
                (None, Value::Bool(false)) => {
                    suggestions.extend(suggest::nearest(key, keys(properties)));
                    let error = self.unknown_key(key, key_span, properties);
                    self.result.diagnostics.push(error);
                    continue;
                }
                _ => continue,
            };
            let owner = std::mem::replace(&mut self.owner, key_span.clone());
            self.path.push(key.clone());
            self.check(sub, item);
            self.path.pop();
            self.owner = owner;
        }
        self.check_keys(schema, schema, item, &suggestions);
    }

    /// Reports missing keys that `rules` require; `schema` describes them. Those in `similar` are
    /// misspelt, not missing.
    fn check_keys(&mut self, rules: &Value, schema: &Value, item: &SpannedValue, similar: &[&str]) {
        let required = rules["required"].as_array().into_iter().flatten();
        for key in required.filter_map(Value::as_str) {
            if item.get(key).is_some() || similar.contains(&key) {
                continue;
            }
            let error = self.error(
                format!("missing key `{key}` in {}", self.table_name()),
                &self.owner,
            );
            let description = schema["properties"][key]["description"]
                .as_str()
                .unwrap_or("it is required");
            let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
            self.result
                .diagnostics
                .push(error.help(format!("{key}: {description}")));
        }
    }

    fn unknown_key(&self, key: &str, span: &Span, properties: &Value) -> Diagnostic {
        self.error(
            format!("unknown key `{key}` in {}", self.table_name()),
            span,
        )
        .help(suggest::help(key, keys(properties), "known keys"))
    }
}

fn keys(properties: &Value) -> impl Iterator<Item = &str> {
    properties
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
}

/// Returns true if a table meets a condition: it has the required keys, with values from the lists
/// of the condition.
fn meets_condition(condition: &Value, item: &SpannedValue) -> bool {
    let required = condition["required"].as_array().into_iter().flatten();
    let mut required = required.filter_map(Value::as_str);
    let listed = condition["properties"].as_object().into_iter().flatten();
    required.all(|key| item.get(key).is_some())
        && listed.into_iter().all(|(key, rule)| {
            let allowed = rule["enum"].as_array();
            item.get(key)
                .is_none_or(|value| allowed.is_none_or(|allowed| allowed.contains(&value.json())))
        })
}

fn is_a(kind: &str, item: &SpannedValue) -> bool {
    match (kind, &item.node) {
        ("string", Node::Scalar(Value::String(_)) | Node::Datetime(_))
        | ("boolean", Node::Scalar(Value::Bool(_)))
        | ("number", Node::Scalar(Value::Number(_)))
        | ("array", Node::Array(_))
        | ("object", Node::Table(_)) => true,
        ("integer", Node::Scalar(Value::Number(number))) => number.is_i64(),
        _ => false,
    }
}

fn type_name(kind: &str) -> &str {
    match kind {
        "string" => "a string",
        "boolean" => "true or false",
        "number" => "a number",
        "integer" => "an integer",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Checks a text against a schema and returns the messages.
    fn messages(schema: &Value, text: &str) -> Vec<String> {
        let (item, _) = SpannedValue::parse("job.toml", text);
        let result = Validator::new("job.toml", schema).run(&item);
        let messages = result.diagnostics.into_iter();
        messages.map(|diagnostic| diagnostic.message).collect()
    }

    #[test]
    fn conditionally_required_keys_are_reported() {
        let schema = json!({
            "type": "object",
            "properties": {
                "kind": { "type": "string" },
                "where": { "type": "string", "description": "The column." },
            },
            "allOf": [{
                "if": { "properties": { "kind": { "enum": ["share"] } }, "required": ["kind"] },
                "then": { "required": ["where"] },
            }],
        });
        let missing = ["missing key `where` in the job file".to_string()];
        assert_eq!(messages(&schema, "kind = \"share\""), missing);
        assert!(messages(&schema, "kind = \"share\"\nwhere = \"c\"").is_empty());
        assert!(messages(&schema, "kind = \"count\"").is_empty());
        assert!(messages(&schema, "where = \"c\"").is_empty());
    }

    #[test]
    fn dates_are_validated() {
        let schema = json!({
            "type": "object",
            "properties": { "split": { "type": ["string", "null"], "format": "date" } },
        });
        for bad in ["2026-02-30", "2026-13-01", "tomorrow"] {
            let text = format!("split = \"{bad}\"");
            assert_eq!(messages(&schema, &text), ["`split` must be a date"]);
        }
        assert!(messages(&schema, "split = \"2026-02-28\"").is_empty());
    }
}
