//! Formats the evaluation of a change as text.

use super::evaluation::{Alternative, Evaluation, Verdict, Weight};
use crate::terminal::wrap;
use retrocast_domain::number::{list, p_value, sensible};

/// Maximum number of names in a line; the others are counted.
const NAMES_MAX: usize = 5;

/// Formats an evaluation as text.
pub(super) fn text(evaluation: &Evaluation) -> String {
    let mut lines = vec![verdict(evaluation), String::new()];
    let mut line = |head: &str, body: String| {
        lines.push(wrap(&format!("{head:<14}{body}"), 14));
    };
    line("Effect", effect(evaluation));
    line("Method", method(evaluation));
    line("Chance", chance(evaluation));
    line(
        "Data",
        format!(
            "{} {} before the change, {} after; root mean square error before: {}",
            evaluation.periods_before,
            evaluation.periods,
            evaluation.periods_after,
            sensible(evaluation.pre_rmse)
        ),
    );
    if !evaluation.unit_weights.is_empty() {
        line("Compared with", weights(&evaluation.unit_weights));
    }
    if evaluation.method == "sdid" {
        line("Periods", weights(&evaluation.time_weights));
    }
    if let Some(segments) = &evaluation.segments {
        line(
            "Level",
            format!("{} at the change", with_interval(segments.level)),
        );
        line(
            "Slope",
            format!("{} per period after it", with_interval(segments.slope)),
        );
    }
    if let Some((low, high)) = range(&evaluation.leave_one_out) {
        let body = format!(
            "{} to {} without one of the units",
            sensible(low),
            sensible(high)
        );
        line("Sensitivity", body);
    }
    if let Some((low, high)) = range(&evaluation.backdated) {
        let dates: Vec<&str> = evaluation
            .backdated
            .iter()
            .map(|alternative| alternative.name.as_str())
            .collect();
        let body = format!(
            "{} to {} at {}, when nothing changed",
            sensible(low),
            sensible(high),
            list(&dates)
        );
        line("Earlier", body);
    }
    for caveat in &evaluation.caveats {
        line("Note", caveat.clone());
    }
    lines.join("\n")
}

fn verdict(evaluation: &Evaluation) -> String {
    let subject = match evaluation.treated.as_slice() {
        [] => evaluation.value.clone(),
        units => format!("{} of {}", evaluation.value, list(units)),
    };
    let from = &evaluation.start;
    let text = match evaluation.verdict {
        Verdict::Increase => format!("{subject} was higher from {from} on than expected."),
        Verdict::Decrease => format!("{subject} was lower from {from} on than expected."),
        Verdict::Unclear => format!(
            "No effect on {subject} is detected from {from} on: chance alone may explain the difference."
        ),
    };
    wrap(&text, 0)
}

fn effect(evaluation: &Evaluation) -> String {
    let bound = |bound: Option<f64>| bound.map_or_else(|| "no bound".to_string(), sensible);
    let [low, high] = evaluation.interval.map(bound);
    let relative = evaluation.relative.map_or_else(String::new, |[share, ..]| {
        format!(" ({})", retrocast_domain::number::change(share))
    });
    format!(
        "{}{relative} per period on average, 95 % interval {low} to {high}, {}",
        sensible(evaluation.estimate),
        p_value(evaluation.p_value)
    )
}

fn method(evaluation: &Evaluation) -> String {
    match &evaluation.reason {
        Some(reason) => format!("{} ({reason})", evaluation.method),
        None => evaluation.method.to_string(),
    }
}

fn chance(evaluation: &Evaluation) -> String {
    let inference = match evaluation.inference.as_str() {
        "placebo" => "from the same estimate for units without the change",
        "jackknife" => "from leaving each unit out in turn",
        "conformal" => "from shifting the residuals in time",
        "placebo in time" => "from a model of the noise and the same estimate at earlier dates",
        "constant" => "from counting departures, since the series was constant before the change",
        _ => "from a model of the noise",
    };
    match &evaluation.rank {
        Some(rank) => format!(
            "{inference}; by the ratio of errors after and before, rank {} of {} units, p = {:.3} (at \
             least {:.3})",
            rank.rank, rank.units, rank.p_value, rank.least_p_value
        ),
        None => inference.to_string(),
    }
}

fn weights(weights: &[Weight]) -> String {
    let are_equal = weights
        .windows(2)
        .all(|pair| pair[0].weight == pair[1].weight);
    if are_equal && weights.len() > NAMES_MAX {
        return format!("{} with equal weights", weights.len());
    }
    let shown = weights.iter().take(NAMES_MAX);
    let mut names: Vec<String> = shown
        .map(|weight| format!("{} {:.3}", weight.name, weight.weight))
        .collect();
    if weights.len() > NAMES_MAX {
        names.push(format!("{} more", weights.len() - NAMES_MAX));
    }
    list(&names)
}

fn with_interval([value, low, high]: [f64; 3]) -> String {
    format!(
        "{} [{} to {}]",
        sensible(value),
        sensible(low),
        sensible(high)
    )
}

/// Smallest and largest estimate.
fn range(estimates: &[Alternative]) -> Option<(f64, f64)> {
    let values = || estimates.iter().map(|alternative| alternative.estimate);
    let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    Some((low, high))
}
