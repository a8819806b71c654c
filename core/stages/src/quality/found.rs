//! What is wrong with a dataset, as findings.

use super::{
    METHOD, PARTS, Params,
    judge::{Gap, Quality},
};
use crate::{Context, Input};
use retrocast_domain::{
    Direction, Evidence, Finding, Magnitude, Severity,
    number::{self, plural},
    sentence::fill,
};

/// What is found when a source has gone quiet.
const STOPPED: &str = "records stopped";

fn start_finding(context: &Context, input: &Input, what: &str) -> Finding {
    let subject = format!("dataset = {}", input.dataset.name);
    let mut finding = Finding::new(&context.stage, "quality", &subject, what);
    finding.method = METHOD.to_string();
    let last = context.window.end.yesterday().unwrap_or(context.window.end);
    finding.period = format!("{} to {last}", context.window.start);
    finding.evidence = vec![Evidence {
        dataset: input.dataset.name.clone(),
        version: input.dataset.version,
        filter: None,
    }];
    finding.n = input.dataset.rows;
    finding.confidence = 0.95;
    finding.severity = Severity::Warning;
    finding.direction = Direction::Down;
    finding
}

pub(super) fn findings(
    context: &Context,
    params: &Params,
    input: &Input,
    quality: &Quality,
) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(low_score(context, params, input, quality));
    found.extend(gone_quiet(context, input, quality));
    if found.iter().all(|finding| finding.what != STOPPED) {
        // A source that stopped has fewer records too: one fact, told once.
        found.extend(low_volume(context, input, quality));
    }
    found.extend(missing_values(context, input, quality));
    found.extend(broken_files(context, input));
    found
}

fn low_score(
    context: &Context,
    params: &Params,
    input: &Input,
    quality: &Quality,
) -> Option<Finding> {
    let score = quality.score().filter(|score| *score < params.score_min)?;
    let mut finding = start_finding(context, input, "data quality score");
    finding.magnitude = Some(Magnitude::point(score, "points"));
    finding.baseline = Some(format!("the least score asked for, {}", params.score_min));
    finding.severity = if score < params.score_min - 20.0 {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let mut parts: Vec<(&str, f64)> = PARTS
        .into_iter()
        .zip(quality.parts())
        .filter_map(|(name, p)| Some((name, p?)))
        .collect();
    parts.sort_by(|a, b| a.1.total_cmp(&b.1));
    let worst: Vec<String> = parts
        .iter()
        .take(2)
        .filter(|(_, part)| *part < 1.0)
        .map(|(name, part)| format!("{name} {}", number::percent(*part)))
        .collect();
    finding.sentence = fill(
        "Data quality of {name} is {score} of 100, below {least}; lowest: {worst}.",
        &[
            ("name", &quality.name),
            ("score", &number::fixed(score, 1)),
            ("least", &number::sensible(params.score_min)),
            ("worst", &number::list(&worst)),
        ],
    );
    Some(finding.number("score", score))
}

fn gone_quiet(context: &Context, input: &Input, quality: &Quality) -> Option<Finding> {
    let silence = quality
        .silence
        .as_ref()
        .filter(|silence| silence.is_quiet)?;
    let mut finding = start_finding(context, input, STOPPED);
    finding.magnitude = Some(Magnitude::point(silence.hours, "h"));
    finding.baseline = Some("the longest silence of the year before".to_string());
    finding.severity = Severity::Critical;
    let duration = |hours: f64| number::minutes((hours * 60.0).round());
    finding.sentence = fill(
        "{name} has gone quiet: no record since {last}, {hours} before the window's end; its longest \
         silence before was {usual}.",
        &[
            ("name", &quality.name),
            ("last", &retrocast_domain::window::long(silence.last)),
            ("hours", &duration(silence.hours)),
            ("usual", &duration(silence.usual_hours)),
        ],
    );
    Some(
        finding
            .number("last", silence.last.to_string())
            .number("hours", silence.hours)
            .number("usual_hours", silence.usual_hours),
    )
}

fn low_volume(context: &Context, input: &Input, quality: &Quality) -> Option<Finding> {
    let traffic = quality.traffic.as_ref()?;
    let expected = traffic.expected?;
    let [low, high] = expected;
    if traffic.now as f64 >= low {
        return None;
    }
    let mut finding = start_finding(context, input, "fewer records than usual");
    let ratio = traffic.now as f64 / traffic.median.max(1.0);
    finding.magnitude = Some(Magnitude::point(ratio, "ratio"));
    finding.n = traffic.now;
    finding.confidence = 0.99;
    let windows = plural(traffic.before.len() as u64, "window");
    finding.baseline = Some(format!("median of the {windows} before"));
    finding.sentence = fill(
        "{name} has {now} in this window where {low} to {high} were to be expected (99 % interval \
         from the {windows} before; median {median}).",
        &[
            ("name", &quality.name),
            ("now", &plural(traffic.now, "record")),
            ("low", &number::integer(low.ceil() as i64)),
            ("high", &number::integer(high.floor() as i64)),
            ("windows", &windows),
            ("median", &number::sensible(traffic.median)),
        ],
    );
    Some(
        finding
            .number("now", traffic.now)
            .number("before", traffic.before.clone())
            .number("expected", expected.to_vec()),
    )
}

fn missing_values(context: &Context, input: &Input, quality: &Quality) -> Option<Finding> {
    let Gap {
        column,
        now,
        usual: before,
    } = quality.gaps.first()?;
    let mut finding = start_finding(context, input, &format!("values missing in {column}"));
    finding.magnitude = Some(Magnitude::point(*now, "share"));
    finding.baseline = Some("the records before the window".to_string());
    finding.severity = Severity::Notice;
    let more = quality.gaps.len() - 1;
    let rest = if more == 0 {
        String::new()
    } else {
        format!(" {} likewise.", plural(more as u64, "more column"))
    };
    finding.sentence = fill(
        "{name} lacks {now} of the values of {column} in this window, {before} before.{rest}",
        &[
            ("name", &quality.name),
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

pub(super) fn broken_files(context: &Context, input: &Input) -> Option<Finding> {
    let source = input.source.as_ref()?;
    let (file, reason) = source.broken_files.first()?;
    let count = source.broken_files.len() as u64;
    let mut finding = start_finding(context, input, "files that could not be read");
    finding.magnitude = Some(Magnitude::point(count as f64, "files"));
    finding.n = source.files;
    finding.sentence = fill(
        "{count} of {name} could not be read to the end, such as {file}: {reason}.",
        &[
            ("count", &plural(count, "file")),
            ("name", &input.dataset.name),
            ("file", file),
            ("reason", reason.trim_end_matches('.')),
        ],
    );
    Some(finding.number("broken_files", count))
}
