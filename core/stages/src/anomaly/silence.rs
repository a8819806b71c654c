//! Findings on groups whose records have stopped although they were frequent.

use super::{
    ANOMALY,
    detect::{AnomalyScores, SILENCE},
    present::Reporter,
};
use crate::series::{period::Period, words};
use retrocast_domain::{
    ActionRequest, Direction, Finding, Magnitude, Severity, number, sentence::fill,
};
use retrocast_stats::describe::mean;

const METHOD: &str = "Negative binomial probability of no record in any step, from the same steps of the \
                      eight weeks before";

impl Reporter<'_> {
    /// The finding that the records of a group have stopped.
    pub(super) fn silence_finding(&self, group: &AnomalyScores, groups: usize) -> Option<Finding> {
        let silence = group.silence.as_ref()?;
        let first = self.set.starts[silence.steps.start];
        let since = self.set.period.words(first);
        let iso = self.set.period.iso(first);
        let what = format!("{SILENCE} of {} since {iso}", self.name);
        let subject = &group.series.subject;
        let mut finding = Finding::new(&self.context.stage, ANOMALY.name, subject, &what);
        let have = if words::is_or_are(self.name) == "is" {
            "has"
        } else {
            "have"
        };
        finding.request = Some(ActionRequest::new(
            self.name,
            format!("{have} had no record since {since}"),
            "check whether records arrive",
        ));
        let usual = mean(&silence.usual);
        let usual = if usual >= 10.0 { usual.round() } else { usual };
        finding.direction = Direction::Down;
        finding.severity = Severity::Warning;
        finding.magnitude = Some(Magnitude::point(-usual, self.unit()));
        finding.n = group.series.known() as u64;
        finding.p = Some(silence.chance);
        finding.p_adjusted = Some((silence.chance * groups as f64).min(1.0));
        finding.confidence = 0.999;
        finding.method = METHOD.to_string();
        let last = self.set.starts.len() - 1;
        finding.period = format!("{iso} to {}", self.set.period.iso(self.set.starts[last]));
        finding.baseline = Some(match self.set.period {
            Period::Month => "the eight months before".to_string(),
            Period::Week => "the eight weeks before".to_string(),
            Period::Hour | Period::Day => "the same steps of the eight weeks before".to_string(),
        });
        let mut evidence = self.set.evidence.clone();
        evidence.filter = Some(format!("{subject}; {}", finding.period));
        finding.evidence.push(evidence);
        finding.caveats.push(
            "Records that do not arrive and work that does not happen look alike. A group that has \
             been renamed or retired is silent, too."
                .to_string(),
        );
        finding.sentence = fill(
            "{Name}{group} {have} had no record since {since}, where about {usual} per {noun} are usual: check \
             whether records arrive.",
            &[
                ("Name", &words::capitalised(self.name)),
                ("group", &words::in_group(group.series)),
                ("have", have),
                ("since", &since),
                ("usual", &number::sensible(usual)),
                ("noun", self.set.period.noun()),
            ],
        );
        Some(
            finding
                .number("type", SILENCE)
                .number("start", iso)
                .number("steps", silence.steps.len() as u64)
                .number("expected", usual),
        )
    }
}
