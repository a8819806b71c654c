//! Selects the figures that earlier runs published, for comparison with those of the next run.

use super::JobLedger;
use retrocast_run::{Lineage, PublishedFigures, PublishedStage, PublishedWindow};
use retrocast_store::ledger::{
    PublishedFigure, PublishedInputs, PublishedRestatement, PublishedRun,
};
use std::collections::BTreeMap;

/// Maximum number of windows to compare; the newest are used.
const WINDOWS_MAX: usize = 16;

/// Reads the last published value of each figure of the newest windows, with the run that published
/// it: the newest run on the window, or a later run that restated the figure.
pub(super) fn figures(
    ledger: &JobLedger,
    runs: &[PublishedRun],
    change_min: f64,
) -> anyhow::Result<Option<PublishedFigures>> {
    let newest: Vec<&PublishedRun> = runs.iter().rev().take(WINDOWS_MAX).collect();
    if newest.is_empty() {
        return Ok(None);
    }
    let keys: Vec<String> = newest.iter().map(|run| run.publication.clone()).collect();
    let (figures, inputs, restatements) = ledger.runtime.block_on(async {
        let figures = ledger.ledger.figures(&keys).await?;
        let inputs = ledger.ledger.inputs(&keys).await?;
        let restatements = ledger.ledger.restatements_by(&keys).await?;
        Ok::<_, anyhow::Error>((figures, inputs, restatements))
    })?;
    // Entries of windows, by window and run; windows in the order of `newest`.
    let mut entries: BTreeMap<(usize, usize), PublishedWindow> = BTreeMap::new();
    let last = last_published(&newest, &figures, restatements);
    for ((window, stage, metric), (publisher, value)) in last {
        let run = newest[publisher];
        let of_stage = |figure: &&PublishedFigure| {
            figure.publication == run.publication && figure.stage == stage
        };
        let Some(lineage) = figures.iter().find(of_stage).and_then(lineage) else {
            continue;
        };
        let inputs = inputs
            .iter()
            .find(|inputs| inputs.publication == run.publication);
        let entry = entries
            .entry((window, publisher))
            .or_insert_with(|| PublishedWindow {
                window: newest[window].window.clone(),
                run: format!("{}/{}", run.window, run.run),
                build: inputs
                    .map(|inputs| inputs.build.clone())
                    .unwrap_or_default(),
                datasets: inputs.map(PublishedInputs::versions).unwrap_or_default(),
                stages: BTreeMap::new(),
            });
        let stage_entry = entry.stages.entry(stage.clone());
        let stage_entry = stage_entry.or_insert_with(|| PublishedStage {
            lineage,
            figures: BTreeMap::new(),
        });
        stage_entry.figures.insert(metric, value);
    }
    Ok(Some(PublishedFigures {
        change_min,
        windows: entries.into_values().collect(),
    }))
}

/// The last published value of each figure, by index of the window, stage and name: the index of the
/// run, and the value.
fn last_published(
    newest: &[&PublishedRun],
    figures: &[PublishedFigure],
    mut restatements: Vec<PublishedRestatement>,
) -> BTreeMap<(usize, String, String), (usize, Option<f64>)> {
    let index =
        |matches: &dyn Fn(&PublishedRun) -> bool| newest.iter().position(|run| matches(run));
    let mut last = BTreeMap::new();
    for figure in figures {
        if let Some(window) = index(&|run| run.publication == figure.publication) {
            let key = (window, figure.stage.clone(), figure.metric.clone());
            // Other figures with the same name are those of groups.
            last.entry(key).or_insert((window, figure.value));
        }
    }
    restatements.sort_by(|a, b| (a.finished, &a.publication).cmp(&(b.finished, &b.publication)));
    for restatement in restatements {
        let publisher = index(&|run| run.publication == restatement.publication);
        let window = index(&|run| run.window == restatement.of_window);
        let Some((publisher, window)) = publisher.zip(window) else {
            continue;
        };
        // A run on the window itself may have replaced the restatement.
        if newest[publisher].finished > newest[window].finished {
            let key = (window, restatement.stage, restatement.metric);
            last.entry(key)
                .and_modify(|figure| *figure = (publisher, restatement.value_to));
        }
    }
    last
}

/// The lineage of a figure; `None` if it is not compared with later runs.
fn lineage(figure: &PublishedFigure) -> Option<Lineage> {
    Some(Lineage {
        definition: figure.definition.clone()?,
        input_definition: figure.input_definition.clone()?,
        code: figure.code.clone()?,
        input_code: figure.input_code.clone()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    /// A run that finished on `day` of November.
    fn run(window: &str, day: u32) -> PublishedRun {
        let time: Timestamp = format!("2026-11-{day:02}T09:00:00Z").parse().unwrap();
        PublishedRun {
            job: "weekly".to_string(),
            window: window.to_string(),
            window_kind: "week".to_string(),
            window_start: time,
            window_end: time,
            run: "a".to_string(),
            finished: time,
            publication: format!("{window} {day}"),
        }
    }

    fn restatement(by: &PublishedRun, of_window: &str, value: f64) -> PublishedRestatement {
        PublishedRestatement {
            window: by.window.clone(),
            window_start: by.window_start,
            run: by.run.clone(),
            finished: by.finished,
            stage: "figures".to_string(),
            of_window: of_window.to_string(),
            metric: "Tickets".to_string(),
            unit: "records".to_string(),
            value_from: None,
            value_to: Some(value),
            published_by: String::new(),
            why: String::new(),
            causes: String::new(),
            publication: by.publication.clone(),
        }
    }

    #[test]
    fn the_last_published_value_counts() {
        let figure = |run: &PublishedRun, value: f64| PublishedFigure {
            publication: run.publication.clone(),
            stage: "figures".to_string(),
            metric: "Tickets".to_string(),
            value: Some(value),
            definition: None,
            input_definition: None,
            code: None,
            input_code: None,
        };
        let runs = [run("W46", 16), run("W45", 9), run("W44", 2)];
        let figures = [
            figure(&runs[2], 1.0),
            figure(&runs[1], 2.0),
            figure(&runs[0], 3.0),
        ];
        let key = |window: usize| (window, "figures".to_string(), "Tickets".to_string());
        let newest: Vec<&PublishedRun> = runs.iter().collect();
        let restated = vec![
            restatement(&runs[0], "W44", 12.0),
            restatement(&runs[1], "W44", 11.0),
        ];
        let last = last_published(&newest, &figures, restated.clone());
        assert_eq!(last[&key(0)], (0, Some(3.0)));
        assert_eq!(last[&key(1)], (1, Some(2.0)));
        assert_eq!(last[&key(2)], (0, Some(12.0)), "restated twice");
        // A later run on the window itself replaces restatements.
        let repeated = run("W44", 20);
        let newest = [&runs[0], &runs[1], &repeated];
        let figures = [figure(&runs[1], 2.0), figure(&repeated, 5.0)];
        let last = last_published(&newest, &figures, restated);
        assert_eq!(last[&key(2)], (2, Some(5.0)));
    }
}
