use super::*;
use retrocast_run::RunStatus;

/// Updates the archive; returns the front page.
fn update_archive(root: &Path) -> Result<PathBuf, Error> {
    Ok(update(root, None)?.index)
}

fn summary(run: &str, job: &str, window: &str, date: &str, status: RunStatus) -> RunSummary {
    RunSummary {
        run: run.to_string(),
        job: job.to_string(),
        title: format!("Title of {job}"),
        window: window.to_string(),
        period: "9 to 15 November 2026".to_string(),
        date: date.parse().ok(),
        status,
        headline: "Mondays see 73 % more failures.".to_string(),
        started: format!("{date}T09:00:00Z").parse().ok(),
        finished: format!("{date}T09:01:02Z").parse().ok(),
        reused: 3,
        executed: 9,
        parent: None,
        error: None,
    }
}

fn write_run(root: &Path, summary: &RunSummary) -> PathBuf {
    let folder = root
        .join(&summary.job)
        .join(&summary.window)
        .join(&summary.run);
    std::fs::create_dir_all(&folder).unwrap();
    summary.write(&folder).unwrap();
    for name in ["executive.pdf", "technical.html", "report.json"] {
        std::fs::write(folder.join(name), "x").unwrap();
    }
    folder
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Checks that every relative link of a page leads to a file.
fn check_links(page: &Path) {
    for link in read(page)
        .split("href=\"")
        .skip(1)
        .map(|s| s.split('"').next().unwrap())
    {
        let link = link.replace("&#x2f;", "/");
        let plain = decode(link.split('#').next().unwrap());
        assert!(
            page.parent().unwrap().join(&plain).exists(),
            "{}: {link}",
            page.display()
        );
    }
}

fn decode(link: &str) -> String {
    let (mut out, bytes) = (Vec::new(), link.as_bytes());
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'%' {
            out.push(u8::from_str_radix(&link[i + 1..i + 3], 16).unwrap());
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn an_archive_without_runs_has_a_front_page() {
    let root = tempfile::tempdir().unwrap();
    let front = update_archive(&root.path().join("new")).unwrap();
    assert!(read(front).contains("No runs yet"));
}

#[test]
fn runs_are_listed_newest_first_with_working_links() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write_run(
        root,
        &summary("r1", "weekly", "2026-W45", "2026-11-09", RunStatus::Partial),
    );
    let newest = summary(
        "r2",
        "weekly",
        "2026-W46",
        "2026-11-16",
        RunStatus::Complete,
    );
    let folder = write_run(root, &newest);
    write_run(
        root,
        &summary("r0", "monthly", "2026-10", "2026-11-01", RunStatus::Failed),
    );
    let journal = [
        r#"{"time":"2026-11-16T09:00:01Z","event":"node_started","node":"source.tickets"}"#,
        r#"{"time":"2026-11-16T09:00:02Z","event":"node_finished","node":"source.tickets","duration_ms":1250,"rows":48211}"#,
        "not json at all",
        r#"{"time":"2026-11-16T09:00:03Z","event":"node_reused","node":"stage.rhythm","duration_ms":2,"rows":7}"#,
        r#"{"time":"2026-11-16T09:00:04Z","event":"node_failed","node":"stage.cost","duration_ms":61000}"#,
        r#"{"time":"2026-11-16T09:00:05Z","event":"node_started","node":"stage.late"}"#,
        "[1,2]",
    ];
    std::fs::write(folder.join("journal.jsonl"), journal.join("\n")).unwrap();
    let front = update_archive(root).unwrap();
    let text = read(&front);
    let position = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("{words} is missing"))
    };
    assert!(position("2026-W46") < position("2026-W45"));
    assert!(position("2026-W45") < position("2026-10"));
    assert!(position("Title of weekly") < position("Title of monthly"));
    let run = read(folder.join("index.html"));
    for expected in [
        "source.tickets",
        "1.3\u{a0}s",
        "48\u{202f}211",
        "reused",
        "1\u{a0}min\u{a0}1\u{a0}s",
        "not finished",
    ] {
        assert!(run.contains(expected), "{expected}");
    }
    for page in [
        front,
        root.join("weekly/index.html"),
        folder.join("index.html"),
    ] {
        check_links(&page);
    }
}

#[test]
fn a_rebuild_without_changes_writes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = write_run(
        root.path(),
        &summary("r1", "weekly", "2026-W45", "2026-11-09", RunStatus::Partial),
    );
    update_archive(root.path()).unwrap();
    let page = folder.join("index.html");
    let before = std::fs::metadata(&page).unwrap().modified().unwrap();
    update_archive(root.path()).unwrap();
    assert_eq!(
        std::fs::metadata(&page).unwrap().modified().unwrap(),
        before
    );
}

