//! The values of a chart as a table, for readers who cannot see the chart or who use a keyboard.

use jiff::civil::DateTime;
use retrocast_domain::{
    Chart, ChartKind, Table,
    chart::{Band, Series},
    number::{sensible, with_unit},
};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the table of a chart or, if it has none, a table of the values that it draws, with the
/// newest times first. `None` for a sparkline, whose value is beside it.
pub(crate) fn values(chart: &Chart) -> Option<Table> {
    if chart.table.is_some() {
        return chart.table.clone();
    }
    let unit = chart.unit.as_str();
    match &chart.kind {
        ChartKind::Line {
            series,
            bands,
            markers,
            ..
        } => {
            let notes = markers.iter().filter(|marker| !marker.label.is_empty());
            let notes = notes.map(|marker| (marker.time, marker.label.clone()));
            let series: Vec<&Series> = series.iter().collect();
            Some(table_by_time(unit, &series, bands, notes.collect()))
        }
        ChartKind::BeforeAfter {
            observed,
            counterfactual,
            band,
            change,
            change_label,
        } => {
            let notes = BTreeMap::from([(*change, change_label.clone())]);
            let band = std::slice::from_ref(band);
            Some(table_by_time(
                unit,
                &[observed, counterfactual],
                band,
                notes,
            ))
        }
        ChartKind::Bars { bars, .. } => {
            let has_intervals = bars.iter().any(|bar| bar.interval.is_some());
            let columns: &[&str] = if has_intervals {
                &["<Category", ">Value", ">Interval"]
            } else {
                &["<Category", ">Value"]
            };
            let mut table = Table::new("", columns);
            for bar in bars {
                let text = match bar.text.as_str() {
                    "" => text(bar.value, unit),
                    text => text.to_string(),
                };
                let mut row = vec![bar.label.clone(), text];
                if has_intervals {
                    row.push(bar.interval.map_or_else(String::new, |[low, high]| {
                        format!("{} to {}", self::text(low, unit), self::text(high, unit))
                    }));
                }
                table.rows.push(row);
            }
            Some(table)
        }
        ChartKind::SmallMultiples { panels } => {
            let mut table = Table::new(
                "",
                &["<Panel", ">First", ">Last", ">Lowest", ">Highest", "<Note"],
            );
            for panel in panels {
                let known: Vec<f64> = panel.values.iter().flatten().copied().collect();
                let text_or_dash =
                    |value: Option<f64>| value.map_or("–".to_string(), |value| text(value, unit));
                table.rows.push(vec![
                    panel.label.clone(),
                    text_or_dash(known.first().copied()),
                    text_or_dash(known.last().copied()),
                    text_or_dash(known.iter().copied().reduce(f64::min)),
                    text_or_dash(known.iter().copied().reduce(f64::max)),
                    panel.note.clone(),
                ]);
            }
            Some(table)
        }
        ChartKind::CalendarHeat { days } => {
            let mut table = Table::new("", &["<Day", ">Value"]);
            for (day, value) in days.iter().rev() {
                table.rows.push(vec![day.to_string(), text(*value, unit)]);
            }
            Some(table)
        }
        ChartKind::Bullet {
            text: value,
            target,
            ..
        } => {
            let mut table = Table::new("", &["<Value", ">Target"]);
            let target = target.map_or("–".to_string(), |target| text(target, unit));
            table.rows.push(vec![value.clone(), target]);
            Some(table)
        }
        ChartKind::Sparkline { .. } => None,
    }
}

/// Values of series and bands by time, the newest first.
fn table_by_time(
    unit: &str,
    series: &[&Series],
    bands: &[Band],
    notes: BTreeMap<DateTime, String>,
) -> Table {
    let mut columns = vec!["<Time".to_string()];
    columns.extend(series.iter().map(|series| format!(">{}", series.name)));
    columns.extend(bands.iter().map(|band| format!(">{}", band.name)));
    if !notes.is_empty() {
        columns.push("<Note".to_string());
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("", &columns);
    let lines: Vec<BTreeMap<DateTime, f64>> = series
        .iter()
        .map(|series| {
            let points = series.times.iter().zip(&series.values);
            points
                .filter_map(|(time, value)| Some((*time, (*value)?)))
                .collect()
        })
        .collect();
    let edges: Vec<BTreeMap<DateTime, [f64; 2]>> = bands
        .iter()
        .map(|band| {
            let bounds = band.lower.iter().zip(&band.upper);
            let points = band.times.iter().zip(bounds);
            points
                .filter(|(_, (low, high))| low.is_finite() && high.is_finite())
                .map(|(time, (low, high))| (*time, [*low, *high]))
                .collect()
        })
        .collect();
    let times: BTreeSet<DateTime> = lines
        .iter()
        .flat_map(BTreeMap::keys)
        .chain(edges.iter().flat_map(BTreeMap::keys))
        .chain(notes.keys())
        .copied()
        .collect();
    for time in times.into_iter().rev() {
        let mut row = vec![time_text(time)];
        row.extend(lines.iter().map(|line| {
            line.get(&time)
                .map_or_else(String::new, |value| text(*value, unit))
        }));
        row.extend(edges.iter().map(|edge| {
            edge.get(&time).map_or_else(String::new, |[low, high]| {
                format!("{} to {}", text(*low, unit), text(*high, unit))
            })
        }));
        if !notes.is_empty() {
            row.push(notes.get(&time).cloned().unwrap_or_default());
        }
        table.rows.push(row);
    }
    table
}

fn time_text(time: DateTime) -> String {
    if time.time() == jiff::civil::Time::midnight() {
        time.date().to_string()
    } else {
        time.strftime("%Y-%m-%d %H:%M").to_string()
    }
}

fn text(value: f64, unit: &str) -> String {
    match unit {
        _ if !value.is_finite() => "–".to_string(),
        "share" | "min" | "ratio" => with_unit(value, unit),
        _ => sensible(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::samples;

    #[test]
    fn every_chart_but_sparklines_has_its_values_as_a_table() {
        for chart in samples::one_of_each().into_iter().chain(samples::extreme()) {
            let table = values(&chart);
            let is_sparkline = matches!(chart.kind, ChartKind::Sparkline { .. });
            assert_eq!(table.is_none(), is_sparkline, "{}", chart.id);
            for row in table.iter().flat_map(|table| &table.rows) {
                assert!(
                    row.len() == table.as_ref().unwrap().columns.len(),
                    "{}",
                    chart.id
                );
            }
        }
    }
}
