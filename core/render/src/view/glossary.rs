//! The glossary: terms that readers may not know, limited to those that a report uses.

use super::View;
use serde_json::Value;

/// A term, the words that indicate its use, and its meaning.
struct Term {
    name: &'static str,
    words: &'static [&'static str],
    meaning: &'static str,
}

const TERMS: &[Term] = &[
    Term {
        name: "Window",
        words: &["window", "windows"],
        meaning: "the days that the report covers, in the job's time zone",
    },
    Term {
        name: "Baseline",
        words: &["baseline"],
        meaning: "the windows before the current one, combined",
    },
    Term {
        name: "Interval",
        words: &["interval", "intervals"],
        meaning: "the range of values that the data supports: in 95 of 100 such analyses, a 95 % \
                  interval contains the true value; for complete counts, that is the level around \
                  which single periods scatter by chance",
    },
    Term {
        name: "Not proven",
        words: &["not proven"],
        meaning: "the data neither shows a difference nor rules one out",
    },
    Term {
        name: "p",
        words: &["p =", "p <", "p"],
        meaning: "the chance of a result at least as extreme if there were no difference",
    },
    Term {
        name: "Adjusted p",
        words: &["adjusted p"],
        meaning: "p, corrected for the number of tests",
    },
    Term {
        name: "Alpha",
        words: &["alpha"],
        meaning: "the chance that a stage with nothing to find makes a claim; the stages of a job share \
                  its false_claims, 5 % unless set, so that at most that part of the reports with nothing \
                  to find contains a claim",
    },
    Term {
        name: "Severity",
        words: &["critical", "warning", "notice", "info"],
        meaning: "critical: needs attention now; warning: needs attention; notice: worth a \
                  look; info: good to know",
    },
    Term {
        name: "Counterfactual",
        words: &["counterfactual"],
        meaning: "what would have happened without a change, estimated from the time before it and \
                  from controls",
    },
    Term {
        name: "Control",
        words: &["control", "controls", "uncontrolled"],
        meaning: "a comparable series that the change did not affect; “uncontrolled” means that none \
                  moved in step before the change, or that there was none, so an outside event on \
                  the same days cannot be distinguished from the effect of the change",
    },
    Term {
        name: "Placebo date",
        words: &["placebo date", "placebo dates"],
        meaning: "a date at which nothing was changed; the spread of estimates at such dates corrects \
                  the interval of the real one",
    },
    Term {
        name: "MASE",
        words: &["mase"],
        meaning: "the mean absolute error of a forecast, divided by that of repeating the previous \
                  season in the training history (Hyndman and Koehler, 2006)",
    },
    Term {
        name: "Left out",
        words: &["left out"],
        meaning: "a record that does not meet its contract; it is kept, with the reason, but not \
                  counted",
    },
    Term {
        name: "Duplicate",
        words: &["duplicate", "duplicates"],
        meaning: "a record whose key had been read before; it is not counted again",
    },
];

/// Returns true if a text contains the words as whole words.
fn contains_words(text: &str, words: &str) -> bool {
    let is_letter = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    text.match_indices(words).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + words.len()..]);
        !is_letter(before.chars().next_back()) && !is_letter(after.chars().next())
    })
}

/// Collects all strings in a value, without the names of its fields.
fn collect_texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.to_lowercase().replace('\u{a0}', " ")),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| collect_texts(field, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The terms that occur in the printed text, with their meanings; `headings` are those of tables
/// defined by templates.
pub(super) fn glossary(view: &Value, headings: &[&str]) -> Vec<[&'static str; 2]> {
    let mut strings: Vec<String> = headings.iter().map(|text| text.to_lowercase()).collect();
    collect_texts(view, &mut strings);
    let occurs = |words: &&str| match *words {
        // A letter may mean anything within a text, but as a heading it is a probability.
        "p" => strings.iter().any(|text| text == "p"),
        words => strings.iter().any(|text| contains_words(text, words)),
    };
    TERMS
        .iter()
        .filter(|term| term.words.iter().any(occurs))
        .map(|term| [term.name, term.meaning])
        .collect()
}

/// Headings of the technical report's own tables, if it has them.
pub(super) fn table_headings(view: &View) -> Vec<&'static str> {
    let parts: [(bool, &[&str]); 4] = [
        (!view.kpis.is_empty(), &["95 % interval"]),
        (!view.findings.is_empty(), &["Severity"]),
        (!view.sources.is_empty(), &["Left out", "Duplicates"]),
        (
            !view.effects.is_empty(),
            &["95 % interval", "p", "Controls"],
        ),
    ];
    let printed = parts.into_iter().filter(|(is_printed, _)| *is_printed);
    printed.flat_map(|(_, words)| words).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_terms_that_occur_are_explained() {
        let names = |view: Value, headings: &[&str]| -> Vec<&str> {
            let terms = glossary(&view, headings).into_iter();
            terms.map(|[name, _]| name).collect()
        };
        let view = json!({
            "counterfactual": "4.2", "findings": [{"meta": "adjusted p\u{a0}<\u{a0}0.001 · n = 4"}],
            "title": "Uncontrollable",
        });
        assert_eq!(names(view, &["Left out"]), ["p", "Adjusted p", "Left out"]);
        let view = json!({"tables": [{"columns": [{"title": "p"}]}], "note": "uncontrolled"});
        assert_eq!(names(view, &[]), ["p", "Control"]);
        assert!(names(json!(["option p of the program"]), &[]).is_empty());
    }
}
