//! A calendar: one square per day, a column per week, Monday on top.

use super::{
    Options,
    plot::unit_line,
    scale::drawable,
    svg::{Anchor, Canvas, Ink, Style},
    text::text_width,
};
use jiff::civil::{Date, date};
use retrocast_domain::{
    number::sensible,
    window::{WEEKDAYS, month_name},
};
use std::collections::BTreeMap;

/// Maximum number of weeks; more would be illegible. The latest are shown.
const WEEKS_MAX: i64 = 53 * 8;

pub(crate) fn draw(unit: &str, days: &[(Date, f64)], options: &Options) -> (Canvas, f64) {
    let mut canvas = Canvas::new(options.width_pt, options.font_pt);
    let font = canvas.font;
    let top = unit_line(&mut canvas, unit, 0.0);
    let values: BTreeMap<i64, f64> = days
        .iter()
        .filter_map(|(day, value)| Some((day_number(*day), drawable(Some(*value))?)))
        .collect();
    let (Some(first), Some(last)) = (values.keys().next(), values.keys().last()) else {
        let style = Style::new(font, Ink::Muted, Anchor::Start);
        canvas.text(0.0, top + font * 1.2, style, "no days with values");
        return (canvas, top + font * 2.0);
    };
    let last_week = week_of(*last);
    let first_week = week_of(*first).max(last_week - WEEKS_MAX + 1);
    let classes = Classes::from_values(&values);
    let grid = Grid::fit(canvas.width, font, (last_week - first_week + 1) as usize);
    let mut y = top;
    let mut week = first_week;
    while week <= last_week {
        let until = (week + grid.weeks as i64 - 1).min(last_week);
        draw_block(
            &mut canvas,
            &grid,
            y,
            (week, until),
            &values,
            (*first, *last),
            &classes,
        );
        y += grid.block_height(font);
        week = until + 1;
    }
    let height = draw_legend(&mut canvas, y, &classes);
    (canvas, height)
}

/// Days since Monday 5 January 1970.
fn day_number(day: Date) -> i64 {
    date(1970, 1, 5)
        .until(day)
        .map_or(0, |span| i64::from(span.get_days()))
}

fn week_of(day: i64) -> i64 {
    day.div_euclid(7)
}

fn day_of(number: i64) -> Option<Date> {
    use jiff::ToSpan;
    date(1970, 1, 5).checked_add(number.days()).ok()
}

/// Sizes of the squares and number of weeks per row.
struct Grid {
    left: f64,
    cell: f64,
    weeks: usize,
}

impl Grid {
    fn fit(width: f64, font: f64, weeks: usize) -> Self {
        let left = font * 1.5;
        let available = width - left;
        let cell_min = font * 0.95;
        // Long spans are split into rows of equal length, at most a year each.
        let weeks_max = ((available / cell_min) as usize).clamp(1, 53);
        let rows = weeks.div_ceil(weeks_max);
        let per_row = weeks.div_ceil(rows.max(1)).max(1);
        let cell = (available / per_row as f64).min(font * 1.7).max(font * 0.4);
        Self {
            left,
            cell,
            weeks: per_row,
        }
    }

    fn block_height(&self, font: f64) -> f64 {
        font * 1.5 + self.cell * 7.0 + font * 0.8
    }
}

fn draw_block(
    canvas: &mut Canvas,
    grid: &Grid,
    top: f64,
    weeks: (i64, i64),
    values: &BTreeMap<i64, f64>,
    span: (i64, i64),
    classes: &Classes,
) {
    let font = canvas.font;
    let size = font * 0.92;
    let head = top + font * 1.5;
    let gap = (grid.cell * 0.1).min(1.2);
    let shows_all_weekdays = grid.cell >= font * 1.05;
    for (i, name) in WEEKDAYS
        .iter()
        .enumerate()
        .filter(|(i, _)| shows_all_weekdays || i % 2 == 0)
    {
        let y = head + grid.cell * (i as f64 + 0.5) + size * 0.35;
        canvas.text(
            0.0,
            y,
            Style::new(size * 0.92, Ink::Muted, Anchor::Start),
            &name[..1],
        );
    }
    let mut next_free = 0.0;
    for week in weeks.0..=weeks.1 {
        let x = grid.left + (week - weeks.0) as f64 * grid.cell;
        if let Some(text) = month_label(week, week == weeks.0, span.1) {
            let label_width = text_width(&text, size, false);
            if x >= next_free && x + label_width <= canvas.width {
                canvas.text(
                    x,
                    top + font,
                    Style::new(size, Ink::Muted, Anchor::Start),
                    &text,
                );
                next_free = x + label_width + size * 0.6;
            }
        }
        for weekday in 0..7 {
            let number = week * 7 + weekday;
            if number < span.0 || number > span.1 {
                continue;
            }
            let (y, side) = (head + weekday as f64 * grid.cell, grid.cell - gap);
            match values.get(&number) {
                Some(value) => {
                    let ink = Ink::Heat(classes.class(*value));
                    canvas.rect((x, y), (x + side, y + side), ink, gap.min(1.0));
                }
                None => canvas.empty_square(x, y, side),
            }
        }
    }
}

