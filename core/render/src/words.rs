//! Names, dates and text lengths, formatted alike in sentences, tables and charts.

use jiff::civil::Date;
use retrocast_domain::{
    number::{NBSP, THIN},
    window::{date_in_words, month_name},
};

/// Describes why records were left out, for readers who do not know the names of the reasons.
pub(crate) fn describe_violation(reason: &str) -> &str {
    match reason {
        "missing required" => "a required field is missing",
        "not allowed" => "a value is not allowed",
        "out of range" => "a value is out of range",
        "wrong type" => "a value has the wrong type",
        "too long" => "a text is too long",
        "too short" => "a text is too short",
        other => other,
    }
}

/// Placeholder for an empty or blank name.
pub(crate) const BLANK: &str = "(blank)";

/// The name, with a placeholder for a blank name or value.
pub(crate) fn visible_name(name: &str) -> String {
    let is_blank = |text: &str| text.chars().all(char::is_whitespace);
    match name.rsplit_once(" =") {
        Some((column, value)) if is_blank(value) => format!("{column} = {BLANK}"),
        _ if is_blank(name) => BLANK.to_string(),
        _ => name.to_string(),
    }
}

/// Capitalises a text, unless it starts with a name or a symbol.
pub(crate) fn capitalise(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    let plain = word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
    match text.chars().next() {
        Some(first) if plain => format!("{}{}", first.to_ascii_uppercase(), &text[1..]),
        _ => text.to_string(),
    }
}

/// Formats ISO dates in a text; two dates joined by "to" become one period.
pub(crate) fn dates_in_words(text: &str) -> String {
    let date = |word: &str| -> Option<Date> {
        let date = word.trim_end_matches([',', ';', '.', ')']);
        (date.len() == 10).then(|| date.parse().ok()).flatten()
    };
    let words: Vec<&str> = text.split(' ').collect();
    let mut out: Vec<String> = Vec::new();
    let mut i = 0;
    while i < words.len() {
        let span = date(words[i]).filter(|_| words.get(i + 1) == Some(&"to"));
        let span = span.zip(words.get(i + 2).and_then(|word| date(word)));
        let (text, last) = match (span, date(words[i])) {
            (Some((from, to)), _) => (period(from, to), i + 2),
            (None, Some(day)) => (format_short_date(day), i),
            (None, None) => (words[i].to_string(), i),
        };
        let punctuation = date(words[last]).map_or("", |_| &words[last][10..]);
        out.push(format!("{text}{punctuation}"));
        i = last + 1;
    }
    out.join(" ")
}

/// Formats a period: "9 to 15 Nov 2026", "28 Sep to 4 Oct 2026".
fn period(from: Date, to: Date) -> String {
    if from == to {
        format_short_date(from)
    } else if (from.year(), from.month()) == (to.year(), to.month()) {
        format!("{} to {}", from.day(), format_short_date(to))
    } else if from.year() == to.year() {
        let month: String = month_name(from).chars().take(3).collect();
        format!("{}{NBSP}{month} to {}", from.day(), format_short_date(to))
    } else {
        format!("{} to {}", format_short_date(from), format_short_date(to))
    }
}

/// Formats a date: "5 Oct 2026".
pub(crate) fn format_short_date(date: Date) -> String {
    let month: String = month_name(date).chars().take(3).collect();
    format!("{}{NBSP}{month}{NBSP}{}", date.day(), date.year())
}

/// Formats "2026-11-15T23:59:59Z" as "2026-11-15 23:59".
fn minute(time: &str) -> String {
    time.chars()
        .take(16)
        .map(|c| if c == 'T' { ' ' } else { c })
        .collect()
}

