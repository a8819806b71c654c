//! The area of a chart: gridlines, axes, and labels that do not overlap.

use super::{
    scale::{Axis, Format, extent, seconds, time_ticks},
    svg::{Anchor, Canvas, Ink, Rect, Style},
    text::{shorten, text_width, wrap},
};
use jiff::civil::DateTime;

/// An area of a chart with a time axis and a value axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plot {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub from: f64,
    pub to: f64,
    pub axis: Axis,
}

impl Plot {
    pub(crate) fn x(&self, time: f64) -> f64 {
        let span = self.to - self.from;
        let share = if span > 0.0 {
            ((time - self.from) / span).clamp(0.0, 1.0)
        } else {
            0.5
        };
        self.left + share * (self.right - self.left)
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        self.bottom - self.axis.fraction(value) * (self.bottom - self.top)
    }

    /// Draws gridlines, with the numbers of the value axis to their left.
    pub(crate) fn draw_value_axis(&self, canvas: &mut Canvas, format: Format) {
        let size = canvas.font * 0.92;
        for tick in self.axis.ticks() {
            let y = self.y(tick);
            let ink = if tick == 0.0 { Ink::Axis } else { Ink::Grid };
            canvas.line((self.left, y), (self.right, y), ink, 0.6);
            let style = Style::new(size, Ink::Muted, Anchor::End);
            let text = format.tick(tick, self.axis.step);
            canvas.text(self.left - canvas.font * 0.5, y + size * 0.35, style, &text);
        }
    }

    /// Draws ticks and labels of the time axis below the plot, in at most two lines.
    pub(crate) fn draw_time_axis(&self, canvas: &mut Canvas, smallest_gap: f64) {
        let size = canvas.font * 0.92;
        let count = ((self.right - self.left) / (size * 4.6)) as usize;
        let style = Style::new(size, Ink::Muted, Anchor::Middle);
        let mut next_free = [f64::NEG_INFINITY; 2];
        for tick in time_ticks(self.from, self.to, count.min(12), smallest_gap) {
            let x = self.x(tick.seconds);
            let low = self.bottom + canvas.font * 0.35;
            canvas.line((x, self.bottom), (x, low), Ink::Axis, 0.6);
            for (row, text) in [&tick.label, &tick.below].into_iter().enumerate() {
                let baseline = self.bottom + canvas.font * (1.35 + 1.15 * row as f64);
                let text_box = style.text_box(x, baseline, text, canvas.width);
                if !text.is_empty() && text_box.left > next_free[row] {
                    canvas.text(x, baseline, style, text);
                    next_free[row] = text_box.right + size * 0.5;
                }
            }
        }
    }
}

/// Height of [`Plot::time_axis`], in points.
pub(crate) fn time_axis_height(font: f64) -> f64 {
    font * 2.9
}

/// Width of the numbers of a value axis, in points.
pub(crate) fn value_axis_width(axis: Axis, format: Format, font: f64) -> f64 {
    let widest = axis
        .ticks()
        .iter()
        .map(|tick| text_width(&format.tick(*tick, axis.step), font * 0.92, false))
        .fold(0.0, f64::max);
    widest + font * 0.7
}

/// Writes the unit once, at the top of the value axis; returns the used height in points.
pub(crate) fn unit_line(canvas: &mut Canvas, unit: &str, top: f64) -> f64 {
    if unit.trim().is_empty() {
        return canvas.font * 0.4;
    }
    let style = Style::new(canvas.font * 0.92, Ink::Muted, Anchor::Start);
    canvas.text(0.0, top + canvas.font, style, unit);
    canvas.font * 1.7
}

/// First and last of all times, in seconds since 1970.
pub(crate) fn time_extent<'a>(times: impl Iterator<Item = &'a DateTime>) -> (f64, f64) {
    extent(times.map(|t| seconds(*t))).unwrap_or((0.0, 0.0))
}

/// The smallest distance between neighbouring points of all lines, in seconds.
pub(crate) fn smallest_gap<'a>(lines: impl Iterator<Item = &'a [DateTime]>) -> f64 {
    let gaps = lines.flat_map(|times| times.windows(2).map(|w| seconds(w[1]) - seconds(w[0])));
    gaps.filter(|gap| *gap > 0.0)
        .fold(f64::INFINITY, f64::min)
        .min(400.0 * 86_400.0)
}

/// The areas that are covered by labels, lines and other shapes.
#[derive(Debug, Default)]
pub(crate) struct LabelAreas(Vec<Rect>);

impl LabelAreas {
    pub(crate) fn add(&mut self, rect: Rect) {
        self.0.push(rect);
    }

    pub(crate) fn is_free(&self, rect: &Rect) -> bool {
        !self.0.iter().any(|other| other.overlaps(rect))
    }
}

/// A label at the end of a line, with its preferred height.
#[derive(Debug, Clone)]
pub(crate) struct EndLabel {
    pub text: String,
    pub y: f64,
    pub ink: Ink,
    pub bold: bool,
}

/// Width of end labels in points, at most `limit`; longer labels are wrapped.
pub(crate) fn end_label_width(labels: &[&str], font: f64, limit: f64) -> f64 {
    let widest = labels
        .iter()
        .map(|text| text_width(text, font, true))
        .fold(0.0, f64::max);
    if widest == 0.0 {
        0.0
    } else {
        (widest + font * 1.2).min(limit)
    }
}

