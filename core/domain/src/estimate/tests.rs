//! Tests of this module.

use super::*;
use crate::number::{MINUS, THIN};

fn plain(text: &str) -> String {
    text.replace([NBSP, THIN], " ").replace(MINUS, "-")
}

#[test]
fn claims_state_whether_they_are_proven() {
    let relative = |value, low, high, proven| {
        plain(&Estimate::relative(value, Some([low, high]), proven).claim("than before"))
    };
    let amount = |value, low, high, unit, proven| {
        plain(&Estimate::amount(value, Some([low, high]), unit, proven).claim("than before"))
    };
    let cases = [
        (
            relative(-0.33, -0.45, -0.14, true),
            "33 % lower than before (95 % interval 45 to 14 % lower)",
        ),
        (
            relative(-0.33, -0.45, -0.14, false),
            "probably 33 % lower than before (45 to 14 % lower); not yet proven",
        ),
        (
            relative(-0.04, -0.12, 0.05, false),
            "4 % lower than before (12 % lower to 5 % higher); not proven",
        ),
        // A difference is not proven by the test alone if the interval includes zero.
        (
            relative(-0.04, -0.12, 0.05, true),
            "4 % lower than before (12 % lower to 5 % higher); not proven",
        ),
        (
            relative(2.4, 1.5, 3.4, true),
            "3.4 times as high as before (95 % interval 2.5 to 4.4 times)",
        ),
        (
            relative(0.0, -0.1, 0.1, false),
            "the same as before (10 % lower to 10 % higher); not proven",
        ),
        (
            relative(-1.12, -1.5, -0.8, true),
            "100 % lower than before (95 % interval 100 to 80 % lower)",
        ),
        (
            relative(-0.02, -0.2, -0.000_4, true),
            "2 % lower than before (95 % interval 20 to 0.04 % lower)",
        ),
        (
            relative(-0.4, -0.65, 0.0, false),
            "40 % lower than before (65 % lower to no difference); not proven",
        ),
        (
            amount(2.0, 0.0, 3.9, "min", false),
            "2.0 min higher than before (no difference to 3.9 min higher); not proven",
        ),
        (
            amount(-2.14, -3.9, -0.4, "min", true),
            "2.1 min lower than before (95 % interval 3.9 to 0.4 min lower)",
        ),
        (
            amount(0.012, 0.010, 0.014, "share", true),
            "1.20 percentage points higher than before (95 % interval 1.00 to 1.40 percentage points higher)",
        ),
        (relative(f64::NAN, 0.0, 1.0, false), "cannot be estimated"),
    ];
    for (claim, expected) in cases {
        assert_eq!(claim, expected);
    }
    let point = Estimate::relative(0.5, None, true);
    assert_eq!(plain(&point.claim("")), "50 % higher; not proven");
    let certain = Estimate::relative(-0.33, Some([-0.33, -0.33]), true);
    assert_eq!(plain(&certain.claim("")), "33 % lower");
}

#[test]
fn decimals_follow_from_the_interval() {
    let relative = |value, low, high, proven| {
        let estimate = Estimate::relative(value, Some([low, high]), proven);
        [
            estimate.signed(),
            estimate.signed_range(),
            estimate.claim(""),
        ]
        .map(|text| plain(&text))
    };
    // An unproven value near zero may print as zero.
    let open = [
        "0 %",
        "-59 to 0 %",
        "the same (59 % lower to no difference); not proven",
    ];
    assert_eq!(relative(-0.0004, -0.59, 0.0004, false), open);
    // A proven effect is not printed as zero.
    let proven = relative(0.2, 0.0004, 0.59, true);
    assert_eq!(proven[1], "+0.04 to +59 %");
    let none = relative(-1.0, -1.0, -0.9937, true);
    assert_eq!(none[0], "-100 %");
    assert_eq!(none[2], "100 % lower (95 % interval 100 to 99.37 % lower)");
    let share = |value, interval| {
        level_with_interval(value, interval, "share", false).map(|text| plain(&text))
    };
    assert_eq!(share(1.0, [0.982, 1.0]), ["100 %", "98.2 to 100 %"]);
    assert_eq!(share(0.0, [0.0, 0.018]), ["0 %", "0 to 1.8 %"]);
    assert_eq!(
        levels([0.9581, 1.0], Some(0.01), "share").map(|text| plain(&text)),
        ["95.8 %", "100 %"]
    );
}

