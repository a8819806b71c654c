//! Formats diagnostics for users.

use super::document::Span;
use annotate_snippets::{AnnotationKind, Group, Origin, Renderer, Snippet};
use retrocast_domain::{Diagnostic, Level};

/// Formats diagnostics for users: file, line and column, the line itself, advice.
pub fn render(diagnostics: &[Diagnostic], text: &str, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.level {
            Level::Error => annotate_snippets::Level::ERROR,
            Level::Warning => annotate_snippets::Level::WARNING,
        };
        let text = diagnostic.text.as_deref().unwrap_or(text);
        let title = level.primary_title(diagnostic.message.as_str());
        let file = diagnostic.file.as_str();
        let mut group = match highlighted_span(diagnostic, text) {
            Some(span) => {
                let annotation = AnnotationKind::Primary
                    .span(span)
                    .label(diagnostic.label.as_deref());
                let snippet = Snippet::source(text)
                    .line_start(1)
                    .path(file)
                    .annotation(annotation);
                title.element(snippet)
            }
            None => Group::with_title(title).element(Origin::path(file)),
        };
        if let Some(help) = &diagnostic.help {
            group = group.element(annotate_snippets::Level::HELP.message(help.as_str()));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
}

/// Returns the span if it is within the text, limited to its first line, because a highlighted
/// query of forty lines would hide the message.
fn highlighted_span(diagnostic: &Diagnostic, text: &str) -> Option<Span> {
    let span = diagnostic.span.clone()?;
    let highlighted = text.get(span.clone())?;
    let line = highlighted
        .split('\n')
        .next()
        .unwrap_or_default()
        .trim_end_matches('\r');
    Some(span.start..span.start + line.len())
}
