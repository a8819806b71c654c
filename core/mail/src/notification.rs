//! Composes notifications: the same content, target and date give the same bytes.
//!
//! [`webhook`] builds an event for programs, [`slack`] and [`teams`] build messages for people.
//! Text is never markup: both services have elements for literal text, and only these elements are
//! used.

mod slack;
mod teams;
mod webhook;

use crate::{
    Content, Error, Message,
    content::{FindingView, KpiView, MessageKind, View},
    delivery::{Channel, identity},
    settings::{SecretLocation, link_to},
    text::{one_line, plain_spaces},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use url::Url;

/// Maximum length of a subject, in characters.
const SUBJECT_MAX: usize = 200;

/// Lengths to which sentences are cut until a message fits, in characters.
const SENTENCE_LIMITS: [usize; 4] = [400, 200, 100, 40];

/// A receiver of notifications, without its secrets.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name in the job file.
    pub name: String,
    /// The service: any channel except mail.
    pub channel: Channel,
    /// Location of the address, which is a secret.
    pub url: SecretLocation,
    /// Location of the signing key, for a webhook.
    pub secret: Option<SecretLocation>,
    /// Base address of the archive for links.
    pub link: Option<Url>,
}

/// Addresses of a run's files in the archive; `None` without a base address.
#[derive(Debug, Clone, Serialize)]
struct Links {
    /// The report, or the failure page.
    page: Option<String>,
    /// The report as PDF.
    pdf: Option<String>,
}

/// Composes the notification for a target with this date.
pub fn compose(target: &Target, content: &Content, date: Timestamp) -> Result<Message, Error> {
    let view = &content.view;
    let id = identity(target.channel, &target.name, content.key());
    let link = |file: &str| {
        let base = target.link.as_ref()?;
        link_to(base, &[&view.job, &view.window, &view.run, file])
    };
    let links = Links {
        page: match view.kind {
            MessageKind::Failure => link("failure.html"),
            MessageKind::Report | MessageKind::Partial => link(&format!("{}.html", view.report)),
        },
        pdf: view
            .pdf
            .as_ref()
            .and_then(|_| link(&format!("{}.pdf", view.report))),
    };
    let bytes = match target.channel {
        Channel::Slack => fit(slack::SIZE_MAX, |limit| slack::message(view, &links, limit)),
        Channel::Teams => fit(teams::SIZE_MAX, |limit| teams::message(view, &links, limit)),
        Channel::Webhook => to_json(&webhook::event(view, &links, &id, date)),
        Channel::Mail => Err(Error::Message("a notification is not a mail".to_string())),
    }?;
    let subject = plain_spaces(&format!("{}, {}", view.title, headline(view)));
    Ok(Message {
        channel: target.channel,
        message_id: id.clone(),
        id,
        subject: one_line(&subject, SUBJECT_MAX),
        to: target.name.clone(),
        bytes,
    })
}

/// Composes with shorter and shorter sentences until the bytes fit.
fn fit(size: usize, compose: impl Fn(usize) -> Value) -> Result<Vec<u8>, Error> {
    for limit in SENTENCE_LIMITS {
        let bytes = to_json(&compose(limit))?;
        if bytes.len() <= size {
            return Ok(bytes);
        }
    }
    Err(Error::Message(format!(
        "the notification is larger than {size} bytes"
    )))
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Message(error.to_string()))
}

/// The verdict with the period: "9 to 15 November 2026: This week needs attention ...".
fn headline(view: &View) -> String {
    format!("{}: {}", view.period, verdict(view))
}

fn verdict(view: &View) -> String {
    match view.kind {
        MessageKind::Failure => format!(
            "The {} report could not be created: {}",
            view.report, view.verdict
        ),
        MessageKind::Report | MessageKind::Partial => view.verdict.clone(),
    }
}

/// A line of a list: an emphasised part between two plain ones.
struct Line {
    before: String,
    strong: String,
    after: String,
}

/// A part of a message for people.
struct Part {
    title: &'static str,
    /// True if its lines are numbered.
    is_ordered: bool,
    lines: Vec<Line>,
}

/// The lists of a message, in order; sentences are cut to `limit` characters.
fn parts(view: &View, limit: usize) -> Vec<Part> {
    let plain = |text: &String| Line {
        before: one_line(text, limit),
        strong: String::new(),
        after: String::new(),
    };
    let list = |title, is_ordered, lines: Vec<Line>| Part {
        title,
        is_ordered,
        lines,
    };
    let is_failure = view.kind == MessageKind::Failure;
    let mut findings: Vec<Line> = view
        .findings
        .iter()
        .map(|item| finding(item, limit))
        .collect();
    if findings.is_empty() && !is_failure {
        findings.push(plain(
            &"No difference from the expected values is proven.".to_string(),
        ));
    }
    let is_partial = view.kind == MessageKind::Partial;
    let missing = if is_partial { &view.missing[..] } else { &[] };
    [
        list("Missing parts", false, missing.iter().map(plain).collect()),
        list("Notes", false, view.notices.iter().map(plain).collect()),
        list(
            "Key figures",
            false,
            view.kpis.iter().map(|kpi| key_figure(kpi, limit)).collect(),
        ),
        list("What matters most", !view.findings.is_empty(), findings),
        list(
            "Requested actions",
            true,
            view.asks.iter().map(plain).collect(),
        ),
    ]
    .into_iter()
    .filter(|part| !part.lines.is_empty())
    .collect()
}

fn finding(finding: &FindingView, limit: usize) -> Line {
    let mut severity: Vec<char> = finding.severity.chars().collect();
    if let Some(first) = severity.first_mut() {
        first.make_ascii_uppercase();
    }
    Line {
        before: String::new(),
        strong: severity.into_iter().chain([':', ' ']).collect(),
        after: one_line(&finding.sentence, limit),
    }
}

/// Formats a key figure: "Success rate: 95.1 % (93.4 to 96.3 %); −0.7 percentage points against the
/// previous period, worse; target 95.0 %: met".
fn key_figure(kpi: &KpiView, limit: usize) -> Line {
    let mut after = match kpi.interval.as_str() {
        "" => String::new(),
        interval => format!(" (95\u{a0}% interval {interval})"),
    };
    if !kpi.change.is_empty() {
        let judgement = match kpi.judgement {
            "" => "not proven",
            judgement => judgement,
        };
        after = format!(
            "{after}; {} against the previous period, {judgement}",
            kpi.change
        );
    }
    if !kpi.target.is_empty() {
        after = format!("{after}; {}", kpi.target);
    }
    // A leading space would be removed.
    let space = if after.starts_with(' ') { " " } else { "" };
    Line {
        before: format!("{}: ", one_line(&kpi.name, limit)),
        strong: one_line(&kpi.text, limit),
        after: format!("{space}{}", one_line(&after, limit)),
    }
}

/// Formats "And 3 more in the report."; `None` if the message has all findings.
fn more_findings(view: &View) -> Option<String> {
    (view.findings_more > 0).then(|| format!("And {} more in the report.", view.findings_more))
}

fn footer(view: &View) -> String {
    format!(
        "Job {}, window {}, run {}. Sent by Retrocast.",
        view.job, view.window, view.run
    )
}

/// States that a report is partial; empty for other kinds.
fn status_sentence(view: &View) -> &'static str {
    match view.kind {
        MessageKind::Partial => "This report is partial.",
        MessageKind::Report | MessageKind::Failure => "",
    }
}
