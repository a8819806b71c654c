//! Numbers as people read them: sensible digits, thousands, signs, units, plural forms.
//!
//! Typographic signs are used: a real minus (−), a narrow no-break space between thousands, a
//! no-break space before a unit, an en dash in intervals.

/// No-break space, which stands before a unit.
pub const NBSP: char = '\u{a0}';
/// Narrow no-break space, which stands between thousands.
pub const THIN: char = '\u{202f}';
/// The minus sign.
pub const MINUS: char = '−';

/// A whole number with thousands: `12 345`.
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

/// A count, the same as [`integer`].
pub fn count(value: u64) -> String {
    integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A number with this many decimals, thousands and a real minus; never "−0".
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "n/a".to_string();
    }
    let text = format!("{:.*}", decimals, value.abs());
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

/// A number with as many digits as are worth reading: 1 234, 84.5, 3.21, 0.0457.
pub fn sensible(value: f64) -> String {
    fixed(value, decimals_for(value))
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

/// An interval, both ends with the digits that its estimate has: `1.29 to 2.02`.
pub fn interval(lower: f64, upper: f64) -> String {
    let decimals = decimals_for(if lower == 0.0 { upper } else { lower })
        .max(decimals_for(upper))
        .min(if lower.abs().max(upper.abs()) >= 10.0 {
            1
        } else {
            3
        });
    format!("{} to {}", fixed(lower, decimals), fixed(upper, decimals))
}

/// A share as per cent: 0.9723 -> `97.2 %`.
pub fn percent(share: f64) -> String {
    format!("{}{NBSP}%", percent_digits(share * 100.0))
}

fn percent_digits(value: f64) -> String {
    let size = value.abs();
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

/// A relative change: 0.734 -> `+73 %`; −0.052 -> `−5.2 %`.
pub fn change(relative: f64) -> String {
    let value = relative * 100.0;
    let decimals = usize::from(value.abs() < 10.0);
    let text = fixed(value, decimals);
    let positive = !text.starts_with(MINUS) && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    format!("{}{text}{NBSP}%", if positive { "+" } else { "" })
}

/// A change of a share in percentage points: 0.004 -> `+0.4 points`.
pub fn points(difference: f64) -> String {
    format!("{}{NBSP}points", signed(difference * 100.0, 1))
}

/// A number with its sign, zero without.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    let positive = !text.starts_with(MINUS) && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if positive { format!("+{text}") } else { text }
}

/// A p-value: `p = 0.013`, `p < 0.001`.
pub fn p_value(p: f64) -> String {
    if p < 0.001 {
        "p < 0.001".to_string()
    } else if p < 0.1 {
        format!("p = {}", fixed(p, 3))
    } else {
        format!("p = {}", fixed(p, 2))
    }
}

/// Minutes as people say them: `59 min`, `3 h 20 min`, `2 d 4 h`.
pub fn minutes(value: f64) -> String {
    let whole = value.round().max(0.0) as i64;
    if value < 10.0 && value > 0.0 {
        return format!("{}{NBSP}min", fixed(value, 1));
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

/// A list in words: `a`, `a and b`, `a, b and c`.
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_string(),
        [init @ .., last] => {
            let init: Vec<_> = init.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", init.join(", "), last.as_ref())
        }
    }
}

/// A value in a unit, formatted: shares as per cent, minutes as time, bytes scaled, the rest with
/// the unit after the number.
pub fn with_unit(value: f64, unit: &str) -> String {
    match unit {
        "share" => percent(value),
        "min" => minutes(value),
        "ratio" => format!("{}×", sensible(value)),
        "" => sensible(value),
        "%" => format!("{}{NBSP}%", sensible(value)),
        unit => format!("{}{NBSP}{unit}", sensible(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace([NBSP, THIN], " ").replace(MINUS, "-")
    }

    #[test]
    fn numbers_read_well() {
        let cases: &[(String, &str)] = &[
            (integer(0), "0"),
            (integer(-1234), "-1234"),
            (integer(12_345), "12 345"),
            (integer(-1_234_567), "-1 234 567"),
            (fixed(-0.001, 2), "0.00"),
            (fixed(f64::NAN, 2), "n/a"),
            (sensible(84.52), "84.5"),
            (sensible(59.0), "59"),
            (sensible(0.0457), "0.046"),
            (sensible(12_345.6), "12 346"),
            (interval(1.29, 2.02), "1.29 to 2.02"),
            (interval(18.0, 36.2), "18.0 to 36.2"),
            (percent(0.9723), "97.2 %"),
            (percent(0.9997), "99.97 %"),
            (percent(1.0), "100 %"),
            (percent(0.0), "0 %"),
            (change(0.734), "+73 %"),
            (change(-0.052), "-5.2 %"),
            (change(0.0), "0.0 %"),
            (points(0.004), "+0.4 points"),
            (p_value(0.000_01), "p < 0.001"),
            (p_value(0.0134), "p = 0.013"),
            (minutes(59.0), "59 min"),
            (minutes(200.0), "3 h 20 min"),
            (minutes(3120.0), "2 d 4 h"),
            (minutes(3.25), "3.2 min"),
            (plural(1, "day"), "1 day"),
            (plural(3, "query"), "3 queries"),
            (plural(2, "analysis"), "2 analyses"),
            (list(&["a", "b", "c"]), "a, b and c"),
            (with_unit(0.5, "share"), "50.0 %"),
        ];
        for (got, want) in cases {
            assert_eq!(plain(got), *want);
        }
    }
}
