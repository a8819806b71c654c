//! Styles of lines: weight, dash and name, or a key if names do not fit.

use super::{
    Options,
    svg::{Anchor, Canvas, Ink, Style},
    text::{shorten, text_width},
};
use retrocast_domain::chart::Role;

/// Style of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stroke {
    pub ink: Ink,
    pub label: Ink,
    pub width: f64,
    pub dash: bool,
}

impl Stroke {
    /// One line has the accent colour; others are distinguished by weight, dash and name.
    pub(crate) fn for_role(role: Role, index: usize, font: f64) -> Self {
        let (ink, label, width, dash) = match role {
            Role::Observed if index == 0 => (Ink::Accent, Ink::Accent, 0.21, false),
            Role::Observed => (Ink::Text, Ink::Text, 0.13, false),
            Role::Expected => (Ink::Expected, Ink::Expected, 0.17, true),
            Role::Context => (Ink::Context, Ink::Muted, 0.12, false),
        };
        Self {
            ink,
            label,
            width: width * font,
            dash,
        }
    }
}

/// Returns true if a chart is too narrow for names at the ends of lines.
pub(crate) fn is_narrow(options: &Options) -> bool {
    options.width_pt < options.font_pt * 38.0
}

/// A name with a sample of its line, or of its band if there is no stroke.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub name: String,
    pub stroke: Option<Stroke>,
}

/// Draws the key above a narrow plot; returns its lower end, in points.
pub(crate) fn key_rows(canvas: &mut Canvas, keys: &[Key], top: f64) -> f64 {
    let font = canvas.font;
    let sample = font * 1.5;
    let (mut x, mut baseline) = (0.0, top + font * 0.9);
    let mut bands = 0;
    for key in keys.iter().filter(|key| !key.name.trim().is_empty()) {
        let size = font * 0.92;
        let name = shorten(&key.name, canvas.width - sample - font * 0.5, size, false);
        let entry_width = sample + font * 0.45 + text_width(&name, size, false);
        if x > 0.0 && x + entry_width > canvas.width {
            (x, baseline) = (0.0, baseline + font * 1.35);
        }
        let y = baseline - font * 0.3;
        let ink = if let Some(stroke) = key.stroke {
            canvas.polyline(
                &[(x, y), (x + sample, y)],
                stroke.ink,
                stroke.width,
                stroke.dash,
            );
            stroke.label
        } else {
            let (top, bottom) = (y - font * 0.35, y + font * 0.35);
            let field = [
                (x, top),
                (x + sample, top),
                (x + sample, bottom),
                (x, bottom),
            ];
            // Bands overlap, so each is darker than the previous band.
            bands += 1;
            (0..bands).for_each(|_| canvas.area(&field, Ink::Band, 0.3));
            Ink::Muted
        };
        let style = Style::new(size, ink, Anchor::Start);
        x = canvas
            .text(x + sample + font * 0.45, baseline, style, &name)
            .right
            + font * 1.1;
    }
    baseline + font * 0.5
}
