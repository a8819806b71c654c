//! Families of models that a forecast averages over.

use super::{DAYS, Forecast, Model, Part, Sample, forecast, grid_of, replace_by_step, weigh_among};

/// A family of models of a series, averaged over its members.
pub(crate) trait Family {
    /// A member of the family with its weight.
    type Model;

    /// True if [`Family::refine`] treats an effect as a step: then the noise is also estimated from
    /// the values after the change.
    const HAS_STEP: bool = false;

    /// The members, weighted by how well they explain the values. Controls are at least as long as
    /// the values; `period` is the length of the season, 1 for none. Empty if no member can be
    /// fitted.
    fn weigh(&self, sample: Sample, controls: &[&[f64]], period: usize) -> Vec<Self::Model>;

    /// Replaces the parts of a forecast, without controls, by better parts that also use the later
    /// values: the last of the sample, as many as there are weights. By default, the parts are kept.
    fn refine(
        &self,
        _models: &[Self::Model],
        _sample: Sample,
        _period: usize,
        _weights: &[f64],
        _parts: &mut [Part],
    ) {
    }

    /// Expected values after the sample, see [`forecast`].
    fn forecast(
        &self,
        models: &[Self::Model],
        sample: Sample,
        controls: &[&[f64]],
        period: usize,
        weights: &[f64],
        in_detail: bool,
    ) -> Option<Forecast>;
}

/// Regression on season and controls with autocorrelated errors, whose level may wander.
pub(crate) struct Regression {
    /// Number of steps in a year.
    pub(crate) year: f64,
}

impl Family for Regression {
    type Model = Model;

    const HAS_STEP: bool = true;

    fn weigh(&self, sample: Sample, controls: &[&[f64]], period: usize) -> Vec<Model> {
        weigh_among(grid_of(sample, self.year), sample, controls, period)
    }

    fn refine(
        &self,
        models: &[Model],
        sample: Sample,
        period: usize,
        weights: &[f64],
        parts: &mut [Part],
    ) {
        replace_by_step(models, sample, period, weights, parts);
    }

    fn forecast(
        &self,
        models: &[Model],
        sample: Sample,
        controls: &[&[f64]],
        period: usize,
        weights: &[f64],
        in_detail: bool,
    ) -> Option<Forecast> {
        forecast(models, sample, controls, period, weights, in_detail)
    }
}

/// Regression on a straight line, season and controls, with errors that return to it: the part of a
/// segmented regression before the change. The prior of the slope is flat.
pub(crate) struct Line;

impl Family for Line {
    type Model = Model;

    fn weigh(&self, sample: Sample, controls: &[&[f64]], period: usize) -> Vec<Model> {
        let models = grid_of(sample, DAYS)
            .filter(|model| model.slope.is_none() && model.walk_variance == 0.0)
            .map(|model| Model {
                slope: Some(f64::INFINITY),
                ..model
            });
        weigh_among(models, sample, controls, period)
    }

    fn forecast(
        &self,
        models: &[Model],
        sample: Sample,
        controls: &[&[f64]],
        period: usize,
        weights: &[f64],
        in_detail: bool,
    ) -> Option<Forecast> {
        forecast(models, sample, controls, period, weights, in_detail)
    }
}
