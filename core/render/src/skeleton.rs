//! The trusted skeleton of a printed report: its sections, in order.
//!
//! A skeleton is a minijinja template that becomes a Typst file. It receives no text from records.
//! Even if it did, that would remain text: every value is written as a Typst string in which all
//! characters except letters, digits and spaces are escaped, so that they have no meaning in markup
//! or code. No value can be marked as safe.

use crate::{Error, Layout, Templates, view};
use minijinja::{Environment, UndefinedBehavior, Value, context, value::ValueKind};
use retrocast_domain::Report;
use std::fmt::Write as _;

/// Maximum number of steps of a skeleton; the built-in ones need a few thousand.
const FUEL: u64 = 1_000_000;

/// Renders the main Typst file of a report.
pub fn render(report: &Report, layout: Layout, templates: &Templates) -> Result<String, Error> {
    let file = layout.skeleton();
    let text = templates.text(file).ok_or_else(|| Error::Template {
        message: format!("{file}: template not found"),
    })?;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(|out, _, value| {
        let literal = literal(value).ok_or_else(|| {
            minijinja::Error::new(
                minijinja::ErrorKind::BadEscape,
                "a skeleton may contain only texts, integers and booleans",
            )
        })?;
        out.write_str(&literal).map_err(minijinja::Error::from)
    });
    let context = context! {
        kind => layout.title(),
        sections => sections(report, layout),
        cells => (0..report.cells.len()).collect::<Vec<_>>(),
    };
    environment
        .template_from_named_str(file, text)
        .and_then(|template| template.render(context))
        .map_err(|error| Error::Template {
            message: template_error(file, &error),
        })
}

/// Sections of a layout; empty ones are left out.
fn sections(report: &Report, layout: Layout) -> Vec<&'static str> {
    match layout {
        Layout::Executive => {
            let mut sections = vec!["verdict"];
            if view::has_performance(report) {
                sections.push("performance");
            }
            if view::has_improvements(report) {
                sections.push("improvements");
            }
            // The note is on the last page if it fits there.
            sections.push("note");
            sections
        }
        Layout::Technical => {
            let mut sections = vec!["cover", "findings", "map", "quality"];
            if !report.cells.is_empty() {
                sections.push("stages");
            }
            if !report.effects.is_empty() || !report.closed.is_empty() {
                sections.push("ledger");
            }
            sections.push("appendices");
            sections
        }
    }
}

/// Formats a value as Typst source; `None` for types that a skeleton does not use.
fn literal(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::String => value.as_str().map(string_literal),
        ValueKind::Bool => Some(value.is_true().to_string()),
        ValueKind::Number if value.is_integer() => Some(value.to_string()),
        _ => None,
    }
}

/// Formats a Typst string that is inert in markup, too: `\u{..}` is the same escape there.
fn string_literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == ' ' {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        }
    }
    out.push('"');
    out
}

fn template_error(file: &str, error: &minijinja::Error) -> String {
    let line = error
        .line()
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), ToString::to_string);
    format!("{file}{line}: {detail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample;

    #[test]
    fn values_are_inert_in_code_and_in_markup() {
        assert_eq!(string_literal("a b1"), "\"a b1\"");
        assert_eq!(string_literal("\"#é\\"), r#""\u{22}\u{23}\u{e9}\u{5c}""#);
        assert_eq!(literal(&Value::from(7)), Some("7".to_string()));
        let safe = Value::from_safe_string("#x".to_string());
        assert_eq!(literal(&safe), Some(r#""\u{23}x""#.to_string()));
        assert_eq!(literal(&Value::from(vec![1])), None);
    }

    #[test]
    fn the_skeleton_contains_no_text_of_the_report() {
        for layout in Layout::ALL {
            let report = sample();
            let source = render(&report, layout, &Templates::built_in()).unwrap();
            let mut other = report;
            other.title = "#panic()".to_string();
            other
                .cells
                .iter_mut()
                .for_each(|cell| cell.title = "] #panic()".to_string());
            assert_eq!(
                source,
                render(&other, layout, &Templates::built_in()).unwrap()
            );
        }
    }

    #[test]
    fn errors_in_a_skeleton_have_file_and_line() {
        let check = |text: &str, expected: &str| {
            let templates = Templates::built_in().with("executive.typ.j2", text);
            let error = render(&sample(), Layout::Executive, &templates).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check("a\n{% if %}", "executive.typ.j2:2: unexpected end of block");
        check("a\n\n{{ nothing }}", "executive.typ.j2:3: undefined value");
    }
}
