//! The printed text of each figure, for comparison with a recomputation.

use super::{figure::figures_of, view};
use retrocast_domain::{Chart, Figure, FigureKind, Report, canonical, number::NBSP};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A figure with the text that a report prints for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrintedFigure {
    /// ID and kind of the figure.
    #[serde(flatten)]
    pub figure: Figure,
    /// Summary of its text in a sentence.
    pub sentence: String,
    /// The text at each place where it is printed, and the hash of each chart.
    pub texts: Vec<Value>,
}

/// Lists what a report prints for each of its figures, in the order of [`Report::figures`].
///
/// # Errors
/// If the view is not representable as JSON.
pub fn printed(report: &Report) -> Result<Vec<PrintedFigure>, serde_json::Error> {
    let rendered = view(report, Vec::new(), &|chart: &Chart, _| {
        canonical::hash(chart)
    });
    let value = serde_json::to_value(&rendered.view)?;
    let mut texts: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    collect(&value, &rendered.drawings, &mut texts);
    collect_plain_texts(&value, &mut texts);
    // Findings and tables beyond those that a section shows are in the data only.
    let data = serde_json::to_value(report)?;
    let in_data = |figure: &Figure| -> Vec<Value> {
        let pointers = figure.pointers.iter();
        pointers
            .filter_map(|pointer| data.pointer(pointer).cloned())
            .collect()
    };
    let figures = figures_of(report).into_iter().map(|figure| {
        let texts = texts.remove(&figure.id).unwrap_or_else(|| in_data(&figure));
        PrintedFigure {
            sentence: sentence(figure.kind, main_text(figure.kind, &texts)),
            figure,
            texts,
        }
    });
    Ok(figures.collect())
}

/// Collects the objects with an ID, each without the nested objects that have their own.
fn collect(
    value: &Value,
    drawings: &BTreeMap<String, String>,
    texts: &mut BTreeMap<String, Vec<Value>>,
) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, drawings, texts)),
        Value::Object(map) => {
            map.values().for_each(|item| collect(item, drawings, texts));
            if let Some(id) = id_of(map) {
                let own = without_figures(value, drawings);
                texts.entry(id.to_string()).or_default().push(own);
            }
        }
        _ => {}
    }
}

fn id_of(map: &Map<String, Value>) -> Option<&str> {
    let id = map.get("figure")?.as_str()?;
    (!id.is_empty()).then_some(id)
}

