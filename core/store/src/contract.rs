//! Contracts: what a record must look like, read from `jobs/contracts/NAME.toml`.
//!
//! A contract is parsed once into [`Contract`]; every error in the file is reported at once, each
//! with its place. Field order in the file is column order in the dataset.

use crate::{error::StoreError, near::near};
use arrow_schema::{DataType, Field as ArrowField, Fields, Schema, SchemaRef, TimeUnit};
use retrocast_domain::Diagnostic;
use serde::Serialize;
use std::{ops::Range, path::Path, sync::Arc};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// What every record of one kind must look like.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contract {
    /// Name: the file's, without `.toml`.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// What such a record is.
    pub description: String,
    /// Fields that together identify a record; of several with the same key the last counts.
    pub key: Vec<String>,
    /// Field that holds the record's time.
    pub time: Option<String>,
    /// Fields, in the order of the file.
    pub fields: Vec<Field>,
}

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Name, as records write it.
    pub name: String,
    /// What values it holds.
    pub kind: FieldKind,
    /// Whether a record without it is refused. Fields of the key are required.
    pub required: bool,
    /// What it means.
    pub description: String,
    /// Unit of a number.
    pub unit: Option<String>,
    /// Texts allowed; empty for any.
    pub allowed: Vec<String>,
    /// Integers allowed; empty for any.
    pub allowed_integers: Vec<i64>,
    /// Least number allowed.
    pub min: Option<f64>,
    /// Greatest number allowed.
    pub max: Option<f64>,
    /// Most characters allowed.
    pub max_length: Option<usize>,
}

/// The type of a field's values.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Text.
    String,
    /// Whole number of 64 bits.
    Integer,
    /// Number; whole numbers are numbers too.
    Number,
    /// True or false.
    Boolean,
    /// A moment, kept as microseconds UTC.
    Timestamp,
    /// A calendar day.
    Date,
    /// Any JSON, kept as canonical text.
    Json,
    /// Several values of one type; limits of the field apply to each.
    List(Box<Field>),
    /// Fields of its own.
    Struct(Vec<Field>),
}

impl FieldKind {
    /// The type as a contract writes it, with an article, such as "a string".
    pub fn expected(&self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Timestamp => "a timestamp",
            Self::Date => "a date",
            Self::Json => "JSON",
            Self::List(_) => "a list",
            Self::Struct(_) => "an object",
        }
    }

    /// The Arrow type that datasets keep it in.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::String | Self::Json => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
            Self::List(item) => {
                DataType::List(Arc::new(ArrowField::new("item", item.kind.arrow(), true)))
            }
            Self::Struct(fields) => DataType::Struct(arrow_fields(fields)),
        }
    }
}

/// Arrow fields of contract fields. All are nullable: the contract is what guards nulls, and one
/// nullability everywhere keeps versions of a dataset comparable.
pub(crate) fn arrow_fields(fields: &[Field]) -> Fields {
    fields
        .iter()
        .map(|field| ArrowField::new(&field.name, field.kind.arrow(), true))
        .collect()
}

impl Contract {
    /// Schema of a dataset that holds records of this contract.
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(arrow_fields(&self.fields)))
    }

    /// Reads and checks a contract's file.
    pub fn read(file: &Path) -> Result<Self, StoreError> {
        let text = std::fs::read_to_string(file).map_err(|error| StoreError::Io {
            action: "reading the contract",
            file: file.display().to_string(),
            reason: error.to_string(),
        })?;
        let name = file
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let shown = file.display().to_string();
        parse(&name.unwrap_or_default(), &shown, &text).map_err(|diagnostics| {
            StoreError::Contract {
                file: shown,
                diagnostics,
            }
        })
    }
}

/// Parses the text of a contract. `file` is how the user names it in messages.
pub fn parse(name: &str, file: &str, text: &str) -> Result<Contract, Vec<Diagnostic>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors
            .into_iter()
            .map(|error| {
                let found = Diagnostic::error(file, error.message().to_string());
                match error.span() {
                    Some(span) => found.at(span),
                    None => found,
                }
            })
            .collect());
    }
    let mut reader = Reader {
        file,
        diagnostics: Vec::new(),
    };
    let contract = reader.contract(name, root.get_ref());
    if reader.diagnostics.is_empty() {
        Ok(contract)
    } else {
        Err(reader.diagnostics)
    }
}

