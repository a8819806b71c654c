//! A small SVG writer: deterministic, escaped, and unable to put a label outside the picture.
//!
//! Colours are presentation attributes, so that Typst and mail see the light palette, with a class
//! beside each, so that the style sheet of a page can recolour the same drawing for dark mode.

use std::fmt::Write as _;

/// What a mark is for; decides its colour in the light and in the dark palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Words that are read first.
    Text,
    /// Words of axes and notes.
    Muted,
    /// Gridlines.
    Grid,
    /// Baselines, ticks and leaders.
    Axis,
    /// What the chart is about.
    Accent,
    /// What was expected.
    Expected,
    /// What stands by for comparison.
    Context,
    /// What needs attention.
    Warning,
    /// Intervals; drawn translucent.
    Band,
    /// The page itself, for halos and rings.
    Paper,
    /// Classes of the sequential palette, low to high.
    Heat(u8),
    /// Ranges of a bullet chart, low to high.
    Range(u8),
}

/// Every ink with its class name, its light and its dark colour.
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
        let found = PALETTE.iter().find(|(ink, ..)| *ink == self);
        found.map_or(("text", "#1b242c"), |(_, class, light, _)| (class, light))
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

/// Style sheet rules that give every drawing on a page its dark colours.
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

/// On which side of its point a text stands.
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
    pub(crate) fn overlaps(&self, other: &Rect) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub size: f64,
    pub bold: bool,
    pub ink: Ink,
    pub anchor: Anchor,
    /// Whether a rim in the page's colour keeps it readable over lines.
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

    /// Where a text of this style would stand, kept inside a picture of this width.
    pub(crate) fn place(&self, x: f64, baseline: f64, text: &str, width: f64) -> Rect {
        let wide = text_width(text, self.size, self.bold);
        let left = match self.anchor {
            Anchor::Start => x,
            Anchor::Middle => x - wide / 2.0,
            Anchor::End => x - wide,
        };
        let left = left.min(width - wide).max(0.0);
        let (top, bottom) = (baseline - 0.8 * self.size, baseline + 0.25 * self.size);
        Rect {
            left,
            top,
            right: left + wide,
            bottom,
        }
    }
}

/// A drawing under way.
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

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, wide: f64) {
        let _ = writeln!(
            self.body,
            "<path d=\"M{} {}L{} {}\" {} stroke-width=\"{}\"/>",
            num(from.0),
            num(from.1),
            num(to.0),
            num(to.1),
            ink.stroke(),
            num(wide)
        );
    }

    pub(crate) fn dashed(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, wide: f64) {
        let _ = writeln!(
            self.body,
            "<path d=\"M{} {}L{} {}\" {} stroke-width=\"{}\" stroke-dasharray=\"2 2\"/>",
            num(from.0),
            num(from.1),
            num(to.0),
            num(to.1),
            ink.stroke(),
            num(wide)
        );
    }

    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], ink: Ink, wide: f64, dash: bool) {
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
            num(wide),
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

    /// A rectangle between two corners in any order.
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

    /// An outlined rectangle for "no value".
    pub(crate) fn hollow(&mut self, x: f64, y: f64, size: f64) {
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

    /// A dot with a ring in the page's colour.
    pub(crate) fn dot(&mut self, at: (f64, f64), radius: f64, ink: Ink) {
        let (class, paper) = Ink::Paper.entry();
        let (fill_class, fill) = ink.entry();
        let _ = writeln!(
            self.body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" class=\"fill-{fill_class} stroke-{class}\" fill=\"{fill}\" stroke=\"{paper}\" stroke-width=\"{}\"/>",
            num(at.0),
            num(at.1),
            num(radius),
            num(radius * 0.4)
        );
    }

    /// An open circle around a point.
    pub(crate) fn ring(&mut self, at: (f64, f64), radius: f64, ink: Ink) {
        let _ = writeln!(
            self.body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {} stroke-width=\"{}\"/>",
            num(at.0),
            num(at.1),
            num(radius),
            ink.stroke(),
            num(self.font * 0.16)
        );
    }

    /// Writes a text where it fits inside the picture; returns where it stands.
    pub(crate) fn text(&mut self, x: f64, baseline: f64, style: Style, text: &str) -> Rect {
        let text = shorten(text, self.width, style.size, style.bold);
        let rect = style.place(x, baseline, &text, self.width);
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
            // A separate copy underneath: not every renderer knows `paint-order`.
            let (class, paper) = Ink::Paper.entry();
            let _ = writeln!(
                self.body,
                "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{bold}{anchor} class=\"fill-{class} stroke-{class}\" fill=\"{paper}\" stroke=\"{paper}\" stroke-width=\"{}\" stroke-linejoin=\"round\" aria-hidden=\"true\">{escaped}</text>",
                num(style.size * 0.3)
            );
        }
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{bold}{anchor} {}>{escaped}</text>",
            style.ink.fill()
        );
        rect
    }

    /// The finished file.
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

/// A coordinate with two decimals at most; what is not a number becomes 0.
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

/// Text made safe for XML: control and direction characters are gone, markup is literal.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if is_hidden(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// Characters that are not drawn or that reorder what is drawn.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(
            c,
            '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        )
        || (u32::from(c) & 0xfffe) == 0xfffe
}

/// A name that may stand in an `id` attribute.
pub(crate) fn identifier(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(80)
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '-'
            }
        })
        .collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic()) {
        out.insert(0, 'c');
    }
    out
}