#[test]
fn values_in_tables_are_signed() {
    let lower = Estimate::relative(-0.33, Some([-0.45, -0.14]), true);
    assert_eq!(plain(&lower.signed()), "-33 %");
    assert_eq!(plain(&lower.signed_range()), "-45 to -14 %");
    assert_eq!(lower.heading(), format!("33{NBSP}% lower"));
    assert_eq!(
        plain(&lower.compared("than in May")),
        "33 % lower than in May"
    );
    let rough = Estimate::relative(0.001_6, None, false);
    assert_eq!(plain(&rough.signed()), "+0.16 %");
    assert_eq!(plain(&rough.signed_like(&lower)), "+0.2 %");
    let high = Estimate::relative(2.4, Some([1.5, 3.4]), true);
    assert_eq!(high.compared("than in May"), "3.4 times as high as in May");
}

#[test]
fn counts_and_shares_have_their_own_words() {
    let estimate = |value, low, high| Estimate::relative(value, Some([low, high]), true);
    let count = |value, low, high| {
        let claim = estimate(value, low, high).of_counts();
        plain(&claim.claim("on Mondays than on Fridays"))
    };
    assert_eq!(
        count(1.08, 0.65, 1.63),
        "108 % more frequent on Mondays than on Fridays (95 % interval 65 to 163 % more frequent)"
    );
    assert_eq!(
        count(-0.5, -0.8, 0.2),
        "50 % less frequent on Mondays than on Fridays (80 % less frequent to 20 % more frequent); \
         not proven"
    );
    assert_eq!(
        count(3.0, 2.0, 4.0),
        "4.0 times as frequent on Mondays as on Fridays (95 % interval 3.0 to 5.0 times)"
    );
    let share = estimate(-0.2, -0.3, -0.1).of_shares();
    assert_eq!(
        plain(&share.claim("than before")),
        "0.80 times as high as before (95 % interval 0.70 to 0.90 times)"
    );
    assert_eq!(share.signed(), "0.80×");
    assert_eq!(share.signed_range(), "0.70 to 0.90×");
}

#[test]
fn levels_have_equal_decimals_and_remain_distinct() {
    let check = |values: [f64; 2], width, unit, expected: &str| {
        assert_eq!(plain(&levels(values, width, unit).join(" to ")), expected);
    };
    check([6.1667, 7.25], Some(1.0), "", "6.2 to 7.3");
    check([0.0612, 0.11], None, "", "0.061 to 0.110");
    check([1041.0, 638.0], Some(120.0), "", "1041 to 638");
    check([50.001, 50.002], Some(4.0), "%", "50.001 % to 50.002 %");
    check([3.0, 3.0], None, "", "3 to 3");
    check([0.0, 5.0], None, "failures", "0 failures to 5 failures");
}

/// The first number of a text.
fn number_of(text: &str) -> f64 {
    let text = plain(text).replace(' ', "");
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '-'));
    text[..end.unwrap_or(text.len())].parse().expect("a number")
}

#[test]
fn printed_changes_follow_from_the_printed_levels() {
    let mut random = numbers();
    for round in 0..20_000 {
        let from = 10f64.powf(random() * 6.0 - 2.0);
        let to = from * 10f64.powf(random() * 1.5 - 0.75);
        let width = (0.1 + 2.0 * random()) * (to - from).abs();
        let around = |value: f64, half: f64| Some([value - half, value + half]);
        let (estimate, unit) = if round % 2 == 0 {
            let half = width / from / 2.0;
            let change = to / from - 1.0;
            (Estimate::relative(change, around(change, half), true), "")
        } else {
            let half = width / 2.0;
            (
                Estimate::amount(to - from, around(to - from, half), "ms", true),
                "ms",
            )
        };
        let texts = estimate.levels([from, to], Some(width / 2.0), unit);
        let [low, high] = [0, 1].map(|i| number_of(&texts[i]));
        let size = plain(&estimate.size());
        let (printed, implied) = match round % 2 {
            0 if size.contains("times") => (number_of(&size), high / low),
            0 => (number_of(&size), 100.0 * (high / low - 1.0).abs()),
            _ => (number_of(&size), (high - low).abs()),
        };
        let digits = size.split(' ').next().expect("a number");
        let decimals = digits.split_once('.').map_or(0, |(_, rest)| rest.len());
        let last_digit = 0.1f64.powi(i32::try_from(decimals).expect("few"));
        assert!(
            (printed - implied).abs() <= 0.51 * last_digit,
            "{from} {to} {width}: {texts:?} {size}"
        );
    }
    let rise = Estimate::relative(1.51, Some([0.3, 3.83]), true);
    let texts = rise.levels([9.193, 23.07], Some(15.0), "");
    assert_eq!(texts, ["9.2", "23.1"]);
    // An effect that does not follow from the levels does not change their digits.
    let other = Estimate::relative(0.2, Some([0.1, 0.3]), true);
    assert_eq!(other.levels([9.193, 23.07], Some(15.0), ""), ["9", "23"]);
}

