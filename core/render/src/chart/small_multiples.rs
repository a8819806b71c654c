//! Many small line charts with shared scales.

use super::{
    Options,
    line::draw_series,
    plot::{
        LabelAreas, Plot, smallest_gap, time_axis_height, time_extent, unit_line, value_axis_width,
    },
    scale::{Axis, Format, drawable, seconds},
    stroke::Stroke,
    svg::{Anchor, Canvas, Ink, Style},
    text::{label_name, shorten, shorten_distinct, text_width},
};
use retrocast_domain::chart::{Panel, Role};

/// Maximum number of panels; the table has the others.
const PANELS_MAX: usize = 36;

pub(crate) fn draw(unit: &str, panels: &[Panel], options: &Options) -> (Canvas, f64) {
    let mut canvas = Canvas::new(options.width_pt, options.font_pt);
    let font = canvas.font;
    let format = Format::of_unit(unit);
    let shown = &panels[..panels.len().min(PANELS_MAX)];
    let values = shown
        .iter()
        .flat_map(|p| p.values.iter().filter_map(|v| drawable(*v)));
    let axis = Axis::around(values, 2);
    let (from, to) = time_extent(shown.iter().flat_map(|p| p.times.iter()));
    let gutter = value_axis_width(axis, format, font);
    let columns = columns(canvas.width, font, shown.len());
    let gap = font * 2.0;
    let panel_width = (canvas.width - gutter - gap * (columns as f64 - 1.0)) / columns as f64;
    let panel_height = font * 5.2;
    let top = unit_line(&mut canvas, unit, 0.0);
    let row_height = font * 2.1 + panel_height + font * 0.7;
    let rows = shown.len().div_ceil(columns).max(1);
    for (i, panel) in shown.iter().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let left = gutter + column as f64 * (panel_width + gap);
        let head = top + row as f64 * row_height;
        let (top, bottom) = (head + font * 2.1, head + font * 2.1 + panel_height);
        let plot = Plot {
            left,
            right: left + panel_width - font * 0.3,
            top,
            bottom,
            from,
            to,
            axis,
        };
        draw_heading(&mut canvas, panel, shown, &plot, head + font * 1.2);
        draw_grid(&mut canvas, &plot, format, column == 0);
        let stroke = Stroke::for_role(
            if panel.highlight || has_no_highlight(shown) {
                Role::Observed
            } else {
                Role::Context
            },
            0,
            font,
        );
        let ink = if panel.highlight || has_no_highlight(shown) {
            Ink::Accent
        } else {
            Ink::Expected
        };
        let stroke = Stroke {
            ink,
            width: stroke.width.max(font * 0.15),
            ..stroke
        };
        draw_series(
            &mut canvas,
            &plot,
            &panel.times,
            &panel.values,
            stroke,
            &mut LabelAreas::default(),
        );
        let mut newest_first = panel.times.iter().zip(&panel.values).rev();
        let last = newest_first.find_map(|(t, v)| Some((*t, drawable(*v)?)));
        if let Some((time, value)) = last {
            canvas.dot((plot.x(seconds(time)), plot.y(value)), font * 0.3, ink);
        }
        if i + columns >= shown.len() {
            plot.draw_time_axis(
                &mut canvas,
                smallest_gap([panel.times.as_slice()].into_iter()),
            );
        }
    }
    let mut height = top + rows as f64 * row_height + time_axis_height(font) - font * 0.7;
    if panels.len() > shown.len() {
        let more = format!("and {} more in the table", panels.len() - shown.len());
        let style = Style::new(font * 0.92, Ink::Muted, Anchor::Start);
        height += font * 1.4;
        canvas.text(0.0, height - font * 0.5, style, &more);
    }
    (canvas, height)
}

fn has_no_highlight(panels: &[Panel]) -> bool {
    !panels.iter().any(|panel| panel.highlight)
}

/// The largest number of columns with panels that are wide enough, filled evenly.
fn columns(width: f64, font: f64, panels: usize) -> usize {
    let columns_max = ((width / (font * 13.5)) as usize)
        .clamp(1, 5)
        .min(panels.max(1));
    panels.max(1).div_ceil(panels.max(1).div_ceil(columns_max))
}

fn draw_heading(canvas: &mut Canvas, panel: &Panel, panels: &[Panel], plot: &Plot, baseline: f64) {
    let font = canvas.font;
    let plot_width = plot.right - plot.left;
    // A short name leaves more space for the note.
    let name_width = text_width(&label_name(&panel.label), font, true) + font;
    let note_width_max = plot_width - name_width.min(plot_width * 0.45);
    let fits = text_width(&panel.note, font * 0.92, false) <= note_width_max;
    let note = if fits {
        panel.note.clone()
    } else {
        panel.note.replace("percentage points", "points")
    };
    let note = shorten(&note, note_width_max, font * 0.92, false);
    let note_width = if note.is_empty() {
        0.0
    } else {
        text_width(&note, font * 0.92, false) + font
    };
    let names: Vec<String> = panels
        .iter()
        .map(|panel| label_name(&panel.label))
        .collect();
    let others = names.iter().map(String::as_str);
    let name = shorten_distinct(
        &label_name(&panel.label),
        others,
        plot_width - note_width,
        font,
        true,
    );
    let ink = if panel.highlight {
        Ink::Accent
    } else {
        Ink::Text
    };
    canvas.text(
        plot.left,
        baseline,
        Style::new(font, ink, Anchor::Start).bold(),
        &name,
    );
    canvas.text(
        plot.right,
        baseline,
        Style::new(font * 0.92, Ink::Muted, Anchor::End),
        &note,
    );
}

fn draw_grid(canvas: &mut Canvas, plot: &Plot, format: Format, numbers: bool) {
    if numbers {
        plot.draw_value_axis(canvas, format);
        return;
    }
    for tick in plot.axis.ticks() {
        let ink = if tick == 0.0 { Ink::Axis } else { Ink::Grid };
        canvas.line(
            (plot.left, plot.y(tick)),
            (plot.right, plot.y(tick)),
            ink,
            0.6,
        );
    }
}
