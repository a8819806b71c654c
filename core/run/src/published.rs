//! The figures that earlier runs published, recorded in the plan. A run compares its own figures
//! with them, and a rerun compares with the same figures.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The figures that earlier runs published.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PublishedFigures {
    /// Minimum relative change for a figure to be listed as restated.
    pub change_min: f64,
    /// The figures of the newest earlier windows, the newest window first. A window has several
    /// entries if runs on later windows restated some of its figures.
    pub windows: Vec<PublishedWindow>,
}

/// The figures of a window that a run published.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PublishedWindow {
    /// Label of the window.
    pub window: String,
    /// The run: "2026-W45/1a2b3c4d". The run is on a later window if it restated the figures.
    pub run: String,
    /// Version of the program.
    pub build: String,
    /// Versions of the datasets that the run read and wrote.
    pub datasets: BTreeMap<String, u64>,
    /// The figures by stage.
    pub stages: BTreeMap<String, PublishedStage>,
}

/// The figures that a stage published.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PublishedStage {
    /// Hashes of everything that they depend on, besides records.
    pub lineage: Lineage,
    /// Values by name.
    pub figures: BTreeMap<String, Option<f64>>,
}

/// Everything that the figures of a stage depend on, besides records, as hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The params of the stage.
    pub definition: String,
    /// The config of all nodes that it reads, and their contracts.
    pub input_definition: String,
    /// The version of its code.
    pub code: String,
    /// The versions of the code of all nodes that it reads.
    pub input_code: String,
}

impl PublishedFigures {
    /// The published figures of a stage, each with its whole window; empty if none were published.
    pub fn of_stage(&self, stage: &str) -> Vec<(&PublishedWindow, &PublishedStage)> {
        let windows = self.windows.iter();
        windows
            .filter_map(|window| Some((window, window.stages.get(stage)?)))
            .collect()
    }

    /// Keeps only the figures of stages that `is_included` accepts.
    #[must_use]
    pub fn for_stages(mut self, is_included: impl Fn(&str) -> bool) -> Self {
        for window in &mut self.windows {
            window.stages.retain(|stage, _| is_included(stage));
        }
        self.windows.retain(|window| !window.stages.is_empty());
        self
    }
}
