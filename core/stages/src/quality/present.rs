//! Presents scores as key figures, tables and charts.

use super::{
    Params,
    judge::{Component, Quality},
    limits::{flag_score, flags, score_text},
};
use crate::{Context, Inputs, StageError};
use polars::prelude::*;
use retrocast_domain::{
    Chart, ChartKind, Direction, Kpi, Table,
    number::{self, plural},
};

pub(super) fn kpi(params: &Params, quality: &Quality) -> Kpi {
    let score = quality.score();
    let text = score.map_or_else(|| "n/a".to_string(), score_text);
    // A target needs a score to compare with.
    let target = score.map(|_| flag_score(params));
    Kpi {
        name: "Data quality score".to_string(),
        subject: quality.name.clone(),
        value: score,
        // A score is exact, not estimated.
        interval: score.map(|score| [score; 2]),
        unit: "points".to_string(),
        text,
        interval_text: String::new(),
        previous: None,
        delta_text: String::new(),
        baseline: None,
        baseline_delta_text: String::new(),
        significant: false,
        direction: Direction::None,
        lower_is_better: false,
        target,
        target_text: target.map_or_else(String::new, number::sensible),
        history: Vec::new(),
        earlier: Vec::new(),
        n: quality.records,
    }
}

/// Formats a share; a dash if it is unknown.
fn format_share(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_string(), number::percent)
}

/// The table of the scores with their components.
pub(super) fn scores_table(params: &Params, judged: &[Quality]) -> Table {
    let records = format!(">{}", params.noun());
    let headings = [
        "<dataset",
        ">score",
        ">validity",
        ">completeness",
        ">freshness",
        ">volume",
        ">uniqueness",
        ">shape",
        &records,
        "<last record before the window's end",
    ];
    let mut table = Table::new("Data quality by dataset.", &headings);
    for quality in judged {
        let [validity, completeness, freshness, volume, uniqueness, shape] =
            Component::ALL.map(|component| format_share(quality.value(component)));
        table.push([
            quality.name.clone(),
            quality
                .score()
                .map_or_else(|| "n/a".to_string(), score_text),
            validity,
            completeness,
            freshness,
            volume,
            uniqueness,
            shape,
            number::count(quality.records),
            quality
                .silence
                .as_ref()
                .map_or_else(|| "–".to_string(), |s| s.last.date().to_string()),
        ]);
    }
    table
}

/// The table of all components with weight, contribution and basis.
pub(super) fn components_table(params: &Params, judged: &[Quality]) -> Table {
    let headings = [
        "<dataset",
        "<part",
        ">value",
        ">weight",
        ">adds to the score",
        "<basis",
        "<flag",
    ];
    let is_flagged = judged
        .iter()
        .any(|quality| !flags(params, quality).is_empty());
    let headings = &headings[..if is_flagged { 7 } else { 6 }];
    let mut table = Table::new("Parts of the scores, with their weights.", headings);
    for quality in judged {
        let flags = flags(params, quality);
        for component in Component::ALL {
            let Some(value) = quality.value(component) else {
                continue;
            };
            let weight = quality.weight(component);
            let limit = flags.iter().find(|flag| flag.component == Some(component));
            let mut row = vec![
                quality.name.clone(),
                component.name().to_string(),
                number::percent(value),
                number::percent(weight),
                number::fixed(100.0 * weight * value, 1),
                quality.basis(component).to_string(),
                limit.map_or_else(String::new, |flag| {
                    format!("below {}", number::percent(flag.limit))
                }),
            ];
            row.truncate(headings.len());
            table.rows.push(row);
        }
    }
    table
}

/// The table of reasons for refused records, over all datasets.
pub(super) fn refusals_table(params: &Params, inputs: &Inputs) -> Option<Table> {
    let records = crate::series::words::capitalised(params.noun());
    let mut table = Table::new(
        format!("{records} not counted, by reason."),
        &[
            "<dataset",
            "<reason",
            &format!(">{}", params.noun()),
            ">share",
        ],
    );
    for name in &params.inputs {
        let Some(source) = inputs.get(name).and_then(|input| input.source.as_ref()) else {
            continue;
        };
        let mut add = |reason: &str, count: u64| {
            let share = count as f64 / source.records.max(1) as f64;
            let row = [
                name.clone(),
                reason.to_string(),
                number::count(count),
                number::percent(share),
            ];
            table.push(row);
        };
        for (reason, count) in source.quarantined.iter().take(8) {
            add(reason, *count);
        }
        if source.duplicates > 0 {
            add("duplicate (key seen before)", source.duplicates);
        }
    }
    (!table.rows.is_empty()).then(|| table.top(40))
}

pub(super) fn chart(context: &Context, params: &Params, judged: &[Quality]) -> Option<Chart> {
    let mut bars: Vec<retrocast_domain::chart::Bar> = judged
        .iter()
        .filter_map(|quality| {
            let score = quality.score()?;
            Some(retrocast_domain::chart::Bar {
                label: quality.name.clone(),
                value: score,
                interval: None,
                text: score_text(score),
                highlight: score < flag_score(params),
            })
        })
        .collect();
    bars.sort_by(|a, b| {
        a.value
            .total_cmp(&b.value)
            .then_with(|| a.label.cmp(&b.label))
    });
    let low = bars.iter().filter(|bar| bar.highlight).count();
    let limit = number::sensible(flag_score(params));
    let title = match low {
        0 => format!("All {} datasets score at least {limit} of 100", bars.len()),
        1 => format!("1 of {} datasets scores below {limit} of 100", bars.len()),
        low => format!(
            "{low} of {} score below {limit} of 100",
            plural(bars.len() as u64, "dataset")
        ),
    };
    let words: Vec<String> = bars
        .iter()
        .map(|bar| format!("{} {}", bar.label, bar.text))
        .collect();
    // A single score needs no chart: it is the key figure.
    (bars.len() > 1).then(|| Chart {
        id: crate::series::words::chart_id(&context.stage, "scores"),
        title,
        unit: "score, 0 to 100".to_string(),
        alt: format!("Data quality scores: {}.", number::list(&words)),
        kind: ChartKind::Bars {
            bars,
            baseline: 0.0,
            baseline_label: String::new(),
            horizontal: true,
        },
        table: None,
    })
}

/// Builds the stage's dataset: one row per dataset that was judged.
pub(super) fn frame_of(params: &Params, judged: &[Quality]) -> Result<DataFrame, StageError> {
    let names = judged.iter().map(|quality| quality.name.clone());
    let flagged = judged.iter().map(|q| !flags(params, q).is_empty());
    let mut columns = vec![
        Column::new("dataset".into(), names.collect::<Vec<_>>()),
        Column::new(
            "score".into(),
            judged.iter().map(Quality::score).collect::<Vec<_>>(),
        ),
    ];
    for component in Component::ALL {
        let values: Vec<Option<f64>> = judged.iter().map(|q| q.value(component)).collect();
        columns.push(Column::new(component.name().into(), values));
    }
    columns.push(Column::new("flagged".into(), flagged.collect::<Vec<_>>()));
    Ok(DataFrame::new(judged.len(), columns)?)
}
