//! Claims about rhythms: which category stands out, in words and numbers.

use super::{
    super::{Candidate, Data, EffectName, Group, severity, words},
    Fitted, Rhythm, WEEKEND, WORKING,
};
use crate::series::words::capitalised;
use retrocast_domain::{Direction, Finding, Magnitude, number, sentence::fill};
use retrocast_stats::test::{Comparison, chi_square_fit, holm};
use serde_json::json;

/// The claim about the category that stands out most.
pub(super) fn best_candidate(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &Fitted,
    chart: Option<usize>,
) -> Candidate {
    let p: Vec<f64> = fitted
        .against_all
        .iter()
        .map(|c| c.map_or(1.0, |c| c.p))
        .collect();
    let adjusted = holm(&p);
    let large = |c: &Comparison| (c.estimate.ln()).abs() >= (1.0 + data.params.change_min).ln();
    // Of all that stand out, the highest is told; the lowest only where none is high.
    let rank = |category: &usize| {
        let comparison = fitted.against_all[*category];
        let estimate = comparison.map_or(1.0, |c| c.estimate);
        let holds =
            adjusted[*category] < data.params.alpha && comparison.is_some_and(|c| large(&c));
        (
            holds && estimate > 1.0,
            holds,
            if holds {
                (estimate.ln()).abs()
            } else {
                -p[*category]
            },
        )
    };
    let best = (0..p.len())
        .max_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2))
        })
        .unwrap_or(0);
    let comparison = fitted.against_all[best].unwrap_or(NO_DIFFERENCE);
    let sentence = fill(
        "{Measure}{of} {are} {than} {when} {joint} {baseline} ({bounds}, n = {n}).",
        &places(data, rhythm, group, fitted, &comparison, &rhythm.when(best)).borrowed(),
    );
    let what = format!("{} {}", data.measure, rhythm.when(best));
    let mut finding = finding(data, rhythm, group, fitted, &comparison, &what);
    finding.sentence = sentence;
    finding.p = Some(p[best]);
    let others: Vec<usize> = (0..p.len()).filter(|category| *category != best).collect();
    finding = with_ratio(
        finding,
        "ratio_others",
        fitted.rates.contrast(&[best], &others, 0.95),
    )
    .number(rhythm.key, rhythm.labels[best].clone())
    .number("bars", json!([rhythm.labels[best]]));
    let extreme = if comparison.estimate > 1.0 {
        "highest"
    } else {
        "lowest"
    };
    Candidate {
        title: format!(
            "{}{} {} {extreme} {}",
            capitalised(&data.measure),
            data.of(group),
            words::verb(&data.measure),
            rhythm.when(best)
        ),
        p: adjusted[best],
        large: large(&comparison),
        finding,
        chart,
    }
}

const NO_DIFFERENCE: Comparison = Comparison {
    estimate: 1.0,
    lower: 0.0,
    upper: f64::MAX,
    p: 1.0,
};

