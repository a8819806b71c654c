//! Observed and counterfactual series, with the cumulative effect below on the same time axis.

use super::{
    Options,
    line::{draw_band, draw_series},
    plot::{
        EndLabel, Flag, LabelAreas, Plot, assign_lanes, draw_end_labels, draw_flags,
        end_label_width, lanes_height, smallest_gap, time_axis_height, time_extent, unit_line,
        value_axis_width,
    },
    scale::{Axis, Format, drawable, seconds},
    stroke::{Key, Stroke, is_narrow, key_rows},
    svg::{Canvas, Ink},
};
use jiff::civil::DateTime;
use retrocast_domain::{
    chart::{Band, Role, Series},
    number,
};
use std::collections::BTreeMap;

/// The parts of a before/after chart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub observed: &'a Series,
    pub counterfactual: &'a Series,
    pub band: &'a Band,
    pub change: DateTime,
    pub change_label: &'a str,
}

pub(crate) fn draw(unit: &str, parts: Parts, options: &Options) -> (Canvas, f64) {
    let mut canvas = Canvas::new(options.width_pt, options.font_pt);
    let font = canvas.font;
    let format = Format::of_unit(unit);
    let effect = cumulative(parts);
    let upper_axis = Axis::around(values(parts), 4);
    let lower_axis = Axis::around(effect.values.iter().flatten().copied().chain([0.0]), 2);
    let total = effect.values.last().copied().flatten().unwrap_or(0.0);
    let total_text = format!("cumulative effect {}", format_signed(total, format));
    let names = [
        &parts.observed.name,
        &parts.counterfactual.name,
        &parts.band.name,
        &total_text,
    ];
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    let times = parts
        .observed
        .times
        .iter()
        .chain(&parts.counterfactual.times)
        .chain([&parts.change]);
    let (from, to) = time_extent(times);
    let left =
        value_axis_width(upper_axis, format, font).max(value_axis_width(lower_axis, format, font));
    let narrow = is_narrow(options);
    let right = if narrow {
        canvas.width - font * 0.8
    } else {
        canvas.width - end_label_width(&names, font, canvas.width * 0.26)
    };
    let base = Plot {
        left,
        right,
        top: 0.0,
        bottom: 0.0,
        from,
        to,
        axis: upper_axis,
    };
    let change = base.x(seconds(parts.change));
    let flag = Flag {
        x: change,
        text: parts.change_label.to_string(),
    };
    let placed = assign_lanes(&[flag], canvas.width, font);

    let mut top = unit_line(&mut canvas, unit, 0.0);
    if narrow {
        top = key_rows(&mut canvas, &keys(parts, font), top);
    }
    let top = top + lanes_height(&placed, font) + font * 0.5;
    let height = options
        .height_pt
        .unwrap_or((options.width_pt * 0.44).clamp(font * 20.0, font * 28.0));
    let plot_height = (height - top - time_axis_height(font) - font * 2.6).max(font * 10.0);
    let upper = Plot {
        top,
        bottom: top + plot_height * 0.68,
        ..base
    };
    let lower_top = upper.bottom + font * 2.6;
    let lower = Plot {
        top: lower_top,
        bottom: lower_top + plot_height * 0.32,
        axis: lower_axis,
        ..base
    };

    let mut areas = LabelAreas::default();
    upper.draw_value_axis(&mut canvas, format);
    let lower_title = if narrow {
        total_text.clone()
    } else {
        cumulative_unit(unit)
    };
    unit_line(&mut canvas, &lower_title, upper.bottom + font * 0.4);
    lower.draw_value_axis(&mut canvas, format);
    lower.draw_time_axis(
        &mut canvas,
        smallest_gap([parts.observed.times.as_slice()].into_iter()),
    );
    draw_band(&mut canvas, &upper, parts.band);
    canvas.line((change, upper.top), (change, lower.bottom), Ink::Axis, 0.8);
    draw_flags(&mut canvas, &upper, &placed, upper.bottom);
    let mut labels = Vec::new();
    for (i, series) in [parts.observed, parts.counterfactual]
        .into_iter()
        .enumerate()
        .rev()
    {
        let role = if i == 0 {
            Role::Observed
        } else {
            Role::Expected
        };
        let stroke = Stroke::for_role(role, i, font);
        draw_series(
            &mut canvas,
            &upper,
            &series.times,
            &series.values,
            stroke,
            &mut areas,
        );
        if let Some(last) = series.values.iter().rev().find_map(|v| drawable(*v)) {
            let y = upper.y(last);
            labels.push(EndLabel {
                text: series.name.clone(),
                y,
                ink: stroke.label,
                bold: i == 0,
            });
        }
    }
    if let Some((high, low)) = parts.band.upper.last().zip(parts.band.lower.last()) {
        let y = (upper.y(*high) * 3.0 + upper.y(*low)) / 4.0;
        labels.push(EndLabel {
            text: parts.band.name.clone(),
            y,
            ink: Ink::Muted,
            bold: false,
        });
    }
    if !narrow {
        draw_end_labels(&mut canvas, &upper, &labels, &mut areas);
    }
    let total_text = if narrow { "" } else { total_text.as_str() };
    draw_effect(&mut canvas, &lower, &effect, total_text, &mut areas);
    let bottom = lower.bottom + time_axis_height(font);
    (canvas, bottom)
}

