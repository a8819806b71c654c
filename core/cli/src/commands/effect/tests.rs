use super::{
    evaluation::{Evaluation, Verdict},
    measure::evaluate_table,
    present,
    table::Table,
};
use crate::arguments::{EffectArguments, MethodArgument};
use std::{fmt::Write as _, path::Path};

fn arguments() -> EffectArguments {
    EffectArguments {
        csv: "data.csv".into(),
        time: "time".into(),
        value: "value".into(),
        unit: None,
        treated: Vec::new(),
        controls: Vec::new(),
        start: String::new(),
        method: MethodArgument::Auto,
        json: false,
    }
}

fn evaluate(arguments: &EffectArguments, text: &str) -> Result<Evaluation, String> {
    let table = Table::parse(Path::new("data.csv"), text.as_bytes());
    let table = table.map_err(|error| error.to_string())?;
    evaluate_table(arguments, table).map_err(|error| error.to_string())
}

/// A deterministic value that varies from row to row.
fn noise(i: u32) -> f64 {
    f64::from(i * 7919 % 101) / 50.0
}

fn weekly(change: u32, effect: f64) -> String {
    let mut text = "time;value;control\n".to_string();
    let first = jiff::civil::date(2025, 1, 6);
    for i in 0..60_u32 {
        let day = first.saturating_add(jiff::Span::new().weeks(i64::from(i)));
        let (noise, common) = (noise(i), noise(3 * i + 1));
        let value = 50.0 + noise + common + if i < change { 0.0 } else { effect };
        let _ = writeln!(
            text,
            "{day};{};{common}",
            value.to_string().replace('.', ",")
        );
    }
    text
}

#[test]
fn weekly_series_have_weekly_periods() {
    let arguments = EffectArguments {
        controls: vec!["control".into()],
        start: "2025-12-01".into(),
        ..arguments()
    };
    // The row of 2025-03-10 is missing.
    let text: String = weekly(47, 5.0)
        .lines()
        .filter(|line| !line.starts_with("2025-03-10"))
        .fold(String::new(), |text, line| text + line + "\n");
    let result = evaluate(&arguments, &text).unwrap();
    assert_eq!((result.periods, result.path.len()), ("weeks", 60));
    assert_eq!((result.periods_before, result.periods_after), (46, 13));
    assert_eq!(
        (result.verdict, result.method),
        (Verdict::Increase, "regression")
    );
    assert!((result.estimate - 5.0).abs() < 1.0, "{}", result.estimate);
    assert_eq!(result.start, "2025-12-01");
    assert!(
        result.caveats[0].contains("1 of 60"),
        "{:?}",
        result.caveats
    );
    assert!(present::text(&result).contains("value was higher from 2025-12-01 on"));
}

fn states() -> String {
    let mut text = "\u{feff}time,unit,value\n".to_string();
    for unit in 0..12_u32 {
        for year in 0..24_u32 {
            let effect = if unit == 4 && year >= 18 { -9.0 } else { 0.0 };
            let value = f64::from(40 + unit) + noise(year) + noise(31 * unit + 17 * year) + effect;
            let _ = writeln!(text, "{},\"state, {unit}\",{value}", 1990 + year);
        }
    }
    text
}

#[test]
fn yearly_panels_are_compared_between_units() {
    let arguments = EffectArguments {
        unit: Some("unit".into()),
        treated: vec!["state, 4".into()],
        start: "2008".into(),
        ..arguments()
    };
    let result = evaluate(&arguments, &states()).unwrap();
    assert_eq!((result.method, result.verdict), ("sdid", Verdict::Decrease));
    assert!((result.estimate + 9.0).abs() < 1.5, "{}", result.estimate);
    assert_eq!((result.periods, result.start.as_str()), ("years", "2008"));
    assert_eq!(
        result.rank.as_ref().map(|rank| (rank.rank, rank.units)),
        Some((1, 12))
    );
    assert!(
        result
            .unit_weights
            .iter()
            .all(|weight| weight.name != "state, 4")
    );
    let json = serde_json::to_value(&result).unwrap();
    assert_eq!(json["verdict"], "decrease");
    for key in [
        "estimate",
        "interval",
        "p_value",
        "unit_weights",
        "time_weights",
        "path",
    ] {
        assert!(!json[key].is_null(), "{key}");
    }
    for method in [MethodArgument::Did, MethodArgument::Structural] {
        let result = evaluate(
            &EffectArguments {
                method,
                ..arguments.clone()
            },
            &states(),
        )
        .unwrap();
        assert!((result.estimate + 9.0).abs() < 2.0, "{}", result.estimate);
    }
}

#[test]
fn errors_name_file_and_line() {
    let check = |arguments: &EffectArguments, text: &str, part: &str| {
        let error = evaluate(arguments, text).unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    let single = EffectArguments {
        start: "2025-12-01".into(),
        ..arguments()
    };
    check(
        &single,
        "time,worth\n2025-01-06,1\n",
        "data.csv has no column \"value\"",
    );
    check(&single, "time,value\n", "data.csv has no records");
    check(
        &single,
        "time,value\n2025-01-06,1\n2025-01-07,1,2\n",
        "data.csv:3: 3 cells",
    );
    check(
        &single,
        "time,value\n2025-01-06,1\n2025-01-07,many\n",
        "data.csv:3: \"many\"",
    );
    check(
        &single,
        "time,value\n2025-01-06,1\n11/16/2025,2\n",
        "data.csv:3: \"11/16/2025\"",
    );
    check(
        &single,
        "time,value\n2025-01-06,1\n2025-01-06,2\n",
        "data.csv:3: 2025-01-06 occurs",
    );
    check(
        &single,
        &weekly(47, 0.0).replace(";control", ";time"),
        "has column \"time\" twice",
    );
    let method = MethodArgument::Sdid;
    check(
        &EffectArguments {
            method,
            ..single.clone()
        },
        &weekly(47, 0.0),
        "--unit",
    );
    check(
        &EffectArguments {
            start: "soon".into(),
            ..single.clone()
        },
        &weekly(47, 0.0),
        "--start",
    );
    let panel = EffectArguments {
        unit: Some("unit".into()),
        treated: vec!["state, 44".into()],
        start: "2008".into(),
        ..arguments()
    };
    check(&panel, &states(), "has no unit \"state, 44\"; did you mean");
    let panel = EffectArguments {
        treated: vec!["state, 4".into()],
        ..panel
    };
    let text = states().replacen("1993,\"state, 7\"", "1992,\"state, 7\"", 1);
    check(&panel, &text, ": \"state, 7\" has a second row for 1992");
    let gap = states()
        .lines()
        .filter(|line| !line.starts_with("1993,\"state, 7\""))
        .fold(String::new(), |text, line| text + line + "\n");
    check(
        &panel,
        &gap,
        "no value of \"state, 7\" in 1 of 24 periods, first in 1993",
    );
    check(
        &EffectArguments {
            start: "2050".into(),
            ..panel
        },
        &states(),
        "ends with 2013",
    );
}
