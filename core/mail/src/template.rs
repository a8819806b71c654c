//! Templates of messages, which a workspace can replace.

use crate::{Error, text};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;
use std::collections::BTreeMap;

/// The built-in templates, by path below the templates folder.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "mail/subject.txt.j2",
        include_str!("../../../templates/mail/subject.txt.j2"),
    ),
    (
        "mail/report.txt.j2",
        include_str!("../../../templates/mail/report.txt.j2"),
    ),
    (
        "mail/failure.txt.j2",
        include_str!("../../../templates/mail/failure.txt.j2"),
    ),
    (
        "mail/base.html.j2",
        include_str!("../../../templates/mail/base.html.j2"),
    ),
    (
        "mail/report.html.j2",
        include_str!("../../../templates/mail/report.html.j2"),
    ),
    (
        "mail/failure.html.j2",
        include_str!("../../../templates/mail/failure.html.j2"),
    ),
];

/// Maximum number of instructions of a template: an endless loop must not block a delivery.
const FUEL: u64 = 1_000_000;

/// Templates by path.
#[derive(Debug, Clone)]
pub struct Templates {
    files: BTreeMap<String, String>,
    /// Colour of links.
    accent: String,
}

/// The built-in colour of links.
const ACCENT: &str = "#0b5fa5";

impl Templates {
    /// Returns the built-in templates.
    pub fn built_in() -> Self {
        let entry = |(name, text): &(&str, &str)| ((*name).to_string(), (*text).to_string());
        Self {
            files: BUILT_IN.iter().map(entry).collect(),
            accent: ACCENT.to_string(),
        }
    }

    /// Replaces the colour of links, such as "#0b5fa5".
    #[must_use]
    pub fn with_accent(mut self, accent: &str) -> Self {
        self.accent = accent.to_string();
        self
    }

    /// The text of a file.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(String::as_str)
    }

    /// Replaces the file with this path below the templates folder.
    #[must_use]
    pub fn with(mut self, name: &str, text: impl Into<String>) -> Self {
        self.files.insert(name.to_string(), text.into());
        self
    }

    /// Paths of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Renders a template with these values.
    pub(crate) fn render(&self, name: &str, values: &impl Serialize) -> Result<String, Error> {
        let rendered = || -> Result<String, minijinja::Error> {
            let environment = self.environment()?;
            environment.get_template(name)?.render(Serde(values))
        };
        rendered().map_err(|error| Error::Template {
            name: error.name().unwrap_or(name).to_string(),
            line: error.line().unwrap_or(0),
            detail: match error.detail() {
                Some(detail) => format!("{}: {detail}", error.kind()),
                None => error.kind().to_string(),
            },
        })
    }

    fn environment(&self) -> Result<Environment<'_>, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|name| {
            if name.ends_with(".html.j2") {
                AutoEscape::Html
            } else {
                AutoEscape::None
            }
        });
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?;
        environment.set_syntax(syntax);
        environment.set_path_join_callback(|name, _| format!("mail/{name}").into());
        environment.add_global("accent", self.accent.as_str());
        environment.add_filter("wrap", |text: String, width: usize, indent: usize| {
            text::wrap(&text, width, indent)
        });
        environment.add_filter("cut", |text: String, limit: usize| {
            text::one_line(&text, limit)
        });
        environment.add_filter("clause", |text: String| clause(&text));
        environment.add_filter("first_clause", |text: String| split_clauses(&text).0);
        environment.add_filter("other_clauses", |text: String| split_clauses(&text).1);
        for (name, text) in &self.files {
            environment.add_template(name, text)?;
        }
        Ok(environment)
    }
}

/// Returns the first clause of a verdict without its subject: "This week needs attention: two
/// warnings; ..." becomes "needs attention: two warnings".
fn clause(text: &str) -> String {
    let first = text.split(';').next().unwrap_or_default();
    let first = first.trim().trim_end_matches('.');
    let words = first.strip_prefix("This ").and_then(|text| {
        let (noun, words) = text.split_once(' ')?;
        noun.chars().all(char::is_alphabetic).then_some(words)
    });
    words.unwrap_or(first).to_string()
}

/// Splits a verdict into two sentences, the first clause and the others: "This week needs
/// attention: two warnings." and "None of the five changed." The second may be empty.
fn split_clauses(text: &str) -> (String, String) {
    let Some((first, others)) = text.split_once("; ") else {
        return (text.to_string(), String::new());
    };
    let mut chars = others.chars();
    let initial = chars.next().map(char::to_uppercase);
    let others = initial.into_iter().flatten().chain(chars).collect();
    (format!("{first}."), others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_shortened_to_their_first_clause() {
        for (text, expected) in [
            (
                "This week needs attention: two warnings; none of the five changed.",
                "needs attention: two warnings",
            ),
            ("This month cannot be judged.", "cannot be judged"),
            ("Nothing.", "Nothing"),
        ] {
            assert_eq!(clause(text), expected);
        }
    }

    #[test]
    fn verdicts_are_split_into_two_sentences() {
        for (text, expected) in [
            (
                "This week needs attention: two warnings; none changed; one works.",
                [
                    "This week needs attention: two warnings.",
                    "None changed; one works.",
                ],
            ),
            (
                "This month cannot be judged.",
                ["This month cannot be judged.", ""],
            ),
        ] {
            let [first, others] = expected.map(str::to_string);
            assert_eq!(split_clauses(text), (first, others));
        }
    }

    #[test]
    fn unknown_values_and_endless_loops_are_errors() {
        let templates = Templates::built_in().with("mail/subject.txt.j2", "a\n{{ titel }}");
        let values = BTreeMap::from([("title", "x")]);
        let error = templates
            .render("mail/subject.txt.j2", &values)
            .unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("mail template mail/subject.txt.j2, line 2: undefined"),
            "{error}"
        );
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        let templates = templates.with("mail/subject.txt.j2", endless);
        assert!(templates.render("mail/subject.txt.j2", &values).is_err());
    }
}
