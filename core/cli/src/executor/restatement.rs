//! Compares the figures of a stage with those that earlier runs published, and finds the causes of
//! changes.

use super::{WorkspaceExecutor, failure, lineage, rows::LakeRows};
use jiff::ToSpan as _;
use retrocast_domain::{
    Cell, Outcome, Restatement, Restatements, Window,
    cell::DatasetRef,
    restatement::{Cause, CauseKind},
};
use retrocast_engine::{Failure, RunContext};
use retrocast_run::{Lineage, Node, PublishedWindow};
use retrocast_stages::{
    Context, Input, Rows, StageKind,
    restatement::{Comparison, Figures, Identity, Steps, Version},
};
use retrocast_store::{Scan, TimeLimit};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Columns with the number of a row's file and its line.
const OBJECT: &str = "_object";
const LINE: &str = "_line";
/// Memory for the rows of a window, in bytes.
const MEMORY: u64 = 96 << 20;

/// The stage whose figures are compared.
pub struct Stage<'a> {
    pub executor: &'a WorkspaceExecutor,
    pub node: &'a Node,
    pub kind: &'static StageKind,
    pub params: &'a Value,
    /// The stage's context for the window of the run.
    pub context: &'a Context,
    /// The stage's input datasets, with their times.
    pub inputs: &'a BTreeMap<String, Arc<Outcome>>,
    pub ctx: &'a RunContext,
}

/// The figures of a window that changed, with the run that published them.
struct ChangedFigures<'a> {
    published: &'a PublishedWindow,
    lineage: &'a Lineage,
    figures: Vec<Restatement>,
}

