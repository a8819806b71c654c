//! The register of improvements.

use super::Params;
use crate::{Context, Input, StageError, frame};
use jiff::civil::Date;
use retrocast_domain::number;

/// The component of improvements that concern all records.
pub(super) const WHOLE: &str = "all";

/// A line of the register.
#[derive(Debug, Clone)]
pub(super) struct Improvement {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) component: String,
    pub(super) metric: String,
    pub(super) date: Date,
    pub(super) expected_relative: Option<f64>,
    pub(super) lower_is_better: bool,
}

/// The improvements of the metric with a date before the window's end, by date and id.
pub(super) fn read(
    context: &Context,
    params: &Params,
    register: &Input,
    caveats: &mut Vec<String>,
) -> Result<Vec<Improvement>, StageError> {
    let has = |name: &str| register.frame.column(name).is_ok();
    let height = register.frame.height();
    let ids = frame::texts(register, "id")?;
    let titles = if has("title") {
        frame::texts(register, "title")?
    } else {
        ids.clone()
    };
    let components = if has("component") {
        frame::texts(register, "component")?
    } else {
        vec![None; height]
    };
    let metrics = if has("metric") {
        frame::texts(register, "metric")?
    } else {
        vec![None; height]
    };
    let dates = frame::days(register, "date", &context.window.timezone)?;
    let expected = if has("expected_relative") {
        frame::numbers(register, "expected_relative", caveats)?
    } else {
        vec![None; height]
    };
    let lower = if has("lower_is_better") {
        frame::numbers(register, "lower_is_better", caveats)?
    } else {
        vec![None; height]
    };
    let (mut improvements, mut incomplete, mut later) = (Vec::new(), 0u64, 0u64);
    for i in 0..height {
        let metric = metrics[i].clone().unwrap_or_default();
        if params
            .metric
            .as_ref()
            .is_some_and(|wanted| *wanted != metric)
        {
            continue;
        }
        let component = components[i].clone().filter(|text| !text.trim().is_empty());
        let component = component.unwrap_or_else(|| WHOLE.to_string());
        let (Some(id), Some(date)) = (&ids[i], dates[i]) else {
            incomplete += 1;
            continue;
        };
        if date >= context.window.end {
            later += 1;
            continue;
        }
        improvements.push(Improvement {
            id: frame::visible(Some(id.clone())),
            title: frame::visible(Some(titles[i].clone().unwrap_or_else(|| id.clone()))),
            component: frame::visible(Some(component)),
            metric,
            date,
            expected_relative: expected[i],
            lower_is_better: lower[i].map_or(params.lower_is_better, |value| value != 0.0),
        });
    }
    if incomplete > 0 {
        let lines = number::plural(incomplete, "improvement");
        caveats.push(format!("{lines} without id or date left out."));
    }
    if later > 0 {
        let lines = number::plural(later, "improvement");
        caveats.push(format!("{lines} dated after the window left out."));
    }
    improvements.sort_by(|a, b| a.date.cmp(&b.date).then_with(|| a.id.cmp(&b.id)));
    Ok(improvements)
}
