//! An estimate with its interval. All reports use the wording defined here.
//!
//! A sentence never claims more than the interval supports: an estimate that the test does not
//! support is "not proven", never "stable" or "no effect". Rounding happens here once, to the
//! digits that the width of the interval supports, so that value and interval never disagree.

mod digits;

use crate::number::{NBSP, fixed, only_zeros, sensible, signed, with_noun};
use digits::{DECIMALS_MAX, best_levels, decimals_of, significant_width};
pub use digits::{level_with_interval, levels};

/// The degree to which the data support a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// The test rejects "no difference", and the interval excludes it.
    Proven,
    /// The interval excludes "no difference", but the test, corrected for multiple testing, does
    /// not.
    Likely,
    /// The interval includes "no difference", or is missing.
    Open,
}

/// The scale on which a difference is given.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale<'a> {
    /// A share of the compared level: −0.33 is 33 % lower.
    Relative,
    /// A factor between two shares: "20 % higher" could mean percentage points.
    Factor,
    /// A difference of shares, in percentage points.
    Points,
    /// An amount in a unit.
    Amount(&'a str),
}

/// A difference with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate<'a> {
    value: f64,
    /// Lower and upper bound; `None` without an interval.
    interval: Option<[f64; 2]>,
    scale: Scale<'a>,
    tested: bool,
    /// True for a number of events, which is worded as more or less frequent.
    counts: bool,
}

/// Factor above which a difference is printed as "3.4 times as high" instead of "240 % higher".
const TIMES_FROM: f64 = 3.0;

impl<'a> Estimate<'a> {
    /// A difference relative to the compared level, both levels not negative: −0.33 is 33 % lower.
    /// `proven` is the result of the test, corrected for multiple testing.
    pub fn relative(value: f64, interval: Option<[f64; 2]>, proven: bool) -> Self {
        // A level that cannot be negative falls by 100 % at most.
        let floor = |bound: f64| if bound < -1.0 { -1.0 } else { bound };
        Self {
            value: floor(value),
            interval: interval.map(|bounds| bounds.map(floor)),
            scale: Scale::Relative,
            tested: proven,
            counts: false,
        }
        .with_ordered_bounds()
    }

    /// A difference between two shares, given in percentage points.
    pub fn points(value: f64, interval: Option<[f64; 2]>, proven: bool) -> Self {
        Self {
            value,
            interval,
            scale: Scale::Points,
            tested: proven,
            counts: false,
        }
        .with_ordered_bounds()
    }

    /// A difference in a unit, such as "min" or "failures per day".
    pub fn amount(value: f64, interval: Option<[f64; 2]>, unit: &'a str, proven: bool) -> Self {
        let scale = match unit {
            "share" => Scale::Points,
            unit => Scale::Amount(unit),
        };
        Self {
            value,
            interval,
            scale,
            tested: proven,
            counts: false,
        }
        .with_ordered_bounds()
    }

    /// Uses the words for events: "33 % less frequent" instead of "33 % lower".
    #[must_use]
    pub fn of_counts(mut self) -> Self {
        self.counts = true;
        self
    }

    /// Uses the words for shares: "0.67 times as high" instead of "33 % lower".
    #[must_use]
    pub fn of_shares(mut self) -> Self {
        self.scale = Scale::Factor;
        self
    }

    /// Orders the bounds, and removes an interval with bounds that are not numbers.
    fn with_ordered_bounds(mut self) -> Self {
        self.interval = self
            .interval
            .filter(|bounds| bounds.iter().all(|bound| !bound.is_nan()))
            .map(|[a, b]| [a.min(b), a.max(b)]);
        self
    }

    /// The degree to which the data support the difference.
    pub fn certainty(&self) -> Certainty {
        match self.interval {
            Some([low, high]) if low > 0.0 || high < 0.0 => {
                if self.tested {
                    Certainty::Proven
                } else {
                    Certainty::Likely
                }
            }
            _ => Certainty::Open,
        }
    }

    /// Returns true if test and interval both exclude "no difference".
    pub fn is_proven(&self) -> bool {
        self.certainty() == Certainty::Proven
    }