/// Like [`minute`], in a time zone; a day without a time is unchanged.
pub(crate) fn minute_in(time: &str, timezone: &str) -> String {
    let moment = time.parse::<jiff::Timestamp>().ok();
    let local = moment.and_then(|moment| moment.in_tz(timezone).ok());
    local.map_or_else(
        || minute(time),
        |local| local.strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

/// Year, month and day; the epoch for an unreadable date.
pub fn date_parts(date: &str) -> [i64; 3] {
    let date: Date = date.parse().unwrap_or(jiff::civil::date(1970, 1, 1));
    [
        i64::from(date.year()),
        i64::from(date.month()),
        i64::from(date.day()),
    ]
}

/// Formats an ISO date: "5 October 2026".
pub(crate) fn long_date(date: &str) -> String {
    date.parse()
        .map_or_else(|_| date.to_string(), date_in_words)
}

/// Formats an ISO date: "5 Oct 2026".
pub(crate) fn short_date(date: &str) -> String {
    date.parse()
        .map_or_else(|_| shorten(date, 20), |date: Date| format_short_date(date))
}

/// Shortens a text to `limit` characters, cut at a word boundary if one is near, with an ellipsis.
pub fn shorten(text: &str, limit: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(limit) else {
        return text.to_string();
    };
    let head = &text[..end];
    let cut = head
        .rfind([' ', '\n'])
        .filter(|index| *index * 10 > end * 7)
        .unwrap_or(end);
    format!(
        "{}{THIN}…",
        head[..cut].trim_end_matches([' ', ',', ';', '.', '\n'])
    )
}

/// Like [`shorten`], but cut after a sentence if one ends in the second half of the limit.
pub fn shorten_to_sentence(text: &str, limit: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(limit) else {
        return text.to_string();
    };
    match text[..end].rfind(". ").filter(|index| index * 2 > end) {
        Some(index) => text[..=index].to_string(),
        None => shorten(text, limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_after_a_sentence_if_possible() {
        let text = "The first sentence is here. The second is much longer than it should be.";
        assert_eq!(shorten_to_sentence(text, 40), "The first sentence is here.");
        assert_eq!(shorten_to_sentence(text, 200), text);
        assert!(shorten_to_sentence(text, 20).ends_with('…'));
    }

    #[test]
    fn shortened_texts_end_at_a_word_with_an_ellipsis() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(
            shorten("one, two, three four", 12),
            format!("one, two{THIN}…")
        );
        assert_eq!(
            shorten(&"x".repeat(50), 10),
            format!("{}{THIN}…", "x".repeat(10))
        );
    }

    #[test]
    fn dates_have_a_long_and_a_short_form() {
        assert_eq!(long_date("2026-11-15"), "15 November 2026");
        assert_eq!(long_date("soon"), "soon");
        assert_eq!(short_date("2026-09-21"), "21\u{a0}Sep\u{a0}2026");
        assert_eq!(date_parts("soon"), [1970, 1, 1]);
        assert_eq!(minute("2026-11-15T23:59:59Z"), "2026-11-15 23:59");
        assert_eq!(
            minute_in("2026-04-19T23:17:09Z", "Europe/London"),
            "2026-04-20 00:17"
        );
        assert_eq!(minute_in("2026-04-19", "Europe/London"), "2026-04-19");
    }

    #[test]
    fn dates_and_periods_in_texts_are_formatted() {
        let check = |text: &str, expected: &str| {
            assert_eq!(dates_in_words(text).replace('\u{a0}', " "), expected);
        };
        check("2026-11-09 to 2026-11-15", "9 to 15 Nov 2026");
        check("2026-11-09 to 2026-11-09", "9 Nov 2026");
        check("since about 2026-09-07.", "since about 7 Sep 2026.");
        check(
            "(history, 2026-09-22 to 2026-11-15), twice",
            "(history, 22 Sep to 15 Nov 2026), twice",
        );
        check("2025-12-31 to 2026-01-01", "31 Dec 2025 to 1 Jan 2026");
        check("2026-13-40 to x 2026-1-1", "2026-13-40 to x 2026-1-1");
        check("", "");
    }

    #[test]
    fn blank_names_get_a_placeholder() {
        let check = |name: &str, expected: &str| assert_eq!(visible_name(name), expected);
        check("billing", "billing");
        check("", "(blank)");
        check(" \t\u{a0}", "(blank)");
        check("component = ", "component = (blank)");
        check("component = a", "component = a");
    }

    #[test]
    fn words_are_capitalised_and_names_are_not() {
        let check = |text: &str, expected: &str| assert_eq!(capitalise(text), expected);
        check("more incidents in 2026", "More incidents in 2026");
        check("incident_reports by day", "incident_reports by day");
        check("p, adjusted", "p, adjusted");
        check("MASE", "MASE");
        check("état", "état");
        check("", "");
    }
}
