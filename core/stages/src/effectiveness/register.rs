//! Reads the register of improvements.

use super::Params;
use crate::{Context, Input, StageError, frame, rows::UnusableValues, series::words};
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

/// The names of the metric that a stage measures.
struct MetricNames(Vec<String>);

impl MetricNames {
    /// The params `metric` and `measure`; without both, the value column, the noun for the records
    /// and the dataset.
    fn new(params: &Params, noun: &str) -> Self {
        let named = [params.metric.as_deref(), params.measure.as_deref()];
        let mut names: Vec<String> = named.into_iter().flatten().map(normalised).collect();
        if names.is_empty() {
            names = match params.value.as_deref() {
                Some(value) => vec![
                    normalised(value),
                    normalised(&words::aggregate_of(params.aggregate(), value)),
                ],
                None => vec![normalised(noun), normalised(&params.input)],
            };
        }
        names.dedup();
        Self(names)
    }

    /// Returns true if an improvement of this metric is measured here. One without a metric is
    /// measured by every stage.
    fn include(&self, metric: &str) -> bool {
        let metric = normalised(metric);
        metric.is_empty() || self.0.contains(&metric)
    }

    /// The caveat that lists the improvements of other metrics.
    fn caveat(&self, others: &[String]) -> Option<String> {
        if others.is_empty() {
            return None;
        }
        let own: Vec<String> = self.0.iter().map(|name| format!("{name:?}")).collect();
        Some(format!(
            "Not measured here, because this stage measures {}: {}. Each needs a stage with `metric` set to \
             its metric and with the records of that metric as `input`; if both names mean the same metric, use \
             that of this stage in the register.",
            number::list(&own),
            words::short_list(others)
        ))
    }
}

/// A name without differences that do not matter: case, underscores, and "per day".
fn normalised(name: &str) -> String {
    let name = name.trim().to_lowercase().replace('_', " ");
    let noun = name.split(" per ").next().unwrap_or_default();
    noun.trim().to_string()
}

/// Reads the improvements of the metric dated before the window's end, sorted by date and id, and
/// the ids of those of other metrics.
pub(super) fn read_register(
    context: &Context,
    params: &Params,
    register: &Input,
    noun: &str,
    caveats: &mut Vec<String>,
) -> Result<(Vec<Improvement>, Vec<String>), StageError> {
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
    let mut unusable = UnusableValues::default();
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
    let names = MetricNames::new(params, noun);
    let (mut others, mut other_ids) = (Vec::new(), Vec::new());
    for i in 0..ids.len() {
        let metric = metrics[i].clone().unwrap_or_default();
        if !names.include(&metric) {
            let id = frame::visible(ids[i].clone());
            others.push(format!("{id} ({})", frame::visible(Some(metric))));
            let is_dated = dates[i].is_some_and(|date| date.date() < context.window.end);
            other_ids.extend(is_dated.then_some(id));
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
    others.sort();
    caveats.extend(names.caveat(&others));
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
    Ok((improvements, other_ids))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(params: serde_json::Value) -> MetricNames {
        let mut all = json!({"improvements": "register", "input": "support_tickets"});
        for (key, value) in params.as_object().expect("an object") {
            all[key] = value.clone();
        }
        MetricNames::new(&serde_json::from_value(all).expect("params"), "tickets")
    }

    #[test]
    fn a_stage_measures_improvements_of_its_own_metric() {
        let counts = names(json!({}));
        for own in ["", "Tickets", "support tickets", "tickets per day"] {
            assert!(counts.include(own), "{own}");
        }
        assert!(!counts.include("time to resolve"));
        let value = names(json!({"value": "time_to_resolve"}));
        assert!(value.include("Time to resolve") && !value.include("tickets"));
        let median = names(json!({"value": "minutes", "aggregate": "median"}));
        assert!(median.include("minutes") && median.include("median minutes"));
        let named = names(json!({"metric": "failures", "measure": "failure tickets"}));
        assert!(named.include("failures") && named.include("failure tickets"));
        assert!(!named.include("tickets"));
    }

    #[test]
    fn improvements_of_other_metrics_are_listed() {
        let names = names(json!({"measure": "tickets"}));
        assert_eq!(names.caveat(&[]), None);
        let caveat = names.caveat(&["ttr (time to resolve)".to_string()]);
        let caveat = caveat.expect("a caveat");
        assert!(
            caveat.starts_with(
                "Not measured here, because this stage measures \"tickets\": ttr (time to resolve). "
            ),
            "{caveat}"
        );
        let many: Vec<String> = (0..7).map(|i| format!("i{i} (x)")).collect();
        let caveat = names.caveat(&many).expect("a caveat");
        assert!(caveat.contains("i4 (x) and 2 more"), "{caveat}");
    }
}
