//! Derives units and personal data from names and strings.

/// Units by the last word of a name.
const UNITS: [(&[&str], &str); 17] = [
    (&["ns", "nanos", "nanoseconds"], "ns"),
    (&["us", "micros", "microseconds"], "µs"),
    (&["ms", "millis", "milliseconds"], "ms"),
    (&["s", "sec", "secs", "seconds"], "s"),
    (&["minutes", "mins"], "min"),
    (&["h", "hours", "hrs"], "h"),
    (&["days"], "d"),
    (&["bytes"], "bytes"),
    (&["kb"], "kB"),
    (&["mb"], "MB"),
    (&["gb"], "GB"),
    (&["kib"], "KiB"),
    (&["mib"], "MiB"),
    (&["gib"], "GiB"),
    (&["percent", "pct", "percentage"], "%"),
    (&["tokens"], "tokens"),
    (&["rpm"], "rpm"),
];
const CURRENCIES: [&str; 6] = ["usd", "eur", "gbp", "chf", "jpy", "cny"];
const SHARES: [&str; 5] = ["rate", "ratio", "share", "fraction", "probability"];
/// Words in names of quantities that start at zero.
const FROM_ZERO: [&str; 16] = [
    "age", "attempts", "bytes", "count", "counts", "duration", "elapsed", "errors", "failures",
    "latency", "length", "retries", "size", "total", "wait", "width",
];
/// Words in names of personal data.
const PERSONAL: [&str; 15] = [
    "email",
    "mail",
    "phone",
    "mobile",
    "telephone",
    "fax",
    "ip",
    "user",
    "username",
    "login",
    "author",
    "assignee",
    "reporter",
    "surname",
    "address",
];
/// Words before "name" in the name of a person.
const PERSONS: [&str; 14] = [
    "first", "last", "full", "given", "family", "middle", "user", "customer", "contact", "person",
    "employee", "owner", "author", "display",
];
/// Words that indicate a machine instead of a person.
const IMPERSONAL: [&str; 11] = [
    "agent", "type", "kind", "count", "counts", "role", "plan", "status", "version", "cpu", "mem",
];

/// Splits a name into words: `startedAt`, `started_at` and `Started at` give the same words.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower_before) {
            words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase() || c.is_numeric();
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// The unit in a name, such as `ms` of `latency_ms` or `K` of `Air temperature [K]`.
pub(super) fn unit(name: &str, range: Option<(f64, f64)>) -> Option<String> {
    let name = without_column_number(name);
    let bracketed = name
        .trim_end()
        .strip_suffix([']', ')'])
        .and_then(|head| head.rsplit_once(['[', '(']))
        .map(|(_, unit)| unit.trim());
    if let Some(unit) = bracketed.filter(|unit| !unit.is_empty() && unit.chars().count() <= 12) {
        return Some(unit.to_string());
    }
    let words = words(name);
    let (last, before) = words.split_last()?;
    if before.is_empty() && last.len() < 3 {
        return None;
    }
    let known_unit = UNITS
        .iter()
        .find(|(names, _)| names.contains(&last.as_str()));
    let is_share = range.is_some_and(|(min, max)| min >= 0.0 && max <= 1.0);
    if let Some((_, unit)) = known_unit {
        Some((*unit).to_string())
    } else if CURRENCIES.contains(&last.as_str()) {
        Some(last.to_uppercase())
    } else if is_share && SHARES.contains(&last.as_str()) {
        Some("share".to_string())
    } else {
        None
    }
}

