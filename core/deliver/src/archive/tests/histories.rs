//! Pages over several reports, updates, removed runs, the search index and colours.

use super::*;
use retrocast_domain::{
    Cell, CellStatus, Effect, Finding, Kpi, Magnitude, Severity, Verdict, Window,
};
use serde_json::json;
use std::collections::BTreeMap;

/// Writes a complete run of a weekly job: a figure, the given findings, and an effect.
fn write_report(root: &Path, week: u32, run: &str, findings: &[(&str, f64)]) -> PathBuf {
    let label = format!("2026-W{week:02}");
    let window = Window::parse(&label, "UTC").unwrap();
    let mut summary = summary(
        run,
        "weekly",
        &label,
        &window.end.to_string(),
        RunStatus::Complete,
    );
    summary.period = window.words();
    let folder = write_run(root, &summary);
    let node = |name: &str, kind: &str| {
        json!({"name": name, "kind": kind, "title": "", "config": {}, "inputs": [],
            "code_version": 1, "contract_hash": "", "optional": false})
    };
    let plan = json!({
        "job": "weekly", "title": summary.title, "owner": "", "run": run, "label": label,
        "date": window.end, "build": "retrocast 1", "seed": 1, "window": window, "params": {},
        "nodes": [node("stage.figures", "kpi"), node("stage.rhythm", "rhythm"), node("stage.effects", "effectiveness")],
    });
    std::fs::write(folder.join("plan.json"), plan.to_string()).unwrap();
    let mut figures = Cell::new("figures", "kpi");
    figures.status = CellStatus::Done;
    figures.kpis.push(kpi(f64::from(week)));
    let mut rhythm = Cell::new("rhythm", "rhythm");
    rhythm.status = CellStatus::Done;
    for (claim, value) in findings {
        let mut finding = Finding::new("rhythm", "weekday_effect", "component = billing", claim);
        finding.magnitude = Some(Magnitude::interval95(
            *value,
            value - 1.0,
            value + 1.0,
            "min",
        ));
        finding.sentence = format!("{claim} take {value} min longer.");
        finding.severity = Severity::Warning;
        rhythm.findings.push(finding);
    }
    let mut effects = Cell::new("effects", "effectiveness");
    effects.status = CellStatus::Done;
    effects.effects.push(effect(if week > 46 {
        Verdict::Works
    } else {
        Verdict::Unclear
    }));
    std::fs::create_dir_all(folder.join("cells")).unwrap();
    for cell in [figures, rhythm, effects] {
        let path = folder.join("cells").join(format!("{}.json", cell.stage));
        std::fs::write(path, serde_json::to_vec(&cell).unwrap()).unwrap();
    }
    let end = r#"{"time":"2026-11-16T09:00:00Z","event":"run_finished","status":"complete"}"#;
    std::fs::write(folder.join("journal.jsonl"), format!("{end}\n")).unwrap();
    folder
}

fn kpi(value: f64) -> Kpi {
    let text = json!({
        "name": "Success <rate>", "subject": "component = billing", "value": value,
        "interval": [value - 1.0, value + 1.0], "unit": "per day", "text": format!("{value} per day"),
        "interval_text": format!("{} to {}", value - 1.0, value + 1.0), "previous": null,
        "delta_text": "", "baseline": null, "baseline_delta_text": "", "significant": false,
        "direction": "none", "lower_is_better": false, "target": 45.0, "target_text": "45 per day",
        "history": [], "n": 7,
    });
    serde_json::from_value(text).unwrap()
}

fn effect(verdict: Verdict) -> Effect {
    let text = json!({
        "improvement": "IMP-1", "title": "Retry payments", "date": "2026-10-05", "metric": "failures",
        "unit": "failures per day", "lower_is_better": true, "before": 10.0, "after": 8.0,
        "counterfactual": 10.0, "absolute": [-2.0, -3.0, -1.0], "relative": [-0.2, -0.3, -0.1],
        "placebo_p": 0.01, "placebos": 30, "days_before": 60, "days_after": 30, "controls": [],
        "verdict": verdict,
    });
    serde_json::from_value(text).unwrap()
}

/// All files of an archive except its state, by path.
fn files(root: &Path) -> BTreeMap<String, String> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(name, read(path));
            }
        }
    }
    files
}

/// Checks that all links of the pages of an archive lead to a file.
fn check_all_links(root: &Path) {
    for name in files(root).keys().filter(|name| name.ends_with(".html")) {
        check_links(&root.join(name));
    }
}

const MONDAYS: (&str, f64) = ("Mondays", 5.0);
const FRIDAYS: (&str, f64) = ("Fridays", 3.0);

