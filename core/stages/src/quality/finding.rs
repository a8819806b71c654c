//! The common part of all findings on a dataset.

use super::METHOD;
use crate::{Context, Input};
use retrocast_domain::{ActionRequest, Direction, Evidence, Finding, Severity};

/// Starts a finding on a dataset in the window.
pub(super) fn start_finding(context: &Context, input: &Input, what: &str) -> Finding {
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
    finding.request = Some(ActionRequest::new(what, "", "fix the data at its source"));
    finding
}

/// The period of a finding on all records: their first and last day in the job's time zone.
pub(super) fn period_of_records(context: &Context, input: &Input) -> String {
    let time = input.time.as_deref();
    let times = time.and_then(|time| input.times(time, &context.window.timezone).ok());
    let counts = times.as_deref().map_or(&[][..], |times| times.counts());
    match counts {
        [] => String::new(),
        [(first, _), ..] => {
            let last = counts.last().unwrap_or(&counts[0]).0;
            format!("{} to {}", first.date(), last.date())
        }
    }
}
