//! Composed messages, read by an independent parser.

use super::fixture::*;
use crate::{Address, Content, Message, Templates, compose};
use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders as _};

fn date() -> Timestamp {
    "2026-11-16T09:00:00Z".parse().unwrap()
}

fn to() -> Address {
    "Ada <ada@example.org>".parse().unwrap()
}

fn message(content: &Content) -> Message {
    compose(
        &settings(25),
        &Templates::built_in(),
        content,
        &to(),
        date(),
    )
    .unwrap()
}

fn parse(message: &Message) -> mail_parser::Message<'_> {
    MessageParser::default().parse(&message.bytes).unwrap()
}

/// Checks the bytes against the rules of SMTP and RFC 5322.
fn check_bytes(bytes: &[u8]) {
    assert!(bytes.is_ascii());
    let text = std::str::from_utf8(bytes).unwrap();
    for line in text.split("\r\n") {
        assert!(line.len() <= 998, "{line}");
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    }
}

fn header_names(message: &Message) -> Vec<String> {
    let parsed = parse(message);
    let headers = parsed.headers_raw().map(|(name, _)| name.to_string());
    headers.collect()
}

#[test]
fn composing_is_deterministic() {
    let content = content_of(&report(), "complete");
    let first = message(&content);
    assert_eq!(first, message(&content_of(&report(), "complete")));
    check_bytes(&first.bytes);

    let other = |to: &str, content: &Content| {
        let to = to.parse().unwrap();
        compose(&settings(25), &Templates::built_in(), content, &to, date()).unwrap()
    };
    let ids = [
        first.message_id.clone(),
        other("bob@example.org", &content).message_id,
        message(&content_of(&report(), "partial")).message_id,
        message(&failure("r1")).message_id,
        message(&failure("r2")).message_id,
    ];
    for (i, id) in ids.iter().enumerate() {
        assert!(!ids[..i].contains(id), "{id} twice");
        assert!(
            id.starts_with("<retrocast.") && id.ends_with("@example.org>"),
            "{id}"
        );
    }
    // Another wording does not change the Message-ID.
    let templates = Templates::built_in().with("mail/subject.txt.j2", "new");
    let reworded = compose(&settings(25), &templates, &content, &to(), date()).unwrap();
    assert_eq!(
        (reworded.subject.as_str(), reworded.message_id),
        ("new", ids[0].clone())
    );
}

#[test]
fn headers_describe_the_message() {
    let message = message(&content_of(&report(), "complete"));
    let subject = "Weekly operations review, 9 to 15 November 2026: needs attention: four warnings";
    assert_eq!(message.subject, subject);
    let parsed = parse(&message);
    assert_eq!(parsed.subject(), Some(subject));
    let from = parsed.from().unwrap().first().unwrap();
    assert_eq!(from.name(), Some("R\u{e9}ports"));
    assert_eq!(from.address(), Some("reports@example.org"));
    assert_eq!(
        parsed.to().unwrap().first().unwrap().address(),
        Some("ada@example.org")
    );
    assert_eq!(parsed.date().unwrap().to_rfc3339(), "2026-11-16T09:00:00Z");
    assert_eq!(
        format!("<{}>", parsed.message_id().unwrap()),
        message.message_id
    );
    let raw = |name: &str| parsed.header_raw(name).unwrap().trim().to_string();
    assert_eq!(raw("List-ID"), "<weekly-operations.example.org>");
    assert_eq!(raw("Auto-Submitted"), "auto-generated");
    assert_eq!(raw("In-Reply-To"), raw("References"));
    let next = super::fixture::failure("r2");
    let next = self::message(&next);
    let thread = parse(&next)
        .header_raw("References")
        .unwrap()
        .trim()
        .to_string();
    assert_eq!(raw("References"), thread, "all mail of a job is one thread");
}

