//! A value with its target on graded ranges (Stephen Few's bullet graph).

use super::{
    Options,
    plot::unit_line,
    scale::{Axis, Format, drawable, extent},
    svg::{Anchor, Canvas, Ink, Style},
    text::{shorten, text_width},
};

/// The parts of a bullet chart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub value: f64,
    pub target: Option<f64>,
    pub ranges: &'a [f64],
    pub text: &'a str,
}

pub(crate) fn draw(unit: &str, parts: Parts, options: &Options) -> (Canvas, f64) {
    let mut canvas = Canvas::new(options.width_pt, options.font_pt);
    let font = canvas.font;
    let format = Format::of_unit(unit);
    let target = drawable(parts.target);
    let value = drawable(Some(parts.value));
    let mut ranges: Vec<f64> = parts
        .ranges
        .iter()
        .filter_map(|v| drawable(Some(*v)))
        .collect();
    ranges.sort_by(f64::total_cmp);
    let values = ranges
        .iter()
        .copied()
        .chain(target)
        .chain(value)
        .chain([0.0]);
    let (low, high) = extent(values).unwrap_or((0.0, 1.0));
    let (low, high) = if high > low { (low, high) } else { (0.0, 1.0) };
    let text = shorten(parts.text, canvas.width * 0.4, font * 1.1, true);
    let left = font * 0.5;
    let right = canvas.width - text_width(&text, font * 1.1, true) - font * 1.2;
    let x = |v: f64| left + (v - low) / (high - low) * (right - left).max(1.0);

    let top = unit_line(&mut canvas, unit, 0.0) + font * 0.2;
    let (tall, middle) = (font * 1.9, top + font * 0.95);
    let mut from = low;
    for (i, end) in ranges.iter().chain([&high]).enumerate() {
        if *end > from {
            let ink = Ink::Range(i.min(2) as u8);
            canvas.rect((x(from), top), (x(*end), top + tall), ink, 0.0);
            from = *end;
        }
    }
    if let Some(value) = value {
        let half = font * 0.36;
        canvas.rect(
            (x(0.0), middle - half),
            (x(value), middle + half),
            Ink::Accent,
            0.0,
        );
    }
    if let Some(target) = target {
        let reach = font * 0.72;
        canvas.line(
            (x(target), middle - reach),
            (x(target), middle + reach),
            Ink::Text,
            font * 0.26,
        );
    }
    let style = Style::new(font * 1.1, Ink::Text, Anchor::Start).bold();
    canvas.text(right + font * 0.8, middle + font * 0.4, style, &text);
    let axis = Axis::nice(low, high, 4);
    let small = Style::new(font * 0.85, Ink::Muted, Anchor::Middle);
    let mut next_free = f64::NEG_INFINITY;
    for tick in axis
        .ticks()
        .into_iter()
        .filter(|t| (low..=high).contains(t))
    {
        let words = format.tick(tick, axis.step);
        let text_box = small.text_box(x(tick), 0.0, &words, canvas.width);
        if text_box.left > next_free {
            canvas.line(
                (x(tick), top + tall),
                (x(tick), top + tall + font * 0.3),
                Ink::Axis,
                0.6,
            );
            canvas.text(x(tick), top + tall + font * 1.25, small, &words);
            next_free = text_box.right + font * 0.4;
        }
    }
    (canvas, top + tall + font * 1.7)
}
