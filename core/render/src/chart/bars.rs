//! Bars from a baseline, with intervals and the value at each bar.

use super::{
    Options,
    plot::{LabelAreas, unit_line, value_axis_width},
    scale::{Axis, Format, drawable},
    svg::{Anchor, Canvas, Ink, Rect, Style},
    text::{label_name, shorten, shorten_distinct, text_width},
};
use retrocast_domain::chart::Bar;

/// Maximum number of bars; the table has the others.
const ROWS_MAX: usize = 40;

/// The parts of a bar chart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub bars: &'a [Bar],
    pub baseline: f64,
    pub baseline_label: &'a str,
    pub horizontal: bool,
}

pub(crate) fn draw(unit: &str, parts: Parts, options: &Options) -> (Canvas, f64) {
    let baseline = drawable(Some(parts.baseline)).unwrap_or(0.0);
    let named = parts.bars.iter().map(|bar| Bar {
        label: label_name(&bar.label),
        ..bar.clone()
    });
    let bars: Vec<Bar> = named.collect();
    let parts = Parts {
        baseline,
        bars: &bars,
        ..parts
    };
    if parts.horizontal || needs_horizontal(parts, options) {
        draw_horizontal(unit, parts, options)
    } else {
        draw_vertical(unit, parts, options)
    }
}

/// Returns true if there are few bars and their names are too long for labels below them.
fn needs_horizontal(parts: Parts, options: &Options) -> bool {
    let slot = (options.width_pt - options.font_pt * 5.0) / parts.bars.len().max(1) as f64;
    let widest = parts
        .bars
        .iter()
        .map(|bar| {
            text_width(
                &shorten(&bar.label, 1e4, options.font_pt, false),
                options.font_pt,
                false,
            )
        })
        .fold(0.0, f64::max);
    let are_short = parts.bars.iter().all(|bar| bar.label.chars().count() <= 5);
    widest > slot && !are_short && parts.bars.len() <= ROWS_MAX
}

fn drawn_values(parts: Parts) -> impl Iterator<Item = f64> {
    parts.bars.iter().flat_map(move |bar| {
        let ends = bar.interval.unwrap_or([bar.value; 2]);
        [
            Some(bar.value),
            Some(ends[0]),
            Some(ends[1]),
            Some(parts.baseline),
        ]
        .into_iter()
        .filter_map(drawable)
    })
}

/// The accent colour marks the subject of the title; no bar has it if nothing is proven.
fn ink(bar: &Bar) -> Ink {
    if bar.highlight {
        Ink::Accent
    } else {
        Ink::Context
    }
}

fn draw_horizontal(unit: &str, parts: Parts, options: &Options) -> (Canvas, f64) {
    let mut canvas = Canvas::new(options.width_pt, options.font_pt);
    let font = canvas.font;
    let shown = &parts.bars[..parts.bars.len().min(ROWS_MAX)];
    let widest = |texts: &mut dyn Iterator<Item = &str>, bold| {
        texts
            .map(|t| text_width(&shorten(t, 1e4, font, bold), font, bold))
            .fold(0.0, f64::max)
    };
    let names_width =
        widest(&mut shown.iter().map(|b| b.label.as_str()), true).min(canvas.width * 0.36);
    let texts_width =
        widest(&mut shown.iter().map(|b| b.text.as_str()), true).min(canvas.width * 0.26);
    let (low, high) = super::scale::extent(drawn_values(parts)).unwrap_or((0.0, 1.0));
    let span = if high > low { high - low } else { 1.0 };
    // Labels of bars that point left are to the left of them, and need space there.
    let leftward = shown.iter().any(|bar| bar.value < parts.baseline);
    let left = names_width
        + font * 0.9
        + if leftward {
            texts_width + font * 0.6
        } else {
            0.0
        };
    let right = canvas.width - texts_width - font * 0.8;
    let x = |value: f64| left + (value - low) / span * (right - left).max(1.0);

    let mut top = unit_line(&mut canvas, unit, 0.0);
    let origin = x(parts.baseline);
    if !parts.baseline_label.trim().is_empty() {
        let style = Style::new(font * 0.92, Ink::Muted, Anchor::Middle);
        let label = shorten(parts.baseline_label, canvas.width * 0.7, font * 0.92, false);
        canvas.text(origin, top + font * 0.8, style, &label);
        top += font * 1.3;
    }
    let (row, thickness) = (font * 1.95, font * 1.2);
    let bottom = top + row * shown.len() as f64;
    for (i, bar) in shown.iter().enumerate() {
        let middle = top + row * (i as f64 + 0.5);
        let mut style = Style::new(font, Ink::Text, Anchor::Start);
        style.bold = bar.highlight;
        let labels = shown.iter().map(|bar| bar.label.as_str());
        let name = shorten_distinct(
            &bar.label,
            labels,
            names_width + font * 0.2,
            font,
            bar.highlight,
        );
        canvas.text(0.0, middle + font * 0.35, style, &name);
        let Some(value) = drawable(Some(bar.value)) else {
            canvas.text(
                origin + font * 0.4,
                middle + font * 0.35,
                Style {
                    ink: Ink::Muted,
                    ..style
                },
                "no value",
            );
            continue;
        };
        let (start, end) = (
            (origin, middle - thickness / 2.0),
            (x(value), middle + thickness / 2.0),
        );
        canvas.rect(start, end, ink(bar), 0.0);
        let (mut least, mut most) = (value.min(parts.baseline), value.max(parts.baseline));
        if let Some([a, b]) = finite_interval(bar) {
            draw_whisker(&mut canvas, (x(a), middle), (x(b), middle), font * 0.28);
            (least, most) = (least.min(a), most.max(b));
        }
        let text = shorten(&bar.text, texts_width + font * 0.2, font, bar.highlight);
        let (label_x, anchor) = if value < parts.baseline {
            (x(least) - font * 0.5, Anchor::End)
        } else {
            (x(most) + font * 0.5, Anchor::Start)
        };
        canvas.text(
            label_x,
            middle + font * 0.35,
            Style { anchor, ..style },
            &text,
        );
    }
    canvas.line((origin, top), (origin, bottom), Ink::Axis, 0.8);
    let mut height = bottom + font * 0.4;
    if parts.bars.len() > shown.len() {
        let more = format!("and {} more in the table", parts.bars.len() - shown.len());
        height += font * 1.4;
        let style = Style::new(font * 0.92, Ink::Muted, Anchor::Start);
        canvas.text(0.0, height - font * 0.5, style, &more);
    }
    (canvas, height)
}