#[test]
fn levels_have_the_decimals_of_their_interval() {
    let check = |value, interval, unit, whole, expected: [&str; 2]| {
        let level = level_with_interval(value, interval, unit, whole);
        assert_eq!(level.map(|text| plain(&text)), expected);
    };
    check(
        24.134,
        [20.31, 27.94],
        "ms",
        false,
        ["24.1 ms", "20.3 to 27.9 ms"],
    );
    check(
        0.1634,
        [0.144, 0.183],
        "share",
        false,
        ["16.3 %", "14.4 to 18.3 %"],
    );
    check(168.0, [143.7, 169.0], "", true, ["168", "143 to 169"]);
    check(
        167.6,
        [144.000_000_1, 169.2],
        "",
        true,
        ["168", "144 to 170"],
    );
    check(7.24, [5.5, 8.9], "runs", true, ["7.2 runs", "5 to 9 runs"]);
    check(0.04, [0.0, 1.3], "", true, ["0.04", "0 to 2"]);
    check(0.0, [0.0, 1.0], "", true, ["0", "0 to 1"]);
    check(6.78, [6.78, 6.78], "", false, ["6.78", "6.78 to 6.78"]);
    check(-0.000_01, [-2.0, 2.0], "", false, ["0.0", "-2.0 to 2.0"]);
    let slope = Estimate::amount(0.2512, Some([0.22, 0.28]), "%", true);
    assert_eq!(plain(&slope.bare_size()), "0.251 percentage points");
}

/// Pseudo-random numbers of all magnitudes (a linear congruential generator by Knuth).
fn numbers() -> impl FnMut() -> f64 {
    let mut state: u64 = 1;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn printed_levels_are_within_their_printed_intervals() {
    let mut random = numbers();
    for round in 0..20_000 {
        let size = 10f64.powf(random() * 14.0 - 6.0);
        let value = size * random();
        let [below, above] = [random(), random()].map(|share| share * size * random());
        let whole = round % 2 == 0;
        let texts = level_with_interval(value, [value - below, value + above], "", whole)
            .map(|text| plain(&text).replace(' ', ""));
        let (low, high) = texts[1].split_once("to").expect("two bounds");
        let parsed = [low, &texts[0], high].map(|text| text.parse::<f64>().expect("a number"));
        assert!(
            parsed.is_sorted(),
            "{value} {below} {above} {whole}: {texts:?}"
        );
        assert!(!texts.iter().any(|text| text == "-0"), "{texts:?}");
        assert!(low != high || whole, "{value} {below} {above}: {texts:?}");
    }
}

#[test]
fn claims_do_not_exceed_their_intervals() {
    let mut random = numbers();
    for round in 0..60_000 {
        let size = 10f64.powf(random() * 12.0 - 8.0);
        let value = (random() - 0.5) * size;
        let spread = [random(), random()].map(|share| share * size * random());
        let interval = [value - spread[0], value + spread[1]];
        let proven = random() < 0.5;
        let estimate = match round % 5 {
            0 => Estimate::relative(value, Some(interval), proven),
            1 => Estimate::relative(value, Some(interval), proven).of_counts(),
            2 => Estimate::relative(value, Some(interval), proven).of_shares(),
            3 => Estimate::points(value, Some(interval), proven),
            _ => Estimate::amount(value, Some(interval), "failures per day", proven),
        };
        let includes_none = interval[0] <= 0.0 && interval[1] >= 0.0;
        let all = [
            estimate.claim("than before"),
            estimate.heading(),
            format!("{} {}", estimate.signed(), estimate.signed_range()),
        ];
        for text in &all {
            let text = plain(text);
            let context = || format!("{value} {interval:?} {proven}: {text:?}");
            for bad in [
                "n/a", "NaN", "inf", "e-", "10⁻", " × ", "+0 to +0", " ()", "  ",
            ] {
                assert!(!text.contains(bad), "{bad:?} in {}", context());
            }
            let zero_signed = text.split([' ', '(']).any(|word| {
                let number = word.trim_end_matches([')', ';', ',']);
                number.starts_with(['-', '+']) && only_zeros(&number[1..]) && number.len() > 1
            });
            assert!(!zero_signed, "signed zero in {}", context());
        }
        let claim = &all[0];
        if includes_none || !proven {
            assert!(claim.contains("proven"), "{claim:?}");
        } else {
            assert!(!claim.contains("proven"), "{claim:?}");
        }
    }
}
