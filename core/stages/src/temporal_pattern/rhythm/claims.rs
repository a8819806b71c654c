//! Claims on effects: the category that differs most, in words and numbers.

use super::{
    super::{Candidate, Data, EffectName, Group, severity, words},
    Rhythm, RhythmFit, WEEKEND, WORKING,
    present::{chart_against_all, chart_against_working, than_average_over, than_mean},
};
use crate::series::words::capitalised;
use retrocast_domain::{Direction, Finding, Magnitude, number};
use retrocast_stats::test::{Comparison, chi_square_fit, holm};
use serde_json::json;

/// The claim on the category that differs most, and on all that are not proven to differ less.
pub(super) fn best_candidate(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &RhythmFit,
    chart: Option<usize>,
) -> Candidate {
    let p: Vec<f64> = fitted
        .against_all
        .iter()
        .map(|c| c.map_or(1.0, |c| c.p))
        .collect();
    let adjusted = holm(&p);
    let is_large = |c: &Comparison| (c.estimate.ln()).abs() >= (1.0 + data.params.change_min).ln();
    let is_high = |category: usize| compare_with_all(fitted, category).estimate > 1.0;
    let is_proven = |category: usize| {
        adjusted[category] < data.params.alpha && is_large(&compare_with_all(fitted, category))
    };
    // Of all categories that differ, the highest is reported; the lowest only if none is high.
    let rank = |category: usize| {
        let proven = is_proven(category);
        let log_ratio = compare_with_all(fitted, category).estimate.ln().abs();
        let size = if proven { log_ratio } else { -p[category] };
        (proven && is_high(category), proven, size)
    };
    let best = (0..p.len())
        .max_by(|a, b| {
            let (a, b) = (rank(*a), rank(*b));
            a.0.cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2))
        })
        .unwrap_or(0);
    let peers = (0..p.len()).filter(|c| is_proven(*c) && is_high(*c) == is_high(best));
    let named = with_peers(data, fitted, best, peers);
    let categories: Vec<usize> = (0..p.len()).collect();
    let comparison = compare(fitted, &named, &categories);
    let when = rhythm.name_time(&named);
    let base = than_average_over(&rhythm.add_zone(data, &when), rhythm.all);
    let mut claim = words::estimate(data, &comparison, true).claim(&base);
    claim.push_str(&list_each(data, rhythm, &fitted.against_all, &named));
    let sentence = sentence(data, group, &claim);
    let what = format!("{} {when}", data.measure);
    let mut finding = start_finding(data, rhythm, group, fitted, &comparison, &what);
    finding.sentence = sentence;
    finding.p = Some(p[best]);
    finding = with_others(finding, fitted, &named);
    finding = with_strongest(finding, "ratio_all", fitted.against_all[best], &named)
        .number(rhythm.key, rhythm.labels[best].clone())
        .number("bars", labels(rhythm, &named));
    Candidate {
        title: title(data, group, fitted, &named, &comparison, &than_mean(&when)),
        p: adjusted[best],
        is_large: is_large(&comparison),
        finding,
        chart,
        replacement: None,
    }
}

/// Compares a category with all.
fn compare_with_all(fitted: &RhythmFit, category: usize) -> Comparison {
    fitted.against_all[category].unwrap_or(NO_DIFFERENCE)
}

/// Compares several categories with others, which may include them.
fn compare(fitted: &RhythmFit, categories: &[usize], others: &[usize]) -> Comparison {
    let contrast = fitted.rates.contrast(categories, others, 0.95);
    contrast.unwrap_or(NO_DIFFERENCE)
}