type Value<'i> = Spanned<DeValue<'i>>;

const CONTRACT_KEYS: [&str; 5] = ["title", "description", "key", "time", "field"];
const FIELD_KEYS: [&str; 9] = [
    "type",
    "required",
    "description",
    "unit",
    "allowed",
    "min",
    "max",
    "max_length",
    "field",
];
const TYPES: [&str; 9] = [
    "string",
    "integer",
    "number",
    "boolean",
    "timestamp",
    "date",
    "json",
    "struct",
    "list<string>",
];
/// Names that other systems give to our types.
const FOREIGN_TYPES: [(&str, &str); 14] = [
    ("int", "integer"),
    ("int64", "integer"),
    ("long", "integer"),
    ("float", "number"),
    ("double", "number"),
    ("decimal", "number"),
    ("text", "string"),
    ("str", "string"),
    ("varchar", "string"),
    ("bool", "boolean"),
    ("datetime", "timestamp"),
    ("time", "timestamp"),
    ("object", "struct"),
    ("array", "list<string>"),
];

struct Reader<'a> {
    file: &'a str,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        let mut found = Diagnostic::error(self.file, message).at(span);
        found.help = help;
        self.diagnostics.push(found);
    }

    fn contract(&mut self, name: &str, root: &DeTable) -> Contract {
        self.known(root, &CONTRACT_KEYS, "a contract");
        let title = self.text(root, "title").map(|(_, title)| title);
        if title.is_none() && !root.contains_key("title") {
            self.error(
                0..0,
                "the contract has no `title`",
                Some("add `title = \"…\"`".into()),
            );
        }
        let mut fields = match root.get("field") {
            Some(value) => self.fields(value),
            None => {
                self.error(
                    0..0,
                    "the contract has no fields",
                    Some("add `[field.NAME]`".into()),
                );
                Vec::new()
            }
        };
        let key = self.key(root, &mut fields);
        let time = self.time(root, &fields);
        Contract {
            name: name.to_string(),
            title: title.unwrap_or_default(),
            description: self
                .text(root, "description")
                .map(|(_, text)| text)
                .unwrap_or_default(),
            key,
            time,
            fields,
        }
    }

    fn known(&mut self, table: &DeTable, keys: &[&str], whose: &str) {
        for key in table.keys() {
            if keys.contains(&key.get_ref().as_ref()) {
                continue;
            }
            let help = match near(key.get_ref(), keys.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("{whose} may have: {}", keys.join(", ")),
            };
            self.error(
                key.span(),
                format!("unknown key `{}`", key.get_ref()),
                Some(help),
            );
        }
    }

    fn text(&mut self, table: &DeTable, key: &str) -> Option<(Range<usize>, String)> {
        let value = table.get(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some((value.span(), text.to_string())),
            None => {
                self.wrong_type(key, value, "a string");
                None
            }
        }
    }

    fn wrong_type(&mut self, key: &str, value: &Value, expected: &str) {
        let message = format!(
            "`{key}` must be {expected}, found {}",
            value.get_ref().type_str()
        );
        self.error(value.span(), message, None);
    }

    /// Fields of a `[field.*]` table in the order in which the file has them.
    fn fields(&mut self, value: &Value) -> Vec<Field> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type("field", value, "a table");
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        if entries.is_empty() {
            self.error(
                value.span(),
                "there are no fields",
                Some("add `[field.NAME]`".into()),
            );
        }
        entries
            .into_iter()
            .filter_map(|(key, value)| self.field(key, value))
            .collect()
    }

    fn field(&mut self, key: &Spanned<toml::de::DeString>, value: &Value) -> Option<Field> {
        let name = key.get_ref().to_string();
        if name.is_empty() || name.contains(['.', '\0']) || name.starts_with("_row") {
            let help = "a field's name may not be empty, hold a full stop, or begin with `_row`";
            self.error(
                key.span(),
                format!("{name:?} cannot name a field"),
                Some(help.into()),
            );
        }
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(&name, value, "a table");
            return None;
        };
        self.known(table, &FIELD_KEYS, "a field");
        let kind_text = match self.text(table, "type") {
            Some(found) => found,
            None if table.contains_key("type") => return None,
            None => {
                let help = format!("add `type = \"…\"`, one of: {}", TYPES.join(", "));
                self.error(
                    key.span(),
                    format!("field `{name}` has no `type`"),
                    Some(help),
                );
                return None;
            }
        };
        let children = table
            .get("field")
            .map(|value| (value.span(), self.fields(value)));
        let has_children = children.as_ref().map(|(span, _)| span.clone());
        let limits = self.limits(&name, table);
        let kind = self.kind(&kind_text.1, &kind_text.0, children, &limits)?;
        if let Some(span) = has_children
            && !holds_struct(&kind)
        {
            let help = "only `struct` and `list<struct>` have fields of their own";
            let message = format!("field `{name}` of type `{}` has fields", kind_text.1);
            self.error(span, message, Some(help.into()));
        }
        let field = Field { kind, ..limits };
        self.fitting(&field, table);
        Some(field)
    }

    /// Everything about a field but its type.
    fn limits(&mut self, name: &str, table: &DeTable) -> Field {
        let required = match table.get("required") {
            None => false,
            Some(value) => value.get_ref().as_bool().unwrap_or_else(|| {
                self.wrong_type("required", value, "true or false");
                false
            }),
        };
        let (allowed, allowed_integers) = self.allowed(table);
        let (min, max) = (self.number(table, "min"), self.number(table, "max"));
        if let (Some(min), Some(max)) = (min, max)
            && min > max
            && let Some(value) = table.get("max")
        {
            self.error(
                value.span(),
                format!("`max` {max} is below `min` {min}"),
                None,
            );
        }
        let max_length = self.number(table, "max_length").and_then(|length| {
            if length >= 1.0 && length.fract() == 0.0 {
                return Some(length as usize);
            }
            if let Some(value) = table.get("max_length") {
                self.error(
                    value.span(),
                    "`max_length` must be a whole number from 1",
                    None,
                );
            }
            None
        });
        Field {
            name: name.to_string(),
            kind: FieldKind::Json,
            required,
            description: self
                .text(table, "description")
                .map(|(_, text)| text)
                .unwrap_or_default(),
            unit: self.text(table, "unit").map(|(_, text)| text),
            allowed,
            allowed_integers,
            min,
            max,
            max_length,
        }
    }

    fn number(&mut self, table: &DeTable, key: &str) -> Option<f64> {
        let value = table.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .map(|n| n as f64),
            DeValue::Float(float) => float.as_str().parse().ok().filter(|n: &f64| n.is_finite()),
            _ => None,
        };
        if number.is_none() {
            self.wrong_type(key, value, "a finite number");
        }
        number
    }

    fn allowed(&mut self, table: &DeTable) -> (Vec<String>, Vec<i64>) {
        let (mut texts, mut integers) = (Vec::new(), Vec::new());
        let Some(value) = table.get("allowed") else {
            return (texts, integers);
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type("allowed", value, "a list of strings or integers");
            return (texts, integers);
        };
        if items.is_empty() {
            self.error(
                value.span(),
                "`allowed` is empty, so no record could meet it",
                None,
            );
        }
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => texts.push(text.to_string()),
                DeValue::Integer(integer) => {
                    integers.extend(i64::from_str_radix(integer.as_str(), integer.radix()));
                }
                _ => self.wrong_type("allowed", item, "strings or integers"),
            }
        }
        (texts, integers)
    }

    fn kind(
        &mut self,
        text: &str,
        span: &Range<usize>,
        children: Option<(Range<usize>, Vec<Field>)>,
        limits: &Field,
    ) -> Option<FieldKind> {
        if let Some(inner) = text
            .strip_prefix("list<")
            .and_then(|rest| rest.strip_suffix('>'))
        {
            let kind = self.kind(inner.trim(), span, children, limits)?;
            let item = Field {
                kind,
                required: false,
                ..limits.clone()
            };
            return Some(FieldKind::List(Box::new(item)));
        }
        Some(match text {
            "string" => FieldKind::String,
            "integer" => FieldKind::Integer,
            "number" => FieldKind::Number,
            "boolean" => FieldKind::Boolean,
            "timestamp" => FieldKind::Timestamp,
            "date" => FieldKind::Date,
            "json" => FieldKind::Json,
            "struct" => match children {
                Some((_, fields)) => FieldKind::Struct(fields),
                None => {
                    let help = "add `[field.NAME.field.PART]`, or use type `json`";
                    self.error(span.clone(), "a struct needs fields", Some(help.into()));
                    return None;
                }
            },
            _ => {
                let lower = text.to_lowercase();
                let foreign = FOREIGN_TYPES.iter().find(|(name, _)| *name == lower);
                let meant = foreign.map(|(_, ours)| *ours).or_else(|| near(text, TYPES));
                let help = match meant {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("types are: {}", TYPES.join(", ")),
                };
                self.error(span.clone(), format!("unknown type `{text}`"), Some(help));
                return None;
            }
        })
    }

    /// Limits that make no sense for the type.
    fn fitting(&mut self, field: &Field, table: &DeTable) {
        let kind = innermost(&field.kind);
        let numeric = matches!(kind, FieldKind::Integer | FieldKind::Number);
        let textual = matches!(kind, FieldKind::String | FieldKind::Json);
        let mut wrong = |key: &str, needed: &str| {
            if let Some(value) = table.get(key) {
                let message = format!("`{key}` does not fit field `{}`", field.name);
                self.error(
                    value.span(),
                    message,
                    Some(format!("`{key}` is for {needed}")),
                );
            }
        };
        if !numeric {
            wrong("min", "numbers");
            wrong("max", "numbers");
            wrong("unit", "numbers");
        }
        if !textual {
            wrong("max_length", "strings");
        }
        let allowed_fits = match kind {
            FieldKind::String => field.allowed_integers.is_empty(),
            FieldKind::Integer => field.allowed.is_empty(),
            _ => false,
        };
        if !allowed_fits {
            wrong(
                "allowed",
                "strings (a list of strings) and integers (a list of integers)",
            );
        }
    }

    fn key(&mut self, root: &DeTable, fields: &mut [Field]) -> Vec<String> {
        let Some(value) = root.get("key") else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type("key", value, "a list of field names");
            return Vec::new();
        };
        let mut key = Vec::new();
        for item in items {
            let Some(name) = item.get_ref().as_str() else {
                self.wrong_type("key", item, "a list of field names");
                continue;
            };
            let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
            match fields.iter_mut().find(|field| field.name == name) {
                Some(Field {
                    kind: FieldKind::List(_) | FieldKind::Struct(_),
                    ..
                }) => self.error(
                    item.span(),
                    format!("`{name}` cannot be part of the key: it holds several values"),
                    None,
                ),
                Some(field) => {
                    field.required = true;
                    key.push(name.to_string());
                }
                None if declared(root, name) => {}
                None => self.no_field(name, item.span(), &names),
            }
        }
        key
    }

    fn time(&mut self, root: &DeTable, fields: &[Field]) -> Option<String> {
        let (span, name) = self.text(root, "time")?;
        let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        match fields.iter().find(|field| field.name == name) {
            Some(Field {
                kind: FieldKind::Timestamp | FieldKind::Date,
                ..
            }) => Some(name),
            Some(_) => {
                let message = format!("the time field `{name}` is not a timestamp or date");
                self.error(span, message, Some("give it type `timestamp`".into()));
                None
            }
            None if declared(root, &name) => None,
            None => {
                self.no_field(&name, span, &names);
                None
            }
        }
    }

    fn no_field(&mut self, name: &str, span: Range<usize>, names: &[String]) {
        let help = match near(name, names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("fields are: {}", names.join(", ")),
        };
        self.error(span, format!("there is no field `{name}`"), Some(help));
    }
}

