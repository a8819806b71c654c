//! Formats numbers for readers: digits, thousands, signs, units, plural forms.
//!
//! Typography: a minus sign (−), a narrow no-break space between thousands, a no-break space before
//! a unit, an en dash in intervals.

mod money;

pub use money::{amounts, in_currency, money};

/// No-break space, before units.
pub const NBSP: char = '\u{a0}';
/// Narrow no-break space, between thousands.
pub const THIN: char = '\u{202f}';
/// The minus sign.
pub const MINUS: char = '−';

/// A whole number with its thousands separated: `12 345`.
pub fn integer(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::new();
    if value < 0 {
        out.push(MINUS);
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            out.push(THIN);
        }
        out.push(digit);
    }
    out
}

/// Formats a count like [`integer`].
pub fn count(value: u64) -> String {
    integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A number with `decimals` decimals, separated thousands and a minus sign; never "−0". Numbers of
/// 10¹² or more have a power of ten.
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "n/a".to_string();
    }
    if value.abs() >= LARGE {
        return power_of_ten(value);
    }
    let text = round_half_up(value.abs(), decimals);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole
        .parse::<i64>()
        .map_or_else(|_| whole.to_string(), integer);
    let negative = value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    let sign = if negative {
        MINUS.to_string()
    } else {
        String::new()
    };
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

/// The digits of a size with `decimals` decimals. Halves are rounded up, based on the shortest
/// decimal of the number: 0.615 becomes 0.62, although its binary form is less.
fn round_half_up(size: f64, decimals: usize) -> String {
    let shortest = size.to_string();
    let halfway = shortest.split_once('.').and_then(|(whole, fraction)| {
        let shortened = fraction.strip_suffix('5')?;
        (shortened.len() == decimals).then(|| format!("{whole}{shortened}"))
    });
    let Some(truncated) = halfway.and_then(|digits| digits.parse::<u128>().ok()) else {
        return format!("{size:.decimals$}");
    };
    let mut digits = format!("{:0>width$}", truncated + 1, width = decimals + 1);
    if decimals > 0 {
        digits.insert(digits.len() - decimals, '.');
    }
    digits
}

/// Limits of plain notation: numbers of at least `LARGE`, and nonzero numbers below `SMALL`, are
/// written with a power of ten.
const LARGE: f64 = 1e12;
const SMALL: f64 = 1e-4;

