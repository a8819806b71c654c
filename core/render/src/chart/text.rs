//! Text in charts: escaped, measured, shortened and wrapped.
//!
//! Widths come from a table of Inter, the font of the reports, so that a chart is the same on every
//! machine, whatever its fonts.

use crate::words::visible_name;

/// Escapes a text for XML, and removes control and direction characters.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if is_hidden(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// Characters that are invisible or that reorder text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(
            c,
            '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        )
        || (u32::from(c) & 0xfffe) == 0xfffe
}

/// Converts a text to a valid `id` attribute.
pub(crate) fn identifier(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(80)
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '-'
            }
        })
        .collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic()) {
        out.insert(0, 'c');
    }
    out
}

/// The name of a bar or a panel; a placeholder if it is blank.
pub(crate) fn label_name(text: &str) -> String {
    let letters = text.chars().take(400);
    let printable: String = letters
        .filter(|c| !is_hidden(*c) || c.is_whitespace())
        .collect();
    visible_name(&printable)
}

/// The label of a marker; dates are formatted for readers.
pub(crate) fn marker_label(text: &str) -> String {
    text.trim()
        .parse()
        .map_or_else(|_| text.to_string(), crate::words::format_short_date)
}

/// Shortens a text to a width, with an ellipsis.
pub(crate) fn shorten(text: &str, width: f64, size: f64, bold: bool) -> String {
    // No readable text is longer; hostile megabytes are cut before they are measured.
    let cut: String = text
        .chars()
        .filter(|c| !is_hidden(*c) || c.is_whitespace())
        .take(400)
        .collect();
    let trimmed = cut.trim();
    if text_width(trimmed, size, bold) <= width {
        return trimmed.to_string();
    }
    let mut remaining = width - text_width("…", size, bold);
    let mut out = String::new();
    for c in trimmed.chars() {
        remaining -= advance(c, bold) * size * RESERVE;
        if remaining < 0.0 {
            break;
        }
        out.push(c);
    }
    let start = out.trim_end();
    if start.is_empty() {
        String::new()
    } else {
        format!("{start}…")
    }
}

/// Shortens a name at its end, or in its middle if only the end distinguishes it from others, such
/// as "request 10001" and "request 10002".
pub(crate) fn shorten_distinct<'a>(
    text: &str,
    mut others: impl Iterator<Item = &'a str>,
    width: f64,
    size: f64,
    bold: bool,
) -> String {
    let short = shorten(text, width, size, bold);
    let start = short.strip_suffix('…').unwrap_or(&short);
    let is_cut = short.ends_with('…') && !text.ends_with('…');
    if !is_cut || !others.any(|other| other != text && other.starts_with(start)) {
        return short;
    }
    let letters: Vec<char> = text.chars().filter(|c| !is_hidden(*c)).take(400).collect();
    let width_left = width - text_width("…", size, bold);
    let advance = |c: &char| advance(*c, bold) * size * RESERVE;
    let tail = count_fitting(letters.iter().rev().map(advance), width_left * 0.6);
    let used: f64 = letters.iter().rev().take(tail).map(advance).sum();
    let head = count_fitting(letters.iter().map(advance), width_left - used);
    let [head, tail] = [&letters[..head], &letters[letters.len() - tail..]].map(String::from_iter);
    format!("{}…{}", head.trim_end(), tail.trim_start())
}

/// Number of items that fit side by side, from their widths.
fn count_fitting(widths: impl Iterator<Item = f64>, width_left: f64) -> usize {
    widths
        .scan(0.0, |used, width| {
            *used += width;
            Some(*used)
        })
        .take_while(|used| *used <= width_left)
        .count()
}

/// Wraps a text at spaces to at most `lines` lines of this width; the last line is shortened.
pub(crate) fn wrap(text: &str, width: f64, size: f64, bold: bool, lines: usize) -> Vec<String> {
    let cut: String = text.chars().take(400).collect();
    let mut out: Vec<String> = Vec::new();
    let mut words = cut.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if out.len() + 1 >= lines {
            let remaining: Vec<&str> = std::iter::once(word).chain(words).collect();
            out.push(shorten(&remaining.join(" "), width, size, bold));
            break;
        }
        let mut line = word.to_string();
        while let Some(next) = words.peek() {
            let longer = format!("{line} {next}");
            if text_width(&longer, size, bold) > width {
                break;
            }
            line = longer;
            words.next();
        }
        out.push(shorten(&line, width, size, bold));
    }
    out.retain(|line| !line.is_empty());
    out
}