#[test]
fn findings_figures_and_improvements_have_pages_with_their_history() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write_report(root, 44, "r1", &[MONDAYS]);
    write_report(root, 45, "r2", &[MONDAYS, FRIDAYS]);
    write_report(root, 46, "r3", &[("Mondays", 7.0)]);
    write_report(root, 47, "r4", &[FRIDAYS]);
    update_archive(root).unwrap();
    check_all_links(root);
    let page = |kind: &str, words: &str| {
        let mut files = files(root).into_iter();
        let page = files.find(|(name, text)| {
            name.starts_with(&format!("weekly/{kind}/")) && text.contains(words)
        });
        page.unwrap_or_else(|| panic!("{words} has no page")).1
    };
    let states = |page: &str| -> Vec<String> {
        let marks = page.split("class=\"mark mark-").skip(1);
        let words = marks.map(|part| part.split(['>', '<']).nth(1).unwrap().to_string());
        words.collect()
    };
    let mondays = page("findings", "Mondays take");
    assert_eq!(
        states(&mondays),
        ["resolved", "persisting", "persisting", "first report"]
    );
    assert!(mondays.contains("Resolved in 2026-W47") && mondays.contains("<svg class=\"chart\""));
    let fridays = page("findings", "Fridays take");
    assert_eq!(states(&fridays), ["new", "resolved", "new"]);
    let figure = page("figures", "Success &lt;rate&gt;");
    assert!(figure.contains("44 per day") && figure.contains("class=\"level\""));
    assert!(figure.contains("46 to 48"));
    let improvement = page("improvements", "Retry payments");
    assert!(improvement.contains("works") && improvement.contains("was not proven"));
    let job = read(root.join("weekly/index.html"));
    assert!(job.contains("class=\"spark\"") && job.contains("Resolved"));
    let run = read(root.join("weekly/2026-W46/r3/index.html"));
    assert!(run.contains("since 2026-W44, 3\u{a0}reports"), "{run}");
    assert!(run.contains("Previous: 2026-W45") && run.contains("Next: 2026-W47"));
    let latest = read(root.join("weekly/latest/index.html")).replace("&#x2f;", "/");
    assert!(
        latest.contains("url=../../weekly/2026-W47/r4/index.html"),
        "{latest}"
    );
    let latest: serde_json::Value =
        serde_json::from_str(&read(root.join("weekly/latest.json"))).unwrap();
    assert_eq!(latest["path"], "weekly/2026-W47/r4");
}

#[test]
fn added_runs_give_the_bytes_of_a_whole_rebuild() {
    let grown = tempfile::tempdir().unwrap();
    let whole = tempfile::tempdir().unwrap();
    let runs = [
        (45, "b"),
        (44, "a"),
        (46, "c"),
        (46, "d"),
        (48, "f"),
        (47, "e"),
    ];
    let findings = |week: u32| match week % 3 {
        0 => vec![MONDAYS],
        1 => vec![MONDAYS, FRIDAYS],
        _ => vec![],
    };
    for (week, run) in runs {
        write_report(grown.path(), week, run, &findings(week));
        update_archive(grown.path()).unwrap();
        write_report(whole.path(), week, run, &findings(week));
    }
    crate::rebuild(whole.path(), None).unwrap();
    assert_eq!(files(grown.path()), files(whole.path()));
    // The pages of a removed run are removed, too.
    for root in [grown.path(), whole.path()] {
        std::fs::remove_dir_all(root.join("weekly/2026-W48")).unwrap();
    }
    update_archive(grown.path()).unwrap();
    crate::rebuild(whole.path(), None).unwrap();
    assert_eq!(files(grown.path()), files(whole.path()));
}

#[test]
fn a_new_run_rewrites_only_pages_that_name_it() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for week in 1..=40 {
        write_report(root, week, "r", &[MONDAYS]);
    }
    update_archive(root).unwrap();
    let before = files(root);
    write_report(root, 41, "r", &[MONDAYS]);
    let update = crate::update(root, None).unwrap();
    let after = files(root);
    let changed = after
        .iter()
        .filter(|(name, text)| before.get(*name) != Some(*text));
    let changed: Vec<&String> = changed.map(|(name, _)| name).collect();
    let runs: Vec<_> = changed
        .iter()
        .filter(|name| name.ends_with("/r/index.html"))
        .collect();
    assert_eq!(
        runs,
        [
            &&"weekly/2026-W40/r/index.html".to_string(),
            &&"weekly/2026-W41/r/index.html".to_string()
        ]
    );
    assert!(update.files.written <= 20, "{changed:?}");
    assert_eq!(
        crate::update(root, None).unwrap().files,
        FileCount::default()
    );
}

#[test]
fn lost_pages_and_states_are_written_again() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write_report(root, 45, "r", &[MONDAYS]);
    update_archive(root).unwrap();
    let before = files(root);
    std::fs::remove_file(root.join("weekly/2026.html")).unwrap();
    std::fs::write(root.join("weekly/2026-W45/r/index.html"), "edited").unwrap();
    crate::rebuild(root, None).unwrap();
    assert_eq!(files(root), before);
    std::fs::remove_dir_all(root.join(".archive")).unwrap();
    update_archive(root).unwrap();
    assert_eq!(files(root), before);
}

