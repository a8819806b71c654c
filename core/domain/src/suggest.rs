//! Suggestions for misspelt names: "did you mean ...?"

/// Returns the candidate nearest to a misspelt name; `None` if none is near.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let lower = candidate.to_lowercase();
            let edits = strsim::damerau_levenshtein(&name, &lower);
            let similarity = strsim::jaro_winkler(&name, &lower);
            (edits, similarity, candidate)
        })
        .filter(|(edits, similarity, candidate)| {
            *edits <= candidate.chars().count().min(name.chars().count()) / 3 || *similarity >= 0.88
        })
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(b.2)))
        .map(|(_, _, candidate)| candidate)
}

/// The phrase ", did you mean ...?" for an unknown name; empty if none is near.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |near| format!(", did you mean `{near}`?"))
}

/// Advice for an unknown name: the nearest candidate, otherwise all candidates. `what` names the
/// candidates, such as "known keys".
pub fn help<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>, what: &str) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(near) = nearest(name, candidates.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    match candidates.len() {
        0 => format!("there are no {what}"),
        n if n > 24 => format!(
            "{what}: {}, and {} more",
            candidates[..20].join(", "),
            n - 20
        ),
        _ => format!("{what}: {}", candidates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let known = [
            "window",
            "timezone",
            "title",
            "compare",
            "change_point",
            "input",
            "item",
        ];
        for (typed, expected) in [
            ("widnow", Some("window")),
            ("time_zone", Some("timezone")),
            ("changepoint", Some("change_point")),
            ("Title", Some("title")),
            ("inputs", Some("input")),
            ("nonsense", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, known), expected, "{typed}");
        }
        assert_eq!(help("zzz", ["a", "b"], "known keys"), "known keys: a, b");
    }
}
