//! The line of a group: straight, or for values that cannot fall below zero, one that does not.

use retrocast_stats::{
    positive_line::{Link, PositiveLine, positive_line},
    trend::{TheilSen, Trend},
};

/// The kind of line that describes a group.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Straight(TheilSen),
    Positive(PositiveLine),
}

/// The line over the stretch in which a group has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    shape: Shape,
    /// Positions of the first and the last value.
    first: usize,
    last: usize,
    /// True if no value is below zero.
    is_positive: bool,
}

impl Line {
    /// The line of a group's `values`, which repeat themselves after `season` positions; `trend` is
    /// that of the values without the season. Counts and sums that are not negative get a quasi-Poisson
    /// line, and so do other values where the Theil-Sen line would leave what is possible.
    pub(super) fn of(
        trend: &Trend,
        values: &[Option<f64>],
        season: usize,
        adds_up: bool,
        is_count: bool,
    ) -> Self {
        let first = values.iter().position(Option::is_some).unwrap_or(0);
        let last = values.iter().rposition(Option::is_some).unwrap_or(first);
        let is_positive = values.iter().flatten().all(|value| *value >= 0.0);
        let straight = &trend.line;
        let leaves = || {
            let mut there: Vec<f64> = values.iter().flatten().copied().collect();
            there.sort_by(f64::total_cmp);
            let median = there.get(there.len() / 2).copied().unwrap_or(0.0);
            straight.at(first) <= 0.25 * median || straight.at(last) <= 0.0
        };
        let positive = (is_positive && (adds_up || leaves()))
            .then(|| positive_line(values, season, is_count))
            .flatten();
        Self {
            shape: positive.map_or_else(|| Shape::Straight(straight.clone()), Shape::Positive),
            first,
            last,
            is_positive,
        }
    }

    /// Method and shape: "Theil-Sen", or that of the quasi-Poisson line.
    /// The method that its interval rests on.
    pub(super) fn method(&self) -> &'static str {
        match &self.shape {
            Shape::Straight(_) => "Theil-Sen",
            Shape::Positive(_) => "quasi-Poisson",
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match &self.shape {
            Shape::Straight(_) => "Theil-Sen",
            Shape::Positive(line) => match line.link {
                Link::Log => "log-linear",
                Link::Root => "square",
                Link::Identity => "straight",
            },
        }
    }

    /// Height at a position; `None` outside of the stretch.
    pub(super) fn height(&self, position: usize) -> Option<f64> {
        (self.first..=self.last)
            .contains(&position)
            .then(|| self.at(position))
    }

    /// Height at any position, never below zero where values are not.
    pub(super) fn at(&self, position: usize) -> f64 {
        match &self.shape {
            Shape::Straight(line) if self.is_positive => line.at(position).max(0.0),
            Shape::Straight(line) => line.at(position),
            Shape::Positive(line) => line.at(position),
        }
    }

    /// Heights at the first and the last position.
    pub(super) fn ends(&self) -> [f64; 2] {
        [self.at(self.first), self.at(self.last)]
    }

    /// Positions from the first to the last, both counted.
    pub(super) fn length(&self) -> usize {
        self.last + 1 - self.first
    }

    /// Change from the first position to the last with its 95 % interval, in the values' unit.
    pub(super) fn difference(&self) -> [f64; 3] {
        let steps = self.length() - 1;
        match &self.shape {
            Shape::Straight(line) => {
                let [low, high] = line.interval;
                [line.slope, low, high].map(|slope| slope * steps as f64)
            }
            Shape::Positive(line) => line.change.map(|change| change * line.at(self.first)),
        }
    }

    /// The same as a share of the level at the start; `None` where values are below zero, or the
    /// level is.
    pub(super) fn change(&self) -> Option<[f64; 3]> {
        let start = self.at(self.first);
        let difference = self.difference();
        (self.is_positive && start > 0.0).then(|| difference.map(|d| d / start))
    }

    /// Mean change from one position to the next with its 95 % interval.
    pub(super) fn slope(&self) -> [f64; 3] {
        let steps = (self.length() - 1).max(1) as f64;
        self.difference().map(|difference| difference / steps)
    }
}
