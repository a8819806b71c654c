//! Real incidents of a hosting service: `findings.json` contains the published figures, which were
//! computed independently of this project.

use super::support::*;
use serde_json::Value;

/// The numbers of the first finding that matches.
fn numbers<'a>(findings: &'a [Value], topic: &str, matches: impl Fn(&Value) -> bool) -> &'a Value {
    let matching: Vec<&Value> = findings.iter().filter(|finding| matches(finding)).collect();
    let kinds: Vec<_> = findings
        .iter()
        .map(|finding| {
            format!(
                "{} | {} | {}",
                finding["kind"], finding["subject"], finding["what"]
            )
        })
        .collect();
    assert!(
        !matching.is_empty(),
        "no finding on {topic} among\n{}",
        kinds.join("\n")
    );
    &matching[0]["numbers"]
}

fn assert_near(value: &Value, expected: f64, tolerance: f64) {
    let number = value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is not a number"));
    assert!(
        (number - expected).abs() <= tolerance,
        "{number}, not {expected}"
    );
}

#[test]
fn findings_contain_the_published_figures() {
    let Some(data) = real_data("findings_contain_the_published_figures") else {
        return;
    };
    let scratch = Scratch::new();
    let records = data.join("github-incidents");
    run_job(
        &scratch,
        "github-incidents",
        &records,
        &["--date", "2026-09-01"],
    )
    .expect(0);
    let run = runs(&scratch.join("reports"), "github-incidents").remove(0);
    let report = json(&run.join("report.json"));
    assert_eq!(report["sources"][0]["accepted"], 819);
    let findings = findings(&run);

    let tuesday = numbers(&findings, "Tuesday", |finding| {
        finding["kind"] == "weekday_effect" && finding["what"].to_string().contains("Tuesday")
    });
    assert_eq!(
        tuesday["counts"],
        serde_json::json!([150.0, 181.0, 174.0, 151.0, 96.0, 28.0, 21.0])
    );
    assert_near(&tuesday["chi_square"], 237.02, 0.005);
    assert_near(&tuesday["df"], 6.0, 0.0);
    assert_near(&tuesday["chi_square_working"], 29.61, 0.005);
    assert_near(&tuesday["df_working"], 4.0, 0.0);
    assert_near(&tuesday["ratio_all"][0], 1.58, 0.01);
    assert_near(&tuesday["ratio_working"][0], 1.20, 0.01);

    let years = numbers(&findings, "2025", |finding| {
        finding["kind"] == "year_rate" && finding["numbers"]["year"] == 2025
    });
    assert_eq!(
        years["counts"],
        serde_json::json!([101.0, 164.0, 124.0, 200.0, 212.0])
    );
    assert_near(&years["count"], 200.0, 0.0);
    assert_near(&years["count_before"], 124.0, 0.0);
    // The published interval assumes independent incidents; that of the report is wider, because
    // it allows for clustering.
    assert_near(&years["ratio_poisson"][0], 1.61, 0.01);
    assert_near(&years["ratio_poisson"][1], 1.29, 0.01);
    assert_near(&years["ratio_poisson"][2], 2.02, 0.01);
    assert_near(&years["ratio"][0], 1.61, 0.01);
    let interval = [1, 2].map(|bound| years["ratio"][bound].as_f64().expect("a number"));
    assert!(
        1.0 < interval[0] && interval[0] <= 1.29 && interval[1] >= 2.02,
        "{interval:?}"
    );

    let shift = numbers(&findings, "the shift", |finding| {
        finding["kind"] == "change_point"
    });
    assert_eq!(shift["date"], "2026-01-01");
    assert_near(&shift["mean_before"], 12.8, 0.05);
    assert_near(&shift["mean_after"], 26.5, 0.05);
    let shifts = findings
        .iter()
        .filter(|finding| finding["kind"] == "change_point")
        .count();
    assert_eq!(shifts, 1, "one shift only");

    let durations = numbers(&findings, "durations", |finding| {
        finding["numbers"]["median_before"].is_array()
    });
    assert_near(&durations["median_before"][0], 59.0, 0.0);
    assert_near(&durations["median_after"][0], 84.0, 0.0);

    for (component, incidents) in [("Actions", 226), ("Copilot", 134), ("Pull Requests", 130)] {
        let row = numbers(&findings, component, |finding| {
            finding["stage"] == "component_counts" && finding["numbers"]["component"] == component
        });
        assert_eq!(row["incidents"], incidents, "{component}");
    }
}
