//! Effects in money.

use super::{Params, measure::EffectMeasurement, present::Reporter, register::Improvement};
use retrocast_domain::{Effect, Table, Worth, number};

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
            so_far: per_day.map(|gain| gain * days),
        })
    }
}

/// Formats an amount with its interval: "EUR 120 (80 to 160)".
fn format_interval([value, low, high]: [f64; 3], currency: &str) -> String {
    let range = number::range(&number::money(low, ""), &number::money(high, ""));
    format!("{} ({range})", number::money(value, currency))
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

/// The table of effects in money, with their total; `None` if a unit of the metric has no value.
pub(super) fn table(params: &Params, effects: &[Effect]) -> Option<Table> {
    let valued: Vec<(&Effect, &Worth)> = effects
        .iter()
        .filter_map(|effect| Some((effect, effect.worth.as_ref()?)))
        .collect();
    if valued.is_empty() {
        return None;
    }
    let currency = params.currency.as_str();
    let dash = || "–".to_string();
    let mut table = Table::new(
        "Value of the improvements, with 95 % intervals; the return is that of the first year, if the \
         effect lasts.",
        &[
            "<improvement",
            "<verdict",
            ">measured ÷ expected",
            ">gain per day",
            ">gain so far",
            ">cost",
            ">return",
            ">paid back after",
        ],
    );
    for (effect, worth) in &valued {
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
            format_interval(worth.per_day, currency),
            format_interval(worth.so_far, currency),
            worth
                .cost
                .map_or_else(dash, |cost| number::money(cost, currency)),
            worth.roi().map_or_else(dash, percent),
            worth
                .payback_days()
                .map_or_else(dash, |days| number::plural(days.ceil() as u64, "day")),
        ]);
    }
    if valued.len() > 1 {
        let costs: Vec<f64> = valued.iter().filter_map(|(_, worth)| worth.cost).collect();
        table.push([
            "all together".to_string(),
            String::new(),
            String::new(),
            format_interval(
                total(valued.iter().map(|(_, worth)| worth.per_day)),
                currency,
            ),
            format_interval(
                total(valued.iter().map(|(_, worth)| worth.so_far)),
                currency,
            ),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_total_add_as_squares() {
        let sum = total([[10.0, 7.0, 13.0], [5.0, 1.0, 9.0]].into_iter());
        assert_eq!(sum, [15.0, 10.0, 20.0]);
    }
}