/// Unit of the cumulative effect: amounts per day add up to amounts.
fn cumulative_unit(unit: &str) -> String {
    match unit.split_once(" per ") {
        Some((noun, _)) => format!("cumulative effect, {noun}"),
        None => format!("cumulative effect, {unit} summed"),
    }
}

fn keys(parts: Parts, font: f64) -> Vec<Key> {
    let line = |series: &Series, role, i| Key {
        name: series.name.clone(),
        stroke: Some(Stroke::for_role(role, i, font)),
    };
    vec![
        line(parts.observed, Role::Observed, 0),
        line(parts.counterfactual, Role::Expected, 1),
        Key {
            name: parts.band.name.clone(),
            stroke: None,
        },
    ]
}

fn format_signed(value: f64, format: Format) -> String {
    match format {
        Format::Percent => number::points(value),
        _ if value > 0.0 => format!("+{}", number::sensible(value)),
        _ => number::sensible(value),
    }
}

fn values(parts: Parts) -> impl Iterator<Item = f64> {
    let lines = parts
        .observed
        .values
        .iter()
        .chain(&parts.counterfactual.values);
    let band = parts.band.lower.iter().chain(&parts.band.upper);
    lines
        .filter_map(|v| drawable(*v))
        .chain(band.filter_map(|v| drawable(Some(*v))))
}

/// The running sum of observed minus counterfactual since the change.
fn cumulative(parts: Parts) -> Series {
    let expected: BTreeMap<DateTime, f64> = parts
        .counterfactual
        .times
        .iter()
        .zip(&parts.counterfactual.values)
        .filter_map(|(t, v)| Some((*t, drawable(*v)?)))
        .collect();
    let mut sum = 0.0;
    let mut out = Series {
        name: String::new(),
        times: Vec::new(),
        values: Vec::new(),
        role: Role::Observed,
    };
    for (time, value) in parts.observed.times.iter().zip(&parts.observed.values) {
        let (Some(value), Some(expected)) = (drawable(*value), expected.get(time)) else {
            continue;
        };
        if *time >= parts.change {
            sum = (sum + value - expected).clamp(-1e100, 1e100);
            out.times.push(*time);
            out.values.push(Some(sum));
        }
    }
    out
}

fn draw_effect(
    canvas: &mut Canvas,
    plot: &Plot,
    effect: &Series,
    text: &str,
    areas: &mut LabelAreas,
) {
    let font = canvas.font;
    let points: Vec<(f64, f64)> = effect
        .times
        .iter()
        .zip(effect.values.iter().flatten())
        .map(|(t, v)| (plot.x(seconds(*t)), plot.y(*v)))
        .collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return;
    };
    let mut area = points.clone();
    area.extend([(last.0, plot.y(0.0)), (first.0, plot.y(0.0))]);
    canvas.area(&area, Ink::Accent, 0.14);
    let stroke = Stroke::for_role(Role::Observed, 0, font);
    draw_series(canvas, plot, &effect.times, &effect.values, stroke, areas);
    canvas.dot(*last, font * 0.28, Ink::Accent);
    let label = EndLabel {
        text: text.to_string(),
        y: last.1,
        ink: Ink::Accent,
        bold: true,
    };
    draw_end_labels(canvas, plot, &[label], areas);
}
