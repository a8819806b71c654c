//! Suggests corrections of misspelt names.

/// Finds the candidate nearest to `name`, if `name` may be a misspelling of it.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .filter(|(distance, candidate)| {
            *distance <= 1.max(name.chars().count().min(candidate.chars().count()) / 3)
        })
        .map(|(_, candidate)| candidate)
}

/// The phrase ", did you mean ...?" for an unknown name; empty without a suggestion.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |found| format!(", did you mean `{found}`?"))
}