/// Two digits and a power of ten: `1.2 × 10⁻⁷`.
fn power_of_ten(value: f64) -> String {
    let exact = format!("{:e}", value.abs());
    let (mantissa, exponent) = exact.split_once('e').unwrap_or((&exact, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    let (digits, power) = match round_half_up(mantissa.parse().unwrap_or(0.0), 1) {
        digits if digits == "10.0" => ("1.0".to_string(), power + 1),
        digits => (digits, power),
    };
    let exponent = power.to_string();
    let sign = if value < 0.0 {
        MINUS.to_string()
    } else {
        String::new()
    };
    let superscript: String = exponent
        .chars()
        .map(|letter| match letter {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            _ => '⁰',
        })
        .collect();
    format!("{sign}{digits}{NBSP}×{NBSP}10{superscript}")
}

/// Formats a number with a sensible number of digits: 1 234, 84.5, 3.21, 0.0457; `1.2 × 10⁻⁷` if it
/// would need too many.
pub fn sensible(value: f64) -> String {
    if value != 0.0 && value.is_finite() && value.abs() < SMALL {
        return power_of_ten(value);
    }
    fixed(value, decimals_for(value))
}

/// Formats a number that was recorded or summed, not estimated: unchanged with one or two decimals,
/// else [`sensible`].
pub fn recorded(value: f64) -> String {
    const LARGE: f64 = 1e7;
    let is_whole = |scaled: f64| (scaled - scaled.round()).abs() < 1e-6;
    match (1..=2).find(|decimals| is_whole(value * 10_f64.powi(*decimals))) {
        Some(decimals) if value.abs() < LARGE && !is_whole(value) => {
            fixed(value, decimals as usize)
        }
        _ => sensible(value),
    }
}

/// Returns true if all digits of a text are 0.
pub(crate) fn only_zeros(text: &str) -> bool {
    !text.bytes().any(|b| (b'1'..=b'9').contains(&b))
}

fn decimals_for(value: f64) -> usize {
    let size = value.abs();
    if size == 0.0 || (size >= 1.0 && size.fract() == 0.0 && size < 1e15) || size >= 100.0 {
        0
    } else if size >= 10.0 {
        1
    } else if size >= 1.0 {
        2
    } else {
        ((-size.log10()).ceil() as usize + 1).min(6)
    }
}

/// An interval; both bounds have the digits of the estimate: `1.29 to 2.02`.
pub fn interval(lower: f64, upper: f64) -> String {
    let decimals = decimals_for(if lower == 0.0 { upper } else { lower })
        .max(decimals_for(upper))
        .min(if lower.abs().max(upper.abs()) >= 10.0 {
            1
        } else {
            3
        });
    let (low, high) = (fixed(lower, decimals), fixed(upper, decimals));
    let rounds_to_zero = |value: f64, text: &str| value != 0.0 && only_zeros(text);
    if (low == high && lower != upper)
        || rounds_to_zero(lower, &low)
        || rounds_to_zero(upper, &high)
    {
        let [low, high] = two_with_unit([lower, upper], "");
        return format!("{low} to {high}");
    }
    format!("{low} to {high}")
}

/// A share as a percentage: 0.9723 -> `97.2 %`. Extreme shares are bounds: `< 0.01 %`, `> 99.99 %`.
pub fn percent(share: f64) -> String {
    format!("{}{NBSP}%", percent_digits(share * 100.0))
}

/// Percentage below which a share is a rounding error.
const NOISE: f64 = 1e-9;

fn percent_digits(value: f64) -> String {
    let size = value.abs();
    if size < NOISE {
        return "0".to_string();
    }
    if value > 0.0 && size < 0.01 {
        return "< 0.01".to_string();
    }
    if (99.995..100.0).contains(&value) {
        return if 100.0 - value < NOISE {
            "100"
        } else {
            "> 99.99"
        }
        .to_string();
    }
    let decimals = if (99.95..100.0).contains(&size) {
        2
    } else if size >= 100.0 || value == 0.0 {
        0
    } else if size >= 1.0 {
        1
    } else {
        2
    };
    fixed(value, decimals)
}

/// A relative change: 0.734 -> `+73 %`; −0.052 -> `−5.2 %`; 0.0003 -> `+0.03 %`.
pub fn change(relative: f64) -> String {
    let value = relative * 100.0;
    let decimals = usize::from(value.abs() < 10.0);
    let mut text = fixed(value, decimals);
    // A nonzero value is not printed as zero, unless it is negligible.
    if only_zeros(&text) && value.abs() >= 1e-6 {
        text = sensible(value);
    }
    let positive = !text.starts_with(MINUS) && !only_zeros(&text);
    format!("{}{text}{NBSP}%", if positive { "+" } else { "" })
}

/// A change of a share: 0.004 -> `+0.4 percentage points`.
pub fn points(difference: f64) -> String {
    format!("{}{NBSP}percentage points", signed(difference * 100.0, 1))
}

/// A number with its sign; zero has none.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    let positive = !text.starts_with(MINUS) && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if positive { format!("+{text}") } else { text }
}

/// A p-value with no-break spaces: `p = 0.013`, `p < 0.001`.
pub fn p_value(p: f64) -> String {
    match p_bare(p) {
        text if text.starts_with('<') => format!("p{NBSP}{text}"),
        text => format!("p{NBSP}={NBSP}{text}"),
    }
}

/// A p-value without the letter, for a column of a table, with a fixed number of decimals: `0.013`,
/// `0.250`, `< 0.001`.
pub fn p_bare(p: f64) -> String {
    if p < 0.001 {
        format!("<{NBSP}0.001")
    } else {
        fixed(p, 3)
    }
}

/// Formats the numbers of a column with the same number of decimals: as many as the smallest
/// non-negligible number needs.
pub fn column(values: &[f64]) -> Vec<String> {
    let largest = values.iter().copied().filter(|value| value.is_finite());
    let largest = largest.fold(0.0, |max: f64, value| max.max(value.abs()));
    let sizes = values.iter().map(|value| value.abs());
    let decimals = sizes
        .filter(|size| size.is_finite() && *size >= largest * COLUMN_RANGE && *size > 0.0)
        .map(decimals_for)
        .max()
        .unwrap_or(0);
    values.iter().map(|value| fixed(*value, decimals)).collect()
}

/// Numbers of a column below this share of the largest are negligible.
const COLUMN_RANGE: f64 = 0.05;

/// Joins two formatted values to a range; a shared unit is printed once: `52 to 69 min`,
/// `−3 to +5 %`.
pub fn range(low: &str, high: &str) -> String {
    let split = |text: &str| {
        let (number, unit) = text.split_once(NBSP)?;
        let has_digit = unit.contains(|letter: char| letter.is_ascii_digit());
        (!has_digit).then(|| (number.to_string(), unit.to_string()))
    };
    match (split(low), split(high)) {
        (Some((number, unit)), Some((_, other))) if unit == other => format!("{number} to {high}"),
        _ => format!("{low} to {high}"),
    }
}

/// Formats minutes: `59 min`, `3 h 20 min`, `2 d 4 h`.
pub fn minutes(value: f64) -> String {
    if value < 0.0 {
        return format!("{MINUS}{}", minutes(-value));
    }
    let whole = value.round() as i64;
    if value < 10.0 && value > 0.0 {
        let text = if value < 0.05 {
            sensible(value)
        } else {
            fixed(value, 1)
        };
        return format!("{text}{NBSP}min");
    }
    if whole < 120 {
        return format!("{whole}{NBSP}min");
    }
    let (days, hours, rest) = (whole / 1440, whole / 60 % 24, whole % 60);
    match (days, hours, rest) {
        (0, h, 0) => format!("{h}{NBSP}h"),
        (0, h, m) => format!("{h}{NBSP}h {m}{NBSP}min"),
        (d, 0, _) => format!("{}{NBSP}d", integer(d)),
        (d, h, _) => format!("{}{NBSP}d {h}{NBSP}h", integer(d)),
    }
}

/// A count with its noun: `1 day`, `3 days`, `1 234 entries`.
pub fn plural(n: u64, noun: &str) -> String {
    format!(
        "{}{NBSP}{}",
        count(n),
        if n == 1 {
            noun.to_string()
        } else {
            plural_of(noun)
        }
    )
}

/// The plural form of an English noun.
pub fn plural_of(noun: &str) -> String {
    let consonant_y = noun
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    if let Some(stem) = noun.strip_suffix("sis") {
        format!("{stem}ses")
    } else if let Some(stem) = consonant_y {
        format!("{stem}ies")
    } else if noun.ends_with(['s', 'x']) || noun.ends_with("ch") || noun.ends_with("sh") {
        format!("{noun}es")
    } else {
        format!("{noun}s")
    }
}

/// Joins a list: `a`, `a and b`, `a, b and c`.
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [item] => item.as_ref().to_string(),
        [init @ .., last] => {
            let init: Vec<_> = init.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", init.join(", "), last.as_ref())
        }
    }
}

