//! The types shared by all crates, as plain data.
//!
//! A report covers a [`Window`] of time, a stage returns an [`Outcome`] made of a [`Cell`] and its
//! [`Finding`]s, and a [`Report`] is a list of cells ordered for one audience. No I/O, no clock, no
//! randomness.
//!
//! Modules are listed in the order in which data flows.

pub mod diagnostic;
pub mod window;

pub mod finding;

pub mod decision;

pub mod estimate;

pub mod effect;

pub mod closing;

pub mod recommendation;

pub mod health;

pub mod table;

pub mod chart;

pub mod source;

pub mod restatement;

pub mod cell;

mod unfinished;

pub mod overlap;

pub mod figure;

pub mod report;
pub mod result;
pub mod schema;

pub mod canonical;
mod mail;
mod null_as_nan;
pub mod number;
pub mod sentence;
pub mod suggest;

pub use cell::{Cell, CellStatus, DatasetRef, Kpi, Outcome, ParamLine};
pub use chart::{Chart, ChartKind};
pub use closing::ClosedImprovement;
pub use decision::{FindingDecision, FindingState};
pub use diagnostic::{Diagnostic, Level};
pub use effect::{Effect, EffectTest, GuardrailEffect, Verdict, Worth};
pub use estimate::{Certainty, Estimate};
pub use figure::{Figure, FigureKind};
pub use finding::{
    ActionRequest, Chapter, Direction, Evidence, Finding, Magnitude, MeasuredChange, Severity,
};
pub use health::{Health, HealthPart, HealthState};
pub use mail::is_mail_address;
pub use recommendation::{PastSuccess, Recommendation, RecommendationState, Risk};
pub use report::{Report, ReportStatus};
pub use restatement::{Restatement, Restatements, WindowValue};
pub use table::{Align, Column, Table};
pub use window::{Window, WindowSpec};
