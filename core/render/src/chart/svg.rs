//! A small SVG writer: deterministic and escaped; labels are always inside the picture.
//!
//! Colours are presentation attributes, so that Typst and mail use the light palette. Each element
//! also has a class, so that the style sheet of a page can recolour the same picture for dark mode.

use super::text::{escape, shorten, text_width};
use std::fmt::Write as _;

/// The role of a shape or text, which determines its colour in both palettes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Prominent text.
    Text,
    /// Text of axes and notes.
    Muted,
    /// Gridlines.
    Grid,
    /// Baselines, ticks and leaders.
    Axis,
    /// The subject of the chart.
    Accent,
    /// Expected values.
    Expected,
    /// Context for comparison.
    Context,
    /// Shapes and text that warn of harm.
    Warning,
    /// Intervals; translucent.
    Band,
    /// The background, for halos and rings.
    Paper,
    /// Classes of the sequential palette, low to high.
    Heat(u8),
    /// Ranges of a bullet chart, low to high.
    Range(u8),
}

/// Each ink with its class name, light colour and dark colour.
const PALETTE: [(Ink, &str, &str, &str); 18] = [
    (Ink::Text, "text", "#1b242c", "#e6ebef"),
    (Ink::Muted, "muted", "#56626e", "#a3b0bc"),
    (Ink::Grid, "grid", "#e4e8ec", "#27323c"),
    (Ink::Axis, "axis", "#a9b3bd", "#53616e"),
    (Ink::Accent, "accent", "#0b5fa5", "#6db5f2"),
    (Ink::Expected, "expected", "#4f5d6a", "#b4c0ca"),
    (Ink::Context, "context", "#9ba7b2", "#66737f"),
    (Ink::Warning, "warning", "#b3450d", "#f2945c"),
    (Ink::Band, "band", "#6d8294", "#8ba3b7"),
    (Ink::Paper, "paper", "#ffffff", "#10171d"),
    (Ink::Heat(0), "heat0", "#e8f0f8", "#16232f"),
    (Ink::Heat(1), "heat1", "#bcd5ec", "#1b3f5f"),
    (Ink::Heat(2), "heat2", "#7fb0da", "#22608f"),
    (Ink::Heat(3), "heat3", "#3a80be", "#3a8fce"),
    (Ink::Heat(4), "heat4", "#0a4478", "#9cd0f9"),
    (Ink::Range(0), "range0", "#cfd6dd", "#43505c"),
    (Ink::Range(1), "range1", "#dfe4e9", "#323e49"),
    (Ink::Range(2), "range2", "#edf0f3", "#242f38"),
];

impl Ink {
    fn entry(self) -> (&'static str, &'static str) {
        let entry = PALETTE.iter().find(|(ink, ..)| *ink == self);
        entry.map_or(("text", "#1b242c"), |(_, class, light, _)| (class, light))
    }

    fn fill(self) -> String {
        let (class, colour) = self.entry();
        format!("class=\"fill-{class}\" fill=\"{colour}\"")
    }

    fn stroke(self) -> String {
        let (class, colour) = self.entry();
        format!("class=\"stroke-{class}\" fill=\"none\" stroke=\"{colour}\"")
    }
}

/// Style sheet rules with the dark colours of all charts on a page.
pub fn dark_css() -> String {
    let mut css = String::new();
    for (_, class, _, dark) in PALETTE {
        let _ = writeln!(
            css,
            ".fill-{class}{{fill:{dark}}}.stroke-{class}{{stroke:{dark}}}"
        );
    }
    css
}

/// The part of a text that is placed at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A rectangle: left, top, right, bottom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    /// The rectangle between two opposite corners.
    pub(crate) fn between(a: (f64, f64), b: (f64, f64)) -> Self {
        Self {
            left: a.0.min(b.0),
            top: a.1.min(b.1),
            right: a.0.max(b.0),
            bottom: a.1.max(b.1),
        }
    }

    pub(crate) fn overlaps(&self, other: &Rect) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// Style of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub size: f64,
    pub bold: bool,
    pub ink: Ink,
    pub anchor: Anchor,
    /// True if an outline in the background colour keeps it readable over lines.
    pub halo: bool,
}

