//! Errors of panels: invalid data, or data that give no estimate.

use super::Inference;

/// An error of a panel or of its estimate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PanelError {
    /// There are fewer than two units.
    #[error("not enough units: {have}, 2 needed, one of them without the change")]
    Units {
        /// Number of units.
        have: usize,
    },
    /// The numbers of series and names differ.
    #[error("{names} names for {series} series")]
    Names {
        /// Number of names.
        names: usize,
        /// Number of series.
        series: usize,
    },
    /// Two units have the same name.
    #[error("unit {name:?} occurs twice")]
    Duplicate {
        /// Name that both units have.
        name: String,
    },
    /// No unit is treated.
    #[error("no unit is marked as changed")]
    NoTreated,
    /// A treated unit is not in the panel.
    #[error("the data have no unit {name:?}")]
    TreatedAbsent {
        /// Name of the treated unit.
        name: String,
    },
    /// Every unit is treated.
    #[error("all {units} units were changed, so none is left to compare with")]
    NoDonors {
        /// Number of units.
        units: usize,
    },
    /// The change is not within the periods.
    #[error("the change is at period {start} of {periods}")]
    StartOutside {
        /// Index of the first period after the change.
        start: usize,
        /// Number of periods.
        periods: usize,
    },
    /// Too few periods before the change.
    #[error("not enough periods before the change: {have}, {need} needed")]
    Before {
        /// Number of periods before the change.
        have: usize,
        /// Minimum number for the method.
        need: usize,
    },
    /// A unit has no value in some periods.
    #[error("{unit:?} has no value in {missing} of {periods} periods, first in period {first}")]
    Missing {
        /// Name of the unit.
        unit: String,
        /// Number of periods without a value.
        missing: usize,
        /// Number of periods.
        periods: usize,
        /// Index of the first such period.
        first: usize,
    },
    /// A series is shorter or longer than the first series.
    #[error("{unit:?} has {have} periods, the first unit {need}")]
    Length {
        /// Name of the unit.
        unit: String,
        /// Number of its periods.
        have: usize,
        /// Number of periods of the first unit.
        need: usize,
    },
    /// The treated series is constant.
    #[error("the values of {unit:?} are the same in every period")]
    Constant {
        /// Name of the treated unit.
        unit: String,
    },
    /// No donor varies before the change, so there is no noise to compare with.
    #[error("no unit without the change varies before it")]
    DonorsConstant,
    /// Too few donors, treated units or periods for this inference.
    #[error("{inference} inference needs {need} {what}, not {have}")]
    Inference {
        /// Inference that was requested.
        inference: Inference,
        /// Plural noun for the missing items, such as "units".
        what: &'static str,
        /// Number of items.
        have: usize,
        /// Minimum number.
        need: usize,
    },
}
