//! Rules of public holidays by country.
//!
//! Sources: Banking and Financial Dealings Act 1971 and the proclamations under it (England and
//! Wales); 5 U.S.C. § 6103 (United States); the holidays that all German states share; Code du
//! travail, L3133-1 (France).

use crate::features::{easter::easter, params::Country};
use jiff::{
    ToSpan,
    civil::{Date, Weekday, date},
};

/// A day and its name.
type NamedDay = (Date, &'static str);

/// The holidays of a country in a year, unordered. Substitute days are listed in addition to the
/// holidays.
pub(in crate::features) fn holidays_of(country: Country, year: i16) -> Vec<NamedDay> {
    match country {
        Country::England => england(year),
        Country::UnitedStates => united_states(year),
        Country::Germany => germany(year),
        Country::France => france(year),
    }
}

fn day(year: i16, month: i8, day: i8) -> Date {
    Date::new(year, month, day).unwrap_or(Date::MIN)
}

/// The `n`-th weekday of a month; the last for −1.
fn nth_weekday(year: i16, month: i8, n: i8, weekday: Weekday) -> Date {
    let first = day(year, month, 1);
    first.nth_weekday_of_month(n, weekday).unwrap_or(first)
}

fn add_days(day: Date, days: i64) -> Date {
    day.checked_add(days.days()).unwrap_or(day)
}

fn is_weekend(day: Date) -> bool {
    day.weekday().to_monday_zero_offset() >= 5
}

/// Bank holidays of England and Wales.
fn england(year: i16) -> Vec<NamedDay> {
    let sunday = easter(year);
    let new_year = day(year, 1, 1);
    let mut days = vec![
        (new_year, "New Year's Day"),
        (add_days(sunday, -2), "Good Friday"),
        (add_days(sunday, 1), "Easter Monday"),
        (early_may_holiday(year), "Early May bank holiday"),
        (spring_holiday(year), "Spring bank holiday"),
        (
            nth_weekday(year, 8, -1, Weekday::Monday),
            "Summer bank holiday",
        ),
        (day(year, 12, 25), "Christmas Day"),
        (day(year, 12, 26), "Boxing Day"),
    ];
    if is_weekend(new_year) {
        let monday = nth_weekday(year, 1, 1, Weekday::Monday);
        days.push((monday, "New Year's Day (substitute)"));
    }
    // The substitute days of Christmas and Boxing Day are the next working days after both.
    match day(year, 12, 25).weekday() {
        Weekday::Friday => days.push((day(year, 12, 28), "Boxing Day (substitute)")),
        Weekday::Saturday => {
            days.push((day(year, 12, 27), "Christmas Day (substitute)"));
            days.push((day(year, 12, 28), "Boxing Day (substitute)"));
        }
        Weekday::Sunday => days.push((day(year, 12, 27), "Christmas Day (substitute)")),
        _ => {}
    }
    let special = ENGLAND_SPECIAL.iter().filter(|(day, _)| day.year() == year);
    days.extend(special);
    days
}

/// Holidays that were proclaimed for a single year.
const ENGLAND_SPECIAL: &[NamedDay] = &[
    (date(1981, 7, 29), "Royal wedding"),
    (date(1999, 12, 31), "Millennium"),
    (date(2002, 6, 3), "Golden Jubilee"),
    (date(2011, 4, 29), "Royal wedding"),
    (date(2012, 6, 5), "Diamond Jubilee"),
    (date(2022, 6, 3), "Platinum Jubilee"),
    (date(2022, 9, 19), "State funeral of Queen Elizabeth II"),
    (date(2023, 5, 8), "Coronation of King Charles III"),
];

fn early_may_holiday(year: i16) -> Date {
    match year {
        // The fiftieth and the seventy-fifth anniversary of the end of the war.
        1995 | 2020 => day(year, 5, 8),
        _ => nth_weekday(year, 5, 1, Weekday::Monday),
    }
}

fn spring_holiday(year: i16) -> Date {
    match year {
        2002 | 2012 => day(year, 6, 4),
        2022 => day(year, 6, 2),
        _ => nth_weekday(year, 5, -1, Weekday::Monday),
    }
}

/// Federal holidays of the United States.
fn united_states(year: i16) -> Vec<NamedDay> {
    let mut days = vec![
        (
            nth_weekday(year, 2, 3, Weekday::Monday),
            "Washington's Birthday",
        ),
        (nth_weekday(year, 5, -1, Weekday::Monday), "Memorial Day"),
        (nth_weekday(year, 9, 1, Weekday::Monday), "Labor Day"),
        (nth_weekday(year, 10, 2, Weekday::Monday), "Columbus Day"),
        (
            nth_weekday(year, 11, 4, Weekday::Thursday),
            "Thanksgiving Day",
        ),
    ];
    if year >= 1986 {
        let king = nth_weekday(year, 1, 3, Weekday::Monday);
        days.push((king, "Birthday of Martin Luther King, Jr."));
    }
    let mut fixed = vec![
        (
            day(year, 1, 1),
            "New Year's Day",
            "New Year's Day (observed)",
        ),
        (
            day(year, 7, 4),
            "Independence Day",
            "Independence Day (observed)",
        ),
        (day(year, 11, 11), "Veterans Day", "Veterans Day (observed)"),
        (
            day(year, 12, 25),
            "Christmas Day",
            "Christmas Day (observed)",
        ),
    ];
    if year >= 2021 {
        fixed.push((
            day(year, 6, 19),
            "Juneteenth National Independence Day",
            "Juneteenth National Independence Day (observed)",
        ));
    }
    // New Year's Day of the next year may be observed on the last day of this year.
    if let Ok(next) = Date::new(year + 1, 1, 1)
        && next.weekday() == Weekday::Saturday
    {
        days.push((add_days(next, -1), "New Year's Day (observed)"));
    }
    for (date, name, observed) in fixed {
        days.push((date, name));
        match date.weekday() {
            Weekday::Saturday if date.month() > 1 => days.push((add_days(date, -1), observed)),
            Weekday::Sunday => days.push((add_days(date, 1), observed)),
            _ => {}
        }
    }
    days
}

/// Holidays of all German states.
fn germany(year: i16) -> Vec<NamedDay> {
    let sunday = easter(year);
    let mut days = vec![
        (day(year, 1, 1), "Neujahr"),
        (add_days(sunday, -2), "Karfreitag"),
        (add_days(sunday, 1), "Ostermontag"),
        (day(year, 5, 1), "Tag der Arbeit"),
        (add_days(sunday, 39), "Christi Himmelfahrt"),
        (add_days(sunday, 50), "Pfingstmontag"),
        (day(year, 12, 25), "Erster Weihnachtstag"),
        (day(year, 12, 26), "Zweiter Weihnachtstag"),
    ];
    if year >= 1990 {
        days.push((day(year, 10, 3), "Tag der Deutschen Einheit"));
    }
    if year == 2017 {
        days.push((day(year, 10, 31), "Reformationstag"));
    }
    days
}

/// National holidays of France.
fn france(year: i16) -> Vec<NamedDay> {
    let sunday = easter(year);
    let mut days = vec![
        (day(year, 1, 1), "Jour de l'an"),
        (add_days(sunday, 1), "Lundi de Pâques"),
        (day(year, 5, 1), "Fête du Travail"),
        (day(year, 5, 8), "Fête de la Victoire"),
        (add_days(sunday, 39), "Ascension"),
        (day(year, 7, 14), "Fête nationale"),
        (day(year, 8, 15), "Assomption"),
        (day(year, 11, 1), "Toussaint"),
        (day(year, 11, 11), "Armistice"),
        (day(year, 12, 25), "Noël"),
    ];
    // From 2005 to 2007 it was a working day, for the benefit of old and disabled people.
    if !(2005..=2007).contains(&year) {
        days.push((add_days(sunday, 50), "Lundi de Pentecôte"));
    }
    days
}
