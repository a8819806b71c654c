//! Messages of Microsoft Teams: an Adaptive Card for the webhook of a workflow.
//!
//! Text is in `TextRun` elements, which have no Markdown.

use super::{Line, Links, Part, footer, headline, more_findings, parts, status_sentence, verdict};
use crate::{
    content::View,
    text::{lines, one_line},
};
use serde_json::{Value, json};

/// Maximum size of a message, in bytes: Teams refuses more than 28 KB.
pub(super) const SIZE_MAX: usize = 27_000;
/// Maximum length of the details of a failure, in characters.
const DETAILS_MAX: usize = 6000;

/// Builds a message; sentences are cut to `limit` characters.
pub(super) fn message(view: &View, links: &Links, limit: usize) -> Value {
    let mut body = vec![
        block(&[run(
            &view.title,
            &json!({"size": "Large", "weight": "Bolder"}),
        )]),
        block(&[run(&view.period, &json!({"isSubtle": true}))]),
        block(&[run(&one_line(&verdict(view), limit), &strong())]),
    ];
    let status = status_sentence(view);
    if !status.is_empty() {
        body.push(block(&[run(status, &plain())]));
    }
    for part in parts(view, limit) {
        body.extend(list(&part));
    }
    if let Some(more) = more_findings(view) {
        body.push(block(&[run(&more, &plain())]));
    }
    if !view.failure.is_empty() {
        let details = lines(&view.failure, DETAILS_MAX.min(limit.saturating_mul(15)));
        for line in details.lines().filter(|line| !line.is_empty()) {
            let style = json!({"fontType": "Monospace"});
            let mut row = block(&[run(line, &style)]);
            row["spacing"] = "None".into();
            body.push(row);
        }
    }
    let mut footer_block = block(&[run(
        &footer(view),
        &json!({"isSubtle": true, "size": "Small"}),
    )]);
    footer_block["separator"] = true.into();
    body.push(footer_block);
    let links_with_titles = [
        ("Open the report", &links.page),
        ("Open the PDF", &links.pdf),
    ];
    let actions = links_with_titles.iter().filter_map(|(title, url)| {
        let url = url.as_ref()?;
        Some(json!({"type": "Action.OpenUrl", "title": title, "url": url}))
    });
    let actions: Vec<Value> = actions.collect();
    json!({
        "type": "message",
        "summary": literal(&one_line(&format!("{}, {}", view.title, headline(view)), limit)),
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": body,
                "actions": actions,
            },
        }],
    })
}

fn list(part: &Part) -> Vec<Value> {
    let mut title = block(&[run(part.title, &strong())]);
    title["spacing"] = "Medium".into();
    let mut elements = vec![title];
    for (index, line) in part.lines.iter().enumerate() {
        let marker = if part.is_ordered {
            format!("{}. ", index + 1)
        } else {
            "• ".to_string()
        };
        let Line {
            before,
            strong: emphasised,
            after,
        } = line;
        let mut runs = vec![run(&format!("{marker}{before}"), &plain())];
        for (text, style) in [(emphasised, strong()), (after, plain())] {
            if !text.is_empty() {
                runs.push(run(text, &style));
            }
        }
        let mut row = block(&runs);
        row["spacing"] = "Small".into();
        elements.push(row);
    }
    elements
}

fn block(runs: &[Value]) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}

/// A literal text in this style.
fn run(text: &str, style: &Value) -> Value {
    let mut run = style.clone();
    run["type"] = "TextRun".into();
    run["text"] = literal(text).into();
    run
}

fn plain() -> Value {
    json!({})
}

fn strong() -> Value {
    json!({"weight": "Bolder"})
}

/// Separates the braces of functions such as `{{DATE(...)}}` with a word joiner, which is
/// invisible: some clients evaluate them in every text.
fn literal(text: &str) -> String {
    text.replace("{{", "{\u{2060}{")
}