impl Style {
    pub(crate) fn new(size: f64, ink: Ink, anchor: Anchor) -> Self {
        Self {
            size,
            bold: false,
            ink,
            anchor,
            halo: false,
        }
    }

    pub(crate) fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    pub(crate) fn halo(mut self) -> Self {
        self.halo = true;
        self
    }

    /// The box of a text with this style, moved inside a canvas of this `width`.
    pub(crate) fn text_box(&self, x: f64, baseline: f64, text: &str, width: f64) -> Rect {
        let own_width = text_width(text, self.size, self.bold);
        let left = match self.anchor {
            Anchor::Start => x,
            Anchor::Middle => x - own_width / 2.0,
            Anchor::End => x - own_width,
        };
        let left = left.min(width - own_width).max(0.0);
        let (top, bottom) = (baseline - 0.8 * self.size, baseline + 0.25 * self.size);
        Rect {
            left,
            top,
            right: left + own_width,
            bottom,
        }
    }
}

/// A picture under construction.
#[derive(Debug)]
pub(crate) struct Canvas {
    pub width: f64,
    pub font: f64,
    body: String,
}

impl Canvas {
    pub(crate) fn new(width: f64, font: f64) -> Self {
        Self {
            width,
            font,
            body: String::new(),
        }
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, width: f64) {
        let _ = writeln!(
            self.body,
            "<path d=\"M{} {}L{} {}\" {} stroke-width=\"{}\"/>",
            num(from.0),
            num(from.1),
            num(to.0),
            num(to.1),
            ink.stroke(),
            num(width)
        );
    }

