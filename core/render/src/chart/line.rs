//! Line charts, with bands, levels, markers, and names at the ends of lines.

use super::{
    Options,
    plot::{
        EndLabel, Flag, LabelAreas, Plot, assign_lanes, draw_end_labels, draw_flags,
        end_label_width, lanes_height, move_apart, smallest_gap, time_axis_height, time_extent,
        unit_line, value_axis_width,
    },
    scale::{Axis, Format, drawable, seconds},
    stroke::{Key, Stroke, is_narrow, key_rows},
    svg::{Anchor, Canvas, Ink, Rect, Style},
    text::{marker_label, shorten},
};
use jiff::civil::DateTime;
use retrocast_domain::chart::{Band, Level, Marker, Series};

/// Maximum number of named lines; more would be illegible.
const NAMED_LINES_MAX: usize = 8;
/// Maximum number of labels at points; more would hide the line.
const NAMED_POINTS_MAX: usize = 12;

/// The parts of a line chart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub series: &'a [Series],
    pub bands: &'a [Band],
    pub markers: &'a [Marker],
    pub levels: &'a [Level],
}

pub(crate) fn draw(unit: &str, parts: Parts, options: &Options) -> (Canvas, f64) {
    let mut canvas = Canvas::new(options.width_pt, options.font_pt);
    let font = canvas.font;
    let format = Format::of_unit(unit);
    let axis = Axis::around(values(parts), 4);
    let named = parts.series.len() + parts.bands.len() > 1;
    let names: Vec<&str> = if named {
        let lines = parts
            .series
            .iter()
            .take(NAMED_LINES_MAX)
            .map(|s| s.name.as_str());
        lines
            .chain(parts.bands.iter().map(|b| b.name.as_str()))
            .collect()
    } else {
        Vec::new()
    };
    let height = options
        .height_pt
        .unwrap_or((options.width_pt * 0.3).clamp(font * 15.0, font * 21.0));
    let narrow = named && (is_narrow(options) || ends_collide(parts, axis, font, height));
    let names = if narrow { Vec::new() } else { names };
    let (from, to) = time_extent(times(parts));
    let mut plot = Plot {
        left: value_axis_width(axis, format, font),
        right: canvas.width - end_label_width(&names, font, canvas.width * 0.3).max(font * 0.8),
        top: 0.0,
        bottom: 0.0,
        from,
        to,
        axis,
    };
    let flags: Vec<Flag> = parts
        .markers
        .iter()
        .filter(|marker| marker.value.and_then(|v| drawable(Some(v))).is_none())
        .map(|marker| Flag {
            x: plot.x(seconds(marker.time)),
            text: marker_label(&marker.label),
        })
        .collect();
    let placed = assign_lanes(&flags, canvas.width, font);
    let mut top = unit_line(&mut canvas, unit, 0.0);
    if narrow {
        top = key_rows(&mut canvas, &keys(parts, font), top);
    }
    plot.top = top + lanes_height(&placed, font) + font * 0.5;
    plot.bottom = plot.top + (height - plot.top - time_axis_height(font)).max(font * 8.0);

    plot.draw_value_axis(&mut canvas, format);
    plot.draw_time_axis(
        &mut canvas,
        smallest_gap(parts.series.iter().map(|s| s.times.as_slice())),
    );
    for band in parts.bands {
        draw_band(&mut canvas, &plot, band);
    }
    let unlabelled = parts
        .markers
        .iter()
        .filter(|m| m.value.is_none() && m.label.trim().is_empty());
    for marker in unlabelled {
        let x = plot.x(seconds(marker.time));
        canvas.dashed((x, plot.top), (x, plot.bottom), Ink::Axis, 0.6);
    }
    draw_flags(&mut canvas, &plot, &placed, plot.bottom);
    let mut areas = LabelAreas::default();
    for (i, series) in parts.series.iter().enumerate().rev() {
        let stroke = Stroke::for_role(series.role, i, font);
        draw_series(
            &mut canvas,
            &plot,
            &series.times,
            &series.values,
            stroke,
            &mut areas,
        );
    }
    draw_levels(&mut canvas, &plot, parts.levels, &mut areas);
    draw_points(&mut canvas, &plot, parts.markers, &mut areas);
    if named && !narrow {
        let labels = line_labels(&mut canvas, &plot, parts, &mut areas);
        draw_end_labels(&mut canvas, &plot, &labels, &mut areas);
    }
    let bottom = plot.bottom + time_axis_height(font);
    (canvas, bottom)
}

