//! Renders a report as one self-contained HTML file: no requests, light and dark, and one small
//! script that sorts tables.
//!
//! Wording and selection are those of the print reports (the same [`view`](crate::view)); only the
//! layout differs. Each chart is drawn twice, for wide and for narrow screens, because a chart
//! scaled down to a phone is illegible; the style sheet shows one of the two.

use crate::{
    Error, Layout, Templates,
    chart::{self, Options},
    language::Language,
    sanitise, theme,
    view::{self, SPARKLINE_WIDTH},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{
    AutoEscape, Environment, UndefinedBehavior, Value, context,
    syntax::SyntaxConfig,
    value::{Kwargs, Serde},
};
use retrocast_domain::{Align, Chart, ChartKind, Report, Table, number::plural};
use sha2::{Digest as _, Sha256};
use std::{
    cell::Cell as Counter,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Mutex,
};

/// The built-in HTML templates and style sheet.
pub(crate) const BUILT_IN: &[(&str, &str)] = &[
    (
        "html/base.html.j2",
        include_str!("../../../templates/html/base.html.j2"),
    ),
    (
        "html/parts.html.j2",
        include_str!("../../../templates/html/parts.html.j2"),
    ),
    (
        "html/executive.html.j2",
        include_str!("../../../templates/html/executive.html.j2"),
    ),
    (
        "html/technical.html.j2",
        include_str!("../../../templates/html/technical.html.j2"),
    ),
    (
        "html/style.css",
        include_str!("../../../templates/html/style.css"),
    ),
    (
        "html/sort.js",
        include_str!("../../../templates/html/sort.js"),
    ),
];

/// Renders a report as one HTML file, with the built-in templates.
pub fn report(report: &Report, layout: Layout) -> Result<String, Error> {
    report_with(report, layout, &Templates::built_in())
}

/// Like [`report`], with the templates below `html/`.
pub fn report_with(
    report: &Report,
    layout: Layout,
    templates: &Templates,
) -> Result<String, Error> {
    // Browsers have a glyph for every character, so only invisible characters are removed.
    let (report, changes) = sanitise::report(report, &|_| true)?;
    let language = templates.language(&report.language)?;
    let drawing_count = Counter::new(0u32);
    let draw = |chart: &Chart, width: f64| {
        drawing_count.set(drawing_count.get() + 1);
        figure(chart, width, drawing_count.get(), &language.words["data"])
    };
    let printed = view::view(&report, changes.sentences(), &draw);
    let drawings: BTreeMap<String, Value> = printed
        .drawings
        .into_iter()
        .map(|(path, drawing)| (path, Value::from_safe_string(drawing)))
        .collect();
    let theme = templates.theme()?;
    let logo = templates.logo()?.map(|(logo, bytes)| {
        context! { uri => theme::data_uri(&logo.file, bytes), alt => logo.alt.as_str() }
    });
    let mut values = serde_json::to_value(&printed.view)?;
    language.localise(&mut values, &report);
    let style = format!(
        "\n{}\n@media screen and (prefers-color-scheme: dark) {{\n{}}}\n{}",
        templates.text("html/style.css").unwrap_or_default(),
        chart::dark_css(),
        theme.css()
    );
    let mut environment = templates.html(&report.language)?.clone();
    // Returns true for the first occurrence of a figure in the page, which gets the anchor.
    let anchored = Mutex::new(BTreeSet::new());
    environment.add_function("is_first", move |id: String| {
        let anchored = anchored.lock();
        anchored.is_ok_and(|mut anchored| anchored.insert(id))
    });
    let script = templates.text("html/sort.js").unwrap_or_default();
    let page = || -> Result<String, minijinja::Error> {
        let page = environment.get_template(&format!("html/{}.html.j2", layout.name()))?;
        page.render(context! {
            report => Serde(&values),
            improvements => view::has_improvements(&report),
            drawings,
            logo,
            style_hash => Value::from_safe_string(source_hash(&style)),
            style => Value::from_safe_string(style),
            script_hash => Value::from_safe_string(source_hash(script)),
            script => Value::from_safe_string(script.to_string()),
        })
    };
    page().map_err(|error| Error::Template {
        message: with_location(&error),
    })
}

/// The hash by which a content security policy allows one inline script or style; nothing else in
/// the page can run.
fn source_hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Formats an error with its location: "template html/base.html.j2, line 7: undefined value".
fn with_location(error: &minijinja::Error) -> String {
    let location = match (error.name(), error.line()) {
        (Some(name), Some(line)) => format!("template {name}, line {line}"),
        (Some(name), None) => format!("template {name}"),
        _ => "template".to_string(),
    };
    match error.detail() {
        Some(detail) => format!("{location}: {}: {detail}", error.kind()),
        None => format!("{location}: {}", error.kind()),
    }
}

/// Parses the templates below `html/`, with the words of a language as `t`.
pub(crate) fn environment(
    templates: &Templates,
    language: &Language,
) -> Result<Environment<'static>, Error> {
    let parsed = parse(templates, language);
    parsed.map_err(|error| Error::Template {
        message: with_location(&error),
    })
}

