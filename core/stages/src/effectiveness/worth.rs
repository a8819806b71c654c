//! Effects in money.

use super::{
    measure::{EffectMeasurement, Measurement, Outcome},
    present::Reporter,
    register::{ALL_RECORDS, Improvement},
};
use retrocast_domain::{Table, Worth, number};
use std::fmt::Write;

/// The caveat of an effect on a mean, which has no value in money.
pub(super) const NO_UNITS: &str = "No effect is given in money: the metric is a mean, and `units_per_day`, the number of records per day, is not set.";

impl Reporter<'_> {
    /// The effect of an improvement in money, if a unit of the metric has a value.
    pub(super) fn worth(
        &self,
        improvement: &Improvement,
        measured: &EffectMeasurement,
    ) -> Option<Worth> {
        let units = match self.params.units_per_day {
            Some(units) => units,
            None if self.set.adds_up => 1.0,
            None => return None,
        };
        // A sum is a number of units per period, but `units_per_day` is per day.
        let days = if self.set.adds_up {
            self.set.period.days() as f64
        } else {
            1.0
        };
        let value = self.params.unit_value? * units / days;
        let [effect, low, high] = measured.estimate.absolute;
        let per_day = if improvement.lower_is_better {
            [-effect, -high, -low]
        } else {
            [effect, low, high]
        };
        let per_day = per_day.map(|gain| gain * value);
        let days = (measured.estimate.steps_after * self.set.period.days()) as f64;
        Some(Worth {
            currency: self.params.currency.clone(),
            cost: improvement.cost,
            per_day,
            measured: per_day.map(|gain| gain * days),
        })
    }
}

/// Formats an amount with its interval: "EUR 120 (80 to 160)".
fn format_interval([value, low, high]: [f64; 3], currency: &str) -> String {
    let range = number::range(&number::money(low, ""), &number::money(high, ""));
    format!("{} ({range})", number::money(value, currency))
}

/// Formats the interval alone: "EUR −12 to 134".
fn format_range([_, low, high]: [f64; 3], currency: &str) -> String {
    number::range(&number::money(low, currency), &number::money(high, ""))
}

/// Sums amounts with independent errors: the distances to the interval's ends add as squares.
fn total(amounts: impl Iterator<Item = [f64; 3]>) -> [f64; 3] {
    let (mut sum, mut below, mut above) = (0.0, 0.0, 0.0);
    for [value, low, high] in amounts {
        sum += value;
        below += (value - low).powi(2);
        above += (high - value).powi(2);
    }
    [sum, sum - below.sqrt(), sum + above.sqrt()]
}

/// A measured effect with its value in money.
struct ValuedEffect<'a> {
    improvement: &'a Improvement,
    measured: &'a EffectMeasurement,
    worth: Worth,
}

impl ValuedEffect<'_> {
    /// Returns true if both effects were measured on the same records in overlapping days.
    fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (&self.improvement.component, &other.improvement.component);
        let same_records = a == b || a == ALL_RECORDS || b == ALL_RECORDS;
        same_records
            && self.measured.change < other.measured.end
            && other.measured.change < self.measured.end
    }
}

/// Splits effects into those of a total and those whose gain is part of another of the total.
fn split_overlapping<T>(effects: &[T], overlaps: impl Fn(&T, &T) -> bool) -> (Vec<&T>, Vec<&T>) {
    let (mut counted, mut contained): (Vec<&T>, Vec<&T>) = (Vec::new(), Vec::new());
    for effect in effects {
        if counted.iter().any(|other| overlaps(other, effect)) {
            contained.push(effect);
        } else {
            counted.push(effect);
        }
    }
    (counted, contained)
}

