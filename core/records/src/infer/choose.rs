//! Chooses the key of the records, and the field with their time.

use super::{
    hints,
    inferred_type::{InferredType, Reading},
    sample::Sample,
};
use std::collections::BTreeMap;

/// Minimum number of records for distinct values to be strong evidence of a key.
const RECORDS_MIN: u64 = 20;
/// Minimum number of records for fields that are named like parts of a key.
const NAMED_RECORDS_MIN: u64 = 4;
/// Maximum length of a text that can be an identifier, in characters.
const IDENTIFIER_LENGTH_MAX: usize = 128;
/// Maximum number of fields that are tried in pairs.
const PAIRED_FIELDS_MAX: usize = 20;
/// Maximum number of fields that are tried in triples.
const TRIPLED_FIELDS_MAX: usize = 10;
/// Plausible times of records, in microseconds since 1970 UTC.
const PLAUSIBLE: std::ops::Range<i64> = 0..4_102_444_800_000_000;

/// A chosen key or time, with a comment on the choice.
pub(super) struct Choice {
    pub fields: Vec<String>,
    pub reason: String,
    /// For the key of versions of a record: the field that tells which of them is the latest.
    pub latest: Option<String>,
}

/// The candidate fields, with their statistics and notation.
pub(super) struct Fields<'a> {
    pub sample: &'a Sample,
    pub readings: &'a BTreeMap<&'a str, Reading>,
}

