//! Converts the TOML tree of a contract's file to a contract, and reports every error with its
//! location.

mod notation;

use super::{Contract, Field, FieldKind, Notation};
use retrocast_domain::Diagnostic;
use retrocast_domain::suggest::nearest;
use std::ops::Range;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

const CONTRACT_KEYS: [&str; 12] = [
    "title",
    "description",
    "key",
    "latest",
    "time",
    "unknown",
    "null_words",
    "decimal",
    "thousands",
    "zone",
    "expect",
    "field",
];
const FIELD_KEYS: [&str; 21] = [
    "type",
    "from",
    "required",
    "default",
    "description",
    "unit",
    "allowed",
    "pattern",
    "min",
    "max",
    "min_length",
    "max_length",
    "personal",
    "null_words",
    "decimal",
    "thousands",
    "zone",
    "format",
    "true_words",
    "false_words",
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
/// Names of types in other systems, each with the contract's name for the type.
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

/// Parses a contract's file and collects its errors.
pub(super) struct ContractReader<'a> {
    pub file: &'a str,
    /// The file's text.
    pub text: &'a str,
    /// Notation of values that the contract declares for all fields.
    pub shared: Notation,
    /// The table whose fields are being read, such as `field.user.`; empty at the top.
    pub outer: String,
    pub diagnostics: Vec<Diagnostic>,
}

impl ContractReader<'_> {
    pub(super) fn error(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let mut diagnostic = Diagnostic::error(self.file, message).at(span);
        diagnostic.help = help;
        self.diagnostics.push(diagnostic);
    }

    /// Parses the contract; it is valid if there are no diagnostics afterwards.
    pub fn contract(&mut self, name: &str, root: &DeTable) -> Contract {
        self.report_unknown_keys(root, &CONTRACT_KEYS, "a contract");
        let title = self.text(root, "title").map(|(_, title)| title);
        if title.is_none() && !root.contains_key("title") {
            self.error(
                0..0,
                "the contract has no `title`",
                Some("add `title = \"…\"`".into()),
            );
        }
        self.shared = self.shared_notation(root);
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
        let latest = self.latest(root, &key, &fields);
        let time = self.time(root, &mut fields);
        let unknown = self.unknown(root, &fields);
        let expect = self.expect(root);
        Contract {
            name: name.to_string(),
            title: title.unwrap_or_default(),
            description: self
                .text(root, "description")
                .map(|(_, text)| text)
                .unwrap_or_default(),
            key,
            latest,
            time,
            unknown,
            expect,
            fields,
        }
    }

    pub(super) fn report_unknown_keys(&mut self, table: &DeTable, keys: &[&str], owner: &str) {
        for key in table.keys() {
            if keys.contains(&key.get_ref().as_ref()) {
                continue;
            }
            let help = match nearest(key.get_ref(), keys.iter().copied()) {
                Some(suggestion) => format!("did you mean `{suggestion}`?"),
                None => format!("{owner} may have: {}", keys.join(", ")),
            };
            self.error(
                key.span(),
                format!("unknown key `{}`", key.get_ref()),
                Some(help),
            );
        }
    }

    pub(super) fn text(&mut self, table: &DeTable, key: &str) -> Option<(Range<usize>, String)> {
        let value = table.get(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some((value.span(), text.to_string())),
            None => {
                self.wrong_type(key, value, "a string");
                None
            }
        }
    }

    pub(super) fn wrong_type(&mut self, key: &str, value: &Value, expected: &str) {
        let message = format!(
            "`{key}` must be {expected}, found {}",
            value.get_ref().type_str()
        );
        self.error(value.span(), message, None);
    }

    /// The fields of a `[field.*]` table, in the order of the file.
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
        let mut fields: Vec<Field> = Vec::new();
        for (key, value) in entries {
            let Some(field) = self.field(key, value) else {
                continue;
            };
            if let Some(other) = fields
                .iter()
                .find(|other| other.source_name() == field.source_name())
            {
                let (other, name, from) = (&other.name, &field.name, field.source_name());
                let message = format!("the fields `{other}` and `{name}` both read {from:?}");
                let help = "give one of them another `from`";
                self.error(key.span(), message, Some(help.into()));
            }
            fields.push(field);
        }
        fields
    }

    fn field(&mut self, key: &Spanned<toml::de::DeString>, value: &Value) -> Option<Field> {
        let name = key.get_ref().to_string();
        if !super::is_valid_name(&name) {
            let help = "a field's name may not be empty, hold a full stop, begin with `_row`, or be `_object` or \
                        `_line`, which datasets reserve";
            self.error(
                key.span(),
                format!("{name:?} is not a valid field name"),
                Some(help.into()),
            );
        }
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(&name, value, "a table");
            return None;
        };
        self.report_unknown_keys(table, &FIELD_KEYS, "a field");
        let (kind_span, kind_name) = match self.text(table, "type") {
            Some(declared) => declared,
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
        let outer_length = self.outer.len();
        self.outer.push_str(&format!("field.{}", toml_key(&name)));
        let limits = self.parse_field(&name, table, item_type(&kind_name));
        self.outer.push('.');
        let children = table
            .get("field")
            .map(|value| (value.span(), self.fields(value)));
        self.outer.truncate(outer_length);
        let children_span = children.as_ref().map(|(span, _)| span.clone());
        let kind = self.kind(&kind_name, &kind_span, children, &limits)?;
        if let Some(span) = children_span
            && !holds_struct(&kind)
        {
            let help = "only `struct` and `list<struct>` have nested fields";
            let message = format!("field `{name}` of type `{kind_name}` has fields");
            self.error(span, message, Some(help.into()));
        }
        let mut field = Field { kind, ..limits };
        self.check_limits(&field, table);
        self.default(&mut field, table);
        Some(field)
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
                let suggestion = foreign
                    .map(|(_, ours)| *ours)
                    .or_else(|| nearest(text, TYPES));
                let help = match suggestion {
                    Some(suggestion) => format!("did you mean `{suggestion}`?"),
                    None => format!("types are: {}", TYPES.join(", ")),
                };
                self.error(span.clone(), format!("unknown type `{text}`"), Some(help));
                return None;
            }
        })
    }
}

/// The type of the values, or of a list's items.
fn item_type(mut kind: &str) -> &str {
    while let Some(item) = kind
        .strip_prefix("list<")
        .and_then(|rest| rest.strip_suffix('>'))
    {
        kind = item.trim();
    }
    kind
}

/// Formats a name as a TOML key.
fn toml_key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_string()
    } else {
        format!("{name:?}")
    }
}

pub(super) fn innermost(kind: &FieldKind) -> &FieldKind {
    match kind {
        FieldKind::List(item) => innermost(&item.kind),
        other => other,
    }
}

fn holds_struct(kind: &FieldKind) -> bool {
    matches!(innermost(kind), FieldKind::Struct(_))
}

/// Returns true if the file has a field with this name, even an invalid one.
pub(super) fn is_declared(root: &DeTable, name: &str) -> bool {
    root.get("field")
        .and_then(|value| value.get_ref().as_table())
        .is_some_and(|fields| fields.contains_key(name))
}