    pub(crate) fn dashed(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, width: f64) {
        let _ = writeln!(
            self.body,
            "<path d=\"M{} {}L{} {}\" {} stroke-width=\"{}\" stroke-dasharray=\"2 2\"/>",
            num(from.0),
            num(from.1),
            num(to.0),
            num(to.1),
            ink.stroke(),
            num(width)
        );
    }

    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], ink: Ink, width: f64, dash: bool) {
        if points.is_empty() {
            return;
        }
        let dash = if dash {
            format!(
                " stroke-dasharray=\"{} {}\"",
                num(self.font * 0.45),
                num(self.font * 0.3)
            )
        } else {
            String::new()
        };
        let _ = writeln!(
            self.body,
            "<path d=\"{}\" {} stroke-width=\"{}\" stroke-linejoin=\"round\" stroke-linecap=\"{}\"{dash}/>",
            path(points),
            ink.stroke(),
            num(width),
            if dash.is_empty() { "round" } else { "butt" },
        );
    }

    pub(crate) fn area(&mut self, points: &[(f64, f64)], ink: Ink, opacity: f64) {
        if points.len() < 3 {
            return;
        }
        let _ = writeln!(
            self.body,
            "<path d=\"{}Z\" {} fill-opacity=\"{}\"/>",
            path(points),
            ink.fill(),
            num(opacity)
        );
    }

    /// Draws a rectangle between two opposite corners.
    pub(crate) fn rect(&mut self, a: (f64, f64), b: (f64, f64), ink: Ink, radius: f64) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{} {}/>",
            num(a.0.min(b.0)),
            num(a.1.min(b.1)),
            num((a.0 - b.0).abs()),
            num((a.1 - b.1).abs()),
            if radius > 0.0 {
                format!(" rx=\"{}\"", num(radius))
            } else {
                String::new()
            },
            ink.fill()
        );
    }

    /// Draws an outlined square for a missing value.
    pub(crate) fn empty_square(&mut self, x: f64, y: f64, size: f64) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {} stroke-width=\"0.5\"/>",
            num(x + 0.25),
            num(y + 0.25),
            num(size - 0.5),
            num(size - 0.5),
            Ink::Grid.stroke()
        );
    }

    /// Draws a dot with a ring in the background colour.
    pub(crate) fn dot(&mut self, centre: (f64, f64), radius: f64, ink: Ink) {
        let (class, paper) = Ink::Paper.entry();
        let (fill_class, fill) = ink.entry();
        let _ = writeln!(
            self.body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" class=\"fill-{fill_class} stroke-{class}\" fill=\"{fill}\" stroke=\"{paper}\" stroke-width=\"{}\"/>",
            num(centre.0),
            num(centre.1),
            num(radius),
            num(radius * 0.4)
        );
    }

    /// Draws an open circle.
    pub(crate) fn ring(&mut self, centre: (f64, f64), radius: f64, ink: Ink) {
        let _ = writeln!(
            self.body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {} stroke-width=\"{}\"/>",
            num(centre.0),
            num(centre.1),
            num(radius),
            ink.stroke(),
            num(self.font * 0.16)
        );
    }

    /// Writes a text inside the canvas; returns its box.
    pub(crate) fn text(&mut self, x: f64, baseline: f64, style: Style, text: &str) -> Rect {
        let text = shorten(text, self.width, style.size, style.bold);
        let rect = style.text_box(x, baseline, &text, self.width);
        if text.is_empty() {
            return rect;
        }
        let (x, anchor) = match style.anchor {
            Anchor::Start => (rect.left, ""),
            Anchor::Middle => (
                f64::midpoint(rect.left, rect.right),
                " text-anchor=\"middle\"",
            ),
            Anchor::End => (rect.right, " text-anchor=\"end\""),
        };
        let bold = if style.bold {
            " font-weight=\"600\""
        } else {
            ""
        };
        let (x, y, size) = (num(x), num(baseline), num(style.size));
        let escaped = escape(&text);
        if style.halo {
            // A filled rectangle instead of a stroked copy, which would duplicate extracted text.
            let _ = writeln!(
                self.body,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"1.5\" {} fill-opacity=\"0.8\"/>",
                num(rect.left),
                num(rect.top.max(0.0)),
                num(rect.right - rect.left),
                num(rect.bottom - rect.top.max(0.0)),
                Ink::Paper.fill()
            );
        }
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{bold}{anchor} {}>{escaped}</text>",
            style.ink.fill()
        );
        rect
    }

    /// Returns the finished file.
    pub(crate) fn finish(self, height: f64, id: &str, title: &str, description: &str) -> String {
        let (width, height) = (num(self.width), num(height));
        let cut = |text: &str| escape(&text.chars().take(2000).collect::<String>());
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" font-family=\"Inter, sans-serif\">\n<title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>\n{}</svg>\n",
            cut(title),
            cut(description),
            self.body
        )
    }
}

fn path(points: &[(f64, f64)]) -> String {
    let mut out = String::with_capacity(points.len() * 12);
    for (i, (x, y)) in points.iter().enumerate() {
        let _ = write!(
            out,
            "{}{} {}",
            if i == 0 { 'M' } else { 'L' },
            num(*x),
            num(*y)
        );
    }
    out
}

/// Formats a coordinate with at most two decimals; NaN becomes 0.
pub(crate) fn num(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_string();
    }
    let text = format!("{:.2}", value.clamp(-1e6, 1e6));
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_string()
    } else {
        text.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: &str) -> f64 {
        let channel = |start: usize| {
            let value =
                f64::from(u8::from_str_radix(&colour[start..start + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_has_enough_contrast_in_both_palettes() {
        let paper = PALETTE.iter().find(|(ink, ..)| *ink == Ink::Paper).unwrap();
        for (ink, name, light, dark) in PALETTE {
            if matches!(
                ink,
                Ink::Text | Ink::Muted | Ink::Accent | Ink::Expected | Ink::Warning
            ) {
                assert!(contrast(light, paper.2) >= 4.5, "{name} light");
                assert!(contrast(dark, paper.3) >= 4.5, "{name} dark");
            }
        }
    }

    #[test]
    fn coordinates_are_short_and_finite() {
        for (value, expected) in [
            (1.0, "1"),
            (-0.001, "0"),
            (2.345_6, "2.35"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
            (1e300, "1000000"),
        ] {
            assert_eq!(num(value), expected);
        }
    }
}
