//! Real incidents of a hosting service: `findings.json` holds figures that were computed
//! independently of this project.

use super::support::*;
use serde_json::Value;

/// The numbers of the only finding for which `is` holds.
fn numbers<'a>(findings: &'a [Value], what: &str, is: impl Fn(&Value) -> bool) -> &'a Value {
    let found: Vec<&Value> = findings.iter().filter(|finding| is(finding)).collect();
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
        !found.is_empty(),
        "no finding on {what} among\n{}",
        kinds.join("\n")
    );
    &found[0]["numbers"]
}

fn near(value: &Value, expected: f64, tolerance: f64) {
    let got = value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is not a number"));
    assert!(
        (got - expected).abs() <= tolerance,
        "{got} instead of {expected}"
    );
}

#[test]
fn published_figures_stand_in_the_findings() {
    let Some(data) = real_data("published_figures_stand_in_the_findings") else {
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
    near(&tuesday["chi_square"], 237.02, 0.005);
    near(&tuesday["df"], 6.0, 0.0);
    near(&tuesday["chi_square_working"], 29.61, 0.005);
    near(&tuesday["df_working"], 4.0, 0.0);
    near(&tuesday["ratio_all"][0], 1.58, 0.01);
    near(&tuesday["ratio_working"][0], 1.20, 0.01);

    let years = numbers(&findings, "2025", |finding| {
        finding["kind"] == "year_rate" && finding["numbers"]["year"] == 2025
    });
    assert_eq!(
        years["counts"],
        serde_json::json!([101.0, 164.0, 124.0, 200.0, 212.0])
    );
    near(&years["count"], 200.0, 0.0);
    near(&years["count_before"], 124.0, 0.0);
    // The published interval takes incidents as independent; the report's allows for clustering.
    near(&years["ratio_poisson"][0], 1.61, 0.01);
    near(&years["ratio_poisson"][1], 1.29, 0.01);
    near(&years["ratio_poisson"][2], 2.02, 0.01);
    near(&years["ratio"][0], 1.61, 0.01);
    let honest = [1, 2].map(|at| years["ratio"][at].as_f64().expect("a number"));
    assert!(
        1.0 < honest[0] && honest[0] <= 1.29 && honest[1] >= 2.02,
        "{honest:?}"
    );

    let level = numbers(&findings, "the level", |finding| {
        finding["kind"] == "change_point"
    });
    assert_eq!(level["date"], "2026-01-01");
    near(&level["mean_before"], 12.8, 0.05);
    near(&level["mean_after"], 26.5, 0.05);
    let shifts = findings
        .iter()
        .filter(|finding| finding["kind"] == "change_point")
        .count();
    assert_eq!(shifts, 1, "one shift only");

    let durations = numbers(&findings, "durations", |finding| {
        finding["numbers"]["median_before"].is_array()
    });
    near(&durations["median_before"][0], 59.0, 0.0);
    near(&durations["median_after"][0], 84.0, 0.0);

    for (component, incidents) in [("Actions", 226), ("Copilot", 134), ("Pull Requests", 130)] {
        let row = numbers(&findings, component, |finding| {
            finding["stage"] == "component_counts" && finding["numbers"]["component"] == component
        });
        assert_eq!(row["incidents"], incidents, "{component}");
    }
}
