//! The identity of claims whose words depend on estimates.
//!
//! The claim of a shift names its month, and that of a rhythm its days or hours. When a later run
//! estimates another month or other days for the same fact, its claim is another. A finding
//! therefore continues the newest finding of an earlier run on the same series in the same direction
//! whose days or categories overlap its own, and takes over that claim and thereby its identity. Its
//! sentence keeps its own words.

use crate::{Inputs, StageError, frame, rows::Batch};
use jiff::civil::Date;
use retrocast_domain::{Direction, Finding};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// Name of the ledger table with the findings of earlier runs.
pub(crate) const TABLE: &str = "ledger.findings";

/// A finding of an earlier run.
struct EarlierFinding {
    window_end: i64,
    id: String,
    what: String,
    /// Kind, subject, dataset, measure and direction.
    series: [String; 5],
    extent: String,
}

/// Lets findings continue those of earlier runs. Extents of days at most `days` apart overlap. Each
/// earlier finding has one successor, and no two findings have the same claim afterwards.
pub(crate) fn continue_earlier(
    stage: &str,
    findings: &mut [Finding],
    inputs: &Inputs,
    days: i32,
) -> Result<(), StageError> {
    let Some(input) = inputs.get(TABLE).filter(|input| input.has("extent")) else {
        return Ok(());
    };
    let earlier = read_newest(stage, &input.read_all(COLUMNS)?)?;
    let mut pairs = Vec::new();
    for (index, finding) in findings.iter().enumerate() {
        let (series, extent) = (series_of(finding), finding.extent());
        for earlier in earlier.iter().filter(|earlier| earlier.series == series) {
            if let Some(overlap) = overlap(&earlier.extent, &extent, days) {
                let other_claim = earlier.what != finding.what;
                let age = Reverse(earlier.window_end);
                pairs.push((
                    age,
                    other_claim,
                    Reverse(overlap),
                    &earlier.id,
                    index,
                    earlier,
                ));
            }
        }
    }
    pairs.sort_by(|a, b| (a.0, a.1, a.2, a.3, a.4).cmp(&(b.0, b.1, b.2, b.3, b.4)));
    let (mut claimed, mut continued) = (BTreeSet::new(), BTreeSet::new());
    for (.., id, index, earlier) in pairs {
        if !claimed.contains(id) && continued.insert(index) {
            claimed.insert(id.clone());
            set_claim(&mut findings[index], &earlier.what);
        }
    }
    let fresh = (0..findings.len()).filter(|index| !continued.contains(index));
    for index in fresh {
        let claim = findings[index].what.clone();
        let mut number = 1;
        while !claimed.insert(findings[index].id.clone()) {
            number += 1;
            set_claim(&mut findings[index], &format!("{claim} ({number})"));
        }
    }
    Ok(())
}

const COLUMNS: &[&str] = &[
    "window_end",
    "id",
    "what",
    "stage",
    "kind",
    "subject",
    "dataset",
    "measure",
    "direction",
    "extent",
];

/// The newest row of each finding of a stage that has an extent.
fn read_newest(stage: &str, rows: &Batch<'_>) -> Result<Vec<EarlierFinding>, StageError> {
    let ends = frame::micros(rows, "window_end")?;
    let texts = COLUMNS[1..].iter().map(|name| frame::texts(rows, name));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let mut newest: BTreeMap<String, EarlierFinding> = BTreeMap::new();
    for (row, end) in ends.iter().enumerate() {
        let values: Option<Vec<&String>> = texts.iter().map(|texts| texts[row].as_ref()).collect();
        let (Some(window_end), Some(values)) = (*end, values) else {
            continue;
        };
        let [id, what, of_stage, series @ .., extent] = values.as_slice() else {
            continue;
        };
        let Ok(series) = <[&String; 5]>::try_from(series) else {
            continue;
        };
        let is_newer = newest
            .get(*id)
            .is_none_or(|known| known.window_end < window_end);
        if *of_stage == stage && is_newer {
            let finding = EarlierFinding {
                window_end,
                id: (*id).clone(),
                what: (*what).clone(),
                series: series.map(Clone::clone),
                extent: (*extent).clone(),
            };
            newest.insert(finding.id.clone(), finding);
        }
    }
    Ok(newest.into_values().collect())
}

fn series_of(finding: &Finding) -> [String; 5] {
    let direction = match finding.direction {
        Direction::Up => "up",
        Direction::Down => "down",
        Direction::None => "none",
    };
    let (dataset, measure) = (finding.dataset(), finding.measure());
    [
        finding.kind.as_str(),
        &finding.subject,
        dataset,
        measure,
        direction,
    ]
    .map(str::to_string)
}

fn set_claim(finding: &mut Finding, what: &str) {
    finding.what = what.to_string();
    finding.id = Finding::identity(&finding.kind, &finding.subject, what);
}

/// Number of days or categories that two extents share, at most zero for days that only lie near
/// each other; `None` if they do not overlap.
fn overlap(a: &str, b: &str, days: i32) -> Option<i32> {
    if let (Some([a_low, a_high]), Some([b_low, b_high])) = (days_of(a), days_of(b)) {
        let shared = (a_high.min(b_high) - a_low.max(b_low)).get_days() + 1;
        return (shared > -days).then_some(shared);
    }
    let categories: BTreeSet<&str> = a.split(", ").collect();
    let shared = b
        .split(", ")
        .filter(|other| categories.contains(other))
        .count();
    (shared > 0).then(|| i32::try_from(shared).unwrap_or(i32::MAX))
}

fn days_of(extent: &str) -> Option<[Date; 2]> {
    let (low, high) = extent.split_once(" to ")?;
    Some([low.parse().ok()?, high.parse().ok()?])
}

#[cfg(test)]
mod tests;