/// Up to two claims: a day that stands out, and the weekend as a whole.
pub(super) fn weekday_candidates(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &Fitted,
    chart: Option<usize>,
) -> Vec<Candidate> {
    let log = |c: Option<Comparison>| c.map_or(0.0, |c| c.estimate.max(1e-9).ln());
    let p_of = |c: Option<Comparison>| c.map_or(1.0, |c| c.p);
    let (all, working) = (&fitted.against_all, &fitted.against_working);
    let least = log_threshold(data);
    // Whether the working days differ among themselves decides; a quiet weekend does not.
    let p: Vec<f64> = WORKING.iter().map(|&day| p_of(working[day])).collect();
    let adjusted = holm(&p);
    let stands_out =
        |day: usize| adjusted[day] < data.params.alpha && log(working[day]).abs() >= least;
    let strongest = |days: &[usize]| {
        days.iter()
            .copied()
            .max_by(|a, b| log(working[*a]).abs().total_cmp(&log(working[*b]).abs()))
    };
    // The highest day is told when it is above both means; else the day that stands out most.
    let p_all = holm(&WORKING.map(|day| p_of(all[day])));
    let is_peak = |day: usize| {
        log(all[day]) > 0.0 && log(working[day]) >= least && p_all[day] < 0.05 && p[day] < 0.05
    };
    let standing: Vec<usize> = WORKING.into_iter().filter(|day| stands_out(*day)).collect();
    let peaks: Vec<usize> = WORKING.into_iter().filter(|day| is_peak(*day)).collect();
    let surest = WORKING
        .into_iter()
        .min_by(|a, b| p[*a].total_cmp(&p[*b]))
        .unwrap_or(0);
    let day = match (standing.is_empty(), strongest(&peaks)) {
        (false, Some(peak)) => peak,
        (false, None) => strongest(&standing).unwrap_or(surest),
        (true, _) => surest,
    };
    let holds = !standing.is_empty();
    let lowest = WORKING
        .into_iter()
        .filter(|low| holds && *low != day && log(working[day]) > 0.0)
        .filter_map(|low| {
            let others: Vec<usize> = WORKING
                .into_iter()
                .filter(|d| *d != low && *d != day)
                .collect();
            Some((low, fitted.rates.contrast(&[low], &others, 0.95)?))
        })
        .filter(|(_, c)| c.p * 4.0 < data.params.alpha && c.estimate.max(1e-9).ln() <= -least)
        .min_by(|a, b| a.1.estimate.total_cmp(&b.1.estimate));
    let sure = (p[surest], adjusted[surest]);
    let mut candidates = vec![day_candidate(
        data, rhythm, group, fitted, chart, day, lowest, sure,
    )];
    candidates[0].large &= holds;
    // The weekend is held against the working days that do not stand out themselves.
    let rest: Vec<usize> = WORKING
        .into_iter()
        .filter(|d| !(holds && *d == day))
        .collect();
    let sides = WEEKEND.map(|d| fitted.rates.contrast(&[d], &rest, 0.95));
    let same_side = log(sides[0]) * log(sides[1]) > 0.0;
    if let (true, Some(judged), Some(shown)) = (
        same_side,
        fitted.rates.contrast(&WEEKEND, &rest, 0.95),
        fitted.rates.contrast(&WEEKEND, &WORKING, 0.95),
    ) {
        candidates.push(weekend_candidate(
            data, rhythm, group, fitted, &shown, &judged,
        ));
        return candidates;
    }
    // Saturday and Sunday go different ways: the one that stands out most speaks for itself.
    let p_single: Vec<f64> = WEEKEND
        .iter()
        .zip(sides)
        .map(|(&day, side)| {
            let same = log(side) * log(all[day]) > 0.0 && log(side).abs() >= least;
            if same {
                p_of(side).max(p_of(all[day]))
            } else {
                1.0
            }
        })
        .collect();
    let at = usize::from(p_single[1] < p_single[0]);
    let sure = (p_single[at], (2.0 * p_single[at]).min(1.0));
    candidates.push(day_candidate(
        data,
        rhythm,
        group,
        fitted,
        chart,
        WEEKEND[at],
        None,
        sure,
    ));
    candidates
}

fn log_threshold(data: &Data<'_>) -> f64 {
    (1.0 + data.params.change_min).ln()
}

fn day_candidate(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &Fitted,
    chart: Option<usize>,
    day: usize,
    lowest: Option<(usize, Comparison)>,
    (p, adjusted): (f64, f64),
) -> Candidate {
    let all = fitted.against_all[day].unwrap_or(NO_DIFFERENCE);
    let working = fitted.against_working[day].unwrap_or(NO_DIFFERENCE);
    let when = rhythm.when(day);
    let mut places = places(data, rhythm, group, fitted, &all, &when);
    places.add("than_working", words::than(working.estimate));
    places.add("joint_working", words::joint(working.estimate).to_string());
    places.add(
        "bounds_working",
        words::bounds(working.estimate, working.lower, working.upper),
    );
    let lowest = lowest.map_or_else(String::new, |(low, c)| {
        let label = &rhythm.labels[low];
        format!(
            "; {label} is the lowest working day, {} than the others",
            words::than(c.estimate)
        )
    });
    places.add("lowest", lowest);
    let sentence = fill(
        "{Measure}{of} {are} {than} {when} {joint} {baseline} ({bounds}, n = {n}), and \
         {than_working} {joint_working} the mean of working days, Monday to Friday \
         ({bounds_working}){lowest}.",
        &places.borrowed(),
    );
    let what = format!("{} {when}", data.measure);
    let mut finding = finding(data, rhythm, group, fitted, &all, &what);
    finding.sentence = sentence;
    finding.p = Some(p);
    let others: Vec<usize> = (0..7).filter(|other| *other != day).collect();
    finding = with_ratio(
        finding,
        "ratio_others",
        fitted.rates.contrast(&[day], &others, 0.95),
    );
    finding = with_ratio(finding, "ratio_working", fitted.against_working[day])
        .number("weekday", rhythm.labels[day].clone())
        .number("bars", json!([rhythm.labels[day]]));
    let extreme = if all.estimate > 1.0 {
        "highest"
    } else {
        "lowest"
    };
    Candidate {
        title: format!(
            "{}{} {} {extreme} {when}",
            capitalised(&data.measure),
            data.of(group),
            words::verb(&data.measure)
        ),
        p: adjusted,
        large: working.estimate.max(1e-9).ln().abs() >= log_threshold(data),
        finding,
        chart,
    }
}

