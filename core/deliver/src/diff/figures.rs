//! Key figures of two runs.

use super::Pair;
use retrocast_domain::{
    Direction, Kpi,
    number::{MINUS, change, difference, points, signed},
};
use retrocast_run::{NodeState, RunFolder};
use serde::Serialize;

/// A key figure in two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Stage that measured it.
    pub stage: String,
    /// Name of the figure, such as "Success rate".
    pub name: String,
    /// Subject: "all", or a group.
    pub subject: String,
    /// Unit of its values.
    pub unit: String,
    /// True if both runs measured it.
    pub compared: bool,
    /// Values; `None` if not measured.
    pub value: Pair<Option<f64>>,
    /// Values formatted; empty for none.
    pub text: Pair<String>,
    /// Change formatted: per cent of the first value, percentage points for shares; empty for none.
    pub change: String,
    /// True if the change is larger than chance would explain; `None` without a test, such as for
    /// windows that are not consecutive.
    pub beyond_chance: Option<bool>,
    /// True if the change is an improvement; `None` without a change.
    pub better: Option<bool>,
    /// True if the target is met; `None` without a target.
    pub on_target: Pair<Option<bool>>,
    /// Target formatted; empty for none.
    pub target: String,
}

impl Figure {
    /// Returns true if the values differ as printed.
    pub fn is_changed(&self) -> bool {
        !self.text.is_same()
    }

    /// Returns true if only one run met the target.
    pub fn has_crossed_target(&self) -> bool {
        let Pair { old, new } = self.on_target;
        old.is_some() && new.is_some() && old != new
    }
}

/// Figures of both runs, the most important change first.
pub(super) fn compare(runs: &Pair<RunFolder>) -> Vec<Figure> {
    let kpis = runs.map(kpis);
    let find = |list: &[(Key, Kpi)], key: &Key| {
        let mut matching = list.iter().filter(|(other, _)| other == key);
        matching.next().map(|(_, kpi)| kpi.clone())
    };
    let mut keys: Vec<Key> = Vec::new();
    for (key, _) in kpis.new.iter().chain(&kpis.old) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    let mut figures: Vec<(f64, Figure)> = keys
        .into_iter()
        .map(|key| {
            let pair = kpis.map(|list| find(list, &key));
            let pair = pair.map(Option::as_ref);
            let compared = [&runs.old, &runs.new]
                .iter()
                .all(|run| run.state(&key.0) == NodeState::Done);
            (weight(&pair), figure(key, &pair, compared))
        })
        .collect();
    figures.sort_by(|(a_weight, a), (b_weight, b)| {
        let rank = |figure: &Figure| {
            (
                figure.beyond_chance != Some(true),
                !figure.has_crossed_target(),
                !figure.is_changed(),
            )
        };
        rank(a).cmp(&rank(b)).then(b_weight.total_cmp(a_weight))
    });
    figures.into_iter().map(|(_, figure)| figure).collect()
}

/// Node, name and subject.
type Key = (String, String, String);

fn kpis(run: &RunFolder) -> Vec<(Key, Kpi)> {
    let key = |node: &str, kpi: &Kpi| (node.to_string(), kpi.name.clone(), kpi.subject.clone());
    run.in_order()
        .flat_map(|(node, cell)| {
            cell.kpis
                .iter()
                .map(move |kpi| (key(node, kpi), kpi.clone()))
        })
        .collect()
}

fn figure((stage, name, subject): Key, kpis: &Pair<Option<&Kpi>>, compared: bool) -> Figure {
    let value = kpis.map(|kpi| kpi.and_then(|kpi| kpi.value));
    let unit = kpis
        .new
        .or(kpis.old)
        .map(|kpi| kpi.unit.clone())
        .unwrap_or_default();
    let same_unit = kpis.old.is_none_or(|kpi| kpi.unit == unit);
    let values = match (value.old, value.new) {
        (Some(old), Some(new)) if same_unit => Some([old, new]),
        _ => None,
    };
    let lower = kpis.new.or(kpis.old).is_some_and(|kpi| kpi.lower_is_better);
    let on_target = |kpi: Option<&Kpi>| {
        let kpi = kpi?;
        let value_and_target = kpi.value.zip(kpi.target);
        value_and_target.map(|_| !kpi.misses_target())
    };
    Figure {
        change: values
            .map(|values| change_text(values, &unit))
            .unwrap_or_default(),
        beyond_chance: beyond_chance(kpis),
        better: values
            .filter(|[old, new]| old != new)
            .map(|[old, new]| (new < old) == lower),
        on_target: kpis.map(|kpi| on_target(*kpi)),
        target: kpis
            .new
            .or(kpis.old)
            .map(|kpi| kpi.target_text.clone())
            .unwrap_or_default(),
        text: kpis.map(|kpi| {
            kpi.filter(|kpi| kpi.value.is_some())
                .map(|kpi| kpi.text.clone())
                .unwrap_or_default()
        }),
        compared,
        value,
        unit,
        stage,
        name,
        subject,
    }
}

fn change_text([old, new]: [f64; 2], unit: &str) -> String {
    let delta = new - old;
    match unit {
        "share" => points(delta),
        "points" => signed(delta, 1),
        "%" => {
            let sign = if delta < 0.0 { MINUS } else { '+' };
            format!("{sign}{}", difference(delta.abs(), unit))
        }
        _ if old == 0.0 => String::new(),
        _ => change(delta / old.abs()),
    }
}

/// The result of the stage's own test. It compares a window with the one before, so it applies only
/// if one run has the other's value as its previous value.
fn beyond_chance(kpis: &Pair<Option<&Kpi>>) -> Option<bool> {
    let (old, new) = (kpis.old?, kpis.new?);
    let follows = |kpi: &Kpi, before: &Kpi| {
        let tested = kpi.direction != Direction::None || kpi.significant;
        let (previous, value) = (kpi.previous?, before.value?);
        let close = (previous - value).abs() <= 1e-9 * value.abs().max(1.0);
        (close && tested).then_some(kpi.significant)
    };
    follows(new, old).or_else(|| follows(old, new))
}

/// The change of a figure relative to the uncertainty of both values; without intervals, relative
/// to the figure.
fn weight(kpis: &Pair<Option<&Kpi>>) -> f64 {
    let (Some(old), Some(new)) = (kpis.old, kpis.new) else {
        return f64::MAX;
    };
    let (Some(a), Some(b)) = (old.value, new.value) else {
        return f64::MAX;
    };
    let half_width = |kpi: &Kpi| kpi.interval.map(|[low, high]| (high - low) / 2.0);
    let scale = match (half_width(old), half_width(new)) {
        (Some(a), Some(b)) => a.hypot(b),
        _ => a.abs().max(b.abs()),
    };
    if scale > 0.0 {
        (b - a).abs() / scale
    } else {
        0.0
    }
}
