//! Explains why a cron expression is invalid: the field, its text and the allowed values.

/// A field of a cron expression.
struct Field {
    name: &'static str,
    /// The name with its article.
    with_article: &'static str,
    min: u16,
    max: u16,
    /// Names of values, such as weekdays.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        with_article: "a minute",
        min: 0,
        max: 59,
        names: &[],
    },
    Field {
        name: "hour",
        with_article: "an hour",
        min: 0,
        max: 23,
        names: &[],
    },
    Field {
        name: "day of month",
        with_article: "a day of the month",
        min: 1,
        max: 31,
        names: &[],
    },
    Field {
        name: "month",
        with_article: "a month",
        min: 1,
        max: 12,
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    },
    Field {
        name: "weekday",
        with_article: "a weekday",
        min: 0,
        max: 7,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    },
];

/// Describes the first invalid part of an expression, such as "minute 61: a minute is 0 to 59".
pub(super) fn explain(expression: &str) -> Option<String> {
    let fields = expression.split_whitespace().zip(&FIELDS);
    fields
        .flat_map(|(text, field)| text.split(',').map(move |part| (part, field)))
        .find_map(|(part, field)| field.find_error(part))
}

impl Field {
    /// Describes the error in one part of a list, if any.
    fn find_error(&self, part: &str) -> Option<String> {
        let Self {
            name,
            with_article,
            max,
            ..
        } = self;
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        if let Some(step) = step {
            let number = step.parse::<u16>();
            if !number.is_ok_and(|step| (1..=*max).contains(&step)) {
                return Some(format!("{name} {part}: a step is 1 to {max}"));
            }
            if range.is_empty() {
                return Some(format!(
                    "{name} {part}: a step needs a range, such as */{step}"
                ));
            }
            if range != "*" && !range.contains('-') {
                return Some(format!(
                    "{name} {part}: a step needs a range, such as */{step} or {range}-{max}/{step}"
                ));
            }
        }
        if part.is_empty() {
            return None;
        }
        let ends: Vec<&str> = range.split('-').collect();
        let values: Vec<Option<u16>> = ends.iter().map(|end| self.value(end)).collect();
        if let Some((end, _)) = ends.iter().zip(&values).find(|(_, value)| value.is_none()) {
            return Some(format!("{name} {end}: {with_article} is {}", self.range()));
        }
        match values.as_slice() {
            [Some(first), Some(last)] if first > last => Some(format!(
                "{name} {range}: a range begins with its lower value"
            )),
            [_] | [_, _] => None,
            _ => Some(format!("{name} {range}: a range has two ends")),
        }
    }

    /// The allowed values, in words.
    fn range(&self) -> String {
        let Self { min, max, .. } = self;
        match self.names {
            [first, .., last] => format!("{min} to {max}, or {first} to {last}"),
            _ => format!("{min} to {max}"),
        }
    }

    /// Parses a number or a name; allowed special forms (`*`, `LW`, `5#2`) give 0.
    fn value(&self, text: &str) -> Option<u16> {
        let upper = text.to_ascii_uppercase();
        // The last Friday of a month is 5L, the second is 5#2, the weekday nearest to the first day
        // is 1W.
        let name = upper.split('#').next().unwrap_or_default();
        let name = name.trim_end_matches(['L', 'W']);
        if ["*", "?", ""].contains(&name) && !upper.is_empty() {
            return Some(0);
        }
        if let Some(index) = self.names.iter().position(|known| *known == name) {
            return Some(index as u16 + self.min);
        }
        let number = name.parse::<u16>().ok()?;
        (self.min..=self.max).contains(&number).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use crate::schedule::{Calendar, CalendarError};

    #[test]
    fn errors_name_the_field_and_its_values() {
        let cases = [
            ("61 9 * * *", "minute 61: a minute is 0 to 59"),
            ("0,75 9 * * *", "minute 75: a minute is 0 to 59"),
            ("0 24 * * *", "hour 24: an hour is 0 to 23"),
            ("0 9-25 * * *", "hour 25: an hour is 0 to 23"),
            ("0 9 0 * *", "day of month 0: a day of the month is 1 to 31"),
            (
                "0 9 32W * *",
                "day of month 32W: a day of the month is 1 to 31",
            ),
            ("0 9 * 13 *", "month 13: a month is 1 to 12, or JAN to DEC"),
            ("0 9 * * 8", "weekday 8: a weekday is 0 to 7, or SUN to SAT"),
            (
                "0 9 * * MOM",
                "weekday MOM: a weekday is 0 to 7, or SUN to SAT",
            ),
            (
                "0 9 * * FRI-MON",
                "weekday FRI-MON: a range begins with its lower value",
            ),
            ("*/0 9 * * *", "minute */0: a step is 1 to 59"),
            ("*/x 9 * * *", "minute */x: a step is 1 to 59"),
            (
                "5/10 9 * * *",
                "minute 5/10: a step needs a range, such as */10 or 5-59/10",
            ),
            (
                "/10 9 * * *",
                "minute /10: a step needs a range, such as */10",
            ),
        ];
        for (cron, words) in cases {
            let error = Calendar::new(cron, "UTC").unwrap_err();
            assert_eq!(error, CalendarError::Cron(words.to_string()), "{cron}");
        }
    }

    #[test]
    fn valid_expressions_have_no_error() {
        for cron in [
            "0 9 * * MON",
            "*/15 0-3,23 * jan-mar *",
            "0 18 LW * *",
            "0 18 1W * *",
            "0 6 * * FRI#2",
            "0 6 * * 5L",
            "0 6 L * ?",
            "0 6 * * 7",
            "0, 6 * * *",
        ] {
            assert_eq!(super::explain(cron), None, "{cron}");
            Calendar::new(cron, "UTC").unwrap();
        }
    }
}