fn parse(
    templates: &Templates,
    language: &Language,
) -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_global("t", Value::from(Serde(&language.words)));
    environment.add_filter("fill", fill);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    // Template names are relative to this folder.
    environment.set_path_join_callback(|name, _| format!("html/{name}").into());
    for name in templates.names().filter(|name| name.ends_with(".html.j2")) {
        let text = templates.text(name).unwrap_or_default();
        environment.add_template_owned(name.to_string(), text.to_string())?;
    }
    Ok(environment)
}

/// Replaces `{name}` in a text with the value of that name.
fn fill(text: String, values: Kwargs) -> Result<String, minijinja::Error> {
    let mut text = text;
    for name in values.args() {
        let value: Value = values.get(name)?;
        text = text.replace(&format!("{{{name}}}"), &value.to_string());
    }
    Ok(text)
}

/// A chart as HTML: in both sizes, with the data table, which is collapsed under the word `data`.
fn figure(chart: &Chart, width: f64, number: u32, data: &str) -> String {
    if width <= SPARKLINE_WIDTH || matches!(chart.kind, ChartKind::Sparkline { .. }) {
        let suffix = format!("-{number}");
        return chart::svg(chart, &Options::new(92.0, 8.0).height(24.0).suffix(&suffix));
    }
    let full = width > 100.0;
    let (wide, font) = if full { (880.0, 12.5) } else { (440.0, 12.0) };
    let large = Options::new(wide, font).suffix(&format!("-{number}"));
    let small = Options::new(330.0, 11.5).suffix(&format!("-{number}-narrow"));
    let mut out = format!(
        "<div class=\"drawing-wide\">{}</div><div class=\"drawing-narrow\">{}</div>",
        chart::svg(chart, &large),
        chart::svg(chart, &small)
    );
    if let Some(table) = chart::values(chart) {
        out.push_str(&data_table(&chart.title, table, data));
    }
    out
}

/// Maximum number of rows of a data table; the others are in `report.json`.
const DATA_ROWS_MAX: usize = 120;

