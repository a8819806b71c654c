//! Measures the methods on public data with published results, and prints both side by side.

mod power;

use crate::{build, options::in_folder, program};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const USAGE: &str = "\
usage: cargo xtask accuracy [power]

RETROCAST_REAL_DATA names the folder of public data; data/README.md says where each file comes from.";

/// Series of the Numenta benchmark that TSB-AD also has, without their first row.
const SHARED_SERIES: [&str; 14] = [
    "realKnownCause/ec2_request_latency_system_failure",
    "realTraffic/occupancy_6005",
    "realKnownCause/nyc_taxi",
    "artificialWithAnomaly/art_load_balancer_spikes",
    "realTraffic/TravelTime_451",
    "realTraffic/speed_t4013",
    "realAdExchange/exchange-3_cpm_results",
    "realKnownCause/ambient_temperature_system_failure",
    "artificialWithAnomaly/art_increase_spike_density",
    "realKnownCause/rogue_agent_key_hold",
    "realAWSCloudwatch/ec2_cpu_utilization_5f5533",
    "realKnownCause/cpu_utilization_asg_misconfiguration",
    "realTweets/Twitter_volume_FB",
    "realTraffic/speed_6005",
];

/// Runs `cargo xtask accuracy`.
pub fn accuracy(arguments: &[String]) -> Result<(), String> {
    if arguments.first().is_some_and(|name| name == "power") {
        return power::power(&arguments[1..]);
    }
    if !arguments.is_empty() {
        return Err(USAGE.to_string());
    }
    let data = env::var_os("RETROCAST_REAL_DATA").ok_or(USAGE)?;
    let data = PathBuf::from(data);
    build()?;
    print_row("measure", "published", "measured");
    in_folder(&env::temp_dir(), |folder| {
        compare_effects(&data, folder)?;
        compare_drift(&data, folder)?;
        compare_anomalies(&data, folder)
    })
}

fn print_row(name: &str, published: &str, measured: &str) {
    println!("{name:<46} {published:>26} {measured:>26}");
}

/// Proposition 99 by four methods, and the three series with controls of Google's package.
fn compare_effects(data: &Path, folder: &Path) -> Result<(), String> {
    let causal = data.join("causal");
    for (method, published) in [
        ("did", "-27.349"),
        ("synthetic_control", "-19.4 to -19.7"),
        ("sdid", "-15.605"),
        ("difp", "-11.109"),
    ] {
        let json = evaluate(&[
            "effect",
            "--csv",
            &text(&causal.join("california_prop99.csv")),
            "--time",
            "Year",
            "--value",
            "PacksPerCapita",
            "--unit",
            "State",
            "--treated",
            "California",
            "--start",
            "1989",
            "--method",
            method,
        ])?;
        let measured = format!("{:.3}", number_after(&json, &["estimate"])?);
        print_row(&format!("Proposition 99, {method}"), published, &measured);
    }
    for (file, value, controls, rows_before, published) in [
        ("arma_data", "y", "X", 70, "0.89 [0.27, 1.5]"),
        (
            "comparison_data",
            "CHANGED",
            "NOT_CHANGED_1,NOT_CHANGED_2,NOT_CHANGED_3",
            90,
            "-657 [-2076, 832]",
        ),
        ("google_data", "y", "x1,x2", 61, "27 [18, 36]"),
    ] {
        // Numbered rows serve as times: one of the files has none.
        let csv = read(&causal.join(format!("{file}.csv")))?;
        let numbered = csv.lines().enumerate().map(|(row, line)| match row {
            0 => format!("row,{line}\n"),
            row => format!("{row},{line}\n"),
        });
        let path = folder.join(format!("{file}.csv"));
        write(&path, &numbered.collect::<String>())?;
        let json = evaluate(&[
            "effect",
            "--csv",
            &text(&path),
            "--time",
            "row",
            "--value",
            value,
            "--controls",
            controls,
            "--start",
            &(rows_before + 1).to_string(),
        ])?;
        let [estimate, low, high] = [
            number_after(&json, &["estimate"])?,
            number_after(&json, &["interval", "["])?,
            number_after(&json, &["interval", "[", ","])?,
        ];
        let measured = format!("{estimate:.2} [{low:.2}, {high:.2}]");
        print_row(&format!("{file}, average effect"), published, &measured);
    }
    Ok(())
}

