//! `retrocast evaluate effect`: the effect of a change, measured from a CSV file.
//!
//! With `--unit` the file is a panel in long form, one row per unit and period, and the units
//! without the change are the controls. Without `--unit` the file is one series, one row per
//! period, with any controls in further columns.

mod evaluation;
mod measure;
mod periods;
mod present;
mod table;
#[cfg(test)]
mod tests;

use crate::{
    Exit,
    arguments::{EffectArguments, MethodArgument},
    terminal::{print, print_json},
};
use retrocast_stats::{intervention::SeriesMethod, panel::Method};

/// An estimator, by the kind of data that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Estimator {
    Panel(Method),
    Series(SeriesMethod),
}

impl Estimator {
    /// The requested estimator; `None` if the data decide.
    fn of(method: MethodArgument) -> Option<Self> {
        Some(match method {
            MethodArgument::Auto => return None,
            MethodArgument::Did => Self::Panel(Method::DifferenceInDifferences),
            MethodArgument::SyntheticControl => Self::Panel(Method::SyntheticControl),
            MethodArgument::Sdid => Self::Panel(Method::SyntheticDifferenceInDifferences),
            MethodArgument::Difp => Self::Panel(Method::DemeanedSyntheticControl),
            MethodArgument::Regression => Self::Series(SeriesMethod::Regression),
            MethodArgument::Structural => Self::Series(SeriesMethod::Structural),
            MethodArgument::Interrupted => Self::Series(SeriesMethod::Interrupted),
        })
    }
}

/// Measures the effect and prints it.
pub fn effect(arguments: &EffectArguments) -> anyhow::Result<Exit> {
    let evaluation = measure::evaluate(arguments)?;
    if arguments.json {
        print_json(&evaluation)?;
    } else {
        print(&present::text(&evaluation))?;
    }
    Ok(Exit::Done)
}
