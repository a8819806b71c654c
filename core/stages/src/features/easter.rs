//! The date of Easter.

use jiff::civil::Date;

/// Easter Sunday of a year in the Gregorian calendar: the anonymous algorithm of 1876 as given by
/// Meeus (Astronomical Algorithms, 1991, chapter 8).
pub(super) fn easter(year: i16) -> Date {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    Date::new(year, month as i8, day as i8).unwrap_or(Date::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn easter_matches_published_dates() {
        let check = |expected: Date| assert_eq!(easter(expected.year()), expected);
        // The earliest and the latest possible date, and current years.
        check(date(1818, 3, 22));
        check(date(1943, 4, 25));
        check(date(1954, 4, 18));
        check(date(1981, 4, 19));
        check(date(2000, 4, 23));
        check(date(2008, 3, 23));
        check(date(2019, 4, 21));
        check(date(2024, 3, 31));
        check(date(2025, 4, 20));
        check(date(2026, 4, 5));
        check(date(2038, 4, 25));
        check(date(2049, 4, 18));
        check(date(2076, 4, 19));
        check(date(2100, 3, 28));
    }
}
