//! Which fields identify a record, and which says when it happened.

use super::{
    kind::{Kind, kind},
    looks, nameable,
    sample::Sample,
};

/// Below this many records, that all values differ says little.
const FEW: u64 = 20;
/// Longest text that can be an identity.
const NAME: usize = 128;
/// Fields tried in pairs.
const PAIRS: usize = 20;
/// Times that a record can well have, in microseconds since 1970 UTC.
const PLAUSIBLE: std::ops::Range<i64> = 0..4_102_444_800_000_000;

/// A key or a time, with what a reader should know about the choice.
pub(super) struct Choice {
    pub fields: Vec<String>,
    pub why: String,
}

/// Fields that together identify a record.
pub(super) fn key(sample: &Sample) -> Choice {
    let seen = super::records(sample.records);
    let names: Vec<&String> = sample
        .names
        .iter()
        .filter(|name| sample.hashes.contains_key(*name) && nameable(name))
        .collect();
    let chosen = |fields: &[&str], why: String| Choice {
        fields: fields.iter().map(ToString::to_string).collect(),
        why,
    };
    // The first of those with the best name.
    let mut named: Vec<&String> = names.clone();
    named.retain(|name| looks::key_rank(name).is_some() && is_name(sample, name));
    named.sort_by_key(|name| looks::key_rank(name));
    if sample.records > 1
        && let Some(name) = named.iter().find(|name| sample.unique(&[name.as_str()]))
    {
        return chosen(&[name.as_str()], format!("unique in {seen}"));
    }
    if sample.records < FEW {
        let are = if sample.records == 1 { "is" } else { "are" };
        let why = format!("no key: {seen} {are} too few to tell one by; decide");
        return chosen(&[], why);
    }
    let mut texts: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    texts.retain(|name| is_name(sample, name) && is(sample, name, &Kind::Text));
    if let Some(name) = texts.iter().find(|name| sample.unique(&[name])) {
        return chosen(&[name], format!("decide: unique in {seen}"));
    }
    let is_time =
        |name: &&&String| is(sample, name, &Kind::Timestamp) || is(sample, name, &Kind::Date);
    let times: Vec<&str> = names
        .iter()
        .filter(is_time)
        .map(|name| name.as_str())
        .collect();
    let numbered = named.iter().map(|name| name.as_str());
    let mut parts: Vec<&str> = numbered.chain(texts).collect();
    parts.truncate(PAIRS);
    parts.dedup();
    let with_time = parts
        .iter()
        .flat_map(|part| times.iter().map(move |time| [*part, *time]));
    let of_two = parts.iter().enumerate().flat_map(|(index, first)| {
        parts[index + 1..]
            .iter()
            .map(move |second| [*first, *second])
    });
    // One time for one record is a series.
    if let Some(time) = times.iter().find(|time| sample.unique(&[time])) {
        return chosen(&[time], format!("decide: unique in {seen}"));
    }
    let mut pairs = with_time.chain(of_two);
    match pairs.find(|pair| pair[0] != pair[1] && sample.unique(pair)) {
        Some(pair) => chosen(&pair, format!("decide: unique together in {seen}")),
        None => chosen(
            &[],
            "no key: no field, and no two, are unique; decide".to_string(),
        ),
    }
}

/// Whether a field is of a type.
fn is(sample: &Sample, name: &str, wanted: &Kind) -> bool {
    let profile = sample.profiles.get(name);
    profile.is_some_and(|profile| kind(profile).0 == *wanted)
}

/// Whether a field's values can be names of something, rather than measures or prose.
fn is_name(sample: &Sample, name: &str) -> bool {
    let Some(profile) = sample.profiles.get(name) else {
        return false;
    };
    match kind(profile).0 {
        Kind::Text => profile.longest <= NAME && profile.spaced == 0,
        Kind::Integer => looks::key_rank(name).is_some(),
        _ => false,
    }
}

/// The field that says when a record happened; `None` without one.
pub(super) fn time(sample: &Sample) -> Option<Choice> {
    let candidate = |name: &&String| {
        let Some(profile) = sample.profiles.get(*name).filter(|_| nameable(name)) else {
            return false;
        };
        let timed = matches!(kind(profile).0, Kind::Timestamp | Kind::Date);
        let whole = profile.nulls == 0 && profile.seen == sample.records;
        let plausible = profile
            .span
            .is_some_and(|(first, last)| PLAUSIBLE.contains(&first) && PLAUSIBLE.contains(&last));
        timed && whole && plausible
    };
    let mut names: Vec<&String> = sample.names.iter().filter(candidate).collect();
    names.sort_by_key(|name| looks::time_rank(name).unwrap_or(usize::MAX));
    let (first, others) = names.split_first()?;
    let why = if others.is_empty() {
        "the only time that every record has".to_string()
    } else {
        let mut others: Vec<String> = others.iter().map(|name| super::shown(name)).collect();
        others.truncate(5);
        format!("decide: others are {}", others.join(", "))
    };
    Some(Choice {
        fields: vec![(*first).clone()],
        why,
    })
}