/// Returns true if names at the ends of lines must be moved so far that it is unclear which line
/// each belongs to.
fn ends_collide(parts: Parts, axis: Axis, font: f64, height: f64) -> bool {
    let (_, to) = time_extent(times(parts));
    let plot_height = (height - font * 7.0).max(font * 8.0);
    let y = |value: f64| (1.0 - axis.fraction(value)) * plot_height;
    let lines = parts.series.iter().filter_map(|series| {
        let pairs = series.times.iter().zip(&series.values);
        let (time, value) = pairs
            .filter_map(|(time, value)| Some((seconds(*time), drawable(*value)?)))
            .max_by(|a, b| a.0.total_cmp(&b.0))?;
        (time >= to).then_some(y(value))
    });
    let bands = parts.bands.iter().filter_map(band_end).map(y);
    let mut ends: Vec<(f64, f64)> = lines.chain(bands).map(|y| (y, font * 1.3)).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let centres = move_apart(&ends, (-font * 0.5, plot_height + font * 0.8));
    let mut moves = centres.iter().zip(&ends);
    moves.any(|(centre, (end, _))| (centre - end).abs() > font * 1.2)
}

/// The value at which the name of a band is placed, near the upper edge.
fn band_end(band: &Band) -> Option<f64> {
    let (upper, lower) = (band.upper.last()?, band.lower.last()?);
    let value = (upper * 3.0 + lower) / 4.0;
    value.is_finite().then_some(value)
}

fn keys(parts: Parts, font: f64) -> Vec<Key> {
    let lines = parts
        .series
        .iter()
        .enumerate()
        .take(NAMED_LINES_MAX)
        .map(|(i, series)| Key {
            name: series.name.clone(),
            stroke: Some(Stroke::for_role(series.role, i, font)),
        });
    let bands = parts.bands.iter().map(|band| Key {
        name: band.name.clone(),
        stroke: None,
    });
    lines.chain(bands).collect()
}

fn values(parts: Parts) -> impl Iterator<Item = f64> {
    let lines = parts
        .series
        .iter()
        .flat_map(|s| s.values.iter().filter_map(|v| drawable(*v)));
    let bands = parts
        .bands
        .iter()
        .flat_map(|b| b.lower.iter().chain(&b.upper));
    let markers = parts.markers.iter().filter_map(|m| drawable(m.value));
    let levels = parts.levels.iter().map(|l| &l.value);
    lines
        .chain(bands.chain(levels).filter_map(|v| drawable(Some(*v))))
        .chain(markers)
}

fn times(parts: Parts<'_>) -> impl Iterator<Item = &DateTime> {
    let lines = parts.series.iter().flat_map(|s| s.times.iter());
    let bands = parts.bands.iter().flat_map(|b| b.times.iter());
    let markers = parts.markers.iter().map(|m| &m.time);
    let levels = parts.levels.iter().flat_map(|l| [&l.start, &l.end]);
    lines.chain(bands).chain(markers).chain(levels)
}

