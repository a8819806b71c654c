//! Small charts of a value over reports, as inline SVG.
//!
//! Colours come from the style sheet by class, so that the same chart fits light and dark pages.
//! Every chart has a title and a description, and its values are in a table on the same page.

use minijinja::HtmlEscape;
use retrocast_domain::number::{sensible, with_unit};
use std::fmt::Write as _;

/// A value with its interval, and the report that states it.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub name: String,
    pub value: Option<f64>,
    pub interval: Option<[f64; 2]>,
}

/// Contents of a chart.
#[derive(Debug)]
pub(crate) struct Trend<'a> {
    pub title: &'a str,
    pub unit: &'a str,
    /// A line to compare with: a target, or zero.
    pub level: Option<f64>,
    pub points: &'a [Point],
}

/// Size of the chart, and its margins around the plot, in pixels.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// Maximum number of points of a chart; a longer series is reduced to the extremes of its parts.
const POINTS_MAX: usize = 240;

/// Formats a coordinate with one decimal.
fn coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}

/// Draws the values of a figure or a finding; empty with fewer than two values.
pub(crate) fn chart(trend: &Trend) -> String {
    let values = || trend.points.iter().filter_map(|point| point.value);
    if values().count() < 2 {
        return String::new();
    }
    let bounds = trend.points.iter().filter(|point| point.value.is_some());
    let bounds = bounds.filter_map(|point| point.interval).flatten();
    let drawn = values().chain(trend.level).chain(bounds);
    let (low, high) = drawn.fold((f64::MAX, f64::MIN), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let (low, high) = if low < high {
        (low, high)
    } else {
        (
            low - low.abs().max(1.0) / 2.0,
            high + high.abs().max(1.0) / 2.0,
        )
    };
    let last = (trend.points.len() - 1).max(1) as f64;
    let x = |index: usize| LEFT + (WIDTH - LEFT - RIGHT) * index as f64 / last;
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low);
    let mut body = String::new();
    for value in [low, f64::midpoint(low, high), high] {
        let (line_y, label) = (coordinate(y(value)), label(value, trend.unit));
        let _ = write!(
            body,
            "<path class=\"grid\" d=\"M{} {line_y}H{}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            coordinate(LEFT),
            coordinate(WIDTH - RIGHT),
            coordinate(LEFT - 8.0),
            coordinate(y(value) + 4.0),
            HtmlEscape(&label),
        );
    }
    if let Some(level) = trend.level {
        let _ = write!(
            body,
            "<path class=\"level\" d=\"M{} {}H{}\"/>",
            coordinate(LEFT),
            coordinate(y(level)),
            coordinate(WIDTH - RIGHT)
        );
    }
    let shown = select_points(trend.points);
    for index in &shown {
        if let Some([low, high]) = trend.points[*index]
            .interval
            .filter(|_| trend.points[*index].value.is_some())
        {
            let _ = write!(
                body,
                "<path class=\"interval\" d=\"M{0} {1}V{2}\"/>",
                coordinate(x(*index)),
                coordinate(y(high)),
                coordinate(y(low))
            );
        }
    }
    let _ = write!(
        body,
        "<path class=\"course\" d=\"{}\"/>",
        line(&shown, trend.points, &x, &y)
    );
    if shown.len() <= 80 {
        for index in &shown {
            if let Some(value) = trend.points[*index].value {
                let _ = write!(
                    body,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"2.5\"/>",
                    coordinate(x(*index)),
                    coordinate(y(value))
                );
            }
        }
    }
    let names = [trend.points.first(), trend.points.last()];
    for (name, x, anchor) in [(names[0], LEFT, "start"), (names[1], WIDTH - RIGHT, "end")] {
        let name = name.map_or("", |point| point.name.as_str());
        let _ = write!(
            body,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            coordinate(x),
            coordinate(HEIGHT - 10.0),
            HtmlEscape(name)
        );
    }
    // A page may have several charts with different titles.
    let id = &blake3::hash(trend.title.as_bytes()).to_hex()[..8];
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"t-{id} d-{id}\"><title id=\"t-{id}\">{}</title><desc id=\"d-{id}\">{}</desc>{body}</svg>",
        coordinate(WIDTH),
        coordinate(HEIGHT),
        HtmlEscape(trend.title),
        HtmlEscape(&description(trend)),
    )
}

/// Describes the trend in words, for readers who cannot see the chart.
fn description(trend: &Trend) -> String {
    let mut known = trend
        .points
        .iter()
        .filter_map(|point| Some((&point.name, point.value?)));
    let (Some(first), Some(last)) = (known.clone().next(), known.next_back()) else {
        return String::new();
    };
    let value = |value: f64| label(value, trend.unit);
    format!(
        "From {} in {} to {} in {}. All values are in the table.",
        value(first.1),
        first.0,
        value(last.1),
        last.0
    )
}

