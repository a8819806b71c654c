//! "Did you mean": the name that a misspelt one was probably meant to be.

/// The candidate nearest to `name`, if it is near enough to be a typing error.
pub fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .filter(|(distance, candidate)| {
            *distance <= 1.max(name.chars().count().min(candidate.chars().count()) / 3)
        })
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["required", "type", "description", "max_length"];
        assert_eq!(near("requierd", names), Some("required"));
        assert_eq!(near("Type", names), Some("type"));
        assert_eq!(near("maxlength", names), Some("max_length"));
        assert_eq!(near("colour", names), None);
    }
}
