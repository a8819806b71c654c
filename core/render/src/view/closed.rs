//! Formats closed improvements.

use crate::words::shorten;
use retrocast_domain::ClosedImprovement;
use serde::Serialize;

/// Maximum number of closed improvements on the improvements page.
pub(super) const SHOWN_MAX: usize = 3;

#[derive(Debug, Serialize)]
pub(super) struct ClosedView {
    title: String,
    /// Its last verdicts.
    outcome: String,
    /// The person who closed it, the date and the reason.
    sentence: String,
    /// True if the executive report lists it.
    is_shown: bool,
}

/// A closed improvement and its position among those of the report.
pub(super) fn closed((position, closed): (usize, &ClosedImprovement)) -> ClosedView {
    ClosedView {
        title: shorten(&closed.title, 160),
        outcome: shorten(&closed.outcome(), 400),
        sentence: shorten(&closed.sentence(), 400),
        is_shown: position < SHOWN_MAX,
    }
}