fn finite_interval(bar: &Bar) -> Option<[f64; 2]> {
    let [a, b] = bar.interval?;
    Some([drawable(Some(a))?, drawable(Some(b))?])
}

/// Draws an interval as a thin line with end strokes.
fn draw_whisker(canvas: &mut Canvas, a: (f64, f64), b: (f64, f64), cap: f64) {
    let flat = (a.1 - b.1).abs() < 1e-9;
    let width = canvas.font * 0.12;
    for (ink, extra) in [(Ink::Paper, width * 1.6), (Ink::Text, 0.0)] {
        canvas.line(a, b, ink, width + extra);
        for (x, y) in [a, b] {
            let (from, to) = if flat {
                ((x, y - cap), (x, y + cap))
            } else {
                ((x - cap, y), (x + cap, y))
            };
            canvas.line(from, to, ink, width + extra);
        }
    }
}

/// The highlighted bars whose labels fit side by side, the farthest from the baseline first.
fn labelled_bars(parts: Parts, slot: f64, size: f64) -> Vec<usize> {
    let distance = |i: &usize| (parts.bars[*i].value - parts.baseline).abs();
    let width = |i: usize| text_width(&parts.bars[i].text, size, true) + size * 0.3;
    let bars = parts.bars.iter().enumerate();
    let mut order: Vec<usize> = bars
        .filter_map(|(i, bar)| bar.highlight.then_some(i))
        .collect();
    order.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
    let mut separate: Vec<usize> = Vec::new();
    for i in order {
        let is_apart = |other: &usize| {
            i.abs_diff(*other) as f64 * slot >= f64::midpoint(width(i), width(*other))
        };
        if separate.iter().all(is_apart) {
            separate.push(i);
        }
    }
    separate
}

