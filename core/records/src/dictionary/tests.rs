use super::*;

const CONTRACT: &str = r#"
title = "Parcel <b>\"fast\"</b>"
description = "What is sent & *when*."
key = ["id"]
latest = "seen"
time = "at"
unknown = "refuse"
expect = { fresh_hours = 26 }
[field.id]
type = "string"
min_length = 2
max_length = 64
pattern = "[A-Z]<+"
personal = "hash"
description = "Identity | of the parcel."
[field.at]
type = "timestamp"
required = true
from = "when"
format = "%d.%m.%Y %H:%M"
zone = "Europe/Berlin"
description = "When."
[field.seen]
type = "integer"
min = 0
description = "Times seen."
[field.weight]
type = "number"
unit = "kg"
min = 0.5
max = 30000
default = 1
decimal = ","
thousands = "."
null_words = ["-", "k.A."]
description = "Weight."
[field."`|<x"]
type = "string"
allowed = ["a", "<i>b</i>"]
description = "Odd \u202e name."
[field.stops]
type = "list<struct>"
description = "Where it was."
[field.stops.field.place]
type = "string"
required = true
description = "Place."
"#;

fn contract() -> Contract {
    crate::contract::parse("parcel", "parcel.toml", CONTRACT).unwrap()
}

#[test]
fn every_field_is_listed_with_its_limits() {
    let contract = contract();
    let shown: Vec<String> = entries(&contract)
        .iter()
        .map(|e| {
            let rules: Vec<String> = e
                .rules
                .iter()
                .map(|(label, texts)| format!("{label} {}", texts.join("/")))
                .collect();
            let (kind, limits, rules) = (&e.kind, &e.limits, rules.join("; "));
            format!(
                "{} {} | {kind} | {} | {limits} | {rules}",
                e.depth, e.name, e.unit
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "0 id | text |  | 2 to 64 characters | matches [A-Z]<+",
            "0 at | time |  | 1970-01-01 to 2099-12-31 | read from when; written as %d.%m.%Y %H:%M; \
             without an offset in Europe/Berlin",
            "0 seen | whole number |  | 0 or more | ",
            "0 weight | number | kg | 0.5 to 30\u{202f}000 | when missing: 1; before decimals: ,; \
             between thousands: .; no value: -/k.A.",
            "0 `|<x | text |  |  | one of a/<i>b</i>",
            "0 stops | list of objects |  |  | ",
            "1 stops.place | text |  |  | ",
        ]
    );
    assert!(entries(&contract)[0].in_key && entries(&contract)[0].required);
}

#[test]
fn text_from_contracts_is_escaped() {
    let page = html(&[contract()], &results());
    assert!(
        page.contains("Parcel &lt;b&gt;&quot;fast&quot;&lt;/b&gt;"),
        "{page}"
    );
    assert!(page.contains("<code>&lt;i&gt;b&lt;/i&gt;</code>"));
    assert!(page.contains("Matches <code>[A-Z]&lt;+</code>"), "{page}");
    assert!(
        page.contains("<span class=\"mark\">hashed</span>"),
        "{page}"
    );
    assert!(page.contains("When missing: <code>1"), "{page}");
    assert!(
        page.contains("The newest record is at most 26\u{a0}hours old. A record with"),
        "{page}"
    );
    assert!(!page.contains("<b>") && !page.contains("<i>") && !page.contains('\u{202e}'));
    for tag in ["<section", "<table", "<tr", "<code", "<span"] {
        let end = tag.replace('<', "</");
        assert_eq!(
            page.matches(tag).count(),
            page.matches(&end).count(),
            "{tag}"
        );
    }
    let text = markdown(&[contract()], &[]);
    assert!(
        text.contains(r#"### Parcel \<b\>"fast"\</b\> (`parcel`)"#),
        "{text}"
    );
    assert!(text.contains(
        "| `id` | text | yes |  | 2 to 64 characters; matches `[A-Z]<+`; personal: hashed | Identity \\| of the parcel. |"
    ));
    assert!(text.contains("| `` `\\|<x `` | text |"), "{text}");
    assert!(text.contains("- Key: `id`\n- Time: `at`\n- Latest by: `seen`\n"));
}

#[test]
fn rows_of_markdown_tables_have_equal_width() {
    let text = markdown(&[contract()], &results());
    let mut width = 0;
    for line in text.lines() {
        let bars = line.replace("\\|", "").matches('|').count();
        if line.starts_with('|') && width > 0 {
            assert_eq!(bars, width, "{line}");
        }
        width = if line.starts_with('|') { bars } else { 0 };
    }
}

#[test]
fn links_lead_to_sections() {
    let page = html(&[contract()], &results());
    let links = page.split("href=\"#").skip(1);
    for link in links.map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
    }
    assert_eq!(html(&[], &[]).matches("<section").count(), 0);
}