/// The first against the second half of a series.
fn compare_drift(data: &Path, folder: &Path) -> Result<(), String> {
    let csv = read(&data.join("nab/data/realKnownCause/nyc_taxi.csv"))?;
    let values: Vec<&str> = csv
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(1))
        .collect();
    let (first, second) = values.split_at(values.len() / 2);
    let mut paths = Vec::new();
    for (name, half) in [("first.csv", first), ("second.csv", second)] {
        let path = folder.join(name);
        write(&path, &format!("value\n{}\n", half.join("\n")))?;
        paths.push(text(&path));
    }
    let json = evaluate(&["drift", &paths[0], &paths[1]])?;
    for (key, name, published) in [
        ("psi", "PSI", 0.0347),
        ("kl", "Kullback-Leibler", 0.0170),
        ("jensen_shannon", "Jensen-Shannon", 0.0665),
        ("wasserstein", "Wasserstein / sd", 0.0701),
        ("ks", "Kolmogorov-Smirnov D", 0.0434),
    ] {
        let measured =
            number_after(&json, &[key]).map_or_else(|_| "–".to_string(), |v| format!("{v:.4}"));
        print_row(
            &format!("Halves of nyc_taxi, {name}"),
            &format!("{published:.4}"),
            &measured,
        );
    }
    Ok(())
}

/// The score of the Numenta benchmark, and the accuracy of detectors on the series of TSB-AD.
fn compare_anomalies(data: &Path, folder: &Path) -> Result<(), String> {
    let nab = data.join("nab");
    let labels = nab.join("labels/combined_windows.json");
    let json = evaluate(&[
        "anomaly",
        "--data",
        &text(&nab.join("data")),
        "--labels",
        &text(&labels),
    ])?;
    let measured = format!("{:.1}", number_after(&json, &["nab", "standard"])?);
    print_row(
        "NAB, standard profile, default detector",
        "51.7 forest, 70.1 HTM",
        &measured,
    );
    let series = folder.join("series");
    for name in SHARED_SERIES {
        let csv = read(&nab.join("data").join(format!("{name}.csv")))?;
        let path = series.join(format!("{name}.csv"));
        let parent = path.parent().unwrap_or(&series);
        fs::create_dir_all(parent).map_err(|error| error.to_string())?;
        let rows = csv.lines().enumerate().filter(|(row, _)| *row != 1);
        write(
            &path,
            &rows
                .map(|(_, line)| format!("{line}\n"))
                .collect::<String>(),
        )?;
    }
    for (method, published) in [
        ("sub-pca", "0.331"),
        ("poly", "0.376"),
        ("isolation-forest", "0.330"),
        ("router", "–"),
    ] {
        let json = evaluate(&[
            "anomaly",
            "--data",
            &text(&series),
            "--labels",
            &text(&labels),
            "--method",
            method,
        ])?;
        let measured = format!("{:.3}", number_after(&json, &["vus_pr", "mean"])?);
        print_row(
            &format!("Mean VUS-PR of 14 series, {method}"),
            published,
            &measured,
        );
    }
    Ok(())
}

/// Runs `retrocast evaluate ... --json`, and returns what it prints.
fn evaluate(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program())
        .arg("evaluate")
        .args(arguments)
        .arg("--json")
        .output()
        .map_err(|error| error.to_string())?;
    let stdout = String::from_utf8_lossy(&output.stdout).to_string();
    if output.status.success() {
        Ok(stdout)
    } else {
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!("evaluate {}: {stderr}", arguments.join(" ")))
    }
}

/// The first number after the `needles`, each of which is searched for after the previous needle; a
/// word is a key.
fn number_after(json: &str, needles: &[&str]) -> Result<f64, String> {
    let mut remaining = json;
    for needle in needles {
        let is_key = needle.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let needle = if is_key {
            format!("\"{needle}\":")
        } else {
            (*needle).to_string()
        };
        let (_, after) = remaining
            .split_once(&needle)
            .ok_or_else(|| format!("no {needle} in the JSON of evaluate"))?;
        remaining = after;
    }
    let digits: String = remaining
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_digit() || "+-.eE".contains(*c))
        .collect();
    digits.parse().map_err(|_| {
        format!(
            "no number after {} in the JSON of evaluate",
            needles.join(" ")
        )
    })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