/// Adds the peers of a category that are not proven to differ less, because naming only one would
/// deny the others. The result is in calendar order.
fn with_peers(
    data: &Data<'_>,
    fitted: &RhythmFit,
    best: usize,
    peers: impl Iterator<Item = usize>,
) -> Vec<usize> {
    let is_high = compare_with_all(fitted, best).estimate > 1.0;
    let peers: Vec<usize> = peers.collect();
    // The best was selected among them, so this is a Bonferroni correction.
    let alpha = data.params.alpha / peers.len().saturating_sub(1).max(1) as f64;
    let differs_less = |peer: usize| {
        if is_high {
            is_below(fitted, peer, best, alpha)
        } else {
            is_below(fitted, best, peer, alpha)
        }
    };
    let mut named: Vec<usize> = peers
        .into_iter()
        .filter(|peer| *peer != best && !differs_less(*peer))
        .chain([best])
        .collect();
    named.sort_unstable();
    named
}

fn labels(rhythm: &Rhythm, categories: &[usize]) -> serde_json::Value {
    let labels = categories.iter().map(|category| &rhythm.labels[*category]);
    json!(labels.collect::<Vec<_>>())
}

/// Lists the size of each category if two or three are named together: ", 58 % on Tuesdays and 53 %
/// on Wednesdays"; otherwise empty.
fn list_each(
    data: &Data<'_>,
    rhythm: &Rhythm,
    against: &[Option<Comparison>],
    named: &[usize],
) -> String {
    if !(2..=3).contains(&named.len()) {
        return String::new();
    }
    let parts: Vec<String> = named
        .iter()
        .map(|category| {
            let comparison = against[*category].unwrap_or(NO_DIFFERENCE);
            let size = words::estimate(data, &comparison, true).bare_size();
            format!("{size} {}", rhythm.name_time(&[*category]))
        })
        .collect();
    format!(", {}", number::list(&parts))
}

/// Adds the ratio of the category that differs most. If several are named, the ratio of all of them
/// is kept separately.
fn with_strongest(
    finding: Finding,
    name: &str,
    strongest: Option<Comparison>,
    named: &[usize],
) -> Finding {
    if named.len() < 2 || strongest.is_none() {
        return finding;
    }
    let together = finding.numbers.get(name).cloned().unwrap_or_default();
    with_ratio(finding, name, strongest).number(&format!("{name}_together"), together)
}

/// Adds the ratio to all other categories.
fn with_others(finding: Finding, fitted: &RhythmFit, named: &[usize]) -> Finding {
    let others = (0..fitted.against_all.len()).filter(|category| !named.contains(category));
    let others: Vec<usize> = others.collect();
    with_ratio(
        finding,
        "ratio_others",
        fitted.rates.contrast(named, &others, 0.95),
    )
}

const NO_DIFFERENCE: Comparison = Comparison {
    estimate: 1.0,
    lower: 0.0,
    upper: f64::MAX,
    p: 1.0,
};

