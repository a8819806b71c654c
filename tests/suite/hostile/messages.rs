//! Mail and notifications with hostile titles, composed as the program composes them.

use super::super::support::*;
use super::{
    DocumentText,
    markup::{self, is_hidden, parse, unknown},
    titles::{harmless, hostile},
    without_spaces,
};
use jiff::Timestamp;
use retrocast_domain::Report;
use retrocast_mail::{
    Channel, Content, Settings, Target, Templates, compose, notification, settings::SecretLocation,
    text::one_line,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Number of titles in a message: one is its title, and nine are in each of five findings.
const TITLES_PER_MESSAGE: usize = 46;
const SENTENCE_MAX: usize = 400;
const NAME_MAX: usize = 120;

/// A report whose title and findings contain these titles.
fn report(base: &Report, titles: &[String]) -> Report {
    let mut report = base.clone();
    report.title.clone_from(&titles[0]);
    let finding = report.headlines[0].clone();
    let parts = titles[1..].chunks(9).map(|part| {
        let mut finding = finding.clone();
        finding.subject.clone_from(&part[0]);
        finding.sentence = part[1..].join(" ");
        finding
    });
    report.headlines = parts.collect();
    report.asks = vec![report.headlines[0].sentence.clone()];
    report
}

/// The report of the demo run without its longest parts.
fn base() -> Report {
    let (_, run) = demo();
    let mut report: Report = serde_json::from_value(json(&run.join("report.json"))).unwrap();
    report.cells.clear();
    report.figures.clear();
    report
}

/// Calls a check with the plain report and then with each hostile one.
fn for_each_report(mut check: impl FnMut(&Report)) {
    let base = base();
    check(&report(&base, &harmless(TITLES_PER_MESSAGE)));
    let titles = hostile(super::TITLES, super::SEED);
    for part in titles.chunks(TITLES_PER_MESSAGE) {
        check(&report(&base, part));
    }
}

/// Decodes quoted-printable text.
fn decode(body: &str) -> String {
    let body = body.replace("=\r\n", "");
    let mut parts = body.split('=');
    let mut out = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let (digits, text) = part.split_at(2);
        out.push(u8::from_str_radix(digits, 16).unwrap());
        out.extend(text.as_bytes());
    }
    String::from_utf8(out).unwrap().replace('\r', "")
}

/// Splits a message or a part of it into the names of its headers and its body.
fn split_headers(text: &str) -> (Vec<&str>, &str) {
    let (headers, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let lines = headers.split("\r\n").filter(|line| !line.is_empty());
    let starts = lines.filter(|line| !line.starts_with([' ', '\t']));
    let names = starts.map(|line| line.split_once(':').unwrap().0);
    (names.collect(), body)
}

#[test]
fn hostile_titles_are_text_in_mail() {
    let settings = "from = \"Reports <reports@example.org>\"\n[server]\nhost = \"localhost\"\n\
                    tls = \"loopback-plaintext\"\n";
    let settings = Settings::parse(settings).unwrap();
    let templates = Templates::built_in();
    // The header names and the elements of the first message, which is harmless.
    let mut known: Option<(Vec<Vec<String>>, markup::Elements)> = None;
    for_each_report(|report| {
        let content = Content::of_report(report, "executive");
        let date = Timestamp::UNIX_EPOCH;
        let message = compose(&settings, &templates, &content, &settings.from, date).unwrap();
        let text = String::from_utf8(message.bytes).unwrap();
        assert!(text.is_ascii());
        assert!(text.split("\r\n").all(|line| line.len() <= 998));
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        assert!(!message.subject.chars().any(is_hidden));

        // The parts of the message, each after its boundary.
        let parts = text.split("\r\n--=_").enumerate();
        let parts = parts.map(|(index, part)| match index {
            0 => part,
            _ => part.split_once("\r\n").unwrap().1,
        });
        let (mut names, mut bodies) = (Vec::new(), Vec::new());
        for (headers, body) in parts.filter(|part| !part.is_empty()).map(split_headers) {
            names.push(headers.into_iter().map(str::to_string).collect::<Vec<_>>());
            bodies.push(decode(body));
        }
        let [_, plain, html] = &bodies[..] else {
            panic!("{} parts: {text}", bodies.len());
        };
        let html = parse(html).unwrap_or_else(|error| panic!("{error}"));
        let (known_names, known_elements) =
            known.get_or_insert_with(|| (names.clone(), html.elements.clone()));
        assert_eq!(&names, known_names);
        let new = unknown(&html, known_elements);
        assert!(new.is_empty() && html.scripts == 0, "{new:?}");

        let mut texts = [DocumentText::new(plain), DocumentText::new(&html.text)];
        for finding in &report.headlines {
            let sentence = one_line(&finding.sentence, SENTENCE_MAX);
            for text in &mut texts {
                assert!(text.contains(&sentence), "{sentence:?} is not in the mail");
            }
        }
    });
}

/// The texts of a payload, and the names of its fields with the types of its elements.
fn read(value: &Value, texts: &mut Vec<String>, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| read(item, texts, names)),
        Value::Object(fields) => {
            for (name, value) in fields {
                names.insert(name.clone());
                if ["type", "style", "contentType"].contains(&name.as_str()) {
                    names.insert(format!("{name} {value}"));
                }
                read(value, texts, names);
            }
        }
        _ => {}
    }
}

