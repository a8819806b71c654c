//! Compares two runs: setup, inputs, figures and findings.
//!
//! Runs are compared by their folders, so a failed or active run is compared up to its last
//! finished node: findings of a stage that only one of the runs reached are neither new nor
//! resolved.

pub mod config;
pub mod figures;
pub mod findings;
pub mod inputs;

mod text;

use crate::Error;
use config::Config;
use figures::Figure;
use findings::{Findings, ImprovementVerdicts};
use inputs::Input;
use retrocast_domain::{FindingDecision, Restatement};
use retrocast_run::{NodeState, RunFolder, RunStatus};
use serde::Serialize;
use std::path::Path;

/// A value in the first and in the second run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    /// In the first run.
    pub old: T,
    /// In the second run.
    pub new: T,
}

impl<T: PartialEq> Pair<T> {
    /// Returns true if both are equal.
    pub fn is_same(&self) -> bool {
        self.old == self.new
    }
}

impl<T> Pair<T> {
    /// Applies a function to both values.
    fn map<'a, U>(&'a self, f: impl Fn(&'a T) -> U) -> Pair<U> {
        Pair {
            old: f(&self.old),
            new: f(&self.new),
        }
    }
}

/// One of the two compared runs.
#[derive(Debug, Clone, Serialize)]
pub struct ComparedRun {
    /// Its id.
    pub run: String,
    /// Name of the job.
    pub job: String,
    /// The job's title.
    pub title: String,
    /// Label of its window.
    pub window: String,
    /// The window in words.
    pub period: String,
    /// Its date, ISO 8601.
    pub date: String,
    /// Status at the end.
    pub status: RunStatus,
    /// Path of the run's folder.
    pub folder: String,
}

/// A node with different results in the two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeChange {
    /// Its full name.
    pub node: String,
    /// "done", "not enough", "failed", "not run" or "not reached".
    pub state: Pair<&'static str>,
    /// Its message; empty without one.
    pub message: Pair<String>,
}

/// The difference between two runs.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Both runs, with their windows and dates.
    pub runs: Pair<ComparedRun>,
    /// Their setup.
    pub config: Config,
    /// Nodes of both runs with different results.
    pub nodes: Vec<NodeChange>,
    /// Their inputs, by source.
    pub inputs: Vec<Input>,
    /// Key figures, the most important change first.
    pub metrics: Vec<Figure>,
    /// Findings, except those on improvements.
    pub findings: Findings,
    /// The verdicts on improvements.
    pub effects: Vec<ImprovementVerdicts>,
    /// Decisions on findings in force in only one of the runs.
    pub decisions: Pair<Vec<FindingDecision>>,
    /// Figures of earlier windows that each run restated.
    pub restated: Pair<Vec<Restatement>>,
    /// Files that could not be read and are left out, one sentence each.
    pub unreadable: Vec<String>,
}

/// Compares two run folders.
pub fn diff(old: &Path, new: &Path) -> Result<Difference, Error> {
    let runs = Pair {
        old: RunFolder::read(old)?,
        new: RunFolder::read(new)?,
    };
    let effects = findings::improvement_verdicts(&runs);
    Ok(Difference {
        config: config::compare(&runs),
        nodes: node_changes(&runs),
        inputs: inputs::compare(&runs),
        metrics: figures::compare(&runs),
        findings: findings::compare(&runs, &effects),
        decisions: decisions(&runs),
        restated: runs.map(restated_figures),
        effects,
        unreadable: [runs.old.unreadable.clone(), runs.new.unreadable.clone()].concat(),
        runs: runs.map(compared_run),
    })
}

impl Difference {
    /// Formats the difference for a terminal.
    pub fn text(&self) -> String {
        text::text(self)
    }
}

/// The decisions in force in one run but not in the other.
fn decisions(runs: &Pair<RunFolder>) -> Pair<Vec<FindingDecision>> {
    let only = |run: &RunFolder, other: &RunFolder| {
        let decisions = run.plan.decisions.iter();
        let decisions = decisions.filter(|decision| !other.plan.decisions.contains(decision));
        decisions.cloned().collect()
    };
    Pair {
        old: only(&runs.old, &runs.new),
        new: only(&runs.new, &runs.old),
    }
}

/// The figures that a run restated.
fn restated_figures(run: &RunFolder) -> Vec<Restatement> {
    let restated = run
        .in_order()
        .filter_map(|(_, cell)| cell.restated.as_ref());
    let figures = restated.flat_map(|restated| restated.figures.iter().cloned());
    figures.collect()
}

fn compared_run(run: &RunFolder) -> ComparedRun {
    let plan = &run.plan;
    ComparedRun {
        run: run.origin.run.clone(),
        job: plan.job.clone(),
        title: plan.title.clone(),
        window: plan.label.clone(),
        period: plan.window.words(),
        date: plan.date.to_string(),
        status: run.status,
        folder: run.folder.display().to_string(),
    }
}

/// Nodes of both plans with different results.
fn node_changes(runs: &Pair<RunFolder>) -> Vec<NodeChange> {
    let nodes = runs.new.plan.nodes.iter().filter(|node| !node.is_report());
    nodes
        .filter_map(|node| {
            let states = runs.map(|run| run.state(&node.name));
            let same = states.is_same()
                || states.old == NodeState::Absent
                // The missing amount differs from window to window.
                || matches!(
                    (&states.old, &states.new),
                    (NodeState::NotEnough(_), NodeState::NotEnough(_))
                );
            let state = states.map(|state| describe_state(state).0);
            (!same).then(|| NodeChange {
                node: node.name.clone(),
                message: states.map(|state| describe_state(state).1.to_string()),
                state,
            })
        })
        .collect()
}

/// A state as a word, and its message.
fn describe_state(state: &NodeState) -> (&'static str, &str) {
    match state {
        NodeState::Done => ("done", ""),
        NodeState::NotEnough(message) => ("not enough", message),
        NodeState::Failed(message) => ("failed", message),
        NodeState::NotRun(reason) => ("not run", reason),
        NodeState::NotReached => ("not reached", ""),
        NodeState::Absent => ("absent", ""),
    }
}

/// Removes the common prefix and suffix of two lists.
fn strip_common_ends<'a, T: PartialEq>(a: &'a [T], b: &'a [T]) -> [&'a [T]; 2] {
    let same = |(a, b): &(&T, &T)| a == b;
    let first = a.iter().zip(b).take_while(same).count();
    let (a, b) = (&a[first..], &b[first..]);
    let last = a.iter().rev().zip(b.iter().rev()).take_while(same).count();
    [&a[..a.len() - last], &b[..b.len() - last]]
}

#[cfg(test)]
mod tests;
