//! Parses a JSON record directly into columns, without a tree of values.
//!
//! The contract guides a serde visitor. If a value violates the contract, the visitor stops, the
//! columns drop the incomplete record, and the violation has the location and the reason.

use crate::{
    contract::{Field, FieldKind, UnknownFields},
    read::{
        column::{Column, ColumnValues},
        extra_fields::ExtraFields,
        pseudonyms::Pseudonyms,
        quarantine::{Reason, Violation},
        value::{self, text},
    },
};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;
use std::{fmt, sync::Arc};

/// Parses one line into a new row, or returns a violation and leaves the columns unchanged.
pub(in crate::read) fn read_record(
    line: &str,
    fields: &[Field],
    columns: &mut [Column],
    extra_fields: &mut ExtraFields,
) -> Result<(), Violation> {
    let rows = columns.first().map_or(0, Column::len);
    extra_fields.clear();
    let mut context = Context {
        violation: None,
        extra_fields,
        outer: String::new(),
        from_contract: false,
    };
    let mut json = serde_json::Deserializer::from_str(line);
    let record = Object {
        fields,
        columns,
        context: &mut context,
        is_record: true,
    };
    let read = json.deserialize_any(record).and_then(|()| json.end());
    let violation = context.violation.take();
    let Err(error) = read else { return Ok(()) };
    columns.iter_mut().for_each(|column| column.truncate(rows));
    match violation {
        // A line with a violation may also be invalid JSON, which takes precedence.
        Some(violation) => match serde_json::from_str::<IgnoredAny>(line) {
            Ok(_) => Err(violation),
            Err(error) => Err(syntax_violation(&error)),
        },
        None => Err(syntax_violation(&error)),
    }
}

/// Parses one JSON text (a cell of a CSV file) into a column.
pub(in crate::read) fn read_value(
    text: &str,
    field: &Field,
    column: &mut Column,
    extra_fields: &mut ExtraFields,
) -> Result<(), Violation> {
    let rows = column.len();
    let mut context = Context {
        violation: None,
        extra_fields,
        outer: field.name.clone(),
        from_contract: false,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let seed = FieldValue {
        field,
        column,
        context: &mut context,
    };
    let read = seed.deserialize(&mut json).and_then(|()| json.end());
    let violation = context.violation.take();
    let Err(error) = read else { return Ok(()) };
    column.truncate(rows);
    // The position of the text in its file is unknown here.
    Err(violation.unwrap_or_else(|| Violation {
        column: None,
        line_offset: 0,
        ..syntax_violation(&error)
    }))
}

/// Appends a field's default.
pub(super) fn push_default(
    value: &Value,
    field: &Field,
    column: &mut Column,
) -> Result<(), Violation> {
    let mut context = Context {
        violation: None,
        extra_fields: &mut ExtraFields::default(),
        outer: String::new(),
        from_contract: true,
    };
    push_value(value, field, column, &mut context)
}

/// Appends a value that was parsed before.
fn push_value(
    value: &Value,
    field: &Field,
    column: &mut Column,
    context: &mut Context<'_>,
) -> Result<(), Violation> {
    let rows = column.len();
    let read = FieldValue {
        field,
        column: &mut *column,
        context: &mut *context,
    }
    .deserialize(value);
    let violation = context.violation.take();
    let Err(error) = read else { return Ok(()) };
    column.truncate(rows);
    Err(violation.unwrap_or_else(|| syntax_violation(&error)))
}

/// Checks a value against a field's type and limits.
pub(crate) fn check_value(value: &Value, field: &Field) -> Result<(), Violation> {
    let pseudonyms = Arc::new(Pseudonyms::new("", None));
    push_default(value, field, &mut Column::new(field, &pseudonyms))
}

fn syntax_violation(error: &serde_json::Error) -> Violation {
    let text = error.to_string();
    let message = text
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_string();
    let message = match message.as_str() {
        "recursion limit exceeded" => "nested more than 128 deep".to_string(),
        _ => message,
    };
    let column = Some(error.column() as u64).filter(|column| *column > 0);
    Violation {
        column,
        line_offset: (error.line() as u64).saturating_sub(1),
        ..Violation::new(Reason::BrokenJson, message)
    }
}

/// The state of one record.
struct Context<'a> {
    violation: Option<Violation>,
    extra_fields: &'a mut ExtraFields,
    /// Path of the current object, for names that the contract does not declare.
    outer: String,
    /// True for a default, which has the notation of contracts.
    from_contract: bool,
}

impl Context<'_> {
    /// Stores the violation and returns an error that stops serde.
    fn stop<E: serde::de::Error>(&mut self, violation: Violation) -> E {
        self.violation = Some(violation);
        E::custom("")
    }

    fn prefix_violation(&mut self, outer: &str) {
        if let Some(violation) = &mut self.violation {
            violation.prefix_path(outer);
        }
    }
}

