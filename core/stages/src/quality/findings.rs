//! Findings on the defects of a dataset.

use super::{
    Params,
    completeness::EmptierColumn,
    finding::{period_of_records, start_finding},
    gaps,
    judge::Quality,
    limits::{self, Shortfall},
    lookalikes, shape,
    volume::VolumeBasis,
};
use crate::{Context, Input};
use retrocast_domain::{
    ActionRequest, Direction, Finding, Magnitude, Severity,
    number::{self, plural},
    sentence::fill,
    window::date_in_words,
};

/// Name of the finding on a silent source.
pub(super) const RECORDS_STOPPED: &str = "records stopped";
/// Number of points below its limit from which a score is critical.
const CRITICAL_POINTS: f64 = 20.0;

/// Reports all defects of one dataset.
pub(super) fn findings(
    context: &Context,
    params: &Params,
    input: &Input,
    quality: &Quality,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = limits::flags(params, quality)
        .iter()
        .map(|flag| shortfall_finding(context, input, quality, flag))
        .collect();
    match silence_finding(context, params, input, quality) {
        Some(finding) => findings.push(finding),
        // A silent source also has fewer records; this is reported once.
        None => findings.extend(volume_finding(context, params, input, quality)),
    }
    findings.extend(gaps::finding(context, params, input, &quality.gaps));
    findings.extend(lookalikes::findings(
        context,
        params,
        input,
        &quality.survey,
    ));
    findings.extend(missing_values_finding(context, input, quality));
    findings.extend(shape::finding(context, params, input));
    findings.extend(broken_files_finding(context, input));
    findings
}

/// The finding that a score or component is below its limit.
fn shortfall_finding(
    context: &Context,
    input: &Input,
    quality: &Quality,
    flag: &Shortfall,
) -> Finding {
    let Shortfall {
        component,
        value,
        limit,
    } = *flag;
    let Some(component) = component else {
        return score_finding(context, input, quality, value, limit);
    };
    let what = format!("{} below its limit", component.name());
    let mut finding = start_finding(context, input, &what);
    finding.magnitude = Some(Magnitude::point(value, "share"));
    finding.baseline = Some(format!("the limit of {}", number::percent(limit)));
    finding.n = quality.records;
    finding.confidence = 1.0;
    finding.sentence = fill(
        "{component} of {name} is {value}, below {limit}: {basis}.",
        &[
            (
                "component",
                &crate::series::words::capitalised(component.name()),
            ),
            ("name", &quality.name),
            ("value", &number::percent(value)),
            ("limit", &number::percent(limit)),
            ("basis", quality.basis(component)),
        ],
    );
    finding.number("limit", limit)
}

/// The finding that the score is below its limit.
fn score_finding(
    context: &Context,
    input: &Input,
    quality: &Quality,
    score: f64,
    limit: f64,
) -> Finding {
    let mut finding = start_finding(context, input, "data quality score");
    finding.magnitude = Some(Magnitude::point(score, "points"));
    finding.baseline = Some(format!("the limit of {limit}"));
    finding.n = quality.records;
    if score < limit - CRITICAL_POINTS {
        finding.severity = Severity::Critical;
    }
    let mut components: Vec<(&str, f64)> = quality
        .known_components()
        .map(|(component, value)| (component.name(), value))
        .collect();
    components.sort_by(|a, b| a.1.total_cmp(&b.1));
    let worst: Vec<String> = components
        .iter()
        .take(2)
        .filter(|(_, value)| *value < 1.0)
        .map(|(name, value)| format!("{name} {}", number::percent(*value)))
        .collect();
    finding.sentence = fill(
        "Data quality of {name} is {score} of 100, below {limit}; lowest: {worst}.",
        &[
            ("name", &quality.name),
            ("score", &limits::score_text(score)),
            ("limit", &number::sensible(limit)),
            ("worst", &number::list(&worst)),
        ],
    );
    let parts = quality.known_components().map(|(component, value)| {
        let numbers = serde_json::json!({"value": value, "weight": quality.weight(component)});
        (component.name().to_string(), numbers)
    });
    let parts: serde_json::Map<String, serde_json::Value> = parts.collect();
    finding.number("score", score).number("parts", parts)
}