impl Stage<'_> {
    /// Adds the restated figures to the cell of the stage.
    pub async fn compare(&self, cell: &mut Cell) -> Result<(), Failure> {
        let Some(published) = &self.ctx.plan.published else {
            return Ok(());
        };
        let windows = published.of_stage(self.node.short());
        if windows.is_empty() || cell.kpis.is_empty() {
            return Ok(());
        }
        let Some((name, key)) = self.comparable_input()? else {
            cell.caveats.push(format!(
                "Figures of earlier {}s are not compared with what was published: the input combines \
                 records.",
                self.context.window.spec.noun()
            ));
            return Ok(());
        };
        let mut restated = Restatements {
            change_min: published.change_min,
            ..Restatements::default()
        };
        let mut compared = std::collections::BTreeSet::new();
        for (window, stage) in windows {
            let mut changed = ChangedFigures {
                published: window,
                lineage: &stage.lineage,
                figures: Vec::new(),
            };
            for kpi in &cell.kpis {
                let published_value = stage.figures.get(&kpi.name);
                let present = kpi
                    .earlier
                    .iter()
                    .find(|value| value.window == window.window);
                let Some((from, present)) = published_value.zip(present) else {
                    continue;
                };
                compared.insert(&window.window);
                if !Restatement::is_movement(*from, present.value) {
                    continue;
                }
                let values = [*from, present.value];
                let mut figure = Restatement::new(&window.window, &kpi.name, &kpi.unit, values);
                figure.run.clone_from(&window.run);
                if figure.relative_size() < published.change_min {
                    restated.smaller += 1;
                } else {
                    changed.figures.push(figure);
                }
            }
            if !changed.figures.is_empty() {
                restated
                    .figures
                    .extend(self.explain(changed, &name, &key).await?);
            }
        }
        restated.windows = compared.len() as u64;
        cell.restated = Some(restated);
        cell.doubt_unfinished(&self.context.window.previous().label());
        Ok(())
    }

    /// The dataset behind the figures and the columns that identify its records: a source, or a
    /// query that selects single records of a source. Other queries may derive a record from later
    /// records, so their figures of an earlier window may differ from the figures of a run on that
    /// window.
    fn comparable_input(&self) -> Result<Option<(String, Vec<String>)>, Failure> {
        let mut inputs = self.inputs.keys();
        let (Some(name), None) = (inputs.next(), inputs.next()) else {
            return Ok(None);
        };
        let key = lineage::record_key(self.executor, name, self.ctx)?;
        Ok(key.map(|key| (name.clone(), key)))
    }

    /// Adds the causes to changed figures.
    async fn explain(
        &self,
        changed: ChangedFigures<'_>,
        name: &str,
        key: &[String],
    ) -> Result<Vec<Restatement>, Failure> {
        let steps = self.steps(changed.published, name, key).await?;
        let lineage = self.ctx.plan.lineage(self.node);
        let build_differs = changed.published.build != self.ctx.build;
        let mut figures = changed.figures;
        for figure in &mut figures {
            figure.causes = match &steps {
                Some(steps) => causes(figure, steps, changed.lineage, &lineage, build_differs),
                None => causes_without_records(changed.lineage, &lineage),
            };
        }
        Ok(figures)
    }

    /// Computes the figures of a window from the records of its publication, and after each kind of
    /// change of the records; `None` if those records cannot be read or compared.
    async fn steps(
        &self,
        published: &PublishedWindow,
        name: &str,
        key: &[String],
    ) -> Result<Option<Steps>, Failure> {
        let lake = self.executor.lake(self.ctx)?;
        let present = self.inputs[name].datasets.first().cloned();
        let old = published.datasets.get(name).map(|version| DatasetRef {
            name: name.to_string(),
            version: *version,
            rows: 0,
        });
        let window = Window::parse(&published.window, &self.context.window.timezone);
        let (Some(present), Some(old), Ok(window)) = (present, old, window) else {
            return Ok(None);
        };
        if !lake.exists(&old).await {
            return Ok(None);
        }
        let identity = if key.is_empty() {
            let before = lake.paths_of_files(&old).await.map_err(failure)?;
            let after = lake.paths_of_files(&present).await.map_err(failure)?;
            if before.is_empty() || after.is_empty() {
                return Ok(None);
            }
            Identity::Line {
                object: OBJECT,
                line: LINE,
                paths: [before, after],
            }
        } else {
            Identity::Key(key.to_vec())
        };
        let time = self.params["time"].as_str().map(str::to_string);
        let limit = lineage::time_limit(self.executor, name, self.ctx)?;
        let contract_time = limit.as_ref().map(|limit| limit.column.clone());
        let Some(time) = time.or_else(|| contract_time.clone()) else {
            return Ok(None);
        };
        // Times may be days of another zone, so the scan has one more day at either end; the exact
        // selection follows later.
        let limit_at = |day: Result<jiff::civil::Date, jiff::Error>| {
            let day = day.ok()?.in_tz(&window.timezone).ok()?;
            Some(TimeLimit {
                column: time.clone(),
                end: day.timestamp(),
                timezone: window.timezone.clone(),
            })
        };
        let window_scan = Scan {
            from: limit_at(window.start.checked_sub(1.day())),
            before: limit_at(window.end.checked_add(1.day())),
            ..Scan::default()
        };
        let mut versions = Vec::new();
        for dataset in [&old, &present] {
            let rows = |scan: Scan| LakeRows::new(&lake, dataset, scan);
            // The other version may have no such time column.
            let (Ok(window), Ok(all)) =
                (rows(window_scan.clone()).await, rows(Scan::default()).await)
            else {
                return Ok(None);
            };
            versions.push(Version {
                dataset: dataset.clone(),
                window: Rows::new(window),
                all: Rows::new(all),
            });
        }
        let Ok(versions) = <[Version; 2]>::try_from(versions) else {
            return Ok(None);
        };
        let scan = Scan {
            before: limit,
            ..Scan::default()
        };
        let rows = LakeRows::new(&lake, &present, scan)
            .await
            .map_err(failure)?;
        let mut input = Input::new(Rows::new(rows), present);
        input.time = contract_time;
        let (kind, params) = (self.kind, self.params.clone());
        let context = Context {
            window,
            ..self.context.clone()
        };
        let reservation = self.executor.reserve(self.node, self.ctx, MEMORY).await?;
        let compared = tokio::task::spawn_blocking(move || {
            let _reservation = reservation;
            let comparison = Comparison {
                kind,
                context: &context,
                params: &params,
                input: &input,
                versions,
                identity,
            };
            comparison.steps()
        });
        match compared.await {
            Ok(Ok(steps)) => Ok(Some(steps)),
            // A column is missing in one version, or has another type there.
            Ok(Err(error)) => {
                tracing::info!("{}: {}: {error}", self.node.name, published.window);
                Ok(None)
            }
            Err(_) if self.ctx.cancel.is_cancelled() => Err(Failure::cancelled()),
            Err(error) => Err(Failure::bug(error.to_string())),
        }
    }
}

