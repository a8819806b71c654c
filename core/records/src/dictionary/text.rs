//! The dictionary as Markdown.

use super::{Entry, entries, expectations, plain, results::ResultTable, rules};
use crate::contract::Contract;
use std::fmt::Write as _;

/// The dictionary as Markdown: a heading and a table for each record type and each result.
pub fn markdown(contracts: &[Contract], results: &[ResultTable]) -> String {
    let mut out = String::from("# Data dictionary\n");
    if !contracts.is_empty() {
        out.push_str("\n## Records\n");
    }
    for contract in contracts {
        let _ = write!(
            out,
            "\n### {} ({})\n\n{}\n\n",
            escape(&contract.title),
            code(&contract.name),
            escape(&contract.description)
        );
        for (label, fields) in rules(contract) {
            let fields: Vec<String> = fields.iter().map(|field| code(field)).collect();
            let _ = writeln!(out, "- {label}: {}", fields.join(", "));
        }
        for sentence in expectations(contract) {
            let _ = writeln!(out, "- {}", escape(&sentence));
        }
        out.push_str("\n| field | type | required | unit | values | meaning |\n");
        out.push_str("|---|---|---|---|---|---|\n");
        for entry in entries(contract) {
            write_table_row(&mut out, &entry);
        }
    }
    if !results.is_empty() {
        out.push_str("\n## Results\n");
    }
    for table in results {
        let _ = write!(
            out,
            "\n### {} ({})\n\n{}\n\n| column | type | unit | meaning |\n|---|---|---|---|\n",
            escape(table.title),
            code(table.name),
            escape(table.description)
        );
        for column in table.columns {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                code(column.name),
                column.kind,
                escape(column.unit),
                escape(column.description)
            );
        }
    }
    out
}

fn write_table_row(out: &mut String, entry: &Entry) {
    let mut values = vec![entry.limits.clone()];
    values.extend(entry.rules.iter().map(|(label, texts)| {
        let texts: Vec<String> = texts.iter().map(|text| code(text)).collect();
        format!("{label} {}", texts.join(", "))
    }));
    values.extend((!entry.personal.is_empty()).then(|| format!("personal: {}", entry.personal)));
    values.retain(|value| !value.is_empty());
    let values = values.join("; ");
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {values} | {} |",
        code(&entry.name),
        entry.kind,
        if entry.required { "yes" } else { "" },
        escape(&entry.unit),
        escape(&entry.meaning)
    );
}

/// Escapes text for Markdown and puts it on one line.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '\n' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Formats text as code, even if it contains backticks.
fn code(text: &str) -> String {
    let text = plain(text).replace('\n', " ").replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}