#[test]
fn parts_are_text_html_pictures_and_pdf() {
    let message = message(&content_of(&report(), "complete"));
    let parsed = parse(&message);
    let kinds: Vec<String> = parsed
        .parts
        .iter()
        .map(|part| {
            let kind = part.content_type().unwrap();
            format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "multipart/mixed",
            "multipart/alternative",
            "text/plain",
            "multipart/related",
            "text/html",
            "image/png",
            "image/png",
            "application/pdf",
        ]
    );
    let pdf = parsed.parts.last().unwrap();
    assert_eq!(pdf.contents(), PDF);
    assert_eq!(
        pdf.attachment_name(),
        Some("weekly-operations-2026-W46-executive.pdf")
    );
    let html = parsed.body_html(0).unwrap();
    for part in &parsed.parts[5..7] {
        let id = part.content_id().unwrap();
        assert!(html.contains(&format!("src=\"cid:{id}\"")), "{id}");
        let png = part.contents();
        let reader = png::Decoder::new(std::io::Cursor::new(png))
            .read_info()
            .unwrap();
        assert_eq!(reader.info().width, 2 * 552);
        assert!(png.len() < 60_000, "{}", png.len());
    }
}

#[test]
fn html_and_text_have_the_same_content() {
    let message = message(&content_of(&report(), "complete"));
    let parsed = parse(&message);
    let html = parsed.body_html(0).unwrap();
    let text = parsed.body_text(0).unwrap();
    assert!(html.len() < 100_000);
    for part in [
        "This week needs attention",
        "Success rate of executions",
        "worse",
        "better",
        "more frequent on Mondays",
        "Stay below the threshold.",
        "The records end on Friday.",
        "weekly-operations-2026-W46-executive.pdf",
        "https://reports.example.org/x/weekly-operations/2026-W46/r1/executive.html",
    ] {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let page = html.replace("&#x2f;", "/");
        assert!(page.contains(part), "{part}\n{page}");
        assert!(flat.contains(part), "{part}\n{text}");
    }
    assert!(html.contains("alt=\"Bar chart: 62 % more failures on Mondays"));
    for forbidden in [
        "<script",
        "javascript:",
        "src=\"http",
        "url(",
        "<link",
        "@import",
    ] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    // Long addresses are not broken.
    let fits = |line: &str| line.chars().count() <= 90 || line.contains("https://");
    assert!(text.lines().all(fits), "{text}");
}

#[test]
fn a_large_pdf_is_linked() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &report(), "complete");
    let large = vec![7; 2 << 20];
    std::fs::write(folder.path().join("executive.pdf"), large).unwrap();
    let mut settings = settings(25);
    settings.attach_max_mib = 1;
    let limit = settings.attach_max_bytes();
    for limit in [limit, 10 << 20] {
        let content = Content::read(folder.path(), "executive", &fonts(), limit).unwrap();
        let templates = Templates::built_in();
        let message = compose(&settings, &templates, &content, &to(), date()).unwrap();
        let parsed = parse(&message);
        let text = parsed.body_text(0).unwrap();
        assert!(
            text.contains(
                "https://reports.example.org/x/weekly-operations/2026-W46/r1/executive.pdf"
            ),
            "{text}"
        );
        assert!(text.contains("2.1 MB") && !text.contains("attached"));
        assert!(message.bytes.len() < 200_000);
    }
}

#[test]
fn partial_reports_and_failures_are_labelled() {
    let mut partial = report();
    let mut cell = retrocast_domain::Cell::new("outlook", "forecast");
    cell.status = retrocast_domain::CellStatus::Failed {
        message: "out of memory".to_string(),
    };
    partial.cells.push(cell);
    let message = message(&content_of(&partial, "partial"));
    assert!(
        message.subject.contains(": partial: needs attention"),
        "{}",
        message.subject
    );
    let parsed = parse(&message);
    for text in [parsed.body_text(0).unwrap(), parsed.body_html(0).unwrap()] {
        assert!(text.contains("This report is partial"));
        assert!(text.contains("outlook: out of memory"), "{text}");
    }

    let message = self::message(&failure("r1"));
    assert!(
        message
            .subject
            .ends_with("failed: source.tickets: no file matches"),
        "{}",
        message.subject
    );
    let parsed = parse(&message);
    for text in [parsed.body_text(0).unwrap(), parsed.body_html(0).unwrap()] {
        assert!(
            text.contains("could not be created") && text.contains("What failed"),
            "{text}"
        );
    }
    assert_eq!(parsed.attachment_count(), 0);
}

