//! Charts as SVG, the same for PDF, HTML and mail.
//!
//! A custom writer gives the same bytes for the same data, a title and a description for every
//! chart, and colours that a page can replace. A chart's title is not drawn: it is text above the
//! chart, where it can be selected.

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
mod values;

pub use svg::dark_css;
pub(crate) use text::escape;
pub(crate) use values::values;

use retrocast_domain::{Chart, ChartKind};

/// Size of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Width of the chart, in points.
    pub width_pt: f64,
    /// Font size in points; everything else is in proportion.
    pub font_pt: f64,
    /// Height in points; `None` for a default that depends on the kind.
    pub height_pt: Option<f64>,
    /// Appended to ids, for a page that contains the same chart twice.
    pub id_suffix: String,
}

impl Default for Options {
    /// The text width of an A4 page.
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
    /// Creates options with a width and a font size, in points.
    pub fn new(width_pt: f64, font_pt: f64) -> Self {
        Self {
            width_pt,
            font_pt,
            ..Self::default()
        }
    }

    /// Sets the height, in points.
    #[must_use]
    pub fn height(mut self, height_pt: f64) -> Self {
        self.height_pt = Some(height_pt);
        self
    }

    /// Sets the suffix of ids.
    #[must_use]
    pub fn suffix(mut self, suffix: &str) -> Self {
        self.id_suffix = suffix.to_string();
        self
    }

    fn clamp_sizes(&self) -> Self {
        let clamp = |value: f64, low: f64, high: f64| {
            if value.is_finite() {
                value.clamp(low, high)
            } else {
                low
            }
        };
        Self {
            width_pt: clamp(self.width_pt, 20.0, 4000.0),
            font_pt: clamp(self.font_pt, 2.0, 80.0),
            height_pt: self.height_pt.map(|height| clamp(height, 4.0, 4000.0)),
            id_suffix: self.id_suffix.clone(),
        }
    }
}

/// Draws a chart as a self-contained SVG file.
///
/// For any data (empty, gaps, NaN, huge values, hostile text), the result is well-formed and all
/// text is inside the chart.
pub fn svg(chart: &Chart, options: &Options) -> String {
    let options = options.clamp_sizes();
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
