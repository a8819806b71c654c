//! Charts of forecasts, and their rows for later stages.

use super::{
    predict::{Breach, GroupForecast},
    present::Reporter,
};
use crate::{StageError, series::words};
use jiff::civil::DateTime;
use polars::prelude::*;
use retrocast_domain::{
    Chart, ChartKind, Finding,
    chart::{Band, Level, Role, Series},
    number,
};

impl Reporter<'_> {
    /// Charts of the groups that reach their limit, soonest first, or of the largest group.
    pub(super) fn charts(&self, forecasts: &[GroupForecast]) -> Vec<Chart> {
        let soonest = |group: &&GroupForecast| match group.breach {
            Some(Breach::Now) => 0,
            Some(Breach::Ahead { likely, .. }) => likely + 1,
            None => usize::MAX,
        };
        let mut shown: Vec<&GroupForecast> = forecasts
            .iter()
            .filter(|group| group.breach.is_some())
            .collect();
        shown.sort_by_key(soonest);
        if shown.is_empty() {
            shown.extend(forecasts.iter().max_by_key(|group| group.series.records));
        }
        shown.truncate(4);
        shown.into_iter().map(|group| self.chart(group)).collect()
    }

    fn chart(&self, group: &GroupForecast) -> Chart {
        let outlook = &group.outlook;
        let mut extra = Vec::new();
        let mut bands = self.bands(group);
        if let Some((Breach::Ahead { .. }, recent)) = group.reached() {
            let steps = recent.length().min(self.params.horizon(self.set.period));
            let times: Vec<DateTime> = (0..steps).map(|step| self.ahead(step)).collect();
            let level = self.params.level.last().copied().unwrap_or(0.95);
            let edge = |side: f64| {
                let at = |step| recent.at(step) + side * recent.half_width(step, level);
                (0..steps).map(at).collect()
            };
            // The reported dates are those of the line, so its interval is shown beside that of the
            // forecast.
            bands.truncate(1);
            bands
                .iter_mut()
                .for_each(|band| band.name += " of the forecast");
            bands.push(Band {
                name: format!("{} interval of the line", words::share(level)),
                times: times.clone(),
                lower: edge(-1.0),
                upper: edge(1.0),
            });
            extra.push(Series {
                name: format!("line since {}", self.line_start_words(group, recent)),
                times,
                values: (0..steps).map(|step| Some(recent.at(step))).collect(),
                role: Role::Context,
            });
        }
        let ahead: Vec<DateTime> = (0..outlook.mean.len())
            .map(|step| self.ahead(step))
            .collect();
        let n = self.set.starts.len();
        let from = n.saturating_sub((3 * ahead.len()).max(60));
        let name = format!("{}{}", self.name, words::in_group(group.series));
        let title = self.breach_title(group).unwrap_or_else(|| {
            let (first, last) = (self.ahead(0), self.ahead(ahead.len() - 1));
            let dates = self.set.period.range(first, last);
            format!("{}: forecast for {dates}", words::capitalised(&name))
        });
        let levels = self.params.capacity.map(|capacity| Level {
            start: self.set.starts[from],
            end: extra
                .first()
                .and_then(|line| line.times.last())
                .or(ahead.last())
                .copied()
                .unwrap_or(DateTime::MAX),
            value: capacity.line(),
            label: if capacity.share < 1.0 {
                format!("{} of the limit", words::share(capacity.share))
            } else {
                "limit".to_string()
            },
        });
        Chart {
            id: format!(
                "{}-{}",
                self.context.stage,
                Finding::identity("chart", &group.series.subject, "forecast")
            ),
            alt: format!(
                "{} from {} on and the forecast for {}: {} at first, {} at last.",
                words::capitalised(&name),
                self.set
                    .period
                    .of_dates()
                    .words(self.set.starts[from].date()),
                number::plural(ahead.len() as u64, self.set.period.noun()),
                self.step(group, 0),
                self.step(group, ahead.len() - 1),
            ),
            title,
            unit: self.axis(),
            kind: ChartKind::Line {
                series: [
                    Series {
                        name: self.name.to_string(),
                        times: self.set.starts[from..].to_vec(),
                        values: group.series.values[from..].to_vec(),
                        role: Role::Observed,
                    },
                    Series {
                        name: "forecast".to_string(),
                        times: ahead,
                        values: outlook.mean.iter().copied().map(Some).collect(),
                        role: Role::Expected,
                    },
                ]
                .into_iter()
                .chain(extra)
                .collect(),
                bands,
                markers: Vec::new(),
                levels: levels.into_iter().collect(),
            },
            table: None,
        }
    }

    /// Intervals of the forecast, the widest first.
    fn bands(&self, group: &GroupForecast) -> Vec<Band> {
        let outlook = &group.outlook;
        let levels = outlook.bands.iter().zip(&self.params.level).rev();
        levels
            .map(|(band, level)| Band {
                name: format!("{} interval", words::share(*level)),
                times: (0..outlook.mean.len())
                    .map(|step| self.ahead(step))
                    .collect(),
                lower: band.lower.clone(),
                upper: band.upper.clone(),
            })
            .collect()
    }

    /// One row per group and step ahead, for later stages.
    pub(super) fn frame(&self, forecasts: &[GroupForecast]) -> Result<DataFrame, StageError> {
        let (mut groups, mut times, mut means) = (Vec::new(), Vec::new(), Vec::new());
        let mut ends: Vec<[Vec<f64>; 2]> = vec![Default::default(); self.params.level.len()];
        for group in forecasts {
            for (step, mean) in group.outlook.mean.iter().enumerate() {
                groups.push(group.series.label.clone());
                times.push(self.set.period.iso(self.ahead(step)));
                means.push(*mean);
                for (end, band) in ends.iter_mut().zip(&group.outlook.bands) {
                    end[0].push(band.lower[step]);
                    end[1].push(band.upper[step]);
                }
            }
        }
        let mut columns = vec![
            Column::new("group".into(), groups),
            Column::new(self.set.period.noun().into(), times),
            Column::new("expected".into(), means),
        ];
        for (level, [lower, upper]) in self.params.level.iter().zip(ends) {
            let per_cent = (level * 1000.0).round() / 10.0;
            columns.push(Column::new(format!("lower_{per_cent}").into(), lower));
            columns.push(Column::new(format!("upper_{per_cent}").into(), upper));
        }
        Ok(DataFrame::new_infer_height(columns)?)
    }
}