/// Width of a text in Inter, with a small reserve for fallback fonts.
pub(crate) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    text.chars().map(|c| advance(c, bold)).sum::<f64>() * size * RESERVE
}

/// Maximum width of fallback fonts relative to Inter.
const RESERVE: f64 = 1.03;

fn advance(c: char, bold: bool) -> f64 {
    let table = if bold { &SEMIBOLD } else { &REGULAR };
    let thousandths = match c {
        ' '..='~' => table[c as usize - 32],
        '\u{a0}' => 281,
        '\u{202f}' => 182,
        '–' => 500,
        '·' => 276,
        '−' | '×' | '±' | '≤' | '≥' => 673,
        c if is_hidden(c) => 0,
        '…' => 821,
        '→' | '▲' | '▼' => 1035,
        c if u32::from(c) >= 0x1100 => 1020,
        c if c.is_uppercase() => 800,
        _ => 660,
    };
    f64::from(thousandths) / 1000.0
}

/// Advance widths of Inter 4 Regular, U+0020 to U+007E, in thousandths of an em.
const REGULAR: [u16; 95] = [
    281, 278, 403, 631, 638, 812, 639, 222, 362, 362, 500, 659, 280, 460, 276, 357, 625, 464, 605,
    636, 642, 608, 624, 571, 616, 624, 276, 280, 659, 659, 659, 507, 936, 676, 651, 727, 719, 598,
    587, 743, 740, 264, 543, 652, 562, 889, 753, 761, 635, 761, 639, 638, 642, 741, 676, 949, 642,
    665, 625, 362, 357, 362, 469, 452, 497, 564, 621, 558, 621, 582, 361, 609, 591, 237, 237, 544,
    237, 869, 585, 597, 609, 609, 372, 523, 364, 581, 557, 812, 540, 557, 541, 362, 327, 362, 659,
];

/// Advance widths of Inter 4 with weight 600, in the same form.
const SEMIBOLD: [u16; 95] = [
    248, 309, 396, 643, 649, 844, 663, 213, 393, 393, 543, 673, 295, 466, 290, 379, 667, 481, 621,
    652, 666, 632, 648, 587, 646, 648, 290, 295, 673, 673, 673, 544, 999, 724, 657, 744, 724, 608,
    586, 755, 744, 275, 561, 677, 566, 906, 741, 775, 643, 776, 651, 649, 660, 734, 724, 1007, 690,
    705, 653, 393, 379, 393, 481, 468, 497, 575, 630, 577, 630, 593, 377, 625, 613, 261, 261, 569,
    261, 898, 610, 608, 625, 625, 397, 549, 380, 608, 576, 837, 562, 576, 562, 393, 358, 393, 673,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_are_escaped_and_cut() {
        assert_eq!(
            escape("</text><script>\u{7}\u{202e}&'\""),
            "&lt;/text&gt;&lt;script&gt;&amp;&#39;&quot;"
        );
        assert_eq!(identifier("1 \"><x>"), "c1----x-");
        assert_eq!(shorten("abcdefghij", 30.0, 10.0, false), "abc…");
        assert!(text_width(&shorten(&"m".repeat(1 << 20), 80.0, 8.0, false), 8.0, false) <= 82.0);
    }

    #[test]
    fn names_that_differ_at_their_end_stay_distinct() {
        let names = [
            "request of customer 10001",
            "request of customer 10002",
            "other",
        ];
        let short = |name: &str| shorten_distinct(name, names.into_iter(), 90.0, 10.0, false);
        assert_ne!(short(names[0]), short(names[1]));
        assert!(short(names[0]).ends_with("10001"), "{}", short(names[0]));
        assert!(text_width(&short(names[0]), 10.0, false) <= 90.0);
        assert_eq!(short("other"), "other");
    }

    #[test]
    fn blank_names_get_a_placeholder_and_dates_are_formatted() {
        assert_eq!(label_name("\u{200b} \u{202e}"), "(blank)");
        assert_eq!(label_name(""), "(blank)");
        assert_eq!(label_name("billing"), "billing");
        assert_eq!(
            marker_label("2026-11-12").replace('\u{a0}', " "),
            "12 Nov 2026"
        );
        assert_eq!(marker_label("IMP-001"), "IMP-001");
    }

    #[test]
    fn wrapping_keeps_words() {
        assert_eq!(
            wrap("what would have happened", 70.0, 8.0, false, 2),
            ["what would have", "happened"]
        );
        assert_eq!(wrap("", 70.0, 8.0, false, 2), Vec::<String>::new());
    }
}