/// Draws a line with its gaps; a point between two gaps becomes a dot.
pub(crate) fn draw_series(
    canvas: &mut Canvas,
    plot: &Plot,
    times: &[DateTime],
    values: &[Option<f64>],
    stroke: Stroke,
    areas: &mut LabelAreas,
) {
    for run in runs(plot, times, values) {
        if let [only] = run[..] {
            canvas.dot(only, stroke.width * 1.2, stroke.ink);
        } else {
            let points = reduce_points(&run);
            reserve_area(&points, canvas.font, areas);
            canvas.polyline(&points, stroke.ink, stroke.width, stroke.dash);
        }
    }
}

/// Reserves the area of a line, in boxes small enough to follow it closely.
fn reserve_area(points: &[(f64, f64)], font: f64, areas: &mut LabelAreas) {
    if points.len() > 400 {
        return;
    }
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let pieces = (((a.1 - b.1).abs() / (font * 0.5)).ceil() as usize).clamp(1, 60);
        let position = |i: usize| {
            let share = i as f64 / pieces as f64;
            (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share)
        };
        for i in 0..pieces {
            let (from, to) = (position(i), position(i + 1));
            areas.add(Rect {
                left: from.0,
                right: to.0.max(from.0 + 0.1),
                top: from.1.min(to.1) - 0.5,
                bottom: from.1.max(to.1) + 0.5,
            });
        }
    }
}

/// Splits a line at gaps into sequences of positions, in the order of time.
fn runs(plot: &Plot, times: &[DateTime], values: &[Option<f64>]) -> Vec<Vec<(f64, f64)>> {
    let mut pairs: Vec<(f64, Option<f64>)> = times
        .iter()
        .zip(values)
        .map(|(t, v)| (seconds(*t), drawable(*v)))
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (time, value) in pairs {
        match (value, out.last_mut()) {
            (Some(value), Some(run)) => run.push((plot.x(time), plot.y(value))),
            _ => out.push(Vec::new()),
        }
    }
    out.retain(|run| !run.is_empty());
    out
}

/// Reduces a line to at most four positions per point of width: first, lowest, highest and last.
fn reduce_points(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let span = points.last().map_or(0.0, |p| p.0) - points[0].0;
    if (points.len() as f64) < (span * 2.0).max(64.0) {
        return points.to_vec();
    }
    let mut out = Vec::new();
    for bucket in points.chunk_by(|a, b| a.0.floor() == b.0.floor()) {
        let extreme = |sign: f64| {
            let order =
                |a: &usize, b: &usize| (sign * bucket[*a].1).total_cmp(&(sign * bucket[*b].1));
            (0..bucket.len()).min_by(order).unwrap_or(0)
        };
        let mut keep = [0, extreme(1.0), extreme(-1.0), bucket.len() - 1];
        keep.sort_unstable();
        for (i, index) in keep.iter().enumerate() {
            if i == 0 || keep[i - 1] != *index {
                out.push(bucket[*index]);
            }
        }
    }
    out
}

/// Draws an interval as a translucent field.
pub(crate) fn draw_band(canvas: &mut Canvas, plot: &Plot, band: &Band) {
    let mut edge: Vec<(f64, f64, f64)> = band
        .times
        .iter()
        .zip(band.lower.iter().zip(&band.upper))
        .filter_map(|(t, (low, high))| {
            Some((seconds(*t), drawable(Some(*low))?, drawable(Some(*high))?))
        })
        .collect();
    edge.sort_by(|a, b| a.0.total_cmp(&b.0));
    let upper: Vec<_> = edge
        .iter()
        .map(|(t, _, high)| (plot.x(*t), plot.y(*high)))
        .collect();
    let lower: Vec<_> = edge
        .iter()
        .map(|(t, low, _)| (plot.x(*t), plot.y(*low)))
        .collect();
    if let ([top], [bottom]) = (&upper[..], &lower[..]) {
        canvas.line(*top, *bottom, Ink::Band, canvas.font * 0.2);
        return;
    }
    let (mut ring, mut low) = (reduce_if_any(&upper), reduce_if_any(&lower));
    low.reverse();
    ring.extend(low);
    canvas.area(&ring, Ink::Band, 0.24);
}

