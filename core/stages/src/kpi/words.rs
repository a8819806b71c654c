//! Words for windows: weeks, months, days.

use jiff::civil::{DateTime, Time};
use retrocast_domain::{
    Finding, Kpi, Window, WindowSpec,
    window::{WEEKDAYS, date_in_words, month_name},
};

/// The `n` previous windows together: "the 4 weeks before".
pub(super) fn windows_before(window: &Window, n: usize) -> String {
    match window.spec {
        _ if n == 1 => window.previous_words(),
        WindowSpec::Day => format!("the same day of the {n} weeks before"),
        spec => format!("the {n} {}s before", spec.noun()),
    }
}

/// The part of each window that is compared if the records end within the current one.
pub(super) struct ComparedPart {
    /// The name of the part: "Monday to Wednesday", "1 to 18 November", "the first 3 days".
    pub(super) words: String,
    /// The name of the same part of another window: "the same days" or "the same part".
    same: &'static str,
}

impl ComparedPart {
    /// The part of a window up to `end`, which is within the window.
    pub(super) fn new(window: &Window, end: DateTime) -> Self {
        let time = end.time();
        let is_whole = time == Time::midnight();
        let last = if is_whole {
            end.date().yesterday().unwrap_or(window.start)
        } else {
            end.date()
        };
        let first = window.start;
        let days = match window.spec {
            WindowSpec::Day => String::new(),
            WindowSpec::Week => {
                let name = |day: jiff::civil::Date| {
                    WEEKDAYS[day.weekday().to_monday_zero_offset().unsigned_abs() as usize % 7]
                };
                if first == last {
                    name(first).to_string()
                } else {
                    format!("{} to {}", name(first), name(last))
                }
            }
            WindowSpec::Days(_) => match first.until(last).map_or(0, |span| span.get_days()) {
                0 => "the first day".to_string(),
                n => format!("the first {} days", n + 1),
            },
            _ if first == last => format!("{} {}", first.day(), month_name(first)),
            _ if first.month() == last.month() => {
                format!("{} to {} {}", first.day(), last.day(), month_name(last))
            }
            _ => format!(
                "{} {} to {} {}",
                first.day(),
                month_name(first),
                last.day(),
                month_name(last)
            ),
        };
        let clock = format!("{:02}:{:02}", time.hour(), time.minute());
        let words = match (is_whole, days.is_empty()) {
            (true, _) => days,
            (false, true) => format!("00:00 to {clock}"),
            (false, false) => format!("{days} at {clock}"),
        };
        Self {
            words,
            same: if is_whole {
                "the same days"
            } else {
                "the same part"
            },
        }
    }

    /// Names the same part of other windows: "the same days of the week before".
    pub(super) fn same_part_of(&self, windows: &str) -> String {
        format!("{} of {windows}", self.same)
    }

    /// The notice: "all figures compare Monday to Wednesday with the same days of other weeks".
    pub(super) fn sentence(&self, window: &Window) -> String {
        let others = format!("other {}s", window.spec.noun());
        format!(
            "all figures compare {} with {}",
            self.words,
            self.same_part_of(&others)
        )
    }
}

/// Formats the end of the records: "Wednesday 18 November 2026 at 17:50".
pub(super) fn format_moment(end: DateTime, has_hours: bool) -> String {
    let day = end.date();
    let name = WEEKDAYS[day.weekday().to_monday_zero_offset().unsigned_abs() as usize % 7];
    let clock = if has_hours {
        format!(" at {:02}:{:02}", end.hour(), end.minute())
    } else {
        String::new()
    };
    format!("{name} {}{clock}", date_in_words(day))
}

/// Doubts a change to a value far outside the history of its figure.
pub(super) fn doubt_far_outside_history(finding: &mut Finding, kpi: &Kpi) {
    if !kpi.is_far_outside_history() {
        return;
    }
    let doubt = " This is far outside its history: check the records.";
    finding.sentence.push_str(doubt);
    if let Some(request) = &mut finding.request {
        request.action = "check the records".to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn earlier_windows_are_named_by_their_length() {
        let check = |window: &str, one: &str, four: &str| {
            let window = Window::parse(window, "UTC").expect("a window");
            assert_eq!(window.previous_words().replace('\u{a0}', " "), one);
            assert_eq!(windows_before(&window, 4), four);
        };
        check("2026-W47", "the week before", "the 4 weeks before");
        check("2026-11", "the month before", "the 4 months before");
        check("2026-Q4", "the quarter before", "the 4 quarters before");
        check(
            "2026-11-20",
            "the same day a week before",
            "the same day of the 4 weeks before",
        );
        check(
            "2026-11-02..2026-11-16",
            "the 14 days before",
            "the 4 periods before",
        );
        check(
            "2026-11-02..2026-11-12",
            "the same 10 days 2 weeks before",
            "the 4 periods before",
        );
    }

    #[test]
    fn compared_parts_are_described() {
        let check = |window: &str, end: DateTime, sentence: &str| {
            let window = Window::parse(window, "UTC").expect("a window");
            assert_eq!(ComparedPart::new(&window, end).sentence(&window), sentence);
        };
        let day = date(2026, 11, 19);
        check(
            "2026-W47",
            day.at(0, 0, 0, 0),
            "all figures compare Monday to Wednesday with the same days of other weeks",
        );
        check(
            "2026-W47",
            day.at(14, 5, 0, 0),
            "all figures compare Monday to Thursday at 14:05 with the same part of other weeks",
        );
        check(
            "2026-11",
            day.at(0, 0, 0, 0),
            "all figures compare 1 to 18 November with the same days of other months",
        );
        check(
            "2026-Q4",
            day.at(0, 0, 0, 0),
            "all figures compare 1 October to 18 November with the same days of other quarters",
        );
        check(
            "2026-11-19",
            day.at(14, 0, 0, 0),
            "all figures compare 00:00 to 14:00 with the same part of other days",
        );
        check(
            "2026-11-16..2026-11-26",
            day.at(0, 0, 0, 0),
            "all figures compare the first 3 days with the same days of other periods",
        );
        assert_eq!(
            format_moment(day.at(14, 5, 9, 0), true),
            "Thursday 19 November 2026 at 14:05"
        );
        assert_eq!(
            format_moment(day.at(0, 0, 0, 0), false),
            "Thursday 19 November 2026"
        );
    }
}
