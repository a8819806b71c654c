//! Composed notifications: envelope, limits of the services, and hostile text.

use super::{
    fixture::{content_of, failure, finding, kpi, report},
    http::target,
};
use crate::{Channel, Content, notification::compose};
use jiff::Timestamp;
use retrocast_domain::Report;
use serde_json::{Value, json};

const HOSTILE: &str = "<!channel> <https://evil.example|click> *bold* _it_ `code` ~no~ & :fire: \
    [link](https://evil.example) **b** {{DATE(2017-02-14T06:00:00Z, SHORT)}} <at>all</at> @here";

fn time() -> Timestamp {
    "2026-11-16T09:00:00Z".parse().unwrap()
}

fn payload(channel: Channel, content: &Content) -> (Vec<u8>, Value) {
    let message = compose(&target(channel), content, time()).unwrap();
    let value = serde_json::from_slice(&message.bytes).unwrap();
    (message.bytes, value)
}

/// All values of a key, at any depth.
fn texts<'a>(value: &'a Value, key: &str, out: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if name == key && value.is_string() {
                    out.push(value);
                }
                texts(value, key, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, out)),
        _ => {}
    }
}

/// The objects of a type, at any depth.
fn objects<'a>(value: &'a Value, kind: &str, out: &mut Vec<&'a Value>) {
    if value["type"] == kind {
        out.push(value);
    }
    match value {
        Value::Object(map) => map.values().for_each(|value| objects(value, kind, out)),
        Value::Array(items) => items.iter().for_each(|item| objects(item, kind, out)),
        _ => {}
    }
}

/// A report with the longest text in the widest characters.
fn longest(text: &str) -> Report {
    let long = format!("{text} {}", "\u{1f40c}".repeat(3000));
    let mut report = report();
    report.title.clone_from(&long);
    report.verdict.clone_from(&long);
    report.period.clone_from(&long);
    report.notices = vec![long.clone(); 50];
    report.asks = vec![long.clone(); 50];
    report.headlines = (0..50).map(|_| finding("rhythm", &long)).collect();
    report.kpis = (0..50).map(|_| kpi(&long, true)).collect();
    report
}

#[test]
fn events_are_cloud_events() {
    let content = content_of(&report(), "complete");
    let (bytes, event) = payload(Channel::Webhook, &content);
    assert_eq!(bytes, payload(Channel::Webhook, &content).0);
    for (key, expected) in [
        ("specversion", json!("1.0")),
        ("type", json!("retrocast.run.completed")),
        ("source", json!("/retrocast/jobs/weekly-operations")),
        ("subject", json!("2026-W46/r1")),
        ("time", json!("2026-11-16T09:00:00Z")),
        ("datacontenttype", json!("application/json")),
    ] {
        assert_eq!(event[key], expected, "{key}");
    }
    let data = &event["data"];
    assert_eq!(data["summary"], report().verdict);
    assert_eq!(
        data["key_figures"][0],
        json!({
            "name": "Success rate of executions", "value": 0.951, "interval": [0.934, 0.963],
            "unit": "share", "text": "95.1\u{a0}%",
            "change": "−0.7\u{a0}percentage points", "judgement": "worse",
            "target": "target 95.0\u{a0}%: met, but not clearly",
        })
    );
    assert_eq!(data["findings"][1]["severity"], "warning");
    assert_eq!(data["findings"][1]["id"], report().headlines[1].id);
    let page = "https://reports.example.org/x/weekly-operations/2026-W46/r1/executive.html";
    assert_eq!(data["links"]["page"], page);
    assert_eq!(data["actions"], json!(["Stay below the threshold."]));

    let ids = [
        event["id"].clone(),
        payload(Channel::Webhook, &content_of(&report(), "partial")).1["id"].clone(),
        payload(Channel::Webhook, &failure("r1")).1["id"].clone(),
        payload(Channel::Webhook, &failure("r2")).1["id"].clone(),
    ];
    for (n, id) in ids.iter().enumerate() {
        assert!(
            !ids[..n].contains(id) && id.as_str().unwrap().len() == 32,
            "{id}"
        );
    }
    let failed = payload(Channel::Webhook, &failure("r1")).1;
    assert_eq!(failed["type"], "retrocast.run.failed");
    assert_eq!(failed["data"]["summary"], "source.tickets: no file matches");
    assert!(
        failed["data"]["details"]
            .as_str()
            .unwrap()
            .contains("What failed")
    );
}