/// Whether the file has such a field, be it one with errors of its own.
fn declared(root: &DeTable, name: &str) -> bool {
    root.get("field")
        .and_then(|value| value.get_ref().as_table())
        .is_some_and(|fields| fields.contains_key(name))
}

fn innermost(kind: &FieldKind) -> &FieldKind {
    match kind {
        FieldKind::List(item) => innermost(&item.kind),
        other => other,
    }
}

fn holds_struct(kind: &FieldKind) -> bool {
    matches!(innermost(kind), FieldKind::Struct(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
title = "Ticket"
description = "A support ticket."
key = ["id"]
time = "created_at"
[field.id]
type = "string"
[field.created_at]
type = "timestamp"
required = true
[field.severity]
type = "string"
allowed = ["low", "high"]
[field.minutes]
type = "number"
unit = "min"
min = 0
max = 1e6
[field.updates]
type = "list<struct>"
[field.updates.field.at]
type = "timestamp"
[field.updates.field.message]
type = "string"
max_length = 65536
[field.tags]
type = "list<string>"
"#;

    #[test]
    fn a_good_contract_keeps_order_and_types() {
        let contract = parse("ticket", "ticket.toml", GOOD).unwrap();
        let names: Vec<_> = contract
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .collect();
        assert_eq!(
            names,
            ["id", "created_at", "severity", "minutes", "updates", "tags"]
        );
        assert!(
            contract.fields[0].required,
            "fields of the key are required"
        );
        assert_eq!(contract.time.as_deref(), Some("created_at"));
        assert_eq!(contract.fields[3].max, Some(1e6));
        let DataType::List(item) = contract.schema().field(4).data_type().clone() else {
            panic!("not a list")
        };
        assert!(item.data_type().to_string().contains("at"));
    }

    /// Every error's text, place and advice.
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = parse("x", "x.toml", text)
            .err()
            .unwrap_or_default()
            .iter()
            .map(|d| {
                let (line, column) = d.line_column(text).unwrap_or((0, 0));
                format!(
                    "{line}:{column} {} | {}",
                    d.message,
                    d.help.as_deref().unwrap_or("")
                )
            })
            .collect();
        assert_eq!(found, expected, "{found:#?}");
    }

    #[test]
    fn all_errors_come_at_once() {
        check(
            "titel = \"T\"\nkey = [\"ids\"]\ntime = \"id\"\n[field.id]\ntype = \"sting\"\n\
             [field.n]\ntype = \"int\"\n[field.s]\ntype = \"string\"\nmin = 1\nreqired = true\n\
             [field.o]\ntype = \"struct\"\n[field.z]\nrequired = 1\n",
            &[
                "1:1 unknown key `titel` | did you mean `title`?",
                "1:1 the contract has no `title` | add `title = \"…\"`",
                "5:8 unknown type `sting` | did you mean `string`?",
                "7:8 unknown type `int` | did you mean `integer`?",
                "11:1 unknown key `reqired` | did you mean `required`?",
                "10:7 `min` does not fit field `s` | `min` is for numbers",
                "13:8 a struct needs fields | add `[field.NAME.field.PART]`, or use type `json`",
                "14:8 field `z` has no `type` | add `type = \"…\"`, one of: string, integer, number, \
                 boolean, timestamp, date, json, struct, list<string>",
                "2:8 there is no field `ids` | fields are: s",
            ],
        );
    }

    #[test]
    fn every_contract_of_the_catalogue_is_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../jobs/contracts");
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let file = entry.path();
            if file.extension().is_some_and(|ending| ending == "toml") {
                let contract = Contract::read(&file);
                if let Err(StoreError::Contract { file, diagnostics }) = &contract {
                    panic!("{file}: {diagnostics:#?}");
                }
                assert!(contract.is_ok(), "{}", file.display());
            }
        }
    }

    #[test]
    fn broken_toml_is_located() {
        let found = parse("x", "x.toml", "title = \n").unwrap_err();
        assert_eq!(
            found[0].line_column("title = \n").map(|place| place.0),
            Some(1)
        );
    }
}