impl Reporter<'_> {
    /// The table of effects in money, with their total; `None` if a unit of the metric has no
    /// value.
    pub(super) fn worth_table(&self, judged: &[Measurement]) -> Option<Table> {
        let valued: Vec<ValuedEffect> = judged
            .iter()
            .filter_map(|measurement| {
                let improvement = measurement.improvement;
                let Outcome::Measured(measured) = &measurement.outcome else {
                    return None;
                };
                let worth = self.worth(improvement, measured)?;
                Some(ValuedEffect {
                    improvement,
                    measured,
                    worth,
                })
            })
            .collect();
        if valued.is_empty() {
            return None;
        }
        let (proven, unproven): (Vec<&ValuedEffect>, Vec<&ValuedEffect>) = valued
            .iter()
            .partition(|effect| effect.measured.verdict.is_proven());
        let (counted, contained) = split_overlapping(&proven, |a, b| a.overlaps(b));
        let currency = self.params.currency.as_str();
        let dash = || "–".to_string();
        let mut title = "Value of the improvements, with 95 % intervals; the gain while measured is that of the \
                         days after the change that were measured, and the return is that of the first year, if \
                         the effect lasts."
            .to_string();
        if !contained.is_empty() {
            let ids: Vec<&str> = contained
                .iter()
                .map(|effect| effect.improvement.id.as_str())
                .collect();
            let _ = write!(
                title,
                " “All together” leaves out {}: an earlier row was measured on the same records and days, and \
                 contains its gain.",
                number::list(&ids)
            );
        }
        if !unproven.is_empty() {
            let _ = write!(
                title,
                " Effects without proof have only an interval; “all together” leaves out {}.",
                number::plural(unproven.len() as u64, "such effect")
            );
        }
        let mut table = Table::new(
            title,
            &[
                "<improvement",
                "<verdict",
                ">measured ÷ expected",
                ">gain per day",
                ">gain while measured",
                ">cost",
                ">return",
                ">paid back after",
            ],
        );
        for valued in &valued {
            let effect = self.effect_of(valued.improvement, valued.measured);
            let worth = &valued.worth;
            let is_proven = effect.verdict.is_proven();
            let amount = |amount: [f64; 3]| {
                if is_proven {
                    format_interval(amount, currency)
                } else {
                    format_range(amount, currency)
                }
            };
            let percent = |[value, low, high]: [f64; 3]| {
                let range = number::range(&number::percent(low), &number::percent(high));
                format!("{} ({range})", number::percent(value))
            };
            table.push([
                effect.improvement.clone(),
                effect.verdict.word().to_string(),
                effect
                    .effectiveness()
                    .map_or_else(dash, |share| number::fixed(share, 2)),
                amount(worth.per_day),
                format!(
                    "{} in {}",
                    amount(worth.measured),
                    number::plural(effect.days_after, "day")
                ),
                worth
                    .cost
                    .map_or_else(dash, |cost| number::money(cost, currency)),
                worth.roi().filter(|_| is_proven).map_or_else(dash, percent),
                worth
                    .payback_days()
                    .filter(|_| is_proven)
                    .map_or_else(dash, |days| number::plural(days.ceil() as u64, "day")),
            ]);
        }
        if valued.len() > 1 && !proven.is_empty() {
            let costs: Vec<f64> = valued.iter().filter_map(|v| v.worth.cost).collect();
            let sum = |amount: fn(&Worth) -> [f64; 3]| {
                let amounts = counted.iter().map(|effect| amount(&effect.worth));
                format_interval(total(amounts), currency)
            };
            table.push([
                "all together".to_string(),
                String::new(),
                String::new(),
                sum(|worth| worth.per_day),
                sum(|worth| worth.measured),
                if costs.is_empty() {
                    dash()
                } else {
                    number::money(costs.iter().sum(), currency)
                },
                String::new(),
                String::new(),
            ]);
        }
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_total_add_as_squares() {
        let sum = total([[10.0, 7.0, 13.0], [5.0, 1.0, 9.0]].into_iter());
        assert_eq!(sum, [15.0, 10.0, 20.0]);
    }

    #[test]
    fn an_effect_within_another_is_not_added_again() {
        let overlaps = |a: &[usize; 2], b: &[usize; 2]| a[0] < b[1] && b[0] < a[1];
        let effects = [[0, 30], [2, 32], [31, 61]];
        let (counted, contained) = split_overlapping(&effects, overlaps);
        assert_eq!(counted, [&[0, 30], &[31, 61]]);
        assert_eq!(contained, [&[2, 32]]);
    }
}
