//! Completeness: values that are present, relative to the values that should be present.

use super::survey::Survey;
use crate::{Input, StageError};
use retrocast_domain::number;
use retrocast_stats::describe;

/// A column with more missing values than usual.
pub(super) struct EmptierColumn {
    pub(super) column: String,
    /// Share of missing values in the window.
    pub(super) now: f64,
    /// Share of missing values before the window.
    pub(super) usual: f64,
    /// Number of records in the window.
    pub(super) n: u64,
}

/// Completeness of the columns.
#[derive(Default)]
pub(super) struct Completeness {
    /// Mean over the columns that should have values.
    pub(super) share: Option<f64>,
    /// Basis of the score, as a phrase.
    pub(super) basis: String,
    /// Columns with more missing values than usual, the worst first.
    pub(super) emptier: Vec<EmptierColumn>,
}

impl Completeness {
    /// Multiplies the share by the share of days with records; `basis` is the reason.
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

/// Computes the share of values that are present, relative to the usual share, and finds the
/// columns with more missing values than usual.
pub(super) fn completeness(
    input: &Input,
    survey: &Survey,
    required: &[String],
) -> Result<Completeness, StageError> {
    if let Some(name) = required.iter().find(|name| !input.has(name)) {
        return Err(input.no_column(name));
    }
    let [n_now, n_before] = survey.counts.map(|records| records as f64);
    if n_now == 0.0 {
        return Ok(Completeness::default());
    }
    let (mut shares, mut emptier) = (Vec::new(), Vec::new());
    let mut emptiest: Option<(f64, &str, [f64; 2])> = None;
    for column in &survey.columns {
        let [missing_now, missing_before] = column.missing.map(|records| records as f64);
        let is_required = required.contains(&column.name);
        let usual = match (is_required, n_before > 0.0) {
            (true, _) => 0.0,
            (false, true) => missing_before / n_before,
            (false, false) => continue,
        };
        if usual >= 1.0 {
            continue;
        }
        let share_now = missing_now / n_now;
        let share = ((1.0 - share_now) / (1.0 - usual)).min(1.0);
        shares.push(share);
        if share < emptiest.map_or(1.0, |(least, ..)| least) {
            emptiest = Some((share, &column.name, [1.0 - share_now, 1.0 - usual]));
        }
        // At least three standard errors, and one percentage point, more than usual.
        let error = (usual.max(0.5 / n_now) * (1.0 - usual) / n_now).sqrt();
        if share_now > usual + (3.0 * error).max(0.01) {
            emptier.push(EmptierColumn {
                column: column.name.clone(),
                now: share_now,
                usual,
                n: n_now as u64,
            });
        }
    }
    emptier.sort_by(|a, b| {
        (b.now - b.usual)
            .total_cmp(&(a.now - a.usual))
            .then_with(|| a.column.cmp(&b.column))
    });
    Ok(Completeness {
        share: (!shares.is_empty()).then(|| describe::mean(&shares)),
        basis: basis(shares.len() as u64, emptier.len(), emptiest),
        emptier,
    })
}

/// The basis of the share: the number of fields, how many of them are proven emptier than usual,
/// and the emptiest field with its current and usual share.
fn basis(fields: u64, emptier: usize, emptiest: Option<(f64, &str, [f64; 2])>) -> String {
    if fields == 0 {
        return "no records before the window to compare with".to_string();
    }
    let fields = number::plural(fields, "field");
    let proven = match emptier {
        0 => "none".to_string(),
        emptier => number::count(emptier as u64),
    };
    let difference = emptiest.and_then(|(_, column, full)| {
        let [now, usual] = full.map(number::percent);
        (now != usual).then(|| {
            format!(
                "; the largest difference: {column}, filled in {now} of records, usually in {usual}"
            )
        })
    });
    let difference = difference.unwrap_or_default();
    format!("{fields}, {proven} proven emptier than usual{difference}")
}