/// Up to two claims: on the days that differ most, and on the weekend as a whole.
pub(super) fn weekday_candidates(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &RhythmFit,
    chart: Option<usize>,
) -> Vec<Candidate> {
    let log = |c: Option<Comparison>| c.map_or(0.0, |c| c.estimate.max(1e-9).ln());
    let p_of = |c: Option<Comparison>| c.map_or(1.0, |c| c.p);
    let (all, working) = (&fitted.against_all, &fitted.against_working);
    let log_min = log_threshold(data);
    // Working days are compared with each other, so that a quiet weekend has no influence.
    let p: Vec<f64> = WORKING.iter().map(|&day| p_of(working[day])).collect();
    let adjusted = holm(&p);
    let differs =
        |day: usize| adjusted[day] < data.params.alpha && log(working[day]).abs() >= log_min;
    let strongest = |days: &[usize]| {
        days.iter()
            .copied()
            .max_by(|a, b| log(working[*a]).abs().total_cmp(&log(working[*b]).abs()))
    };
    // The highest day is reported if it is above both means, else the day that differs most.
    let p_all = holm(&WORKING.map(|day| p_of(all[day])));
    let is_peak = |day: usize| {
        log(all[day]) > 0.0 && log(working[day]) >= log_min && p_all[day] < 0.05 && p[day] < 0.05
    };
    let distinct: Vec<usize> = WORKING.into_iter().filter(|day| differs(*day)).collect();
    let peaks: Vec<usize> = WORKING.into_iter().filter(|day| is_peak(*day)).collect();
    let most_certain = WORKING
        .into_iter()
        .min_by(|a, b| p[*a].total_cmp(&p[*b]))
        .unwrap_or(0);
    let day = match (distinct.is_empty(), strongest(&peaks)) {
        (false, Some(peak)) => peak,
        (false, None) => strongest(&distinct).unwrap_or(most_certain),
        (true, _) => most_certain,
    };
    let is_proven = !distinct.is_empty();
    let peers = if peaks.contains(&day) {
        &peaks
    } else {
        &distinct
    };
    let is_same_side = |peer: &usize| log(working[*peer]) * log(working[day]) > 0.0;
    let peers = peers.iter().copied().filter(is_same_side);
    let days = with_peers(data, fitted, day, peers);
    // The lowest day is named if it is proven to be below each of the others, with the numbers of
    // the table.
    let lowest = WORKING
        .into_iter()
        .filter(|low| is_proven && !days.contains(low) && log(working[day]) > 0.0)
        .filter(|low| is_beyond_all(data, fitted, &[*low], &WORKING, false))
        .find_map(|low| Some((low, working[low].filter(|_| log(working[low]) <= -log_min)?)))
        .filter(|(_, c)| c.upper < 1.0);
    let p_values = (p[most_certain], adjusted[most_certain]);
    // The weekend is compared with the working days that do not differ themselves.
    let others: Vec<usize> = WORKING
        .into_iter()
        .filter(|d| !(is_proven && days.contains(d)))
        .collect();
    let sides = WEEKEND.map(|d| fitted.rates.contrast(&[d], &others, 0.95));
    let same_side = log(sides[0]) * log(sides[1]) > 0.0;
    // If the weekend differs more than the days do, it is the reason why they differ from all days:
    // it comes first, and they are compared with working days.
    let weekend = fitted.rates.contrast(&WEEKEND, &WORKING, 0.95);
    let days_effect = log(fitted.rates.contrast(&days, &WORKING, 0.95));
    let is_weekend_larger = same_side
        && p_of(weekend) < data.params.alpha
        && log(weekend) * days_effect < 0.0
        && log(weekend).abs() > days_effect.abs();
    // Days that are on opposite sides of the two means are compared with working days: a quiet
    // weekend alone makes the quietest working day look busy.
    let against_all = log(fitted.rates.contrast(&days, &[0, 1, 2, 3, 4, 5, 6], 0.95));
    let working_first = is_weekend_larger || against_all * days_effect < 0.0;
    let named = NamedDays {
        days: &days,
        working_first,
        lowest,
    };
    let mut claim = day_candidate(data, rhythm, group, fitted, chart, named, p_values);
    claim.is_large &= is_proven;
    if let (true, Some(judged), Some(shown)) = (
        same_side,
        fitted.rates.contrast(&WEEKEND, &others, 0.95),
        weekend,
    ) {
        let mut weekend = weekend_candidate(data, rhythm, group, fitted, chart, &shown, &judged);
        // The bars have the same baseline as the title.
        weekend.replacement = chart.map(|i| chart_against_working(data, rhythm, group, fitted, i));
        // The last claim gives the chart its title: a day that differs, unless the weekend differs
        // more.
        return if is_weekend_larger {
            claim.replacement.clone_from(&weekend.replacement);
            vec![claim, weekend]
        } else if working_first {
            claim.replacement.clone_from(&weekend.replacement);
            vec![weekend, claim]
        } else {
            claim.replacement = chart.map(|i| chart_against_all(data, rhythm, group, fitted, i));
            vec![weekend, claim]
        };
    }
    // Saturday and Sunday differ in opposite directions: only the larger effect is reported.
    let p_single: Vec<f64> = WEEKEND
        .iter()
        .zip(sides)
        .map(|(&day, side)| {
            let is_same_side = log(side) * log(all[day]) > 0.0 && log(side).abs() >= log_min;
            if is_same_side {
                p_of(side).max(p_of(all[day]))
            } else {
                1.0
            }
        })
        .collect();
    let stronger = usize::from(p_single[1] < p_single[0]);
    let p_values = (p_single[stronger], (2.0 * p_single[stronger]).min(1.0));
    let named = NamedDays {
        days: &[WEEKEND[stronger]],
        working_first: false,
        lowest: None,
    };
    let single = day_candidate(data, rhythm, group, fitted, chart, named, p_values);
    vec![single, claim]
}