    /// The whole claim: "33 % lower than before (95 % interval 45 to 14 % lower)", "probably 33 %
    /// lower than before (45 to 14 % lower); not yet proven", "4 % lower than before (12 % lower to
    /// 5 % higher); not proven". `than`, such as "than before", follows the size; it may be empty.
    pub fn claim(&self, than: &str) -> String {
        if !self.value.is_finite() {
            return "cannot be estimated".to_string();
        }
        let size = self.compared(than);
        let range = self.range();
        match (self.certainty(), range.is_empty()) {
            (Certainty::Proven, true) => size,
            (Certainty::Proven, false) => format!("{size} (95{NBSP}% interval {range})"),
            (Certainty::Likely, true) => format!("probably {size}; not yet proven"),
            (Certainty::Likely, false) => {
                format!("probably {size} ({range}); not yet proven")
            }
            (Certainty::Open, true) => format!("{size}; not proven"),
            (Certainty::Open, false) => format!("{size} ({range}); not proven"),
        }
    }

    /// The size with the comparison, without the interval: "33 % lower than before", "3.4 times as
    /// high as before". Only for proven differences, or next to words that mark it as not proven.
    pub fn compared(&self, than: &str) -> String {
        let size = self.size();
        match than {
            "" => size,
            than if self.is_factor() || size == self.no_difference() => {
                format!("{size} {}", than.replacen("than", "as", 1))
            }
            than => format!("{size} {than}"),
        }
    }

    /// The claim without its interval, for headings: "33 % lower", "probably 33 % lower, not yet
    /// proven", "not proven".
    pub fn heading(&self) -> String {
        match self.certainty() {
            _ if !self.value.is_finite() => "cannot be estimated".to_string(),
            Certainty::Proven => self.size(),
            Certainty::Likely => format!("probably {}, not yet proven", self.size()),
            Certainty::Open => format!("{}, not proven", self.size()),
        }
    }

    /// The size with its direction: "33 % lower", "2.1 min higher", "3.4 times as high".
    pub fn size(&self) -> String {
        if !self.value.is_finite() {
            return "cannot be estimated".to_string();
        }
        if self.is_factor() {
            let adjective = if self.counts { "frequent" } else { "high" };
            return format!("{} times as {adjective}", self.factor(self.value));
        }
        let text = self.unsigned_text(self.value);
        if only_zeros(&text) {
            return self.no_difference().to_string();
        }
        format!("{text} {}", self.direction(self.value))
    }

    /// The size without its direction: "33 %", "2.1 min".
    pub fn bare_size(&self) -> String {
        self.unsigned_text(self.value)
    }

    /// The two levels of this difference, with the digits of [`levels`], and more if the printed
    /// levels would give another difference.
    pub fn levels(&self, values: [f64; 2], width: Option<f64>, unit: &str) -> [String; 2] {
        best_levels(values, width, unit, |[from, to]| {
            let value = match self.scale {
                Scale::Relative | Scale::Factor => to / from - 1.0,
                Scale::Points | Scale::Amount(_) => to - from,
            };
            let other = Self { value, ..*self };
            let [same_size, same_sign] =
                [other.size() == self.size(), other.signed() == self.signed()];
            u8::from(same_size) * (1 + u8::from(same_sign))
        })
    }

    /// The interval in words: "45 to 14 % lower", "12 % lower to 5 % higher"; empty without an
    /// interval, or if it has no width.
    pub fn range(&self) -> String {
        let Some([low, high]) = self.interval.filter(|[low, high]| low < high) else {
            return String::new();
        };
        if self.is_factor() {
            return if high.is_finite() {
                format!("{} to {} times", self.factor(low), self.factor(high))
            } else {
                format!("at least {} times", self.factor(low))
            };
        }
        match [low, high].map(f64::is_finite) {
            [false, false] => return String::new(),
            [true, false] => return format!("at least {}", self.bound(low)),
            [false, true] => return format!("at most {}", self.bound(high)),
            [true, true] => {}
        }
        let [low_text, high_text] = [self.unsigned_text(low), self.unsigned_text(high)];
        let zero = [&low_text, &high_text].map(|text| only_zeros(text));
        match (low < 0.0, high > 0.0) {
            _ if zero == [true, true] => String::new(),
            // Both bounds have the same direction: the one farther from zero comes first if lower,
            // last if higher.
            (true, false) | (false, true) if !zero.contains(&true) => {
                let (digits, direction) = (self.digits(low), self.direction(low));
                format!("{digits} to {high_text} {direction}")
            }
            _ => format!("{} to {}", self.bound(low), self.bound(high)),
        }
    }

    /// The signed value for a table: "−33 %", "+2.1 min".
    pub fn signed(&self) -> String {
        if !self.value.is_finite() {
            return "–".to_string();
        }
        self.signed_text(self.value)
    }

