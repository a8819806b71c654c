//! Gaps: periods without records that the source's own pattern does not explain.

use super::{Params, finding::start_finding};
use crate::{
    Context, Input,
    series::{
        coverage::Coverage,
        missing::MissingDays,
        silence::{DayEnds, Gap},
    },
    times::Times,
};
use retrocast_domain::{Finding, Magnitude, Severity, Window, number::plural};

/// The gaps of a dataset.
#[derive(Debug, Clone, Default)]
pub(super) struct Gaps {
    /// Gaps since the start of the windows that figures are compared with.
    pub(super) recent: Vec<Gap>,
    /// Earlier gaps.
    older: Vec<Gap>,
    /// Days that are missing by the usual number of records, with this number.
    missing: Vec<MissingDays>,
    /// Number of days from the start of those windows, or from the first record, to the window's
    /// end.
    compared_days: f64,
}

impl Gaps {
    /// Finds the gaps before the newest record in the last 53 weeks: silences that the pattern of
    /// the days with records does not explain, and days that analyses leave out because their usual
    /// number of records makes zero next to impossible.
    pub(super) fn find(times: &Times, window: &Window, windows: u32) -> Self {
        let Some(days) = DayEnds::before_end(times, window) else {
            return Self::default();
        };
        let since = window.back(windows).start;
        let missing = Coverage::from_times(times, window)
            .map_or_else(Vec::new, |coverage| coverage.missing().to_vec());
        let mut gaps = days.gaps;
        for silence in missing.iter().filter(|silence| silence.first >= days.first) {
            let [first, last] = [silence.first, silence.last];
            if !gaps.iter().any(|gap| gap.contains(first)) {
                gaps.push(Gap { first, last });
            }
        }
        gaps.sort_by_key(|gap| gap.first);
        let (recent, older) = gaps.into_iter().partition(|gap| gap.last >= since);
        let begin = since.max(days.first);
        Self {
            recent,
            older,
            missing,
            compared_days: f64::from((window.end - begin).get_days().max(1)),
        }
    }

    /// The usual number of records in a gap: ", where about 180 a day are usual"; empty if it is
    /// not certain enough to say.
    fn usual(&self, gap: Gap) -> String {
        let mut missing = self.missing.iter();
        let missing = missing.find(|days| gap.contains(days.first));
        missing.map_or_else(String::new, |days| {
            format!(", where {} are usual", days.usual_in_words())
        })
    }

    /// Returns true if a day of a window is in a gap.
    pub(super) fn overlap(&self, window: &Window) -> bool {
        let mut gaps = self.recent.iter().chain(&self.older);
        gaps.any(|gap| gap.first < window.end && gap.last >= window.start)
    }

    /// Share of the days of the window and of the compared windows that are not in a gap.
    pub(super) fn share(&self, window: &Window, windows: u32) -> f64 {
        (1.0 - self.missing_days(window, windows) as f64 / self.compared_days.max(1.0)).max(0.0)
    }

    /// Number of days of the compared windows that are in a gap.
    fn missing_days(&self, window: &Window, windows: u32) -> u64 {
        let since = window.back(windows).start;
        let clip = |gap: &Gap| Gap {
            first: gap.first.max(since),
            last: gap.last,
        };
        self.recent.iter().map(|gap| clip(gap).days()).sum()
    }

    /// The basis of the share: "no records on 20 of 63 days"; empty without a gap.
    pub(super) fn basis(&self, window: &Window, windows: u32) -> String {
        match self.missing_days(window, windows) {
            0 => String::new(),
            missing => format!(
                "no records on {missing} of {}",
                plural(self.compared_days as u64, "day")
            ),
        }
    }

    /// Notices for the report, one sentence per gap.
    pub(super) fn notices(&self, name: &str, noun: &str) -> Vec<String> {
        let sentence =
            |gap: &Gap| format!("No {noun} of {name} {}{}.", gap.words(), self.usual(*gap));
        self.recent.iter().map(sentence).collect()
    }

    /// Caveats on gaps before the compared windows.
    pub(super) fn caveats(&self, name: &str, noun: &str) -> Vec<String> {
        let sentence = |gap: &Gap| format!("No {noun} of {name} {}.", gap.words());
        self.older.iter().map(sentence).collect()
    }
}

/// The finding on all recent gaps.
pub(super) fn finding(
    context: &Context,
    params: &Params,
    input: &Input,
    gaps: &Gaps,
) -> Option<Finding> {
    let longest = gaps.recent.iter().max_by_key(|gap| gap.days())?;
    let days: u64 = gaps.recent.iter().map(|gap| gap.days()).sum();
    let mut finding = start_finding(context, input, "days without records");
    finding.magnitude = Some(Magnitude::point(days as f64, "days"));
    finding.period = format!("{} to {}", longest.first, longest.last);
    finding.n = days;
    finding.severity = Severity::Warning;
    finding.confidence = 0.99;
    finding.baseline = Some("its own rhythm of the last 53 weeks".to_string());
    let more = match gaps.recent.len() - 1 {
        0 => String::new(),
        more => format!(", and {}", plural(more as u64, "other gap")),
    };
    finding.sentence = format!(
        "{} has no {} {}{}{more}, which its own rhythm does not explain: find out whether they are \
         missing.",
        input.dataset.name,
        params.noun(),
        longest.words(),
        gaps.usual(*longest)
    );
    finding.caveats = vec![
        "Days off without precedent in the records would look the same.".to_string(),
        "If the absence of records means that nothing happened, set `silence = \"zero\"` under [expect] in the \
         contract."
            .to_string(),
    ];
    Some(
        finding
            .number("first", longest.first.to_string())
            .number("last", longest.last.to_string())
            .number("days", days),
    )
}