/// Removes the number that the reader appends to the name of an unnamed or repeated column.
fn without_column_number(name: &str) -> &str {
    let numbered = name
        .strip_suffix(')')
        .and_then(|name| name.rsplit_once("(column "));
    match numbered {
        Some((head, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => head.trim_end(),
        _ => name,
    }
}

/// Returns true if values of a field with this name and unit cannot be negative.
pub(super) fn is_non_negative(name: &str, unit: Option<&str>) -> bool {
    let units = UNITS.iter().map(|(_, unit)| *unit).chain(["share"]);
    let by_unit = unit.is_some_and(|unit| units.clone().any(|known| known == unit));
    by_unit
        || words(name)
            .iter()
            .any(|word| FROM_ZERO.contains(&word.as_str()))
}

/// Returns true if a name suggests personal data.
pub(super) fn is_personal_name(name: &str) -> bool {
    let words = words(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if has(&IMPERSONAL) {
        return false;
    }
    let ends_in_name = words.last().is_some_and(|last| last == "name");
    has(&PERSONAL) || (ends_in_name && (words.len() == 1 || has(&PERSONS)))
}

/// Returns true if a text looks like a mail address, a network address or a telephone number.
pub(super) fn looks_personal(text: &str) -> bool {
    let text = text.trim();
    is_mail(text) || is_network(text) || is_phone(text)
}

fn is_mail(text: &str) -> bool {
    let may_be_mail = text.len() <= 254 && !text.contains(|c: char| c.is_whitespace() || c == '/');
    let parts = text.split_once('@').filter(|_| may_be_mail);
    parts.is_some_and(|(person, host)| {
        let ending = host.rsplit_once('.').map(|(_, ending)| ending);
        let has_ending = ending
            .is_some_and(|ending| ending.len() >= 2 && ending.chars().all(char::is_alphabetic));
        !person.is_empty() && !host.contains('@') && has_ending
    })
}

fn is_network(text: &str) -> bool {
    text.parse::<std::net::Ipv4Addr>().is_ok()
        || (text.matches(':').count() >= 3 && text.parse::<std::net::Ipv6Addr>().is_ok())
}

/// Returns true for telephone numbers with a country or area code; other digits may be anything.
fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let has_prefix = text.starts_with('+') || text.starts_with('(');
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+()-. /".contains(&byte));
    has_prefix && is_plain && (7..=15).contains(&digits)
}

/// Ranks field names that suggest the identity of a record, the most certain first.
pub(super) fn key_rank(name: &str) -> Option<usize> {
    const ALONE: [&str; 5] = ["id", "uuid", "guid", "key", "uid"];
    let words = words(name);
    let last = words.last()?;
    let rank = ALONE.iter().position(|known| known == last)?;
    Some(if words.len() == 1 {
        rank
    } else {
        ALONE.len() + rank
    })
}

/// Ranks field names that suggest the time of a record, the most certain first.
pub(super) fn time_rank(name: &str) -> Option<usize> {
    const NAMES: [&str; 15] = [
        "created at",
        "timestamp",
        "ts",
        "time",
        "at",
        "started at",
        "occurred at",
        "authored at",
        "event time",
        "start time",
        "created",
        "started",
        "datetime",
        "date",
        "day",
    ];
    const ENDINGS: [&str; 5] = ["at", "time", "timestamp", "on", "date"];
    let words = words(name);
    let whole = words.join(" ");
    let ending = || {
        let last = words.last()?;
        let rank = ENDINGS.iter().position(|known| known == last)?;
        Some(NAMES.len() + rank)
    };
    NAMES
        .iter()
        .position(|known| *known == whole)
        .or_else(ending)
}

/// Returns true for names of the time at which a record was last changed.
pub(super) fn is_update_name(name: &str) -> bool {
    const WORDS: [&str; 5] = ["updated", "modified", "changed", "edited", "revised"];
    let words = words(name);
    words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Returns true for names of times, such as `ts`, `created` or `updated_ms`.
pub(super) fn is_time_name(name: &str) -> bool {
    const WORDS: [&str; 32] = [
        "at",
        "closed",
        "created",
        "date",
        "datetime",
        "day",
        "end",
        "ended",
        "epoch",
        "expires",
        "finished",
        "from",
        "micros",
        "millis",
        "modified",
        "ms",
        "nanos",
        "ns",
        "opened",
        "received",
        "resolved",
        "seen",
        "sent",
        "since",
        "start",
        "started",
        "time",
        "timestamp",
        "ts",
        "until",
        "updated",
        "us",
    ];
    let is_time_word = |word: &String| WORDS.contains(&word.as_str());
    time_rank(name).is_some() || words(name).iter().any(is_time_word)
}

/// Returns true for names of booleans, such as `is_open`.
pub(super) fn is_flag_name(name: &str) -> bool {
    let words = words(name);
    let begins = |first: &String| ["is", "has", "was", "can"].contains(&first.as_str());
    words.len() > 1 && words.first().is_some_and(begins)
}

/// Returns true for names of ordinals, such as the line number in an order; together with what it
/// counts within, such as the order, an ordinal can identify a record.
pub(super) fn is_ordinal_name(name: &str) -> bool {
    const WORDS: [&str; 26] = [
        "attempt",
        "build",
        "day",
        "hour",
        "index",
        "item",
        "line",
        "month",
        "nr",
        "no",
        "num",
        "number",
        "page",
        "part",
        "partition",
        "port",
        "position",
        "revision",
        "row",
        "run",
        "seq",
        "sequence",
        "shard",
        "step",
        "version",
        "week",
    ];
    let words = words(name);
    let last = words.last().map(String::as_str);
    last.is_some_and(|last| last == "year" || WORDS.contains(&last))
}

/// The name of a repeated column without the number that the reader appends.
pub(super) fn shared_name(name: &str) -> Option<&str> {
    let shared = without_column_number(name);
    (shared.len() < name.len() && !shared.is_empty()).then_some(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_times_flags_and_ordinals_are_recognized() {
        let check = |known: fn(&str) -> bool, names: [&str; 3], others: [&str; 2]| {
            assert!(names.into_iter().all(known), "{names:?}");
            assert!(!others.into_iter().any(known), "{others:?}");
        };
        check(
            is_time_name,
            ["ts", "createdMs", "last_seen"],
            ["status", "amount"],
        );
        check(
            is_flag_name,
            ["is_open", "hasError", "was closed"],
            ["issue", "is"],
        );
        check(
            is_ordinal_name,
            ["build_number", "line", "Year"],
            ["lines_total", "amount"],
        );
        assert_eq!(shared_name("Label (column 12)"), Some("Label"));
        assert_eq!(shared_name("(column 12)"), None);
        assert_eq!(shared_name("Label (column x)"), None);
    }

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(words("startedAt"), ["started", "at"]);
        assert_eq!(words("Air temperature [K]"), ["air", "temperature", "k"]);
        assert_eq!(words("userID2"), ["user", "id2"]);
        assert_eq!(words("__"), [""; 0]);
    }

    #[test]
    fn units_are_derived_from_names() {
        let check = |name: &str, range, expected: Option<&str>| {
            assert_eq!(unit(name, range).as_deref(), expected, "{name}");
        };
        check("latency_ms", None, Some("ms"));
        check("durationSeconds", None, Some("s"));
        check("cost_usd", None, Some("USD"));
        check("cpu_percent", None, Some("%"));
        check("Air temperature [K]", None, Some("K"));
        check("Tool wear [min]", None, Some("min"));
        check("error_rate", Some((0.0, 0.4)), Some("share"));
        check("error_rate", Some((0.0, 40.0)), None);
        check("a (column 2)", None, None);
        check("(column 6)", None, None);
        check("latency_ms (column 3)", None, Some("ms"));
        check("s", None, None);
        check("items", None, None);
        assert!(is_non_negative("latency_ms", Some("ms")) && is_non_negative("retries", None));
        assert!(
            !is_non_negative("temperature", None) && !is_non_negative("balance_usd", Some("USD"))
        );
    }

    #[test]
    fn personal_data_is_detected_by_name_and_form() {
        for name in [
            "email",
            "customer_name",
            "name",
            "ipAddress",
            "user_id",
            "author",
            "Phone",
        ] {
            assert!(is_personal_name(name), "{name}");
        }
        for name in [
            "service_name",
            "user_agent",
            "user_cpu",
            "description",
            "ship",
            "user_count",
        ] {
            assert!(!is_personal_name(name), "{name}");
        }
        for text in [
            "a.b@c.org",
            "192.168.0.1",
            "2001:db8:0:0::1",
            "+49 30 123456",
            "(030) 12-34567",
        ] {
            assert!(looks_personal(text), "{text}");
        }
        for text in [
            "12:30:45",
            "2026-01-01",
            "1.2.3",
            "a @ b",
            "git@host:a/b",
            "+",
            "123456789",
        ] {
            assert!(!looks_personal(text), "{text}");
        }
    }

    #[test]
    fn keys_and_times_are_ranked() {
        assert!(key_rank("id") < key_rank("order_id") && key_rank("order_id").is_some());
        assert_eq!(key_rank("idea"), None);
        assert!(time_rank("createdAt") < time_rank("updated_at"));
        assert!(time_rank("date") < time_rank("resolved_at"));
        assert_eq!(time_rank("title"), None);
    }
}