fn draw_vertical(unit: &str, parts: Parts, options: &Options) -> (Canvas, f64) {
    let mut canvas = Canvas::new(options.width_pt, options.font_pt);
    let font = canvas.font;
    let format = Format::of_unit(unit);
    let axis = Axis::around(drawn_values(parts), 4);
    let left = value_axis_width(axis, format, font);
    let right = canvas.width - font * 0.4;
    let slot = (right - left) / parts.bars.len().max(1) as f64;
    let top = unit_line(&mut canvas, unit, 0.0) + font * 1.6;
    let height = options
        .height_pt
        .unwrap_or((options.width_pt * 0.3).clamp(font * 13.0, font * 20.0));
    let bottom = top + (height - top - font * 2.2).max(font * 6.0);
    let y = |value: f64| bottom - axis.fraction(value) * (bottom - top);

    for tick in axis.ticks() {
        canvas.line((left, y(tick)), (right, y(tick)), Ink::Grid, 0.6);
        let style = Style::new(font * 0.92, Ink::Muted, Anchor::End);
        canvas.text(
            left - font * 0.5,
            y(tick) + font * 0.32,
            style,
            &format.tick(tick, axis.step),
        );
    }
    let origin = y(parts.baseline.clamp(axis.low, axis.high));
    let fits = |text: &str| text_width(text, font * 0.92, true) + font * 0.3 <= slot;
    let all_fit = parts.bars.iter().all(|bar| fits(&bar.text));
    let labelled = labelled_bars(parts, slot, font * 0.92);
    let stride = label_stride(parts.bars, slot, font);
    let bar_width = (slot * 0.68).min(font * 5.0);
    let mut areas = LabelAreas::default();
    for (i, bar) in parts.bars.iter().enumerate() {
        let middle = left + slot * (i as f64 + 0.5);
        if i % stride == 0 {
            let mut style = Style::new(font * 0.92, Ink::Text, Anchor::Middle);
            style.bold = bar.highlight;
            let name = shorten(
                &bar.label,
                (slot * stride as f64).max(font * 2.0),
                font * 0.92,
                bar.highlight,
            );
            canvas.text(middle, bottom + font * 1.4, style, &name);
        }
        let Some(value) = drawable(Some(bar.value)) else {
            continue;
        };
        let (from, to) = (
            (middle - bar_width / 2.0, origin),
            (middle + bar_width / 2.0, y(value)),
        );
        canvas.rect(from, to, ink(bar), 0.0);
        areas.add(Rect::between(from, to));
        if let Some([a, b]) = finite_interval(bar) {
            let cap = (bar_width * 0.2).min(font * 0.28);
            draw_whisker(&mut canvas, (middle, y(a)), (middle, y(b)), cap);
            areas.add(Rect::between((middle - cap, y(a)), (middle + cap, y(b))));
        }
    }
    // Labels are placed last, so that they do not cover bars or intervals of neighbours.
    for (i, bar) in parts.bars.iter().enumerate() {
        let Some(value) = drawable(Some(bar.value)) else {
            continue;
        };
        if !all_fit && (!labelled.contains(&i) || parts.bars.len() > 31) {
            continue;
        }
        let middle = left + slot * (i as f64 + 0.5);
        let mut style = Style::new(font * 0.92, Ink::Text, Anchor::Middle).halo();
        style.bold = bar.highlight;
        let text = shorten(
            &bar.text,
            (slot * 3.0).max(font * 6.0),
            style.size,
            style.bold,
        );
        let ends = finite_interval(bar).unwrap_or([value; 2]).map(y);
        let above = ends.into_iter().fold(y(value).min(origin), f64::min);
        let below = ends.into_iter().fold(y(value).max(origin), f64::max);
        let under = below + font * 1.1;
        let first = (value < parts.baseline && under < bottom).then_some(under);
        let over = (0..8).map(|step| above - font * (0.4 + 0.6 * f64::from(step)));
        let free = first.into_iter().chain(over).find(|baseline| {
            let rect = style.text_box(middle, *baseline, &text, canvas.width);
            rect.top >= 0.0 && areas.is_free(&rect)
        });
        if let Some(baseline) = free {
            areas.add(canvas.text(middle, baseline, style, &text));
        }
    }
    canvas.line((left, origin), (right, origin), Ink::Axis, 0.9);
    if !parts.baseline_label.trim().is_empty() {
        let label = shorten(
            parts.baseline_label,
            (right - left) * 0.7,
            font * 0.92,
            false,
        );
        let style = Style::new(font * 0.92, Ink::Muted, Anchor::End);
        canvas.text(right, font, style, &format!("line: {label}"));
    }
    (canvas, bottom + font * 2.2)
}

/// Number of bars from one labelled bar to the next, so that names fit below them.
fn label_stride(bars: &[Bar], slot: f64, font: f64) -> usize {
    let widest = bars
        .iter()
        .map(|bar| {
            text_width(
                &shorten(&bar.label, font * 6.0, font * 0.92, true),
                font * 0.92,
                true,
            )
        })
        .fold(0.0, f64::max);
    (((widest + font * 0.4) / slot.max(0.1)).ceil() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_neighbours_do_not_overlap() {
        let bar = |value: f64, highlight| Bar {
            label: String::new(),
            value,
            interval: None,
            text: format!("+{value} %"),
            highlight,
        };
        let bars = [
            (1.0, true),
            (9.0, true),
            (8.0, true),
            (99.0, false),
            (2.0, true),
        ];
        let bars = bars.map(|(value, highlight)| bar(value, highlight));
        let parts = Parts {
            bars: &bars,
            baseline: 0.0,
            baseline_label: "",
            horizontal: false,
        };
        assert_eq!(labelled_bars(parts, 10.0, 10.0), [1, 4]);
        assert_eq!(labelled_bars(parts, 100.0, 10.0), [1, 2, 4, 0]);
    }
}
