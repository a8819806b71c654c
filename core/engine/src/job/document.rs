//! TOML text as a tree in which every key and value has a span.
//!
//! Messages need spans to point to the line to fix, so a file is parsed into this tree before it is
//! converted to types. The parser continues after a syntax error, so the rest is still checked.

use retrocast_domain::Diagnostic;
use serde_json::{Map, Value};
use std::ops::Range;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Byte range in the text of the file.
pub type Span = Range<usize>;

/// A value and its span.
#[derive(Debug, Clone, PartialEq)]
pub struct SpannedValue {
    /// The span; for a table with a header, that of the header.
    pub span: Span,
    /// The value.
    pub node: Node,
}

/// The kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A string, boolean or number, as in JSON.
    Scalar(Value),
    /// An unquoted date or time, as text.
    Datetime(String),
    /// A list.
    Array(Vec<SpannedValue>),
    /// Keys and values in the order of the file.
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Key, without quotes.
    pub key: String,
    /// Position of the key in the file.
    pub key_span: Span,
    /// Value.
    pub item: SpannedValue,
}

impl SpannedValue {
    /// Parses a file; unreadable parts are reported and left out of the tree.
    pub fn parse(file: &str, text: &str) -> (Self, Vec<Diagnostic>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut diagnostics: Vec<Diagnostic> = errors
            .iter()
            .map(|error| syntax_error(file, text, error))
            .collect();
        let span = first_line(text);
        let node = Node::Table(entries(file, table.get_ref(), &mut diagnostics));
        (Self { span, node }, diagnostics)
    }