#[test]
fn a_rerun_supersedes_the_earlier_run() {
    let root = tempfile::tempdir().unwrap();
    write_run(
        root.path(),
        &summary(
            "r1",
            "weekly",
            "2026-W45",
            "2026-11-09",
            RunStatus::Complete,
        ),
    );
    let mut rerun = summary(
        "r2",
        "weekly",
        "2026-W45",
        "2026-11-09",
        RunStatus::Complete,
    );
    rerun.started = "2026-11-12T10:00:00Z".parse().ok();
    rerun.parent = Some("r1".to_string());
    write_run(root.path(), &rerun);
    let text = read(update_archive(root.path()).unwrap());
    assert_eq!(text.matches("superseded").count(), 1);
    assert!(text.find("rerun").unwrap() < text.find("superseded").unwrap());
}

#[test]
fn hostile_texts_are_escaped_and_invalid_folders_are_listed() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let mut hostile = summary("r1", "weekly", "2026-W45", "2026-11-09", RunStatus::Failed);
    let hostile_text = "</title><script>alert(1)</script>\u{202e}\u{7}{{ 7 * 7 }}";
    hostile.title = hostile_text.to_string();
    hostile.headline = format!("{hostile_text}{}", "x".repeat(1 << 20));
    hostile.error = Some(hostile_text.to_string());
    let folder = write_run(root, &hostile);
    let broken = root.join("a \"b\" <c>#?%/w/run 1");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("run.json"), "{\"run\":").unwrap();
    let strange = root.join("a \"b\" <c>#?%/w/run 2&");
    std::fs::create_dir_all(&strange).unwrap();
    summary("run 2&", "strange", "w", "2026-11-01", RunStatus::Running)
        .write(&strange)
        .unwrap();
    std::fs::create_dir_all(root.join("weekly/2026-W45/half")).unwrap();
    std::fs::create_dir_all(root.join("empty")).unwrap();
    let front = update_archive(root).unwrap();
    let text = read(&front);
    assert!(text.contains("run.json is broken") && text.contains("has no run.json"));
    assert!(text.contains("contains no runs"));
    assert!(text.len() < 60_000, "{}", text.len());
    for page in [
        front,
        folder.join("index.html"),
        root.join("weekly/index.html"),
        strange.join("index.html"),
    ] {
        let text = read(&page);
        assert!(!text.contains("<script") && !text.contains("<style"));
        assert!(text.contains("script-src 'none'"));
        assert!(!text.contains('\u{202e}') && !text.contains('\u{7}'));
        assert!(!text.contains(" style=") && !text.contains("src="));
        check_links(&page);
    }
    assert!(text.contains("{{ 7 * 7 }}"));
}

/// Checks that an XML text is well-formed.
fn check_xml(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let body = text.split_once("?>").unwrap().1;
    for tag in body.split('<').skip(1) {
        let tag = tag.split_once('>').unwrap().0;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let forbidden = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
    assert!(!text.contains(forbidden));
}

#[test]
fn the_feed_lists_finished_runs_with_stable_ids() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let mut old = summary("r1", "weekly", "2026-W45", "2026-11-09", RunStatus::Partial);
    old.title = "</title>&\u{0}\u{202e}]]>".to_string();
    write_run(root, &old);
    let newest = summary(
        "r2",
        "weekly",
        "2026-W46",
        "2026-11-16",
        RunStatus::Complete,
    );
    write_run(root, &newest);
    let running = summary("r3", "weekly", "2026-W47", "2026-11-23", RunStatus::Running);
    write_run(root, &running);
    let undated = summary("r 4", "monthly", "2026-10", "", RunStatus::Failed);
    let undated = write_run(root, &undated).join("run.json");
    let text = read(&undated)
        .replace(r#""date": """#, r#""date": "soon""#)
        .replace(r#""started": """#, r#""started": "once""#);
    std::fs::write(undated, text).unwrap();
    update_archive(root).unwrap();
    let feed = read(root.join("feed.xml"));
    check_xml(&feed);
    check_links(&root.join("feed.xml"));
    assert_eq!(feed.matches("<entry>").count(), 3);
    assert!(feed.find("2026-W46").unwrap() < feed.find("2026-W45 (partial)").unwrap());
    assert!(feed.contains("<updated>2026-11-16T09:01:02Z</updated>"));
    assert!(!feed.contains("2026-W47"));
    let ids = |text: &str| -> Vec<String> {
        let parts = text.split("<id>").skip(1);
        parts.map(|part| part[..45].to_string()).collect()
    };
    // The same archive copied elsewhere, after another run: the ids are unchanged.
    let elsewhere = tempfile::tempdir().unwrap();
    write_run(elsewhere.path(), &newest);
    update_archive(elsewhere.path()).unwrap();
    let other = ids(&read(elsewhere.path().join("feed.xml")));
    assert_eq!(other[..], ids(&feed)[..2]);
}

mod histories;
