//! The digits of levels, such as the means before and after a change.

use crate::number::{MINUS, THIN, fixed, only_zeros, with_noun};

/// Maximum number of decimals of levels beyond those that their intervals support, so that the
/// printed levels give their difference.
const EXTRA_MAX: usize = 4;
/// Maximum number of decimals.
pub(super) const DECIMALS_MAX: usize = 12;
/// Significant digits of a level that has more decimals than its interval supports.
const DIGITS: f64 = 4.0;

/// Width of an interval relative to its largest number below which it is a rounding error, such as
/// that of a mean of equal values.
const NEGLIGIBLE: f64 = 1e-5;

/// The width of an interval, unless it is a rounding error of its `largest` number.
pub(super) fn significant_width(width: f64, largest: f64) -> Option<f64> {
    (width.is_finite() && width > NEGLIGIBLE * largest.abs()).then_some(width)
}

/// Number of decimals that an interval of the given `width` supports: as many as give it two
/// digits; none for a width of 10 or more.
pub(super) fn decimals_of(width: f64) -> usize {
    if width <= 0.0 || !width.is_finite() {
        return 0;
    }
    (1.0 - width.log10().floor()).clamp(0.0, DECIMALS_MAX as f64) as usize
}

/// Formats compared levels with the same number of decimals: as many as the narrower of their
/// intervals supports, and enough to distinguish the levels.
pub fn levels<const N: usize>(values: [f64; N], width: Option<f64>, unit: &str) -> [String; N] {
    best_levels(values, width, unit, |_| 1)
}

/// Formats levels with up to [`EXTRA_MAX`] more decimals, if the printed numbers then have a higher
/// `score`.
pub(super) fn best_levels<const N: usize>(
    values: [f64; N],
    width: Option<f64>,
    unit: &str,
    score: impl Fn([f64; N]) -> u8,
) -> [String; N] {
    let (scale, noun) = match unit {
        "share" => (100.0, "%"),
        unit => (1.0, unit),
    };
    let scaled = values.map(|value| value * scale);
    let least = scaled
        .iter()
        .filter(|value| value.is_finite() && **value != 0.0)
        .fold(f64::INFINITY, |least, value| least.min(value.abs()));
    let largest = values.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let base = match width.and_then(|width| significant_width(width, largest)) {
        Some(width) => decimals_of(width * scale),
        _ if scaled.iter().all(|value| value.fract() == 0.0) => 0,
        _ if least.is_finite() => decimals_of(least / 5.0),
        _ => 0,
    };
    let differ = |i: usize, j: usize| values[i] != values[j];
    let distinguishes = |decimals: &usize| {
        let texts = scaled.map(|value| fixed(value, *decimals));
        (0..N).all(|i| (0..i).all(|j| !differ(i, j) || texts[i] != texts[j]))
    };
    let printed_score = |decimals: [usize; N]| {
        let printed = std::array::from_fn(|i| {
            let digits = fixed(scaled[i], decimals[i]).replace(THIN, "");
            let number: f64 = digits.replace(MINUS, "-").parse().unwrap_or(f64::NAN);
            number / scale
        });
        score(printed)
    };
    let base = (base..=DECIMALS_MAX).find(distinguishes).unwrap_or(base);
    // Long numbers only have the decimals without which they would disagree with their difference.
    let enough = decimals_of_digits(least);
    let score_of = |decimals: usize| {
        let score = printed_score([decimals; N]);
        if decimals > enough {
            score.min(1)
        } else {
            score
        }
    };
    let decimals = (base..=DECIMALS_MAX.min(base + EXTRA_MAX))
        .max_by_key(|decimals| (score_of(*decimals), std::cmp::Reverse(*decimals)))
        .unwrap_or(base);
    let same = [decimals; N];
    let short = scaled.map(|value| decimals.min(decimals_of_digits(value.abs()).max(base)));
    let decimals = if printed_score(short) >= printed_score(same) {
        short
    } else {
        same
    };
    std::array::from_fn(|i| with_noun(&level(scaled[i], decimals[i], noun), noun))
}

/// Number of decimals with which a number has [`DIGITS`] significant digits.
fn decimals_of_digits(size: f64) -> usize {
    if size <= 0.0 || !size.is_finite() {
        return DECIMALS_MAX;
    }
    (DIGITS - 1.0 - size.log10().floor()).clamp(0.0, DECIMALS_MAX as f64) as usize
}

