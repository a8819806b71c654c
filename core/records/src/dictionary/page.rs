//! The dictionary as one self-contained page of HTML: for light and dark screens, and paper.

use super::{Entry, entries, expectations, plain, results::ResultTable, rules};
use crate::contract::Contract;
use retrocast_domain::number::plural;
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");

/// The dictionary as a page of HTML.
pub fn html(contracts: &[Contract], results: &[ResultTable]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Data dictionary</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#content\">Skip to content</a>\n<header>\n\
         <h1>Data dictionary</h1>\n<p>{} and {}: what each holds, field by field.</p>\n</header>\n\
         <div class=\"columns\">\n",
        plural(contracts.len() as u64, "type of record")
            .replace("type of records", "types of record"),
        plural(results.len() as u64, "result"),
    );
    write_contents(&mut out, contracts, results);
    out.push_str("<main id=\"content\">\n");
    if !contracts.is_empty() {
        out.push_str("<h2>Records</h2>\n<p class=\"intro\">The input. A record that violates its contract is \
                      quarantined with the reason; the others are kept. Among records with the \
                      same key, the latest one counts.</p>\n");
    }
    for contract in contracts {
        write_record(&mut out, contract);
    }
    if !results.is_empty() {
        out.push_str("<h2>Results</h2>\n<p class=\"intro\">The output of a run.</p>\n");
    }
    for table in results {
        write_result(&mut out, table);
    }
    out.push_str("</main>\n</div>\n</body>\n</html>\n");
    out
}

fn write_contents(out: &mut String, contracts: &[Contract], results: &[ResultTable]) {
    out.push_str("<nav aria-label=\"Contents\">\n");
    let mut group = |heading: &str, lines: Vec<(String, &str)>| {
        if lines.is_empty() {
            return;
        }
        let _ = write!(out, "<p>{heading}</p>\n<ul>\n");
        for (anchor, title) in lines {
            let _ = writeln!(
                out,
                "<li><a href=\"#{}\">{}</a></li>",
                escape(&anchor),
                escape(title)
            );
        }
        out.push_str("</ul>\n");
    };
    let records = contracts.iter();
    let records =
        records.map(|contract| (anchor("record", &contract.name), contract.title.as_str()));
    group("Records", records.collect());
    let tables = results
        .iter()
        .map(|table| (anchor("result", table.name), table.title));
    group("Results", tables.collect());
    out.push_str("</nav>\n");
}

/// Anchor of a section: file names may contain characters that anchors may not.
fn anchor(group: &str, name: &str) -> String {
    let name = name
        .chars()
        .map(|c| if c.is_whitespace() { '-' } else { c });
    format!("{group}-{}", name.collect::<String>())
}

fn write_record(out: &mut String, contract: &Contract) {
    write_section_head(
        out,
        &anchor("record", &contract.name),
        (&contract.title, &contract.name),
        &contract.description,
    );
    let rules = rules(contract);
    if !rules.is_empty() {
        out.push_str("<dl>\n");
        for (label, fields) in rules {
            let fields: Vec<String> = fields.iter().map(|field| code(field)).collect();
            let _ = writeln!(out, "<dt>{label}</dt><dd>{}</dd>", fields.join(", "));
        }
        out.push_str("</dl>\n");
    }
    let expected = expectations(contract);
    if !expected.is_empty() {
        let _ = writeln!(
            out,
            "<p class=\"values\">{}</p>",
            escape(&expected.join(" "))
        );
    }
    open_table(out, &contract.title, "Field");
    for entry in entries(contract) {
        write_table_row(out, &entry);
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

fn write_result(out: &mut String, table: &ResultTable) {
    let anchor = anchor("result", table.name);
    write_section_head(out, &anchor, (table.title, table.name), table.description);
    open_table(out, table.title, "Column");
    for column in table.columns {
        write_table_row(
            out,
            &Entry {
                name: column.name.to_string(),
                depth: column.name.matches('.').count(),
                kind: column.kind.to_string(),
                required: false,
                in_key: false,
                unit: column.unit.to_string(),
                limits: String::new(),
                rules: Vec::new(),
                personal: "",
                meaning: column.description.to_string(),
            },
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

fn write_section_head(
    out: &mut String,
    anchor: &str,
    (title, name): (&str, &str),
    description: &str,
) {
    let _ = writeln!(
        out,
        "<section id=\"{}\">\n<h3>{} {}</h3>\n<p class=\"about\">{}</p>",
        escape(anchor),
        escape(title),
        code(name),
        escape(description)
    );
}

fn open_table(out: &mut String, title: &str, first: &str) {
    let _ = writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n<table>\n<thead><tr>\
         <th scope=\"col\">{first}</th><th scope=\"col\">Type</th>\
         <th scope=\"col\">Meaning</th></tr></thead>\n<tbody>",
        escape(title)
    );
}

fn write_table_row(out: &mut String, entry: &Entry) {
    let indent = entry.depth.min(4);
    let _ = write!(
        out,
        "<tr><th scope=\"row\" class=\"in-{indent}\">{}",
        code(&entry.name)
    );
    let needed = match (entry.in_key, entry.required) {
        (true, _) => "key",
        (_, true) => "required",
        _ => "",
    };
    for mark in [needed, entry.personal]
        .iter()
        .filter(|mark| !mark.is_empty())
    {
        let _ = write!(out, " <span class=\"mark\">{mark}</span>");
    }
    let _ = write!(out, "</th><td class=\"type\">{}", escape(&entry.kind));
    if !entry.unit.is_empty() {
        let _ = write!(out, ", <span class=\"unit\">{}</span>", escape(&entry.unit));
    }
    let _ = write!(out, "</td><td>{}", escape(&entry.meaning));
    if !entry.limits.is_empty() {
        let _ = write!(
            out,
            "<span class=\"values\">{}</span>",
            escape(&capitalize(&entry.limits))
        );
    }
    for (label, texts) in &entry.rules {
        let texts: Vec<String> = texts.iter().map(|text| code(text)).collect();
        let label = capitalize(label);
        let texts = texts.join(", ");
        let _ = write!(out, "<span class=\"values\">{label} {texts}</span>");
    }
    out.push_str("</td></tr>\n");
}

fn capitalize(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(rest).collect()
    })
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

/// Escapes text for HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