/// The finding that the newest record is older than the source allows.
fn silence_finding(
    context: &Context,
    params: &Params,
    input: &Input,
    quality: &Quality,
) -> Option<Finding> {
    let silence = quality.silence.as_ref().filter(|s| s.is_quiet())?;
    let allowed = silence.allowed_hours?;
    let mut finding = start_finding(context, input, RECORDS_STOPPED);
    finding.magnitude = Some(Magnitude::point(silence.hours, "h"));
    finding.n = silence.active_days;
    finding.p = silence.p;
    finding.p_adjusted = silence.p.map(|p| (p * params.inputs.len() as f64).min(1.0));
    finding.confidence = finding.p_adjusted.map_or(0.95, |p| 1.0 - p);
    // Proven after correction, or declared by the contract.
    let is_certain = silence.by_contract
        || finding
            .p_adjusted
            .is_some_and(|p| p < crate::series::silence::QUIET_P);
    finding.severity = if is_certain {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let duration = |hours: f64| number::minutes((hours * 60.0).round());
    finding.baseline = Some(if silence.by_contract {
        format!("{} that the contract allows", duration(allowed))
    } else {
        "its own rhythm of the last 53 weeks".to_string()
    });
    let last = if silence.has_hours {
        let time = silence.last.time();
        let day = date_in_words(silence.last.date());
        format!("{day}, {:02}:{:02}", time.hour(), time.minute())
    } else {
        date_in_words(silence.last.date())
    };
    let mut clauses = vec![if silence.by_contract {
        format!("the contract allows {}", duration(allowed))
    } else {
        format!("its rhythm allows {}", duration(allowed))
    }];
    if let Some([usual, long]) = silence.usual_hours {
        clauses.push(format!(
            "the time between records is usually {}, rarely more than {}",
            duration(usual),
            duration(long)
        ));
    }
    if let Some(p) = silence.p {
        clauses.push(format!(
            "the chance of such a silence under its own rhythm is {}",
            format_probability(p)
        ));
    }
    finding.sentence = format!(
        "{} has gone quiet: its last record is dated {last}, {} before the window's end; {}.",
        quality.name,
        duration(silence.hours),
        clauses.join("; ")
    );
    finding.caveats =
        vec!["Days off without precedent in the records would look the same.".to_string()];
    if params.inputs.len() > 1 && silence.p.is_some() {
        finding.caveats.push(format!(
            "Corrected for {} tested (Bonferroni).",
            plural(params.inputs.len() as u64, "dataset")
        ));
    }
    let [ends, as_silent] = silence.ends_before;
    let [usual, long] = silence.usual_hours.unwrap_or([f64::NAN; 2]);
    Some(
        finding
            .number("last", silence.last.to_string())
            .number("hours", silence.hours)
            .number("allowed_hours", allowed)
            .number("usual_hours", usual)
            .number("usual_hours_99", long)
            .number("ends_before", ends)
            .number("as_silent_before", as_silent),
    )
}

/// Formats a probability; small ones only as a bound.
fn format_probability(p: f64) -> String {
    if p < 0.000_1 {
        format!("below {}", number::percent(0.000_1))
    } else {
        number::percent(p)
    }
}

/// The finding that there are fewer or more records than expected.
fn volume_finding(
    context: &Context,
    params: &Params,
    input: &Input,
    quality: &Quality,
) -> Option<Finding> {
    let volume = quality.volume.as_ref()?;
    let expected = volume.expected?;
    let is_low = volume.is_low();
    if !is_low && !volume.is_high() {
        return None;
    }
    let what = if is_low {
        "fewer records than usual"
    } else {
        "more records than usual"
    };
    let mut finding = start_finding(context, input, what);
    let ratio = volume.now as f64 / expected.mean.max(1.0);
    finding.magnitude = Some(Magnitude::point(ratio, "ratio"));
    finding.n = volume.now;
    finding.p = expected.p;
    finding.confidence = 0.99;
    if !is_low {
        finding.direction = Direction::Up;
    }
    let noun = context.window.spec.noun();
    let windows = plural(volume.before.len() as u64, noun);
    let (now, words) = (params.format_count(volume.now), expected.words());
    match expected.basis {
        VolumeBasis::Contract => {
            finding.baseline = Some("the number per day that the contract expects".to_string());
            finding.sentence = format!(
                "{} has {now} in this {noun} where its contract expects {words}.",
                quality.name
            );
        }
        VolumeBasis::Windows => {
            // Growth is not a defect, but a flood of records may be one.
            if !is_low {
                finding.severity = Severity::Notice;
            }
            finding.baseline = Some(format!("the same days of the week in the {windows} before"));
            finding.sentence = format!(
                "{} has {now} in this {noun} where {words} were to be expected (99{}% interval from \
                 the {windows} before; mean {}).",
                quality.name,
                number::NBSP,
                expected.mean_words()
            );
        }
    }
    Some(
        finding
            .number("now", volume.now)
            .number("before", volume.before.clone())
            .number("expected", vec![expected.low, expected.high]),
    )
}

/// The finding that a column lacks more values than before.
fn missing_values_finding(context: &Context, input: &Input, quality: &Quality) -> Option<Finding> {
    let EmptierColumn {
        column,
        now,
        usual: before,
        n,
    } = quality.emptier.first()?;
    let mut finding = start_finding(context, input, &format!("values missing in {column}"));
    let interval = retrocast_stats::test::wilson(now * *n as f64, *n as f64, 0.95);
    let [lower, upper] = interval;
    finding.magnitude = Some(Magnitude::interval95(*now, lower, upper, "share"));
    finding.n = *n;
    finding.direction = Direction::Up;
    finding.baseline = Some("the records before the window".to_string());
    // A field that is no longer filled is worse than one that is filled less often.
    finding.severity = if *now < 1.0 {
        Severity::Notice
    } else {
        Severity::Warning
    };
    let more = quality.emptier.len() - 1;
    let rest = if more == 0 {
        String::new()
    } else {
        let verb = if more == 1 { "lacks" } else { "lack" };
        let columns = plural(more as u64, "more column");
        format!(" {columns} also {verb} more values than before.")
    };
    finding.sentence = fill(
        "{column} of {name} lacks {now} of its values in this {noun}; before, {before} were lacking.{rest}",
        &[
            ("name", &quality.name),
            ("noun", context.window.spec.noun()),
            ("now", &number::percent(*now)),
            ("column", column),
            ("before", &number::percent(*before)),
            ("rest", &rest),
        ],
    );
    Some(
        finding
            .number("missing_now", *now)
            .number("missing_before", *before),
    )
}

/// The finding that files could not be read completely.
fn broken_files_finding(context: &Context, input: &Input) -> Option<Finding> {
    let source = input.source.as_ref()?;
    let (path, reason) = source.broken_files.first()?;
    let count = source.broken_files.len() as u64;
    // The chapter on data quality has the full path.
    let file = path.rsplit('/').next().unwrap_or(path);
    let mut finding = start_finding(context, input, "files that could not be read");
    finding.magnitude = Some(Magnitude::point(count as f64, "files"));
    finding.n = source.files;
    finding.period = period_of_records(context, input);
    let template = match count {
        1 => "The file {file} of {name} could not be read completely: {reason}.",
        _ => "{count} of {name} could not be read completely, such as {file}: {reason}.",
    };
    finding.sentence = fill(
        template,
        &[
            ("count", &plural(count, "file")),
            ("name", &input.dataset.name),
            ("file", file),
            ("reason", reason.trim_end_matches('.')),
        ],
    );
    let (files, action) = match count {
        1 => ("one file".to_string(), "have it delivered again in full"),
        _ => (plural(count, "file"), "have them delivered again in full"),
    };
    let event = "could not be read completely";
    finding.request = Some(ActionRequest::new(files, event, action));
    Some(finding.number("broken_files", count))
}
