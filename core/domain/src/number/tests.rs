//! Tests of this module.

use super::*;

fn plain(text: &str) -> String {
    text.replace([NBSP, THIN], " ").replace(MINUS, "-")
}

#[test]
fn recorded_values_keep_their_decimals() {
    let values = [
        1319.49,
        12.5,
        1299.99,
        1319.494,
        0.0457,
        7.0,
        -3.25,
        2.0 / 3.0,
    ];
    let expected = [
        "1319.49", "12.5", "1299.99", "1319", "0.046", "7", "−3.25", "0.67",
    ];
    for (value, expected) in values.into_iter().zip(expected) {
        assert_eq!(recorded(value), expected);
    }
    assert_eq!(recorded_with_unit(1319.49, "h"), format!("1319.49{NBSP}h"));
}

#[test]
fn numbers_are_formatted_for_readers() {
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
        (points(0.004), "+0.4 percentage points"),
        (fixed(0.625, 2), "0.63"),
        (fixed(0.615, 2), "0.62"),
        (fixed(0.614_999_9, 2), "0.61"),
        (fixed(-2.5, 0), "-3"),
        (fixed(99.5, 0), "100"),
        (fixed(999.95, 1), "1000.0"),
        (fixed(0.05, 1), "0.1"),
        (fixed(0.5, 0), "1"),
        (sensible(1.25e-7), "1.3 × 10⁻⁷"),
        (sensible(9.96e-8), "1.0 × 10⁻⁷"),
        (range("52\u{a0}min", "69\u{a0}min"), "52 to 69 min"),
        (range("9.2\u{a0}%", "12.4\u{a0}%"), "9.2 to 12.4 %"),
        (range("1\u{a0}day", "3\u{a0}days"), "1 day to 3 days"),
        (
            range("1\u{a0}h 5\u{a0}min", "2\u{a0}h 5\u{a0}min"),
            "1 h 5 min to 2 h 5 min",
        ),
        (range("3", "5"), "3 to 5"),
        (column(&[0.0094, 0.013]).join(", "), "0.0094, 0.0130"),
        (
            column(&[0.000_01, 12.0, 84.52]).join(", "),
            "0.0, 12.0, 84.5",
        ),
        (column(&[0.0, 3.0, 1204.0]).join(", "), "0, 3, 1204"),
        (column(&[]).join(", "), ""),
        (p_value(0.000_01), "p < 0.001"),
        (p_value(0.25), "p = 0.250"),
        (p_value(0.0134), "p = 0.013"),
        (minutes(59.0), "59 min"),
        (minutes(200.0), "3 h 20 min"),
        (minutes(3120.0), "2 d 4 h"),
        (minutes(3.25), "3.3 min"),
        (sensible(1e-7), "1.0 × 10⁻⁷"),
        (sensible(-0.000_03), "-3.0 × 10⁻⁵"),
        (sensible(0.000_3), "0.00030"),
        (sensible(1e300), "1.0 × 10³⁰⁰"),
        (percent(0.000_000_2), "< 0.01 %"),
        (percent(0.000_05), "< 0.01 %"),
        (percent(5.6e-17), "0 %"),
        (percent(0.999_99), "> 99.99 %"),
        (percent(1.0 - 1e-15), "100 %"),
        (change(0.000_3), "+0.030 %"),
        (change(1e-12), "0.0 %"),
        (minutes(-75.0), "-75 min"),
        (minutes(0.01), "0.010 min"),
        (interval(0.000_02, 0.000_04), "2.0 × 10⁻⁵ to 4.0 × 10⁻⁵"),
        (interval(1234.2, 1234.4), "1234.2 to 1234.4"),
        (recorded_with_unit(327_010.7, "EUR"), "327 010.70 EUR"),
        (recorded_with_unit(332_945.06, "EUR"), "332 945.06 EUR"),
        (recorded_with_unit(500.0, "EUR"), "500 EUR"),
        (recorded_with_unit(4.5, "h"), "4.5 h"),
        (with_unit(1.0, "files"), "1 file"),
        (with_unit(1.0, "failures per day"), "1 failure per day"),
        (with_unit(1.0, "queries"), "1 query"),
        (with_unit(1.0, "ms"), "1 ms"),
        (with_unit(2.0, "files"), "2 files"),
        (difference(0.25, "%"), "0.25 percentage points"),
        (difference(1.0, "%"), "1 percentage point"),
        (difference(3.0, "ms"), "3 ms"),
        (
            two_with_unit([50.001, 50.002], "%").join(" to "),
            "50.001 % to 50.002 %",
        ),
        (
            two_with_unit([0.97201, 0.97202], "share").join(" to "),
            "97.201 % to 97.202 %",
        ),
        (
            two_with_unit([59.0, 84.0], "min").join(" to "),
            "59 min to 84 min",
        ),
        (two_with_unit([3.0, 3.0], "").join(" to "), "3 to 3"),
        (p_bare(0.000_1), "< 0.001"),
        (plural(1, "day"), "1 day"),
        (plural(3, "query"), "3 queries"),
        (plural(2, "analysis"), "2 analyses"),
        (list(&["a", "b", "c"]), "a, b and c"),
        (with_unit(0.5, "share"), "50.0 %"),
    ];
    for (text, expected) in cases {
        assert_eq!(plain(text), *expected);
    }
}
