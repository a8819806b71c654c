//! Tests each group, fits its line, and classifies it.

use super::{Params, line::Line};
use crate::{
    Context,
    change_point::default_segment,
    series::{Group, SeriesSet},
};
use retrocast_domain::Estimate;
use retrocast_stats::{
    bend::{Bend, bend},
    change_point::steps,
    search::Search,
    shape::{Form, Shape, search_shape, shape},
    test::{benjamini_hochberg, cauchy_combination},
    trend::{MannKendall, Trend, seasonally_adjusted, trend},
};

/// Maximum relative change that is readable as an upper bound.
const READABLE_MAX: f64 = 1e3;

/// The result of one group.
pub(super) struct TrendTest {
    pub(super) test: MannKendall,
    pub(super) line: Line,
    /// p-value of the test and of the best bend, combined.
    pub(super) p: f64,
    pub(super) p_adjusted: f64,
    /// True if the test, corrected for all groups, finds a trend in the direction of the line.
    pub(super) is_significant: bool,
    pub(super) class: &'static str,
    /// The better description of the series, a step or a gradual change, with indices into the
    /// series.
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

    /// Returns true if a step describes the series better than a gradual change, clearly or
    /// slightly.
    pub(super) fn is_step(&self) -> bool {
        self.shape.is_some_and(Shape::favours_step)
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

/// Maximum p-value of a bend that replaces the straight line.
const BEND_LEVEL: f64 = 0.05;

/// The fits of one group.
struct Fit {
    trend: Trend,
    line: Line,
    /// The best bend; `None` if the series is too short.
    bend: Option<Bend>,
    p: f64,
    /// The values without their season.
    adjusted: Vec<Option<f64>>,
    /// Indices of the known values, and these values.
    indices: Vec<usize>,
    values: Vec<f64>,
    /// The known values with their season.
    observed: Vec<f64>,
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
    let search = Search {
        segment_min: default_segment(set.period),
        alpha: params.alpha(),
        ..Search::default()
    };
    let fit = |group: &Group| -> Option<Fit> {
        let adjusted = seasonally_adjusted(&group.values, season);
        let trend = trend(&adjusted)?;
        let indices: Vec<usize> = (0..adjusted.len())
            .filter(|i| adjusted[*i].is_some())
            .collect();
        let values: Vec<f64> = adjusted.iter().flatten().copied().collect();
        let bend = bend(&values, &search);
        let p = match &bend {
            Some(bend) => cauchy_combination(&[trend.test.p, bend.p]),
            None => trend.test.p,
        };
        let line = Line::fit(&trend, &group.values, season, set.adds_up, is_count);
        Some(Fit {
            trend,
            line,
            bend,
            p,
            adjusted,
            indices,
            values,
            observed: group.values.iter().flatten().copied().collect(),
        })
    };
    let fits = set.map_sufficient_groups(context, |_| points_min, fit);
    let p: Vec<f64> = fits.iter().flatten().map(|fit| fit.p).collect();
    let mut corrected = benjamini_hochberg(&p).into_iter();
    fits.into_iter()
        .map(|fit| {
            let fit = fit?;
            let p_adjusted = corrected.next().unwrap_or(1.0);
            let is_significant = p_adjusted < params.alpha();
            let (shape, positions) = if is_significant {
                search_shape(&fit.values, &search).unzip()
            } else {
                (shape(&fit.values, search.segment_min), None)
            };
            // A series that moved in steps has no line, and the change is that of the levels.
            let is_step = is_significant && shape.is_some_and(Shape::favours_step);
            let stepped = shape.filter(|_| is_step).and_then(|shape| {
                let proven = positions.filter(|positions| !positions.is_empty());
                let positions = proven.or_else(|| Some(vec![shape.step()?]))?;
                let steps = steps(&fit.observed, &fit.values, &positions, &search)?;
                let indices = positions.into_iter().map(|position| fit.indices[position]);
                Some((steps, indices.collect()))
            });
            let is_bend = matches!(shape.and_then(Shape::form), Some(Form::Bend(_)));
            let bend = fit.bend.filter(|bend| is_bend && bend.p < BEND_LEVEL);
            let line = match (stepped, bend) {
                (Some((steps, positions)), _) => fit.line.stepped(steps, positions),
                (None, Some(bend)) => {
                    let position = fit.indices[bend.position];
                    fit.line.broken(bend, position)
                }
                (None, None) => fit.line,
            };
            let rises = line.slope()[0] > 0.0;
            let is_straight = line.bend().is_none() && line.steps().is_empty();
            let agrees = !is_straight || rises == (fit.trend.test.s > 0.0);
            let mut tested = TrendTest {
                p: fit.p,
                p_adjusted,
                is_significant: is_significant && agrees,
                class: "not proven",
                shape: shape.map(|shape| shape.map(|position| fit.indices[position])),
                test: fit.trend.test,
                line,
            };
            let adjusted = fit.adjusted;
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