fn reduce_if_any(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.is_empty() {
        Vec::new()
    } else {
        reduce_points(points)
    }
}

fn draw_levels(canvas: &mut Canvas, plot: &Plot, levels: &[Level], areas: &mut LabelAreas) {
    let font = canvas.font;
    for level in levels.iter().filter(|l| l.value.is_finite()) {
        let y = plot.y(level.value.clamp(-1e100, 1e100));
        let (a, b) = (plot.x(seconds(level.start)), plot.x(seconds(level.end)));
        canvas.line((a, y), (b, y), Ink::Text, font * 0.16);
        let size = font * 0.92;
        let text = shorten(
            &level.label,
            (canvas.width * 0.4).max((b - a).abs()),
            size,
            true,
        );
        let style = Style::new(size, Ink::Text, Anchor::Start).bold().halo();
        let end = Style {
            anchor: Anchor::End,
            ..style
        };
        let mut candidates = Vec::new();
        for step in 0..6 {
            let away = font * 1.2 * f64::from(step);
            let (above, below) = (y - font * 0.4 - away, y + font * 1.15 + away);
            candidates.extend([
                (style, a, above),
                (end, b, above),
                (style, a, below),
                (end, b, below),
            ]);
        }
        write_first_free(canvas, plot, &candidates, &text, areas, true);
    }
}

/// Writes a text at the first free position; if none is free, at the first position if the text
/// `is_required`. Returns its box.
fn write_first_free(
    canvas: &mut Canvas,
    plot: &Plot,
    candidates: &[(Style, f64, f64)],
    text: &str,
    areas: &mut LabelAreas,
    is_required: bool,
) -> Option<Rect> {
    if text.is_empty() {
        return None;
    }
    let inside = |rect: &Rect| {
        rect.top >= plot.top - canvas.font && rect.bottom <= plot.bottom && rect.left >= plot.left
    };
    let free = candidates.iter().find(|(style, x, y)| {
        let rect = style.text_box(*x, *y, text, plot.right.max(plot.left + 1.0));
        inside(&rect) && areas.is_free(&rect)
    });
    let (style, x, y) = free.or_else(|| candidates.first().filter(|_| is_required))?;
    let rect = style.text_box(*x, *y, text, plot.right.max(plot.left + 1.0));
    let start = Style {
        anchor: Anchor::Start,
        ..*style
    };
    let rect = canvas.text(rect.left, *y, start, text);
    areas.add(rect);
    Some(rect)
}

fn draw_points(canvas: &mut Canvas, plot: &Plot, markers: &[Marker], areas: &mut LabelAreas) {
    let font = canvas.font;
    let points: Vec<(&Marker, (f64, f64))> = markers
        .iter()
        .filter_map(|m| Some((m, (plot.x(seconds(m.time)), plot.y(drawable(m.value)?)))))
        .collect();
    for (_, centre) in &points {
        canvas.dot(*centre, font * 0.34, Ink::Warning);
        canvas.ring(*centre, font * 0.6, Ink::Warning);
        let reach = font * 0.6;
        areas.add(Rect {
            left: centre.0 - reach,
            right: centre.0 + reach,
            top: centre.1 - reach,
            bottom: centre.1 + reach,
        });
    }
    for (marker, (x, y)) in points.iter().take(NAMED_POINTS_MAX) {
        let size = font * 0.92;
        let text = shorten(
            &marker_label(&marker.label),
            canvas.width * 0.36,
            size,
            true,
        );
        let style = |anchor| Style::new(size, Ink::Warning, anchor).bold().halo();
        let (start, middle, end) = (
            style(Anchor::Start),
            style(Anchor::Middle),
            style(Anchor::End),
        );
        let side = font * 0.95;
        let mut candidates = vec![
            (start, x + side, y + size * 0.3),
            (end, x - side, y + size * 0.3),
            (middle, *x, y - font),
            (middle, *x, y + font * 1.8),
        ];
        for step in 1..6 {
            let away = font * (1.0 + 1.2 * f64::from(step));
            candidates.push((start, x + side, y - away));
            candidates.push((end, x - side, y - away));
            candidates.push((start, x + side, y + away + size));
            candidates.push((end, x - side, y + away + size));
        }
        let Some(rect) = write_first_free(canvas, plot, &candidates, &text, areas, false) else {
            continue;
        };
        // A leader connects a label with its distant point.
        let near = (
            x.clamp(rect.left, rect.right),
            y.clamp(rect.top, rect.bottom),
        );
        let (dx, dy) = (near.0 - x, near.1 - y);
        let away = dx.hypot(dy);
        if away > font * 1.5 {
            let reach = font * 0.68 / away;
            canvas.line(
                (x + dx * reach, y + dy * reach),
                near,
                Ink::Warning,
                font * 0.07,
            );
        }
    }
}

