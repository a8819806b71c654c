//! Which type of a contract fits all values that were seen.

use super::profile::Profile;
use retrocast_domain::number::{list, plural};

/// A type of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Timestamp,
    Date,
    Json,
    List(Box<Kind>),
    Struct,
}

impl Kind {
    /// As a contract writes it.
    pub fn written(&self) -> String {
        match self {
            Self::Text => "string".to_string(),
            Self::Integer => "integer".to_string(),
            Self::Number => "number".to_string(),
            Self::Boolean => "boolean".to_string(),
            Self::Timestamp => "timestamp".to_string(),
            Self::Date => "date".to_string(),
            Self::Json => "json".to_string(),
            Self::List(item) => format!("list<{}>", item.written()),
            Self::Struct => "struct".to_string(),
        }
    }

    /// The type at the heart of lists.
    pub fn innermost(&self) -> &Self {
        match self {
            Self::List(item) => item.innermost(),
            other => other,
        }
    }
}

/// The type that fits all values, and what a reader of the draft should know about the choice.
pub(super) fn kind(profile: &Profile) -> (Kind, Option<String>) {
    if profile.seen == 0 {
        return (Kind::Json, Some("nothing but null".to_string()));
    }
    let p = profile;
    let all = |n: u64| n == p.seen;
    if all(p.objects) {
        return object(p);
    }
    if all(p.arrays) {
        return array(p);
    }
    if all(p.booleans) || (p.booleans > 0 && all(p.booleans + p.flags)) {
        return (Kind::Boolean, None);
    }
    if all(p.integers) {
        return (Kind::Integer, None);
    }
    if all(p.integers + p.numbers) {
        return (Kind::Number, None);
    }
    if all(p.texts) && p.times == p.texts {
        return (Kind::Timestamp, None);
    }
    if all(p.texts) && p.dates == p.texts {
        return (Kind::Date, None);
    }
    let kind = if all(p.texts) || p.cells > 0 {
        Kind::Text
    } else {
        Kind::Json
    };
    (kind, mixture(p))
}

fn object(p: &Profile) -> (Kind, Option<String>) {
    if p.opaque {
        let why = (p.cells == 0).then(|| "deep, or with many fields: kept as text".to_string());
        return (Kind::Json, why);
    }
    if !p.fields.keys().any(|name| super::nameable(name)) {
        return (Kind::Json, Some("objects without fields".to_string()));
    }
    // A map from data to values has many keys, each of them in few objects.
    let present: u64 = p
        .fields
        .values()
        .map(|field| field.seen + field.nulls)
        .sum();
    let few = present * 2 < p.objects * p.fields.len() as u64;
    if few && p.fields.len() > 12 {
        let why = format!(
            "a map: {} differ between objects; kept as text",
            plural(p.fields.len() as u64, "key")
        );
        return (Kind::Json, Some(why));
    }
    (Kind::Struct, None)
}

fn array(p: &Profile) -> (Kind, Option<String>) {
    let Some(items) = p
        .items
        .as_deref()
        .filter(|items| items.seen > 0 && !p.opaque)
    else {
        return (Kind::Json, Some("lists without values".to_string()));
    };
    let (item, why) = kind(items);
    (Kind::List(Box::new(item)), why)
}

/// What a mixture consists of; `None` when it is none.
fn mixture(p: &Profile) -> Option<String> {
    let texts = p.texts.saturating_sub(p.times + p.dates);
    let parts: Vec<String> = [
        (p.booleans, "boolean"),
        (p.integers, "integer"),
        (p.numbers, "number"),
        (p.times, "timestamp"),
        (p.dates, "date"),
        (texts, "string"),
        (p.arrays, "list"),
        (p.objects, "object"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, noun)| plural(n, noun).replace('\u{a0}', " "))
    .collect();
    (parts.len() > 1).then(|| format!("decide: mixed, {}", list(&parts)))
}
