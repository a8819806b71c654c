//! A strict reader of HTML and XML as the templates write it. Text that is not escaped is an error
//! or an element that harmless documents do not have.

use std::collections::{BTreeMap, BTreeSet};

/// Elements with the names of their attributes.
pub type Elements = BTreeMap<String, BTreeSet<String>>;

/// A document: its elements, the number of its scripts, and its text.
#[derive(Debug, Default)]
pub struct Document {
    pub elements: Elements,
    pub scripts: usize,
    pub text: String,
}

/// Elements of HTML without an end tag.
const VOID: [&str; 8] = ["br", "col", "hr", "img", "input", "link", "meta", "wbr"];

/// Reads a document. Tags must be balanced, attributes quoted, and ampersands escaped; characters
/// that are invisible or reorder others are errors.
pub fn parse(source: &str) -> Result<Document, String> {
    let mut document = Document::default();
    let mut open: Vec<&str> = Vec::new();
    let mut remaining = source;
    loop {
        let (text, tail) = remaining.split_at(remaining.find('<').unwrap_or(remaining.len()));
        document.text.push_str(&unescape(text)?);
        if tail.is_empty() {
            break;
        }
        let end = end_of_tag(tail).ok_or_else(|| error("an unfinished tag", tail))?;
        let tag = &tail[1..end - 1];
        remaining = &tail[end..];
        if tag == "!doctype html" || tag.starts_with("?xml ") {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(error("an end tag without its start", tail));
            }
            continue;
        }
        let name = start_tag(tag, &mut document)?;
        if ["script", "style"].contains(&name) {
            let end = format!("</{name}>");
            let index = remaining
                .find(&end)
                .ok_or_else(|| error("no end tag", tail))?;
            remaining = &remaining[index + end.len()..];
        } else if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    match open.last() {
        Some(name) => Err(format!("<{name}> has no end tag")),
        None => Ok(document),
    }
}

/// The elements and attributes of a document that `known` lacks.
pub fn unknown(document: &Document, known: &Elements) -> Vec<String> {
    let attributes = document.elements.iter().flat_map(|(name, attributes)| {
        let known = known.get(name);
        let is_new =
            move |attribute: &&String| known.is_none_or(|names| !names.contains(*attribute));
        let new = attributes.iter().filter(is_new);
        new.map(move |attribute| format!("{name} {attribute}"))
    });
    let elements = document.elements.keys();
    let new = elements.filter(|name| !known.contains_key(*name)).cloned();
    new.chain(attributes).collect()
}

/// Index after the bracket that closes the tag at the start of a text.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            '"' => is_quoted = !is_quoted,
            '>' if !is_quoted => return Some(index + 1),
            '<' => return None,
            _ => {}
        }
    }
    None
}

/// Adds a start tag to the elements, and returns its name.
fn start_tag<'a>(tag: &'a str, document: &mut Document) -> Result<&'a str, String> {
    let (name, mut remaining) = split_name(tag);
    if name.is_empty() {
        return Err(error("a tag without a name", tag));
    }
    document.scripts += usize::from(name.eq_ignore_ascii_case("script"));
    let mut attributes = BTreeSet::new();
    while !remaining.trim_matches([' ', '\n', '/']).is_empty() {
        let (attribute, tail) = split_name(remaining.trim_start());
        if attribute.is_empty() || !remaining.starts_with([' ', '\n']) {
            return Err(error("text that is no attribute", tag));
        }
        attributes.insert(attribute.to_string());
        remaining = tail;
        if let Some(value) = tail.strip_prefix("=\"") {
            let end = value.find('"').ok_or_else(|| error("no quote", tag))?;
            unescape(&value[..end])?;
            remaining = &value[end + 1..];
        } else if tail.starts_with('=') {
            return Err(error("an attribute without quotes", tag));
        }
    }
    let names = document.elements.entry(name.to_string()).or_default();
    names.append(&mut attributes);
    Ok(name)
}

/// Splits a text after the name at its start.
fn split_name(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-:_".contains(c);
    text.split_at(text.find(|c: char| !is_part(c)).unwrap_or(text.len()))
}

/// Replaces character references.
fn unescape(text: &str) -> Result<String, String> {
    if let Some(c) = text.chars().find(|c| is_hidden(*c)) {
        return Err(error(&format!("{c:?}"), text));
    }
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let escaped = || error("an ampersand that is not escaped", part);
        let (name, after) = part.split_once(';').ok_or_else(escaped)?;
        let number = match name.strip_prefix("#x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => name
                .strip_prefix('#')
                .and_then(|digits| digits.parse().ok()),
        };
        let c = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "nbsp" => Some('\u{a0}'),
            "middot" => Some('·'),
            _ => number.and_then(char::from_u32),
        };
        out.push(c.ok_or_else(escaped)?);
        out.push_str(after);
    }
    Ok(out)
}

/// Returns true for characters that are invisible, reorder others, or are forbidden in XML.
pub fn is_hidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
        || u32::from(c) & 0xfffe == 0xfffe
}

fn error(problem: &str, text: &str) -> String {
    let start: String = text.chars().take(80).collect();
    format!("{problem}: {start:?}")
}
