//! Tables of forecasts and of their accuracy on past dates.

use super::{
    predict::{Breach, GroupForecast},
    present::Reporter,
};
use crate::series::words;
use retrocast_domain::{Table, number};
use retrocast_stats::forecast::Outlook;

impl Reporter<'_> {
    /// Heading of errors, which are relative to the comparison, as in sentences.
    fn error_heading(forecasts: &[GroupForecast]) -> String {
        let season = forecasts.first().map_or("last week", |group| group.season);
        format!(">error (repeating {season} = 100\u{a0}%)")
    }

    pub(super) fn table(&self, forecasts: &[GroupForecast]) -> Table {
        let steps = forecasts
            .iter()
            .map(|group| self.next_steps(&group.outlook));
        let last = self.ahead(steps.max().unwrap_or(1) - 1).date();
        let period = self.set.period.of_dates();
        let dates = period.during(self.ahead(0).date(), last);
        let level = |at: Option<&f64>| at.map_or_else(String::new, |level| words::share(*level));
        let (widest, coverage) = (
            level(self.params.level.last()),
            level(self.params.level.first()),
        );
        let mut columns = vec!["<group", ">expected"];
        let interval = format!(">{widest} interval");
        columns.push(&interval);
        if self.params.capacity.is_some() {
            columns.push(">Limit reached, if the rise continues");
        }
        let error = Self::error_heading(forecasts);
        let coverage = format!(">past values in the {coverage} interval");
        columns.extend([error.as_str(), &coverage]);
        let mut table = Table::new(format!("Expected {} {dates}.", self.name), &columns);
        for group in forecasts {
            let Some(finding) = self.next_window(group) else {
                continue;
            };
            let Some(magnitude) = finding.magnitude else {
                continue;
            };
            let band = &group.outlook.bands[0];
            let reached = match group.breach {
                None => "–".to_string(),
                Some(Breach::Now) => "now".to_string(),
                Some(Breach::Ahead { likely, .. }) => period.words(self.ahead(likely).date()),
            };
            let interval =
                [magnitude.lower, magnitude.upper].map(|end| end.unwrap_or(magnitude.value));
            let [expected, range] = self.expected(group, magnitude.value, interval);
            let is_constant = group.outlook.constant;
            let mut row = vec![group.series.label.clone(), expected];
            row.push(if is_constant {
                "–".to_string()
            } else {
                range
            });
            if self.params.capacity.is_some() {
                row.push(reached);
            }
            row.extend(if group.followed().is_some() {
                ["–".to_string(), "–".to_string()]
            } else {
                let error = relative_error(&group.outlook, group.outlook.mase);
                [error, number::percent(band.coverage)]
            });
            table.rows.push(row);
        }
        table.top(40)
    }

    /// The accuracy of the forecasters in the backtest, for the largest group that they forecast.
    pub(super) fn accuracy_table(&self, forecasts: &[GroupForecast]) -> Option<Table> {
        let tested = forecasts.iter().filter(|group| group.followed().is_none());
        let group = tested.max_by_key(|group| group.series.records)?;
        let error = Self::error_heading(std::slice::from_ref(group));
        let mut table = Table::new(
            "Backtest of the forecasters",
            &["<forecaster", &error, ">share"],
        );
        let outlook = &group.outlook;
        let used = outlook.members.iter().filter(|member| member.weight > 0.0);
        let is_one = used.count() == 1;
        let selection = if is_one {
            "the forecaster with the smallest recent errors is used; the error column weights all dates equally"
        } else {
            "forecasters close to the best recently are combined (for each date, the mean of the middle \
             half); the error column weights all dates equally"
        };
        table.caption = format!(
            "Mean absolute errors{} on {} over {}; {selection}.",
            words::in_group(group.series),
            number::plural(outlook.origins as u64, "past date"),
            number::plural(outlook.mean.len() as u64, self.set.period.noun())
        );
        for member in &outlook.members {
            table.push([
                member.name.to_string(),
                relative_error(outlook, member.mase),
                format!("{:.0}\u{a0}%", 100.0 * member.weight),
            ]);
        }
        if !is_one {
            let combined = relative_error(outlook, outlook.mase);
            table.push(["combined".to_string(), combined, String::new()]);
        }
        Some(table)
    }
}

/// A scaled error relative to that of the comparison; "–" if the comparison was exact.
fn relative_error(outlook: &Outlook, mase: f64) -> String {
    let ratio = mase * outlook.error / outlook.mase / outlook.naive_error;
    if !ratio.is_finite() {
        "–".to_string()
    } else if ratio < 10.0 {
        format!("{:.0}\u{a0}%", 100.0 * ratio)
    } else {
        "> 999\u{a0}%".to_string()
    }
}
