//! Messages of Slack in Block Kit, for incoming webhooks.
//!
//! Text is in `rich_text` blocks, whose text elements Slack shows literally, without mrkdwn,
//! mentions or links. Only the header and the text of the preview are escaped.

use super::{Line, Links, Part, footer, headline, more_findings, parts, status_sentence, verdict};
use crate::{
    content::View,
    text::{lines, one_line},
};
use serde_json::{Value, json};

/// Maximum size of a message, in bytes. Slack limits a message to 50 blocks and a text element to
/// 3,000 characters; this message has about ten blocks with shorter text.
pub(super) const SIZE_MAX: usize = 16_000;
/// Maximum length of a header.
const HEADER_MAX: usize = 150;
/// Maximum length of a text.
const TEXT_MAX: usize = 3000;

/// Builds a message; sentences are cut to `limit` characters.
pub(super) fn message(view: &View, links: &Links, limit: usize) -> Value {
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": escape(&view.title, HEADER_MAX), "emoji": false},
    })];
    let mut opening = vec![
        text(&format!("{}\n", view.period), false),
        text(&one_line(&verdict(view), limit), true),
    ];
    let status = status_sentence(view);
    if !status.is_empty() {
        opening.push(text(&format!("\n{status}"), false));
    }
    blocks.push(rich_text(&[section(&opening)]));
    blocks.extend(parts(view, limit).iter().map(list));
    if let Some(more) = more_findings(view) {
        blocks.push(rich_text(&[section(&[text(&more, false)])]));
    }
    if !view.failure.is_empty() {
        let details = lines(&view.failure, TEXT_MAX.min(limit.saturating_mul(6)));
        blocks.push(rich_text(&[json!({
            "type": "rich_text_preformatted", "elements": [text(&details, false)],
        })]));
    }
    let links_with_titles = [("Open the report", &links.page), ("PDF", &links.pdf)];
    let mut elements: Vec<Value> = Vec::new();
    for (name, url) in links_with_titles {
        let Some(url) = url else { continue };
        if !elements.is_empty() {
            elements.push(text(" · ", false));
        }
        elements.push(json!({"type": "link", "url": url, "text": name}));
    }
    if !elements.is_empty() {
        blocks.push(rich_text(&[section(&elements)]));
    }
    blocks.push(rich_text(&[section(&[text(&footer(view), false)])]));
    json!({
        "text": escape(&format!("{}, {}", view.title, headline(view)), TEXT_MAX),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn list(part: &Part) -> Value {
    let items: Vec<Value> = part.lines.iter().map(|line| section(&runs(line))).collect();
    let style = if part.is_ordered { "ordered" } else { "bullet" };
    rich_text(&[
        section(&[text(part.title, true)]),
        json!({"type": "rich_text_list", "style": style, "elements": items}),
    ])
}

fn runs(line: &Line) -> Vec<Value> {
    let parts = [
        (&line.before, false),
        (&line.strong, true),
        (&line.after, false),
    ];
    let filled = parts.into_iter().filter(|(part, _)| !part.is_empty());
    filled
        .map(|(part, is_strong)| text(part, is_strong))
        .collect()
}

fn rich_text(elements: &[Value]) -> Value {
    json!({"type": "rich_text", "elements": elements})
}

fn section(elements: &[Value]) -> Value {
    json!({"type": "rich_text_section", "elements": elements})
}

/// A literal text element. Slack rejects empty text.
fn text(text: &str, is_strong: bool) -> Value {
    let text = if text.is_empty() { " " } else { text };
    if is_strong {
        json!({"type": "text", "text": text, "style": {"bold": true}})
    } else {
        json!({"type": "text", "text": text})
    }
}

/// Escapes a text as Slack specifies: the three characters that start mentions and links. The
/// result has at most `limit` characters.
fn escape(text: &str, limit: usize) -> String {
    let replace = |c: char| match c {
        '&' => "&amp;".to_string(),
        '<' => "&lt;".to_string(),
        '>' => "&gt;".to_string(),
        c => c.to_string(),
    };
    let escape_all = |text: &str| text.chars().map(replace).collect::<String>();
    let mut length = limit;
    loop {
        let escaped = escape_all(&one_line(text, length));
        if escaped.chars().count() <= limit || length <= 1 {
            return escaped;
        }
        length -= (escaped.chars().count() - limit)
            .div_ceil(5)
            .min(length - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn mentions_are_escaped_within_the_limit() {
        assert_eq!(escape("<!channel> & co", 99), "&lt;!channel&gt; &amp; co");
        let long = escape(&"&".repeat(500), 150);
        assert!(long.chars().count() <= 150 && long.ends_with('…'), "{long}");
        assert!(long.starts_with(&"&amp;".repeat(28)), "{long}");
    }
}