/// Writes labels to the right of a plot, moved apart if they would touch, with a leader to each
/// label that was moved.
pub(crate) fn draw_end_labels(
    canvas: &mut Canvas,
    plot: &Plot,
    labels: &[EndLabel],
    areas: &mut LabelAreas,
) {
    let font = canvas.font;
    let (x, line) = (plot.right + font * 0.9, font * 1.15);
    let width_left = canvas.width - x;
    let mut blocks: Vec<(&EndLabel, Vec<String>, f64)> = labels
        .iter()
        .map(|label| {
            (
                label,
                wrap(&label.text, width_left, font, label.bold, 2),
                label.y,
            )
        })
        .filter(|(_, lines, _)| !lines.is_empty())
        .collect();
    blocks.sort_by(|a, b| a.2.total_cmp(&b.2));
    let heights = blocks
        .iter()
        .map(|(_, lines, _)| lines.len() as f64 * line + font * 0.15);
    let preferred: Vec<(f64, f64)> = blocks.iter().map(|block| block.2).zip(heights).collect();
    let range = (plot.top - font * 0.5, plot.bottom + font * 0.8);
    for (block, y) in blocks.iter_mut().zip(move_apart(&preferred, range)) {
        block.2 = y;
    }
    for (label, lines, y) in &blocks {
        if (y - label.y).abs() > font * 0.5 {
            let end = (x - font * 0.2, *y);
            canvas.line((plot.right + font * 0.35, label.y), end, Ink::Axis, 0.5);
        }
        let mut style = Style::new(font, label.ink, Anchor::Start);
        style.bold = label.bold;
        let first = y - (lines.len() as f64 - 1.0) * line / 2.0 + font * 0.35;
        for (i, text) in lines.iter().enumerate() {
            areas.add(canvas.text(x, first + i as f64 * line, style, text));
        }
    }
}

/// Moves the centres of blocks apart within a range; blocks are centres and heights, from top to
/// bottom.
pub(crate) fn move_apart(blocks: &[(f64, f64)], range: (f64, f64)) -> Vec<f64> {
    let mut centres: Vec<f64> = Vec::new();
    let mut edge = range.0;
    for (y, height) in blocks {
        let centre = y.max(edge + height / 2.0);
        edge = centre + height / 2.0;
        centres.push(centre);
    }
    let mut edge = range.1;
    for (centre, (_, height)) in centres.iter_mut().zip(blocks).rev() {
        *centre = centre.min(edge - height / 2.0);
        edge = *centre - height / 2.0;
    }
    centres
}

/// A vertical rule with a label above it.
#[derive(Debug, Clone)]
pub(crate) struct Flag {
    pub x: f64,
    pub text: String,
}

/// Assigns flags to lanes, lane 0 next to the plot.
///
/// Flags are placed from right to left, each in the lowest free lane, so that a rule only passes
/// labels that begin to its right.
pub(crate) fn assign_lanes(flags: &[Flag], width: f64, font: f64) -> Vec<(Flag, usize, Rect)> {
    let mut order: Vec<Flag> = flags.to_vec();
    order.sort_by(|a, b| b.x.total_cmp(&a.x).then_with(|| a.text.cmp(&b.text)));
    let mut placed: Vec<(Flag, usize, Rect)> = Vec::new();
    for mut flag in order {
        flag.text = shorten(&flag.text, width * 0.6, font * 0.92, false);
        if flag.text.is_empty() {
            continue;
        }
        let style = flag_style(&flag, width, font);
        let mut text_box = style.text_box(flag_x(&flag, style, font), 0.0, &flag.text, width);
        (text_box.top, text_box.bottom) = (0.0, 1.0);
        let with_margin = Rect {
            left: text_box.left - font * 0.6,
            right: text_box.right + font * 0.6,
            ..text_box
        };
        let lane = (0..3).find(|lane| {
            !placed
                .iter()
                .any(|(_, other, rect)| other == lane && rect.overlaps(&with_margin))
        });
        if let Some(lane) = lane {
            placed.push((flag, lane, text_box));
        }
    }
    placed
}

fn flag_style(flag: &Flag, width: f64, font: f64) -> Style {
    let size = font * 0.92;
    let fits = flag.x + text_width(&flag.text, size, false) + font * 0.4 <= width;
    Style::new(
        size,
        Ink::Text,
        if fits { Anchor::Start } else { Anchor::End },
    )
}

fn flag_x(flag: &Flag, style: Style, font: f64) -> f64 {
    if style.anchor == Anchor::Start {
        flag.x + font * 0.35
    } else {
        flag.x - font * 0.35
    }
}

/// Height above a plot of the lanes with `placed` flags, in points.
pub(crate) fn lanes_height(placed: &[(Flag, usize, Rect)], font: f64) -> f64 {
    let lanes = placed
        .iter()
        .map(|(_, lane, _)| lane + 1)
        .max()
        .unwrap_or(0);
    if lanes == 0 {
        0.0
    } else {
        font * (lanes as f64 * 1.3 + 0.4)
    }
}

/// Draws the rules and labels of flags.
pub(crate) fn draw_flags(
    canvas: &mut Canvas,
    plot: &Plot,
    placed: &[(Flag, usize, Rect)],
    down_to: f64,
) {
    let font = canvas.font;
    for (flag, lane, _) in placed {
        let baseline = plot.top - font * (0.85 + 1.3 * *lane as f64);
        canvas.line(
            (flag.x, baseline - font * 0.8),
            (flag.x, down_to),
            Ink::Axis,
            0.8,
        );
    }
    for (flag, lane, _) in placed {
        let baseline = plot.top - font * (0.85 + 1.3 * *lane as f64);
        let style = flag_style(flag, canvas.width, font);
        canvas.text(
            flag_x(flag, style, font),
            baseline,
            style.halo(),
            &flag.text,
        );
    }
}
