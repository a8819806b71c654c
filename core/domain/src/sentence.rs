//! Sentences from templates: `{name}` is replaced, everything else is copied.

/// Fills the `{name}` placeholders of a template.
///
/// # Panics
/// If a placeholder has no value: a bug in a stage, which its tests would find.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let close = rest[open..]
            .find('}')
            .map_or(rest.len(), |offset| open + offset);
        let name = &rest[open + 1..close];
        let value = values.iter().find(|(placeholder, _)| *placeholder == name);
        out.push_str(
            value
                .unwrap_or_else(|| panic!("no value for {{{name}}} in {template:?}"))
                .1,
        );
        rest = rest.get(close + 1..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

/// "are" for a measure in the plural, else "is": failed orders are, the share of orders is.
pub fn is_or_are(measure: &str) -> &'static str {
    let noun = [" per ", " of "].iter().fold(measure, |noun, word| {
        noun.split(word).next().unwrap_or(noun)
    });
    if noun.ends_with('s') && !noun.ends_with("ss") && !noun.starts_with("the ") {
        "are"
    } else {
        "is"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_agree_with_their_measure() {
        let plural = ["Failed orders", "orders per day", "records of calls"];
        assert!(
            plural
                .into_iter()
                .all(|measure| is_or_are(measure) == "are")
        );
        let singular = [
            "Failure rate",
            "share of orders",
            "success",
            "the calls",
            "cost per orders",
        ];
        assert!(
            singular
                .into_iter()
                .all(|measure| is_or_are(measure) == "is")
        );
    }

    #[test]
    fn placeholders_in_values_are_not_filled() {
        assert_eq!(
            fill("{a} and {b}", &[("a", "{b}"), ("b", "2")]),
            "{b} and 2"
        );
    }
}