/// Returns the causes of a change: the effect of the current job and program on the old records,
/// then the effect of each kind of change of the records. A change without an effect is not a
/// cause.
fn causes(
    figure: &Restatement,
    steps: &Steps,
    old: &Lineage,
    new: &Lineage,
    build_differs: bool,
) -> Vec<Cause> {
    // Without any record there are no figures; the value stays that of the previous step.
    let value = |figures: &Figures, before: Option<f64>| {
        figures.get(&figure.metric).copied().unwrap_or(before)
    };
    let [late, corrected, deleted] = steps.records;
    let inputs_changed =
        (&old.input_definition, &old.input_code) != (&new.input_definition, &new.input_code);
    let definition = if old.definition != new.definition {
        CauseKind::ChangedJob
    } else if old.code != new.code || build_differs {
        CauseKind::ChangedBuild
    } else {
        // The window had not ended when the figure was published, so some records were missing.
        CauseKind::LateRecords
    };
    let input_cause = if old.input_definition == new.input_definition {
        CauseKind::ChangedBuild
    } else {
        CauseKind::ChangedJob
    };
    // If queries, sources or contracts changed, so did all records.
    let of_records = |kind: CauseKind| if inputs_changed { input_cause } else { kind };
    let old_value = value(&steps.old, figure.from);
    let late_value = value(&steps.late, old_value);
    let corrected_value = value(&steps.corrected, late_value);
    let values = [
        figure.from,
        old_value,
        late_value,
        corrected_value,
        figure.to,
    ];
    let kinds = [
        (definition, late),
        (of_records(CauseKind::LateRecords), late),
        (of_records(CauseKind::CorrectedRecords), corrected),
        (of_records(CauseKind::DeletedRecords), deleted),
    ];
    let mut causes: Vec<Cause> = Vec::new();
    for (step, (kind, records)) in values.windows(2).zip(kinds) {
        if !Restatement::is_movement(step[0], step[1]) {
            continue;
        }
        let change = step[0].zip(step[1]).map(|(before, after)| after - before);
        if let Some(known) = causes.iter_mut().find(|cause| cause.kind == kind) {
            known.change = known.change.zip(change).map(|(known, more)| known + more);
            continue;
        }
        let has_records = matches!(
            kind,
            CauseKind::LateRecords | CauseKind::CorrectedRecords | CauseKind::DeletedRecords
        );
        causes.push(Cause {
            kind,
            change,
            records: has_records.then_some(records).filter(|n| *n > 0),
        });
    }
    causes
}

/// The possible causes if the records of the publication are unknown.
fn causes_without_records(old: &Lineage, new: &Lineage) -> Vec<Cause> {
    let definitions =
        |lineage: &Lineage| (lineage.definition.clone(), lineage.input_definition.clone());
    let kind = if definitions(old) == definitions(new) {
        CauseKind::Unknown
    } else {
        CauseKind::ChangedJob
    };
    vec![Cause {
        kind,
        change: None,
        records: None,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(values: [f64; 3]) -> Steps {
        let figures = |value: f64| Figures::from([("Tickets".to_string(), Some(value))]);
        let [old, late, corrected] = values.map(figures);
        Steps {
            old,
            late,
            corrected,
            records: [4, 3, 2],
        }
    }

    fn lineage(definition: &str, input: &str, code: &str) -> Lineage {
        Lineage {
            definition: definition.to_string(),
            input_definition: input.to_string(),
            code: code.to_string(),
            input_code: String::new(),
        }
    }

    #[test]
    fn each_step_with_an_effect_is_a_cause() {
        let old = lineage("a", "b", "c");
        let check =
            |new: &Lineage, values: [f64; 3], build_differs: bool, expected: &[(&str, f64)]| {
                let values_of = [Some(10.0), Some(20.0)];
                let figure = Restatement::new("W45", "Tickets", "records", values_of);
                let causes = causes(&figure, &steps(values), &old, new, build_differs);
                let words = |cause: &Cause| cause.words().replace('\u{a0}', " ");
                let changes: Vec<(String, f64)> = causes
                    .iter()
                    .map(|cause| (words(cause), cause.change.unwrap()))
                    .collect();
                let expected: Vec<(String, f64)> = expected
                    .iter()
                    .map(|(words, change)| ((*words).to_string(), *change))
                    .collect();
                assert_eq!(changes, expected);
            };
        let (late, corrected) = ("4 late records", "3 corrected records");
        check(&old, [10.0, 20.0, 20.0], false, &[(late, 10.0)]);
        let expected = [(late, 2.0), (corrected, 3.0), ("2 deleted records", 5.0)];
        check(&old, [10.0, 12.0, 15.0], true, &expected);
        let job = lineage("x", "b", "c");
        check(
            &job,
            [15.0, 15.0, 20.0],
            false,
            &[("changed job", 5.0), (corrected, 5.0)],
        );
        // A changed job without an effect on the figure is not a cause.
        check(&job, [10.0, 20.0, 20.0], false, &[(late, 10.0)]);
        check(
            &lineage("a", "b", "x"),
            [20.0; 3],
            false,
            &[("changed build", 10.0)],
        );
        check(&old, [20.0; 3], true, &[("changed build", 10.0)]);
        let inputs = lineage("a", "x", "c");
        check(&inputs, [10.0, 12.0, 15.0], false, &[("changed job", 10.0)]);
        // Published before the end of the window.
        check(&old, [5.0, 20.0, 20.0], false, &[(late, 10.0)]);
    }

    #[test]
    fn causes_are_unknown_without_the_records() {
        let old = lineage("a", "b", "c");
        let kind = |new: &Lineage| causes_without_records(&old, new)[0].kind;
        assert_eq!(kind(&old), CauseKind::Unknown);
        assert_eq!(kind(&lineage("a", "x", "c")), CauseKind::ChangedJob);
    }
}