const HOSTILE: &str = "x\r\nBcc: thief@example.org\r\n\r\n.\r\nbody \u{202e}\u{0}\u{7}<script>alert(1)\
     </script>{{ 7 * 7 }}\" onload=\"y =?utf-8?Q?x?= \u{65e5}\u{672c}\u{8a9e} \u{1f600} --=_mail";

#[test]
fn hostile_text_is_escaped() {
    let harmless = message(&content_of(&report(), "complete"));
    let mut hostile = report();
    hostile.title = HOSTILE.to_string();
    hostile.period = HOSTILE.to_string();
    hostile.verdict = HOSTILE.to_string();
    hostile.headlines[0].sentence = HOSTILE.to_string();
    hostile.kpis[0].name = HOSTILE.to_string();
    hostile.asks[0] = HOSTILE.to_string();
    hostile.cells[0].charts[0].alt = HOSTILE.to_string();
    hostile.cells[0].charts[0].title = HOSTILE.to_string();
    hostile.cells[0].charts[0].id = "../../../../etc/passwd".to_string();
    hostile.job = "../x y\r\nBcc: z".to_string();
    hostile.window = "a/../b".to_string();
    let message = message(&content_of(&hostile, "complete"));
    check_bytes(&message.bytes);
    assert_eq!(header_names(&message), header_names(&harmless));
    assert!(
        message.subject.chars().count() <= 120,
        "{}",
        message.subject
    );
    let parsed = parse(&message);
    assert_eq!(parsed.subject(), Some(message.subject.as_str()));
    assert!(parsed.bcc().is_none());
    assert_eq!(parsed.parts.len(), parse(&harmless).parts.len());
    let html = parsed.body_html(0).unwrap();
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    assert!(!html.contains("\" onload=\"") && html.contains("{{ 7 * 7 }}"));
    let link = html
        .split("href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let link = link.replace("&#x2f;", "/");
    let expected =
        "https://reports.example.org/x/..%2Fx%20y%20Bcc:%20z/a%2F..%2Fb/r1/executive.html";
    assert_eq!(link, expected);
    for text in [html, parsed.body_text(0).unwrap()] {
        for hidden in ['\u{202e}', '\u{0}', '\u{7}'] {
            assert!(!text.contains(hidden), "{hidden:?}");
        }
    }
    for bad in ["a\nb <a@b.c>", "a@b.c\r\nBcc: x@y.z", "<a@b@c>", "ü@x.org"] {
        assert!(bad.parse::<Address>().is_err(), "{bad}");
    }
}

#[test]
fn long_texts_are_truncated() {
    let mut long = report();
    let word = "<&\u{65e5}> ".repeat(3000);
    long.title.clone_from(&word);
    long.verdict.clone_from(&word);
    long.notices = vec![word.clone(); 100];
    long.asks = vec![word.clone(); 100];
    long.headlines = vec![finding("rhythm", &word); 100];
    long.kpis = vec![kpi(&word, true); 100];
    for chart in long.cells.iter_mut().flat_map(|cell| &mut cell.charts) {
        chart.alt.clone_from(&word);
        chart.title.clone_from(&word);
    }
    let message = message(&content_of(&long, "complete"));
    let parsed = parse(&message);
    let html = parsed.body_html(0).unwrap();
    assert!(html.len() < 100_000, "{}", html.len());
    assert!(html.contains("And 95 more"));
    check_bytes(&message.bytes);
    assert!(message.subject.chars().count() <= 120);
}

#[test]
fn report_without_findings_charts_and_pdf_is_composed() {
    let mut empty = report();
    empty.headlines.clear();
    empty.asks.clear();
    empty.kpis.clear();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &empty, "complete");
    std::fs::remove_file(folder.path().join("executive.pdf")).unwrap();
    let content = Content::read(folder.path(), "executive", &fonts(), 1).unwrap();
    let message = message(&content);
    let parsed = parse(&message);
    assert_eq!(parsed.parts.len(), 3);
    assert!(
        parsed
            .body_text(0)
            .unwrap()
            .contains("No difference from the expected values is proven")
    );
}