/// `judged` leaves out a working day that stands out itself; `weekend` is what the reader is told.
fn weekend_candidate(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &Fitted,
    weekend: &Comparison,
    judged: &Comparison,
) -> Candidate {
    let sentence = fill(
        "{Measure}{of} {are} {than} at weekends {joint} on working days ({bounds}, n = {n}).",
        &places(data, rhythm, group, fitted, weekend, "at weekends").borrowed(),
    );
    let what = format!("{} at weekends", data.measure);
    let mut finding = finding(data, rhythm, group, fitted, weekend, &what);
    finding.baseline = Some("working days, Monday to Friday".to_string());
    finding.sentence = sentence;
    finding.p = Some(judged.p);
    finding = with_ratio(finding, "ratio_weekend", Some(*weekend));
    Candidate {
        large: judged.estimate.max(1e-9).ln().abs() >= log_threshold(data),
        p: judged.p,
        finding,
        chart: None,
        title: String::new(),
    }
}

/// Values for the places of a sentence.
struct Places(Vec<(&'static str, String)>);

impl Places {
    fn add(&mut self, name: &'static str, value: String) {
        self.0.push((name, value));
    }

    fn borrowed(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }
}

fn places(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &Fitted,
    comparison: &Comparison,
    when: &str,
) -> Places {
    let ratio = comparison.estimate;
    Places(vec![
        ("Measure", capitalised(&data.measure)),
        ("of", data.of(group)),
        ("are", words::verb(&data.measure).to_string()),
        ("than", words::than(ratio)),
        ("when", when.to_string()),
        ("joint", words::joint(ratio).to_string()),
        ("baseline", rhythm.baseline.to_string()),
        (
            "bounds",
            words::bounds(ratio, comparison.lower, comparison.upper),
        ),
        ("n", number::count(records(group, fitted))),
    ])
}

fn records(group: &Group, fitted: &Fitted) -> u64 {
    let events = fitted.rates.events.iter().sum::<f64>();
    if events.fract() == 0.0 && events <= group.rows.len() as f64 {
        events as u64
    } else {
        group.rows.len() as u64
    }
}

/// The finding with the numbers that all rhythms share.
fn finding(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &Fitted,
    comparison: &Comparison,
    what: &str,
) -> Finding {
    let kind = format!("{}_effect", rhythm.key);
    let mut finding = data.finding(&kind, group, what);
    let ratio = comparison.estimate;
    finding.direction = if ratio >= 1.0 {
        Direction::Up
    } else {
        Direction::Down
    };
    finding.severity = severity(data.params, ratio, finding.direction);
    finding.magnitude = Some(Magnitude::interval95(
        ratio,
        comparison.lower,
        comparison.upper,
        "ratio",
    ));
    finding.n = records(group, fitted);
    finding.baseline = Some(rhythm.baseline.to_string());
    if fitted.rates.dispersion > 1.5 && !data.amounts {
        finding.caveats.push(format!(
            "Records cluster: their variance is {} times that of independent ones; the intervals \
             allow for it.",
            number::sensible(fitted.rates.dispersion)
        ));
    }
    let plain = fitted.overall.plain;
    let triple = |c: &Option<Comparison>| c.map(|c| [c.estimate, c.lower, c.upper]);
    finding = finding
        .number("categories", json!(rhythm.labels))
        .number("counts", json!(fitted.rates.events))
        .number("exposure", json!(fitted.rates.exposure))
        .number("dispersion", fitted.rates.dispersion)
        .number("overall_f", fitted.overall.f)
        .number("overall_df", json!(fitted.overall.df))
        .number("overall_p", fitted.overall.p)
        .number(
            "each_against_all",
            json!(fitted.against_all.iter().map(triple).collect::<Vec<_>>()),
        );
    if !data.per_record && !data.amounts {
        finding = finding
            .number("chi_square", plain.statistic)
            .number("df", plain.df)
            .number("chi_square_p", plain.p);
    }
    if rhythm.name == EffectName::Weekday {
        let working = chi_square_fit(&fitted.counts.events()[..5], &[1.0; 5]);
        finding = finding.number(
            "each_against_working",
            json!(
                fitted
                    .against_working
                    .iter()
                    .map(triple)
                    .collect::<Vec<_>>()
            ),
        );
        if !data.per_record && !data.amounts {
            finding = finding
                .number("chi_square_working", working.statistic)
                .number("df_working", working.df)
                .number("chi_square_working_p", working.p);
        }
    }
    with_ratio(finding, "ratio_all", Some(*comparison))
}

/// The estimate with its bounds under one name.
fn with_ratio(finding: Finding, name: &str, comparison: Option<Comparison>) -> Finding {
    match comparison {
        Some(c) => finding.number(name, json!([c.estimate, c.lower, c.upper])),
        None => finding,
    }
}