fn line_labels(
    canvas: &mut Canvas,
    plot: &Plot,
    parts: Parts,
    areas: &mut LabelAreas,
) -> Vec<EndLabel> {
    let font = canvas.font;
    let mut labels = Vec::new();
    for (i, series) in parts.series.iter().enumerate().take(NAMED_LINES_MAX) {
        let pairs = series.times.iter().zip(&series.values);
        let last = pairs
            .filter_map(|(t, v)| Some((seconds(*t), drawable(*v)?)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((time, value)) = last else { continue };
        let stroke = Stroke::for_role(series.role, i, font);
        let end = (plot.x(time), plot.y(value));
        if i == 0 && !stroke.dash {
            canvas.dot(end, font * 0.28, stroke.ink);
        }
        let bold = stroke.ink == Ink::Accent;
        if end.0 < plot.right - font {
            // A line that ends early is named at its own end, if there is a free position near it.
            let style = Style {
                bold,
                ..Style::new(font, stroke.label, Anchor::End)
            }
            .halo();
            let candidates: Vec<_> = (1..8)
                .flat_map(|step| {
                    let away = font * (0.2 + 0.6 * f64::from(step));
                    [
                        (style, end.0, end.1 - away),
                        (style, end.0, end.1 + away + font * 0.6),
                    ]
                })
                .collect();
            if write_first_free(canvas, plot, &candidates, &series.name, areas, false).is_some() {
                continue;
            }
            canvas.dashed(
                (end.0 + font * 0.5, end.1),
                (plot.right + font * 0.35, end.1),
                Ink::Axis,
                0.5,
            );
        }
        labels.push(EndLabel {
            text: series.name.clone(),
            y: end.1,
            ink: stroke.label,
            bold,
        });
    }
    for band in parts.bands {
        let edges = band.times.iter().zip(band.upper.iter().zip(&band.lower));
        let last = edges
            .rev()
            .find(|(_, (a, b))| a.is_finite() && b.is_finite());
        if let Some((_, (upper, lower))) = last {
            // The label is near the edge that is farther from the line, where most of the band is.
            let y = (plot.y(*upper) * 3.0 + plot.y(*lower)) / 4.0;
            labels.push(EndLabel {
                text: band.name.clone(),
                y,
                ink: Ink::Muted,
                bold: false,
            });
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reducing_points_keeps_extremes() {
        let points: Vec<(f64, f64)> = (0..100_000)
            .map(|i| {
                (
                    f64::from(i) / 1000.0,
                    if i == 54_321 { -99.0 } else { f64::from(i % 7) },
                )
            })
            .collect();
        let reduced = reduce_points(&points);
        assert!(reduced.len() <= 404, "{}", reduced.len());
        assert!(reduced.iter().any(|p| p.1 == -99.0));
        assert!(reduced.windows(2).all(|w| w[0].0 <= w[1].0));
    }
}