/// The text of an object, without nested figures, and with charts replaced by their hashes.
fn without_figures(value: &Value, drawings: &BTreeMap<String, String>) -> Value {
    let is_figure = |item: &Value| item.as_object().is_some_and(|map| id_of(map).is_some());
    match value {
        Value::Object(map) => {
            let texts = map
                .iter()
                .filter(|(name, item)| *name != "figure" && *name != "rank" && !is_figure(item));
            let texts = texts.map(|(name, item)| (name.clone(), without_figures(item, drawings)));
            Value::Object(texts.collect())
        }
        Value::Array(items) => {
            let items = items.iter().filter(|item| !is_figure(item));
            items.map(|item| without_figures(item, drawings)).collect()
        }
        Value::String(text) => match drawings.get(text) {
            Some(hash) => Value::String(hash.clone()),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

/// Adds the figures that are plain text.
fn collect_plain_texts(view: &Value, texts: &mut BTreeMap<String, Vec<Value>>) {
    let figures = &view["figures"];
    let mut add = |id: &Value, item: Value| {
        if let Some(id) = id.as_str().filter(|id| !id.is_empty()) {
            texts.entry(id.to_string()).or_default().push(item);
        }
    };
    let window = ["window", "period", "timezone", "date"].map(|key| (key, view[key].clone()));
    add(&figures["window"], window.into_iter().collect());
    add(&figures["verdict"], json!({"text": view["verdict"]}));
    add(&figures["health"], view["health"].clone());
    add(&figures["news"], json!({"text": view["news"]}));
    for list in ["notices", "notes"] {
        let ids = figures[list].as_array().into_iter().flatten();
        let items = view[list].as_array().into_iter().flatten();
        for (id, text) in ids.zip(items) {
            add(id, json!({"text": text}));
        }
    }
}

/// The most informative text: for a source, its counts instead of its row in the plan.
fn main_text(kind: FigureKind, texts: &[Value]) -> &Value {
    let has_counts = |text: &&Value| kind == FigureKind::Source && text["accepted"].is_string();
    let main = texts.iter().find(has_counts).or(texts.first());
    main.unwrap_or(&Value::Null)
}

/// Summarises the text of a figure in a sentence.
fn sentence(kind: FigureKind, texts: &Value) -> String {
    let text = |key: &str| texts[key].as_str().unwrap_or_default();
    let joined = |parts: &[String]| -> String {
        let parts: Vec<&str> = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        parts.join("; ")
    };
    let labelled = |label: &str, value: &str| match value {
        "" => String::new(),
        value => format!("{label} {value}"),
    };
    match kind {
        FigureKind::Kpi => {
            let name = match text("subject") {
                "" => text("name").to_string(),
                subject => format!("{}, {subject}", text("name")),
            };
            let value = format!("{} {}", text("text"), text("noun"));
            let change = match text("tone_word") {
                "" => text("delta").to_string(),
                word => format!("{}, {word}", text("delta")),
            };
            let target = match text("target_word") {
                "" => labelled("target", text("target")),
                word => format!("{}, {word}", labelled("target", text("target"))),
            };
            let details = joined(&[
                labelled(&format!("95{NBSP}% interval"), text("interval")),
                labelled(text("arrow"), &change).trim().to_string(),
                target,
            ]);
            let separator = if details.is_empty() { "" } else { "; " };
            format!("{name}: {}{separator}{details}", value.trim())
        }
        FigureKind::Finding | FigureKind::Resolved => {
            let sentence = text("sentence");
            match text("meta") {
                "" => sentence.to_string(),
                meta => format!("{sentence} ({meta})"),
            }
        }
        FigureKind::Effect => joined(&[
            format!("{}, {}, {}", text("title"), text("date"), text("metric")),
            format!(
                "{} {}",
                text("relative"),
                match text("relative_interval") {
                    "" => String::new(),
                    interval => format!("(95{NBSP}% interval {interval})"),
                }
            )
            .trim()
            .to_string(),
            labelled("before", text("before")),
            labelled("after", text("after")),
            labelled("expected without it", text("counterfactual")),
            text("verdict").to_string(),
        ]),
        FigureKind::Recommendation => {
            format!(
                "{}. {} {}",
                text("title"),
                text("evidence"),
                text("promise")
            )
        }
        FigureKind::Window => format!(
            "{}, {}, {}; dated {}",
            text("period"),
            text("window"),
            text("timezone"),
            text("date")
        ),
        FigureKind::Health => format!("Data health: {}, {}", text("level"), text("text")),
        FigureKind::Chart => text("title").to_string(),
        FigureKind::Table => match text("caption") {
            "" => "Table".to_string(),
            caption => caption.to_string(),
        },
        FigureKind::Source => format!(
            "{}: {} records in {} files, {} accepted, {} left out, {} duplicates",
            text("name"),
            text("records"),
            text("files"),
            text("accepted"),
            text("left_out"),
            text("duplicates")
        ),
        FigureKind::Stage => joined(&[
            text("title").to_string(),
            text("did").to_string(),
            text("message").to_string(),
        ]),
        FigureKind::Provenance => format!("Run {}, by {}", text("run"), text("build")),
        FigureKind::Verdict | FigureKind::News | FigureKind::Ask | FigureKind::Note => {
            text("text").to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample;

    #[test]
    fn every_figure_of_the_sample_has_texts_and_one_id() {
        let report = sample();
        let figures = printed(&report).expect("the view is JSON");
        let mut ids: Vec<&str> = figures
            .iter()
            .map(|printed| printed.figure.id.as_str())
            .collect();
        for printed in &figures {
            assert!(!printed.texts.is_empty(), "{:?}", printed.figure);
            assert!(!printed.sentence.trim().is_empty(), "{:?}", printed.figure);
        }
        ids.sort_unstable();
        let n = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), n);
        assert_eq!(printed(&report).expect("the view is JSON"), figures);
    }

    #[test]
    fn a_headline_and_its_finding_have_the_same_id() {
        let report = sample();
        let figures = printed(&report).expect("the view is JSON");
        let first = figures
            .iter()
            .find(|printed| printed.figure.id == "f1")
            .expect("f1");
        assert_eq!(first.figure.pointers[0], "/headlines/0");
        assert!(first.texts.len() >= 2, "{:?}", first.texts);
        assert!(first.sentence.starts_with(&report.headlines[0].sentence));
    }

    #[test]
    fn a_changed_digit_changes_the_texts_of_its_figure_only() {
        let before = sample();
        let mut after = before.clone();
        let text = "12.3 %".to_string();
        after.kpis[0].text.clone_from(&text);
        for cell in &mut after.cells {
            for kpi in &mut cell.kpis {
                if *kpi == before.kpis[0] {
                    kpi.text.clone_from(&text);
                }
            }
        }
        let [old, new] = [before, after].map(|report| printed(&report).expect("JSON"));
        let changed: Vec<&str> = old
            .iter()
            .zip(&new)
            .filter(|(a, b)| a != b)
            .map(|(a, _)| a.figure.id.as_str())
            .collect();
        assert_eq!(changed, ["k1"]);
    }

    #[test]
    fn a_key_figure_is_one_sentence() {
        let texts = json!({"name": "Success rate", "subject": "billing", "text": "97.2 %",
            "noun": "", "interval": "96.8 – 97.6 %", "delta": "+0.4 points", "arrow": "▲",
            "tone_word": "better", "target": "98 %", "target_word": "missed"});
        assert_eq!(
            sentence(FigureKind::Kpi, &texts).replace(NBSP, " "),
            "Success rate, billing: 97.2 %; 95 % interval 96.8 – 97.6 %; ▲ +0.4 points, better; \
             target 98 %, missed"
        );
    }
}
