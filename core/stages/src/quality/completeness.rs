//! Values that are there, against those that should be.

use crate::{Input, StageError, frame};
use jiff::civil::DateTime;
use retrocast_domain::{Window, number};
use retrocast_stats::describe;

/// A column that is less full than usual.
pub(super) struct Gap {
    pub(super) column: String,
    /// Share of values missing in the window.
    pub(super) now: f64,
    /// Share missing before.
    pub(super) usual: f64,
    /// Records in the window.
    pub(super) n: u64,
}

/// How full the columns are.
#[derive(Default)]
pub(super) struct Completeness {
    /// Mean over the columns that should hold values.
    pub(super) share: Option<f64>,
    /// What it rests on, in words.
    pub(super) basis: String,
    /// Columns less full than usual, the worst first.
    pub(super) gaps: Vec<Gap>,
}

impl Completeness {
    /// The same where only this share of the days has records, for the reason.
    pub(super) fn with_days(mut self, share: f64, basis: &str) -> Self {
        if basis.is_empty() {
            return self;
        }
        self.share = Some(self.share.unwrap_or(1.0) * share);
        self.basis = match self.basis.as_str() {
            "" => basis.to_string(),
            before => format!("{before}; {basis}"),
        };
        self
    }
}

/// Share of values that are there, against what is usual, and the columns that lack some.
pub(super) fn completeness(
    input: &Input,
    times: Option<&frame::Times>,
    window: &Window,
    always: &[String],
) -> Result<Completeness, StageError> {
    for name in always {
        frame::column(input, name)?;
    }
    let rows = input.frame.height();
    let (now, before): (Vec<bool>, Vec<bool>) = match times {
        Some(times) => times
            .civil
            .iter()
            .map(|time| {
                let day = time.map(DateTime::date);
                let is_now = day.is_some_and(|day| window.contains(day));
                (is_now, day.is_some_and(|day| day < window.start))
            })
            .unzip(),
        None => (vec![true; rows], vec![false; rows]),
    };
    let count = |chosen: &[bool]| chosen.iter().filter(|chosen| **chosen).count() as f64;
    let (n_now, n_before) = (count(&now), count(&before));
    if n_now == 0.0 {
        return Ok(Completeness::default());
    }
    let (mut shares, mut gaps) = (Vec::new(), Vec::new());
    for column in input.frame.columns() {
        let missing = column.is_null();
        let lacks = |chosen: &[bool]| {
            let lacking = missing.iter().zip(chosen);
            lacking.filter(|(m, c)| **c && *m == Some(true)).count() as f64
        };
        let is_always = always.iter().any(|name| name == column.name());
        let usual = match (is_always, n_before > 0.0) {
            (true, _) => 0.0,
            (false, true) => lacks(&before) / n_before,
            (false, false) => continue,
        };
        if usual >= 1.0 {
            continue;
        }
        let share_now = lacks(&now) / n_now;
        shares.push(((1.0 - share_now) / (1.0 - usual)).min(1.0));
        // Three standard errors more than usual, and at least one per cent.
        let error = (usual.max(0.5 / n_now) * (1.0 - usual) / n_now).sqrt();
        if share_now > usual + (3.0 * error).max(0.01) {
            gaps.push(Gap {
                column: column.name().to_string(),
                now: share_now,
                usual,
                n: n_now as u64,
            });
        }
    }
    gaps.sort_by(|a, b| {
        (b.now - b.usual)
            .total_cmp(&(a.now - a.usual))
            .then_with(|| a.column.cmp(&b.column))
    });
    Ok(Completeness {
        share: (!shares.is_empty()).then(|| describe::mean(&shares)),
        basis: basis(shares.len() as u64, &gaps),
        gaps,
    })
}

fn basis(fields: u64, gaps: &[Gap]) -> String {
    if fields == 0 {
        return "no records before the window to compare with".to_string();
    }
    let fields = number::plural(fields, "field");
    match gaps {
        [] => format!("{fields}, none clearly emptier than usual"),
        [worst, ..] => format!(
            "{fields}, {} clearly emptier than usual; most: {}",
            gaps.len(),
            worst.column
        ),
    }
}