/// One value of a field.
struct FieldValue<'a, 'c> {
    field: &'a Field,
    column: &'a mut Column,
    context: &'a mut Context<'c>,
}

impl FieldValue<'_, '_> {
    fn push_checked<E: serde::de::Error>(
        self,
        push: impl FnOnce(&Field, &mut Column) -> Result<(), Violation>,
    ) -> Result<(), E> {
        push(self.field, self.column).map_err(|violation| self.context.stop(violation))
    }
}

impl<'de> DeserializeSeed<'de> for FieldValue<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if matches!(self.field.kind, FieldKind::Json) {
            let json = <serde_json::Value as serde::Deserialize>::deserialize(deserializer)?;
            return self.push_checked(|field, column| value::push_json(field, column, &json));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldValue<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(self.field.kind.with_article())
    }

    fn visit_bool<E: serde::de::Error>(self, found: bool) -> Result<(), E> {
        self.push_checked(|field, column| value::push_boolean(field, column, found))
    }

    fn visit_i64<E: serde::de::Error>(self, found: i64) -> Result<(), E> {
        self.push_checked(|field, column| value::push_integer(field, column, found))
    }

    fn visit_u64<E: serde::de::Error>(self, found: u64) -> Result<(), E> {
        self.push_checked(|field, column| value::push_unsigned(field, column, found))
    }

    fn visit_f64<E: serde::de::Error>(self, found: f64) -> Result<(), E> {
        self.push_checked(|field, column| value::push_number(field, column, found))
    }

    fn visit_str<E: serde::de::Error>(self, found: &str) -> Result<(), E> {
        let origin = if self.context.from_contract {
            text::Origin::Contract
        } else {
            text::Origin::String
        };
        self.push_checked(|field, column| text::push(found, field, column, origin))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.push_checked(value::push_null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self {
            field,
            column,
            context,
        } = self;
        let FieldKind::List(item) = &field.kind else {
            return Err(context.stop(value::wrong_type(field, "a list")));
        };
        let ColumnValues::List(_, items) = &mut column.values else {
            return Err(A::Error::custom("column is not a list"));
        };
        let mut index = 0_usize;
        loop {
            let kept_before = context.extra_fields.len();
            let next = FieldValue {
                field: item,
                column: items,
                context,
            };
            match seq.next_element_seed(next) {
                Ok(Some(())) => {
                    if context.extra_fields.len() > kept_before {
                        context
                            .extra_fields
                            .prefix_paths(kept_before, &format!("[{index}]"));
                    }
                    index += 1;
                }
                Ok(None) => break,
                Err(error) => {
                    context.prefix_violation(&format!("[{index}]"));
                    return Err(error);
                }
            }
        }
        column.close();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Self {
            field,
            column,
            context,
        } = self;
        let FieldKind::Struct(fields) = &field.kind else {
            return Err(context.stop(value::wrong_type(field, "an object")));
        };
        let ColumnValues::Struct(children) = &mut column.values else {
            return Err(A::Error::custom("column is not a struct"));
        };
        let outer_length = context.outer.len();
        if !context.outer.is_empty() {
            context.outer.push('.');
        }
        context.outer.push_str(&field.name);
        let read = Object {
            fields,
            columns: children,
            context,
            is_record: false,
        }
        .visit_map(map);
        context.outer.truncate(outer_length);
        read?;
        column.close();
        Ok(())
    }
}