    /// The signed value with the decimals of the interval of `other`, for an estimate without an
    /// interval.
    pub fn signed_like(&self, other: &Self) -> String {
        let interval = self.interval.or(other.interval);
        Self { interval, ..*self }.signed()
    }

    /// The signed interval for a table: "−45 to −14 %"; empty without an interval.
    pub fn signed_range(&self) -> String {
        match self.interval {
            Some([low, high]) if low < high && low.is_finite() && high.is_finite() => {
                if self.scale == Scale::Factor {
                    return format!("{} to {}", self.factor(low), self.signed_text(high));
                }
                let low = signed(low * self.scale_factor(), self.decimals(low));
                format!("{low} to {}", self.signed_text(high))
            }
            _ => String::new(),
        }
    }

    /// A bound with its direction: "12 % lower".
    fn bound(&self, bound: f64) -> String {
        let text = self.unsigned_text(bound);
        if only_zeros(&text) {
            return "no difference".to_string();
        }
        format!("{text} {}", self.direction(bound))
    }

    fn direction(&self, value: f64) -> &'static str {
        match (self.counts, value < 0.0) {
            (false, true) => "lower",
            (false, false) => "higher",
            (true, true) => "less frequent",
            (true, false) => "more frequent",
        }
    }

    fn no_difference(&self) -> &'static str {
        if self.counts {
            "as frequent"
        } else {
            "the same"
        }
    }

    fn is_factor(&self) -> bool {
        let factor = 1.0 + self.value;
        let excludes_none = self.interval.is_none_or(|[low, _]| low > 0.0);
        let large = self.scale == Scale::Relative && factor >= TIMES_FROM && excludes_none;
        large || self.scale == Scale::Factor
    }

    fn factor(&self, relative: f64) -> String {
        let width = self.interval.map_or(0.0, |[low, high]| high - low);
        let factor = 1.0 + relative;
        if width > 0.0 && width.is_finite() {
            fixed(factor, decimals_of(width))
        } else {
            sensible(factor)
        }
    }

    fn scale_factor(&self) -> f64 {
        match self.scale {
            Scale::Relative | Scale::Factor | Scale::Points => 100.0,
            Scale::Amount(_) => 1.0,
        }
    }

    /// Decimals for one of the numbers: as many as the interval supports. A nonzero number that
    /// would print as zero gets more, unless the interval includes "no difference".
    fn decimals(&self, value: f64) -> usize {
        // Exactly 100 %.
        if self.scale == Scale::Relative && value == -1.0 {
            return 0;
        }
        let scale = self.scale_factor();
        let width = self.interval.map_or(f64::NAN, |[low, high]| high - low);
        let [low, high] = self.interval.unwrap_or_default();
        let numbers = [value, self.value, low, high].map(|number| number * scale);
        let largest = numbers.into_iter().map(f64::abs).fold(0.0, f64::max);
        let base = match significant_width(width * scale, largest) {
            Some(width) => decimals_of(width),
            None => decimals_of(2.0 * value.abs() * scale),
        };
        // All of it is a rounding error.
        if only_zeros(&fixed(largest, base)) {
            return 0;
        }
        let includes_none = self
            .interval
            .is_some_and(|[low, high]| low <= 0.0 && high >= 0.0);
        if includes_none {
            return base;
        }
        let size = value.abs() * scale;
        (base..=DECIMALS_MAX)
            .find(|decimals| size < 1e-9 || !only_zeros(&fixed(size, *decimals)))
            .unwrap_or(base)
    }

    /// The size of a number without sign and unit.
    fn digits(&self, value: f64) -> String {
        fixed(value.abs() * self.scale_factor(), self.decimals(value))
    }

    /// The size of a number with its unit.
    fn unsigned_text(&self, value: f64) -> String {
        if self.scale == Scale::Factor {
            return format!("{}×", self.factor(value));
        }
        with_noun(&self.digits(value), self.unit())
    }

    fn signed_text(&self, value: f64) -> String {
        if self.scale == Scale::Factor {
            return self.unsigned_text(value);
        }
        let text = signed(value * self.scale_factor(), self.decimals(value));
        with_noun(&text, self.unit())
    }

    fn unit(&self) -> &'a str {
        match self.scale {
            Scale::Relative | Scale::Factor => "%",
            Scale::Points => "percentage points",
            Scale::Amount("%") => "percentage points",
            Scale::Amount(unit) => unit,
        }
    }
}

#[cfg(test)]
mod tests;