fn label(value: f64, unit: &str) -> String {
    match unit {
        "share" | "min" | "ratio" => with_unit(value, unit),
        _ => sensible(value),
    }
}

/// Selects the positions of the points to draw: all or, for a long series, the extremes of each
/// part.
fn select_points(points: &[Point]) -> Vec<usize> {
    if points.len() <= POINTS_MAX {
        return (0..points.len()).collect();
    }
    let size = points.len().div_ceil(POINTS_MAX / 2);
    let mut out = Vec::new();
    for start in (0..points.len()).step_by(size) {
        let part = start..(start + size).min(points.len());
        let known = part.filter(|index| points[*index].value.is_some());
        let by_value = |a: &usize, b: &usize| {
            let value = |index: &usize| points[*index].value.unwrap_or_default();
            value(a).total_cmp(&value(b)).then(a.cmp(b))
        };
        let extremes = [known.clone().min_by(by_value), known.max_by(by_value)];
        out.extend(extremes.into_iter().flatten());
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// Draws a line through the known values, interrupted at missing values.
fn line(
    shown: &[usize],
    points: &[Point],
    x: &dyn Fn(usize) -> f64,
    y: &dyn Fn(f64) -> f64,
) -> String {
    let (mut out, mut pen_is_down) = (String::new(), false);
    for index in shown {
        match points[*index].value {
            Some(value) => {
                let command = if pen_is_down { 'L' } else { 'M' };
                let _ = write!(
                    out,
                    "{command}{} {}",
                    coordinate(x(*index)),
                    coordinate(y(value))
                );
                pen_is_down = true;
            }
            None => pen_is_down = false,
        }
    }
    out
}

/// Draws the last values as a line without axes; the values are elsewhere on the page.
pub(crate) fn spark(values: &[Option<f64>]) -> String {
    let points: Vec<Point> = values
        .iter()
        .map(|value| Point {
            name: String::new(),
            value: *value,
            interval: None,
        })
        .collect();
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    if known.len() < 2 {
        return String::new();
    }
    let low = known.iter().copied().fold(f64::MAX, f64::min);
    let high = known.iter().copied().fold(f64::MIN, f64::max);
    let last = (points.len() - 1).max(1) as f64;
    let x = |index: usize| 2.0 + 96.0 * index as f64 / last;
    let y = |value: f64| {
        if high > low {
            3.0 + 18.0 * (high - value) / (high - low)
        } else {
            12.0
        }
    };
    let indices: Vec<usize> = (0..points.len()).collect();
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 100 24\" aria-hidden=\"true\"><path class=\"course\" d=\"{}\"/></svg>",
        line(&indices, &points, &x, &y)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[Option<f64>]) -> Vec<Point> {
        let point = |(index, value): (usize, &Option<f64>)| Point {
            name: format!("<W{index}>"),
            value: *value,
            interval: value.map(|value| [value - 1.0, value + 1.0]),
        };
        values.iter().enumerate().map(point).collect()
    }

    fn draw(values: &[Option<f64>]) -> String {
        chart(&Trend {
            title: "A & B",
            unit: "min",
            level: Some(3.0),
            points: &points(values),
        })
    }

    #[test]
    fn charts_are_escaped_and_interrupted_at_gaps() {
        let svg = draw(&[Some(1.0), None, Some(2.0), Some(2.0)]);
        assert!(svg.contains("A &amp; B") && svg.contains("&lt;W0&gt;"));
        assert!(!svg.contains("<W") && !svg.contains("NaN") && !svg.contains("style="));
        let path = svg.split("class=\"course\" d=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        assert_eq!(
            (path.matches('M').count(), path.matches('L').count()),
            (2, 1)
        );
        assert_eq!(svg.matches("class=\"interval\"").count(), 3);
    }

    #[test]
    fn a_single_value_has_no_chart_and_equal_values_have_one() {
        assert_eq!(draw(&[Some(1.0), None]), "");
        assert_eq!(spark(&[Some(1.0)]), "");
        assert!(!draw(&[Some(0.0), Some(0.0)]).contains("NaN"));
        assert!(!spark(&[Some(5.0), Some(5.0)]).contains("NaN"));
    }

    #[test]
    fn a_long_series_keeps_its_extremes() {
        let values: Vec<Option<f64>> = (0..10_000)
            .map(|n| Some(if n == 5_432 { 99.0 } else { f64::from(n % 7) }))
            .collect();
        let points = points(&values);
        let shown = select_points(&points);
        assert!(shown.len() <= POINTS_MAX && shown.contains(&5_432));
        assert!(draw(&values).len() < 40_000);
    }
}
