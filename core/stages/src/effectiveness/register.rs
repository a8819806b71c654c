//! Reads the register of improvements.

use super::Params;
use crate::{Context, Input, StageError, frame, rows::Unusable};
use jiff::civil::{Date, DateTime};
use retrocast_domain::number;

/// Component of improvements that apply to all records.
pub(super) const ALL_RECORDS: &str = "all";

/// An entry of the register.
#[derive(Debug, Clone)]
pub(super) struct Improvement {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) component: String,
    pub(super) metric: String,
    pub(super) date: Date,
    pub(super) expected_relative: Option<f64>,
    pub(super) lower_is_better: bool,
    pub(super) category: String,
    /// Cost, in the currency of the stage.
    pub(super) cost: Option<f64>,
}

/// Reads the improvements of the metric dated before the window's end, sorted by date and id.
pub(super) fn read_register(
    context: &Context,
    params: &Params,
    register: &Input,
    caveats: &mut Vec<String>,
) -> Result<Vec<Improvement>, StageError> {
    let optional = [
        "title",
        "component",
        "metric",
        "expected_relative",
        "lower_is_better",
        "category",
        "cost",
    ];
    let mut columns = vec!["id", "date"];
    columns.extend(optional.into_iter().filter(|name| register.has(name)));
    let rows = register.read_all(&columns)?;
    let mut unusable = Unusable::default();
    let texts = |name: &str| {
        if register.has(name) {
            frame::texts(&rows, name)
        } else {
            Ok(vec![None; rows.frame.height()])
        }
    };
    let mut numbers = |name: &str| {
        if register.has(name) {
            frame::numbers(&rows, name, &mut unusable)
        } else {
            Ok(vec![None; rows.frame.height()])
        }
    };
    let (ids, components, metrics) = (texts("id")?, texts("component")?, texts("metric")?);
    let categories = texts("category")?;
    let titles = if register.has("title") {
        texts("title")?
    } else {
        ids.clone()
    };
    let (expected, lower) = (numbers("expected_relative")?, numbers("lower_is_better")?);
    let costs = numbers("cost")?;
    caveats.extend(unusable.caveats());
    let times = register.times("date", &context.window.timezone)?;
    let dates = times.of(&rows, "date")?;
    let (mut improvements, mut incomplete, mut later) = (Vec::new(), 0u64, 0u64);
    let mut negative = 0u64;
    for i in 0..ids.len() {
        let metric = metrics[i].clone().unwrap_or_default();
        if params
            .metric
            .as_ref()
            .is_some_and(|wanted| *wanted != metric)
        {
            continue;
        }
        let component = components[i].clone().filter(|text| !text.trim().is_empty());
        let component = component.unwrap_or_else(|| ALL_RECORDS.to_string());
        let (Some(id), Some(date)) = (&ids[i], dates[i].map(DateTime::date)) else {
            incomplete += 1;
            continue;
        };
        if date >= context.window.end {
            later += 1;
            continue;
        }
        let cost = costs[i].filter(|cost| *cost >= 0.0);
        negative += u64::from(cost.is_none() && costs[i].is_some());
        improvements.push(Improvement {
            id: frame::visible(Some(id.clone())),
            title: frame::visible(Some(titles[i].clone().unwrap_or_else(|| id.clone()))),
            component: frame::visible(Some(component)),
            metric,
            date,
            expected_relative: expected[i],
            lower_is_better: lower[i].map_or(params.lower_is_better, |value| value != 0.0),
            category: categories[i].clone().unwrap_or_default(),
            cost,
        });
    }
    if negative > 0 {
        let costs = number::plural(negative, "negative cost");
        caveats.push(format!("{costs} left out."));
    }
    if incomplete > 0 {
        let improvements = number::plural(incomplete, "improvement");
        caveats.push(format!("{improvements} without id or date left out."));
    }
    if later > 0 {
        let improvements = number::plural(later, "improvement");
        caveats.push(format!("{improvements} dated after the window left out."));
    }
    improvements.sort_by(|a, b| a.date.cmp(&b.date).then_with(|| a.id.cmp(&b.id)));
    Ok(improvements)
}