#[test]
fn hostile_titles_are_text_in_notifications() {
    let target = |channel| Target {
        name: "team".to_string(),
        channel,
        url: SecretLocation::Env("TEAM_URL".to_string()),
        secret: None,
        link: None,
    };
    let targets = [Channel::Slack, Channel::Teams, Channel::Webhook].map(target);
    let mut known: [Option<BTreeSet<String>>; 3] = Default::default();
    for_each_report(|report| {
        let content = Content::of_report(report, "executive");
        for (target, known) in targets.iter().zip(&mut known) {
            let message = notification::compose(target, &content, Timestamp::UNIX_EPOCH).unwrap();
            let payload: Value = serde_json::from_slice(&message.bytes).unwrap();
            let (mut texts, mut names) = (Vec::new(), BTreeSet::new());
            read(&payload, &mut texts, &mut names);
            let known = known.get_or_insert_with(|| names.clone());
            let new: Vec<_> = names.difference(known).collect();
            assert!(new.is_empty(), "{new:?}");
            for text in &texts {
                let is_hidden = |c: char| is_hidden(c) || c == '\r';
                assert!(!text.contains(is_hidden), "{text:?}");
                assert!(target.channel != Channel::Teams || !text.contains("{{"));
            }
            // Teams separates braces by a word joiner.
            let joined = without_spaces(&texts.concat().replace('\u{2060}', ""));
            for finding in &report.headlines {
                let sentence = one_line(&finding.sentence, SENTENCE_MAX);
                assert!(
                    joined.contains(&without_spaces(&sentence)),
                    "{sentence:?}: {joined}"
                );
            }
            match target.channel {
                // Only these texts may have mentions and links.
                Channel::Slack => {
                    let texts = [&payload["text"], &payload["blocks"][0]["text"]["text"]];
                    for text in texts {
                        let text = text.as_str().unwrap();
                        assert!(!text.contains(['<', '>']), "{text}");
                    }
                }
                Channel::Webhook => {
                    let data = &payload["data"];
                    assert_eq!(data["title"], one_line(&report.title, NAME_MAX));
                    let findings = data["findings"].as_array().unwrap();
                    for (event, finding) in findings.iter().zip(&report.headlines) {
                        assert_eq!(event["subject"], one_line(&finding.subject, NAME_MAX));
                        assert_eq!(event["sentence"], one_line(&finding.sentence, SENTENCE_MAX));
                    }
                }
                Channel::Teams | Channel::Mail => {}
            }
        }
    });
}