#[test]
fn removed_runs_keep_their_history_and_list_removed_files() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let old = write_report(root, 44, "r1", &[MONDAYS]);
    let new = write_report(root, 45, "r2", &[MONDAYS]);
    let pin = crate::retention::Pin {
        date: jiff::civil::date(2026, 11, 20),
        why: "asked for by <legal>".to_string(),
    };
    crate::retention::pin(&new, &pin).unwrap();
    update_archive(root).unwrap();
    let finding = |root: &Path| {
        let mut files = files(root).into_iter();
        files
            .find(|(name, _)| name.starts_with("weekly/findings/"))
            .unwrap()
            .1
    };
    let before = finding(root);
    crate::retention::remove(&old, jiff::civil::date(2026, 11, 20), "older than 90d").unwrap();
    update_archive(root).unwrap();
    check_all_links(root);
    assert!(!old.join("executive.pdf").exists() && old.join("run.json").exists());
    let page = read(old.join("index.html"));
    for words in [
        "removed on 20 November 2026",
        "Older than 90d.",
        "cells, executive.pdf",
        "retrocast rerun weekly&#x2f;2026-W44&#x2f;r1",
        "Success &lt;rate&gt;",
        "Mondays take",
    ] {
        assert!(page.contains(words), "{words}:\n{page}");
    }
    assert_eq!(finding(root), before, "the history has no gap");
    let page = read(new.join("index.html"));
    assert!(page.contains("Asked for by &lt;legal&gt;."), "{page}");
    // A rebuild uses only the results that are left.
    crate::rebuild(root, None).unwrap();
    assert_eq!(finding(root), before);
}

#[test]
fn the_search_index_has_runs_wordings_stages_and_improvements() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write_report(root, 44, "r1", &[("</script>", 5.0)]);
    write_report(root, 45, "r2", &[("</script>", 6.0)]);
    update_archive(root).unwrap();
    let script = read(root.join("weekly/index-2026.js"));
    let json = script
        .strip_prefix("retrocast.index(\"weekly\", \"2026\", ")
        .unwrap();
    let index: serde_json::Value =
        serde_json::from_str(json.strip_suffix(");\n").unwrap()).unwrap();
    assert_eq!(index["runs"].as_array().unwrap().len(), 2);
    // One wording with its newest figures.
    assert_eq!(
        index["findings"][0]["sentences"],
        json!([["</script> take 6 min longer.", "2026-W45"]])
    );
    assert_eq!(index["findings"][0]["subject"], "billing");
    assert_eq!(index["stages"].as_array().unwrap().len(), 3);
    assert_eq!(index["improvements"][0]["title"], "Retry payments");
    let front = read(root.join("index.html"));
    assert!(!front.contains("src=") && !front.contains("://"));
    assert!(front.contains("action=\"search.html\""));
}

#[test]
fn the_front_page_is_small_with_many_jobs_and_runs() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for job in 0..200 {
        for week in 40..44 {
            let window = format!("2026-W{week}");
            write_run(
                root,
                &summary(
                    "r",
                    &format!("job{job:03}"),
                    &window,
                    "2026-10-01",
                    RunStatus::Complete,
                ),
            );
        }
    }
    let front = read(update_archive(root).unwrap());
    assert!(front.len() < 300_000, "{}", front.len());
    assert_eq!(front.matches("<li class=\"run").count(), 200);
}

/// Colours of the custom properties in the light and the dark part of the style sheet.
fn colours(style: &str) -> [BTreeMap<String, String>; 2] {
    let (light, dark) = style.split_once("prefers-color-scheme: dark").unwrap();
    let read = |part: &str| {
        let lines = part.lines().map(str::trim);
        let declared =
            lines.filter_map(|line| line.strip_prefix("--")?.strip_suffix(';')?.split_once(": "));
        let colours = declared.filter(|(_, value)| value.starts_with('#'));
        colours
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    };
    let light: BTreeMap<String, String> = read(light);
    let mut overridden = light.clone();
    overridden.extend::<BTreeMap<String, String>>(read(dark));
    [light, overridden]
}

fn luminance(colour: &str) -> f64 {
    let channel = |start: usize| {
        let value = f64::from(u8::from_str_radix(&colour[start..start + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn text_has_enough_contrast_in_light_and_dark() {
    for style in [
        include_str!("../../../../../templates/archive/style.css"),
        include_str!("../../../../../templates/html/style.css"),
    ] {
        for colours in colours(style) {
            for (text, backgrounds) in [
                (
                    "ink",
                    &["paper", "raised", "warn-tint", "bad-tint", "good-tint"][..],
                ),
                ("soft", &["paper", "raised", "bad-tint"]),
                ("accent", &["paper", "raised", "bad-tint"]),
                ("good", &["paper", "good-tint"]),
                ("bad", &["paper", "bad-tint"]),
                ("warn", &["paper", "warn-tint"]),
            ] {
                for background in backgrounds {
                    let [a, b] = [text, background].map(|name| luminance(&colours[name]));
                    let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                    assert!(contrast >= 4.5, "{text} on {background}: {contrast:.2}");
                }
            }
        }
    }
}