/// The data of a chart as a table under its title.
fn data_table(title: &str, table: Table, data: &str) -> String {
    let table = table.top(DATA_ROWS_MAX);
    let mut out = format!(
        "<details class=\"data\"><summary>{}</summary><div class=\"scroll\" tabindex=\"0\"><table>",
        chart::escape(data)
    );
    if !title.is_empty() {
        let _ = write!(out, "<caption>{}</caption>", chart::escape(title));
    }
    let class = |column: usize| match table.columns.get(column).map(|c| c.align) {
        Some(Align::Right) => " class=\"number\"",
        _ => "",
    };
    out.push_str("<thead><tr>");
    for (i, column) in table.columns.iter().enumerate() {
        let _ = write!(
            out,
            "<th scope=\"col\"{}>{}</th>",
            class(i),
            chart::escape(&column.title)
        );
    }
    out.push_str("</tr></thead><tbody>");
    for row in &table.rows {
        out.push_str("<tr>");
        for (i, text) in row.iter().take(table.columns.len()).enumerate() {
            let text = chart::escape(&view::shorten(text, 240));
            let _ = write!(out, "<td{}>{text}</td>", class(i));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    if table.more > 0 {
        let _ = write!(
            out,
            "<p class=\"note\">{} in report.json.</p>",
            plural(table.more, "further row")
        );
    }
    out.push_str("</details>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn page(layout: Layout) -> String {
        report(&sample::sample(), layout).unwrap()
    }

    #[test]
    fn pages_are_deterministic_and_self_contained() {
        for layout in [Layout::Executive, Layout::Technical] {
            let text = page(layout);
            assert_eq!(text, page(layout));
            assert!(text.starts_with("<!doctype html>"));
            assert!(text.contains("Content-Security-Policy"));
            assert_eq!(text.matches("<script").count(), 1, "the script that sorts");
            for forbidden in [
                "nonce",
                " src=",
                "@import",
                "url(",
                " style=",
                "javascript:",
                "undefined",
            ] {
                assert!(!text.contains(forbidden), "{layout:?}: {forbidden}");
            }
        }
    }

    #[test]
    fn the_policy_allows_exactly_the_style_and_the_script_of_the_page() {
        let text = page(Layout::Executive);
        for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
            let inner = text.split(&format!("<{tag}>")).nth(1).unwrap();
            let inner = inner.split(&format!("</{tag}>")).next().unwrap();
            let allowed = format!("{directive} '{}'", source_hash(inner));
            assert!(text.contains(&allowed), "{allowed}");
        }
        // The test vector of the standard.
        let empty = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(source_hash(""), empty);
    }

    #[test]
    fn hostile_texts_are_escaped() {
        let text = page(Layout::Technical);
        assert!(text.contains("&lt;script&gt;alert(1)"));
        assert!(
            text.contains("{{ 7 * 7 }}") || text.contains("{{ 7 * 7"),
            "templates are not run twice"
        );
        assert!(text.contains("#read("));
        for hidden in ['\u{7}', '\u{0}', '\u{202e}'] {
            assert!(!text.contains(hidden), "{hidden:?}");
        }
    }

    #[test]
    fn closed_improvements_and_money_are_in_both_reports() {
        let mut sample = sample::sample();
        sample.effects.clear();
        let text = |sample: &Report, layout| report(sample, layout).unwrap().replace('\u{a0}', " ");
        let no_improvement = "The register has no improvement in the measured period.";
        assert!(text(&sample, Layout::Executive).contains(no_improvement));
        let mut sample = sample::all().swap_remove(1);
        let lessons = |text: &str| text.matches("half the tickets").count();
        let money = "gain of EUR 120 a day (80 to 160), cost EUR 400, paid back after 4 days";
        for (layout, expected) in [(Layout::Executive, 3), (Layout::Technical, 5)] {
            let text = text(&sample, layout);
            assert_eq!(lessons(&text), expected, "{layout:?}");
            assert!(text.contains(money), "{layout:?}");
        }
        sample.effects.clear();
        let executive = text(&sample, Layout::Executive);
        assert!(
            !executive.contains(no_improvement),
            "closed improvements are in the register"
        );
        assert_eq!(lessons(&executive), 3);
    }

    #[test]
    fn ids_are_unique_and_links_have_targets() {
        for layout in [Layout::Executive, Layout::Technical] {
            let text = page(layout);
            let values = |name: &str| -> Vec<String> {
                let prefix = format!(" {name}=\"");
                text.split(&prefix)
                    .skip(1)
                    .map(|s| s.split('"').next().unwrap().to_string())
                    .collect()
            };
            let ids = values("id");
            for (i, id) in ids.iter().enumerate() {
                assert!(!ids[..i].contains(id), "{layout:?}: {id} twice");
            }
            let links = values("href");
            for link in links.iter().filter_map(|link| link.strip_prefix('#')) {
                assert!(
                    ids.iter().any(|id| id == link),
                    "{layout:?}: nothing at #{link}"
                );
            }
            assert!(links.len() > 3);
        }
    }

    #[test]
    fn custom_templates_replace_built_in_ones_and_errors_have_locations() {
        let custom =
            Templates::built_in().with("html/executive.html.j2", "one\n{{ report.titel }}");
        let error = report_with(&sample::sample(), Layout::Executive, &custom).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("template html/executive.html.j2, line 2: "),
            "{text}"
        );
    }
}