#[test]
fn slack_messages_are_within_the_limits() {
    for (content, blocks_min) in [
        (content_of(&report(), "complete"), 5),
        (content_of(&longest("long"), "partial"), 5),
        (content_of(&longest(&"&".repeat(900)), "partial"), 5),
        (failure("r1"), 3),
    ] {
        let (bytes, message) = payload(Channel::Slack, &content);
        let blocks = message["blocks"].as_array().unwrap();
        assert!(
            blocks.len() >= blocks_min && blocks.len() <= 50,
            "{}",
            blocks.len()
        );
        assert!(bytes.len() < 40_000, "{}", bytes.len());
        let header = blocks[0]["text"]["text"].as_str().unwrap();
        assert!(
            !header.is_empty() && header.chars().count() <= 150,
            "{header}"
        );
        let mut values = Vec::new();
        texts(&message, "text", &mut values);
        assert!(values.len() > blocks.len());
        for text in values {
            let length = text.as_str().unwrap().encode_utf16().count();
            assert!((1..=3000).contains(&length), "{text}");
        }
    }
}

#[test]
fn slack_shows_hostile_texts_literally() {
    let mut report = longest(HOSTILE);
    report.title = HOSTILE.to_string();
    let (_, message) = payload(Channel::Slack, &content_of(&report, "complete"));
    for text in [&message["text"], &message["blocks"][0]["text"]["text"]] {
        let text = text.as_str().unwrap();
        assert!(text.starts_with("&lt;!channel&gt; &lt;https:"), "{text}");
        assert!(!text.contains(['<', '>']), "{text}");
    }
    // Literal text everywhere else: nothing is parsed as mrkdwn, and every link is our own.
    let mut parsed = Vec::new();
    objects(&message, "mrkdwn", &mut parsed);
    assert!(parsed.is_empty());
    let mut links = Vec::new();
    objects(&message, "link", &mut links);
    assert_eq!(links.len(), 2);
    for link in links {
        assert!(
            link["url"]
                .as_str()
                .unwrap()
                .starts_with("https://reports.example.org/x/")
        );
    }
    let mut runs = Vec::new();
    objects(&message["blocks"], "text", &mut runs);
    let has_text = runs
        .iter()
        .any(|run| run["text"].as_str().unwrap().contains("<!channel> <https"));
    assert!(has_text);
}

#[test]
fn teams_messages_are_within_the_limit_and_have_no_markdown() {
    for (content, status) in [
        (content_of(&report(), "complete"), "attention"),
        (content_of(&longest(HOSTILE), "partial"), "partial"),
        (failure("r1"), "could not be created"),
    ] {
        let (bytes, message) = payload(Channel::Teams, &content);
        assert!(bytes.len() <= 28_000, "{}", bytes.len());
        assert!(String::from_utf8_lossy(&bytes).contains(status));
        assert!(!String::from_utf8_lossy(&bytes).contains("{{"));
        assert_eq!(message["type"], "message");
        let attachment = &message["attachments"][0];
        assert_eq!(
            attachment["contentType"],
            "application/vnd.microsoft.card.adaptive"
        );
        let card = &attachment["content"];
        assert_eq!(
            (&card["type"], &card["version"]),
            (&json!("AdaptiveCard"), &json!("1.4"))
        );
        // Only elements without Markdown.
        for element in card["body"].as_array().unwrap() {
            assert_eq!(element["type"], "RichTextBlock");
            for run in element["inlines"].as_array().unwrap() {
                assert_eq!(run["type"], "TextRun");
                assert!(!run["text"].as_str().unwrap().is_empty());
            }
        }
        for action in card["actions"].as_array().unwrap() {
            let url = action["url"].as_str().unwrap();
            assert!(url.starts_with("https://reports.example.org/x/"), "{url}");
        }
    }
}

#[test]
fn messages_for_people_read_well() {
    let content = content_of(&report(), "complete");
    let (_, message) = payload(Channel::Slack, &content);
    let mut runs = Vec::new();
    texts(&message["blocks"], "text", &mut runs);
    let text: Vec<&str> = runs.iter().map(|run| run.as_str().unwrap()).collect();
    let text = text.join("").replace('\u{a0}', " ");
    for sentence in [
        "Success rate of executions: 95.1 % (95 % interval 93.4 to 96.3 %); −0.7 percentage points \
         against the previous period, worse; target 95.0 %: met, but not clearly",
        "Warning: Failures are 62.0 % more frequent on Mondays.",
        "Job weekly-operations, window 2026-W46, run r1. Sent by Retrocast.",
    ] {
        assert!(text.contains(sentence), "{sentence}\n{text}");
    }
}
