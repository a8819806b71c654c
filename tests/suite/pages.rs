//! PDFs and HTML pages, read by other programs.

use super::support::*;
use std::{fs, process::Command};

fn command(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(name).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn pdfs_are_tagged_and_declare_their_conformance() {
    if !has_tool("pdfs_are_tagged_and_declare_their_conformance", "pdfinfo") {
        return;
    }
    let (_, run) = demo();
    for name in ["executive.pdf", "technical.pdf"] {
        let path = run.join(name).display().to_string();
        let info = command("pdfinfo", &[&path]);
        assert!(info.contains("Tagged:          yes"), "{name}: {info}");
        assert!(info.contains("Title:"), "{name}: {info}");
        let metadata = command("pdfinfo", &["-meta", &path]);
        assert!(
            metadata.contains("pdfuaid:part>1<"),
            "{name} does not claim PDF/UA-1: {metadata}"
        );
        assert!(
            metadata.contains("pdfaid:part>3<"),
            "{name} does not claim PDF/A-3: {metadata}"
        );
        assert!(
            metadata.contains("pdfaid:conformance>A<"),
            "{name} does not claim level A"
        );
        let structure = command("pdfinfo", &["-struct", &path]);
        assert!(
            structure.contains("Figure") && structure.contains("H1"),
            "{name}: {structure}"
        );
    }
    let info = command(
        "pdfinfo",
        &[&run.join("executive.pdf").display().to_string()],
    );
    let pages = info
        .lines()
        .find_map(|line| line.strip_prefix("Pages:"))
        .unwrap()
        .trim();
    assert!(
        matches!(pages, "3" | "4"),
        "the executive report has {pages} pages"
    );
}

#[test]
fn pdfs_contain_the_report_of_the_run() {
    if !has_tool("pdfs_contain_the_report_of_the_run", "pdfdetach") {
        return;
    }
    let (_, run) = demo();
    let scratch = Scratch::new();
    for name in ["executive.pdf", "technical.pdf"] {
        let out = scratch.join("report.json");
        let pdf = run.join(name).display().to_string();
        command(
            "pdfdetach",
            &["-save", "1", "-o", &out.display().to_string(), &pdf],
        );
        assert!(
            fs::read(&out).unwrap() == fs::read(run.join("report.json")).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn sentences_are_in_reading_order() {
    if !has_tool("sentences_are_in_reading_order", "pdftotext") {
        return;
    }
    let (_, run) = demo();
    let report = json(&run.join("report.json"));
    let path = run.join("executive.pdf").display().to_string();
    let text = without_spaces(&command("pdftotext", &[&path, "-"]));
    let mut from = 0;
    let headlines = report["headlines"].as_array().unwrap();
    let sentences = headlines
        .iter()
        .take(3)
        .map(|finding| finding["sentence"].as_str().unwrap());
    for sentence in std::iter::once(report["verdict"].as_str().unwrap()).chain(sentences) {
        let sentence = without_spaces(sentence);
        let position = text[from..].find(&sentence);
        assert!(
            position.is_some(),
            "{sentence:?} is not in the text after byte {from}:\n{text}"
        );
        from += position.unwrap();
    }
}

/// Removes spaces, line breaks and soft hyphens, which depend on the layout.
fn without_spaces(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && *c != '\u{ad}')
        .collect()
}

#[test]
fn hostile_text_is_escaped() {
    if !has_tool("hostile_text_is_escaped", "pdftotext") {
        return;
    }
    let (_, run) = demo();
    let path = run.join("technical.pdf").display().to_string();
    let pdf = without_spaces(&command("pdftotext", &[&path, "-"]));
    let html = fs::read_to_string(run.join("technical.html")).unwrap();
    for hostile in ["#read(\"secret.txt\")", "</script>", "=cmd('calc')"] {
        assert!(
            pdf.contains(&without_spaces(hostile)),
            "{hostile} is not in the PDF"
        );
        let escaped = hostile
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;");
        let escaped = escaped.replace('\'', "&#x27;");
        let with_slashes = escaped.replace('/', "&#x2f;");
        assert!(
            html.contains(&escaped) || html.contains(&with_slashes),
            "{hostile} is not in the HTML"
        );
    }
    let scripts = html.matches("<script").count();
    assert_eq!(scripts, 1, "the HTML contains a script besides its own");
}

#[test]
fn html_loads_no_external_resources() {
    let (scratch, run) = demo();
    for path in [
        run.join("executive.html"),
        run.join("technical.html"),
        scratch.join("reports/index.html"),
    ] {
        let html = fs::read_to_string(&path).unwrap();
        for needle in [
            "src=\"http",
            "href=\"http",
            "url(http",
            "@import",
            "<iframe",
        ] {
            assert!(
                !html.contains(needle),
                "{} contains {needle}",
                path.display()
            );
        }
        // Pages of the archive share a style sheet beside them.
        let style = fs::read_to_string(path.with_file_name("style.css")).unwrap_or_default();
        assert!(
            format!("{html}{style}").contains("prefers-color-scheme"),
            "{} has no dark mode",
            path.display()
        );
        assert!(
            html.contains("<meta name=\"viewport\""),
            "{}",
            path.display()
        );
        assert!(html.contains("lang=\"en\""), "{}", path.display());
    }
}

/// Pages must not scroll sideways on a phone: Chromium measures the width of the document.
#[test]
fn pages_fit_a_phone() {
    if !has_tool("pages_fit_a_phone", "chromium") {
        return;
    }
    let (scratch, run) = demo();
    for path in [
        run.join("executive.html"),
        run.join("technical.html"),
        scratch.join("reports/index.html"),
    ] {
        let html = fs::read_to_string(&path).unwrap();
        // A copy with a script; it must not have the policy that forbids scripts.
        let probe = html
            .replace("Content-Security-Policy", "x-policy")
            .replace("</body>", PROBE);
        assert!(
            probe.contains("data-overflow"),
            "no </body> in {}",
            path.display()
        );
        let frame = Scratch::new();
        if let Ok(style) = fs::read(path.with_file_name("style.css")) {
            frame.write("style.css", style);
        }
        let page = frame.write("probe.html", probe);
        let profile = frame.join("profile");
        let dom = command(
            "chromium",
            &[
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--window-size=500,900",
                &format!("--user-data-dir={}", profile.display()),
                "--dump-dom",
                &format!("file://{}", page.display()),
            ],
        );
        let value = dom
            .split("data-overflow-result=\"")
            .nth(1)
            .map(|after| after.split('"').next().unwrap());
        assert_eq!(value, Some("0"), "{} is wider than a phone", path.display());
    }
}

/// Puts the page into a box 360 px wide and reports by how many pixels the page exceeds it.
const PROBE: &str = r#"<script>/* data-overflow */
document.documentElement.style.width = "360px";
document.body.style.width = "360px"; document.body.style.boxSizing = "border-box";
document.documentElement.setAttribute("data-overflow-result",
  Math.max(0, document.documentElement.scrollWidth - Math.max(360, window.innerWidth)));
</script></body>"#;