fn log_threshold(data: &Data<'_>) -> f64 {
    (1.0 + data.params.change_min).ln()
}

/// The days of a claim.
struct NamedDays<'a> {
    days: &'a [usize],
    /// True if they are compared with working days first, then with all days.
    working_first: bool,
    /// The lowest working day, compared with working days.
    lowest: Option<(usize, Comparison)>,
}

fn day_candidate(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &RhythmFit,
    chart: Option<usize>,
    named: NamedDays<'_>,
    (p, adjusted): (f64, f64),
) -> Candidate {
    let NamedDays {
        days,
        working_first,
        lowest,
    } = named;
    let strongest = days.iter().copied().max_by(|a, b| {
        let log = |day: usize| compare_with_all(fitted, day).estimate.max(1e-9).ln().abs();
        log(*a).total_cmp(&log(*b))
    });
    let strongest = strongest.unwrap_or(0);
    let against_all = compare(fitted, days, &[0, 1, 2, 3, 4, 5, 6]);
    let working = compare(fitted, days, &WORKING);
    let when = rhythm.name_time(days);
    let lowest = lowest.map_or_else(String::new, |(low, c)| {
        format!(
            "; {} is the lowest, {} below the average of working days",
            rhythm.labels[low],
            words::ratio(&c, true).bare_size()
        )
    });
    let working_days = "working days, Monday to Friday";
    // One baseline per sentence; the table has both.
    let (estimate, against, base) = if working_first {
        (&working, &fitted.against_working, working_days)
    } else {
        (&against_all, &fitted.against_all, rhythm.all)
    };
    let claim = format!(
        "{}{}{lowest}",
        words::estimate(data, estimate, true).claim(&than_average_over(&when, base)),
        list_each(data, rhythm, against, days),
    );
    let sentence = sentence(data, group, &claim);
    let what = format!("{} {when}", data.measure);
    let mut finding = start_finding(data, rhythm, group, fitted, estimate, &what);
    finding = with_ratio(finding, "ratio_all", Some(against_all));
    if working_first {
        finding.baseline = Some(working_days.to_string());
    }
    finding.sentence = sentence;
    finding.p = Some(p);
    finding = with_others(finding, fitted, days);
    finding = with_ratio(finding, "ratio_working", Some(working));
    finding = with_strongest(finding, "ratio_all", fitted.against_all[strongest], days);
    let strongest_working = fitted.against_working[strongest];
    finding = with_strongest(finding, "ratio_working", strongest_working, days)
        .number("weekday", rhythm.labels[strongest].clone())
        .number("bars", labels(rhythm, days));
    Candidate {
        title: if working_first {
            let size = words::estimate(data, estimate, true);
            let size = size.claim(&format!("{when} than on the average working day"));
            statement(data, group, &size)
        } else {
            title(data, group, fitted, days, estimate, &than_mean(&when))
        },
        p: adjusted,
        is_large: working.estimate.max(1e-9).ln().abs() >= log_threshold(data),
        finding,
        chart,
        replacement: None,
    }
}

/// The claim on the weekend. It is judged by `judged`, which excludes working days that differ
/// themselves, and reported as `weekend`.
fn weekend_candidate(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &RhythmFit,
    chart: Option<usize>,
    weekend: &Comparison,
    judged: &Comparison,
) -> Candidate {
    let estimate = words::estimate(data, weekend, true);
    let than = "at weekends than on working days";
    let claim = estimate.claim(than);
    let sentence = sentence(data, group, &claim);
    let what = format!("{} at weekends", data.measure);
    let mut finding = start_finding(data, rhythm, group, fitted, weekend, &what);
    finding.baseline = Some("working days, Monday to Friday".to_string());
    finding.sentence = sentence;
    finding.p = Some(judged.p);
    finding = with_ratio(finding, "ratio_weekend", Some(*weekend))
        .number("bars", labels(rhythm, &WEEKEND));
    Candidate {
        is_large: judged.estimate.max(1e-9).ln().abs() >= log_threshold(data),
        p: judged.p,
        finding,
        chart,
        replacement: None,
        title: statement(data, group, &claim),
    }
}

