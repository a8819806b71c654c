//! Findings on groups whose values have stopped changing although records arrive.

use super::{
    ANOMALY,
    detect::{AnomalyScores, STUCK},
    present::Reporter,
};
use crate::series::words;
use retrocast_domain::{
    ActionRequest, Direction, Finding, Severity, estimate::levels, number, sentence::fill,
};
use retrocast_stats::stuck::StuckRun;

const METHOD: &str = "Length of a run of equal values, compared with the earlier values by a Markov chain of order \
                      one";

impl Reporter<'_> {
    /// The times of a run of equal values: "from 10 to 12 November 2026".
    pub(super) fn stuck_when(&self, run: &StuckRun) -> String {
        let [first, last] = [run.steps.start, run.steps.end - 1].map(|step| self.set.starts[step]);
        format!("from {}", self.set.period.range(first, last))
    }

    /// The repeated value with its unit.
    pub(super) fn stuck_value(&self, run: &StuckRun) -> String {
        levels([run.value], None, &self.params.unit).concat()
    }

    /// The finding that the values of a group have stopped changing.
    pub(super) fn stuck_finding(&self, group: &AnomalyScores, groups: usize) -> Option<Finding> {
        let run = group.stuck.as_ref()?;
        let iso = |step: usize| self.set.period.iso(self.set.starts[step]);
        let [first, last] = [run.steps.start, run.steps.end - 1].map(iso);
        let what = format!("{STUCK} {} since {first}", self.name);
        let subject = &group.series.subject;
        let mut finding = Finding::new(&self.context.stage, ANOMALY.name, subject, &what);
        finding.request = Some(ActionRequest::new(
            self.name,
            format!("did not change {}", self.stuck_when(run)),
            "check whether it is still measured",
        ));
        finding.direction = Direction::None;
        finding.severity = Severity::Warning;
        finding.n = group.series.known() as u64;
        finding.p = Some(run.chance);
        finding.p_adjusted = Some((run.chance * groups as f64).min(1.0));
        finding.confidence = 0.999;
        finding.method = METHOD.to_string();
        finding.period = format!("{first} to {last}");
        finding.baseline = Some("all earlier values".to_string());
        let evidence = self
            .set
            .evidence_on(group.series, run.steps.start, run.steps.end - 1);
        finding.evidence.push(evidence);
        finding
            .caveats
            .push("A measurement that is stuck and a system that is idle look alike.".to_string());
        let usual = match run.usual_max {
            0 | 1 => "no two".to_string(),
            n => format!("at most {}", number::count(n as u64)),
        };
        finding.sentence = fill(
            "{Name}{group} did not change {when}: {value} in each of {steps}, where {usual} in a row were equal \
             before. Check whether it is still measured.",
            &[
                ("Name", &words::capitalised(self.name)),
                ("group", &words::in_group(group.series)),
                ("when", &self.stuck_when(run)),
                ("value", &self.stuck_value(run)),
                (
                    "steps",
                    &number::plural(run.count as u64, self.set.period.noun()),
                ),
                ("usual", &usual),
            ],
        );
        Some(
            finding
                .number("type", STUCK)
                .number("start", first)
                .number("end", last)
                .number("steps", run.count as u64)
                .number("value", run.value)
                .number("usual_max", run.usual_max as u64),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inputs, series::test_data};
    use jiff::{ToSpan, civil::date};
    use polars::prelude::{Column, DataFrame};
    use serde_json::json;

    /// Findings on the load of two hosts, measured every 20 minutes for 60 days; that of `a` is stuck
    /// for `hours` hours in the last week.
    fn findings(hours: i64) -> Vec<Finding> {
        let mut noise = test_data::Noise(3);
        let first = date(2026, 9, 17).at(0, 0, 0, 0);
        let (mut at, mut host, mut load) = (Vec::new(), Vec::new(), Vec::new());
        for third in 0..60 * 24 * 3_i64 {
            let hour = third / 3;
            let daily = 10.0 * (hour as f64 * std::f64::consts::TAU / 24.0).sin();
            for name in ["a", "b"] {
                let value = 40.0 + daily + 6.0 * (noise.uniform() - 0.5);
                let is_stuck = name == "a" && (1320..1320 + hours).contains(&hour);
                at.push(first + (20 * third).minutes());
                host.push(name.to_string());
                load.push(if is_stuck { 41.3 } else { value });
            }
        }
        let columns = vec![
            test_data::times("at", &at),
            Column::new("host".into(), host),
            Column::new("load".into(), load),
        ];
        let frame = DataFrame::new(at.len(), columns).expect("a frame");
        let inputs = Inputs::from([("hosts".to_string(), test_data::input("hosts", frame))]);
        let params = json!({
            "input": "hosts", "value": "load", "by": ["host"], "aggregate": "mean", "period": "hour",
            "unit": "%", "measure": "load",
        });
        let context = test_data::context("2026-11-16");
        let analysis = super::super::run(&context, &params, &inputs).expect("an analysis");
        analysis.cell.findings
    }

    #[test]
    fn a_stuck_measurement_is_one_warning() {
        let found = findings(30);
        let [finding] = &found[..] else {
            panic!("{found:#?}")
        };
        assert_eq!(finding.subject, "host = a");
        assert_eq!(finding.numbers["type"], STUCK);
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(
            finding.sentence.replace('\u{a0}', " "),
            "Load in a did not change from 11 November 2026, 00:00 to 12 November 2026, 06:00: 41.3 % in each of \
             30 hours, where no two in a row were equal before. Check whether it is still measured."
        );
        assert!(findings(3).is_empty(), "{:#?}", findings(3));
    }
}