impl Fields<'_> {
    /// Chooses the fields that together identify a record.
    pub fn key(&self) -> Choice {
        let sample = self.sample;
        let seen = super::records(sample.records);
        let choice = |fields: &[&str], reason: String| Choice {
            fields: fields.iter().map(ToString::to_string).collect(),
            reason,
            latest: None,
        };
        let names: Vec<&str> = sample.names.iter().map(String::as_str).collect();
        let names: Vec<&str> = names
            .into_iter()
            .filter(|name| self.can_identify(name))
            .collect();
        // The first field with the best name.
        let mut named: Vec<&str> = names.clone();
        named.retain(|name| hints::key_rank(name).is_some() && self.can_be_identifier(name));
        named.sort_by_key(|name| hints::key_rank(name));
        if sample.records > 1
            && let Some(name) = named.iter().find(|name| sample.is_unique(&[name]))
        {
            return choice(&[name], format!("unique in {seen}"));
        }
        if let Some([name, time]) = self.versions(&names, &named) {
            let reason = format!("decide: repeated in {seen} with a different {time}");
            return Choice {
                latest: Some(time.to_string()),
                ..choice(&[name], reason)
            };
        }
        let mut ordinals: Vec<&str> = names.clone();
        ordinals.retain(|name| {
            self.has_type(name, &[InferredType::Integer]) && hints::is_ordinal_name(name)
        });
        let choose_together =
            |fields: &[&str]| choice(fields, format!("decide: unique together in {seen}"));
        if sample.records < RECORDS_MIN {
            let parts: Vec<&str> = named.iter().chain(&ordinals).copied().collect();
            let pair = pairs(&parts).find(|pair| sample.is_unique(pair));
            if let Some(pair) = pair.filter(|_| sample.records >= NAMED_RECORDS_MIN) {
                return choose_together(&pair);
            }
            let are = if sample.records == 1 { "is" } else { "are" };
            let reason = format!("no key: {seen} {are} too few to choose one; decide");
            return choice(&[], reason);
        }
        let mut texts: Vec<&str> = names.clone();
        texts.retain(|name| {
            self.can_be_identifier(name) && self.has_type(name, &[InferredType::Text])
        });
        if let Some(name) = texts.iter().find(|name| sample.is_unique(&[name])) {
            return choice(&[name], format!("decide: unique in {seen}"));
        }
        // A number that counts is a better key than a time, which may be corrected later.
        if let Some(name) = ordinals.iter().find(|name| sample.is_unique(&[name])) {
            return choice(&[name], format!("decide: unique in {seen}"));
        }
        let mut times: Vec<&str> = names.clone();
        times.retain(|name| self.has_type(name, &[InferredType::Timestamp, InferredType::Date]));
        // Records with distinct times are a series.
        if let Some(time) = times.iter().find(|time| sample.is_unique(&[time])) {
            return choice(&[time], format!("decide: unique in {seen}"));
        }
        let mut labels = names;
        labels.retain(|name| self.can_be_label(name));
        let mut parts: Vec<&str> = Vec::new();
        for part in named
            .into_iter()
            .chain(texts)
            .chain(ordinals)
            .chain(labels)
            .take(PAIRED_FIELDS_MAX)
        {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        match self.unique_together(&parts, &times) {
            Some(fields) => choose_together(&fields),
            None => choice(
                &[],
                "no key: no field, and no two or three, are unique; decide".to_string(),
            ),
        }
    }

    /// Finds an identifier that is repeated with different times of update: versions of one record.
    /// Returns the identifier and the time.
    fn versions<'n>(&self, names: &[&'n str], identifiers: &[&'n str]) -> Option<[&'n str; 2]> {
        let is_update = |name: &&&str| {
            hints::is_update_name(name) && self.has_type(name, &[InferredType::Timestamp])
        };
        let updates = || names.iter().filter(is_update);
        let mut pairs = identifiers
            .iter()
            .flat_map(|name| updates().map(|time| [*name, *time]))
            .filter(|_| self.sample.records >= NAMED_RECORDS_MIN);
        pairs.find(|pair| self.sample.is_unique(pair))
    }

    /// Finds two or three fields that are unique together, preferably with a time.
    fn unique_together<'n>(&self, parts: &[&'n str], times: &[&'n str]) -> Option<Vec<&'n str>> {
        let with_time = |parts: &[&'n str]| -> Vec<Vec<&'n str>> {
            times
                .iter()
                .map(|time| [parts, &[*time]].concat())
                .collect()
        };
        let first_parts = &parts[..parts.len().min(TRIPLED_FIELDS_MAX)];
        let with_two = parts.iter().flat_map(|part| with_time(&[*part]));
        let with_two = with_two.chain(pairs(parts).map(Vec::from));
        let with_three = pairs(first_parts).flat_map(|pair| with_time(&pair));
        let with_three = with_three.chain(triples(first_parts).map(Vec::from));
        with_two
            .chain(with_three)
            .find(|fields| self.sample.is_unique(fields))
    }

    /// Returns true if a contract can name a field, and every record has a value.
    fn can_identify(&self, name: &str) -> bool {
        let reading = self.readings.get(name);
        self.sample.hashes.contains_key(name) && reading.is_some_and(|reading| reading.missing == 0)
    }

    /// Returns true if a field has one of the types.
    fn has_type(&self, name: &str, types: &[InferredType]) -> bool {
        let reading = self.readings.get(name);
        reading.is_some_and(|reading| types.contains(&reading.field_type))
    }

    /// Returns true if a field's values can be identifiers, rather than measures or prose.
    fn can_be_identifier(&self, name: &str) -> bool {
        let statistics = self.sample.profiles.get(name).zip(self.readings.get(name));
        let Some((profile, reading)) = statistics else {
            return false;
        };
        match reading.field_type {
            InferredType::Text => profile.longest <= IDENTIFIER_LENGTH_MAX && profile.spaced == 0,
            InferredType::Integer => hints::key_rank(name).is_some(),
            InferredType::Json => profile.integers + profile.numbers == profile.seen,
            _ => false,
        }
    }

    /// Returns true if a field's values can be names with spaces, such as "Tier 1", rather than
    /// prose: each occurs at least twice on average. They are no identifiers, but may be part of a
    /// key.
    fn can_be_label(&self, name: &str) -> bool {
        let is_short = (self.sample.profiles.get(name))
            .is_some_and(|profile| profile.longest <= IDENTIFIER_LENGTH_MAX);
        let distinct = self.sample.distinct(name) as u64;
        is_short
            && self.has_type(name, &[InferredType::Text])
            && 2 * distinct <= self.sample.records
    }

    /// Chooses the field with the time of a record; `None` if no field is suitable.
    pub fn time(&self) -> Option<Choice> {
        let sample = self.sample;
        let candidate = |name: &&String| {
            let statistics = sample
                .profiles
                .get(*name)
                .zip(self.readings.get(name.as_str()));
            let Some((profile, reading)) = statistics else {
                return false;
            };
            let is_time = matches!(
                reading.field_type,
                InferredType::Timestamp | InferredType::Date
            );
            let seen = profile.seen.saturating_sub(reading.missing);
            let always_present = profile.nulls == 0 && seen == sample.records;
            let plausible = reading.span.is_some_and(|(first, last)| {
                PLAUSIBLE.contains(&first) && PLAUSIBLE.contains(&last)
            });
            is_time && always_present && plausible
        };
        let mut names: Vec<&String> = sample.names.iter().filter(candidate).collect();
        names.sort_by_key(|name| hints::time_rank(name).unwrap_or(usize::MAX));
        let (first, others) = names.split_first()?;
        let reason = if others.is_empty() {
            "the only time that every record has".to_string()
        } else {
            let mut others: Vec<String> = others.iter().map(|name| super::excerpt(name)).collect();
            others.truncate(5);
            format!("decide: others are {}", others.join(", "))
        };
        Some(Choice {
            fields: vec![(*first).clone()],
            reason,
            latest: None,
        })
    }
}

/// All pairs of names.
fn pairs<'n>(names: &[&'n str]) -> impl Iterator<Item = [&'n str; 2]> {
    names.iter().enumerate().flat_map(|(index, first)| {
        names[index + 1..]
            .iter()
            .map(move |second| [*first, *second])
    })
}

