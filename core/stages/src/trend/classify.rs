//! Tests each group, fits its line, and classifies it.

use super::{Params, line::Line};
use crate::{
    Context,
    change_point::default_segment,
    series::{Group, SeriesSet},
};
use retrocast_domain::Estimate;
use retrocast_stats::{
    shape::{Shape, shape},
    test::benjamini_hochberg,
    trend::{MannKendall, Trend, seasonally_adjusted, trend},
};

/// Maximum relative change that is readable as an upper bound.
const READABLE_MAX: f64 = 1e3;

/// The result of one group.
pub(super) struct TrendTest {
    pub(super) test: MannKendall,
    pub(super) line: Line,
    pub(super) p_adjusted: f64,
    /// True if the test, corrected for all groups, finds a trend in the direction of the line.
    pub(super) is_significant: bool,
    pub(super) class: &'static str,
    /// Whether a step or the line describes the series better, with indices into the series.
    pub(super) shape: Option<Shape>,
}

impl TrendTest {
    /// The change of the line over the group's period, which every sentence, table and title
    /// states.
    pub(super) fn estimate<'a>(&self, unit: &'a str) -> Estimate<'a> {
        let change = self.line.change().filter(|_| !is_share(unit));
        match change {
            Some([value, low, high]) => {
                let interval = (high < READABLE_MAX).then_some([low, high]);
                Estimate::relative(value, interval, self.is_significant)
            }
            None => {
                let [value, low, high] = self.line.difference();
                Estimate::amount(value, Some([low, high]), unit, self.is_significant)
            }
        }
    }

    /// Returns true if a step describes the series better than the line.
    pub(super) fn is_step(&self) -> bool {
        matches!(self.shape, Some(Shape::Step(_)))
    }

    /// Returns true if it is a finding: proven, and large enough.
    pub(super) fn is_finding(&self) -> bool {
        matches!(self.class, "improving" | "worsening")
    }

    /// Returns true if its trend is proven, large or small.
    pub(super) fn is_proven(&self) -> bool {
        self.estimate("").is_proven()
    }
}

/// Returns true for the unit of shares, whose difference is in percentage points.
pub(super) fn is_share(unit: &str) -> bool {
    matches!(unit, "%" | "share")
}

/// Tests every group, corrects all p-values together and classifies each group.
pub(super) fn classify(
    context: &Context,
    set: &SeriesSet,
    params: &Params,
    points_min: usize,
    is_count: bool,
) -> Vec<Option<TrendTest>> {
    let season = set.period.season();
    let segment_min = default_segment(set.period);
    let fit = |group: &Group| -> Option<(Trend, Line, Vec<Option<f64>>)> {
        let adjusted = seasonally_adjusted(&group.values, season);
        let trend = trend(&adjusted)?;
        let line = Line::fit(&trend, &group.values, season, set.adds_up, is_count);
        Some((trend, line, adjusted))
    };
    let fits = set.of_enough(context, |_| points_min, fit);
    let p: Vec<f64> = fits
        .iter()
        .flatten()
        .map(|(trend, ..)| trend.test.p)
        .collect();
    let mut corrected = benjamini_hochberg(&p).into_iter();
    fits.into_iter()
        .map(|fit| {
            let (trend, line, adjusted) = fit?;
            let p_adjusted = corrected.next().unwrap_or(1.0);
            let rises = line.slope()[0] > 0.0;
            let agrees = rises == (trend.test.s > 0.0);
            let mut tested = TrendTest {
                p_adjusted,
                is_significant: p_adjusted < params.alpha() && agrees,
                class: "not proven",
                shape: shape_of(&adjusted, segment_min),
                test: trend.test,
                line,
            };
            let change = tested.line.change();
            // The interval is for this line alone, and the test is corrected for all groups: both
            // must show a trend.
            tested.class = if tested.is_proven() {
                if change.is_some_and(|[change, ..]| change.abs() < params.change_min) {
                    "small"
                } else if rises == params.lower_is_better {
                    "worsening"
                } else {
                    "improving"
                }
            } else if is_volatile(&tested.line, &adjusted, is_count) {
                "volatile"
            } else {
                "not proven"
            };
            Some(tested)
        })
        .collect()
}

fn residuals(line: &Line, adjusted: &[Option<f64>]) -> Vec<f64> {
    adjusted
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some((*v)? - line.height(i)))
        .collect()
}

/// Returns true if the values scatter widely around the line.
fn is_volatile(line: &Line, adjusted: &[Option<f64>], is_count: bool) -> bool {
    let mut deviations: Vec<f64> = residuals(line, adjusted).iter().map(|r| r.abs()).collect();
    deviations.sort_by(f64::total_cmp);
    let spread = 1.4826 * deviations.get(deviations.len() / 2).copied().unwrap_or(0.0);
    let mean = adjusted.iter().flatten().sum::<f64>() / deviations.len().max(1) as f64;
    let expected = if is_count {
        2.0 * mean.max(0.0).sqrt()
    } else {
        0.0
    };
    spread > 0.3 * mean.abs() && spread > expected
}

/// The shape of the known values, with indices into all values.
fn shape_of(adjusted: &[Option<f64>], segment_min: usize) -> Option<Shape> {
    let indices = (0..adjusted.len()).filter(|i| adjusted[*i].is_some());
    let indices: Vec<usize> = indices.collect();
    let values: Vec<f64> = adjusted.iter().flatten().copied().collect();
    Some(match shape(&values, segment_min)? {
        Shape::Step(at) => Shape::Step(indices[at]),
        Shape::Open(at) => Shape::Open(indices[at]),
        Shape::Line => Shape::Line,
    })
}
