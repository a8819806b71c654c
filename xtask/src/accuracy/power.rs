//! Measures the power of the program: the share of planted events that a job finds and dates,
//! beside other methods with the same share of false alarms on the same series.

mod cases;
mod claims;
mod job;
mod json;
mod oracle;
mod peers;
mod row;
mod series;

use crate::options::{Options, in_folder};
use cases::Case;
use peers::{PeerRates, Peers, Rates};
use row::Row;
use series::Plant;
use std::{env, path::Path};

const USAGE: &str = "usage: cargo xtask accuracy power [--series N] [--only WORD] [--program FILE] \
    [--no-peers]";

const NOTES: &str = "\
Each series is a dataset of its own with its own trend, change_point, anomaly and forecast stages, many of them
in one job. Each stage has alpha 0.016, its share of a budget of 5 % in a job with one such series. All other
methods are calibrated on other series without an event, so that 1.6 % of weeks (daily series: of the last eight
weeks) have an alarm. Daily series: 364 days, level 47, standard deviation 1.5, a weekly season; a step is planted
56 days before the end, a ramp rises by 10 % of the level over its weeks. Hourly series: 20 weeks, seasons of the
day and the week; an outage is in one day of the last week, at any hour. A row without an event has three times as
many series.

found    percentage of series with the right claim: an event within an hour of the outage (and in the group with
         it), a step within 7 days, a bend within 14 days
day      the same, if the job runs at the end of the day of the outage, on that day alone
delay    median from the start of the event to the run that found it, in hours (run each day, then at the end of
         the week) or days (run 2, 3, 4, 6 and 8 weeks after)
false    claims that no event explains, in ten weeks of reports
threshold, pyod, ruptures, oracle   percentage of series with the right alarm; without an event, alarms in ten weeks.
         threshold: residuals from medians of the season, in robust standard deviations (nominal limit: 3.5);
         pyod: nearest neighbours of windows of these residuals; ruptures: least squares with a penalty (PELT, l2);
         oracle: likelihood ratio with known season, noise and shape. Alarms of the first two count as right at any
         time of the event, those of ruptures near its ends.
bend, line, step, open, event       percentage of series with such a claim; open: a step, or a gradual change about
         as well; step: without this reservation
follows  percentage of forecasts nearer to the new level than to the old one; without a lasting change, with the
         usual level in the 95 % interval
story    percentage of series in which the stages do not contradict each other
";

/// Runs `cargo xtask accuracy power`.
pub fn power(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments, ("--series", 20), USAGE)?;
    let program = options.program()?;
    in_folder(&env::temp_dir(), |folder| {
        print_table(&options, &program, folder)
    })
}

fn print_table(options: &Options, program: &Path, folder: &Path) -> Result<(), String> {
    let all = cases::all();
    let wanted: Vec<&Case> = all
        .iter()
        .filter(|case| case.title.contains(&options.only))
        .collect();
    if wanted.is_empty() {
        return Err(format!("no row contains {:?}", options.only));
    }
    let peers = options.with_peers.then(|| Peers::install(folder));
    println!(
        "{NOTES}\n{} series of each row\n\n{}",
        options.count,
        header()
    );
    let mut short = Vec::new();
    for cases in wanted.chunk_by(|a, b| a.kind == b.kind) {
        let rates = match &peers {
            Some(peers) => peers.rates(cases[0].kind, cases, options.count)?,
            None => vec![PeerRates::default(); cases.len()],
        };
        for (case, rates) in cases.iter().zip(rates) {
            let row = Row::measure(case, options.count, program, &folder.join("row"))?;
            println!("{:<40} {}{}", case.title, row, peer_columns(case, &rates));
            short.extend(row.shortfalls(case));
        }
    }
    if !short.is_empty() {
        println!("\nbelow the goals:\n  {}", short.join("\n  "));
    }
    Ok(())
}

fn header() -> String {
    format!(
        "{:<40} {:>5} {:>4} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>7} {:>5} {:>10} {:>6} {:>8} {:>6}",
        "",
        "found",
        "day",
        "delay",
        "false",
        "bend",
        "line",
        "step",
        "open",
        "event",
        "follows",
        "story",
        "threshold",
        "pyod",
        "ruptures",
        "oracle"
    )
}

/// The columns of the other methods.
fn peer_columns(case: &Case, rates: &PeerRates) -> String {
    let is_null = case.plant == Plant::Nothing;
    let text = |rates: &Option<Rates>| match rates {
        Some(rates) if is_null => format!("{:.1}", rates.alarms * 10.0),
        Some(rates) => format!("{:.0}", rates.found * 100.0),
        None => "-".to_string(),
    };
    let [pyod, ruptures] = &rates.packages;
    let nominal = if is_null && rates.threshold.is_some() {
        format!("   (threshold at 3.5: {:.1})", rates.nominal * 10.0)
    } else {
        String::new()
    };
    format!(
        " {:>10} {:>6} {:>8} {:>6}{nominal}",
        text(&rates.threshold),
        text(pyod),
        text(ruptures),
        text(&rates.oracle)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_row_without_an_event_are_alarms() {
        let cases = cases::all();
        let rates = PeerRates {
            threshold: Some(Rates {
                found: 0.0,
                alarms: 0.05,
            }),
            nominal: 1.0,
            ..PeerRates::default()
        };
        let text = peer_columns(&cases[0], &rates);
        assert!(
            text.contains(" 0.5 ") && text.ends_with("(threshold at 3.5: 10.0)"),
            "{text}"
        );
        let text = peer_columns(&cases[1], &rates);
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>(),
            ["0", "-", "-", "-"]
        );
    }
}
