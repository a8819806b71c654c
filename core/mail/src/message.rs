//! Composes messages: the same content, recipient and date give the same bytes.
//!
//! It uses neither randomness nor a clock. The Message-ID is derived from run, report, recipient
//! and content, the MIME boundaries from the Message-ID, and the Date is that of queueing.

use crate::{
    Address, Error, Settings, Templates,
    content::{Content, FailureNotice, MessageKind, View},
    delivery::{Channel, identity},
    text::{one_line, plain_spaces},
};
use jiff::Timestamp;
use lettre::message::{
    MultiPart, SinglePart, SinglePartBuilder,
    header::{
        ContentDisposition, ContentId, ContentTransferEncoding, ContentType, HeaderName,
        HeaderValue,
    },
};
use retrocast_domain::{Report, canonical};
use serde::Serialize;
use std::error::Error as StdError;

/// Maximum length of a subject, in characters; mail programs show even fewer.
const SUBJECT_MAX: usize = 120;

/// A composed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Channel by which it is sent.
    pub channel: Channel,
    /// Identity of its delivery; see [`identity`].
    pub id: String,
    /// The Message-ID of a mail, with angle brackets; otherwise the id of the event.
    pub message_id: String,
    /// Subject of a mail, or summary of a notification.
    pub subject: String,
    /// Address of the recipient, or name of a notification.
    pub to: String,
    /// Headers and body of a mail, in ASCII with CRLF; otherwise JSON.
    pub bytes: Vec<u8>,
}

/// Values for the templates, in addition to the content.
#[derive(Serialize)]
struct Values<'a> {
    #[serde(flatten)]
    view: &'a View,
    subject: &'a str,
    attached: bool,
    link: Option<String>,
    pdf_link: Option<String>,
    cids: &'a [String],
}

/// Checks templates by composing the messages of a report and of a failure.
pub fn check(templates: &Templates, report: &Report) -> Result<(), Error> {
    const SETTINGS: &str = "from = \"reports@localhost\"\n[server]\nhost = \"localhost\"\n\
                            tls = \"loopback-plaintext\"\n";
    let settings = Settings::parse(SETTINGS)?;
    let failure = FailureNotice {
        job: report.job.clone(),
        details: "details".to_string(),
        ..FailureNotice::default()
    };
    let to = &settings.from;
    for content in [
        Content::of_report(report, "executive"),
        Content::of_failure(&failure, "executive"),
    ] {
        compose(&settings, templates, &content, to, Timestamp::UNIX_EPOCH)?;
    }
    Ok(())
}

/// Composes the message for one recipient with this date.
pub fn compose(
    settings: &Settings,
    templates: &Templates,
    content: &Content,
    to: &Address,
    date: Timestamp,
) -> Result<Message, Error> {
    let view = &content.view;
    let id = identity(Channel::Mail, &to.email, content.key());
    let domain = settings.from.domain();
    let message_id = format!("<retrocast.{id}@{domain}>");
    let cids: Vec<String> = (1..=content.pictures.len())
        .map(|n| format!("chart-{n}.{id}@{domain}"))
        .collect();
    let pdf = content
        .pdf
        .as_ref()
        .filter(|pdf| pdf.len() as u64 <= settings.attach_max_bytes());
    let link_to = |file: &str| {
        let file = format!("{}{file}", view.report);
        let link = || settings.link_to(&[&view.job, &view.window, &view.run, &file]);
        if view.is_slice { None } else { link() }
    };
    let mut values = Values {
        view,
        subject: "",
        attached: pdf.is_some(),
        link: match view.kind {
            MessageKind::Failure => {
                settings.link_to(&[&view.job, &view.window, &view.run, "failure.html"])
            }
            _ => link_to(".html"),
        },
        pdf_link: view.pdf.as_ref().and_then(|_| link_to(".pdf")),
        cids: &cids,
    };
    let subject = templates.render("mail/subject.txt.j2", &values)?;
    let subject = one_line(&plain_spaces(&subject), SUBJECT_MAX);
    values.subject = &subject;
    let template = match view.kind {
        MessageKind::Failure => "failure",
        MessageKind::Report | MessageKind::Partial => "report",
    };
    let text = plain_spaces(&templates.render(&format!("mail/{template}.txt.j2"), &values)?);
    let html = templates.render(&format!("mail/{template}.html.j2"), &values)?;

    let boundary = |part: &str| format!("=_{part}_{id}");
    let html = SinglePart::builder()
        .header(ContentType::TEXT_HTML)
        .header(ContentTransferEncoding::QuotedPrintable)
        .body(html);
    let alternatives = MultiPart::alternative()
        .boundary(boundary("text"))
        .singlepart(
            SinglePart::builder()
                .header(ContentType::TEXT_PLAIN)
                .header(ContentTransferEncoding::QuotedPrintable)
                .body(text),
        );
    let alternatives = if content.pictures.is_empty() {
        alternatives.singlepart(html)
    } else {
        let mut page = MultiPart::related()
            .boundary(boundary("page"))
            .singlepart(html);
        for (picture, cid) in content.pictures.iter().zip(&cids) {
            page = page.singlepart(
                base64_part("image/png")?
                    .header(ContentId::from(format!("<{cid}>")))
                    .header(ContentDisposition::inline())
                    .body(picture.png.clone()),
            );
        }
        alternatives.multipart(page)
    };
    let body = match (pdf, &view.pdf) {
        (Some(pdf), Some(pdf_view)) => MultiPart::mixed()
            .boundary(boundary("mail"))
            .multipart(alternatives)
            .singlepart(
                base64_part("application/pdf")?
                    .header(ContentDisposition::attachment(&pdf_view.name))
                    .body(pdf.clone()),
            ),
        _ => alternatives,
    };
    let thread = format!("<retrocast.thread.{}@{domain}>", canonical::hash(&view.job));
    let list = list_id(&view.job, settings.list_id.as_deref().unwrap_or(domain));
    let message = lettre::Message::builder()
        .from(settings.from.mailbox()?)
        .to(to.mailbox()?)
        .subject(subject.clone())
        .date(date.into())
        .message_id(Some(message_id.clone()))
        .in_reply_to(thread.clone())
        .references(thread)
        .raw_header(header("List-ID", list)?)
        .raw_header(header("Auto-Submitted", "auto-generated".to_string())?)
        .multipart(body)
        .map_err(compose_error)?;
    Ok(Message {
        channel: Channel::Mail,
        id,
        message_id,
        subject,
        to: to.email.clone(),
        bytes: message.formatted(),
    })
}

fn base64_part(media_type: &str) -> Result<SinglePartBuilder, Error> {
    let media_type = ContentType::parse(media_type).map_err(compose_error)?;
    let part = SinglePart::builder().header(media_type);
    Ok(part.header(ContentTransferEncoding::Base64))
}

/// Formats a List-Id: "<weekly-operations.reports.example.org>" (RFC 2919).
fn list_id(job: &str, domain: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = job.chars().take(60).map(safe).collect();
    format!("<{}.{domain}>", name.trim_matches('-'))
}

fn header(name: &str, value: String) -> Result<HeaderValue, Error> {
    let name = HeaderName::new_from_ascii(name.to_string()).map_err(compose_error)?;
    Ok(HeaderValue::new(name, value))
}

fn compose_error(error: impl StdError) -> Error {
    Error::Message(error.to_string())
}