/// Labels a week with the month that begins in it, up to the last day drawn, and with the year in
/// January. The first week always has a label with the year.
fn month_label(week: i64, start: bool, last: i64) -> Option<String> {
    let monday = day_of(week * 7)?;
    let sunday = day_of((week * 7 + 6).min(last))?;
    let month_begins = monday.day() == 1 || monday.month() != sunday.month();
    let labelled_day = if monday.day() == 1 { monday } else { sunday };
    if start && !month_begins {
        return Some(format!("{} {}", &month_name(monday)[..3], monday.year()));
    }
    let year = if start || labelled_day.month() == 1 {
        format!(" {}", labelled_day.year())
    } else {
        String::new()
    };
    month_begins.then(|| format!("{}{year}", &month_name(labelled_day)[..3]))
}

/// Five classes of values, with equal steps, or with equal numbers of days if a few days are
/// extreme.
struct Classes {
    low: f64,
    edges: [f64; 4],
    high: f64,
    /// Range of each class with values, without gaps in between.
    ranges: BTreeMap<u8, [f64; 2]>,
}

impl Classes {
    fn from_values(values: &BTreeMap<i64, f64>) -> Self {
        let mut sorted: Vec<f64> = values.values().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let quantile = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        let (low, high) = (quantile(0.0), quantile(1.0));
        let steps = [0.2, 0.4, 0.6, 0.8];
        let skewed = high - low > 4.0 * (quantile(0.75) - low).max(f64::MIN_POSITIVE);
        let edges = if skewed {
            // The top class starts at the 95th percentile, so that peaks are visible.
            [quantile(0.3), quantile(0.6), quantile(0.85), quantile(0.95)]
        } else {
            steps.map(|share| low + (high - low) * share)
        };
        let mut classes = Self {
            low,
            edges,
            high,
            ranges: BTreeMap::new(),
        };
        for value in &sorted {
            let class = classes.class(*value);
            let range = classes.ranges.entry(class).or_insert([*value; 2]);
            range[1] = *value;
        }
        // Values between two classes belong to the lower class.
        let are_counts = sorted.iter().all(|value| value.fract() == 0.0);
        let starts: Vec<f64> = classes.ranges.values().map(|[least, _]| *least).collect();
        for (range, next) in classes.ranges.values_mut().zip(&starts[1..]) {
            range[1] = if are_counts { next - 1.0 } else { *next };
        }
        classes
    }

    fn class(&self, value: f64) -> u8 {
        if self.high <= self.low {
            return 2;
        }
        self.edges.iter().filter(|edge| value > **edge).count() as u8
    }
}

fn draw_legend(canvas: &mut Canvas, top: f64, classes: &Classes) -> f64 {
    let font = canvas.font;
    let style = Style::new(font * 0.92, Ink::Muted, Anchor::Start);
    let mut baseline = top + font;
    let side = font;
    let draw = |canvas: &mut Canvas, x: f64, baseline: f64, class: u8| {
        let y = baseline - font * 0.85;
        canvas.rect((x, y), (x + side, y + side), Ink::Heat(class), 1.0);
    };
    let mut x = 0.0;
    for (class, [least, most]) in &classes.ranges {
        let label = range_label(*least, *most);
        if x > 0.0 && x + side + text_width(&label, style.size, false) > canvas.width {
            (x, baseline) = (0.0, baseline + font * 1.5);
        }
        draw(canvas, x, baseline, *class);
        x += side + font * 0.4;
        x = canvas.text(x, baseline, style, &label).right + font * 1.2;
    }
    baseline + font * 0.6
}

/// Formats a range, "4 to 7", or "4" if both ends print the same.
fn range_label(least: f64, most: f64) -> String {
    let [least, most] = [least, most].map(sensible);
    if least == most {
        least
    } else {
        format!("{least} to {most}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_months_with_days_are_named() {
        // Friday 31 July 2026 and the following day.
        let last = day_number(date(2026, 7, 31));
        let label = |last| month_label(week_of(last), false, last);
        assert_eq!(label(last), None);
        assert_eq!(label(last + 1).as_deref(), Some("Aug"));
    }

    #[test]
    fn the_legend_names_each_value_once() {
        let labels = |values: &[f64]| -> Vec<String> {
            let days = (0..).zip(values.iter().copied()).collect();
            let classes = Classes::from_values(&days);
            let ranges = classes.ranges.values();
            ranges.map(|[a, b]| range_label(*a, *b)).collect()
        };
        // No day had 2, 4, 6 or 7.
        let gap: Vec<f64> = [0.0, 1.0, 3.0, 5.0, 8.0, 9.0, 10.0].to_vec();
        assert_eq!(labels(&gap), ["0 to 2", "3 to 4", "5 to 7", "8", "9 to 10"]);
        let parts = labels(&[0.5, 1.25, 4.5, 9.5]);
        assert_eq!(parts, ["0.50 to 4.50", "4.50 to 9.50", "9.50"]);
        let mut rare = vec![0.0; 80];
        rare.extend([1.0; 15]);
        rare.extend([2.0, 2.0, 2.0, 3.0, 7.0]);
        assert_eq!(labels(&rare), ["0", "1", "2 to 7"]);
        assert_eq!(labels(&[4.0; 9]), ["4"]);
        let even: Vec<f64> = (0..=10).map(f64::from).collect();
        let expected = ["0 to 2", "3 to 4", "5 to 6", "7 to 8", "9 to 10"];
        assert_eq!(labels(&even), expected);
    }
}