/// The text, or as much of it as fits with an ellipsis.
pub(crate) fn shorten(text: &str, width: f64, size: f64, bold: bool) -> String {
    // Nothing readable is wider than this; hostile megabytes are cut before they are measured.
    let cut: String = text
        .chars()
        .filter(|c| !is_hidden(*c) || c.is_whitespace())
        .take(400)
        .collect();
    let trimmed = cut.trim();
    if text_width(trimmed, size, bold) <= width {
        return trimmed.to_string();
    }
    let mut room = width - text_width("…", size, bold);
    let mut out = String::new();
    for c in trimmed.chars() {
        room -= advance(c, bold) * size * RESERVE;
        if room < 0.0 {
            break;
        }
        out.push(c);
    }
    let kept = out.trim_end();
    if kept.is_empty() {
        String::new()
    } else {
        format!("{kept}…")
    }
}

/// The text in at most `lines` lines of this width, broken at spaces; the last is shortened.
pub(crate) fn wrap(text: &str, width: f64, size: f64, bold: bool, lines: usize) -> Vec<String> {
    let cut: String = text.chars().take(400).collect();
    let mut out: Vec<String> = Vec::new();
    let mut words = cut.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if out.len() + 1 >= lines {
            let rest: Vec<&str> = std::iter::once(word).chain(words).collect();
            out.push(shorten(&rest.join(" "), width, size, bold));
            break;
        }
        let mut line = word.to_string();
        while let Some(next) = words.peek() {
            let longer = format!("{line} {next}");
            if text_width(&longer, size, bold) > width {
                break;
            }
            line = longer;
            words.next();
        }
        out.push(shorten(&line, width, size, bold));
    }
    out.retain(|line| !line.is_empty());
    out
}

/// Width of a text set in Inter, with a small reserve for the fonts that stand in for it.
pub(crate) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    text.chars().map(|c| advance(c, bold)).sum::<f64>() * size * RESERVE
}

/// How much wider than Inter the font that stands in for it may be.
const RESERVE: f64 = 1.03;

fn advance(c: char, bold: bool) -> f64 {
    let table = if bold { &SEMIBOLD } else { &REGULAR };
    let thousandths = match c {
        ' '..='~' => table[c as usize - 32],
        '\u{a0}' => 281,
        '\u{202f}' => 182,
        '–' => 500,
        '·' => 276,
        '−' | '×' | '±' | '≤' | '≥' => 673,
        c if is_hidden(c) => 0,
        '…' => 821,
        '→' | '▲' | '▼' => 1035,
        c if u32::from(c) >= 0x1100 => 1020,
        c if c.is_uppercase() => 800,
        _ => 660,
    };
    f64::from(thousandths) / 1000.0
}

/// Advance widths of Inter 4 Regular, U+0020 to U+007E, in thousandths of an em.
const REGULAR: [u16; 95] = [
    281, 278, 403, 631, 638, 812, 639, 222, 362, 362, 500, 659, 280, 460, 276, 357, 625, 464, 605,
    636, 642, 608, 624, 571, 616, 624, 276, 280, 659, 659, 659, 507, 936, 676, 651, 727, 719, 598,
    587, 743, 740, 264, 543, 652, 562, 889, 753, 761, 635, 761, 639, 638, 642, 741, 676, 949, 642,
    665, 625, 362, 357, 362, 469, 452, 497, 564, 621, 558, 621, 582, 361, 609, 591, 237, 237, 544,
    237, 869, 585, 597, 609, 609, 372, 523, 364, 581, 557, 812, 540, 557, 541, 362, 327, 362, 659,
];

/// Advance widths of Inter 4 SemiBold, the same.
const SEMIBOLD: [u16; 95] = [
    248, 309, 396, 643, 649, 844, 663, 213, 393, 393, 543, 673, 295, 466, 290, 379, 667, 481, 621,
    652, 666, 632, 648, 587, 646, 648, 290, 295, 673, 673, 673, 544, 999, 724, 657, 744, 724, 608,
    586, 755, 744, 275, 561, 677, 566, 906, 741, 775, 643, 776, 651, 649, 660, 734, 724, 1007, 690,
    705, 653, 393, 379, 393, 481, 468, 497, 575, 630, 577, 630, 593, 377, 625, 613, 261, 261, 569,
    261, 898, 610, 608, 625, 625, 397, 549, 380, 608, 576, 837, 562, 576, 562, 393, 358, 393, 673,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
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
    fn words_are_readable_on_both_pages() {
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
    fn numbers_are_short_and_always_numbers() {
        for (value, want) in [
            (1.0, "1"),
            (-0.001, "0"),
            (2.345_6, "2.35"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
            (1e300, "1000000"),
        ] {
            assert_eq!(num(value), want);
        }
    }

    #[test]
    fn hostile_text_is_text() {
        assert_eq!(
            escape("</text><script>\u{7}\u{202e}&'\""),
            "&lt;/text&gt;&lt;script&gt;&amp;&#39;&quot;"
        );
        assert_eq!(identifier("1 \"><x>"), "c1----x-");
        assert_eq!(shorten("abcdefghij", 30.0, 10.0, false), "abc…");
        assert!(text_width(&shorten(&"m".repeat(1 << 20), 80.0, 8.0, false), 8.0, false) <= 82.0);
    }

    #[test]
    fn wrapping_keeps_words() {
        assert_eq!(
            wrap("what would have happened", 70.0, 8.0, false, 2),
            ["what would have", "happened"]
        );
        assert_eq!(wrap("", 70.0, 8.0, false, 2), Vec::<String>::new());
    }
}
