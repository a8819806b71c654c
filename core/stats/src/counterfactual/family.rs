//! Families of models that a forecast averages over.

use super::{Forecast, Model, forecast, grid, weigh, weigh_among};

/// A family of models of a series, averaged over its members.
pub(crate) trait Family {
    /// A member of the family with its weight.
    type Model;

    /// The members, weighted by how well they explain the values. Controls are at least as long as
    /// these; `period` is the length of the season, 1 for none. Empty if no member can be fitted.
    fn weigh(&self, values: &[Option<f64>], controls: &[&[f64]], period: usize)
    -> Vec<Self::Model>;

    /// Expected values after `values`, see [`forecast`].
    fn forecast(
        &self,
        models: &[Self::Model],
        values: &[Option<f64>],
        controls: &[&[f64]],
        period: usize,
        counted: &[bool],
        in_detail: bool,
    ) -> Option<Forecast>;
}

/// Regression on season and controls with autocorrelated errors and an optional random walk of the
/// level.
pub(crate) struct Regression;

impl Family for Regression {
    type Model = Model;

    fn weigh(&self, values: &[Option<f64>], controls: &[&[f64]], period: usize) -> Vec<Model> {
        weigh(values, controls, period)
    }

    fn forecast(
        &self,
        models: &[Model],
        values: &[Option<f64>],
        controls: &[&[f64]],
        period: usize,
        counted: &[bool],
        in_detail: bool,
    ) -> Option<Forecast> {
        forecast(models, values, controls, period, counted, in_detail)
    }
}

/// Regression on a straight line, season and controls, with errors that return to it: the part of a
/// segmented regression before the change. The prior of the slope is flat.
pub(crate) struct Line;

impl Family for Line {
    type Model = Model;

    fn weigh(&self, values: &[Option<f64>], controls: &[&[f64]], period: usize) -> Vec<Model> {
        let models = grid(values.len())
            .filter(|model| model.slope.is_none() && model.walking == 0.0)
            .map(|model| Model {
                slope: Some(f64::INFINITY),
                ..model
            });
        weigh_among(models, values, controls, period)
    }

    fn forecast(
        &self,
        models: &[Model],
        values: &[Option<f64>],
        controls: &[&[f64]],
        period: usize,
        counted: &[bool],
        in_detail: bool,
    ) -> Option<Forecast> {
        forecast(models, values, controls, period, counted, in_detail)
    }
}