/// The fields of a record or struct, each with its column.
struct Object<'a, 'c> {
    fields: &'a [Field],
    columns: &'a mut [Column],
    context: &'a mut Context<'c>,
    /// True if this is the record itself.
    is_record: bool,
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(if self.is_record {
            "a record, which is a JSON object"
        } else {
            "an object"
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self {
            fields,
            columns,
            context,
            ..
        } = self;
        let rows = columns.first().map_or(0, Column::len);
        // Records of one source mostly have their fields in the same order.
        let mut expected = 0;
        let mut parents: Vec<(String, Value)> = Vec::new();
        while let Some(named) = map.next_key_seed(FieldNameSeed {
            fields,
            expected,
            context: &mut *context,
        })? {
            let index = match named {
                NameRole::Field(index) => index,
                NameRole::Parent(name) if parents.iter().any(|(other, _)| *other == name) => {
                    let duplicate = Violation::new(Reason::BrokenJson, "the field occurs twice");
                    return Err(context.stop(duplicate.at_field(&name)));
                }
                NameRole::Parent(name) => {
                    parents.push((name, map.next_value()?));
                    continue;
                }
                NameRole::Undeclared if context.extra_fields.policy == UnknownFields::Keep => {
                    let value = map.next_value()?;
                    context.extra_fields.set_last_value(value);
                    continue;
                }
                NameRole::Undeclared => {
                    map.next_value::<SkippedValue>()?;
                    continue;
                }
            };
            let Some((field, column)) = fields.get(index).zip(columns.get_mut(index)) else {
                return Err(A::Error::custom("there is no such field"));
            };
            let kept_before = context.extra_fields.len();
            if column.len() > rows {
                let duplicate = Violation::new(Reason::BrokenJson, "the field occurs twice");
                return Err(context.stop(duplicate.at_field(&field.name)));
            }
            if let Err(error) = map.next_value_seed(FieldValue {
                field,
                column,
                context: &mut *context,
            }) {
                context.prefix_violation(&field.name);
                return Err(error);
            }
            if context.extra_fields.len() > kept_before {
                context.extra_fields.prefix_paths(kept_before, &field.name);
            }
            expected = index + 1;
        }
        for (name, value) in parents {
            push_nested(&name, value, fields, columns, rows, context)
                .map_err(|violation| context.stop(violation))?;
        }
        for (field, column) in fields.iter().zip(columns.iter_mut()) {
            if column.len() > rows {
                continue;
            }
            value::push_missing(field, column, "the field is missing").map_err(
                |mut violation| {
                    violation.prefix_path(&field.name);
                    context.stop(violation)
                },
            )?;
        }
        Ok(())
    }
}

/// Appends the parts of a value that fields refer to by path; the other parts are extra fields. A
/// field of the record with exactly that name was read before and takes precedence.
fn push_nested(
    path: &str,
    value: Value,
    fields: &[Field],
    columns: &mut [Column],
    rows: usize,
    context: &mut Context<'_>,
) -> Result<(), Violation> {
    let mut target = fields.iter().zip(columns.iter_mut());
    let target = target.find(|(field, _)| field.source_name() == path);
    if let Some((field, column)) = target.filter(|(_, column)| column.len() == rows) {
        let kept_before = context.extra_fields.len();
        push_value(&value, field, column, context)
            .map_err(|violation| violation.with_prefix(&field.name))?;
        context.extra_fields.prefix_paths(kept_before, &field.name);
        return Ok(());
    }
    match value {
        Value::Object(inner) if fields.iter().any(|field| field.is_within(path)) => {
            for (name, value) in inner {
                push_nested(
                    &format!("{path}.{name}"),
                    value,
                    fields,
                    columns,
                    rows,
                    context,
                )?;
            }
        }
        value => {
            context.extra_fields.count(&context.outer, path, 1);
            match context.extra_fields.policy {
                UnknownFields::Count => {}
                UnknownFields::Keep => context.extra_fields.keep(path, value),
                UnknownFields::Refuse => return Err(ExtraFields::refusal(path)),
            }
        }
    }
    Ok(())
}

/// A skipped value. Unlike serde's `IgnoredAny`, it goes through the parser, so the depth limit
/// applies to the whole record, including undeclared fields.
struct SkippedValue;

impl<'de> serde::Deserialize<'de> for SkippedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for SkippedValue {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, Self>()?.is_some() {}
        Ok(self)
    }
}

/// The role of a name in the contract.
enum NameRole {
    /// A field, by its index.
    Field(usize),
    /// An object that may contain a field, by its path.
    Parent(String),
    /// A name that the contract does not declare.
    Undeclared,
}

/// The name of a field.
struct FieldNameSeed<'a, 'c> {
    fields: &'a [Field],
    expected: usize,
    context: &'a mut Context<'c>,
}

impl<'de> DeserializeSeed<'de> for FieldNameSeed<'_, '_> {
    type Value = NameRole;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NameRole, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldNameSeed<'_, '_> {
    type Value = NameRole;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a field name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<NameRole, E> {
        if self
            .fields
            .get(self.expected)
            .is_some_and(|field| field.source_name() == name)
        {
            return Ok(NameRole::Field(self.expected));
        }
        if let Some(index) = self
            .fields
            .iter()
            .position(|field| field.source_name() == name)
        {
            return Ok(NameRole::Field(index));
        }
        if self.fields.iter().any(|field| field.is_within(name)) {
            return Ok(NameRole::Parent(name.to_string()));
        }
        let Context {
            extra_fields,
            outer,
            ..
        } = &mut *self.context;
        extra_fields.count(outer, name, 1);
        match extra_fields.policy {
            UnknownFields::Count => {}
            UnknownFields::Keep => extra_fields.keep(name, Value::Null),
            UnknownFields::Refuse => return Err(self.context.stop(ExtraFields::refusal(name))),
        }
        Ok(NameRole::Undeclared)
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