/// Formats a value with its unit: shares as percentages, minutes as durations, bytes scaled, others
/// with the unit after the number.
pub fn with_unit(value: f64, unit: &str) -> String {
    match unit {
        "share" => percent(value),
        "min" => minutes(value),
        "ratio" => format!("{}×", sensible(value)),
        unit => with_noun(&sensible(value), unit),
    }
}

/// Formats an exact value with its unit; see [`recorded`]. An amount of money with a fraction has
/// two decimals: "327 010.70 EUR".
pub fn recorded_with_unit(value: f64, unit: &str) -> String {
    let is_currency = unit.len() == 3 && unit.bytes().all(|letter| letter.is_ascii_uppercase());
    match unit {
        "share" | "min" | "ratio" => with_unit(value, unit),
        unit => {
            let text = recorded(value);
            let has_tenths = text
                .split_once('.')
                .is_some_and(|(_, digits)| digits.len() == 1);
            let text = if is_currency && has_tenths {
                fixed(value, 2)
            } else {
                text
            };
            with_noun(&text, unit)
        }
    }
}

/// Joins a formatted number and its unit, which is singular after 1.
pub(crate) fn with_noun(text: &str, unit: &str) -> String {
    match unit {
        "" => text.to_string(),
        unit if text.trim_start_matches(['+', MINUS]) == "1" => {
            format!("{text}{NBSP}{}", singular_of(unit))
        }
        unit => format!("{text}{NBSP}{unit}"),
    }
}

/// "failures per day" -> "failure per day", "files" -> "file"; abbreviations are unchanged.
fn singular_of(unit: &str) -> String {
    let (head, tail) = match unit.split_once(" per ") {
        Some((head, tail)) => (head, format!(" per {tail}")),
        None => (unit, String::new()),
    };
    let word = head.rsplit(' ').next().unwrap_or(head);
    let is_noun = word.len() > 3
        && word.ends_with('s')
        && !word.ends_with("ss")
        && !word.ends_with("us")
        && word.bytes().all(|b| b.is_ascii_lowercase());
    let single = match word.strip_suffix("ies") {
        _ if !is_noun => word.to_string(),
        Some(stem) => format!("{stem}y"),
        None => match word.strip_suffix("yses") {
            Some(stem) => format!("{stem}ysis"),
            None => word[..word.len() - 1].to_string(),
        },
    };
    format!("{}{single}{tail}", &head[..head.len() - word.len()])
}

/// Formats two values in a unit, with enough digits to show their difference: not "from 50 to 50".
pub fn two_with_unit(values: [f64; 2], unit: &str) -> [String; 2] {
    let texts = values.map(|value| with_unit(value, unit));
    if texts[0] != texts[1] || values[0] == values[1] {
        return texts;
    }
    let (scale, noun) = match unit {
        "share" => (100.0, "%"),
        "ratio" => (1.0, ""),
        unit => (1.0, unit),
    };
    let digits = |decimals: usize| values.map(|value| fixed(value * scale, decimals));
    let mut distinct = (1..=9).map(digits).filter(|texts| texts[0] != texts[1]);
    distinct
        .next()
        .map_or(texts, |digits| digits.map(|text| with_noun(&text, noun)))
}

/// A difference between two values in a unit: percentages differ by percentage points.
pub fn difference(value: f64, unit: &str) -> String {
    match unit {
        "%" => with_noun(&sensible(value), "percentage points"),
        "share" => points(value),
        unit => with_unit(value, unit),
    }
}

/// The unit of a difference between two values in a unit.
pub fn unit_of_difference(unit: &str) -> &str {
    if unit == "%" {
        "percentage points"
    } else {
        unit
    }
}

#[cfg(test)]
mod tests;
