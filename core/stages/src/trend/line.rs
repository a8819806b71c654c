//! The line of a group: straight, with a bend or with steps or, for values that cannot be negative,
//! never below zero.

use retrocast_stats::{
    bend::Bend,
    change_point::Steps,
    positive_line::{Link, PositiveLine, positive_line},
    trend::{TheilSen, Trend},
};

/// The kind of line that describes a group.
#[derive(Debug, Clone, PartialEq)]
enum LineKind {
    Straight(TheilSen),
    Positive(PositiveLine),
    Broken(Bend),
    /// Levels between steps, with the positions of the steps in the group's values.
    Stepped(Steps, Vec<usize>),
}

/// The line over the period in which a group has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    kind: LineKind,
    /// Index of the first value.
    begin: usize,
    /// Indices of the first value of the movement, and of the last value.
    first: usize,
    last: usize,
    /// True if no value is negative.
    is_positive: bool,
}

impl Line {
    /// Fits the line of a group's `values`, whose season has `season` steps; `trend` is that of the
    /// values without the season. Counts and sums that are not negative get a quasi-Poisson line,
    /// and so do other values if the Theil-Sen line would become impossible.
    pub(super) fn fit(
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
        let is_impossible = || {
            let mut present: Vec<f64> = values.iter().flatten().copied().collect();
            present.sort_by(f64::total_cmp);
            let median = present.get(present.len() / 2).copied().unwrap_or(0.0);
            straight.at(first) <= 0.25 * median || straight.at(last) <= 0.0
        };
        let positive = (is_positive && (adds_up || is_impossible()))
            .then(|| positive_line(values, season, is_count))
            .flatten();
        Self {
            kind: positive.map_or_else(|| LineKind::Straight(straight.clone()), LineKind::Positive),
            begin: first,
            first,
            last,
            is_positive,
        }
    }

    /// The line of a group whose level bends, with the position of the bend in the group's values.
    pub(super) fn broken(self, bend: Bend, position: usize) -> Self {
        Self {
            first: position,
            kind: LineKind::Broken(Bend { position, ..bend }),
            ..self
        }
    }

    /// The levels of a group that moved in steps, with the positions of the steps in the group's
    /// values.
    pub(super) fn stepped(self, steps: Steps, positions: Vec<usize>) -> Self {
        Self {
            kind: LineKind::Stepped(steps, positions),
            ..self
        }
    }

    /// Indices of the first values after steps; empty without one.
    pub(super) fn steps(&self) -> &[usize] {
        match &self.kind {
            LineKind::Stepped(_, positions) => positions,
            _ => &[],
        }
    }

    /// Index of the first value after a bend; `None` without one.
    pub(super) fn bend(&self) -> Option<usize> {
        matches!(self.kind, LineKind::Broken(_)).then_some(self.first)
    }

    /// Name of the method of the line and its interval.
    pub(super) fn method(&self) -> &'static str {
        match &self.kind {
            LineKind::Straight(_) => "Theil-Sen",
            LineKind::Positive(_) => "quasi-Poisson",
            LineKind::Broken(_) => "broken",
            LineKind::Stepped(..) => "stepped",
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match &self.kind {
            LineKind::Straight(_) => "Theil-Sen",
            LineKind::Broken(_) => "broken",
            LineKind::Stepped(..) => "stepped",
            LineKind::Positive(line) => match line.link {
                Link::Log => "log-linear",
                Link::Root => "square",
                Link::Identity => "straight",
            },
        }
    }

    /// Height at an index; `None` outside of the period.
    pub(super) fn height_within(&self, position: usize) -> Option<f64> {
        (self.begin..=self.last)
            .contains(&position)
            .then(|| self.height(position))
    }

    /// Height at any index, not negative if values are not.
    pub(super) fn height(&self, position: usize) -> f64 {
        let height = match &self.kind {
            LineKind::Straight(line) => line.at(position),
            LineKind::Positive(line) => line.at(position),
            LineKind::Broken(bend) => bend.at(position),
            LineKind::Stepped(steps, positions) => {
                let level = positions.partition_point(|step| *step <= position);
                steps.levels[level].mean
            }
        };
        if self.is_positive {
            height.max(0.0)
        } else {
            height
        }
    }

    /// Heights at the start and the end of the movement: after a bend, the level before it is the
    /// start.
    pub(super) fn ends(&self) -> [f64; 2] {
        let start = match &self.kind {
            LineKind::Broken(bend) => bend.level,
            LineKind::Straight(_) | LineKind::Positive(_) | LineKind::Stepped(..) => {
                self.height(self.first)
            }
        };
        [start, self.height(self.last)]
    }

    /// Number of steps from the first to the last of the movement, inclusive.
    pub(super) fn length(&self) -> usize {
        self.last + 1 - self.first
    }

    /// Change over the movement with its 95 % interval, in the values' unit.
    pub(super) fn difference(&self) -> [f64; 3] {
        let steps = self.length() - 1;
        match &self.kind {
            LineKind::Straight(line) => {
                let [low, high] = line.interval;
                [line.slope, low, high].map(|slope| slope * steps as f64)
            }
            LineKind::Positive(line) => line.change.map(|change| change * line.at(self.first)),
            LineKind::Broken(bend) if self.is_positive => {
                bend.change.map(|change| change.max(-bend.level))
            }
            LineKind::Broken(bend) => bend.change,
            LineKind::Stepped(steps, _) => steps.difference,
        }
    }

    /// The same relative to the level at the start; `None` if values or that level are negative.
    pub(super) fn change(&self) -> Option<[f64; 3]> {
        if let LineKind::Stepped(steps, _) = &self.kind {
            let ratio = steps.ratio.filter(|_| self.is_positive)?;
            return Some(ratio.map(|ratio| ratio - 1.0));
        }
        let [start, _] = self.ends();
        let difference = self.difference();
        (self.is_positive && start > 0.0).then(|| difference.map(|d| d / start))
    }

    /// Mean change per step with its 95 % interval.
    pub(super) fn slope(&self) -> [f64; 3] {
        if let LineKind::Broken(bend) = &self.kind {
            return bend.slope;
        }
        let steps = (self.length() - 1).max(1) as f64;
        self.difference().map(|difference| difference / steps)
    }
}