/// The digits of a level; a share of exactly 0 or 1 has no decimals.
fn level(value: f64, decimals: usize, noun: &str) -> String {
    let is_whole = noun == "%" && (value == 0.0 || value == 100.0);
    fixed(value, if is_whole { 0 } else { decimals })
}

/// A level and its interval, "24.1 ms" and "20.3 to 27.9 ms", with the decimals that the width of
/// the interval supports. If values are `whole`, as counts are, so are the bounds, and neither is
/// rounded inwards.
pub fn level_with_interval(value: f64, interval: [f64; 2], unit: &str, whole: bool) -> [String; 2] {
    let (scale, noun) = match unit {
        "share" => (100.0, "%"),
        unit => (1.0, unit),
    };
    let [low, high] = if whole {
        [(interval[0] + 1e-6).floor(), (interval[1] - 1e-6).ceil()]
    } else {
        interval.map(|bound| bound * scale)
    };
    let value = value * scale;
    let largest = value.abs().max(low.abs()).max(high.abs());
    let base = match significant_width(high - low, largest) {
        _ if whole && (value.abs() >= 10.0 || (value - value.round()).abs() < 1e-6) => 0,
        Some(width) => decimals_of(width),
        None if value.fract() == 0.0 => 0,
        None => decimals_of(value.abs() / 50.0),
    };
    let is_zero = [value, low, high].map(|x| only_zeros(&fixed(x, base))) == [true; 3];
    let base = if is_zero { 0 } else { base };
    let decimals = if whole {
        (base..=2)
            .find(|decimals| !only_zeros(&fixed(value, *decimals)))
            .unwrap_or(0)
    } else {
        base
    };
    let bounds = [low, high].map(|bound| level(bound, if whole { 0 } else { base }, noun));
    [
        with_noun(&level(value, decimals, noun), noun),
        with_noun(&bounds.join(" to "), noun),
    ]
}

#[cfg(test)]
mod tests {
    use crate::Estimate;

    /// The levels of a relative difference with a band of this width.
    fn levels(values: [f64; 2], width: f64) -> [String; 2] {
        let estimate = Estimate::relative(values[1] / values[0] - 1.0, None, true);
        let levels = estimate.levels(values, Some(width), "");
        levels.map(|text| text.replace(crate::number::THIN, ""))
    }

    #[test]
    fn rounding_errors_have_no_digits() {
        let level = |value: f64, interval: [f64; 2], unit: &str| {
            let texts = super::level_with_interval(value, interval, unit, false);
            texts.join(" / ").replace(crate::number::NBSP, " ")
        };
        // The mean of equal values, and the forecast of a sensor that is stuck.
        let mean = 21.370_000_000_000_005;
        assert_eq!(
            level(mean, [mean - 1e-14, mean + 1e-14], "°C"),
            "21.37 °C / 21.37 to 21.37 °C"
        );
        assert_eq!(
            level(21.37, [21.369_987, 21.370_013], "°C"),
            "21.37 °C / 21.37 to 21.37 °C"
        );
        assert_eq!(
            level(1e-15, [1e-16, 1e-14], "times"),
            "0 times / 0 to 0 times"
        );
        let texts = super::levels([mean, 21.728_879_482_072], Some(2e-14), "");
        assert_eq!(texts, ["21.4", "21.7"]);
        let relative = |value: f64, half: f64| {
            let like = Estimate::relative(0.0, Some([-half, half]), false);
            Estimate::relative(value, None, false).signed_like(&like)
        };
        assert_eq!(
            relative(-0.018_546_727, 1e-16).replace('\u{a0}', " "),
            "−1.9 %"
        );
        assert_eq!(relative(0.0, 1e-16).replace('\u{a0}', " "), "0 %");
    }

    #[test]
    fn levels_have_four_digits_unless_their_difference_needs_more() {
        // 159.7 is 36.4 times 4.39.
        assert_eq!(levels([4.390_190_883, 159.69], 48.0), ["4.39", "159.7"]);
        assert_eq!(levels([37.46, 52.93], 3.0), ["37.5", "52.9"]);
        assert_eq!(levels([24.0, 26.0], 10.0), ["24", "26"]);
        // The difference is 0.0049 %.
        assert_eq!(levels([12_345.6, 12_346.2], 20.0), ["12345.6", "12346.2"]);
    }
}
