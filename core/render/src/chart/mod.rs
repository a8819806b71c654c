//! Charts as SVG: one drawing for PDF, HTML and mail.
//!
//! A writer of our own gives the same bytes for the same data, a title and a description for every
//! picture, and drawings that a page can recolour. A chart's title is not drawn: it is text above
//! the picture, where it can be selected.

mod bars;
mod before_after;
mod bullet;
mod calendar_heat;
mod line;
mod plot;
mod scale;
mod small_multiples;
mod sparkline;
mod stroke;
mod svg;
pub(crate) mod text;

pub use svg::dark_css;
pub(crate) use text::escape;

use retrocast_domain::{Chart, ChartKind};

/// Size of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Width of the picture.
    pub width_pt: f64,
    /// Size of its words; everything else is drawn in proportion.
    pub font_pt: f64,
    /// Height, or `None` for the one that suits the form.
    pub height_pt: Option<f64>,
    /// Appended to the identifiers inside, for when a page holds the same chart twice.
    pub id_suffix: String,
}

impl Default for Options {
    /// The full measure of an A4 page.
    fn default() -> Self {
        Self {
            width_pt: 480.0,
            font_pt: 8.0,
            height_pt: None,
            id_suffix: String::new(),
        }
    }
}

impl Options {
    /// A width and a size of words.
    pub fn new(width_pt: f64, font_pt: f64) -> Self {
        Self {
            width_pt,
            font_pt,
            ..Self::default()
        }
    }

    /// The same with this height.
    #[must_use]
    pub fn height(mut self, height_pt: f64) -> Self {
        self.height_pt = Some(height_pt);
        self
    }

    /// The same with this appended to identifiers.
    #[must_use]
    pub fn suffix(mut self, suffix: &str) -> Self {
        self.id_suffix = suffix.to_string();
        self
    }

    fn sane(&self) -> Self {
        let hold = |value: f64, low: f64, high: f64| {
            if value.is_finite() {
                value.clamp(low, high)
            } else {
                low
            }
        };
        Self {
            width_pt: hold(self.width_pt, 20.0, 4000.0),
            font_pt: hold(self.font_pt, 2.0, 80.0),
            height_pt: self.height_pt.map(|height| hold(height, 4.0, 4000.0)),
            id_suffix: self.id_suffix.clone(),
        }
    }
}

/// Draws a chart as a self-contained SVG file.
///
/// For any data (empty, gaps, not numbers, huge, hostile words), the result is well-formed and all
/// words are inside the picture.
pub fn svg(chart: &Chart, options: &Options) -> String {
    let options = options.sane();
    let unit = chart.unit.as_str();
    let (canvas, height) = match &chart.kind {
        ChartKind::Line {
            series,
            bands,
            markers,
            levels,
        } => line::draw(
            unit,
            line::Parts {
                series,
                bands,
                markers,
                levels,
            },
            &options,
        ),
        ChartKind::Bars {
            bars,
            baseline,
            baseline_label,
            horizontal,
        } => {
            let (baseline, horizontal) = (*baseline, *horizontal);
            bars::draw(
                unit,
                bars::Parts {
                    bars,
                    baseline,
                    baseline_label,
                    horizontal,
                },
                &options,
            )
        }
        ChartKind::SmallMultiples { panels } => small_multiples::draw(unit, panels, &options),
        ChartKind::CalendarHeat { days } => calendar_heat::draw(unit, days, &options),
        ChartKind::BeforeAfter {
            observed,
            counterfactual,
            band,
            change,
            change_label,
        } => {
            let parts = before_after::Parts {
                observed,
                counterfactual,
                band,
                change: *change,
                change_label,
            };
            before_after::draw(unit, parts, &options)
        }
        ChartKind::Sparkline { values } => sparkline::draw(values, &options),
        ChartKind::Bullet {
            value,
            target,
            ranges,
            text,
        } => {
            let (value, target) = (*value, *target);
            bullet::draw(
                unit,
                bullet::Parts {
                    value,
                    target,
                    ranges,
                    text,
                },
                &options,
            )
        }
    };
    let id = text::identifier(&format!("{}{}", chart.id, options.id_suffix));
    canvas.finish(height, &id, &chart.title, &chart.alt)
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