/// The claim without a full stop, for titles: "Failures in billing are 73 % more frequent on
/// Mondays".
fn statement(data: &Data<'_>, group: &Group, claim: &str) -> String {
    format!(
        "{}{} {} {claim}",
        capitalised(&data.measure),
        data.in_group(group),
        words::verb(&data.measure)
    )
}

fn sentence(data: &Data<'_>, group: &Group, claim: &str) -> String {
    format!("{}.", statement(data, group, claim))
}

/// Returns true if one category is proven to be below another.
fn is_below(fitted: &RhythmFit, low: usize, high: usize, alpha: f64) -> bool {
    let contrast = fitted.rates.contrast(&[low], &[high], 0.95);
    contrast.is_some_and(|c| c.estimate < 1.0 && c.p < alpha)
}

/// Returns true if each of the given categories is proven to be above, or below, every other
/// category. Tested pair by pair, without correction, because all must hold (Berger 1982).
fn is_beyond_all(
    data: &Data<'_>,
    fitted: &RhythmFit,
    named: &[usize],
    all: &[usize],
    above: bool,
) -> bool {
    let others = all
        .iter()
        .filter(|other| !named.contains(other) && fitted.against_all[**other].is_some());
    others.into_iter().all(|&other| {
        named.iter().all(|&category| {
            if above {
                is_below(fitted, other, category, data.params.alpha)
            } else {
                is_below(fitted, category, other, data.params.alpha)
            }
        })
    })
}

/// The title of a chart with a claim on categories; "most frequent" only if that is proven, too.
fn title(
    data: &Data<'_>,
    group: &Group,
    fitted: &RhythmFit,
    named: &[usize],
    comparison: &Comparison,
    than: &str,
) -> String {
    let above = comparison.estimate > 1.0;
    let categories: Vec<usize> = (0..fitted.against_all.len()).collect();
    let is_count = !data.amounts && !data.is_share();
    let claim = match (above, is_count) {
        _ if !is_beyond_all(data, fitted, named, &categories, above) => {
            let estimate = words::estimate(data, comparison, true);
            return statement(data, group, &estimate.claim(than));
        }
        (true, true) => "most frequent",
        (false, true) => "least frequent",
        (true, false) => "highest",
        (false, false) => "lowest",
    };
    let (when, _) = than.split_once(" than ").unwrap_or((than, ""));
    statement(data, group, &format!("{claim} {when}"))
}

/// Number of records behind an effect.
fn record_count(group: &Group, fitted: &RhythmFit) -> u64 {
    let events = fitted.rates.events.iter().sum::<f64>();
    if events.fract() == 0.0 && events <= group.records as f64 {
        events as u64
    } else {
        group.records
    }
}

/// Starts a finding with the numbers common to all effects.
fn start_finding(
    data: &Data<'_>,
    rhythm: &Rhythm,
    group: &Group,
    fitted: &RhythmFit,
    comparison: &Comparison,
    what: &str,
) -> Finding {
    let kind = format!("{}_effect", rhythm.key);
    let mut finding = data.start_finding(&kind, group, what);
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
    finding.n = record_count(group, fitted);
    finding.baseline = Some(rhythm.baseline());
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

/// Adds an estimate with its bounds under one name.
fn with_ratio(finding: Finding, name: &str, comparison: Option<Comparison>) -> Finding {
    match comparison {
        Some(c) => finding.number(name, json!([c.estimate, c.lower, c.upper])),
        None => finding,
    }
}