    /// The entries of a table; empty for other values.
    pub fn entries(&self) -> &[Entry] {
        match &self.node {
            Node::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; empty for other values.
    pub fn items(&self) -> &[SpannedValue] {
        match &self.node {
            Node::Array(items) => items,
            _ => &[],
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match &self.node {
            Node::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The entry with this key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value with this key.
    pub fn get(&self, key: &str) -> Option<&SpannedValue> {
        self.entry(key).map(|entry| &entry.item)
    }

    /// The value at a path of keys.
    pub fn get_path(&self, path: &[&str]) -> Option<&SpannedValue> {
        path.iter().try_fold(self, |item, key| item.get(key))
    }

    /// The value as JSON, without spans. Dates become strings.
    pub fn json(&self) -> Value {
        match &self.node {
            Node::Scalar(value) => value.clone(),
            Node::Datetime(text) => Value::String(text.clone()),
            Node::Array(items) => Value::Array(items.iter().map(SpannedValue::json).collect()),
            Node::Table(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.item.json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// Describes the value with its type, and its text if it is short: `number 17`.
    pub fn describe(&self) -> String {
        match &self.node {
            Node::Scalar(Value::String(text)) if text.chars().count() <= 40 => {
                format!("string {}", Value::String(text.clone()))
            }
            Node::Scalar(Value::String(_)) => "a string".to_string(),
            Node::Scalar(Value::Bool(value)) => format!("boolean {value}"),
            Node::Scalar(value) => format!("number {value}"),
            Node::Datetime(text) => format!("date {text}"),
            Node::Array(_) => "a list".to_string(),
            Node::Table(_) => "a table".to_string(),
        }
    }
}

/// The span of the first line, for messages about the whole file.
fn first_line(text: &str) -> Span {
    0..text.find('\n').unwrap_or(text.len())
}

fn syntax_error(file: &str, text: &str, error: &toml::de::Error) -> Diagnostic {
    let message = error.message().trim().replace('\n', ", ");
    let (message, label) = match message.split_once(", ") {
        Some((message, label)) => (message.to_string(), Some(label.to_string())),
        None => (message, None),
    };
    let mut diagnostic = Diagnostic::error(file, format!("not TOML: {message}"));
    if let Some(span) = error.span() {
        diagnostic = diagnostic.at(at_least_one_character(text, span));
    }
    if let Some(label) = label {
        diagnostic = diagnostic.label(label);
    }
    diagnostic
}

/// Extends a span to at least one character on its line, if the line has one.
fn at_least_one_character(text: &str, span: Span) -> Span {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    if end > start || start == text.len() {
        return start..end;
    }
    match text[start..].chars().next() {
        Some('\n' | '\r') | None => start..start,
        Some(next) => start..start + next.len_utf8(),
    }
}

fn entries(file: &str, table: &DeTable<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .filter_map(|(key, value)| {
            Some(Entry {
                key: key.get_ref().to_string(),
                key_span: key.span(),
                item: item(file, value, diagnostics)?,
            })
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}

fn item(
    file: &str,
    value: &Spanned<DeValue<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<SpannedValue> {
    let span = value.span();
    let node = match value.get_ref() {
        DeValue::String(text) => Node::Scalar(Value::String(text.to_string())),
        DeValue::Boolean(value) => Node::Scalar(Value::Bool(*value)),
        DeValue::Integer(number) => {
            let Ok(number) = i64::from_str_radix(number.as_str(), number.radix()) else {
                let message = "integer out of range";
                diagnostics.push(
                    Diagnostic::error(file, message)
                        .at(span)
                        .label("does not fit into 64 bits")
                        .help("write it with a decimal point if it need not be exact"),
                );
                return None;
            };
            Node::Scalar(number.into())
        }
        DeValue::Float(number) => {
            let number = number
                .as_str()
                .parse()
                .ok()
                .and_then(serde_json::Number::from_f64);
            let Some(number) = number else {
                let error = Diagnostic::error(file, "not a finite number").at(span);
                diagnostics.push(error.label("infinity and nan are not allowed"));
                return None;
            };
            Node::Scalar(Value::Number(number))
        }
        DeValue::Datetime(datetime) => Node::Datetime(datetime.to_string()),
        DeValue::Array(array) => Node::Array(
            array
                .iter()
                .filter_map(|value| item(file, value, diagnostics))
                .collect(),
        ),
        DeValue::Table(table) => Node::Table(entries(file, table, diagnostics)),
    };
    Some(SpannedValue { span, node })
}

/// Maps the parts of a string's value to their spans in the file.
///
/// An SQL error has a location in the value, and the message needs the location in the file.
/// Escapes and the line break after `"""` make the two differ.
#[derive(Debug)]
pub struct StringMap {
    span: Span,
    /// Offset in the file of each byte of the value, and of its end; `None` if the raw text does
    /// not match the value.
    offsets: Option<Vec<usize>>,
}

impl StringMap {
    /// Maps the string value at `span` of the file's text.
    pub fn new(text: &str, span: Span, value: &str) -> Self {
        let raw = text.get(span.clone()).unwrap_or("");
        let offsets = offsets(raw, value).map(|offsets| {
            offsets
                .into_iter()
                .map(|offset| offset + span.start)
                .collect()
        });
        Self { span, offsets }
    }

    /// The span in the file of a byte range of the value; the whole string if unknown.
    pub fn locate(&self, range: Span) -> Span {
        let Some(offsets) = &self.offsets else {
            return self.span.clone();
        };
        let last = offsets.len() - 1;
        offsets[range.start.min(last)]..offsets[range.end.min(last)]
    }
}

fn offsets(raw: &str, value: &str) -> Option<Vec<usize>> {
    let (quote, literal) = [("\"\"\"", false), ("'''", true), ("\"", false), ("'", true)]
        .into_iter()
        .find(|(quote, _)| raw.starts_with(quote))?;
    let mut offset = quote.len();
    let end = raw.len().checked_sub(quote.len())?;
    if quote.len() == 3 {
        offset += ["\r\n", "\n"]
            .iter()
            .find(|line_break| raw[offset..].starts_with(**line_break))
            .map_or(0, |line_break| line_break.len());
    }
    let mut offsets = Vec::with_capacity(value.len() + 1);
    let mut rest = value.chars().peekable();
    while offset < end {
        let next = raw[offset..].chars().next()?;
        let mut length = next.len_utf8();
        let mut decoded = Some(next);
        if next == '\\' && !literal {
            (length, decoded) = escape(&raw[offset..end])?;
        } else if next == '\r' && raw[offset..].starts_with("\r\n") && rest.peek() == Some(&'\n') {
            (length, decoded) = (2, Some('\n'));
        }
        if let Some(decoded) = decoded {
            if rest.next()? != decoded {
                return None;
            }
            offsets.extend(std::iter::repeat_n(offset, decoded.len_utf8()));
        }
        offset += length;
    }
    offsets.push(end);
    (rest.next().is_none() && offsets.len() == value.len() + 1).then_some(offsets)
}

/// Length of the escape at the start of `raw`, and the character it encodes, if any.
fn escape(raw: &str) -> Option<(usize, Option<char>)> {
    let kind = raw[1..].chars().next()?;
    let hex = |digits: usize| {
        let code = u32::from_str_radix(raw.get(2..2 + digits)?, 16).ok()?;
        Some((2 + digits, Some(char::from_u32(code)?)))
    };
    match kind {
        'b' => Some((2, Some('\u{8}'))),
        't' => Some((2, Some('\t'))),
        'n' => Some((2, Some('\n'))),
        'f' => Some((2, Some('\u{c}'))),
        'r' => Some((2, Some('\r'))),
        'e' => Some((2, Some('\u{1b}'))),
        '"' | '\\' => Some((2, Some(kind))),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        _ => {
            let space = raw.len() - 1 - raw[1..].trim_start_matches([' ', '\t', '\r', '\n']).len();
            (space > 0).then_some((1 + space, None))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, needle: &str, expected: &str) {
        let (document, errors) = SpannedValue::parse("x.toml", text);
        assert_eq!(errors, []);
        let item = document.get("q").unwrap();
        let value = item.text().unwrap();
        let start = value.find(needle).unwrap();
        let map = StringMap::new(text, item.span.clone(), value);
        assert_eq!(
            &text[map.locate(start..start + needle.len())],
            expected,
            "{text}"
        );
    }

    #[test]
    fn positions_inside_strings_are_found() {
        check("q = \"select 1 frm t\"", "frm", "frm");
        check("q = 'select 1 frm t'", "frm", "frm");
        check("q = \"\"\"\nselect\n  1 frm t\"\"\"", "frm", "frm");
        check("q = \"\"\"\r\nselect\r\n  1 frm t\"\"\"", "frm", "frm");
        check("q = \"sel\\u00e9ct \\\"a\\\" frm t\"", "frm", "frm");
        check("q = \"\"\"a \\\n   frm t\"\"\"", "frm", "frm");
        check("q = '''é\n日本 frm'''", "frm", "frm");
        check("q = \"a\\tb\"", "\t", "\\t");
    }

    #[test]
    fn keys_keep_their_order_and_dates_become_text() {
        let (document, errors) =
            SpannedValue::parse("x", "b = 1\na = [2026-11-01, 1.5]\n[t.u]\nc = true");
        assert_eq!(errors, []);
        let keys: Vec<_> = document
            .entries()
            .iter()
            .map(|entry| entry.key.as_str())
            .collect();
        assert_eq!(keys, ["b", "a", "t"]);
        assert_eq!(
            document.json(),
            serde_json::json!({"b": 1, "a": ["2026-11-01", 1.5], "t": {"u": {"c": true}}})
        );
    }

    #[test]
    fn parsing_continues_after_syntax_errors() {
        let (document, errors) =
            SpannedValue::parse("x", "a = \nb = 1\nb = 2\nc = 99999999999999999999\nd = 4");
        assert!(errors.len() >= 3, "{errors:#?}");
        assert!(
            errors.iter().all(|error| error.span.is_some()),
            "{errors:#?}"
        );
        assert_eq!(document.get("d").unwrap().json(), 4);
    }
}
