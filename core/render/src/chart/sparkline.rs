//! A small line chart without axes, with the last point marked.

use super::{
    Options,
    scale::{drawable, extent},
    svg::{Canvas, Ink},
};

pub(crate) fn draw(values: &[Option<f64>], options: &Options) -> (Canvas, f64) {
    let mut canvas = Canvas::new(options.width_pt, options.font_pt);
    let height = options.height_pt.unwrap_or(options.width_pt * 0.24);
    let radius = (height * 0.11).clamp(1.2, 3.0);
    let pad = radius * 1.6;
    let (low, high) = extent(values.iter().filter_map(|v| drawable(*v))).unwrap_or((0.0, 0.0));
    let x = |i: usize| {
        let last = values.len().saturating_sub(1).max(1) as f64;
        pad + i as f64 / last * (canvas.width - 2.0 * pad)
    };
    let y = |value: f64| {
        let share = if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        };
        height - pad - share * (height - 2.0 * pad)
    };
    let mut run: Vec<(f64, f64)> = Vec::new();
    let mut runs = Vec::new();
    let mut last = None;
    for (i, value) in values.iter().enumerate() {
        if let Some(value) = drawable(*value) {
            run.push((x(i), y(value)));
            last = run.last().copied();
        } else if !run.is_empty() {
            runs.push(std::mem::take(&mut run));
        }
    }
    runs.push(run);
    for run in runs.iter().filter(|run| !run.is_empty()) {
        match run[..] {
            [only] => canvas.dot(only, radius * 0.6, Ink::Context),
            _ => canvas.polyline(run, Ink::Expected, radius * 0.5, false),
        }
    }
    if let Some(point) = last {
        canvas.dot(point, radius, Ink::Accent);
    }
    (canvas, height)
}