/// All triples of names.
fn triples<'n>(names: &[&'n str]) -> impl Iterator<Item = [&'n str; 3]> {
    names.iter().enumerate().flat_map(|(index, first)| {
        pairs(&names[index + 1..]).map(move |[second, third]| [*first, second, third])
    })
}

#[cfg(test)]
mod tests {
    use crate::infer::tests::draft_of;

    #[test]
    fn versions_of_a_record_share_its_key() {
        let order = |i: u32| {
            let (id, version, status) = (i / 2, i % 2, ["open", "returned"][i as usize % 2]);
            format!(
                r#"{{"order_id":"O-{id}","status":"{status}","updated_at":"2026-01-0{}T08:00:{:02}Z"}}"#,
                1 + version * 7,
                id
            )
        };
        let orders = |n: u32| (0..n).map(|i| order(i) + "\n").collect::<String>();
        for n in [8, 60] {
            let draft = draft_of("order", "orders.jsonl", &orders(n)).text;
            assert!(draft.contains("key = [\"order_id\"]"), "{draft}");
            assert!(draft.contains("latest = \"updated_at\""), "{draft}");
        }
        // Equal times do not tell the versions apart.
        let same = orders(60).replace("01-08", "01-01");
        let draft = draft_of("order", "orders.jsonl", &same).text;
        assert!(!draft.contains("latest ="), "{draft}");
        // Records with keys of their own have no versions.
        let unique = orders(60).replace("\"order_id\":\"O-", "\"order_id\":\"");
        let unique: String = (unique.lines().enumerate())
            .map(|(i, line)| line.replacen('"', &format!("\"id\":{i},\""), 1) + "\n")
            .collect();
        assert!(unique.starts_with("{\"id\":0,"), "{unique}");
        let draft = draft_of("order", "orders.jsonl", &unique).text;
        assert!(
            draft.contains("key = [\"id\"]") && !draft.contains("latest ="),
            "{draft}"
        );
    }
}
